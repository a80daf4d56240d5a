//! Reading what lies at a peer: the bytes come through, and those of a whole file stay in the cache.
//!
//! A person waits for the first bytes no longer than [`FIRST_BYTES`]; a peer that then goes silent ends the answer, it
//! never hangs. Only whole files of the right length, and of the SHA-256 the peer told, are ever kept.

use super::breaker::refusal;
use super::open_lock;
use super::peer::PeerTrouble;
use crate::uploads::{Fetched, Wanted, hex, wanted};
use crate::{BlobStream, Domain, Error, ItemPath, Version};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use std::io;
use std::ops::Range;
use std::time::Duration;
use stitchbox_schema::{BlobId, Timestamp, VersionId};
use stitchbox_store::remote::{self, Placed};
use stitchbox_store::segments::{self, Bytes as Place};
use stitchbox_store::{items, versions};

/// How long the first bytes may take.
const FIRST_BYTES: Duration = Duration::from_secs(15);
/// How long a peer may be silent in the middle of a file.
const SILENCE: Duration = Duration::from_secs(30);
/// Files fetched at the same time.
const FETCHED_AT_ONCE: usize = 4;
/// How often fetching goes on after it broke off without a new byte.
const TRIES: u32 = 4;
/// The use of a cached file is written down this often.
const USED_AGAIN: Duration = Duration::from_secs(60);

/// A blob being fetched by this process.
#[derive(Debug)]
struct Turn(Domain, BlobId);

impl Turn {
    fn take(domain: &Domain, blob: BlobId) -> Option<Self> {
        open_lock(&domain.received.fetching).insert(blob).then(|| Self(domain.clone(), blob))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        open_lock(&self.0.received.fetching).remove(&self.1);
    }
}

/// Bytes that pass by on their way to a person, and are kept.
struct Tee {
    fetched: Fetched,
    left: u64,
    turn: Turn,
}

impl Domain {
    /// Streams a range of a blob from its peer. The first bytes are here when this returns.
    pub(crate) async fn bytes_there(&self, blob: BlobId, range: Range<u64>) -> Result<BlobStream, Error> {
        let placed = remote::placed(&mut *self.store.read().await?, blob).await?.ok_or(Error::NotFound)?;
        let size = u64::try_from(placed.size).unwrap_or(0);
        let is_whole = range == (0..size);
        let whole = is_whole && size <= self.received_settings().cache_bytes / 2;
        let (share_space, item) = (placed.space, placed.item);
        let mut bytes = self.stream_there(&placed, range).await?;
        if is_whole && !placed.sha256.is_empty() {
            bytes = verified(bytes, size, placed.sha256.clone());
        }
        let turn = if whole { Turn::take(self, blob) } else { None };
        let Some(turn) = turn else { return Ok(bytes) };
        let wanted = Wanted { blob, space: share_space, item, size, sha256: placed.sha256 };
        match Fetched::begin(self, wanted).await {
            Ok(fetched) => Ok(teed(bytes, Tee { fetched, left: size, turn })),
            Err(error) => {
                tracing::warn!(%error, %blob, "a file of a peer is not kept");
                Ok(bytes)
            }
        }
    }

