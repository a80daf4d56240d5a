//! Copying a tree: new rows on the same bytes, in one transaction.

use crate::access::enter_at;
use crate::guard::{self, Guarded};
use crate::read::resolve;
use crate::received;
use crate::tree::{Act, Relocated, Spot, arrive, discard, refuse_creators};
use crate::{Action, Conditions, Domain, Error, Excess, Ids, Item, Location, Principal, Refusal, Version};
use std::collections::HashMap;
use stitchbox_schema::{ItemId, VersionId};
use stitchbox_store::changes::ChangeKind;
use stitchbox_store::{Tx, items, properties, versions};

/// Most files and folders copied at once: a copy is one transaction, and everybody else's wait for it.
pub const MAX_COPIED: i64 = 50_000;

/// How much of a folder is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDepth {
    /// The folder alone, empty.
    Zero,
    /// With everything below.
    Infinity,
}

impl Domain {
    /// Copies an item; the copies share the bytes. What lies at the destination goes to the trash in the same
    /// transaction.
    pub async fn copy(
        &self,
        principal: &Principal,
        from: &Location,
        to: &Location,
        depth: CopyDepth,
        overwrite: bool,
        conditions: &Conditions,
    ) -> Result<Relocated, Error> {
        let (principal, from, to, conditions) = (principal.clone(), from.clone(), to.clone(), conditions.clone());
        let (now, ids) = (self.now(), self.ids.clone());
        if self.is_received(to.space).await? {
            return Err(Refusal::AtPeer.into());
        }
        let from_peer = self.is_received(from.space).await?;
        if from_peer {
            let (_, original) = self.item(&principal, &from).await?;
            self.fetch_tree(&original).await?;
        }
        let work = self.transact(move |tx| {
            Box::pin(async move {
                refuse_creators(&principal)?;
                let source = enter_at(tx, &principal, &from, now).await?;
                let original = resolve(tx, source.space.root, &from.path).await?;
                source.check(Action::Read, &original)?;
                if depth == CopyDepth::Infinity
                    && items::count_tree(tx, original.id, MAX_COPIED + 1).await? > MAX_COPIED
                {
                    return Err(Excess::Copied.into());
                }
                let target = arrive(tx, &principal, &from, &to, overwrite, now).await?;
                let guarded = [Guarded::read_at(&from, &original), Guarded::tree_at(&to, target.item.as_ref())];
                guard::check(tx, &principal, now, &conditions, &guarded).await?;
                let added = if depth == CopyDepth::Zero && original.is_folder() { 0 } else { original.size };
                guard::quota(tx, &target.membership, added - target.item.as_ref().map_or(0, |i| i.size)).await?;
                let act = Act { actor: principal.actor(), run: None, at: now };
                if let Some(old) = &target.item {
                    discard(tx, &to, &target.folder, old, act).await?;
                }
                if from_peer {
                    received::adopt(tx, &original).await?;
                }
                let item = duplicate(tx, &ids, &original, &target, depth, act).await?;
                Ok(Relocated { item, replaced: target.item.is_some() })
            })
        });
        let relocated = work.await?;
        self.announce();
        Ok(relocated)
    }
}

/// Copies rows: a new item and, for a file, a new version on the same blob. Derived items below a copied folder stay
/// derived (their series came along); a derived item that is itself the top of the copy becomes an ordinary one, and so
/// does everything below it.
async fn duplicate(
    tx: &mut Tx,
    ids: &Ids,
    original: &Item,
    target: &Spot,
    depth: CopyDepth,
    act: Act,
) -> Result<Item, Error> {
    let alone = depth == CopyDepth::Zero && original.is_folder();
    let tree = if alone { vec![Item { size: 0, ..original.clone() }] } else { items::subtree(tx, original.id).await? };
    let shown = if alone { Vec::new() } else { versions::shown_in_tree(tx, original.id).await? };
    let mut shown: HashMap<ItemId, Version> = shown.into_iter().map(|version| (version.item, version)).collect();
    let mut new_ids: HashMap<ItemId, ItemId> = HashMap::with_capacity(tree.len());
    let (mut copies, mut copied_versions) = (Vec::with_capacity(tree.len()), Vec::with_capacity(shown.len()));
    for old in tree {
        let id = ItemId(ids.next(act.at));
        new_ids.insert(old.id, id);
        let run = old.run.filter(|_| original.run.is_none());
        let version = shown.remove(&old.id).map(|shown| Version {
            id: VersionId(ids.next(act.at)),
            item: id,
            created_at: act.at,
            author: act.actor,
            run,
            ..shown
        });
        let is_top = old.id == original.id;
        copies.push(Item {
            id,
            space: target.folder.space,
            parent: Some(old.parent.and_then(|parent| new_ids.get(&parent)).copied().unwrap_or(target.folder.id)),
            name: if is_top { target.name.as_str().to_owned() } else { old.name.clone() },
            run,
            created_at: act.at,
            rights: None,
            version: version.as_ref().map(|version| version.id),
            ..old
        });
        copied_versions.extend(version);
    }
    items::insert_all(tx, &copies).await?;
    versions::insert_all(tx, &copied_versions).await?;
    for owner in properties::owners_in_tree(tx, original.id).await? {
        if let Some(copy) = new_ids.get(&owner) {
            properties::copy(tx, owner, *copy).await?;
        }
    }
    let mut top = copies.into_iter().next().ok_or(Error::NotFound)?;
    top.last_change = act.append(tx, ChangeKind::Arrived, &top, target.folder.id, top.size).await?;
    items::set_last_change(tx, top.id, top.last_change).await?;
    Ok(top)
}
