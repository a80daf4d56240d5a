//! The one way in for bytes. PUT, chunks, tus, bulk, federated writes, scans and derived files all end in one commit.
//!
//! A small body waits in memory and is stored in the transaction that makes it visible: one flush, shared with whoever
//! commits at the same moment. A larger one goes to the blob store through one buffer, announced by a row before its
//! first byte, and is durable before the transaction refers to it. Dropping an [`Upload`] at any moment leaves the tree
//! as it was.
//!
//! What comes in pieces waits in an [`UploadSession`]; its end ([`Domain::finish_session`]) writes down which ranges of
//! which blobs the file is made of and copies no byte.

mod at_peer;
mod bytes;
mod checksum;
mod chunks;
mod commit;
mod fetched;
mod finish;
mod folders;
mod hashing;
mod incoming;
mod publish;
mod sessions;
mod whole;

pub use checksum::Checksum;
pub(crate) use checksum::hex;
pub use chunks::{ChunkUpload, NewChunk};
pub use commit::Committed;
pub(crate) use commit::{Place, Recorded, empty_file, show_recorded};
pub(crate) use fetched::{Fetched, Wanted, wanted};
pub use publish::{Draft, Publication};
pub(crate) use publish::{discard_derived, draft_of_bytes, draft_of_text, free_for_runs, publish, show_draft};
pub(crate) use sessions::alive_sessions_expire_after;
pub use sessions::{NewSession, Protocol, Words, words_of};
pub use stitchbox_store::sessions::{Chunk, UploadSession};
pub(crate) use whole::Wholes;

use crate::access::enter_at;
use crate::guard::{self, Guarded};
use crate::tree::{Spot, spot};
use crate::{Action, Conditions, Domain, Error, ItemPath, Location, Principal};
use ::bytes::Bytes;
use incoming::{Bounds, Incoming, Room, Whither};
use stitchbox_schema::{ItemName, Timestamp};
use stitchbox_store::{Connection, items, sessions as session_rows};

/// Files of one name in a folder into which files are only brought.
const MOST_NUMBERED: u32 = 1000;

/// Bodies up to this size live in the metadata store, bytes.
pub const SMALL_BYTES: usize = 64 * 1024;

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
    /// Folders missing above the place are made in the same transaction.
    pub make_folders: bool,
}

/// Where an upload goes and under whose name.
#[derive(Debug, Clone)]
struct Target {
    principal: Principal,
    at: Location,
    intent: Intent,
}

/// A file on its way in.
#[derive(Debug)]
pub struct Upload {
    domain: Domain,
    target: Target,
    incoming: Incoming,
    /// The session it is remembered as, if anybody may ask for it later.
    remembered: Option<UploadSession>,
}

impl Domain {
    /// Begins an upload. Refuses at once what the commit would refuse, so that no body is sent in vain; the commit
    /// decides.
    pub async fn begin_upload(&self, principal: &Principal, at: &Location, intent: Intent) -> Result<Upload, Error> {
        let target = Target { principal: principal.clone(), at: at.clone(), intent };
        let mut db = self.store.read().await?;
        let prospect = prospect(&mut db, &target, self.now()).await?;
        let announced = target.intent.announced_size;
        let needed = announced.map_or(0, signed).saturating_sub(prospect.replaced);
        guard::quota(&mut db, &prospect.membership, needed).await?;
        let room = room(&mut db, &prospect.membership, prospect.replaced).await?;
        drop(db);
        let name = target.at.path.split_last().map(|(_, name)| name.to_string()).unwrap_or_default();
        let actor = target.principal.actor();
        let whither = Whither { space: target.at.space, folder: prospect.folder, name, actor, run: None };
        let bounds = Bounds { announced, most: None, room };
        let incoming = Incoming::begin(self, whither, bounds, target.intent.checksum.as_ref()).await?;
        Ok(Upload { domain: self.clone(), target, incoming, remembered: None })
    }
}

