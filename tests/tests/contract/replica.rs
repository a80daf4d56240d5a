//! A client's copy of the tree of a space, made of nothing but what the feed and the walk tell; and the tree itself,
//! read folder by folder.

use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use stitchbox_domain::{Feed, Item, Shown};
use stitchbox_schema::{Cursor, ItemId, SpaceId};

/// What is compared of an item. A folder's ETag, size and time move with everything below and are told by no entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    parent: Option<ItemId>,
    name: String,
    folder: bool,
    derived: bool,
    etag: String,
    size: i64,
    mtime: i64,
    sha256: Option<String>,
}

pub type Items = BTreeMap<ItemId, Known>;

fn known(item: &Item, sha256: Option<String>) -> Known {
    let file = !item.is_folder();
    Known {
        parent: item.parent,
        name: item.name.clone(),
        folder: item.is_folder(),
        derived: item.run.is_some(),
        etag: if file { item.etag().to_string() } else { String::new() },
        size: if file { item.size } else { 0 },
        mtime: if file { item.mtime.0 } else { 0 },
        sha256,
    }
}

pub struct Replica {
    pub space: SpaceId,
    pub cursor: Option<Cursor>,
    pub items: Items,
    /// Folders to be listed before the next page.
    pub to_list: Vec<ItemId>,
}

impl Replica {
    pub fn new(space: SpaceId) -> Self {
        Self { space, cursor: None, items: Items::new(), to_list: Vec::new() }
    }

    fn below(&self, top: ItemId) -> BTreeSet<ItemId> {
        let mut found = BTreeSet::new();
        let mut open = vec![top];
        while let Some(folder) = open.pop() {
            for (id, item) in &self.items {
                if item.parent == Some(folder) && found.insert(*id) {
                    open.push(*id);
                }
            }
        }
        found
    }

    pub fn apply(&mut self, feed: Feed) {
        for entry in feed.entries {
            let Some(shown) = entry.now else {
                for id in self.below(entry.id) {
                    self.items.remove(&id);
                }
                self.items.remove(&entry.id);
                continue;
            };
            let unknown = !self.items.contains_key(&entry.id);
            if shown.item.is_folder() && (entry.deep || (unknown && !entry.made)) {
                self.to_list.push(entry.id);
            }
            self.items.insert(entry.id, known(&shown.item, shown.sha256));
        }
        self.cursor = Some(feed.cursor);
    }

    pub fn list(&mut self, top: ItemId, lines: Vec<Shown>) {
        let listed: Items = lines.into_iter().map(|shown| (shown.item.id, known(&shown.item, shown.sha256))).collect();
        for id in self.below(top) {
            if !listed.contains_key(&id) {
                self.items.remove(&id);
            }
        }
        self.items.extend(listed);
    }
}

/// The tree as it is, by the listings of its folders and the contents of its files.
pub async fn truth(w: &World, space: SpaceId) -> Items {
    let root = stitchbox_domain::Location::in_space(space, Default::default());
    let root = w.domain.item(&w.anna, &root).await.unwrap().1;
    truth_below(w, root).await
}

/// As [`truth`], of a folder and what lies below it.
pub async fn truth_below(w: &World, root: Item) -> Items {
    let membership = w.domain.membership(&w.anna, root.space).await.unwrap();
    let mut found = Items::new();
    found.insert(root.id, known(&root, None));
    let mut open = vec![root];
    while let Some(folder) = open.pop() {
        for child in w.domain.children(&membership, &folder).await.unwrap() {
            let sha256 = w.domain.version_of(&child).await.unwrap().map(|version| version.sha256);
            found.insert(child.id, known(&child, sha256));
            if child.is_folder() {
                open.push(child);
            }
        }
    }
    found
}
