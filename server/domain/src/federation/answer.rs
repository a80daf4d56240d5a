//! What a user says to a share received from a peer: yes, no, or no more. What is said goes to the peer by the outbox.

use super::Postbox;
use super::journal::Noted;
use super::outbox::Message;
use crate::seal::Sealed;
use crate::shares::{free_name, touch_files};
use crate::{Domain, Error, Principal};
use serde_json::json;
use stitchbox_federation::wire::NotificationKind;
use stitchbox_schema::{Role, SpaceId, UserId};
use stitchbox_store::outbox::OutboxKind;
use stitchbox_store::received::ReceivedState;
use stitchbox_store::received_offers::{self, KnownShare};
use stitchbox_store::shares_folder::{self, SharesEntry};
use stitchbox_store::{Connection, Tx, groups, spaces};

impl Domain {
    /// Accepts what a peer shares with the user, or with a group of the user's. [`Error::NotFound`] if there is no such
    /// offer, or it was taken back.
    pub async fn accept_received(&self, principal: &Principal, space: SpaceId) -> Result<(), Error> {
        let (postbox, principal) = (self.postbox(), principal.clone());
        self.transact(move |tx| {
            Box::pin(async move {
                let known = for_user(tx, &principal, space).await?;
                match known.state {
                    ReceivedState::Accepted => show_to(tx, &postbox, &known, principal.user).await,
                    ReceivedState::Pending | ReceivedState::Declined => {
                        accept(tx, &postbox, space, Some(principal.user)).await
                    }
                    ReceivedState::Gone => Err(Error::NotFound),
                }
            })
        })
        .await?;
        self.announce();
        self.wake_outbox();
        Ok(())
    }

    /// Declines what a peer shares with the user, or leaves it; the peer is told. What a group got disappears for this
    /// user alone. [`Error::NotFound`] if there is no such share.
    pub async fn decline_received(&self, principal: &Principal, space: SpaceId) -> Result<(), Error> {
        let (postbox, principal) = (self.postbox(), principal.clone());
        self.transact(move |tx| {
            Box::pin(async move {
                let known = for_user(tx, &principal, space).await?;
                hide_from(tx, &postbox, space, principal.user).await?;
                if known.group.is_some() || matches!(known.state, ReceivedState::Gone | ReceivedState::Declined) {
                    return Ok(());
                }
                received_offers::set_state(tx, space, ReceivedState::Declined, postbox.now).await?;
                tell(tx, &postbox, &known, "SHARE_DECLINED", "The recipient declined or removed the share.").await?;
                note(tx, &postbox, &known, "declined", Some(principal.user)).await
            })
        })
        .await?;
        self.announce();
        self.wake_outbox();
        Ok(())
    }
}

/// The share, if it is for the principal.
pub(super) async fn for_user(db: &mut Connection, principal: &Principal, space: SpaceId) -> Result<KnownShare, Error> {
    let scope = principal.scope;
    if scope.share.is_some() || scope.create_only || scope.space.is_some_and(|only| only != space) {
        return Err(Error::NotFound);
    }
    let known = received_offers::by_space(db, space).await?.ok_or(Error::NotFound)?;
    let is_for = match known.group {
        Some(group) => groups::of_user(db, principal.user).await?.iter().any(|of| of.id == group),
        None => known.user == Some(principal.user),
    };
    if is_for { Ok(known) } else { Err(Error::NotFound) }
}

/// Accepts a share for whom it is, and tells the peer. `by` is none where nobody was asked.
pub(super) async fn accept(tx: &mut Tx, postbox: &Postbox, space: SpaceId, by: Option<UserId>) -> Result<(), Error> {
    let known = received_offers::by_space(tx, space).await?.ok_or(Error::NotFound)?;
    received_offers::set_state(tx, space, ReceivedState::Accepted, postbox.now).await?;
    for user in audience(tx, &known).await? {
        show_to(tx, postbox, &known, user).await?;
    }
    tell(tx, postbox, &known, "SHARE_ACCEPTED", "Recipient accept the share").await?;
    note(tx, postbox, &known, "accepted", by).await
}

/// Ends a share that its owner took back: nobody sees it from now on. What was fetched of it stays until it is swept.
pub(super) async fn end(tx: &mut Tx, postbox: &Postbox, known: &KnownShare) -> Result<(), Error> {
    received_offers::set_state(tx, known.space, ReceivedState::Gone, postbox.now).await?;
    for (user, _) in spaces::members(tx, known.space).await? {
        hide_from(tx, postbox, known.space, user.id).await?;
    }
    Ok(())
}

