//! Making a folder here what the peer listed: short transactions that append to the journal like any other change.

use super::peer::{RemoteEntry, RemoteFolder};
use crate::guard;
use crate::tree::{Act, discard};
use crate::{Domain, Error, Ids, Item, ItemKind, ItemPath, Location, Version};
use std::collections::{HashMap, HashSet};
use stitchbox_formats::Content;
use stitchbox_schema::{BlobId, Cursor, ItemId, ItemName, SpaceId, VersionId};
use stitchbox_store::changes::{self, ChangeKind, NewChange};
use stitchbox_store::remote::{self, RemoteBlob, RemoteItem};
use stitchbox_store::versions::{self, NewBlob};
use stitchbox_store::{Rights, Tx, items, purge, received};

/// Items changed in one transaction.
const AT_ONCE: usize = 200;
/// SHA-256 of nothing.
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What is to be done with one item.
#[derive(Debug, Clone)]
enum Step {
    Remove(Item),
    Make(Item, RemoteEntry),
    Replace(Item, RemoteEntry),
    /// The same bytes under another ETag.
    Same(Item, RemoteEntry),
    /// Other letters. The ETag that is kept stays as it is.
    Allow(Item, String, RemoteEntry),
}

/// A folder that lies in the listed one.
#[derive(Debug, Clone)]
pub(super) struct Below {
    pub item: Item,
    pub path: ItemPath,
    /// Its ETag as the listing tells it.
    pub told: Option<String>,
    /// Its ETag up to which everything below is here; empty if there is none.
    pub known: String,
}

/// What became of a listing.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// We changed something ourselves since the peer was asked, so the listing may be older than that: ask again.
    pub outdated: bool,
    /// Items that were made, replaced or removed.
    pub changed: usize,
    pub below: Vec<Below>,
    /// Names that cannot be carried.
    pub skipped: Vec<String>,
}

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
    let mut applied = Applied { skipped: listing.left_out, ..Applied::default() };
    let steps = plan(domain, folder, path, here, listing.children, room, &mut applied).await?;
    let letters = listing.itself.letters.unwrap_or_default();
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

/// Compares what is here with what was listed. Removals come first, so that their names are free.
async fn plan(
    domain: &Domain,
    folder: &Item,
    path: &ItemPath,
    here: Vec<(Item, Option<RemoteItem>)>,
    listed: Vec<RemoteEntry>,
    room: usize,
    applied: &mut Applied,
) -> Result<Vec<Step>, Error> {
    let mut here: HashMap<String, (Item, Option<RemoteItem>)> =
        here.into_iter().map(|(item, remote)| (item.name.clone(), (item, remote))).collect();
    let (mut removed, mut others, mut seen, mut made) = (Vec::new(), Vec::new(), HashSet::new(), 0_usize);
    for entry in listed {
        let Ok(name) = ItemName::parse(&entry.name) else {
            applied.skipped.push(format!("{path}: {:?}", entry.name));
            continue;
        };
        if !seen.insert(entry.name.clone()) {
            applied.skipped.push(format!("{path}: {:?} twice", entry.name));
            continue;
        }
        let below = path.join(name);
        let (old, remote) = match here.remove(&entry.name) {
            Some((item, remote)) if item.is_folder() == entry.is_folder => (Some(item), remote),
            Some((item, _)) => {
                removed.push(Step::Remove(item));
                (None, None)
            }
            None => (None, None),
        };
        let remote = remote.unwrap_or(RemoteItem { item: ItemId(0), etag: String::new(), permissions: String::new() });
        let Some(item) = old else {
            if made >= room {
                applied.skipped.push(format!("{below}: there are more files than are taken over"));
                continue;
            }
            made += 1;
            let item = new_item(domain, folder, &entry);
            if entry.is_folder {
                let (told, known) = (entry.etag.clone(), String::new());
                applied.below.push(Below { item: item.clone(), path: below, told, known });
            }
            others.push(Step::Make(item, entry));
            continue;
        };
        if entry.is_folder {
            let (told, known) = (entry.etag.clone(), remote.etag.clone());
            applied.below.push(Below { item: item.clone(), path: below, told, known });
        } else if let Some(step) = of_file(domain, &item, &remote, &entry).await? {
            others.push(step);
            continue;
        }
        if remote.permissions != entry.letters.as_deref().unwrap_or_default() {
            others.push(Step::Allow(item, remote.etag, entry));
        }
    }
    removed.extend(here.into_values().map(|(item, _)| Step::Remove(item)));
    removed.append(&mut others);
    Ok(removed)
}

fn same_look(item: &Item, entry: &RemoteEntry) -> bool {
    let seconds = |at: stitchbox_schema::Timestamp| at.0.div_euclid(1_000_000_000);
    entry.mtime.is_none_or(|mtime| seconds(mtime) == seconds(item.mtime))
}

/// What a file that is here needs: nothing, a new version, or a new ETag for the same bytes.
async fn of_file(
    domain: &Domain,
    item: &Item,
    remote: &RemoteItem,
    entry: &RemoteEntry,
) -> Result<Option<Step>, Error> {
    // A size that differs tells more than an ETag that does not.
    if u64::try_from(item.size) != Ok(entry.size) {
        return Ok(Some(Step::Replace(item.clone(), entry.clone())));
    }
    let Some(told) = &entry.etag else {
        return Ok((!same_look(item, entry)).then(|| Step::Replace(item.clone(), entry.clone())));
    };
    if *told == remote.etag {
        return Ok(None);
    }
    // Written by us, and the peer did not say under which ETag.
    if remote.etag.is_empty() && entry.mtime.is_some() && same_look(item, entry) {
        return Ok(Some(Step::Same(item.clone(), entry.clone())));
    }
    if let (Some(sha256), Some(version)) = (&entry.sha256, item.version) {
        let shown = versions::by_id(&mut *domain.store.read().await?, version).await?;
        if shown.is_some_and(|shown| shown.sha256 == *sha256) {
            return Ok(Some(Step::Same(item.clone(), entry.clone())));
        }
    }
    Ok(Some(Step::Replace(item.clone(), entry.clone())))
}

fn rights_of(entry: &RemoteEntry) -> Option<Rights> {
    entry.letters.as_deref().map(Rights::of_letters)
}

fn new_item(domain: &Domain, folder: &Item, entry: &RemoteEntry) -> Item {
    let now = domain.now();
    let (kind, version) = match entry.is_folder {
        true => (ItemKind::Folder, None),
        false => (ItemKind::File, Some(VersionId(domain.ids.next(now)))),
    };
    Item {
        id: ItemId(domain.ids.next(now)),
        space: folder.space,
        parent: Some(folder.id),
        name: entry.name.clone(),
        kind,
        version,
        size: if entry.is_folder { 0 } else { i64::try_from(entry.size).unwrap_or(i64::MAX) },
        mtime: entry.mtime.unwrap_or(now),
        last_change: Cursor(0),
        run: None,
        created_at: now,
        rights: rights_of(entry),
    }
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
