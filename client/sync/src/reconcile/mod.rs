//! What is to be done so that both sides become equal: a pure function of three states (no clock, no disk, no network).
//!
//! Three-way over items. The local entries are matched with the items of the journal ([`matching`]), then for every item is decided
//! whether it stays, where, and with whose content ([`merge`]), and the steps there are put in an order that works ([`order`]).
//! Deletions never win over content the deleter had not seen; where both sides moved or edited, the server's side has the name and
//! the local content is kept beside.

mod content;
mod matching;
mod merge;
mod order;
mod recover;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

pub use recover::{Begun, recover};

use crate::digest::Sha256;
use crate::local::{Content, LocalKind, LocalTree};
use crate::mirror::Mirror;
use crate::names::LocalNames;
use crate::plan::{Base, Place, Plan, PlanNode, Problem};
use crate::remote::{ItemId, Kind, RemoteItem};

/// No index.
const NONE: u32 = u32::MAX;

/// What both sides last agreed on, by id; the synced folder itself is not among them.
pub type Bases = HashMap<ItemId, Base>;

/// What this computer began to send and never heard the end of: folder, name and content. When the server has just that at just that
/// place, it is nobody else's edit.
pub type Sending = HashSet<(ItemId, Box<str>, Sha256)>;

/// What reconcile is told beside the three states.
pub struct Rules<'a> {
    /// Time for the names of conflict copies, like `2026-11-20 08-15`.
    pub when: &'a str,
    /// This computer's name, for the same.
    pub host: &'a str,
    /// What the local file system tells apart.
    pub names: LocalNames,
    /// Uploads of a pass that was broken off.
    pub sending: &'a Sending,
    /// Paths that take no part (ignore patterns, selective synchronisation); the second argument is "a folder".
    pub skips: &'a dyn Fn(&str, bool) -> bool,
}

/// Which local files have to be hashed before [`reconcile`] can judge them: those the journal does not know as they are.
pub fn to_hash(local: &LocalTree, mirror: &Mirror, bases: &Bases) -> Vec<u32> {
    let mut table = Table::new(local, mirror, bases);
    table.match_by_name_and_inode();
    (0_u32..)
        .zip(&local.entries)
        .filter(|(index, entry)| {
            let base = table.owner.get(*index as usize).and_then(|owner| table.nodes.get(*owner as usize)?.base);
            entry.kind == LocalKind::File
                && entry.content == Content::Unread
                && base.is_none_or(|base| base.stamp != entry.stamp)
        })
        .map(|(index, _)| index)
        .collect()
}

/// Compares the local folder, the server's state and the journal. Local files that need it must have been hashed ([`to_hash`]);
/// others are taken for busy. An empty mirror (no top) gives an empty plan.
pub fn reconcile(local: &LocalTree, mirror: &Mirror, bases: &Bases, rules: &Rules<'_>) -> Plan {
    if mirror.top.is_none() {
        return Plan::default();
    }
    let mut table = Table::new(local, mirror, bases);
    table.match_by_name_and_inode();
    table.match_by_content();
    table.pair_new_items();
    table.decide(rules);
    table.plan(rules)
}

/// One item with its three sides.
struct Node<'a> {
    kind: Kind,
    id: Option<&'a ItemId>,
    base: Option<&'a Base>,
    /// The id the base is stored under, when it is not `id` any more.
    base_id: Option<&'a ItemId>,
    item: Option<&'a RemoteItem>,
    local: u32,
    base_parent: u32,
    remote_parent: u32,
    /// The node whose index its remote children name as their parent.
    remote_key: u32,
    frozen: bool,
    /// The journal is to forget what was agreed.
    forget: bool,
    keep: bool,
    target_parent: u32,
    target_name: Option<Box<str>>,
    settled: bool,
}

impl<'a> Node<'a> {
    fn new(kind: Kind, own: u32) -> Self {
        Self {
            kind,
            id: None,
            base: None,
            base_id: None,
            item: None,
            local: NONE,
            base_parent: NONE,
            remote_parent: NONE,
            remote_key: own,
            frozen: false,
            forget: false,
            keep: false,
            target_parent: NONE,
            target_name: None,
            settled: false,
        }
    }
}

