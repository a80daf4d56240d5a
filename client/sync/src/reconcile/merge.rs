//! For every item: does it stay, and where. The outcome is a target tree without cycles and without two items of one name.
//!
//! *Frozen* items take no part: skipped by patterns, busy, unreadable, of a name this computer cannot carry. They stay where they are
//! on each side, hold their names, and keep the folders around them alive.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{NONE, Rules, Sending, Table, index_of};
use crate::local::{Content, LocalKind};
use crate::names::{MOVING_PREFIX, PART_PREFIX, conflict_name};
use crate::remote::Kind;

const WAITS: &str = "It is left alone on both sides and nothing is lost; rename one of them.";
const UNMOUNTED: &str =
    "Nothing in it is touched on either side; mount it, or delete the folder here if it is to be deleted.";
const NOT_ALLOWED: &str = "It stays on this computer only; ask for the permission, or move it elsewhere.";

impl<'a> Table<'a> {
    /// Sets `frozen`, `keep` and the target of every node.
    pub(super) fn decide(&mut self, rules: &Rules<'_>) {
        for index in 1..index_of(self.nodes.len()) {
            self.freeze(index, rules);
        }
        self.spread_frost();
        for index in 1..index_of(self.nodes.len()) {
            let keep = self.stays(index, rules.sending);
            if let Some(node) = self.node_mut(index) {
                node.keep = keep;
            }
        }
        for index in 1..index_of(self.nodes.len()) {
            if self.node(index).is_some_and(|node| node.keep) {
                self.aim(index);
            }
        }
        self.break_cycles();
        self.check_permissions();
        self.part_clashing_names(rules);
        self.spread_frost();
    }

    fn freeze(&mut self, index: u32, rules: &Rules<'_>) {
        let Some(node) = self.node(index) else { return };
        let mut frozen = node.frozen;
        let mut why = None;
        let mut forget = false;
        if let Some(entry) = self.local.entries.get(node.local as usize) {
            let untouched = node.base.is_some_and(|base| base.stamp == entry.stamp);
            frozen |= entry.kind == LocalKind::File && !untouched && !matches!(entry.content, Content::Known(_));
            // an empty mount point is no folder that was emptied
            let was_mounted = node.kind == Kind::Folder && node.base.is_some_and(|base| base.stamp.size == 1);
            let empty = self.children.get(node.local as usize).is_none_or(Vec::is_empty);
            if was_mounted && entry.stamp.size == 0 && empty {
                why = Some(("what was mounted here is not mounted any more", UNMOUNTED));
            }
        }
        let (local, remote, base) = (self.local_place(node), self.remote_place(node), self.base_place(node));
        let folder = node.kind == Kind::Folder;
        if local.is_none() || remote != base {
            let skipped = |place: Option<_>| place.is_some() && (rules.skips)(&self.path(place), folder);
            let out = skipped(remote) || local.is_none() && skipped(base);
            // taken in again later, its absence here must not be read as a deletion
            forget = out && local.is_none() && node.base.is_some();
            frozen |= out;
        }
        if let Some((parent, name)) = remote.filter(|_| !frozen) {
            if local.is_none_or(|(_, here)| here != name) {
                why = rules.names.refuses(name, parent == 0).map(|why| (why, WAITS));
            }
            if name.starts_with(MOVING_PREFIX) && base.is_none() {
                why = Some(("another computer is moving it", "It is looked at again when that computer is done."));
            }
        }
        if let Some((_, name)) = local.filter(|_| remote.is_none() && base.is_none()) {
            frozen |= name.starts_with(MOVING_PREFIX) || name.starts_with(PART_PREFIX);
        }
        if let Some((why, next)) = why {
            frozen = true;
            let path = self.path(remote.or(local));
            self.problem(path, why, next);
        }
        if let Some(node) = self.node_mut(index) {
            (node.frozen, node.forget) = (frozen, forget);
        }
    }

    /// What is in a frozen folder is frozen.
    fn spread_frost(&mut self) {
        if !self.nodes.iter().any(|node| node.frozen) {
            return;
        }
        let mut spreads = true;
        while spreads {
            spreads = false;
            for index in 1..self.nodes.len() {
                let Some(node) = self.nodes.get(index).filter(|node| !node.frozen) else { continue };
                let frozen = |parent: Option<u32>| parent.and_then(|p| self.node(p)).is_some_and(|p| p.frozen);
                let local = self.local_place(node).map(|(parent, _)| parent);
                let cold = frozen(local)
                    || frozen(self.remote_place(node).map(|(parent, _)| parent))
                    || frozen(Some(node.target_parent).filter(|parent| *parent != NONE))
                    || local.is_none() && frozen(self.base_place(node).map(|(parent, _)| parent));
                if cold && let Some(node) = self.nodes.get_mut(index) {
                    node.frozen = true;
                    spreads = true;
                }
            }
        }
    }

