//! The plan while it is carried out: where everything is *now* on both sides, and what the journal has to be told after each step.
//!
//! Because paths are asked from here at the moment of a step, a step that failed spoils no other: what was to be in a folder that could
//! not be moved goes to where the folder still is.

use crate::digest::Sha256;
use crate::local::Stamp;
use crate::plan::{Base, Place, Plan, PlanNode};
use crate::remote::{Chunk, ItemId, Kind, RemoteItem};

/// One change of the journal.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Both sides agree on this item.
    Base(ItemId, Base),
    /// The pieces of a large file's agreed content.
    Chunks(ItemId, Sha256, Vec<Chunk>),
    /// Nothing is agreed on this item any more.
    Forget(ItemId),
    /// The server has this item now.
    Mirror(RemoteItem),
    /// The server has it no more (nor what was below it).
    MirrorGone(ItemId),
}

/// The nodes of a plan with their present places.
#[derive(Debug)]
pub struct Ledger {
    nodes: Vec<PlanNode>,
}

impl Ledger {
    /// At the beginning of a plan.
    pub fn new(plan: &Plan) -> Self {
        Self { nodes: plan.nodes.clone() }
    }

    /// A node as it is now.
    pub fn node(&self, index: u32) -> Option<&PlanNode> {
        self.nodes.get(index as usize)
    }

    /// Path of a place here; `None` when its folder is not (yet) here.
    pub fn local_path(&self, place: &Place) -> Option<String> {
        self.path(place, |node| node.local.as_ref())
    }

    /// Path of a place on the server; `None` when its folder is not (yet) there.
    pub fn remote_path(&self, place: &Place) -> Option<String> {
        self.path(place, |node| node.remote.as_ref())
    }

