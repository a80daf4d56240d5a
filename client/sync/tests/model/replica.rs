//! A computer with a synced folder in memory, its journal as plain tables, and an executor that can die after any step.

use std::collections::BTreeMap;

use stitchbox_sync::digest::Sha256;
use stitchbox_sync::ledger::{Ledger, Write};
use stitchbox_sync::local::{Content, LocalEntry, LocalKind, LocalTree, Stamp};
use stitchbox_sync::mirror::Mirror;
use stitchbox_sync::names::LocalNames;
use stitchbox_sync::plan::{Action, Deed, Plan};
use stitchbox_sync::reconcile::{Bases, Rules, Sending, reconcile, to_hash};
use stitchbox_sync::remote::{FeedItem, ItemId};

use super::Server;

#[derive(Clone, Debug)]
pub struct LocalNode {
    pub parent: u64,
    pub name: String,
    pub content: Option<Vec<u8>>,
    pub mtime_ns: i64,
}

/// Inode 1 is the synced folder.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    pub host: String,
    pub nodes: BTreeMap<u64, LocalNode>,
    pub next: u64,
    pub clock: i64,
    pub mirror: Mirror,
    pub bases: Bases,
    pub cursor: Option<usize>,
    pub relist: Vec<ItemId>,
    pub sending: Sending,
    pub names: LocalNames,
    pub skipped: Vec<String>,
    pub problems: Vec<String>,
}

/// Where the power fails: after so many actions, with so many of the journal's writes of this round kept.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    pub actions: usize,
    pub writes: usize,
}

impl Replica {
    pub fn new(host: &str) -> Self {
        // no two computers write at the same nanosecond
        let clock = host.bytes().fold(1_i64, |sum, byte| sum * 31 + i64::from(byte)) * 1_000_000;
        Self { host: host.to_owned(), next: 2, clock, ..Self::default() }
    }

    pub fn path(&self, inode: u64) -> String {
        let mut names = Vec::new();
        let mut at = inode;
        while let Some(node) = self.nodes.get(&at) {
            names.push(node.name.clone());
            at = node.parent;
        }
        names.reverse();
        names.join("/")
    }

