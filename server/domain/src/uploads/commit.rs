//! The commit: the transaction after which a file is there.

use super::at_peer::before_cached;
use super::incoming::Received;
use super::{Target, Upload, checksum, destination, folders};
use crate::received::{self, Pushed};
use crate::tree::Act;
use crate::{Conditions, Domain, Error, Ids, Item, ItemKind, Location, Principal, Version, guard};
use ::bytes::Bytes;
use std::sync::Arc;
use stitchbox_formats::{Content, SNIFF_BYTES};
use stitchbox_schema::{BlobId, Cursor, ItemId, Timestamp, UploadId, VersionId};
use stitchbox_store::changes::ChangeKind;
use stitchbox_store::segments::{self, Segment};
use stitchbox_store::sessions::{self, Ending, UploadSession};
use stitchbox_store::versions::NewBlob;
use stitchbox_store::{Tx, items, uploads, versions};

/// What a commit made.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The file.
    pub item: Item,
    /// The version it shows now.
    pub version: Version,
    /// Whether the file is new.
    pub created: bool,
}

impl From<&Committed> for Ending {
    fn from(committed: &Committed) -> Self {
        Self { item: committed.item.id, version: committed.version.id, created: committed.created }
    }
}

/// A finished body: durable already, or small enough to come along.
#[derive(Debug)]
pub(super) struct Finished {
    pub blob: NewBlob,
    pub origin: Origin,
    pub content: Content,
    pub session: Option<UploadId>,
    /// What the peer of a received space said when it got the body.
    pub pushed: Option<Pushed>,
}

/// What the transaction has to record about the bytes.
#[derive(Debug)]
pub(super) enum Origin {
    /// A blob of their own.
    New,
    /// Ranges of blobs that are recorded.
    Segments(Vec<Segment>),
    /// All of a blob that is recorded.
    Recorded,
}

impl Upload {
    /// Verifies, makes durable, and shows the file. After `Ok` it survives everything.
    pub async fn commit(self) -> Result<Committed, Error> {
        let Self { domain, mut target, incoming, remembered } = self;
        let Received { blob, head, announcement } = incoming.finish(target.intent.checksum.as_ref()).await?;
        let in_store = blob.body.is_none().then_some(blob.id);
        let session = announcement.as_ref().and_then(|announcement| announcement.id);
        let mut finished = Finished { blob, origin: Origin::New, content: Content::of(&head), session, pushed: None };
        if let Err(refused) = domain.push(&mut target, &mut finished).await {
            return settle(&domain, Err(refused), in_store).await;
        }
        let (now, ids) = (domain.now(), domain.ids.clone());
        let work = domain.transact(move |tx| {
            Box::pin(async move {
                let committed = show(tx, &ids, &target, finished, 0, now).await?;
                if let Some(session) = remembered {
                    let ending = Some(Ending::from(&committed));
                    let size = committed.version.size;
                    let session = UploadSession { ending, size: Some(size), received: size, ..session };
                    sessions::insert(tx, &session).await?;
                }
                Ok(committed)
            })
        });
        let committed = work.await;
        // Of a refused upload the row goes when the announcement is dropped.
        if let (Ok(_), Some(announcement)) = (&committed, announcement) {
            announcement.forget();
        }
        settle(&domain, committed, in_store).await
    }
}

