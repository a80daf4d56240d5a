//! Uploads in pieces: how a session begins, is found, and is given up.

use super::{Checksum, Chunk, Intent, Target, UploadSession, incoming::Room, prospect, room, signed, unsigned};
use crate::access::enter;
use crate::read::resolve;
use crate::{Action, Conditions, Domain, EntityTags, Error, Excess, ItemPath, Location, Principal, guard};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stitchbox_schema::{BlobId, Role, Timestamp, UploadId};
use stitchbox_store::sessions::{self, Destination};
use stitchbox_store::{Connection, Tx, spaces};

/// A session lives this long after its last chunk, and its answer this long after its end.
pub(super) const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// A series waits this long for a session into its folder that has fallen silent.
const HOLDS_SERIES: Duration = Duration::from_secs(60 * 60);
/// Sessions one user may have open.
const MOST_SESSIONS: i64 = 1000;

/// Sessions that expire after this point had a sign of life lately, so a series in their folder waits for them.
pub(crate) fn alive_sessions_expire_after(now: Timestamp) -> Timestamp {
    now.after(LIFETIME.saturating_sub(HOLDS_SERIES))
}

/// How a client sends pieces. Names of sessions are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Chunks of the sync clients: by number or offset, in any order.
    Chunks,
    /// tus 1.0: each piece is appended to the ones before.
    Tus,
}

impl Protocol {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Chunks => "chunks",
            Self::Tus => "tus",
        }
    }
}

/// A session that is going to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// How pieces come.
    pub protocol: Protocol,
    /// What the client calls it; its id if `None`.
    pub name: Option<String>,
    /// Where the file goes, if the client says so already. The folder, if the session is partial.
    pub destination: Option<Location>,
    /// What is known of the file. Of the conditions only the entity tags are kept for the end.
    pub intent: Intent,
    /// It only gives its bytes to others.
    pub partial: bool,
}

/// What is kept of the conditions of a request until the end of a session.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    if_match: Option<EntityTags>,
    if_none_match: Option<EntityTags>,
}

impl Domain {
    /// Begins an upload in pieces. [`Error::Exists`] if one of this name is open. What the end would refuse is refused
    /// now, as far as it is known.
    pub async fn begin_session(&self, principal: &Principal, new: NewSession) -> Result<UploadSession, Error> {
        let (principal, now) = (principal.clone(), self.now());
        let id = UploadId(self.ids.next(now));
        let work = self.transact(move |tx| Box::pin(async move { begin(tx, &principal, new, id, now).await }));
        let (session, gone) = work.await?;
        self.delete_blobs(&gone).await;
        Ok(session)
    }

    /// A session by the client's name for it, open or ended.
    pub async fn session(&self, principal: &Principal, protocol: Protocol, name: &str) -> Result<UploadSession, Error> {
        let mut db = self.store.read().await?;
        let session = sessions::by_name(&mut db, principal.user, protocol.word(), name).await?;
        session.filter(|session| session.expires_at > self.now()).ok_or(Error::NotFound)
    }

    /// The person's open sessions, by name.
    pub async fn open_sessions(&self, principal: &Principal, protocol: Protocol) -> Result<Vec<UploadSession>, Error> {
        let mut db = self.store.read().await?;
        let mut found = sessions::open_of(&mut db, principal.user, protocol.word()).await?;
        found.retain(|session| session.expires_at > self.now());
        Ok(found)
    }

    /// The chunks of a session, in their order.
    pub async fn chunks(&self, session: &UploadSession) -> Result<Vec<Chunk>, Error> {
        Ok(sessions::chunks(&mut *self.store.read().await?, session.id).await?)
    }

    /// Gives up a session with all its chunks, or forgets the answer of an ended one.
    pub async fn abandon_session(&self, session: &UploadSession) -> Result<(), Error> {
        let id = session.id;
        let gone = self.transact(move |tx| Box::pin(async move { Ok(sessions::remove(tx, id).await?) })).await?;
        self.wholes.forget(id);
        self.delete_blobs(&gone).await;
        // A series may have waited for it.
        self.announce();
        Ok(())
    }

