//! The one way in for bytes. PUT, chunks, federated writes, scans and derived files all end in [`Upload::commit`].
//!
//! A small body waits in memory and is stored in the transaction that makes it visible: one flush, shared with whoever
//! commits at the same moment. A larger one goes to the blob store through one buffer, announced by a row before its
//! first byte, and is durable before the transaction refers to it. Dropping an [`Upload`] at any moment leaves the tree
//! as it was.

mod checksum;
mod commit;
mod publish;

pub use checksum::Checksum;
pub(crate) use checksum::hex;
pub use commit::Committed;
pub(crate) use commit::{Place, Recorded, empty_file, show_recorded};
pub use publish::{Draft, Publication};
pub(crate) use publish::{discard_derived, draft_of_text, free_for_runs, publish, show_draft};

use crate::guard::{self, Guarded};
use crate::tree::{Act, Spot, spot};
use crate::{Action, Conditions, Domain, Error, ItemPath, Location, Principal};
use bytes::Bytes;
use checksum::Digests;
use std::time::Duration;
use stitchbox_blob::Staged;
use stitchbox_formats::SNIFF_BYTES;
use stitchbox_schema::{BlobId, ItemId, SpaceId, Timestamp, UploadId};
use stitchbox_store::{Connection, items, uploads, versions};

/// Bodies up to this size live in the metadata store, bytes.
pub const SMALL_BYTES: usize = 64 * 1024;
/// An upload without a sign of life for this long counts as abandoned.
const ABANDONED_AFTER: Duration = Duration::from_secs(5 * 60);
/// Time between signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// What a client says about the body it is going to send.
#[derive(Debug, Clone, Default)]
pub struct Intent {
    /// Size, bytes.
    pub announced_size: Option<u64>,
    /// Checksum to verify.
    pub checksum: Option<Checksum>,
    /// Modification time to keep; the time of the commit if `None`.
    pub mtime: Option<Timestamp>,
    /// What must hold at the moment of the commit.
    pub conditions: Conditions,
}

/// Where an upload goes and under whose name.
#[derive(Debug, Clone)]
struct Target {
    principal: Principal,
    at: Location,
    intent: Intent,
}

/// A body on its way in.
#[derive(Debug)]
pub struct Upload {
    domain: Domain,
    target: Target,
    folder: ItemId,
    body: Body,
    digests: Digests,
    head: Vec<u8>,
    received: u64,
    /// How full the space was when the upload began; none without a quota.
    room: Option<Room>,
}

/// How full a limited space is, without the file that is replaced.
#[derive(Debug, Clone, Copy)]
struct Room {
    used: i64,
    quota: i64,
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
    session: Session,
    alive_until: Timestamp,
}

/// The announcing row; removed when dropped without being taken over by the commit.
#[derive(Debug)]
struct Session {
    domain: Domain,
    id: Option<UploadId>,
}

impl Session {
    /// The commit has removed the row.
    fn forget(mut self) {
        self.id = None;
    }
}