impl Domain {
    /// Commits a small body that is whole in memory, at most [`super::SMALL_BYTES`]: nothing is looked at before the
    /// transaction, so that many of them fill a group. A larger one is refused.
    pub async fn put_whole(
        &self,
        principal: &Principal,
        at: &Location,
        intent: super::Intent,
        body: Bytes,
    ) -> Result<Committed, Error> {
        if body.len() > super::SMALL_BYTES {
            let announced = super::SMALL_BYTES as u64;
            return Err(Error::BodyIncomplete { announced, received: body.len() as u64 });
        }
        let received = body.len() as u64;
        if let Some(announced) = intent.announced_size.filter(|announced| *announced != received) {
            return Err(Error::BodyIncomplete { announced, received });
        }
        let mut digests = checksum::Digests::new(intent.checksum.as_ref());
        digests.update(&body);
        let sha256 = digests.finish(intent.checksum.as_ref())?;
        let now = self.now();
        let id = BlobId(self.ids.next(now));
        let content = Content::of(body.get(..SNIFF_BYTES).unwrap_or(&body));
        let blob = NewBlob { id, size: super::signed(received), sha256, body: Some(body.into()), created_at: now };
        let mut finished = Finished { blob, origin: Origin::New, content, session: None, pushed: None };
        let mut target = Target { principal: principal.clone(), at: at.clone(), intent };
        self.push(&mut target, &mut finished).await?;
        let ids = self.ids.clone();
        let work = self.transact(move |tx| Box::pin(async move { show(tx, &ids, &target, finished, 0, now).await }));
        settle(self, work.await, None).await
    }
}

/// Announces what was committed; takes back the bytes of what was refused.
pub(super) async fn settle<T>(
    domain: &Domain,
    committed: Result<T, Error>,
    in_store: Option<BlobId>,
) -> Result<T, Error> {
    match committed {
        Ok(committed) => {
            domain.announce();
            Ok(committed)
        }
        Err(refused) => {
            if let Some(blob) = in_store.filter(|_| is_certainly_refused(&refused))
                && let Err(error) = domain.blobs.delete(blob).await
            {
                tracing::warn!(%error, %blob, "the bytes of a refused upload stay until the next sweep");
            }
            Err(refused)
        }
    }
}

/// After trouble with the database the commit may have happened all the same, and a key that is taken may be the blob's
/// own: the bytes must then stay, and the sweep decides.
fn is_certainly_refused(error: &Error) -> bool {
    !matches!(error, Error::Store(_) | Error::Exists)
}

/// Shows a finished body at its place. `waiting` bytes of it count in the space already.
pub(super) async fn show(
    tx: &mut Tx,
    ids: &Arc<Ids>,
    target: &Target,
    finished: Finished,
    waiting: i64,
    now: Timestamp,
) -> Result<Committed, Error> {
    if target.intent.make_folders {
        folders::make_missing(tx, ids, target, now).await?;
    }
    let spot = destination(tx, target, now).await?;
    let replaced = spot.item.as_ref().map_or(0, |item| item.size);
    guard::quota(tx, &spot.membership, finished.blob.size - replaced - waiting).await?;
    redeem(tx, finished.session).await?;
    let act = Act { actor: target.principal.actor(), run: None, at: now };
    let place = Place { folder: &spot.folder, name: spot.name.as_str(), existing: spot.item.as_ref() };
    let meta = Meta { mtime: target.intent.mtime.unwrap_or(now), checksum: target.intent.checksum.as_ref() };
    let Some(pushed) = finished.pushed.clone() else { return new_version(tx, ids, place, finished, meta, act).await };
    let (finished, cached) = before_cached(tx, ids, finished).await?;
    let mut committed = new_version(tx, ids, place, finished, meta, act).await?;
    // It may have been listed before this transaction came.
    committed.created = pushed.created;
    received::remember_file(tx, &committed, &pushed, cached, act).await?;
    Ok(committed)
}

/// Ends the session of a body in the blob store. Without its row the bytes may be swept at any moment, so nothing may be
/// committed on them.
pub(super) async fn redeem(tx: &mut Tx, session: Option<UploadId>) -> Result<(), Error> {
    match session {
        Some(session) if !uploads::remove(tx, session).await? => Err(Error::BodyBroken),
        _ => Ok(()),
    }
}

/// Where a version appears.
pub(crate) struct Place<'a> {
    pub folder: &'a Item,
    pub name: &'a str,
    pub existing: Option<&'a Item>,
}