    async fn stream_there(&self, placed: &Placed, range: Range<u64>) -> Result<BlobStream, Error> {
        let (names, lives) = items::path(&mut *self.store.read().await?, placed.item).await?;
        if !lives {
            return Err(Error::StaleAtPeer);
        }
        let path = ItemPath::from_segments(names.iter().map(String::as_str))?;
        let peer = self.reach(placed.space).await?;
        let length = range.end.saturating_sub(range.start);
        let etag = Some(placed.etag.as_str()).filter(|etag| !etag.is_empty());
        let size = u64::try_from(placed.size).unwrap_or(0);
        let opened = self
            .ask(&peer.share, FIRST_BYTES, async {
                let mut bytes = peer.files.read(&path, range, size, etag).await?;
                let first = match bytes.next().await {
                    Some(Ok(first)) => first,
                    Some(Err(error)) => return Err(PeerTrouble::Unreachable(error.to_string())),
                    None => return Err(PeerTrouble::Nonsense("it sent nothing".to_owned())),
                };
                Ok((first, bytes))
            })
            .await;
        match opened {
            Ok((first, rest)) => {
                let all = stream::once(std::future::ready(Ok(first))).chain(rest).boxed();
                Ok(exactly(all, length, peer.share.peer))
            }
            Err(trouble) => {
                if matches!(trouble, PeerTrouble::Missing | PeerTrouble::Changed) {
                    self.refresh_soon(placed.space).await?;
                }
                Err(refusal(&peer.share, trouble))
            }
        }
    }

    /// Brings the bytes of versions here, where they lie at a peer, and returns the versions as they are known then: with
    /// SHA-256 and kind of content. Goes on where it broke off.
    pub async fn fetch_inputs(&self, wanted: &[Version]) -> Result<Vec<Version>, Error> {
        let ids: Vec<VersionId> = wanted.iter().map(|version| version.id).collect();
        stream::iter(ids)
            .map(|id| async move {
                let version = versions::by_id(&mut *self.store.read().await?, id).await?.ok_or(Error::StaleAtPeer)?;
                self.fetch(&version).await?;
                versions::by_id(&mut *self.store.read().await?, id).await?.ok_or(Error::StaleAtPeer)
            })
            .buffered(FETCHED_AT_ONCE)
            .try_collect()
            .await
    }