impl Domain {
    /// As [`Domain::begin_upload`] for a client that sends its small body anyway: only the commit looks at the place, so
    /// the small upload, of which there are many, looks once. A body that is not announced as small is begun as usual.
    pub async fn begin_unasked(&self, principal: &Principal, at: &Location, intent: Intent) -> Result<Upload, Error> {
        if intent.announced_size.is_none_or(|size| size > SMALL_BYTES as u64) {
            return self.begin_upload(principal, at, intent).await;
        }
        let target = Target { principal: principal.clone(), at: at.clone(), intent };
        let bounds = Bounds { announced: target.intent.announced_size, ..Bounds::default() };
        let incoming = Incoming::small(self, bounds, target.intent.checksum.as_ref());
        Ok(Upload { domain: self.clone(), target, incoming, remembered: None })
    }
}

/// What an upload can expect at its place.
struct Prospect {
    membership: crate::Membership,
    /// The folder, as far as it exists.
    folder: stitchbox_schema::ItemId,
    /// Bytes of what is replaced.
    replaced: i64,
}

/// Checks what can be checked before the body. A missing folder is fine if it will be made.
async fn prospect(db: &mut Connection, target: &Target, now: Timestamp) -> Result<Prospect, Error> {
    match destination(db, target, now).await {
        Ok(Spot { membership, folder, item, .. }) => {
            Ok(Prospect { membership, folder: folder.id, replaced: item.map_or(0, |item| item.size) })
        }
        Err(Error::ParentMissing) if target.intent.make_folders => {
            let membership = enter_at(db, &target.principal, &target.at, now).await?;
            let folder = folders::nearest(db, &membership, &target.at.path).await?;
            membership.check(Action::Create, &folder)?;
            Ok(Prospect { membership, folder: folder.id, replaced: 0 })
        }
        Err(refused) => Err(refused),
    }
}

/// How full a space is for somebody who replaces this many bytes; none without a quota.
async fn room(db: &mut Connection, membership: &crate::Membership, replaced: i64) -> Result<Option<Room>, Error> {
    let Some(quota) = membership.space.quota else { return Ok(None) };
    let used = items::by_id(db, membership.space.root).await?.map_or(0, |root| root.size);
    let waiting = session_rows::waiting_in(db, membership.space.id).await?;
    Ok(Some(Room { used: used.saturating_add(waiting).saturating_sub(replaced), quota }))
}

/// Checks everything that can be checked without the body. Used at the beginning and again in the transaction.
async fn destination(db: &mut Connection, target: &Target, now: Timestamp) -> Result<Spot, Error> {
    let Target { principal, at, intent } = target;
    if at.path == ItemPath::default() {
        enter_at(db, principal, at, now).await?;
        return Err(Error::IsFolder);
    }
    let mut spot = spot(db, principal, at, now).await?;
    if spot.item.is_some() && spot.membership.is_drop() {
        // Nobody learns what is there: what is brought again stands beside what was brought before.
        (spot.name, spot.item) = (free_name(db, &spot).await?, None);
    }
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

/// The name of a spot with the first number that makes it free.
async fn free_name(db: &mut Connection, spot: &Spot) -> Result<ItemName, Error> {
    for number in 2..=MOST_NUMBERED {
        let name = ItemName::parse(&crate::shares::numbered(spot.name.as_str(), false, number))?;
        if items::child(db, spot.folder.id, name.as_str()).await?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::Exists)
}

impl Upload {
    /// Takes the next bytes of the body. Returns once they may be forgotten by the caller.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.incoming.write(bytes).await
    }

    /// Lets the upload be found afterwards as a session that has ended; gives the session's name.
    pub fn remember(&mut self, protocol: Protocol, words: Words) -> String {
        let session = sessions::ended(&self.domain, &self.target, protocol, words);
        let name = session.name.clone();
        self.remembered = Some(session);
        name
    }
}

/// A size as the database counts it.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A size the database gave.
fn unsigned(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}
