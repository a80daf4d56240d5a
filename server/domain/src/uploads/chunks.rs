//! One piece of an upload: received like every body, recorded in its session, durable before it is acknowledged.

use super::checksum::Checksum;
use super::commit::{redeem, settle};
use super::hashing::Hashing;
use super::incoming::{Bounds, Incoming, Received, Whither};
use super::sessions::{LIFETIME, opens, own_size, place_of, room_anywhere};
use super::whole::Reached;
use super::{Chunk, UploadSession, room, signed, unsigned};
use crate::access::{enter, enter_at};
use crate::share_access::seen_by;
use crate::{Action, Domain, Error, Principal, guard};
use ::bytes::Bytes;
use std::ops::Range;
use stitchbox_schema::{BlobId, ItemId, SpaceId, Timestamp, UploadId, VersionId};
use stitchbox_store::sessions;
use stitchbox_store::{Tx, items, versions};

/// A chunk that is going to come.
#[derive(Debug, Clone, Default)]
pub struct NewChunk {
    /// Number or offset; the file is put together in this order.
    pub place: u64,
    /// What the client calls it.
    pub name: String,
    /// Where it begins in the file, bytes, if the client says so; the end then tests that nothing is missing or twice.
    pub file_offset: Option<u64>,
    /// Size, bytes.
    pub announced_size: Option<u64>,
    /// Checksum of the chunk.
    pub checksum: Option<Checksum>,
    /// It must continue exactly where the session ends, else [`Error::PreconditionFailed`].
    pub appends: bool,
}

/// A chunk on its way in. Dropped before [`ChunkUpload::commit`] it leaves the session as it was.
#[derive(Debug)]
pub struct ChunkUpload {
    domain: Domain,
    principal: Principal,
    session: UploadSession,
    new: NewChunk,
    incoming: Incoming,
    /// The digests of the file up to here, if this chunk seems to be the next one.
    along: Option<(Reached, Hashing)>,
}

impl Domain {
    /// Begins a chunk of an open session.
    pub async fn begin_chunk(
        &self,
        principal: &Principal,
        session: &UploadSession,
        new: NewChunk,
    ) -> Result<ChunkUpload, Error> {
        let left = session.size.map(|size| unsigned(size).saturating_sub(new.file_offset.unwrap_or(0)));
        if let (Some(left), Some(size)) = (left, new.announced_size)
            && size > left
        {
            return Err(Error::BodyIncomplete { announced: left, received: size });
        }
        let mut db = self.store.read().await?;
        let room = match &session.destination {
            Some(to) => {
                let membership = enter_at(&mut db, principal, &place_of(to)?, self.now()).await?;
                room(&mut db, &membership, 0).await?
            }
            None => room_anywhere(&mut db, principal, self.now()).await?,
        };
        let replaced = sessions::chunk_at(&mut db, session.id, signed(new.place)).await?;
        let room = room.map(|mut room| {
            room.used -= replaced.as_ref().map_or(0, own_size);
            room
        });
        drop(db);
        let destination = session.destination.as_ref();
        let whither = Whither {
            space: destination.map_or(SpaceId(0), |to| to.space),
            folder: destination.map_or(ItemId(0), |to| to.folder),
            name: new.name.clone(),
            actor: principal.actor(),
            run: None,
        };
        let bounds = Bounds { announced: new.announced_size, most: left, room };
        let incoming = Incoming::begin(self, whither, bounds, new.checksum.as_ref()).await?;
        let state = self.wholes.of(session);
        let whole = state.try_lock().ok();
        let along = whole
            .filter(|whole| whole.continues_with(new.place, new.file_offset))
            .map(|whole| (whole.reached(), Hashing::after(whole.digests.clone())));
        let (domain, principal, session) = (self.clone(), principal.clone(), session.clone());
        Ok(ChunkUpload { domain, principal, session, new, incoming, along })
    }

    /// Takes a range of a version the person may read as a chunk, without its bytes being sent or copied.
    /// [`Error::PreconditionFailed`] if there is no such version (any more).
    pub async fn share_chunk(
        &self,
        principal: &Principal,
        session: &UploadSession,
        new: NewChunk,
        version: VersionId,
        range: Range<u64>,
    ) -> Result<Chunk, Error> {
        let (principal, session_id, now) = (principal.clone(), session.id, self.now());
        let place = signed(new.place);
        let chunk = Chunk {
            place,
            name: new.name,
            file_offset: new.file_offset.map(signed),
            blob: BlobId(0),
            source_offset: signed(range.start),
            size: signed(range.end.saturating_sub(range.start)),
            shared: true,
            created_at: now,
        };
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let blob = readable(tx, &principal, version, &range, now).await?;
                let session = open(tx, &principal, session_id, now).await?;
                let chunk = Chunk { blob, ..chunk };
                let gone = record(tx, &session, &chunk, now).await?;
                Ok((chunk, gone))
            })
        });
        let (chunk, gone) = work.await?;
        self.delete_blobs(&gone).await;
        self.catch_up(session);
        Ok(chunk)
    }
}

