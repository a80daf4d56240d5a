//! What the server was last known to have: the mirror. The feed changes it, and the cursor is stored with it.

use std::collections::{HashMap, HashSet};

use crate::remote::{FeedItem, ItemId, Kind, RemoteItem};

/// All items of the synced folder by id.
#[derive(Clone, Debug, Default)]
pub struct Mirror {
    /// Id of the synced folder itself; `None` before the first listing.
    pub top: Option<ItemId>,
    /// The items, the top among them.
    pub items: HashMap<ItemId, RemoteItem>,
}

/// What a feed did to the mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Items to store.
    pub stored: Vec<ItemId>,
    /// Items to take out of the store.
    pub removed: Vec<ItemId>,
    /// Folders that appeared with content nobody told of: list them.
    pub to_list: Vec<ItemId>,
    /// The synced folder itself is gone from the server.
    pub top_gone: bool,
}

impl Mirror {
    /// Applies the entries of a feed. What is not below the synced folder is left out.
    pub fn apply(&mut self, feed: Vec<FeedItem>) -> Applied {
        let mut applied = Applied::default();
        let mut fresh_folders = Vec::new();
        let mut stored = HashSet::new();
        let whole_space = self.top.as_ref().and_then(|top| self.items.get(top)).is_some_and(|top| top.parent.is_none());
        for entry in feed {
            match entry {
                FeedItem::Gone(id) => {
                    applied.top_gone |= self.top.as_ref() == Some(&id);
                    if self.items.remove(&id).is_some() {
                        stored.remove(&id);
                        applied.removed.push(id);
                    }
                }
                FeedItem::Present(item) => {
                    // outside the space's root a folder may have moved in with everything in it, which the feed does not repeat
                    let unknown = !self.items.contains_key(&item.id);
                    if item.kind == Kind::Folder && (item.deep || unknown && !whole_space) {
                        fresh_folders.push(item.id.clone());
                    }
                    stored.insert(item.id.clone());
                    self.items.insert(item.id.clone(), item);
                }
            }
        }
        if stored.is_empty() && applied.removed.is_empty() {
            return applied;
        }
        for id in self.prune() {
            stored.remove(&id);
            applied.removed.push(id);
        }
        applied.to_list = self.topmost(fresh_folders);
        applied.stored = stored.into_iter().collect();
        applied
    }

    /// Replaces what is below `folder` (with itself) by a listing; returns what to store and what to remove.
    pub fn replace_below(&mut self, folder: &ItemId, listing: Vec<RemoteItem>) -> Applied {
        let listed: HashSet<ItemId> = listing.iter().map(|item| item.id.clone()).collect();
        let before = self.below(folder);
        let mut applied = Applied::default();
        for id in before {
            if !listed.contains(&id) && self.items.remove(&id).is_some() {
                applied.removed.push(id);
            }
        }
        for item in listing {
            if self.items.get(&item.id) != Some(&item) {
                applied.stored.push(item.id.clone());
                self.items.insert(item.id.clone(), item);
            }
        }
        applied.removed.extend(self.prune());
        applied
    }

    /// The ids below a folder, itself first.
    pub fn below(&self, folder: &ItemId) -> Vec<ItemId> {
        let mut children: HashMap<&ItemId, Vec<&ItemId>> = HashMap::new();
        for item in self.items.values() {
            if let Some(parent) = &item.parent {
                children.entry(parent).or_default().push(&item.id);
            }
        }
        let mut found = vec![folder];
        let mut seen = HashSet::from([folder]);
        let mut at = 0;
        while let Some(id) = found.get(at).copied() {
            at += 1;
            for child in children.get(id).into_iter().flatten() {
                if seen.insert(child) {
                    found.push(child);
                }
            }
        }
        found.into_iter().cloned().collect()
    }

    /// Takes out what is not below the top; returns its ids.
    fn prune(&mut self) -> Vec<ItemId> {
        let Some(top) = self.top.clone() else { return Vec::new() };
        let reachable: HashSet<ItemId> = self.below(&top).into_iter().collect();
        if reachable.len() == self.items.len() && reachable.iter().all(|id| self.items.contains_key(id)) {
            return Vec::new();
        }
        let lost: Vec<ItemId> = self.items.keys().filter(|id| !reachable.contains(*id)).cloned().collect();
        for id in &lost {
            self.items.remove(id);
        }
        lost
    }

    /// Of some folders those still there and not below another of them.
    fn topmost(&self, folders: Vec<ItemId>) -> Vec<ItemId> {
        let all: HashSet<ItemId> = folders.iter().cloned().collect();
        folders
            .into_iter()
            .filter(|id| {
                let mut at = self.items.get(id);
                if at.is_none() {
                    return false;
                }
                while let Some(parent) = at.and_then(|item| item.parent.as_ref()) {
                    if all.contains(parent) {
                        return false;
                    }
                    at = self.items.get(parent);
                }
                true
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Permissions;

    fn item(id: &str, parent: Option<&str>, kind: Kind) -> RemoteItem {
        RemoteItem {
            id: id.into(),
            parent: parent.map(ItemId::from),
            name: id.into(),
            kind,
            etag: "\"1\"".into(),
            size: 0,
            mtime_ns: 1,
            sha256: None,
            version: None,
            derived: false,
            permissions: Permissions("".into()),
            deep: false,
        }
    }

    fn mirror(parent_of_top: Option<&str>) -> Mirror {
        let top = item("top", parent_of_top, Kind::Folder);
        Mirror { top: Some("top".into()), items: [("top".into(), top)].into_iter().collect() }
    }

    #[test]
    fn a_child_told_before_its_folder_is_taken_and_a_stranger_is_not() {
        let mut mirror = mirror(None);
        let applied = mirror.apply(vec![
            FeedItem::Present(item("x", Some("f"), Kind::File)),
            FeedItem::Present(item("y", Some("elsewhere"), Kind::File)),
            FeedItem::Present(item("f", Some("top"), Kind::Folder)),
        ]);
        assert!(mirror.items.contains_key(&"x".into()) && !mirror.items.contains_key(&"y".into()));
        assert!(applied.to_list.is_empty(), "at the root of a space the feed tells everything");
        assert_eq!(applied.stored.len(), 2);
    }

    #[test]
    fn a_folder_that_leaves_takes_everything_below_it_along() {
        let mut mirror = mirror(Some("root"));
        let applied = mirror.apply(vec![
            FeedItem::Present(item("f", Some("top"), Kind::Folder)),
            FeedItem::Present(item("g", Some("f"), Kind::Folder)),
        ]);
        assert_eq!(applied.to_list, vec!["f".into()], "it may have come from outside, full");
        let applied = mirror.apply(vec![FeedItem::Present(item("f", Some("root"), Kind::Folder))]);
        assert_eq!(mirror.items.len(), 1);
        assert_eq!(applied.removed.len(), 2);
        assert!(mirror.apply(vec![FeedItem::Gone("top".into())]).top_gone);
    }
}
