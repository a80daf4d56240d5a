//! What is to be done so that a folder here is what the peer listed. What the peer did not speak of clearly stays.

use super::peer::{RemoteEntry, RemoteFolder};
use crate::{Domain, Error, Item, ItemKind, ItemPath};
use std::collections::{HashMap, HashSet};
use stitchbox_schema::{Cursor, ItemId, ItemName, VersionId};
use stitchbox_store::remote::RemoteItem;
use stitchbox_store::{Rights, versions};

/// What is to be done with one item.
#[derive(Debug, Clone)]
pub(super) enum Step {
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
    /// Some of it the peer did not speak of clearly: not everything is here.
    pub unclear: bool,
    /// Names that cannot be carried.
    pub skipped: Vec<String>,
}

/// Compares what is here with what was listed. Removals come first, so that their names are free.
pub(super) async fn plan(
    domain: &Domain,
    folder: &Item,
    path: &ItemPath,
    here: Vec<(Item, Option<RemoteItem>)>,
    listed: RemoteFolder,
    room: usize,
    applied: &mut Applied,
) -> Result<Vec<Step>, Error> {
    let mut here: HashMap<String, (Item, Option<RemoteItem>)> =
        here.into_iter().map(|(item, remote)| (item.name.clone(), (item, remote))).collect();
    let (mut removed, mut others, mut seen, mut made) = (Vec::new(), Vec::new(), HashSet::new(), 0_usize);
    for name in listed.left_out {
        applied.unclear = true;
        applied.skipped.push(format!("{path}: {name:?}: the site does not say what it is"));
        here.remove(&name);
    }
    for entry in listed.children {
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

pub(super) fn rights_of(entry: &RemoteEntry) -> Option<Rights> {
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