    /// Removes one chunk.
    pub async fn remove_chunk(&self, session: &UploadSession, place: u64) -> Result<(), Error> {
        let id = session.id;
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let chunk = sessions::chunk_at(tx, id, signed(place)).await?.ok_or(Error::NotFound)?;
                let gone = sessions::remove_chunk(tx, id, &chunk).await?;
                let session = sessions::by_id(tx, id).await?.ok_or(Error::NotFound)?;
                sessions::progress(tx, id, -own_size(&chunk), session.expires_at).await?;
                Ok(gone)
            })
        });
        let gone = work.await?;
        self.delete_blobs(&gone).await;
        Ok(())
    }

    /// Says where a session goes, unless that is known already.
    pub async fn direct_session(
        &self,
        principal: &Principal,
        session: &UploadSession,
        to: &Location,
    ) -> Result<(), Error> {
        if session.destination.is_some() {
            return Ok(());
        }
        let (principal, at, id, now) = (principal.clone(), to.clone(), session.id, self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let target = Target { principal, at, intent: Intent::default() };
                let prospect = prospect(tx, &target, now).await?;
                let to =
                    Destination { space: target.at.space, folder: prospect.folder, path: target.at.path.to_string() };
                Ok(sessions::set_destination(tx, id, &to).await?)
            })
        });
        work.await
    }

    /// Says how large the file of a session will be, where that was left open.
    pub async fn set_session_size(&self, session: &UploadSession, size: u64) -> Result<UploadSession, Error> {
        let id = session.id;
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let mut session = sessions::by_id(tx, id).await?.ok_or(Error::NotFound)?;
                if session.size.is_some_and(|known| known != signed(size)) || session.received > signed(size) {
                    return Err(Error::BodyIncomplete { announced: size, received: unsigned(session.received) });
                }
                sessions::set_size(tx, id, signed(size)).await?;
                session.size = Some(signed(size));
                Ok(session)
            })
        });
        work.await
    }

    /// Removes the files of blobs whose records are gone. What fails is left to the sweep.
    pub(super) async fn delete_blobs(&self, blobs: &[BlobId]) {
        for blob in blobs {
            if let Err(error) = self.blobs.delete(*blob).await {
                tracing::warn!(%error, %blob, "the bytes of a removed chunk stay until the next sweep");
            }
        }
    }
}

async fn begin(
    tx: &mut Tx,
    principal: &Principal,
    new: NewSession,
    id: UploadId,
    now: Timestamp,
) -> Result<(UploadSession, Vec<BlobId>), Error> {
    let name = new.name.unwrap_or_else(|| id.to_string());
    let mut gone = Vec::new();
    match sessions::by_name(tx, principal.user, new.protocol.word(), &name).await? {
        Some(old) if old.ending.is_none() && old.expires_at > now => return Err(Error::Exists),
        Some(old) => gone = sessions::remove(tx, old.id).await?,
        None => {}
    }
    if sessions::count_open(tx, principal.user).await? >= MOST_SESSIONS {
        return Err(Excess::Sessions.into());
    }
    let size = new.intent.announced_size;
    let destination = match new.destination {
        Some(at) if new.partial => Some(into_folder(tx, principal, at, size).await?),
        Some(at) => {
            let target = Target { principal: principal.clone(), at, intent: new.intent.clone() };
            let prospect = prospect(tx, &target, now).await?;
            let needed = size.map_or(0, signed).saturating_sub(prospect.replaced);
            guard::quota(tx, &prospect.membership, needed).await?;
            Some(Destination { space: target.at.space, folder: prospect.folder, path: target.at.path.to_string() })
        }
        None => {
            if let Some(Room { used, quota }) = room_anywhere(tx, principal).await?
                && used.saturating_add(size.map_or(0, signed)) > quota
            {
                return Err(Error::QuotaExceeded { used, quota, needed: size.map_or(0, signed) });
            }
            None
        }
    };
    let session = UploadSession {
        id,
        user: principal.user,
        protocol: new.protocol.word().to_owned(),
        name,
        destination,
        make_folders: new.intent.make_folders,
        size: size.map(signed),
        mtime: new.intent.mtime,
        checksum: new.intent.checksum.as_ref().map(ToString::to_string),
        conditions: keep(&new.intent.conditions),
        partial: new.partial,
        received: 0,
        ending: None,
        created_at: now,
        expires_at: now.after(LIFETIME),
    };
    sessions::insert(tx, &session).await?;
    Ok((session, gone))
}

