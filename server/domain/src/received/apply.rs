//! Making a folder here what the peer listed: short transactions that append to the journal like any other change.

use super::peer::{RemoteEntry, RemoteFolder};
pub(super) use super::plan::{Applied, Below};
use super::plan::{Step, plan, rights_of};
use crate::guard;
use crate::tree::{Act, discard};
use crate::{Domain, Error, Ids, Item, ItemPath, Location, Version};
use stitchbox_formats::Content;
use stitchbox_schema::{BlobId, ItemName, SpaceId, VersionId};
use stitchbox_store::changes::{self, ChangeKind, NewChange};
use stitchbox_store::remote::{self, RemoteBlob, RemoteItem};
use stitchbox_store::versions::{self, NewBlob};
use stitchbox_store::{Tx, items, purge, received};

/// Items changed in one transaction.
const AT_ONCE: usize = 200;
/// SHA-256 of nothing.
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Makes a folder what was listed. `epoch` is the count of our own changes before the peer was asked; `room` is how many
/// items may still be made.
pub(super) async fn apply(
    domain: &Domain,
    folder: &Item,
    path: &ItemPath,
    listing: RemoteFolder,
    epoch: i64,
    room: usize,
) -> Result<Applied, Error> {
    let here = remote::children(&mut *domain.store.read().await?, folder.id).await?;
    let mut applied = Applied::default();
    let letters = listing.itself.letters.clone().unwrap_or_default();
    let steps = plan(domain, folder, path, here, listing, room, &mut applied).await?;
    let own = if path.is_root() { root_letters(domain, folder, &letters).await? } else { None };
    applied.changed = steps.iter().filter(|step| !matches!(step, Step::Allow(..) | Step::Same(..))).count();
    let mut steps = steps;
    if let Some(own) = own {
        steps.push(own);
    }
    while !steps.is_empty() {
        let rest = steps.split_off(steps.len().min(AT_ONCE));
        let some = std::mem::replace(&mut steps, rest);
        let (folder, path, ids, now) = (folder.clone(), path.clone(), domain.ids.clone(), domain.now());
        let work = domain.transact(move |tx| {
            Box::pin(async move {
                let act = Act { actor: None, run: None, at: now };
                let lives = items::by_id(tx, folder.id)
                    .await?
                    .is_some_and(|folder| folder.is_folder() && (folder.parent.is_some() || path.is_root()));
                if !lives || received::epoch(tx, folder.space).await? != Some(epoch) {
                    return Ok(false);
                }
                take_steps(tx, &ids, &folder, &path, some, act).await?;
                Ok(true)
            })
        });
        if !work.await? {
            return Ok(Applied { outdated: true, ..Applied::default() });
        }
        domain.announce();
    }
    Ok(applied)
}

async fn root_letters(domain: &Domain, root: &Item, letters: &str) -> Result<Option<Step>, Error> {
    let known = remote::by_item(&mut *domain.store.read().await?, root.id).await?;
    let known = known.unwrap_or(RemoteItem { item: root.id, etag: String::new(), permissions: String::new() });
    if known.permissions == letters {
        return Ok(None);
    }
    let entry = RemoteEntry {
        name: String::new(),
        is_folder: true,
        etag: None,
        size: 0,
        mtime: None,
        letters: Some(letters.to_owned()).filter(|letters| !letters.is_empty()),
        sha256: None,
    };
    Ok(Some(Step::Allow(root.clone(), known.etag, entry)))
}

async fn take_steps(
    tx: &mut Tx,
    ids: &Ids,
    folder: &Item,
    path: &ItemPath,
    steps: Vec<Step>,
    act: Act,
) -> Result<(), Error> {
    let mut made = Vec::new();
    for step in steps {
        match step {
            Step::Remove(item) => remove(tx, folder, path, &item, act).await?,
            Step::Make(item, entry) => made.push((item, entry)),
            Step::Replace(item, entry) => replace(tx, ids, folder, item, &entry, act).await?,
            Step::Same(item, entry) => {
                remote::put_items(tx, &[as_told(&item, &entry)]).await?;
                if let Some(version) = item.version {
                    remote::set_blob_etag(tx, version, entry.etag.as_deref().unwrap_or_default()).await?;
                }
                if item.rights != rights_of(&entry) {
                    allow(tx, folder, &item, &entry, act).await?;
                }
            }
            Step::Allow(item, etag, entry) => {
                let permissions = entry.letters.clone().unwrap_or_default();
                remote::put_items(tx, &[RemoteItem { item: item.id, etag, permissions }]).await?;
                allow(tx, folder, &item, &entry, act).await?;
            }
        }
    }
    make(tx, ids, folder, made, act).await
}

/// A folder's ETag is kept only once everything below it is here.
fn as_told(item: &Item, entry: &RemoteEntry) -> RemoteItem {
    let etag = if entry.is_folder { String::new() } else { entry.etag.clone().unwrap_or_default() };
    RemoteItem { item: item.id, etag, permissions: entry.letters.clone().unwrap_or_default() }
}

async fn allow(tx: &mut Tx, folder: &Item, item: &Item, entry: &RemoteEntry, act: Act) -> Result<(), Error> {
    remote::set_rights(tx, item.id, rights_of(entry)).await?;
    let cursor = act.append(tx, ChangeKind::Touched, item, folder.id, 0).await?;
    if item.is_folder() {
        items::set_last_change(tx, item.id, cursor).await?;
    }
    Ok(())
}