/// The working table: all items of the three states, node 0 is the synced folder.
struct Table<'a> {
    local: &'a LocalTree,
    children: Vec<Vec<u32>>,
    /// Local folders by inode.
    folder_by_inode: HashMap<u64, u32>,
    nodes: Vec<Node<'a>>,
    /// For each local entry its node.
    owner: Vec<u32>,
    /// Nodes by place in the journal.
    base_at: HashMap<(u32, &'a str), u32>,
    /// Nodes by place on the server (parents by [`Node::remote_key`]).
    remote_at: HashMap<(u32, &'a str), u32>,
    /// A remote node merged into another.
    merged_into: HashMap<u32, u32>,
    problems: Vec<Problem>,
}

impl<'a> Table<'a> {
    fn new(local: &'a LocalTree, mirror: &'a Mirror, bases: &'a Bases) -> Self {
        let mut nodes = Vec::with_capacity(mirror.items.len() + 16);
        let mut by_id: HashMap<&ItemId, u32> = HashMap::with_capacity(mirror.items.len() + 16);
        nodes.push(Node::new(Kind::Folder, 0));
        if let Some(top) = &mirror.top {
            by_id.insert(top, 0);
        }
        let mut enter = |nodes: &mut Vec<Node<'a>>, id: &'a ItemId, kind: Kind| {
            *by_id.entry(id).or_insert_with(|| {
                let own = index_of(nodes.len());
                nodes.push(Node { id: Some(id), ..Node::new(kind, own) });
                own
            })
        };
        for item in mirror.items.values() {
            let node = enter(&mut nodes, &item.id, item.kind);
            if let Some(node) = nodes.get_mut(node as usize) {
                node.item = Some(item);
                node.id = Some(&item.id);
            }
        }
        for (id, base) in bases {
            let node = enter(&mut nodes, id, base.kind);
            if let Some(node) =
                nodes.get_mut(node as usize).filter(|node| node.kind == base.kind && node.base.is_none())
            {
                node.base = Some(base);
                node.base_id = Some(id);
            }
        }
        let mut table = Self {
            local,
            children: local.children(),
            folder_by_inode: folders_by_inode(local),
            owner: vec![NONE; local.entries.len()],
            base_at: HashMap::with_capacity(nodes.len()),
            remote_at: HashMap::with_capacity(nodes.len()),
            merged_into: HashMap::new(),
            problems: Vec::new(),
            nodes,
        };
        table.hang_up(&by_id);
        if let (Some(top), Some(owner)) = (table.nodes.first_mut(), table.owner.first_mut()) {
            (top.local, top.keep, top.settled) = (0, true, true);
            *owner = 0;
        }
        table
    }

    /// Finds parents; what does not hang below the top on the server counts as not there.
    fn hang_up(&mut self, by_id: &HashMap<&ItemId, u32>) {
        for node in self.nodes.iter_mut().skip(1) {
            let parent = |id: Option<&ItemId>| id.and_then(|id| by_id.get(id)).copied().unwrap_or(NONE);
            node.remote_parent = parent(node.item.and_then(|item| item.parent.as_ref()));
            node.base_parent = parent(node.base.map(|base| &base.parent));
        }
        let mut state = vec![0_u8; self.nodes.len()]; // 1 = hangs below the top, 2 = does not, 3 = being looked at
        if let Some(top) = state.first_mut() {
            *top = 1;
        }
        for start in 1..index_of(self.nodes.len()) {
            let mut chain = Vec::new();
            let mut at = start;
            let verdict = loop {
                match state.get(at as usize).copied() {
                    Some(0) => {}
                    Some(1) => break 1,
                    _ => break 2,
                }
                if let Some(state) = state.get_mut(at as usize) {
                    *state = 3;
                }
                chain.push(at);
                at = self.nodes.get(at as usize).map_or(NONE, |node| node.remote_parent);
            };
            for node in chain {
                if let Some(state) = state.get_mut(node as usize) {
                    *state = verdict;
                }
            }
        }
        for (index, hangs) in state.iter().enumerate().skip(1) {
            let Some(node) = self.nodes.get_mut(index) else { continue };
            if *hangs != 1 {
                node.item = None;
                node.remote_parent = NONE;
            }
            if let Some(item) = node.item {
                self.remote_at.insert((node.remote_parent, &item.name), index_of(index));
            }
            if let Some(base) = node.base.filter(|_| node.base_parent != NONE) {
                self.base_at.insert((node.base_parent, &base.name), index_of(index));
            }
        }
    }

    fn node(&self, index: u32) -> Option<&Node<'a>> {
        self.nodes.get(index as usize)
    }

    fn node_mut(&mut self, index: u32) -> Option<&mut Node<'a>> {
        self.nodes.get_mut(index as usize)
    }

    fn add(&mut self, kind: Kind) -> u32 {
        let own = index_of(self.nodes.len());
        self.nodes.push(Node::new(kind, own));
        own
    }

    fn own(&mut self, entry: u32, node: u32) {
        if let Some(owner) = self.owner.get_mut(entry as usize) {
            *owner = node;
        }
        if let Some(node) = self.node_mut(node) {
            node.local = entry;
        }
    }

    /// Where a node is here: folder and name.
    fn local_place(&self, node: &Node<'a>) -> Option<(u32, &'a str)> {
        let entry = self.local.entries.get(node.local as usize)?;
        Some((self.owner.get(entry.parent as usize).copied()?, &entry.name))
    }

    /// Where a node is on the server.
    fn remote_place(&self, node: &Node<'a>) -> Option<(u32, &'a str)> {
        let item = node.item.filter(|_| node.remote_parent != NONE)?;
        Some((self.merged_into.get(&node.remote_parent).copied().unwrap_or(node.remote_parent), &item.name))
    }

    /// Where a node was when both sides last agreed.
    fn base_place(&self, node: &Node<'a>) -> Option<(u32, &'a str)> {
        let base = node.base.filter(|_| node.base_parent != NONE)?;
        Some((node.base_parent, &base.name))
    }

    /// The content both sides agreed on, or that this computer sent without hearing the end of it.
    fn agreed_content(&self, node: &Node<'a>, sending: &Sending) -> Option<Sha256> {
        let ours = node.item.and_then(|item| {
            let key = (item.parent.clone()?, item.name.clone(), item.sha256?);
            (!sending.is_empty() && sending.contains(&key)).then_some(key.2)
        });
        ours.or_else(|| node.base.and_then(|base| base.sha256))
    }

    fn target<'b>(&'b self, node: &'b Node<'a>) -> Option<(u32, &'b str)> {
        node.target_name.as_deref().filter(|_| node.target_parent != NONE).map(|name| (node.target_parent, name))
    }

    /// The local content, when known: hashed now, or untouched since the journal.
    fn local_hash(&self, node: &Node<'a>) -> Option<Sha256> {
        let entry = self.local.entries.get(node.local as usize)?;
        match entry.content {
            Content::Known(hash) => Some(hash),
            _ => node.base.filter(|base| base.stamp == entry.stamp).and_then(|base| base.sha256),
        }
    }

    /// A path for people and patterns, by whatever place of each node is known, the asked one first.
    fn path(&self, place: Option<(u32, &str)>) -> String {
        let mut names: Vec<Box<str>> = Vec::new();
        let mut at = place.map(|(parent, name)| (parent, Box::from(name)));
        while let Some((parent, name)) = at {
            names.push(name);
            if parent == 0 || names.len() > 4096 {
                break;
            }
            at = self.node(parent).and_then(|node| {
                self.local_place(node)
                    .or_else(|| self.remote_place(node))
                    .or_else(|| self.base_place(node))
                    .map(|(parent, name)| (parent, name.into()))
            });
        }
        names.reverse();
        names.join("/")
    }

    fn path_of(&self, node: &Node<'a>) -> String {
        self.path(self.local_place(node).or_else(|| self.remote_place(node)).or_else(|| self.base_place(node)))
    }

    fn problem(&mut self, path: String, why: impl Into<String>, next: &str) {
        self.problems.push(Problem { path, why: why.into(), next: next.to_owned() });
    }

    fn place(place: Option<(u32, &str)>) -> Option<Place> {
        place.map(|(parent, name)| Place { parent, name: name.into() })
    }

    fn plan_node(&self, node: &Node<'a>) -> PlanNode {
        PlanNode {
            kind: node.kind,
            local: Self::place(self.local_place(node)),
            entry: (node.local != NONE).then_some(node.local),
            stamp: self.local.entries.get(node.local as usize).map(|entry| entry.stamp).unwrap_or_default(),
            sha256: self.local_hash(node),
            remote: Self::place(self.remote_place(node)),
            item: node.item.cloned(),
            base: node.base_id.zip(node.base).map(|(id, base)| (id.clone(), base.clone())),
        }
    }
}

fn folders_by_inode(local: &LocalTree) -> HashMap<u64, u32> {
    let folders = (0_u32..).zip(&local.entries).skip(1).filter(|(_, entry)| entry.kind == LocalKind::Folder);
    folders.map(|(index, entry)| (entry.stamp.inode, index)).collect()
}

/// Tables of more than 2^32 - 2 items do not occur (memory ends long before); were there one, the rest is left alone.
fn index_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NONE)
}