impl ChunkUpload {
    /// Takes the next bytes. Returns once they may be forgotten by the caller.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if let Some((_, digests)) = &mut self.along {
            digests.update(&bytes).await?;
        }
        self.incoming.write(bytes).await
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.incoming.received()
    }

    /// Verifies the chunk, makes it durable and adds it to its session, in the place of one that was there.
    pub async fn commit(self) -> Result<Chunk, Error> {
        let Self { domain, principal, session, new, incoming, along } = self;
        let Received { blob, announcement, .. } = incoming.finish(new.checksum.as_ref()).await?;
        let now = domain.now();
        let in_store = blob.body.is_none().then_some(blob.id);
        let chunk = Chunk {
            place: signed(new.place),
            name: new.name,
            file_offset: new.file_offset.map(signed),
            blob: blob.id,
            source_offset: 0,
            size: blob.size,
            shared: false,
            created_at: now,
        };
        let announced = announcement.as_ref().and_then(|announcement| announcement.id);
        let (id, appends, recorded) = (session.id, new.appends, chunk.clone());
        let work = domain.transact(move |tx| {
            Box::pin(async move {
                let session = open(tx, &principal, id, now).await?;
                if appends && session.received != recorded.place {
                    return Err(Error::PreconditionFailed);
                }
                if let Some(to) = &session.destination {
                    let membership = enter_at(tx, &principal, &place_of(to)?, now).await?;
                    let replaced = sessions::chunk_at(tx, id, recorded.place).await?;
                    let replaced = replaced.as_ref().map_or(0, own_size);
                    guard::quota(tx, &membership, recorded.size - replaced).await?;
                }
                redeem(tx, announced).await?;
                versions::insert_blob(tx, &blob).await?;
                record(tx, &session, &recorded, now).await
            })
        });
        let done = work.await;
        if let (Ok(_), Some(announcement)) = (&done, announcement) {
            announcement.forget();
        }
        let gone = settle(&domain, done, in_store).await?;
        domain.delete_blobs(&gone).await;
        if let Some((reached, digests)) = along
            && let Ok(digests) = digests.end().await
            && let Ok(mut whole) = domain.wholes.of(&session).try_lock()
            && whole.reached() == reached
        {
            whole.advance(&chunk, digests);
        }
        domain.catch_up(&session);
        Ok(chunk)
    }
}

/// The session, if it is still open.
async fn open(tx: &mut Tx, principal: &Principal, id: UploadId, now: Timestamp) -> Result<UploadSession, Error> {
    let session = sessions::by_id(tx, id).await?.ok_or(Error::NotFound)?;
    let is_open = session.ending.is_none() && opens(principal, &session) && session.expires_at > now;
    if is_open { Ok(session) } else { Err(Error::NotFound) }
}

/// Puts a chunk into its place. Gives the blobs whose files may go.
async fn record(tx: &mut Tx, session: &UploadSession, chunk: &Chunk, now: Timestamp) -> Result<Vec<BlobId>, Error> {
    let mut delta = own_size(chunk);
    let mut gone = Vec::new();
    if let Some(old) = sessions::chunk_at(tx, session.id, chunk.place).await? {
        delta -= own_size(&old);
        gone = sessions::remove_chunk(tx, session.id, &old).await?;
    }
    sessions::insert_chunk(tx, session.id, chunk).await?;
    sessions::progress(tx, session.id, delta, now.after(LIFETIME)).await?;
    Ok(gone)
}

/// The blob of a version the person may read, if the range lies in it.
async fn readable(
    tx: &mut Tx,
    principal: &Principal,
    version: VersionId,
    range: &Range<u64>,
    now: Timestamp,
) -> Result<BlobId, Error> {
    let version = versions::by_id(tx, version).await?.ok_or(Error::PreconditionFailed)?;
    let item = items::by_id(tx, version.item).await?.ok_or(Error::PreconditionFailed)?;
    let membership = match enter(tx, principal, item.space).await {
        Err(Error::NotFound) => seen_by(tx, principal, item.id, now).await?.ok_or(Error::PreconditionFailed)?,
        entered => entered?,
    };
    membership.check(Action::Read, &item).map_err(hide)?;
    let size = unsigned(version.size);
    if range.start >= range.end || range.end > size {
        return Err(Error::BodyIncomplete { announced: range.end.saturating_sub(range.start), received: size });
    }
    Ok(version.blob)
}

/// A version somebody may not read is like one that is not there.
fn hide(error: Error) -> Error {
    match error {
        Error::NotFound => Error::PreconditionFailed,
        other => other,
    }
}
