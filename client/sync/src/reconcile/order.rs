//! From targets to steps in an order that works, by playing them through on both sides: a step is taken when its folder is there and
//! its name is free; who stands in the way of an exchange steps aside first.

use std::collections::HashMap;

use super::{NONE, Rules, Table, index_of};
use crate::names::{LocalNames, MOVING_PREFIX};
use crate::plan::{Action, Deed, Place, Plan};
use crate::remote::Kind;

/// One side while it is played through.
struct Side {
    at: Vec<Option<(u32, Box<str>)>>,
    slots: HashMap<(u32, String), u32>,
    names: LocalNames,
    /// How many nodes that stay are below each node.
    alive_below: Vec<u32>,
}

impl Side {
    fn new(at: Vec<Option<(u32, Box<str>)>>, alive: &[bool], names: LocalNames) -> Self {
        let mut side = Self { slots: HashMap::with_capacity(at.len()), alive_below: vec![0; at.len()], at, names };
        for index in 1..index_of(side.at.len()) {
            if let Some((parent, name)) = side.place(index) {
                let key = side.key(parent, &name);
                side.slots.insert(key, index);
                if alive.get(index as usize) == Some(&true) {
                    side.count(Some(parent), 1);
                }
            }
        }
        side
    }

    fn key(&self, parent: u32, name: &str) -> (u32, String) {
        (parent, self.names.key(name).into_owned())
    }

    fn place(&self, index: u32) -> Option<(u32, Box<str>)> {
        self.at.get(index as usize).cloned().flatten()
    }

    fn parent(&self, index: u32) -> Option<u32> {
        self.at.get(index as usize).and_then(|place| place.as_ref()).map(|(parent, _)| *parent)
    }

    fn occupant(&self, parent: u32, name: &str) -> Option<u32> {
        self.slots.get(&self.key(parent, name)).copied()
    }

    fn count(&mut self, from: Option<u32>, by: i64) {
        let mut at = from;
        let mut steps = 0;
        while let Some(index) = at {
            if let Some(count) = self.alive_below.get_mut(index as usize) {
                *count = u32::try_from(i64::from(*count) + by).unwrap_or(0);
            }
            steps += 1;
            at = if index == 0 || steps > self.at.len() { None } else { self.parent(index) };
        }
    }

    fn put(&mut self, index: u32, parent: u32, name: &str) {
        let below = i64::from(self.alive_below.get(index as usize).copied().unwrap_or(0)) + 1;
        if let Some((old, before)) = self.place(index) {
            let key = self.key(old, &before);
            self.slots.remove(&key);
            self.count(Some(old), -below);
        }
        let key = self.key(parent, name);
        self.slots.insert(key, index);
        if let Some(place) = self.at.get_mut(index as usize) {
            *place = Some((parent, name.into()));
        }
        self.count(Some(parent), below);
    }

