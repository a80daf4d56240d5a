//! Telling other Stitchboxes that something they have of us moved, so that they look again at once. It may be lost: they
//! look again by themselves, only later. So nothing of it waits, and a peer that does not answer is not told at all.

use super::trust::discovery_of;
use crate::seal::Sealed;
use crate::{Domain, Error};
use stitchbox_federation::address::Host;
use stitchbox_federation::discover::Peer;
use stitchbox_federation::secret::Secret;
use stitchbox_federation::wire::{Notification, NotificationKind};
use stitchbox_schema::Cursor;
use stitchbox_store::federated::{self, FederatedShare};
use stitchbox_store::{changes, peers, settings};

/// Name of the position in the journal up to which peers were told.
const READER: &str = "told_peers";

/// Something a peer is told.
#[derive(Debug, Clone)]
pub struct Moved(FederatedShare);

impl Domain {
    /// The shares whose item moved since this was asked last, by any process on this database: each is given once.
    pub async fn moved_shares(&self) -> Result<Vec<Moved>, Error> {
        let mut db = self.store.read().await?;
        let (position, head) = (settings::cursor(&mut db, READER).await?, changes::head(&mut db).await?);
        drop(db);
        if self.federation.is_none() || position >= head {
            return Ok(Vec::new());
        }
        let moved = self.transact(move |tx| {
            Box::pin(async move {
                let (from, head) = (settings::cursor(tx, READER).await?, changes::head(tx).await?);
                settings::set_cursor(tx, READER, head).await?;
                // Before the first look nobody was told anything, and nobody needs to be.
                if from == Cursor(0) {
                    return Ok(Vec::new());
                }
                Ok(federated::moved_between(tx, from, head).await?)
            })
        });
        Ok(moved.await?.into_iter().map(Moved).collect())
    }

    /// Tells the peer, if it is a Stitchbox that answers.
    pub async fn tell_moved(&self, moved: &Moved) -> Result<(), Error> {
        let row = &moved.0;
        let peer = peers::by_host(&mut *self.store.read().await?, &row.peer).await?;
        let Some(peer) = peer.filter(|peer| peer.failures == 0 && peer.retry_at <= self.now()) else { return Ok(()) };
        let (Some(document), Ok(host)) = (discovery_of(&peer), Host::parse(&peer.host)) else { return Ok(()) };
        let Ok(peer) = Peer::new(host, document) else { return Ok(()) };
        if !peer.discovery().is_stitchbox() {
            return Ok(());
        }
        let mut notification = Notification::new(NotificationKind::StitchboxChanged, row.provider_id.clone());
        let secret = self.seal.open(Sealed::ShareSecret, row.share.0, &row.secret_sealed)?;
        notification.shared_secret = Some(Secret::new(secret));
        if let Err(error) = self.ocm_client().await?.notify(&peer, &notification).await {
            tracing::debug!(peer = row.peer, %error, "a peer was not told of a change");
        }
        Ok(())
    }
}