/// Gives the members of a share the role that its words allow.
pub(super) async fn set_role(tx: &mut Tx, known: &KnownShare, permissions: &str) -> Result<(), Error> {
    received_offers::set_permissions(tx, known.space, permissions).await?;
    let role = role_of(&known.form, permissions);
    for (user, _) in spaces::members(tx, known.space).await? {
        spaces::set_member(tx, known.space, user.id, role).await?;
    }
    Ok(())
}

/// The legacy form says nothing of what is allowed: there, the peer's WebDAV tells item by item.
fn role_of(form: &str, permissions: &str) -> Role {
    let writes = permissions.split(' ').any(|word| word == "write");
    if form == "legacy" || writes || permissions.is_empty() { Role::Editor } else { Role::Viewer }
}

async fn audience(db: &mut Connection, known: &KnownShare) -> Result<Vec<UserId>, Error> {
    let mut users: Vec<UserId> = known.user.into_iter().collect();
    if let Some(group) = known.group {
        users.extend(groups::members(db, group).await?.iter().map(|user| user.id));
    }
    Ok(users)
}

async fn show_to(tx: &mut Tx, postbox: &Postbox, known: &KnownShare, user: UserId) -> Result<(), Error> {
    spaces::set_member(tx, known.space, user, role_of(&known.form, &known.permissions)).await?;
    let entries = shares_folder::of_user(tx, user).await?;
    if !entries.iter().any(|entry| entry.space == Some(known.space)) {
        let name = free_name(tx, user, &known.name, !known.is_file).await?;
        let space = Some(known.space);
        let entry = SharesEntry { user, name, share: None, space, hidden: false, created_at: postbox.now };
        shares_folder::insert(tx, &entry).await?;
    }
    touch_files(tx, user, postbox.now).await
}

async fn hide_from(tx: &mut Tx, postbox: &Postbox, space: SpaceId, user: UserId) -> Result<(), Error> {
    let was_member = spaces::remove_member(tx, space, user).await?;
    let was_shown = shares_folder::remove_space(tx, space, user).await?;
    if was_member || was_shown { touch_files(tx, user, postbox.now).await } else { Ok(()) }
}

/// Says something about a received share to the site it came from.
pub(super) async fn tell(
    tx: &mut Tx,
    postbox: &Postbox,
    known: &KnownShare,
    kind: &str,
    text: &str,
) -> Result<(), Error> {
    let message = Message {
        secret: Some(postbox.seal.open(Sealed::ReceivedSecret, known.space.0, &known.secret_sealed)?),
        ..Message::notification(kind, &known.provider_id, text)
    };
    postbox.put(tx, &known.peer, OutboxKind::Notification, known.space.0, message).await?;
    Ok(())
}

/// Puts a signed statement about a run of a received space on its way to the owner.
pub(crate) async fn post_attestation(tx: &mut Tx, postbox: &Postbox, space: SpaceId, jws: &str) -> Result<(), Error> {
    let Some(known) = received_offers::by_space(tx, space).await? else { return Ok(()) };
    let kind = NotificationKind::StitchboxAttestation.as_str();
    let message = Message {
        secret: Some(postbox.seal.open(Sealed::ReceivedSecret, known.space.0, &known.secret_sealed)?),
        jws: Some(jws.to_owned()),
        ..Message::notification(kind, &known.provider_id, "A run of yours was repeated")
    };
    postbox.put(tx, &known.peer, OutboxKind::Attestation, known.space.0, message).await?;
    Ok(())
}

async fn note(tx: &mut Tx, postbox: &Postbox, known: &KnownShare, what: &str, by: Option<UserId>) -> Result<(), Error> {
    let mut noted = Noted::new("received_share", &known.peer, what);
    (noted.space, noted.user) = (Some(known.space), by);
    noted.details = json!({"name": known.name, "sender": known.sender});
    postbox.note(tx, &noted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_is_an_editor_and_unknown_rights_are_found_out_at_the_peer() {
        assert_eq!(role_of("multi", "read"), Role::Viewer);
        assert_eq!(role_of("multi", "read share"), Role::Viewer);
        assert_eq!(role_of("multi", "read write"), Role::Editor);
        assert_eq!(role_of("legacy", ""), Role::Editor);
    }
}
