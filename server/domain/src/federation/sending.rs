//! Saying what waits in the outbox: leased and said; [`super::recording`] writes down how it went. Whoever dies between the
//! two says it again, with the same id, which the peer knows: at least once, and never a second share.

use super::network::NoPeer;
use super::outbox::Message;
use super::trust::{check_invited, check_trust};
use crate::seal::Sealed;
use crate::{Domain, Error};
use serde_json::Value;
use std::time::Duration;
use stitchbox_federation::address::{FederatedId, Host};
use stitchbox_federation::dialect::Form;
use stitchbox_federation::peer_error::PeerError;
use stitchbox_federation::secret::Secret;
use stitchbox_federation::wire::{
    InviteAccepted, InviteAnswer, Notification, NotificationKind, Offer, ResourceType, ShareMessage, ShareType,
};
use stitchbox_schema::{InviteId, Role, ShareId, SpaceId, Timestamp};
use stitchbox_store::federated::{self, FederatedShare};
use stitchbox_store::outbox::{self, OutboxKind, Outgoing};
use stitchbox_store::shares::Share;
use stitchbox_store::{Connection, accounts, invites, items, received_offers, shares};

/// Longer than any call may take.
const LEASE: Duration = Duration::from_secs(240);

/// Something leased from the outbox.
#[derive(Debug, Clone)]
pub struct Leased {
    pub(super) row: Outgoing,
    pub(super) owner: String,
}

impl Leased {
    /// To whom it goes.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.row.peer
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> OutboxKind {
        self.row.kind
    }
}

/// How it went.
#[derive(Debug)]
pub enum Delivery {
    /// The peer took it.
    Said(Answered),
    /// There is nothing to be said any more.
    Obsolete,
    /// It did not go through.
    Failed(PeerError),
    /// It may not be said.
    Forbidden(String),
}

impl Delivery {
    /// A defect of ours ended the attempt: it is tried again after a pause, as after any other failure.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::Failed(PeerError::OwnSide { reason: "an internal error of Stitchbox; please report it".to_owned() })
    }
}

/// What the peer answered.
#[derive(Debug)]
pub enum Answered {
    /// To a share: the form it took, the name of the recipient, and whether it will exchange the secret.
    Share(Form, String, bool),
    /// To an acceptance of an invite.
    Invite(InviteAnswer),
    /// To a notification.
    Notification(NotificationKind, Value),
}

impl Domain {
    /// Leases what is due longest; none if nothing is.
    pub async fn lease_outgoing(&self, owner: &str) -> Result<Option<Leased>, Error> {
        let now = self.now();
        if self.federation.is_none() || !outbox::is_due(&mut *self.store.read().await?, now).await? {
            return Ok(None);
        }
        let name = owner.to_owned();
        let row = self
            .transact(move |tx| Box::pin(async move { Ok(outbox::lease(tx, &name, now, now.after(LEASE)).await?) }))
            .await?;
        Ok(row.map(|row| Leased { row, owner: owner.to_owned() }))
    }

    /// Forgets who was saying what. For the start of an installation's only server: who held a lease was killed, and what
    /// it was saying need not wait until the lease ends.
    pub async fn release_outgoing(&self) -> Result<(), Error> {
        self.transact(|tx| Box::pin(async move { Ok(outbox::release_all(tx).await?) })).await
    }

    /// Says it. Changes nothing here.
    pub async fn say(&self, leased: &Leased) -> Result<Delivery, Error> {
        // The outbox has pauses of its own.
        if let (Some(site), Ok(host)) = (&self.federation, Host::parse(leased.peer())) {
            site.silent.forget(&host);
        }
        let said = match leased.row.kind {
            OutboxKind::Share => self.say_share(&leased.row).await,
            OutboxKind::Notification | OutboxKind::Attestation => self.say_notification(&leased.row).await,
            OutboxKind::InviteAccepted => self.say_acceptance(&leased.row).await,
        };
        match said {
            Ok(delivery) => Ok(delivery),
            Err(NoPeer::Peer(error)) => Ok(Delivery::Failed(error)),
            Err(NoPeer::Own(Error::Federation(refusal))) => Ok(Delivery::Forbidden(refusal.to_string())),
            Err(NoPeer::Own(error)) => Err(error),
        }
    }

    async fn say_share(&self, row: &Outgoing) -> Result<Delivery, NoPeer> {
        let mut db = self.store.read().await?;
        let id = ShareId(row.subject);
        let (Some(share), Some(federated)) =
            (shares::by_id(&mut db, id).await?, federated::by_share(&mut db, id).await?)
        else {
            return Ok(Delivery::Obsolete);
        };
        check_trust(&mut db, self.site()?.settings.trust, &row.peer).await?;
        let Some(message) = self.share_message(&mut db, &share, &federated).await? else {
            return Ok(Delivery::Obsolete);
        };
        drop(db);
        let peer = self.peer(&host_of(&row.peer)?).await?;
        // Now that its document is known.
        check_invited(&mut *self.store.read().await?, share.grantor, &federated).await?;
        let sent = self.ocm_client().await?.send_share(&peer, &message).await?;
        let exchanges = sent.form == Form::Multi && peer.discovery().demands("must-exchange-token");
        Ok(Delivery::Said(Answered::Share(sent.form, sent.answer.recipient_display_name, exchanges)))
    }

