//! A body on its way in, wherever it will be shown: small in memory, large through one buffer into the blob store.

use super::SMALL_BYTES;
use super::checksum::Checksum;
use super::hashing::Hashing;
use crate::tree::Act;
use crate::{Domain, Error};
use bytes::Bytes;
use std::time::Duration;
use stitchbox_blob::Staged;
use stitchbox_formats::SNIFF_BYTES;
use stitchbox_schema::{BlobId, ItemId, RunId, SpaceId, Timestamp, UploadId, UserId};
use stitchbox_store::versions::NewBlob;
use stitchbox_store::{uploads, versions};

/// An upload without a sign of life for this long counts as abandoned.
const ABANDONED_AFTER: Duration = Duration::from_secs(5 * 60);
/// Time between signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// What the announcing row says about a body.
#[derive(Debug, Clone)]
pub(super) struct Whither {
    pub space: SpaceId,
    pub folder: ItemId,
    pub name: String,
    pub actor: Option<UserId>,
    pub run: Option<RunId>,
}

/// Bounds of a body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    /// Exactly this many bytes, if the client said so.
    pub announced: Option<u64>,
    /// At most this many.
    pub most: Option<u64>,
    /// How full the space was when the body began; none without a quota.
    pub room: Option<Room>,
}

/// How full a limited space is, without what is replaced, bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub used: i64,
    pub quota: i64,
}

/// A body on its way in. Dropped at any moment it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Incoming {
    domain: Domain,
    /// None for a body that said it is small and so is never announced.
    whither: Option<Whither>,
    bounds: Bounds,
    body: Body,
    hashing: Hashing,
    head: Vec<u8>,
    received: u64,
}

/// Where the bytes are until the commit.
#[derive(Debug)]
enum Body {
    Small(Vec<u8>),
    Large(Box<Large>),
}

/// A body in the blob store, with the row that announces it.
#[derive(Debug)]
struct Large {
    blob: BlobId,
    staged: Staged,
    announcement: Announcement,
    alive_until: Timestamp,
}

/// The announcing row; removed when dropped without being taken over by the commit.
#[derive(Debug)]
pub(super) struct Announcement {
    domain: Domain,
    pub id: Option<UploadId>,
}

impl Announcement {
    /// The commit has removed the row.
    pub(super) fn forget(mut self) {
        self.id = None;
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let domain = self.domain.clone();
            runtime.spawn(async move {
                let removed =
                    domain.transact(move |tx| Box::pin(async move { Ok(uploads::remove(tx, id).await?) })).await;
                if let Err(error) = removed {
                    tracing::warn!(%error, "the row of a broken upload stays until it expires");
                }
                domain.announce();
            });
        }
    }
}

/// A whole body: durable already, or small enough to come along with the transaction.
#[derive(Debug)]
pub(super) struct Received {
    pub blob: NewBlob,
    /// The first bytes, as many as tell the kind of content.
    pub head: Vec<u8>,
    pub announcement: Option<Announcement>,
}

impl Incoming {
    /// Makes ready for a body. A large one is announced at once if its size is known.
    pub(super) async fn begin(
        domain: &Domain,
        whither: Whither,
        bounds: Bounds,
        checksum: Option<&Checksum>,
    ) -> Result<Self, Error> {
        let mut incoming = Self { whither: Some(whither), ..Self::small(domain, bounds, checksum) };
        if bounds.announced.is_some_and(|size| size > SMALL_BYTES as u64) {
            incoming.move_to_blob_store().await?;
        }
        Ok(incoming)
    }

    /// Makes ready for a body whose announced size is small.
    pub(super) fn small(domain: &Domain, bounds: Bounds, checksum: Option<&Checksum>) -> Self {
        let capacity = bounds.announced.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        Self {
            domain: domain.clone(),
            whither: None,
            bounds,
            body: Body::Small(Vec::with_capacity(capacity.min(SMALL_BYTES))),
            hashing: Hashing::new(checksum),
            head: Vec::new(),
            received: 0,
        }
    }