    fn path<'a>(&'a self, place: &'a Place, of: impl Fn(&'a PlanNode) -> Option<&'a Place>) -> Option<String> {
        let mut names = vec![&*place.name];
        let mut at = place.parent;
        while at != 0 {
            let place = self.nodes.get(at as usize).and_then(&of)?;
            names.push(&place.name);
            at = place.parent;
            if names.len() > self.nodes.len() + 1 {
                return None;
            }
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// It was moved here.
    pub fn moved_here(&mut self, index: u32, to: &Place) -> Vec<Write> {
        if let Some(node) = self.nodes.get_mut(index as usize) {
            node.local = Some(to.clone());
        }
        self.follow_move(index).into_iter().collect()
    }

    /// It was moved on the server, which answered with `item` (only its ETag is used).
    pub fn moved_there(&mut self, index: u32, to: &Place, item: RemoteItem) -> Vec<Write> {
        let parent = self.id(to.parent);
        let Some(node) = self.nodes.get_mut(index as usize) else { return Vec::new() };
        node.remote = Some(to.clone());
        let mut writes = Vec::new();
        if let Some(mine) = node.item.as_mut() {
            (mine.parent, mine.name, mine.etag) = (parent, to.name.clone(), item.etag);
            writes.push(Write::Mirror(mine.clone()));
        }
        writes.extend(self.follow_move(index));
        writes
    }

    /// The folder was made here.
    pub fn folder_here(&mut self, index: u32, to: &Place, stamp: Stamp) -> Vec<Write> {
        if let Some(node) = self.nodes.get_mut(index as usize) {
            (node.local, node.stamp) = (Some(to.clone()), stamp);
        }
        self.agree(index).into_iter().collect()
    }

    /// The folder was made on the server.
    pub fn folder_there(&mut self, index: u32, to: &Place, item: RemoteItem) -> Vec<Write> {
        self.arrived(index, to, item, None)
    }

    /// The file, as the node has it, was uploaded; of `item` the id and the ETag are used.
    pub fn uploaded(&mut self, index: u32, to: &Place, item: RemoteItem, chunks: Vec<Chunk>) -> Vec<Write> {
        let content = self.node(index).and_then(|node| Some((node.sha256?, chunks)));
        self.arrived(index, to, item, content)
    }

    fn arrived(
        &mut self,
        index: u32,
        to: &Place,
        mut item: RemoteItem,
        content: Option<(Sha256, Vec<Chunk>)>,
    ) -> Vec<Write> {
        item.parent = self.id(to.parent);
        item.name = to.name.clone();
        let Some(node) = self.nodes.get_mut(index as usize) else { return Vec::new() };
        item.kind = node.kind;
        if node.kind == Kind::File {
            (item.size, item.mtime_ns, item.sha256) = (node.stamp.size, node.stamp.mtime_ns, node.sha256);
        }
        if let Some(before) = node.item.as_ref().filter(|before| before.id == item.id && item.permissions.0.is_empty())
        {
            item.permissions = before.permissions.clone();
        }
        (item.deep, node.remote) = (false, Some(to.clone()));
        let id = item.id.clone();
        node.item = Some(item.clone());
        let mut writes = vec![Write::Mirror(item)];
        writes.extend(self.agree(index));
        if let Some((sha256, chunks)) = content.filter(|(_, chunks)| !chunks.is_empty()) {
            writes.push(Write::Chunks(id, sha256, chunks));
        }
        writes
    }

    /// The server's content lies here now, with this stamp and digest.
    pub fn downloaded(
        &mut self,
        index: u32,
        to: &Place,
        stamp: Stamp,
        sha256: Sha256,
        chunks: Vec<Chunk>,
    ) -> Vec<Write> {
        let Some(node) = self.nodes.get_mut(index as usize) else { return Vec::new() };
        (node.local, node.stamp, node.sha256) = (Some(to.clone()), stamp, Some(sha256));
        let id = node.item.as_ref().map(|item| item.id.clone());
        let mut writes: Vec<Write> = self.agree(index).into_iter().collect();
        if let Some(id) = id.filter(|_| !chunks.is_empty()) {
            writes.push(Write::Chunks(id, sha256, chunks));
        }
        writes
    }

    /// It was taken away here (and is not on the server).
    pub fn trashed(&mut self, index: u32) -> Vec<Write> {
        let Some(node) = self.nodes.get_mut(index as usize) else { return Vec::new() };
        node.local = None;
        node.base.take().map(|(id, _)| Write::Forget(id)).into_iter().collect()
    }

    /// It was deleted on the server (and is not here).
    pub fn deleted_there(&mut self, index: u32) -> Vec<Write> {
        let Some(node) = self.nodes.get_mut(index as usize) else { return Vec::new() };
        node.remote = None;
        let mut writes = Vec::new();
        if let Some(item) = node.item.take() {
            writes.push(Write::MirrorGone(item.id));
        }
        writes.extend(node.base.take().map(|(id, _)| Write::Forget(id)));
        writes
    }

    /// Both sides hold the same at the same place: agrees on it. Nothing when they do not (a step before failed).
    pub fn agree(&mut self, index: u32) -> Option<Write> {
        let node = self.nodes.get(index as usize)?;
        let (here, there) = (node.local.as_ref()?, node.remote.as_ref()?);
        let item = node.item.as_ref()?;
        // the content is agreed even when a move failed: then the place agreed on stays the old one
        let (parent, name) = if here == there {
            (self.id(here.parent)?, here.name.clone())
        } else {
            let (_, base) = node.base.as_ref()?;
            (base.parent.clone(), base.name.clone())
        };
        let sha256 = match node.kind {
            Kind::File => Some(node.sha256?),
            Kind::Folder => None,
        };
        let base = Base { parent, name, kind: node.kind, etag: item.etag.clone(), sha256, stamp: node.stamp };
        let id = item.id.clone();
        if let Some(node) = self.nodes.get_mut(index as usize) {
            node.base = Some((id.clone(), base.clone()));
        }
        Some(Write::Base(id, base))
    }

    /// After a move the agreed place is the new one, if both sides have it there; the agreed content stays as it was.
    fn follow_move(&mut self, index: u32) -> Option<Write> {
        let node = self.nodes.get(index as usize)?;
        let here = node.local.as_ref().filter(|here| Some(*here) == node.remote.as_ref())?;
        let (parent, name) = (self.id(here.parent)?, here.name.clone());
        let current = node.item.as_ref().map(|item| item.id.clone());
        let node = self.nodes.get_mut(index as usize)?;
        let (id, base) = node.base.as_mut()?;
        if current.as_ref() != Some(id) {
            return None;
        }
        (base.parent, base.name) = (parent, name);
        Some(Write::Base(id.clone(), base.clone()))
    }

    fn id(&self, index: u32) -> Option<ItemId> {
        self.nodes.get(index as usize).and_then(|node| node.item.as_ref()).map(|item| item.id.clone())
    }
}
