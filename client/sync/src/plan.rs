//! What is to be done: the outcome of [`crate::reconcile()`], for the engine to do and for people to read.

use serde::Serialize;

use crate::digest::Sha256;
use crate::local::Stamp;
use crate::remote::{ItemId, Kind, RemoteItem};

/// What both sides last agreed on about one item (a row of the journal).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The folder it was in.
    pub parent: ItemId,
    /// Its name.
    pub name: Box<str>,
    /// File or folder.
    pub kind: Kind,
    /// The server's ETag then.
    pub etag: crate::remote::Etag,
    /// Content then; `None` for folders.
    pub sha256: Option<Sha256>,
    /// The local file then.
    pub stamp: Stamp,
}

/// Where something is: in which node of the plan, under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder, an index into [`Plan::nodes`].
    pub parent: u32,
    /// The name.
    pub name: Box<str>,
}

/// One item the plan speaks of, with both its sides. Node 0 is the synced folder.
#[derive(Clone, Debug)]
pub struct PlanNode {
    /// File or folder.
    pub kind: Kind,
    /// Where it is on this computer.
    pub local: Option<Place>,
    /// Its index in the scan's table.
    pub entry: Option<u32>,
    /// The local file as the scan saw it.
    pub stamp: Stamp,
    /// Content of the local file, when known.
    pub sha256: Option<Sha256>,
    /// Where it is on the server.
    pub remote: Option<Place>,
    /// The server's item.
    pub item: Option<RemoteItem>,
    /// What was agreed on, and under which id (another than the item's where somebody deleted and made it again).
    pub base: Option<(ItemId, Base)>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Make the folder here.
    LocalFolder(Place),
    /// Rename or move here.
    LocalMove(Place),
    /// Make the folder on the server.
    RemoteFolder(Place),
    /// Rename or move on the server.
    RemoteMove(Place),
    /// Send the local content; `replaces` the server's version.
    Upload {
        /// Where it goes (where it is, when it replaces).
        to: Place,
        /// The server has the item already.
        replaces: bool,
    },
    /// Fetch the server's content.
    Download {
        /// Where it goes (where it is, when it replaces).
        to: Place,
        /// There is a local file, which must still have the node's stamp.
        replaces: bool,
        /// The local file's content nobody else has: keep it beside under this name.
        keep_as: Option<Box<str>>,
    },
    /// Put the local item into the local trash.
    Trash,
    /// Delete the item on the server (into its trash).
    RemoteDelete,
}

/// One thing to do with one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Index into [`Plan::nodes`].
    pub node: u32,
    /// What.
    pub deed: Deed,
}

/// Something that could not be done, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Problem {
    /// Path below the synced folder.
    pub path: String,
    /// What is the matter, and why.
    pub why: String,
    /// What happens or is to be done next.
    pub next: String,
}

/// Everything to do, in an order that works: structure here, structure there, transfers, deletions.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The items spoken of.
    pub nodes: Vec<PlanNode>,
    /// What to do.
    pub actions: Vec<Action>,
    /// Nodes whose sides agree already: only the journal is to be told.
    pub agreed: Vec<u32>,
    /// Ids the journal may forget.
    pub forgotten: Vec<ItemId>,
    /// What cannot be done.
    pub problems: Vec<Problem>,
    /// Files with a row in the journal, to weigh deletions against.
    pub known_files: usize,
    /// Files a [`Deed::Trash`] takes away here.
    pub trashed_files: usize,
    /// Files a [`Deed::RemoteDelete`] takes away on the server.
    pub deleted_files: usize,
}

/// One line of a plan, for people and for `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `upload`, `download`, `make folder here`, …
    #[serde(rename = "do")]
    pub verb: &'static str,
    /// Path now.
    pub path: String,
    /// Path afterwards, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Bytes to travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The name under which the local content is kept beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict_copy: Option<String>,
}

impl Plan {
    /// Both sides agree and the journal knows.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.agreed.is_empty() && self.forgotten.is_empty()
    }

    /// The actions for people, with paths as they are before anything is done.
    pub fn steps(&self) -> Vec<Step> {
        self.actions.iter().filter_map(|action| self.step(action)).collect()
    }

    /// One action for people.
    pub fn step(&self, action: &Action) -> Option<Step> {
        let node = self.nodes.get(action.node as usize)?;
        let local = || self.path_of(node.local.as_ref(), |node| node.local.as_ref().or(node.remote.as_ref()));
        let remote = || self.path_of(node.remote.as_ref(), |node| node.remote.as_ref().or(node.local.as_ref()));
        let at = |place: &Place| self.path_of(Some(place), |node| node.local.as_ref().or(node.remote.as_ref()));
        let step = |verb, path, to, bytes| Step { verb, path, to, bytes, conflict_copy: None };
        Some(match &action.deed {
            Deed::LocalFolder(to) => step("make folder here", at(to), None, None),
            Deed::LocalMove(to) => step("move here", local(), Some(at(to)), None),
            Deed::RemoteFolder(to) => step("make folder on the server", at(to), None, None),
            Deed::RemoteMove(to) => step("move on the server", remote(), Some(at(to)), None),
            Deed::Upload { to, .. } => step("upload", at(to), None, Some(node.stamp.size)),
            Deed::Download { to, keep_as, .. } => Step {
                conflict_copy: keep_as.as_ref().map(ToString::to_string),
                ..step("download", at(to), None, node.item.as_ref().map(|item| item.size))
            },
            Deed::Trash => step("delete here", local(), None, None),
            Deed::RemoteDelete => step("delete on the server", remote(), None, None),
        })
    }

    fn path_of<'a>(&'a self, place: Option<&'a Place>, of: impl Fn(&'a PlanNode) -> Option<&'a Place>) -> String {
        let mut names = Vec::new();
        let mut at = place;
        while let Some(place) = at {
            names.push(&*place.name);
            if names.len() > self.nodes.len() + 1 {
                break;
            }
            at = if place.parent == 0 { None } else { self.nodes.get(place.parent as usize).and_then(&of) };
        }
        names.reverse();
        names.join("/")
    }
}