/// The destination of a session that only gives its bytes to others: its folder counts for quota and rights.
async fn into_folder(
    tx: &mut Tx,
    principal: &Principal,
    at: Location,
    size: Option<u64>,
) -> Result<Destination, Error> {
    let membership = enter(tx, principal, at.space).await?;
    let folder = resolve(tx, membership.space.root, &at.path).await?;
    membership.check(Action::Create, &folder)?;
    guard::quota(tx, &membership, size.map_or(0, signed)).await?;
    Ok(Destination { space: at.space, folder: folder.id, path: at.path.to_string() })
}

/// The most room any space has for this person, as long as nobody said which one it will be; none if one has no limit.
pub(super) async fn room_anywhere(db: &mut Connection, principal: &Principal) -> Result<Option<Room>, Error> {
    let mut most: Option<Room> = None;
    for (space, role) in spaces::of_user(db, principal.user).await? {
        if role < Role::Contributor || principal.scope.space.is_some_and(|only| only != space.id) {
            continue;
        }
        let membership = crate::Membership { space, role, scope: principal.scope };
        let Some(room) = room(db, &membership, 0).await? else { return Ok(None) };
        if most.is_none_or(|most| room.quota.saturating_sub(room.used) > most.quota.saturating_sub(most.used)) {
            most = Some(room);
        }
    }
    let waiting = sessions::waiting_nowhere(db, principal.user).await?;
    let nothing = Room { used: 0, quota: 0 };
    Ok(Some(most.map_or(nothing, |room| Room { used: room.used.saturating_add(waiting), ..room })))
}

/// Bytes a chunk takes that no older version has.
pub(super) fn own_size(chunk: &Chunk) -> i64 {
    if chunk.shared { 0 } else { chunk.size }
}

fn keep(conditions: &Conditions) -> Option<String> {
    let kept = Kept { if_match: conditions.if_match.clone(), if_none_match: conditions.if_none_match.clone() };
    if kept.if_match.is_none() && kept.if_none_match.is_none() { None } else { serde_json::to_string(&kept).ok() }
}

/// Where a session goes and what its client said about the file when it began; the tokens and lists of `now` count,
/// too. [`Error::ParentMissing`] if nobody said where.
pub(super) fn intent_of(session: &UploadSession, now: &Conditions) -> Result<(Location, Intent), Error> {
    let destination = session.destination.as_ref().ok_or(Error::ParentMissing)?;
    let at = Location { space: destination.space, path: ItemPath::parse(&destination.path)? };
    // What cannot be read any more must not be taken for no condition.
    let kept = session.conditions.as_deref().map(serde_json::from_str::<Kept>);
    let kept = kept.unwrap_or_else(|| Ok(Kept::default())).map_err(|_| Error::PreconditionFailed)?;
    let conditions = Conditions {
        if_match: kept.if_match,
        if_none_match: kept.if_none_match,
        if_unmodified_since: None,
        state_lists: now.state_lists.clone(),
    };
    let intent = Intent {
        announced_size: session.size.map(unsigned),
        checksum: session.checksum.as_deref().map(Checksum::parse).transpose()?,
        mtime: session.mtime,
        conditions,
        make_folders: session.make_folders,
    };
    Ok((at, intent))
}