    /// Brings the bytes of a version here, if they lie at a peer.
    pub async fn fetch(&self, version: &Version) -> Result<(), Error> {
        let size = u64::try_from(version.size).unwrap_or(0);
        let mut fruitless = 0;
        let mut fetched: Option<Fetched> = None;
        loop {
            if !self.lies_there(version).await? {
                return Ok(());
            }
            let Some(_turn) = Turn::take(self, version.blob) else {
                // Somebody else is fetching it.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let placed = remote::placed(&mut *self.store.read().await?, version.blob).await?;
            let Some(placed) = placed else { return Ok(()) };
            let mut here = match fetched.take() {
                Some(here) => here,
                None => Fetched::begin(self, wanted(version, placed.space)).await?,
            };
            let before = here.received();
            let outcome = self.go_on(&placed, &mut here, size).await;
            match outcome {
                Ok(()) => match here.finish().await {
                    Err(Error::Collision) => continue,
                    done => return done,
                },
                Err(error) => {
                    fruitless = if here.received() > before { 0 } else { fruitless + 1 };
                    let passing = matches!(error, Error::PeerUnavailable { .. } | Error::BodyBroken);
                    if !passing || fruitless >= TRIES {
                        return Err(error);
                    }
                    fetched = Some(here);
                    tokio::time::sleep(Duration::from_millis(250) * 2_u32.pow(fruitless)).await;
                }
            }
        }
    }

    async fn go_on(&self, placed: &Placed, here: &mut Fetched, size: u64) -> Result<(), Error> {
        if here.received() >= size {
            return Ok(());
        }
        let mut bytes = self.stream_there(placed, here.received()..size).await?;
        while let Some(piece) = bytes.try_next().await.map_err(|_| Error::BodyBroken)? {
            here.write(piece).await?;
        }
        Ok(())
    }

    async fn lies_there(&self, version: &Version) -> Result<bool, Error> {
        let size = u64::try_from(version.size).unwrap_or(0);
        let place = segments::locate(&mut *self.store.read().await?, version.blob, &(0..size)).await?;
        Ok(matches!(place, Place::AtPeer))
    }

    /// A cached file was asked for. Nobody waits for this to be written down.
    pub(crate) fn note_use_of_cache(&self, blob: BlobId, used_at: Timestamp) {
        let (domain, now) = (self.clone(), self.now());
        if used_at.after(USED_AGAIN) > now {
            return;
        }
        tokio::spawn(async move {
            let work = domain.transact(move |tx| Box::pin(async move { Ok(remote::set_used(tx, blob, now).await?) }));
            if let Err(error) = work.await {
                tracing::debug!(%error, "the use of a cached file was not written down");
            }
        });
    }
}

/// A stream that brings exactly so many bytes, each within bounded time, or ends with an error.
fn exactly(bytes: BlobStream, length: u64, peer: String) -> BlobStream {
    stream::unfold(Some((bytes, length)), move |state| {
        let peer = peer.clone();
        async move {
            let (mut bytes, left) = state?;
            let broken = |words: String| Some((Err(io::Error::other(format!("{peer}: {words}"))), None));
            match tokio::time::timeout(SILENCE, bytes.next()).await {
                Err(_) => broken(format!("nothing came for {} s", SILENCE.as_secs())),
                Ok(Some(Ok(piece))) => match left.checked_sub(piece.len() as u64) {
                    // Before the last piece is believed: is there more than there should be?
                    Some(0) if !matches!(tokio::time::timeout(SILENCE, bytes.next()).await, Ok(None)) => {
                        broken("it does not end where the file ends".to_owned())
                    }
                    // Once it has ended it must not be asked again.
                    Some(left) => Some((Ok(piece), (left > 0).then_some((bytes, left)))),
                    None => broken("it sent more bytes than the file has".to_owned()),
                },
                Ok(Some(Err(error))) => broken(error.to_string()),
                Ok(None) if left > 0 => broken(format!("{left} bytes are missing at the end")),
                Ok(None) => None,
            }
        }
    })
    .boxed()
}

/// A whole file of known SHA-256. Its last piece comes only if this is that file; else the answer breaks off.
fn verified(bytes: BlobStream, length: u64, sha256: String) -> BlobStream {
    stream::unfold(Some((bytes, Sha256::new(), length)), move |state| {
        let sha256 = sha256.clone();
        async move {
            let (mut bytes, mut hash, left) = state?;
            let piece = match bytes.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), None)),
            };
            hash.update(&piece);
            let left = left.saturating_sub(piece.len() as u64);
            if left > 0 {
                return Some((Ok(piece), Some((bytes, hash, left))));
            }
            let found = hex(&hash.finalize());
            let wrong = || io::Error::other(format!("these are other bytes: SHA-256 {found} instead of {sha256}"));
            Some((if found == sha256 { Ok(piece) } else { Err(wrong()) }, None))
        }
    })
    .boxed()
}

/// Keeps what passes by. Trouble with keeping never disturbs who reads.
fn teed(bytes: BlobStream, tee: Tee) -> BlobStream {
    stream::unfold((bytes, Some(tee)), |(mut bytes, tee)| async move {
        let piece = bytes.next().await?;
        let tee = match (&piece, tee) {
            (Ok(piece), Some(tee)) => keep(piece.clone(), tee).await,
            _ => None,
        };
        Some((piece, (bytes, tee)))
    })
    .boxed()
}

async fn keep(piece: Bytes, mut tee: Tee) -> Option<Tee> {
    tee.left = tee.left.saturating_sub(piece.len() as u64);
    if let Err(error) = tee.fetched.write(piece).await {
        tracing::warn!(%error, "a file of a peer is not kept");
        return None;
    }
    if tee.left > 0 {
        return Some(tee);
    }
    // Not waited for: the client has its last bytes now and may not ask for the end of the stream.
    tokio::spawn(async move {
        let Tee { fetched, turn, .. } = tee;
        match fetched.finish().await {
            Ok(()) | Err(Error::Collision) => {}
            Err(error) => tracing::warn!(%error, "a file of a peer is not kept"),
        }
        if let Err(error) = turn.0.evict().await {
            tracing::warn!(%error, "the cache for files of peers could not be cleared");
        }
    });
    None
}
