//! Changes of our users in a received space: at the peer first, under the ETag we know, then here.
//!
//! A peer that does not answer is asked a few times more; what it answers then to a change that had arrived the first time
//! is understood. Each of our changes raises the count (`epoch`) by which a listing older than it is recognised.

use super::apply::forget_versions_before;
use super::breaker::{AtPeer, LONG, SHORT, refusal};
use super::peer::{Expected, Outgoing, PeerTrouble};
use crate::tree::Act;
use crate::uploads::Committed;
use crate::{Domain, Error, Item, ItemPath, Location};
use std::time::Duration;
use stitchbox_schema::{SpaceId, Timestamp};
use stitchbox_store::remote::{self, RemoteBlob, RemoteItem};
use stitchbox_store::{Tx, purge, received};

/// Pauses before a change is tried again.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(1000), Duration::from_millis(3000)];
/// Longest that a body may take to the peer. A silent one ends much sooner.
const WRITING: Duration = Duration::from_secs(6 * 60 * 60);

/// What a peer said when it took a file.
#[derive(Debug, Clone)]
pub(crate) struct Pushed {
    /// Its ETag there; empty if the peer does not tell.
    pub etag: String,
    /// Whether nothing was there before.
    pub created: bool,
}

impl Domain {
    /// Gives a file to the peer.
    pub(crate) async fn put_there(
        &self,
        at: &Location,
        existing: Option<&Item>,
        body: Outgoing,
        mtime: Option<Timestamp>,
    ) -> Result<Pushed, Error> {
        let peer = self.reach(at.space).await?;
        let expected = self.expected(existing).await?;
        let mut pauses = PAUSES.iter();
        let mut repeated = false;
        let written = loop {
            let call = peer.files.write(&at.path, body.clone(), mtime, &expected);
            match self.ask(&peer.share, WRITING, call).await {
                Ok(written) => break written.etag,
                Err(PeerTrouble::Changed | PeerTrouble::Exists) if repeated => {
                    match self.arrived_before(&peer, &at.path, &body, mtime, &expected).await {
                        Some(etag) => break etag,
                        None => return Err(self.not_done(&peer, PeerTrouble::Changed).await),
                    }
                }
                Err(trouble) => match (trouble, pauses.next()) {
                    (PeerTrouble::Unreachable(_), Some(pause)) => {
                        repeated = true;
                        tokio::time::sleep(*pause).await;
                    }
                    (trouble, _) => return Err(self.not_done(&peer, trouble).await),
                },
            }
        };
        let etag = match written {
            Some(etag) => etag,
            None => {
                let looked = self.ask(&peer.share, SHORT, peer.files.look(&at.path)).await;
                // Somebody there may have been faster than our question: then the next comparison tells.
                let ours = looked.ok().filter(|entry| entry.size == body.size());
                ours.and_then(|entry| entry.etag).unwrap_or_default()
            }
        };
        Ok(Pushed { etag, created: existing.is_none() })
    }

    /// Whether a file whose answer was lost did arrive: its ETag if so.
    async fn arrived_before(
        &self,
        peer: &AtPeer,
        path: &ItemPath,
        body: &Outgoing,
        mtime: Option<Timestamp>,
        expected: &Expected,
    ) -> Option<Option<String>> {
        let entry = self.ask(&peer.share, SHORT, peer.files.look(path)).await.ok()?;
        let moved = !matches!((expected, &entry.etag), (Expected::ETag(before), Some(now)) if before == now);
        let seconds = |at: Timestamp| at.0.div_euclid(1_000_000_000);
        let same_time = match (mtime, entry.mtime) {
            (Some(sent), Some(there)) => seconds(sent) == seconds(there),
            _ => true,
        };
        let same_bytes = entry.sha256.is_none() || body.sha256().is_none() || entry.sha256.as_deref() == body.sha256();
        (moved && entry.size == body.size() && same_time && same_bytes).then_some(entry.etag)
    }

    /// Makes a folder at the peer; one that is there already is as good.
    pub(crate) async fn make_folder_there(&self, space: SpaceId, path: &ItemPath) -> Result<(), Error> {
        let peer = self.reach(space).await?;
        match self.insist(&peer, || peer.files.make_folder(path)).await {
            Ok(_) | Err(PeerTrouble::Exists) => Ok(()),
            Err(trouble) => Err(self.not_done(&peer, trouble).await),
        }
    }