async fn remove(tx: &mut Tx, folder: &Item, path: &ItemPath, item: &Item, act: Act) -> Result<(), Error> {
    let at = match ItemName::parse(&item.name) {
        Ok(name) => Location::in_space(item.space, path.join(name)),
        Err(_) => Location::in_space(item.space, path.clone()),
    };
    discard(tx, &at, folder, item, act).await?;
    // What was removed at the peer cannot be restored here.
    purge::give_up(tx, item.id).await?;
    guard::forget_locks_below(tx, &at, act.at).await
}

/// A version whose bytes lie at the peer; an empty one is here already.
fn version_of(ids: &Ids, item: &Item, id: VersionId, entry: &RemoteEntry, act: Act) -> Version {
    let empty = entry.size == 0;
    let told = entry.sha256.clone().unwrap_or_default();
    Version {
        id,
        item: item.id,
        blob: BlobId(ids.next(act.at)),
        size: item.size,
        sha256: if empty { SHA256_OF_NOTHING.to_owned() } else { told },
        checksum: None,
        content: Content::of(&[]).as_str().to_owned(),
        mtime: item.mtime,
        created_at: act.at,
        author: None,
        run: None,
    }
}

async fn record(tx: &mut Tx, space: SpaceId, shown: &[(Version, String)], act: Act) -> Result<(), Error> {
    let (empty, remote): (Vec<_>, Vec<_>) = shown.iter().partition(|(version, _)| version.size == 0);
    let bare: Vec<(BlobId, i64, String)> =
        remote.iter().map(|(version, _)| (version.blob, version.size, version.sha256.clone())).collect();
    versions::insert_bare_blobs(tx, &bare, act.at).await?;
    for (version, _) in empty {
        let (id, sha256) = (version.blob, version.sha256.clone());
        versions::insert_blob(tx, &NewBlob { id, size: 0, sha256, body: Some(Vec::new()), created_at: act.at }).await?;
    }
    let blob = |(version, etag): &&(Version, String)| RemoteBlob {
        blob: version.blob,
        space,
        item: version.item,
        etag: etag.clone(),
        cached_at: None,
        used_at: act.at,
    };
    remote::insert_blobs(tx, &remote.iter().map(blob).collect::<Vec<_>>()).await?;
    let versions: Vec<Version> = shown.iter().map(|(version, _)| version.clone()).collect();
    Ok(versions::insert_all(tx, &versions).await?)
}

async fn make(tx: &mut Tx, ids: &Ids, folder: &Item, made: Vec<(Item, RemoteEntry)>, act: Act) -> Result<(), Error> {
    let new: Vec<Item> = made.iter().map(|(item, _)| item.clone()).collect();
    items::insert_all(tx, &new).await?;
    let files: Vec<(Version, String)> = made
        .iter()
        .filter_map(|(item, entry)| {
            let version = version_of(ids, item, item.version?, entry, act);
            Some((version, entry.etag.clone().unwrap_or_default()))
        })
        .collect();
    record(tx, folder.space, &files, act).await?;
    let remote: Vec<RemoteItem> = made.iter().map(|(item, entry)| as_told(item, entry)).collect();
    remote::put_items(tx, &remote).await?;
    let told: Vec<NewChange<'_>> = new
        .iter()
        .map(|item| NewChange {
            space: item.space,
            item: item.id,
            folder: folder.id,
            old_folder: None,
            kind: ChangeKind::Created,
            name: &item.name,
            run: act.run,
            actor: act.actor,
            at: act.at,
            size_delta: item.size,
        })
        .collect();
    let cursors = changes::append_all(tx, folder.id, &told).await?;
    for (item, cursor) in new.iter().zip(cursors).filter(|(item, _)| item.is_folder()) {
        items::set_last_change(tx, item.id, cursor).await?;
    }
    Ok(())
}

async fn replace(tx: &mut Tx, ids: &Ids, folder: &Item, old: Item, entry: &RemoteEntry, act: Act) -> Result<(), Error> {
    let before = old.version.map_or(0, |version| version.0);
    let id = VersionId(ids.next_after(act.at, before));
    let size = i64::try_from(entry.size).unwrap_or(i64::MAX);
    let mtime = entry.mtime.unwrap_or(act.at);
    let shown = Item { version: Some(id), size, mtime, rights: rights_of(entry), ..old.clone() };
    items::show_version(tx, old.id, id, size, mtime, None).await?;
    remote::set_rights(tx, old.id, shown.rights).await?;
    let version = version_of(ids, &shown, id, entry, act);
    record(tx, folder.space, &[(version, entry.etag.clone().unwrap_or_default())], act).await?;
    remote::put_items(tx, &[as_told(&shown, entry)]).await?;
    act.append(tx, ChangeKind::Updated, &shown, folder.id, size - old.size).await?;
    forget_versions_before(tx, &shown, act).await
}

/// Earlier versions are the peer's affair: here their bytes could not be had.
pub(super) async fn forget_versions_before(tx: &mut Tx, shown: &Item, act: Act) -> Result<(), Error> {
    for version in versions::of_item(tx, shown.id).await? {
        if Some(version.id) != shown.version
            && let Some(blob) = remote::forget_version(tx, version.id).await?
        {
            purge::drop_blob(tx, blob, act.at).await?;
        }
    }
    Ok(())
}
