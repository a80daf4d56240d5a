//! Derived files: the outputs of a run take the same way in as every other byte, and all appear in one transaction.

use super::checksum::Digests;
use super::commit::{Finished, Meta, Origin, Place, new_version, redeem};
use super::incoming::{Announcement, Whither, announce};
use crate::series::act_of_run;
use crate::tree::{Act, discard, new_folder};
use crate::{Domain, Error, Ids, Item, ItemPath, Location, Run};
use bytes::Bytes;
use std::collections::HashSet;
use stitchbox_formats::{Content, SNIFF_BYTES};
use stitchbox_schema::{BlobId, ItemId};
use stitchbox_store::versions::NewBlob;
use stitchbox_store::{Connection, Tx, items};

/// A derived file whose bytes are durable but which nobody sees yet.
#[derive(Debug)]
pub struct Draft {
    name: String,
    finished: Finished,
    // Dropped, published or not, it takes its announcing row with it; bytes that were not published are swept.
    _session: Option<Announcement>,
}

impl Draft {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn size(&self) -> i64 {
        self.finished.blob.size
    }
}

/// A folder full of derived files that replaces the one of the run before.
#[derive(Debug)]
pub struct Publication {
    /// Name the folder should have; ` (run)` is added where a user's own folder stands in the way.
    pub folder_name: &'static str,
    /// The files.
    pub drafts: Vec<Draft>,
}

impl Domain {
    /// Makes the bytes of a derived file of a run durable.
    pub async fn draft(&self, run: &Run, name: &str, bytes: Bytes) -> Result<Draft, Error> {
        let content = Content::of(bytes.get(..SNIFF_BYTES).unwrap_or(&bytes));
        let (sha256, created_at) = (digest(bytes.clone()).await?, self.now());
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let (id, body, session) = if bytes.len() <= super::SMALL_BYTES {
            (BlobId(self.ids.next(created_at)), Some(bytes.to_vec()), None)
        } else {
            let whither = Whither::of(act_of_run(run.id, created_at), run.space, run.folder, name.to_owned());
            let (id, session, _) = announce(self, &whither, created_at).await?;
            let mut staged = self.blobs.stage(id).await?;
            staged.write(bytes).await?;
            staged.publish().await?;
            (id, None, Some(session))
        };
        let blob = NewBlob { id, size, sha256, body, created_at };
        let finished = Finished {
            blob,
            origin: Origin::New,
            content,
            session: session.as_ref().and_then(|session| session.id),
            pushed: None,
        };
        Ok(Draft { name: name.to_owned(), finished, _session: session })
    }
}

/// SHA-256 of a whole output, which may be large: on a thread that may block.
async fn digest(bytes: Bytes) -> Result<String, Error> {
    let hash = move || {
        let mut digests = Digests::new(None);
        digests.update(&bytes);
        digests.finish(None)
    };
    tokio::task::spawn_blocking(hash).await.map_err(|_| Error::BodyBroken)?
}

/// Shows a derived file in a folder, as a new version where one of that name is.
pub(crate) async fn show_draft(
    tx: &mut Tx,
    ids: &Ids,
    folder: &Item,
    name: &str,
    draft: Draft,
    act: Act,
) -> Result<Item, Error> {
    let Draft { finished, _session, .. } = draft;
    redeem(tx, finished.session).await?;
    let existing = items::child(tx, folder.id, name).await?;
    let place = Place { folder, name, existing: existing.as_ref() };
    Ok(new_version(tx, ids, place, finished, Meta { mtime: act.at, checksum: None }, act).await?.item)
}

/// Replaces what the runs before wrote into their folder by this publication. Returns the folder's name.
pub(crate) async fn publish(
    tx: &mut Tx,
    ids: &Ids,
    series: &Item,
    publication: Publication,
    act: Act,
) -> Result<String, Error> {
    let name = free_for_runs(tx, series.id, publication.folder_name, "").await?;
    let folder = match items::child(tx, series.id, &name).await? {
        Some(folder) => folder,
        None => new_folder(tx, ItemId(ids.next(act.at)), series, &name, act).await?,
    };
    items::set_run(tx, folder.id, act.run).await?;
    let wanted: HashSet<String> = publication.drafts.iter().map(|draft| draft.name.clone()).collect();
    for old in items::children(tx, folder.id).await? {
        if old.run.is_some() && !wanted.contains(&old.name) {
            discard_derived(tx, &folder, &old, act).await?;
        }
    }
    for draft in publication.drafts {
        let name = draft.name.clone();
        show_draft(tx, ids, &folder, &name, draft, act).await?;
    }
    Ok(name)
}

/// Puts a derived item into the trash.
pub(crate) async fn discard_derived(tx: &mut Tx, folder: &Item, item: &Item, act: Act) -> Result<(), Error> {
    let (names, _) = items::path(tx, item.id).await?;
    let path = ItemPath::from_segments(names.iter().map(String::as_str))?;
    discard(tx, &Location::in_space(item.space, path), folder, item, act).await
}

/// A name in a folder that is free or taken by an earlier run, never by a user's own item: `stem`, then `stem (run)`,
/// `stem (run 2)`…, each followed by `extension`.
pub(crate) async fn free_for_runs(
    db: &mut Connection,
    folder: ItemId,
    stem: &str,
    extension: &str,
) -> Result<String, Error> {
    let mut count = 0;
    loop {
        let suffix = match count {
            0 => String::new(),
            1 => " (run)".to_owned(),
            more => format!(" (run {more})"),
        };
        let name = format!("{stem}{suffix}{extension}");
        match items::child(db, folder, &name).await? {
            Some(item) if item.run.is_none() => count += 1,
            _ => return Ok(name),
        }
    }
}

/// A small derived text, ready to be shown in the same transaction.
pub(crate) fn draft_of_text(
    ids: &Ids,
    name: &str,
    text: &str,
    now: stitchbox_schema::Timestamp,
) -> Result<Draft, Error> {
    draft_of_bytes(ids, name, text.as_bytes().to_vec(), now)
}

/// A small derived file, ready to be shown in the same transaction. Its bytes go into the metadata store, so they must be few.
pub(crate) fn draft_of_bytes(
    ids: &Ids,
    name: &str,
    bytes: Vec<u8>,
    now: stitchbox_schema::Timestamp,
) -> Result<Draft, Error> {
    let mut digests = Digests::new(None);
    digests.update(&bytes);
    let content = Content::of(bytes.get(..SNIFF_BYTES).unwrap_or(&bytes));
    let blob = NewBlob {
        id: BlobId(ids.next(now)),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        sha256: digests.finish(None)?,
        body: Some(bytes),
        created_at: now,
    };
    Ok(Draft {
        name: name.to_owned(),
        finished: Finished { blob, origin: Origin::New, content, session: None, pushed: None },
        _session: None,
    })
}