    /// Removes an item at the peer.
    pub(crate) async fn remove_there(&self, at: &Location, item: &Item) -> Result<(), Error> {
        let peer = self.reach(at.space).await?;
        // A folder changes with everything below, and what is below is what is to go.
        let expected = if item.is_folder() { Expected::Anything } else { self.expected(Some(item)).await? };
        match self.insist(&peer, || peer.files.remove(&at.path, &expected)).await {
            Ok(()) | Err(PeerTrouble::Missing) => Ok(()),
            Err(trouble) => Err(self.not_done(&peer, trouble).await),
        }
    }

    /// Moves an item at the peer.
    pub(crate) async fn relocate_there(
        &self,
        space: SpaceId,
        from: &ItemPath,
        to: &ItemPath,
        overwrite: bool,
    ) -> Result<(), Error> {
        let peer = self.reach(space).await?;
        // Not repeated by itself: a move that arrived twice could move something else.
        match self.ask(&peer.share, LONG, peer.files.relocate(from, to, overwrite)).await {
            Ok(()) => Ok(()),
            Err(trouble) => Err(self.not_done(&peer, trouble).await),
        }
    }

    /// Asks for a change that may be asked for twice.
    async fn insist<'a, T>(
        &self,
        peer: &AtPeer,
        call: impl Fn() -> futures::future::BoxFuture<'a, Result<T, PeerTrouble>>,
    ) -> Result<T, PeerTrouble> {
        let mut pauses = PAUSES.iter();
        loop {
            match (self.ask(&peer.share, LONG, call()).await, pauses.next()) {
                (Err(PeerTrouble::Unreachable(_)), Some(pause)) => tokio::time::sleep(*pause).await,
                (answer, _) => return answer,
            }
        }
    }

    async fn expected(&self, existing: Option<&Item>) -> Result<Expected, Error> {
        let Some(item) = existing else { return Ok(Expected::Nothing) };
        let known = remote::by_item(&mut *self.store.read().await?, item.id).await?;
        Ok(match known {
            Some(RemoteItem { etag, .. }) if !etag.is_empty() => Expected::ETag(etag),
            _ => Expected::Anything,
        })
    }

    /// What a person is told of a change that the peer did not make. What it knows better is looked at soon.
    async fn not_done(&self, peer: &AtPeer, trouble: PeerTrouble) -> Error {
        let outdated = matches!(trouble, PeerTrouble::Changed | PeerTrouble::Missing | PeerTrouble::Exists);
        if outdated && let Err(error) = self.refresh_soon(peer.share.space).await {
            return error;
        }
        match trouble {
            PeerTrouble::Changed | PeerTrouble::Exists => Error::PreconditionFailed,
            other => refusal(&peer.share, other),
        }
    }
}

/// In the transaction that shows a file the peer took.
pub(crate) async fn remember_file(
    tx: &mut Tx,
    committed: &Committed,
    pushed: &Pushed,
    cached: bool,
    act: Act,
) -> Result<(), Error> {
    let Committed { item, version, .. } = committed;
    received::raise_epoch(tx, item.space).await?;
    remote::set_etag(tx, item.id, &pushed.etag).await?;
    if cached {
        let (etag, cached_at) = (pushed.etag.clone(), Some(act.at));
        let blob =
            RemoteBlob { blob: version.blob, space: item.space, item: item.id, etag, cached_at, used_at: act.at };
        remote::insert_blobs(tx, &[blob]).await?;
    }
    forget_versions_before(tx, item, act).await
}

/// In the transaction that shows a folder made at the peer, or a move.
pub(crate) async fn remember_change(tx: &mut Tx, space: SpaceId) -> Result<(), Error> {
    Ok(received::raise_epoch(tx, space).await?)
}

/// In the transaction that removes here what was removed at the peer: it cannot be restored.
pub(crate) async fn remember_removal(tx: &mut Tx, item: &Item) -> Result<(), Error> {
    received::raise_epoch(tx, item.space).await?;
    purge::give_up(tx, item.id).await?;
    Ok(())
}