    /// Whether there is a reason of the item's own to stay (folders may also stay for what is in them).
    fn stays(&self, index: u32, sending: &Sending) -> bool {
        let Some(node) = self.node(index) else { return false };
        let special = self.local.entries.get(node.local as usize).is_some_and(|entry| entry.kind == LocalKind::Special);
        match (node.local != NONE, node.item) {
            (true, None) if special => false,
            (false, None) => false,
            _ if node.frozen => true,
            (true, Some(_)) => true,
            (true, None) => node.base.is_none() || node.kind == Kind::File && self.edited_here(node, sending),
            (false, Some(item)) => {
                let agreed = node.base.is_some() || self.agreed_content(node, sending).is_some();
                !agreed || !item.permissions.allows('D') || node.kind == Kind::File && self.edited_there(node, sending)
            }
        }
    }

    /// The local content is not the one agreed on (a file nobody agreed on is "edited").
    pub(super) fn edited_here(&self, node: &super::Node<'a>, sending: &Sending) -> bool {
        let agreed = self.agreed_content(node, sending);
        agreed.is_none() || self.local_hash(node) != agreed
    }

    /// The server's content is not the one agreed on.
    pub(super) fn edited_there(&self, node: &super::Node<'a>, sending: &Sending) -> bool {
        let Some(item) = node.item else { return false };
        match (self.agreed_content(node, sending), item.sha256) {
            (Some(agreed), Some(now)) => agreed != now,
            _ => node.base.is_none_or(|base| base.etag != item.etag),
        }
    }

    /// Sets the target of a node that stays, and makes the folders around it stay.
    fn aim(&mut self, index: u32) {
        let mut at = index;
        loop {
            let Some(node) = self.node(at) else { return };
            if node.target_name.is_some() {
                return;
            }
            let (parent, name) = match self.wanted_place(node) {
                Some((parent, name)) => (parent, Box::from(name)),
                None => return,
            };
            // a frozen item holds on to both its folders
            let other = if node.frozen {
                [self.local_place(node), self.remote_place(node)]
                    .into_iter()
                    .flatten()
                    .map(|(parent, _)| parent)
                    .find(|p| *p != parent)
            } else {
                None
            };
            if let Some(node) = self.node_mut(at) {
                (node.target_parent, node.target_name) = (parent, Some(name));
                node.keep = true;
            }
            if let Some(other) = other.filter(|other| *other != 0) {
                self.aim(other);
            }
            if parent == 0 {
                return;
            }
            at = parent;
        }
    }

    fn wanted_place(&self, node: &super::Node<'a>) -> Option<(u32, &'a str)> {
        let base = self.base_place(node);
        // an item that had stepped aside is where it was
        let settle = |place: Option<(u32, &'a str)>| match (place, base) {
            (Some((parent, name)), Some((_, before))) if name.starts_with(MOVING_PREFIX) => Some((parent, before)),
            _ => place,
        };
        let (local, remote) = (settle(self.local_place(node)), settle(self.remote_place(node)));
        match (local, remote) {
            (Some(_), Some(remote)) if base.is_none_or(|base| base != remote) => Some(remote),
            (Some(local), _) => Some(local),
            (None, remote) => remote,
        }
    }

    /// Folders moved into each other on the two sides: the server's places win.
    fn break_cycles(&mut self) {
        let count = self.nodes.len();
        let mut safe = vec![false; count];
        if let Some(top) = safe.first_mut() {
            *top = true;
        }
        for start in 1..index_of(count) {
            if !self.node(start).is_some_and(|node| node.keep) {
                continue;
            }
            loop {
                let mut chain = Vec::new();
                let mut on_chain = std::collections::HashSet::new();
                let mut at = start;
                while safe.get(at as usize) == Some(&false) && on_chain.insert(at) {
                    chain.push(at);
                    at = self.node(at).map_or(NONE, |node| node.target_parent);
                }
                if safe.get(at as usize) != Some(&false) {
                    for node in chain {
                        if let Some(safe) = safe.get_mut(node as usize) {
                            *safe = true;
                        }
                    }
                    break;
                }
                let from = chain.iter().position(|node| *node == at).unwrap_or(0);
                let mut changed = false;
                for member in chain.split_off(from) {
                    changed |= self.back_to_the_servers_place(member);
                }
                if !changed {
                    break;
                }
            }
        }
    }

    fn back_to_the_servers_place(&mut self, index: u32) -> bool {
        let Some(node) = self.node(index) else { return false };
        let Some((parent, name)) = self.remote_place(node).map(|(parent, name)| (parent, Box::<str>::from(name)))
        else {
            return false;
        };
        let changed = self.target(node) != Some((parent, &*name));
        if let Some(node) = self.node_mut(index) {
            (node.target_parent, node.target_name) = (parent, Some(name));
        }
        if changed && parent != 0 {
            self.aim(parent);
        }
        changed
    }

