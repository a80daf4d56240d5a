//! Which local entry is which item: by name under a matched folder first, then by inode, then by content; at last what is new on
//! both sides under one name is taken for one.
//!
//! The name comes first because programs save by writing another file and renaming it over the old one: the document stays the
//! document. An inode counts where the name is vacant (for folders also where the renamed one holds more of what it held), and for
//! folders only with a child to prove it (inodes are used again).

use std::collections::{HashMap, VecDeque};

use super::{NONE, Table, index_of};
use crate::digest::Sha256;
use crate::local::{Content, LocalKind, Stamp};
use crate::remote::Kind;

impl Table<'_> {
    /// Matches untouched and edited entries by name, renamed ones by inode.
    pub(super) fn match_by_name_and_inode(&mut self) {
        self.match_below(0, 0);
        self.match_folders_by_inode();
        let mut vacant: HashMap<Stamp, u32> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(base) = node.base.filter(|base| node.local == NONE && base.kind == Kind::File) {
                vacant.insert(base.stamp, index_of(index));
            }
        }
        if vacant.is_empty() {
            return;
        }
        for entry in 0..index_of(self.local.entries.len()) {
            let Some(stamp) = self.free_entry(entry, LocalKind::File).map(|(stamp, _)| stamp) else { continue };
            if let Some(node) = vacant.remove(&stamp) {
                self.own(entry, node);
            }
        }
    }

    /// Matches what was moved across file systems, or copied and removed, by its content.
    pub(super) fn match_by_content(&mut self) {
        let mut vacant: HashMap<Sha256, Vec<u32>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            // what is gone on the server as well was not moved: a file of the same content is a new one
            let base = node.base.filter(|base| node.local == NONE && node.item.is_some() && base.stamp.size > 0);
            if let Some(sha256) = base.and_then(|base| base.sha256) {
                vacant.entry(sha256).or_default().push(index_of(index));
            }
        }
        if vacant.is_empty() {
            return;
        }
        for entry in 0..index_of(self.local.entries.len()) {
            let Some((_, Content::Known(hash))) = self.free_entry(entry, LocalKind::File) else { continue };
            let Some(candidates) = vacant.get_mut(&hash) else { continue };
            let name = self.local.entries.get(entry as usize).map(|entry| &*entry.name);
            let nodes = &self.nodes;
            let same_name =
                |node: &u32| nodes.get(*node as usize).and_then(|node| node.base).map(|base| &*base.name) == name;
            let best = candidates.iter().position(same_name).unwrap_or(0);
            if best < candidates.len() {
                let node = candidates.swap_remove(best);
                self.own(entry, node);
            }
        }
    }

    /// Joins what is new on both sides under one name, and gives every other local entry a node of its own.
    pub(super) fn pair_new_items(&mut self) {
        let mut folders = VecDeque::from([(0_u32, 0_u32)]);
        while let Some((folder, node)) = folders.pop_front() {
            for child in self.children.get(folder as usize).cloned().unwrap_or_default() {
                let Some(entry) = self.local.entries.get(child as usize) else { continue };
                let key = self.node(node).map_or(NONE, |node| node.remote_key);
                let remote = self.remote_at.get(&(key, &*entry.name)).copied();
                let owner = self.owner.get(child as usize).copied().unwrap_or(NONE);
                let owner = if owner == NONE {
                    self.find_partner(child, remote)
                } else {
                    self.relink(owner, remote);
                    owner
                };
                if entry.kind == LocalKind::Folder {
                    folders.push_back((child, owner));
                }
            }
        }
    }

    fn find_partner(&mut self, entry: u32, remote: Option<u32>) -> u32 {
        let Some(one) = self.local.entries.get(entry as usize) else { return NONE };
        let kind = if one.kind == LocalKind::Folder { Kind::Folder } else { Kind::File };
        let untouchable = matches!(one.kind, LocalKind::Special | LocalKind::Blind);
        if let Some(index) = remote
            && let Some(node) = self.node(index).filter(|node| node.local == NONE)
        {
            let same_content = || matches!((one.content, node.item.and_then(|item| item.sha256)), (Content::Known(here), Some(there)) if here == there);
            let joins =
                untouchable || kind == node.kind && (kind == Kind::Folder || node.base.is_none() || same_content());
            if joins {
                let had_base = node.base.is_some();
                self.own(entry, index);
                if let Some(node) = self.node_mut(index) {
                    node.frozen |= untouchable;
                }
                if had_base && kind == Kind::Folder && !untouchable {
                    self.match_below(entry, index);
                }
                return index;
            }
        }
        let index = self.add(kind);
        self.own(entry, index);
        if let Some(node) = self.node_mut(index) {
            node.frozen = untouchable;
        }
        index
    }

    /// An item deleted and made again on the server under the same name goes on as the same file here.
    fn relink(&mut self, index: u32, remote: Option<u32>) {
        let Some(other) = remote.filter(|other| *other != index) else { return };
        let (Some(node), Some(fresh)) = (self.node(index), self.node(other)) else { return };
        let fits = node.item.is_none() && fresh.base.is_none() && fresh.local == NONE && fresh.kind == node.kind;
        if !fits || fresh.item.is_none() {
            return;
        }
        let (item, id, parent, key) = (fresh.item, fresh.id, fresh.remote_parent, fresh.remote_key);
        if let Some(fresh) = self.node_mut(other) {
            (fresh.item, fresh.remote_parent) = (None, NONE);
        }
        if let Some(node) = self.node_mut(index) {
            (node.item, node.id, node.remote_parent, node.remote_key) = (item, id, parent, key);
        }
        self.merged_into.insert(other, index);
    }

    /// Matches by name below a matched folder.
    fn match_below(&mut self, entry: u32, node: u32) {
        let mut folders = vec![(entry, node)];
        while let Some((folder, node)) = folders.pop() {
            for child in self.children.get(folder as usize).cloned().unwrap_or_default() {
                let Some(one) = self.local.entries.get(child as usize) else { continue };
                if self.owner.get(child as usize).is_none_or(|owner| *owner != NONE) {
                    continue;
                }
                let Some(index) = self.base_at.get(&(node, &*one.name)).copied() else { continue };
                if one.kind == LocalKind::Folder && self.is_rather_elsewhere(child, index) {
                    continue;
                }
                let Some(found) = self.node_mut(index).filter(|node| node.local == NONE) else { continue };
                match one.kind {
                    LocalKind::Special | LocalKind::Blind => found.frozen = true,
                    LocalKind::File if found.kind == Kind::File => {}
                    LocalKind::Folder if found.kind == Kind::Folder => folders.push((child, index)),
                    LocalKind::File | LocalKind::Folder => continue,
                }
                self.own(child, index);
            }
        }
    }

    /// The folder known under this name was renamed, and another one made in its place: the renamed one holds more of what it held.
    fn is_rather_elsewhere(&self, entry: u32, node: u32) -> bool {
        let Some(base) = self.node(node).and_then(|node| node.base) else { return false };
        let elsewhere = self.folder_by_inode.get(&base.stamp.inode).copied().filter(|other| *other != entry);
        elsewhere.is_some_and(|other| {
            self.owner.get(other as usize) == Some(&NONE) && self.overlap(other, node) > self.overlap(entry, node)
        })
    }

    /// How many names in a local folder are those the journal knows in this one.
    fn overlap(&self, entry: u32, node: u32) -> usize {
        let content = self.children.get(entry as usize).map_or(&[][..], Vec::as_slice);
        let names = content.iter().filter_map(|child| self.local.entries.get(*child as usize));
        names.filter(|child| self.base_at.contains_key(&(node, &*child.name))).count()
    }

    fn match_folders_by_inode(&mut self) {
        let mut vacant: HashMap<u64, u32> = HashMap::new();
        let mut has_children = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(base) = node.base.filter(|base| node.local == NONE && base.kind == Kind::Folder) {
                vacant.insert(base.stamp.inode, index_of(index));
            }
            if let Some(flag) = has_children.get_mut(node.base_parent as usize) {
                *flag = true;
            }
        }
        if vacant.is_empty() {
            return;
        }
        for entry in 0..index_of(self.local.entries.len()) {
            let Some((stamp, _)) = self.free_entry(entry, LocalKind::Folder) else { continue };
            let Some(node) = vacant.get(&stamp.inode).copied() else { continue };
            let content = self.children.get(entry as usize).map_or(&[][..], Vec::as_slice);
            let known = |child: &u32| {
                let name = self.local.entries.get(*child as usize).map_or("", |child| &*child.name);
                self.base_at.contains_key(&(node, name))
            };
            let both_empty = content.is_empty() && has_children.get(node as usize) == Some(&false);
            if both_empty || content.iter().any(known) {
                vacant.remove(&stamp.inode);
                // below it names may match now that the folder is known
                if self.node(node).is_some_and(|node| node.local == NONE) {
                    self.own(entry, node);
                    self.match_below(entry, node);
                }
            }
        }
    }

    fn free_entry(&self, entry: u32, kind: LocalKind) -> Option<(Stamp, Content)> {
        let free = self.owner.get(entry as usize) == Some(&NONE);
        self.local
            .entries
            .get(entry as usize)
            .filter(|one| free && one.kind == kind)
            .map(|one| (one.stamp, one.content))
    }
}
