//! What a share opens: asked anew at every use and inside the transaction of every change, so that a share that was
//! taken back, ran out, or whose item went elsewhere opens nothing from that moment on.
//!
//! Nobody enters a space by a share but at or below what is shared. Whoever comes by a link or from a peer acts in the
//! name of the grantor ([`Principal::user`]) and can do nothing but by that share ([`Scope::share`]).

use crate::{Domain, Error, Item, ItemPath, Location, Membership, Principal, Scope, Via};
use std::collections::HashMap;
use stitchbox_schema::{ItemId, Role, ShareId, Timestamp, UserId};
use stitchbox_store::share_access::{self, Grant, ShareKind};
use stitchbox_store::{Connection, feed, items, spaces};

/// Longest chain of shares given on, each by who got the one before.
const MOST_HANDS: usize = 16;

/// The part of a space that a share opens to the principal; [`Error::NotFound`] if it is none or not for the principal.
pub(crate) async fn enter_by(
    db: &mut Connection,
    principal: &Principal,
    share: ShareId,
    now: Timestamp,
) -> Result<Membership, Error> {
    let grant = share_access::by_id(db, share).await?.ok_or(Error::NotFound)?;
    if !is_for(db, &grant, principal).await? {
        return Err(Error::NotFound);
    }
    open(db, grant, principal.scope, now).await
}

async fn is_for(db: &mut Connection, grant: &Grant, principal: &Principal) -> Result<bool, Error> {
    let Scope { space, share, .. } = principal.scope;
    if space.is_some_and(|only| only != grant.space) {
        return Ok(false);
    }
    match share {
        Some(only) => Ok(only == grant.id && !is_for_persons(grant.kind)),
        None => is_given_to(db, grant, principal.user).await,
    }
}

fn is_for_persons(kind: ShareKind) -> bool {
    matches!(kind, ShareKind::User | ShareKind::Group)
}

/// Whether a user of this installation has it, herself or by a group.
async fn is_given_to(db: &mut Connection, grant: &Grant, user: UserId) -> Result<bool, Error> {
    match (grant.kind, grant.group) {
        (ShareKind::User, _) => Ok(grant.user == Some(user)),
        (ShareKind::Group, Some(group)) => Ok(share_access::is_in_group(db, group, user).await?),
        (ShareKind::Group | ShareKind::Link | ShareKind::Federated, _) => Ok(false),
    }
}

/// What a share opens to whom it is for; [`Error::NotFound`] if nothing (any more).
pub(crate) async fn open(db: &mut Connection, grant: Grant, scope: Scope, now: Timestamp) -> Result<Membership, Error> {
    let role = role_left(db, &grant, now).await?.ok_or(Error::NotFound)?;
    let item = items::by_id(db, grant.item).await?.filter(|item| item.space == grant.space).ok_or(Error::NotFound)?;
    let (names, is_live) = items::path(db, item.id).await?;
    if !is_live {
        return Err(Error::NotFound);
    }
    let path = ItemPath::from_segments(names.iter().map(String::as_str)).map_err(|_| Error::NotFound)?;
    let space = spaces::by_id(db, grant.space).await?.ok_or(Error::NotFound)?;
    let via = Via {
        share: grant.id,
        kind: grant.kind,
        top: item.id,
        path,
        upload_only: grant.upload_only,
        may_reshare: grant.may_reshare,
    };
    let scope = Scope { create_only: scope.create_only || grant.upload_only, ..scope };
    Ok(Membership { space, role, scope, via: Some(via) })
}

/// The role the share gives now; none if it has ended. One that was given on ends with that by which its grantor had
/// it, and gives no more than that does.
async fn role_left(db: &mut Connection, grant: &Grant, now: Timestamp) -> Result<Option<Role>, Error> {
    if has_ended(grant, now) {
        return Ok(None);
    }
    let mut role = grant.role;
    let (mut parent, mut item, mut holder) = (grant.parent, grant.item, grant.grantor);
    for _ in 0..MOST_HANDS {
        let Some(id) = parent else { return Ok(Some(role)) };
        let Some(above) = share_access::by_id(db, id).await? else { return Ok(None) };
        let held = !is_for_persons(above.kind) || is_given_to(db, &above, holder).await?;
        if has_ended(&above, now) || !held || !feed::lies_within(db, item, above.item).await? {
            return Ok(None);
        }
        role = role.min(above.role);
        (parent, item, holder) = (above.parent, above.item, above.grantor);
    }
    Ok(None)
}

fn has_ended(grant: &Grant, now: Timestamp) -> bool {
    let is_closed = grant.owner_disabled && !is_for_persons(grant.kind);
    is_closed || grant.expires_at.is_some_and(|end| end <= now)
}

/// The innermost share by which somebody of this installation sees an item; none if there is none.
pub(crate) async fn seen_by(
    db: &mut Connection,
    principal: &Principal,
    item: ItemId,
    now: Timestamp,
) -> Result<Option<Membership>, Error> {
    let shares = match principal.scope.share {
        Some(only) => vec![only],
        None => share_access::on_the_way_to(db, item, principal.user).await?,
    };
    for share in shares {
        match enter_by(db, principal, share, now).await {
            Ok(membership)
                if !membership.scope.create_only && feed::lies_within(db, item, membership.top()).await? =>
            {
                return Ok(Some(membership));
            }
            Ok(_) | Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

impl Domain {
    /// What a share opens to the principal, and where; [`Error::NotFound`] if nothing.
    pub async fn open_share(&self, principal: &Principal, share: ShareId) -> Result<(Membership, Location), Error> {
        let membership = enter_by(&mut *self.store.read().await?, principal, share, self.now()).await?;
        let top = membership.place(ItemPath::default());
        Ok((membership, top))
    }
}

impl Domain {
    /// To whom a folder and its children were given: everybody, as a member of the space sees it; by oneself, as who sees
    /// a part of it does. Visitors and peers are told of nobody.
    pub async fn share_types_in(
        &self,
        principal: &Principal,
        membership: &Membership,
        folder: &Item,
    ) -> Result<HashMap<ItemId, Vec<ShareKind>>, Error> {
        let Some(user) = principal.actor() else { return Ok(HashMap::new()) };
        let grantor = membership.via.as_ref().map(|_| user);
        let mut kinds: HashMap<ItemId, Vec<ShareKind>> = HashMap::new();
        for (item, kind) in share_access::kinds_in(&mut *self.store.read().await?, folder.id, grantor).await? {
            kinds.entry(item).or_default().push(kind);
        }
        Ok(kinds)
    }
}