    fn remove(&mut self, index: u32) {
        if let Some((parent, name)) = self.place(index) {
            let key = self.key(parent, &name);
            self.slots.remove(&key);
        }
        if let Some(place) = self.at.get_mut(index as usize) {
            *place = None;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Which {
    Here,
    There,
}

impl<'a> Table<'a> {
    /// The plan for the targets decided.
    pub(super) fn plan(mut self, rules: &Rules<'_>) -> Plan {
        let mut plan = Plan::default();
        let (mut to_here, mut to_there, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let mut transfers = Vec::new();
        for index in 1..index_of(self.nodes.len()) {
            let Some(node) = self.node(index) else { continue };
            plan.known_files += usize::from(node.base.is_some() && node.kind == Kind::File);
            if node.local == NONE && node.item.is_none() {
                plan.forgotten.extend(node.base_id.cloned());
                continue;
            }
            if node.frozen {
                plan.forgotten.extend(node.base_id.filter(|_| node.forget).cloned());
                continue;
            }
            if !node.keep {
                gone.push(index);
                continue;
            }
            let Some(target) = self.target(node) else { continue };
            if node.item.is_none() || node.base_id.is_some_and(|id| Some(id) != node.id) {
                plan.forgotten.extend(node.base_id.cloned());
            }
            if self.local_place(node).is_none_or(|place| place != target) {
                to_here.push(index);
            }
            if self.remote_place(node).is_none_or(|place| place != target) {
                to_there.push(index);
            }
            if node.local != NONE && node.item.is_some() {
                match self.content(index, rules) {
                    Some(deed) => transfers.push(Action { node: index, deed }),
                    None if self.unknown_to_the_journal(node, target) => plan.agreed.push(index),
                    None => {}
                }
            }
        }
        if to_here.is_empty() && to_there.is_empty() && gone.is_empty() && transfers.is_empty() {
            plan.problems = std::mem::take(&mut self.problems);
            return self.compact(plan);
        }
        let mut fresh = Vec::new();
        let mut here = self.side(Which::Here, rules);
        self.play(Which::Here, &mut here, to_here, &mut plan, &mut fresh);
        let mut there = self.side(Which::There, rules);
        self.play(Which::There, &mut there, to_there, &mut plan, &mut fresh);
        plan.actions.append(&mut fresh);
        plan.actions.append(&mut transfers);
        self.bury(Which::Here, &here, &gone, &mut plan);
        self.bury(Which::There, &there, &gone, &mut plan);
        plan.problems = std::mem::take(&mut self.problems);
        self.compact(plan)
    }

    fn side(&self, which: Which, rules: &Rules<'_>) -> Side {
        let place = |index: usize| {
            let node = self.nodes.get(index)?;
            match which {
                Which::Here => self.local_place(node),
                Which::There => self.remote_place(node),
            }
        };
        let at = (0..self.nodes.len())
            .map(|index| if index == 0 { None } else { place(index).map(|(parent, name)| (parent, name.into())) })
            .collect();
        let special = |node: &super::Node<'_>| {
            let entry = self.local.entries.get(node.local as usize);
            entry.is_some_and(|entry| entry.kind == crate::local::LocalKind::Special)
        };
        let alive: Vec<bool> = self
            .nodes
            .iter()
            .map(|node| node.keep || node.frozen && !(which == Which::Here && special(node)))
            .collect();
        let names = if which == Which::Here { rules.names } else { LocalNames::default() };
        Side::new(at, &alive, names)
    }

    /// Takes the steps of one side; transfers of new files go to `fresh`, which is done after the structure of both.
    fn play(&mut self, which: Which, side: &mut Side, mut waiting: Vec<u32>, plan: &mut Plan, fresh: &mut Vec<Action>) {
        waiting.sort_by_key(|index| self.depth(*index));
        let mut aside = 0_u32;
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut later = Vec::new();
            for index in std::mem::take(&mut waiting) {
                if !self.step(which, side, index, plan, fresh) {
                    later.push(index);
                }
            }
            waiting = later;
            if waiting.len() == before {
                // an exchange: someone in the way of the first that could go steps aside
                let displaced = waiting.iter().find_map(|index| self.blocker(side, *index, &waiting));
                let Some(blocker) = displaced else { break };
                let Some((parent, _)) = side.place(blocker) else { break };
                let name = loop {
                    let name = format!("{MOVING_PREFIX}{aside}");
                    aside += 1;
                    if side.occupant(parent, &name).is_none() {
                        break name;
                    }
                };
                side.put(blocker, parent, &name);
                let place = Place { parent, name: name.into() };
                plan.actions.push(Action { node: blocker, deed: which.moved(place) });
            }
        }
    }

    fn depth(&self, index: u32) -> usize {
        let mut at = index;
        let mut depth = 0;
        while at != 0 && depth < self.nodes.len() {
            at = self.node(at).map_or(0, |node| if node.target_parent == NONE { 0 } else { node.target_parent });
            depth += 1;
        }
        depth
    }

    /// Puts one node at its target, if its folder is there and the name is free.
    fn step(&self, which: Which, side: &mut Side, index: u32, plan: &mut Plan, fresh: &mut Vec<Action>) -> bool {
        let Some((node, (parent, name))) = self.node(index).and_then(|node| Some((node, self.target(node)?))) else {
            return true;
        };
        if !self.is_placed(side, parent) {
            return false;
        }
        if let Some(blocker) = side.occupant(parent, name).filter(|blocker| *blocker != index) {
            let doomed = self.node(blocker).is_some_and(|other| !other.keep && !other.frozen);
            if !doomed || side.alive_below.get(blocker as usize).is_some_and(|alive| *alive > 0) {
                return false;
            }
            side.remove(blocker);
            let deed = if which == Which::Here { Deed::Trash } else { Deed::RemoteDelete };
            self.weigh(which, blocker, plan);
            plan.actions.push(Action { node: blocker, deed });
        }
        let place = Place { parent, name: name.into() };
        let is_there = side.place(index).is_some();
        side.put(index, parent, name);
        match (is_there, node.kind, which) {
            (true, ..) => plan.actions.push(Action { node: index, deed: which.moved(place) }),
            (false, Kind::Folder, Which::Here) => {
                plan.actions.push(Action { node: index, deed: Deed::LocalFolder(place) });
            }
            (false, Kind::Folder, Which::There) => {
                plan.actions.push(Action { node: index, deed: Deed::RemoteFolder(place) });
            }
            (false, Kind::File, Which::Here) => {
                let deed = Deed::Download { to: place, replaces: false, keep_as: None };
                fresh.push(Action { node: index, deed });
            }
            (false, Kind::File, Which::There) => {
                fresh.push(Action { node: index, deed: Deed::Upload { to: place, replaces: false } });
            }
        }
        true
    }

    fn is_placed(&self, side: &Side, folder: u32) -> bool {
        if folder == 0 {
            return true;
        }
        let target = self.node(folder).and_then(|node| self.target(node));
        target.is_some() && side.place(folder).as_ref().map(|(parent, name)| (*parent, &**name)) == target
    }

    fn blocker(&self, side: &Side, index: u32, waiting: &[u32]) -> Option<u32> {
        let (parent, name) = self.node(index).and_then(|node| self.target(node))?;
        if !self.is_placed(side, parent) {
            return None;
        }
        let blocker = side.occupant(parent, name).filter(|blocker| *blocker != index)?;
        let node = self.node(blocker)?;
        let doomed = !node.keep && !node.frozen;
        (doomed || node.base.is_some() && waiting.contains(&blocker)).then_some(blocker)
    }

    /// Deletes on one side what does not stay: the topmost of what is gone whole.
    fn bury(&self, which: Which, side: &Side, gone: &[u32], plan: &mut Plan) {
        let dies = |index: u32| {
            self.node(index).is_some_and(|node| !node.keep && !node.frozen)
                && side.alive_below.get(index as usize) == Some(&0)
        };
        for index in gone {
            let Some((parent, _)) = side.place(*index) else { continue };
            if dies(*index) && !(parent != 0 && dies(parent)) {
                let deed = if which == Which::Here { Deed::Trash } else { Deed::RemoteDelete };
                plan.actions.push(Action { node: *index, deed });
            }
            if dies(*index) {
                self.weigh_one(which, *index, plan);
            }
        }
    }

    fn weigh(&self, which: Which, index: u32, plan: &mut Plan) {
        self.weigh_one(which, index, plan);
        if self.node(index).is_some_and(|node| node.kind == Kind::Folder) {
            for other in 1..index_of(self.nodes.len()) {
                let node = self.node(other);
                let place = node.and_then(|node| match which {
                    Which::Here => self.local_place(node),
                    Which::There => self.remote_place(node),
                });
                if place.is_some_and(|(parent, _)| parent == index) {
                    self.weigh(which, other, plan);
                }
            }
        }
    }

    fn weigh_one(&self, which: Which, index: u32, plan: &mut Plan) {
        let files = usize::from(self.node(index).is_some_and(|node| node.kind == Kind::File));
        match which {
            Which::Here => plan.trashed_files += files,
            Which::There => plan.deleted_files += files,
        }
    }

    /// Copies the nodes the plan speaks of, and the folders around them, out of the working table.
    fn compact(&self, mut plan: Plan) -> Plan {
        let mut new_index: HashMap<u32, u32> = HashMap::from([(0, 0)]);
        let mut order = vec![0_u32];
        let mut wanted: Vec<u32> =
            plan.actions.iter().map(|action| action.node).chain(plan.agreed.iter().copied()).collect();
        wanted.extend(plan.actions.iter().filter_map(|action| action.deed.place().map(|place| place.parent)));
        while let Some(index) = wanted.pop() {
            if new_index.contains_key(&index) {
                continue;
            }
            new_index.insert(index, index_of(order.len()));
            order.push(index);
            let Some(node) = self.node(index) else { continue };
            let places = [self.local_place(node), self.remote_place(node), self.base_place(node)];
            wanted.extend(places.into_iter().flatten().map(|(parent, _)| parent));
        }
        let map = |place: &mut Place| place.parent = new_index.get(&place.parent).copied().unwrap_or(0);
        plan.nodes = order
            .iter()
            .filter_map(|index| {
                let mut node = self.plan_node(self.node(*index)?);
                node.local.iter_mut().chain(node.remote.iter_mut()).for_each(map);
                Some(node)
            })
            .collect();
        for action in &mut plan.actions {
            action.node = new_index.get(&action.node).copied().unwrap_or(0);
            if let Some(place) = action.deed.place_mut() {
                map(place);
            }
        }
        for node in &mut plan.agreed {
            *node = new_index.get(node).copied().unwrap_or(0);
        }
        plan
    }
}

impl Which {
    fn moved(self, place: Place) -> Deed {
        match self {
            Self::Here => Deed::LocalMove(place),
            Self::There => Deed::RemoteMove(place),
        }
    }
}

impl Deed {
    /// Where the deed puts something.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::LocalFolder(to) | Self::LocalMove(to) | Self::RemoteFolder(to) | Self::RemoteMove(to) => Some(to),
            Self::Upload { to, .. } | Self::Download { to, .. } => Some(to),
            Self::Trash | Self::RemoteDelete => None,
        }
    }

    fn place_mut(&mut self) -> Option<&mut Place> {
        match self {
            Self::LocalFolder(to) | Self::LocalMove(to) | Self::RemoteFolder(to) | Self::RemoteMove(to) => Some(to),
            Self::Upload { to, .. } | Self::Download { to, .. } => Some(to),
            Self::Trash | Self::RemoteDelete => None,
        }
    }
}