/// What a version carries besides its bytes.
pub(super) struct Meta<'a> {
    pub mtime: Timestamp,
    pub checksum: Option<&'a checksum::Checksum>,
}

/// Records blob and version and lets the file, new or old, show it.
pub(super) async fn new_version(
    tx: &mut Tx,
    ids: &Ids,
    place: Place<'_>,
    finished: Finished,
    meta: Meta<'_>,
    act: Act,
) -> Result<Committed, Error> {
    if !matches!(finished.origin, Origin::Recorded) {
        versions::insert_blob(tx, &finished.blob).await?;
    }
    if let Origin::Segments(made_of) = &finished.origin {
        segments::insert(tx, finished.blob.id, made_of).await?;
    }
    let NewBlob { id: blob, size, sha256, .. } = finished.blob;
    let content = finished.content.as_str().to_owned();
    let bytes = Recorded { blob, size, sha256, checksum: meta.checksum.map(ToString::to_string), content };
    show_recorded(tx, ids, place, bytes, meta.mtime, act).await
}

/// Bytes that are recorded and durable.
pub(crate) struct Recorded {
    pub blob: BlobId,
    pub size: i64,
    pub sha256: String,
    pub checksum: Option<String>,
    pub content: String,
}

/// Records a version on a blob that is there and lets the file, new or old, show it.
pub(crate) async fn show_recorded(
    tx: &mut Tx,
    ids: &Ids,
    place: Place<'_>,
    bytes: Recorded,
    mtime: Timestamp,
    act: Act,
) -> Result<Committed, Error> {
    let Recorded { blob, size, sha256, checksum, content } = bytes;
    // Later versions have larger ids, whatever the clocks say.
    let before = place.existing.and_then(|old| old.version).map_or(0, |version| version.0);
    let id = VersionId(ids.next_after(act.at, before));
    let created = place.existing.is_none();
    let (item, size_before) = match place.existing {
        Some(old) => {
            items::show_version(tx, old.id, id, size, mtime, act.run).await?;
            let shown = Item { version: Some(id), size, mtime, run: act.run, ..old.clone() };
            (shown, old.size)
        }
        None => {
            let item = new_item(ids, &place, id, size, mtime, act);
            items::insert(tx, &item).await?;
            (item, 0)
        }
    };
    let (created_at, author, run) = (act.at, act.actor, act.run);
    let version = Version { id, item: item.id, blob, size, sha256, checksum, content, mtime, created_at, author, run };
    versions::insert(tx, &version).await?;
    let kind = if created { ChangeKind::Created } else { ChangeKind::Updated };
    act.append(tx, kind, &item, place.folder.id, item.size - size_before).await?;
    Ok(Committed { item, version, created })
}

fn new_item(ids: &Ids, place: &Place<'_>, version: VersionId, size: i64, mtime: Timestamp, act: Act) -> Item {
    Item {
        id: ItemId(ids.next(act.at)),
        space: place.folder.space,
        parent: Some(place.folder.id),
        name: place.name.to_owned(),
        kind: ItemKind::File,
        version: Some(version),
        size,
        mtime,
        last_change: Cursor(0),
        run: act.run,
        created_at: act.at,
        rights: None,
    }
}

/// An empty file, for a lock on a place where nothing is.
pub(crate) async fn empty_file(
    tx: &mut Tx,
    ids: &Arc<Ids>,
    principal: &Principal,
    at: &Location,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<Committed, Error> {
    let intent = super::Intent { conditions: conditions.clone(), ..super::Intent::default() };
    let target = Target { principal: principal.clone(), at: at.clone(), intent };
    let sha256 = checksum::Digests::new(None).finish(None)?;
    let id = BlobId(ids.next(now));
    let blob = NewBlob { id, size: 0, sha256, body: Some(Vec::new()), created_at: now };
    let finished = Finished { blob, origin: Origin::New, content: Content::of(&[]), session: None, pushed: None };
    show(tx, ids, &target, finished, 0, now).await
}
