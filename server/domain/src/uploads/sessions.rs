//! Uploads in pieces: how a session begins, is found, and is given up.

use super::{Checksum, Chunk, Intent, Target, UploadSession, incoming::Room, prospect, room, signed, unsigned};
use crate::access::enter_at;
use crate::read::resolve;
use crate::share_access::enter_by;
use crate::{Action, Conditions, Domain, EntityTags, Error, Excess, ItemPath, Location, Principal, guard};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stitchbox_schema::{BlobId, ItemId, ItemName, Role, Timestamp, UploadId};
use stitchbox_store::sessions::{self, Destination};
use stitchbox_store::{Connection, Tx, shares_folder, spaces};

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
    /// What the client wants to be told again.
    pub words: Words,
}

/// What a client said when it began and wants to be told again, as it wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// tus: `Upload-Metadata`.
    pub metadata: Option<String>,
    /// tus: `Upload-Concat`.
    pub concat: Option<String>,
}

/// What is kept of the conditions of a request until the end of a session.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    if_match: Option<EntityTags>,
    if_none_match: Option<EntityTags>,
    words: Words,
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
        // What no session can be called is not looked up: a NUL would be an error of one database and not of the other.
        ItemName::parse(name).map_err(|_| Error::NotFound)?;
        let mut db = self.store.read().await?;
        let session = sessions::by_name(&mut db, principal.user, protocol.word(), name).await?;
        session.filter(|session| session.expires_at > self.now() && opens(principal, session)).ok_or(Error::NotFound)
    }

    /// The person's open sessions, by name.
    pub async fn open_sessions(&self, principal: &Principal, protocol: Protocol) -> Result<Vec<UploadSession>, Error> {
        let mut db = self.store.read().await?;
        let mut found = sessions::open_of(&mut db, principal.user, protocol.word()).await?;
        found.retain(|session| session.expires_at > self.now() && opens(principal, session));
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
    ) -> Result<UploadSession, Error> {
        let (principal, at, id, now) = (principal.clone(), to.clone(), session.id, self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let target = Target { principal, at, intent: Intent::default() };
                let prospect = prospect(tx, &target, now).await?;
                let to = destination_of(&target.at, prospect.folder);
                let session = sessions::by_id(tx, id).await?.ok_or(Error::NotFound)?;
                if session.destination.is_some() {
                    return Ok(session);
                }
                sessions::set_destination(tx, id, &to).await?;
                Ok(UploadSession { destination: Some(to), ..session })
            })
        });
        work.await
    }

    /// Whether a session has a chunk at this place.
    pub async fn has_chunk(&self, session: &UploadSession, place: u64) -> Result<bool, Error> {
        let mut db = self.store.read().await?;
        Ok(sessions::chunk_at(&mut db, session.id, signed(place)).await?.is_some())
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

/// Whether the credential reaches a session: one that opens a single space, or what is shared, finds no uploads into
/// anything else.
pub(super) fn opens(principal: &Principal, session: &UploadSession) -> bool {
    let leads_elsewhere = |only| session.destination.as_ref().is_some_and(|to| to.space != only);
    let by = session.destination.as_ref().and_then(|to| to.via);
    session.user == principal.user
        && !principal.scope.space.is_some_and(leads_elsewhere)
        && principal.scope.share.is_none_or(|only| by == Some(only))
}

/// The place a session goes to, as who began it sees it.
pub(super) fn place_of(to: &Destination) -> Result<Location, Error> {
    Ok(Location { space: to.space, via: to.via, path: ItemPath::parse(&to.path)? })
}

fn destination_of(at: &Location, folder: ItemId) -> Destination {
    Destination { space: at.space, via: at.via, folder, path: at.path.to_string() }
}

async fn begin(
    tx: &mut Tx,
    principal: &Principal,
    new: NewSession,
    id: UploadId,
    now: Timestamp,
) -> Result<(UploadSession, Vec<BlobId>), Error> {
    let name = new.name.unwrap_or_else(|| id.to_string());
    ItemName::parse(&name)?;
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
        Some(at) if new.partial => Some(into_folder(tx, principal, at, size, now).await?),
        Some(at) => {
            let target = Target { principal: principal.clone(), at, intent: new.intent.clone() };
            let prospect = prospect(tx, &target, now).await?;
            let needed = size.map_or(0, signed).saturating_sub(prospect.replaced);
            guard::quota(tx, &prospect.membership, needed).await?;
            Some(destination_of(&target.at, prospect.folder))
        }
        None => {
            if let Some(Room { used, quota }) = room_anywhere(tx, principal, now).await?
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
        conditions: keep(&new.intent.conditions, new.words),
        partial: new.partial,
        received: 0,
        ending: None,
        created_at: now,
        expires_at: now.after(LIFETIME),
    };
    sessions::insert(tx, &session).await?;
    Ok((session, gone))
}

/// A session for an upload that comes in one piece: recorded together with its end.
pub(super) fn ended(domain: &Domain, target: &Target, protocol: Protocol, words: Words) -> UploadSession {
    let now = domain.now();
    let id = UploadId(domain.ids.next(now));
    let Target { principal, at, intent } = target;
    UploadSession {
        id,
        user: principal.user,
        protocol: protocol.word().to_owned(),
        name: id.to_string(),
        destination: Some(Destination { space: at.space, via: at.via, folder: ItemId(0), path: at.path.to_string() }),
        make_folders: intent.make_folders,
        size: None,
        mtime: intent.mtime,
        checksum: None,
        conditions: keep(&Conditions::default(), words),
        partial: false,
        received: 0,
        ending: None,
        created_at: now,
        expires_at: now.after(LIFETIME),
    }
}

/// The destination of a session that only gives its bytes to others: its folder counts for quota and rights.
async fn into_folder(
    tx: &mut Tx,
    principal: &Principal,
    at: Location,
    size: Option<u64>,
    now: Timestamp,
) -> Result<Destination, Error> {
    let membership = enter_at(tx, principal, &at, now).await?;
    let folder = resolve(tx, membership.space.root, &at.path).await?;
    membership.check(Action::Create, &folder)?;
    guard::quota(tx, &membership, size.map_or(0, signed)).await?;
    Ok(Destination { space: at.space, via: at.via, folder: folder.id, path: at.path.to_string() })
}

/// The most room any space has for this person, as long as nobody said which one it will be; none if one has no limit.
pub(super) async fn room_anywhere(
    db: &mut Connection,
    principal: &Principal,
    now: Timestamp,
) -> Result<Option<Room>, Error> {
    let mut open = Vec::new();
    for (space, role) in spaces::of_user(db, principal.user).await? {
        if role < Role::Contributor || principal.scope.space.is_some_and(|only| only != space.id) {
            continue;
        }
        open.push(crate::Membership { space, role, scope: principal.scope, via: None });
    }
    if let Some(room) = most_room(db, &open).await? {
        let shared = shared_with(db, principal, now).await?;
        let Some(shared) = most_room(db, &shared).await? else { return Ok(None) };
        let free = |room: &Room| room.quota.saturating_sub(room.used);
        let most = if free(&shared) > free(&room) { shared } else { room };
        let waiting = sessions::waiting_nowhere(db, principal.user).await?;
        return Ok(Some(Room { used: most.used.saturating_add(waiting), ..most }));
    }
    Ok(None)
}

/// What is shared with the person and takes new files.
async fn shared_with(
    db: &mut Connection,
    principal: &Principal,
    now: Timestamp,
) -> Result<Vec<crate::Membership>, Error> {
    let mut open = Vec::new();
    for entry in shares_folder::of_user(db, principal.user).await? {
        let Some(share) = entry.share.filter(|_| !entry.hidden) else { continue };
        match enter_by(db, principal, share, now).await {
            Ok(membership) if membership.role >= Role::Contributor => open.push(membership),
            Ok(_) | Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(open)
}

/// The most room one of these has; none if one has no limit.
async fn most_room(db: &mut Connection, open: &[crate::Membership]) -> Result<Option<Room>, Error> {
    let mut most: Option<Room> = None;
    for membership in open {
        let Some(room) = room(db, membership, 0).await? else { return Ok(None) };
        if most.is_none_or(|most| room.quota.saturating_sub(room.used) > most.quota.saturating_sub(most.used)) {
            most = Some(room);
        }
    }
    Ok(Some(most.unwrap_or(Room { used: 0, quota: 0 })))
}

/// Bytes a chunk takes that no older version has.
pub(super) fn own_size(chunk: &Chunk) -> i64 {
    if chunk.shared { 0 } else { chunk.size }
}

/// What is kept of a request until the end of its session; none if there is nothing.
pub(super) fn keep(conditions: &Conditions, words: Words) -> Option<String> {
    let Conditions { if_match, if_none_match, .. } = conditions.clone();
    if if_match.is_none() && if_none_match.is_none() && words == Words::default() {
        return None;
    }
    serde_json::to_string(&Kept { if_match, if_none_match, words }).ok()
}

fn kept(session: &UploadSession) -> Option<Kept> {
    match session.conditions.as_deref() {
        Some(text) => serde_json::from_str(text).ok(),
        None => Some(Kept::default()),
    }
}

/// What the client of a session wants to be told again.
#[must_use]
pub fn words_of(session: &UploadSession) -> Words {
    kept(session).unwrap_or_default().words
}

/// Where a session goes and what its client said about the file when it began; the tokens and lists of `now` count,
/// too. [`Error::ParentMissing`] if nobody said where.
pub(super) fn intent_of(session: &UploadSession, now: &Conditions) -> Result<(Location, Intent), Error> {
    let destination = session.destination.as_ref().ok_or(Error::ParentMissing)?;
    let at = place_of(destination)?;
    // What cannot be read any more must not be taken for no condition.
    let kept = kept(session).ok_or(Error::PreconditionFailed)?;
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
