//! Offering a share to somebody at another site, and taking it back: rows in the transaction that makes or ends the share.

use super::no_randomness;
use super::outbox::Message;
use super::trust::{check_invited, check_trust};
use super::{FederationRefusal, Postbox, TrustPolicy};
use crate::seal::Sealed;
use crate::{Domain, Error};
use stitchbox_federation::address::FederatedId;
use stitchbox_federation::secret::Secret;
use stitchbox_schema::{ItemId, ShareId, UserId};
use stitchbox_store::Tx;
use stitchbox_store::federated::{self, FederatedShare, FederatedState};
use stitchbox_store::outbox::{self, OutboxKind};
use stitchbox_store::shares::Share;

/// A federated share about to be made: everything but its row in `shares`.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    grantor: UserId,
    item: ItemId,
    row: FederatedShare,
    rule: TrustPolicy,
    postbox: Postbox,
}

impl Offer {
    /// The secret, sealed for the share.
    pub(crate) fn secret_sealed(&self) -> &str {
        &self.row.secret_sealed
    }

    /// Marks it as asked for by somebody at a peer, who calls it `id`.
    pub(crate) fn asked_for_by(mut self, sender: &str, id: &str) -> Self {
        (self.row.sender, self.row.sender_id) = (Some(sender.to_owned()), Some(id.to_owned()));
        self
    }
}

impl Domain {
    /// What [`offer`] writes for a share: a secret of its own, sealed. Reads and writes nothing.
    ///
    /// [`FederationRefusal::Off`], [`FederationRefusal::Address`] or [`FederationRefusal::Ourselves`].
    pub(crate) fn prepare_offer(&self, share: &Share, recipient: &str, is_group: bool) -> Result<Offer, Error> {
        let (item, grantor, share) = (share.item, share.grantor, share.id);
        let federation = self.site()?;
        let id = FederatedId::parse(recipient.trim()).map_err(|_| FederationRefusal::Address(recipient.to_owned()))?;
        if id.host == federation.host {
            return Err(FederationRefusal::Ourselves(recipient.to_owned()).into());
        }
        let postbox = self.postbox();
        let secret = Secret::generate().map_err(no_randomness)?;
        let row = FederatedShare {
            share,
            provider_id: share.to_string(),
            recipient: id.to_string(),
            is_group,
            peer: id.host.to_string(),
            sender: None,
            sender_id: None,
            secret_hash: secret.sha256_hex(),
            secret_sealed: self.seal.seal(Sealed::ShareSecret, share.0, secret.expose())?,
            must_exchange: false,
            state: FederatedState::Pending,
            form: None,
            answer: None,
            changed_at: postbox.now,
        };
        Ok(Offer { grantor, item, row, rule: federation.settings.trust, postbox })
    }
}

/// Offers the share, whose row in `shares` is there already: its federated part, and the word to the peer. After the
/// commit, [`Domain::wake_outbox`].
///
/// [`FederationRefusal::Untrusted`], [`FederationRefusal::MustInvite`] or [`FederationRefusal::SharedAlready`].
pub(crate) async fn offer(tx: &mut Tx, offer: &Offer) -> Result<(), Error> {
    let row = &offer.row;
    check_trust(tx, offer.rule, &row.peer).await?;
    check_invited(tx, offer.grantor, row).await?;
    if federated::is_offered(tx, offer.item, &row.recipient).await? {
        return Err(FederationRefusal::SharedAlready(row.recipient.clone()).into());
    }
    federated::insert(tx, row).await?;
    offer.postbox.put(tx, &row.peer, OutboxKind::Share, row.share.0, Message::default()).await?;
    Ok(())
}

/// Takes a federated share back, before its row in `shares` goes: it opens nothing from the commit on, and the peer is
/// told if it may have heard of it. Nothing for a share that is not federated. After the commit, [`Domain::wake_outbox`].
pub(crate) async fn withdraw(tx: &mut Tx, postbox: &Postbox, share: ShareId) -> Result<(), Error> {
    let Some(row) = federated::by_share(tx, share).await? else { return Ok(()) };
    federated::remove(tx, share).await?;
    let never_said = outbox::cancel_untried(tx, &row.peer, OutboxKind::Share, share.0, postbox.now).await?;
    // A peer that would not have it, or was never told, has nothing to forget.
    if never_said || row.state == FederatedState::Refused {
        return Ok(());
    }
    let message = Message {
        secret: Some(postbox.seal.open(Sealed::ShareSecret, share.0, &row.secret_sealed)?),
        grantee: Some(row.recipient.clone()),
        ..Message::notification("SHARE_UNSHARED", &row.provider_id, "The share was taken back.")
    };
    postbox.put(tx, &row.peer, OutboxKind::Notification, share.0, message).await?;
    Ok(())
}