    pub fn find(&self, path: &str) -> Option<u64> {
        let mut at = 1;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.child(at, name)?;
        }
        Some(at)
    }

    pub fn child(&self, folder: u64, name: &str) -> Option<u64> {
        self.nodes.iter().find(|(_, node)| node.parent == folder && node.name == name).map(|(inode, _)| *inode)
    }

    pub fn is_folder(&self, inode: u64) -> bool {
        inode == 1 || self.nodes.get(&inode).is_some_and(|node| node.content.is_none())
    }

    pub fn is_below(&self, inode: u64, folder: u64) -> bool {
        let mut at = inode;
        loop {
            if at == folder {
                return true;
            }
            match self.nodes.get(&at) {
                Some(node) => at = node.parent,
                None => return false,
            }
        }
    }

    fn tick(&mut self) -> i64 {
        self.clock += 1;
        self.clock
    }

    /// Makes a file or folder; `None` when the name is taken.
    pub fn create(&mut self, folder: u64, name: &str, content: Option<Vec<u8>>) -> Option<u64> {
        if !self.is_folder(folder) || self.child(folder, name).is_some() {
            return None;
        }
        let (inode, mtime_ns) = (self.next, self.tick());
        self.next += 1;
        self.nodes.insert(inode, LocalNode { parent: folder, name: name.to_owned(), content, mtime_ns });
        Some(inode)
    }

    pub fn write(&mut self, path: &str, content: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.find(folder).unwrap();
        match self.child(folder, name) {
            Some(inode) => self.edit(inode, content.as_bytes().to_vec()),
            None => drop(self.create(folder, name, Some(content.as_bytes().to_vec()))),
        }
    }

    pub fn folder(&mut self, path: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.find(folder).unwrap();
        self.create(folder, name, None).unwrap();
    }

    pub fn edit(&mut self, inode: u64, content: Vec<u8>) {
        let now = self.tick();
        let node = self.nodes.get_mut(&inode).unwrap();
        (node.content, node.mtime_ns) = (Some(content), now);
    }

    /// Moves; false when it cannot be.
    pub fn relocate(&mut self, inode: u64, folder: u64, name: &str) -> bool {
        if !self.is_folder(folder) || self.is_below(folder, inode) || self.child(folder, name).is_some() {
            return false;
        }
        let node = self.nodes.get_mut(&inode).unwrap();
        (node.parent, node.name) = (folder, name.to_owned());
        true
    }

    pub fn rename(&mut self, from: &str, to: &str) {
        let inode = self.find(from).unwrap();
        let (folder, name) = to.rsplit_once('/').unwrap_or(("", to));
        let folder = self.find(folder).unwrap();
        assert!(self.relocate(inode, folder, name), "{from} -> {to}");
    }

    /// Removes with everything below.
    pub fn remove(&mut self, inode: u64) {
        let below: Vec<u64> = self.nodes.keys().copied().filter(|other| self.is_below(*other, inode)).collect();
        below.iter().for_each(|gone| drop(self.nodes.remove(gone)));
    }

    pub fn delete(&mut self, path: &str) {
        let inode = self.find(path).unwrap();
        self.remove(inode);
    }

    pub fn picture(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        self.nodes.iter().map(|(inode, node)| (self.path(*inode), node.content.clone())).collect()
    }

    fn scan(&self) -> LocalTree {
        let mut tree = LocalTree::default();
        tree.entries[0].stamp.inode = 1;
        let mut open = std::collections::VecDeque::from([(1_u64, 0_u32)]);
        while let Some((inode, parent)) = open.pop_front() {
            for (child, node) in self.nodes.iter().filter(|(_, node)| node.parent == inode) {
                if self.skipped.contains(&self.path(*child)) {
                    continue;
                }
                let kind = if node.content.is_some() { LocalKind::File } else { LocalKind::Folder };
                if kind == LocalKind::Folder {
                    open.push_back((*child, tree.entries.len() as u32));
                }
                tree.entries.push(LocalEntry {
                    parent,
                    name: node.name.as_str().into(),
                    kind,
                    stamp: self.stamp(*child),
                    content: Content::Unread,
                });
            }
        }
        tree
    }

    fn stamp(&self, inode: u64) -> Stamp {
        match &self.nodes[&inode] {
            LocalNode { content: Some(content), mtime_ns, .. } => {
                Stamp { size: content.len() as u64, mtime_ns: *mtime_ns, inode }
            }
            _ => Stamp { size: 0, mtime_ns: 0, inode },
        }
    }

    fn refresh(&mut self, server: &Server) {
        match self.cursor {
            None => {
                let listing = server.listing(1);
                self.mirror.top = Some(listing[0].id.clone());
                let top = listing[0].id.clone();
                self.mirror.replace_below(&top, listing);
                self.cursor = Some(server.changes.len());
            }
            Some(cursor) => {
                let (items, next): (Vec<FeedItem>, usize) = server.feed(cursor);
                self.mirror.apply(items);
                self.cursor = Some(next);
            }
        }
        for folder in std::mem::take(&mut self.relist) {
            if let Some(id) = folder.0.parse::<u64>().ok().filter(|id| server.items.contains_key(id)) {
                self.mirror.replace_below(&folder, server.listing(id));
            }
        }
    }

    pub fn plan(&mut self, server: &Server) -> Plan {
        self.refresh(server);
        let mut tree = self.scan();
        let wanted = to_hash(&tree, &self.mirror, &self.bases);
        for index in wanted {
            let inode = tree.entries[index as usize].stamp.inode;
            let hash = Sha256::of(self.nodes[&inode].content.as_ref().unwrap());
            tree.entries[index as usize].content = Content::Known(hash);
        }
        let skipped = self.skipped.clone();
        let rules = Rules {
            when: "2026-11-20 08-15",
            host: &self.host,
            names: self.names,
            sending: &self.sending,
            skips: &|path, _| skipped.iter().any(|out| path == out || path.starts_with(&format!("{out}/"))),
        };
        let plan = reconcile(&tree, &self.mirror, &self.bases, &rules);
        self.problems = plan.problems.iter().map(|problem| format!("{}: {}", problem.path, problem.why)).collect();
        // asked again about the same, it says the same
        let again = reconcile(&tree, &self.mirror, &self.bases, &rules);
        let mut steps = (plan.steps(), again.steps());
        steps.0.sort_by_key(|step| format!("{step:?}"));
        steps.1.sort_by_key(|step| format!("{step:?}"));
        assert_eq!(steps.0.len(), steps.1.len());
        plan
    }

    /// One round; whether there was nothing to do.
    pub fn round(&mut self, server: &mut Server, crash: Option<Crash>) -> bool {
        let mirror_before = (self.mirror.clone(), self.cursor);
        let plan = self.plan(server);
        let mut writes: Vec<Write> = plan.forgotten.iter().cloned().map(Write::Forget).collect();
        let mut ledger = Ledger::new(&plan);
        let limit = crash.map_or(usize::MAX, |crash| crash.actions);
        for action in plan.actions.iter().take(limit) {
            writes.extend(self.act(action, &mut ledger, server));
        }
        if limit >= plan.actions.len() {
            writes.extend(plan.agreed.iter().filter_map(|node| ledger.agree(*node)));
        }
        if let Some(crash) = crash {
            writes.truncate(crash.writes);
            if crash.writes == 0 {
                (self.mirror, self.cursor) = mirror_before;
            }
        }
        for write in writes {
            match write {
                Write::Base(id, base) => drop(self.bases.insert(id, base)),
                Write::Forget(id) => drop(self.bases.remove(&id)),
                Write::Mirror(item) => drop(self.mirror.items.insert(item.id.clone(), item)),
                Write::MirrorGone(id) => drop(self.mirror.items.remove(&id)),
                Write::Chunks(..) => {}
            }
        }
        if plan.is_empty() {
            self.sending.clear();
        }
        plan.is_empty()
    }

    /// Rounds until there is nothing to do; how many it took.
    pub fn sync(&mut self, server: &mut Server) -> usize {
        for round in 1..=25 {
            if self.round(server, None) {
                return round;
            }
        }
        let plan = self.plan(server);
        panic!("{} does not come to rest: {:#?} {:?}", self.host, plan.steps(), self.problems);
    }

    fn act(&mut self, action: &Action, ledger: &mut Ledger, server: &mut Server) -> Vec<Write> {
        let Some(node) = ledger.node(action.node).cloned() else { return Vec::new() };
        let here = node.local.as_ref().and_then(|place| ledger.local_path(place));
        let there = node.remote.as_ref().and_then(|place| ledger.remote_path(place));
        match &action.deed {
            Deed::LocalFolder(to) => {
                let Some((folder, name)) = self.target(ledger.local_path(to)) else { return Vec::new() };
                let Some(inode) = self.create(folder, &name, None) else { return Vec::new() };
                ledger.folder_here(action.node, to, self.stamp(inode))
            }
            Deed::LocalMove(to) => {
                let Some(inode) = here.and_then(|path| self.find(&path)) else { return Vec::new() };
                let Some((folder, name)) = self.target(ledger.local_path(to)) else { return Vec::new() };
                if !self.relocate(inode, folder, &name) {
                    return Vec::new();
                }
                ledger.moved_here(action.node, to)
            }
            Deed::Trash => {
                let Some(inode) = here.and_then(|path| self.find(&path)) else { return Vec::new() };
                self.remove(inode);
                ledger.trashed(action.node)
            }
            Deed::RemoteFolder(to) => {
                let Some(path) = ledger.remote_path(to) else { return Vec::new() };
                let Ok(id) = server.make_folder(&path) else { return Vec::new() };
                ledger.folder_there(action.node, to, server.item(id))
            }
            Deed::RemoteMove(to) => {
                let (Some(from), Some(path)) = (there, ledger.remote_path(to)) else { return Vec::new() };
                let Ok(id) = server.relocate(&from, &path, None) else { return Vec::new() };
                ledger.moved_there(action.node, to, server.item(id))
            }
            Deed::RemoteDelete => {
                let (Some(path), Some(item)) = (there, node.item) else { return Vec::new() };
                match server.delete(&path, &item.etag) {
                    Ok(()) => ledger.deleted_there(action.node),
                    Err(_) => {
                        self.relist.push(item.id);
                        Vec::new()
                    }
                }
            }
            Deed::Upload { to, replaces } => {
                let place = if *replaces { node.remote.as_ref().unwrap_or(to) } else { to };
                let (Some(path), Some(inode)) = (ledger.remote_path(place), here.and_then(|path| self.find(&path)))
                else {
                    return Vec::new();
                };
                let expected = node.item.as_ref().filter(|_| *replaces).map(|item| item.etag.clone());
                let folder = ledger.node(place.parent).and_then(|folder| folder.item.clone()).unwrap();
                self.sending.insert((folder.id, place.name.clone(), node.sha256.unwrap()));
                let local = &self.nodes[&inode];
                match server.put(&path, local.content.as_ref().unwrap(), expected.as_ref(), local.mtime_ns) {
                    Ok(id) => ledger.uploaded(action.node, place, server.item(id), Vec::new()),
                    Err(_) => Vec::new(),
                }
            }
            Deed::Download { to, replaces, keep_as } => {
                let place = if *replaces { node.local.as_ref().unwrap_or(to) } else { to };
                let id = node.item.as_ref().and_then(|item| item.id.0.parse::<u64>().ok());
                let Some(item) = id.and_then(|id| server.items.get(&id)).cloned() else { return Vec::new() };
                let Some((folder, name)) = self.target(ledger.local_path(place)) else { return Vec::new() };
                let content = item.content.unwrap();
                if *replaces {
                    let Some(old) = self.child(folder, &name) else { return Vec::new() };
                    if let Some(copy) = keep_as {
                        let kept = self.nodes[&old].content.clone();
                        if self.create(folder, copy, kept).is_none() {
                            return Vec::new();
                        }
                    }
                    self.remove(old);
                }
                let hash = Sha256::of(&content);
                let Some(inode) = self.create(folder, &name, Some(content)) else { return Vec::new() };
                self.nodes.get_mut(&inode).unwrap().mtime_ns = item.mtime_ns;
                ledger.downloaded(action.node, place, self.stamp(inode), hash, Vec::new())
            }
        }
    }

    fn target(&self, path: Option<String>) -> Option<(u64, String)> {
        let path = path?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        Some((self.find(folder)?, name.to_owned()))
    }
}
