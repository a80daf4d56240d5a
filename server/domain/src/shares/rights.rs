//! Who may share how much, and who may decide about a share.

use crate::access::enter;
use crate::{Error, Membership, Principal, Refusal};
use stitchbox_schema::{Role, ShareId, SpaceKind, Timestamp};
use stitchbox_store::shares::{self, Share};
use stitchbox_store::{Connection, feed};

/// The most somebody can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ceiling {
    /// The strongest role.
    pub role: Role,
    /// The share through which it is given, and with which it ends.
    pub parent: Option<ShareId>,
}

/// What a person can give of a space, seen as they see it.
pub(super) fn ceiling(membership: &Membership) -> Result<Ceiling, Error> {
    if membership.scope.create_only {
        return Err(Refusal::CreateOnly.into());
    }
    if membership.space.kind == SpaceKind::Received {
        return Err(Refusal::ReceivedSpace.into());
    }
    let role = membership.role;
    match &membership.via {
        None if role == Role::Manager => Ok(Ceiling { role, parent: None }),
        None if role == Role::Editor && membership.space.kind == SpaceKind::Project => {
            Ok(Ceiling { role, parent: None })
        }
        Some(via) if !via.upload_only && (via.may_reshare || role == Role::Manager) => {
            Ok(Ceiling { role, parent: Some(via.share) })
        }
        _ => Err(Refusal::MayNotShare.into()),
    }
}

/// Whether a share has not ended by its date.
pub(super) fn is_running(share: &Share, now: Timestamp) -> bool {
    share.expires_at.is_none_or(|end| end > now)
}

/// The strongest role the person may set on the share: the grantor, a manager of the space, or a manager by a share at or
/// above the item. [`Error::NotFound`] for others.
pub(super) async fn authority(
    db: &mut Connection,
    principal: &Principal,
    share: &Share,
    now: Timestamp,
) -> Result<Role, Error> {
    let scope = principal.scope;
    if scope.create_only || scope.share.is_some() || scope.space.is_some_and(|only| only != share.space) {
        return Err(Error::NotFound);
    }
    let parent = match share.parent {
        Some(parent) => shares::by_id(db, parent).await?.map(|parent| parent.role),
        None => None,
    };
    let most = parent.unwrap_or(Role::Manager);
    let member = match enter(db, principal, share.space).await {
        Ok(membership) => Some(membership.role),
        Err(Error::NotFound) => None,
        Err(other) => return Err(other),
    };
    if member == Some(Role::Manager) || manages_by_share(db, principal, share, now).await? {
        return Ok(most);
    }
    if share.grantor != principal.user {
        return Err(Error::NotFound);
    }
    // Who lost the rights to give keeps those to take back.
    Ok(parent.or(member).unwrap_or(share.role).min(most).max(Role::Viewer))
}

async fn manages_by_share(
    db: &mut Connection,
    principal: &Principal,
    share: &Share,
    now: Timestamp,
) -> Result<bool, Error> {
    for own in shares::for_user(db, principal.user).await? {
        let manages = own.role == Role::Manager && own.space == share.space && own.id != share.id;
        if manages && is_running(&own, now) && feed::lies_within(db, share.item, own.item).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Via;
    use crate::{ItemPath, Scope, Space};
    use stitchbox_schema::sharing::ShareKind;
    use stitchbox_schema::{ItemId, SpaceId};

    fn membership(role: Role, kind: SpaceKind, via: Option<Via>) -> Membership {
        let space = Space {
            id: SpaceId(1),
            name: "s".to_owned(),
            kind,
            owner: None,
            root: ItemId(1),
            quota: None,
            default_recipe: None,
            created_at: Timestamp(0),
        };
        Membership { space, role, scope: Scope::default(), via }
    }

    #[test]
    fn members_give_what_their_role_allows() {
        let most = |role, kind| ceiling(&membership(role, kind, None)).map(|ceiling| ceiling.role).ok();
        assert_eq!(most(Role::Manager, SpaceKind::Personal), Some(Role::Manager));
        assert_eq!(most(Role::Editor, SpaceKind::Project), Some(Role::Editor));
        assert_eq!(most(Role::Contributor, SpaceKind::Project), None);
        assert_eq!(most(Role::Viewer, SpaceKind::Project), None);
        assert_eq!(most(Role::Manager, SpaceKind::Received), None);
    }

    #[test]
    fn a_share_is_passed_on_if_it_says_so_or_makes_a_manager() {
        let via = |may_reshare, upload_only| {
            Some(Via {
                share: ShareId(9),
                kind: ShareKind::User,
                top: ItemId(5),
                path: ItemPath::default(),
                upload_only,
                may_reshare,
            })
        };
        let given = |role, via| ceiling(&membership(role, SpaceKind::Personal, via)).ok();
        let through = |role| Some(Ceiling { role, parent: Some(ShareId(9)) });
        assert_eq!(given(Role::Viewer, via(true, false)), through(Role::Viewer));
        assert_eq!(given(Role::Manager, via(false, false)), through(Role::Manager));
        assert_eq!(given(Role::Editor, via(false, false)), None);
        assert_eq!(given(Role::Contributor, via(true, true)), None);
    }

    #[test]
    fn a_password_that_may_only_create_shares_nothing() {
        let mut membership = membership(Role::Manager, SpaceKind::Personal, None);
        membership.scope.create_only = true;
        assert!(matches!(ceiling(&membership), Err(Error::Forbidden(Refusal::CreateOnly))));
    }
}