    /// What the user may not do on the server is not tried: moves go back, new items stay here.
    fn check_permissions(&mut self) {
        for index in 1..index_of(self.nodes.len()) {
            let Some(node) = self.node(index).filter(|node| node.keep && !node.frozen && node.local != NONE) else {
                continue;
            };
            let Some(target) = self.target(node) else { continue };
            let remote = self.remote_place(node);
            if remote == Some(target) {
                continue;
            }
            let letter = if node.kind == Kind::File { 'C' } else { 'K' };
            let enters = remote.is_none_or(|(parent, _)| parent != target.0);
            let folder = self.node(target.0).and_then(|folder| folder.item);
            let may_enter = !enters || folder.is_none_or(|folder| folder.permissions.allows(letter));
            match node.item {
                None if may_enter => {}
                None => {
                    let (path, what) = (self.path_of(node), if letter == 'C' { "files" } else { "folders" });
                    if let Some(node) = self.node_mut(index) {
                        node.frozen = true;
                    }
                    self.problem(path, format!("the server does not allow new {what} in this folder"), NOT_ALLOWED);
                }
                Some(item) => {
                    let renames = remote.is_some_and(|(_, name)| name != target.1);
                    let movable = !item.derived
                        && (!renames || item.permissions.allows('N'))
                        && (!enters || item.permissions.allows('V'));
                    if !(movable && may_enter) {
                        let path = self.path_of(node);
                        self.back_to_the_servers_place(index);
                        self.problem(
                            path,
                            "the server does not allow to rename or move it",
                            "It was put back where the server has it.",
                        );
                    }
                }
            }
        }
        self.break_cycles();
    }

    /// One name, one item. Who has the name on the server keeps it; the other goes on under the name of a conflict copy.
    fn part_clashing_names(&mut self, rules: &Rules<'_>) {
        let mut taken: HashMap<(u32, Cow<'_, str>), u32> = HashMap::with_capacity(self.nodes.len());
        let key = |(parent, name): (u32, &'a str)| (parent, rules.names.key(name));
        let (mut there, mut here) = (Vec::new(), Vec::new());
        for index in 1..index_of(self.nodes.len()) {
            let Some(node) = self.node(index).filter(|node| node.keep || node.frozen) else { continue };
            if node.frozen {
                for place in [self.local_place(node), self.remote_place(node)].into_iter().flatten() {
                    taken.entry(key(place)).or_insert(index);
                }
            } else if self.remote_place(node).is_some_and(|place| self.target(node) == Some(place)) {
                there.push(index);
            } else {
                here.push(index);
            }
        }
        // of two names the local file system takes for one, the one that is here already stays
        there.sort_by_key(|index| {
            self.node(*index).map(|node| (node.local == NONE, node.item.map(|item| (&item.name, &item.id))))
        });
        let mut left_alone = Vec::new();
        for index in there {
            let Some(place) = self.node(index).and_then(|node| self.remote_place(node)) else { continue };
            let first = *taken.entry(key(place)).or_insert(index);
            if first != index {
                left_alone.push((index, first));
            }
        }
        let mut renamed = Vec::new();
        let mut fresh: std::collections::HashSet<(u32, String)> = std::collections::HashSet::new();
        for index in here {
            let Some((parent, name)) = self.node(index).and_then(|node| self.target(node)) else { continue };
            let slot = (parent, rules.names.key(name));
            let owned = (parent, slot.1.clone().into_owned());
            let first = taken.get(&slot).copied().filter(|first| *first != index);
            let Some(first) = first else {
                if !fresh.contains(&owned) {
                    fresh.insert(owned);
                    continue;
                }
                renamed.push((index, self.free_name(&taken, &mut fresh, parent, name, rules)));
                continue;
            };
            let clash_by_folding = self.node(first).is_some_and(|other| {
                [self.target(other), self.remote_place(other)].into_iter().flatten().all(|(_, theirs)| theirs != name)
            });
            let alone_here = self.node(index).is_some_and(|node| node.item.is_none());
            if clash_by_folding && alone_here {
                // here lies the one spelling, on the server the other: the server's cannot come, ours can go
                left_alone.push((first, index));
            } else {
                renamed.push((index, self.free_name(&taken, &mut fresh, parent, name, rules)));
            }
        }
        drop(taken);
        for (index, name) in renamed {
            if let Some(node) = self.node_mut(index) {
                node.target_name = Some(name.into());
            }
        }
        for (index, first) in left_alone {
            self.leave_alone(index, first);
        }
    }

    fn leave_alone(&mut self, index: u32, first: u32) {
        let (Some(node), Some(other)) = (self.node(index), self.node(first)) else { return };
        let (path, theirs) = (self.path_of(node), self.path_of(other));
        let silent = node.frozen || path == theirs; // whoever holds the name is reported itself
        if let Some(node) = self.node_mut(index) {
            node.frozen = true;
        }
        if !silent {
            self.problem(path, format!("its name and that of “{theirs}” are one for the local file system"), WAITS);
        }
    }

    fn free_name(
        &self,
        taken: &HashMap<(u32, Cow<'_, str>), u32>,
        fresh: &mut std::collections::HashSet<(u32, String)>,
        parent: u32,
        name: &str,
        rules: &Rules<'_>,
    ) -> String {
        let mut number = 1;
        loop {
            let candidate = conflict_name(name, rules.when, rules.host, number);
            let key = rules.names.key(&candidate).into_owned();
            if !taken.contains_key(&(parent, Cow::Borrowed(key.as_str()))) && fresh.insert((parent, key)) {
                return candidate;
            }
            number += 1;
        }
    }
}