impl Drop for Session {
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

impl Domain {
    /// Begins an upload. Refuses at once what the commit would refuse, so that no body is sent in vain; the commit
    /// decides.
    pub async fn begin_upload(&self, principal: &Principal, at: &Location, intent: Intent) -> Result<Upload, Error> {
        let target = Target { principal: principal.clone(), at: at.clone(), intent };
        let mut db = self.store.read().await?;
        let spot = destination(&mut db, &target, self.now()).await?;
        let announced = target.intent.announced_size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        let replaced = spot.item.as_ref().map_or(0, |item| item.size);
        guard::quota(&mut db, &spot.membership, announced.unwrap_or(0).saturating_sub(replaced)).await?;
        let room = match spot.membership.space.quota {
            Some(quota) => {
                let used = items::by_id(&mut db, spot.membership.space.root).await?.map_or(0, |root| root.size);
                Some(Room { used: used - replaced, quota })
            }
            None => None,
        };
        drop(db);
        let capacity = target.intent.announced_size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let mut upload = Upload {
            domain: self.clone(),
            digests: Digests::new(target.intent.checksum.as_ref()),
            target,
            folder: spot.folder.id,
            body: Body::Small(Vec::with_capacity(capacity.min(SMALL_BYTES))),
            head: Vec::new(),
            received: 0,
            room,
        };
        if capacity > SMALL_BYTES {
            upload.move_to_blob_store().await?;
        }
        Ok(upload)
    }
}

/// Checks everything that can be checked without the body. Used at the beginning and again in the transaction.
async fn destination(db: &mut Connection, target: &Target, now: Timestamp) -> Result<Spot, Error> {
    let Target { principal, at, intent } = target;
    if at.path == ItemPath::default() {
        crate::access::enter(db, principal, at.space).await?;
        return Err(Error::IsFolder);
    }
    let spot = spot(db, principal, at).await?;
    let guarded = match &spot.item {
        Some(item) => {
            spot.membership.check(Action::Write, item)?;
            if item.is_folder() {
                return Err(Error::IsFolder);
            }
            Guarded::item_at(at, item)
        }
        None => {
            spot.membership.check(Action::Create, &spot.folder)?;
            spot.check_new_name()?;
            Guarded::new_at(at)
        }
    };
    guard::check(db, principal, now, &intent.conditions, &[guarded]).await?;
    Ok(spot)
}

impl Upload {
    /// Takes the next bytes of the body. Returns once they may be forgotten by the caller.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.received += bytes.len() as u64;
        self.stop_if_too_much()?;
        let missing_head = SNIFF_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..missing_head).unwrap_or_default());
        self.digests.update(&bytes);
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
        if let Some(announced) = self.target.intent.announced_size
            && self.received > announced
        {
            return Err(Error::BodyIncomplete { announced, received: self.received });
        }
        let received = i64::try_from(self.received).unwrap_or(i64::MAX);
        match self.room {
            Some(Room { used, quota }) if used.saturating_add(received) > quota => {
                Err(Error::QuotaExceeded { used, quota, needed: received })
            }
            _ => Ok(()),
        }
    }

    async fn move_to_blob_store(&mut self) -> Result<(), Error> {
        let Body::Small(small) = &mut self.body else { return Ok(()) };
        let waiting = Bytes::from(std::mem::take(small));
        let mut large = Large::begin(&self.domain, &self.target, self.folder).await?;
        if !waiting.is_empty() {
            large.staged.write(waiting).await?;
        }
        self.body = Body::Large(Box::new(large));
        Ok(())
    }
}

impl Large {
    async fn begin(domain: &Domain, target: &Target, folder: ItemId) -> Result<Self, Error> {
        let name = target.at.path.split_last().map(|(_, name)| name.to_string()).unwrap_or_default();
        let by = Act { actor: Some(target.principal.user), run: None, at: domain.now() };
        let (blob, session, alive_until) = announce(domain, target.at.space, folder, name, by).await?;
        let staged = domain.blobs.stage(blob).await?;
        Ok(Self { blob, staged, session, alive_until })
    }

    async fn stay_alive(&mut self, domain: &Domain) -> Result<(), Error> {
        let now = domain.now();
        if now.after(ABANDONED_AFTER.saturating_sub(SIGN_OF_LIFE)) < self.alive_until {
            return Ok(());
        }
        self.alive_until = now.after(ABANDONED_AFTER);
        let (Some(id), until) = (self.session.id, self.alive_until) else { return Ok(()) };
        let alive =
            domain.transact(move |tx| Box::pin(async move { Ok(uploads::prolong(tx, id, until).await?) })).await?;
        if alive { Ok(()) } else { Err(Error::BodyBroken) }
    }
}

/// Writes the row that says a blob is coming: before its first byte, so that no sweep takes it for rubbish and no
/// trigger takes its folder for quiet.
async fn announce(
    domain: &Domain,
    space: SpaceId,
    folder: ItemId,
    name: String,
    by: Act,
) -> Result<(BlobId, Session, Timestamp), Error> {
    let now = by.at;
    let (id, blob) = (UploadId(domain.ids.next(now)), BlobId(domain.ids.next(now)));
    let expires_at = now.after(ABANDONED_AFTER);
    // Before the row is written: whoever goes away while it waits in the queue removes it behind itself.
    let session = Session { domain: domain.clone(), id: Some(id) };
    let (user, run) = (by.actor, by.run);
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
    Ok((blob, session, expires_at))
}