    /// The share as it is said; none if what is shared is gone.
    pub(crate) async fn share_message(
        &self,
        db: &mut Connection,
        share: &Share,
        row: &FederatedShare,
    ) -> Result<Option<ShareMessage>, Error> {
        let site = self.site()?;
        let (Some(item), Some(grantor)) =
            (items::by_id(db, share.item).await?, accounts::by_id(db, share.grantor).await?)
        else {
            return Ok(None);
        };
        let name = match item.name.is_empty() {
            true => {
                let space = stitchbox_store::spaces::by_id(db, share.space).await?;
                space.map_or_else(|| "space".to_owned(), |space| space.name)
            }
            false => item.name.clone(),
        };
        let wrong = |_| Error::Federation(super::FederationRefusal::Address(row.recipient.clone()));
        let owner = FederatedId::new(&grantor.name, site.host.clone()).map_err(wrong)?;
        let sender = match &row.sender {
            Some(sender) => FederatedId::parse(sender).map_err(wrong)?,
            None => owner.clone(),
        };
        let is_own = sender == owner;
        let secret = self.seal.open(Sealed::ShareSecret, share.id.0, &row.secret_sealed)?;
        Ok(Some(ShareMessage {
            share_with: FederatedId::parse(&row.recipient).map_err(wrong)?,
            name,
            description: share.note.clone(),
            provider_id: row.provider_id.clone(),
            owner,
            owner_display_name: grantor.display_name.clone(),
            sender_display_name: if is_own { grantor.display_name } else { sender.user.clone() },
            sender,
            share_type: if row.is_group { ShareType::Group } else { ShareType::User },
            resource_type: if item.is_folder() { ResourceType::Folder } else { ResourceType::File },
            expiration: share.expires_at.map(Timestamp::unix_seconds),
            offer: Offer {
                form: Form::Multi,
                uri: Some(format!("{}/dav/ocm/{}", site.origin(), row.provider_id)),
                shared_secret: Secret::new(secret),
                permissions: permissions(share),
                must_exchange_token: row.must_exchange,
            },
        }))
    }

    async fn say_notification(&self, row: &Outgoing) -> Result<Delivery, NoPeer> {
        let (message, secret) = self.read_message(row)?;
        let Some(kind) = NotificationKind::parse(&message.notification) else { return Ok(Delivery::Obsolete) };
        let peer = self.peer(&host_of(&row.peer)?).await?;
        if kind.is_ours_alone() && !peer.discovery().is_stitchbox() {
            return Ok(Delivery::Obsolete);
        }
        let mut notification = Notification::new(kind, message.provider_id);
        notification.shared_secret = secret.map(Secret::new);
        notification.grantee = match message.grantee {
            Some(grantee) => Some(grantee),
            None => self.recipient_of(SpaceId(row.subject)).await?,
        };
        notification.message = message.text;
        notification.share_with = message.share_with.and_then(|with| FederatedId::parse(&with).ok());
        notification.sender_id = message.sender_id;
        notification.jws = message.jws;
        let answer = self.ocm_client().await?.notify(&peer, &notification).await?;
        Ok(Delivery::Said(Answered::Notification(kind, answer)))
    }

    /// name@host of who a received space is for: peers of the family of oCIS want to read it.
    async fn recipient_of(&self, space: SpaceId) -> Result<Option<String>, Error> {
        let mut db = self.store.read().await?;
        let user = received_offers::by_space(&mut db, space).await?.and_then(|known| known.user);
        let Some(user) = user else { return Ok(None) };
        let user = accounts::by_id(&mut db, user).await?;
        Ok(user.map(|user| format!("{}@{}", user.name, self.site().map_or("", |site| site.host.as_str()))))
    }

    async fn say_acceptance(&self, row: &Outgoing) -> Result<Delivery, NoPeer> {
        let (_, secret) = self.read_message(row)?;
        let mut db = self.store.read().await?;
        let Some(taken) = invites::taken_by_id(&mut db, InviteId(row.subject)).await? else {
            return Ok(Delivery::Obsolete);
        };
        let Some(user) = accounts::by_id(&mut db, taken.user).await? else { return Ok(Delivery::Obsolete) };
        drop(db);
        let site = self.site()?.clone();
        let accepted = InviteAccepted {
            recipient_provider: site.host.clone(),
            token: Secret::new(secret.unwrap_or_default()),
            email: letters_to(&user.name, &site.host),
            user_id: user.name,
            name: user.display_name,
        };
        let peer = self.peer(&host_of(&row.peer)?).await?;
        let answer = self.ocm_client().await?.accept_invite(&peer, &accepted).await?;
        Ok(Delivery::Said(Answered::Invite(answer)))
    }

    fn read_message(&self, row: &Outgoing) -> Result<(Message, Option<String>), Error> {
        let message: Message = serde_json::from_str(&row.body).unwrap_or_default();
        let secret = match &message.secret {
            Some(sealed) => Some(self.seal.open(Sealed::Message, row.id.0, sealed)?),
            None => None,
        };
        Ok((message, secret))
    }
}

fn host_of(peer: &str) -> Result<Host, NoPeer> {
    Host::parse(peer).map_err(|_| PeerError::NotAPeer { host: peer.to_owned(), why: "its name is no host" }.into())
}

/// An address for letters, as some peers demand one: nobody here has told theirs.
pub(super) fn letters_to(user: &str, host: &Host) -> String {
    let name = host.as_str().rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    format!("{user}@{name}")
}

/// The words of reva: what may be done with a share.
fn permissions(share: &Share) -> Vec<String> {
    let mut words = vec!["read"];
    if share.role >= Role::Contributor {
        words.push("write");
    }
    if share.may_reshare {
        words.push("share");
    }
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_a_port_in_an_address_for_letters() {
        assert_eq!(letters_to("anna", &Host::parse("box.example:8443").unwrap()), "anna@box.example");
    }
}