    /// Bytes taken so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes. Returns once they may be forgotten by the caller.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.received += bytes.len() as u64;
        self.stop_if_too_much()?;
        let missing_head = SNIFF_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..missing_head).unwrap_or_default());
        self.hashing.update(&bytes).await?;
        if let Body::Small(small) = &mut self.body {
            if small.len() + bytes.len() <= SMALL_BYTES {
                small.extend_from_slice(&bytes);
                return Ok(());
            }
            self.move_to_blob_store().await?;
        }
        if let Body::Large(large) = &mut self.body {
            large.staged.write(bytes).await?;
            large.stay_alive(&self.domain).await?;
        }
        Ok(())
    }

    fn stop_if_too_much(&self) -> Result<(), Error> {
        let Bounds { announced, most, room } = self.bounds;
        for limit in [announced, most].into_iter().flatten() {
            if self.received > limit {
                return Err(Error::BodyIncomplete { announced: limit, received: self.received });
            }
        }
        let received = i64::try_from(self.received).unwrap_or(i64::MAX);
        match room {
            Some(Room { used, quota }) if used.saturating_add(received) > quota => {
                Err(Error::QuotaExceeded { used, quota, needed: received })
            }
            _ => Ok(()),
        }
    }

    async fn move_to_blob_store(&mut self) -> Result<(), Error> {
        let Body::Small(small) = &mut self.body else { return Ok(()) };
        let waiting = Bytes::from(std::mem::take(small));
        let whither = self.whither.as_ref().ok_or(Error::BodyBroken)?;
        let (blob, announcement, alive_until) = announce(&self.domain, whither, self.domain.now()).await?;
        let staged = self.domain.blobs.stage(blob).await?;
        let mut large = Large { blob, staged, announcement, alive_until };
        if !waiting.is_empty() {
            large.staged.write(waiting).await?;
        }
        self.body = Body::Large(Box::new(large));
        Ok(())
    }

    /// Verifies size and checksum and makes a large body durable.
    pub(super) async fn finish(self, checksum: Option<&Checksum>) -> Result<Received, Error> {
        let Self { domain, body, hashing, head, received, bounds, .. } = self;
        if let Some(announced) = bounds.announced.filter(|announced| *announced != received) {
            return Err(Error::BodyIncomplete { announced, received });
        }
        let sha256 = hashing.end().await?.finish(checksum)?;
        let created_at = domain.now();
        let size = i64::try_from(received).unwrap_or(i64::MAX);
        Ok(match body {
            Body::Small(bytes) => {
                let id = BlobId(domain.ids.next(created_at));
                let blob = NewBlob { id, size, sha256, body: Some(bytes), created_at };
                Received { blob, head, announcement: None }
            }
            Body::Large(large) => {
                let Large { blob: id, staged, announcement, .. } = *large;
                staged.publish().await?;
                let blob = NewBlob { id, size, sha256, body: None, created_at };
                Received { blob, head, announcement: Some(announcement) }
            }
        })
    }
}

impl Large {
    async fn stay_alive(&mut self, domain: &Domain) -> Result<(), Error> {
        let now = domain.now();
        if now.after(ABANDONED_AFTER.saturating_sub(SIGN_OF_LIFE)) < self.alive_until {
            return Ok(());
        }
        self.alive_until = now.after(ABANDONED_AFTER);
        let (Some(id), until) = (self.announcement.id, self.alive_until) else { return Ok(()) };
        let alive =
            domain.transact(move |tx| Box::pin(async move { Ok(uploads::prolong(tx, id, until).await?) })).await?;
        if alive { Ok(()) } else { Err(Error::BodyBroken) }
    }
}

impl Whither {
    /// For what an act writes into a folder.
    pub(super) fn of(act: Act, space: SpaceId, folder: ItemId, name: String) -> Self {
        Self { space, folder, name, actor: act.actor, run: act.run }
    }
}

/// Writes the row that says a blob is coming: before its first byte, so that no sweep takes it for rubbish and no
/// trigger takes its folder for quiet.
pub(super) async fn announce(
    domain: &Domain,
    whither: &Whither,
    now: Timestamp,
) -> Result<(BlobId, Announcement, Timestamp), Error> {
    let (id, blob) = (UploadId(domain.ids.next(now)), BlobId(domain.ids.next(now)));
    let expires_at = now.after(ABANDONED_AFTER);
    // Before the row is written: whoever goes away while it waits in the queue removes it behind itself.
    let announcement = Announcement { domain: domain.clone(), id: Some(id) };
    let Whither { space, folder, name, actor: user, run } = whither.clone();
    let upload = uploads::Upload { id, space, folder, name, blob, user, run, started_at: now, expires_at };
    let announced = domain.transact(move |tx| {
        Box::pin(async move {
            // Another server may have drawn the same id; bytes are never written under a name that is taken.
            if versions::is_expected(tx, blob).await? {
                return Err(Error::Collision);
            }
            Ok(uploads::insert(tx, &upload).await?)
        })
    });
    announced.await?;
    Ok((blob, announcement, expires_at))
}
