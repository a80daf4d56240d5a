//! Whose content a file that is on both sides gets, and what happens to the other content.

use std::borrow::Cow;

use super::{Node, Rules, Table};
use crate::names::{conflict_name, is_conflict_of};
use crate::plan::Deed;
use crate::remote::Kind;

impl<'a> Table<'a> {
    /// What to do about the content of a file that is on both sides.
    pub(super) fn content(&self, index: u32, rules: &Rules<'_>) -> Option<Deed> {
        let node = self.node(index)?;
        let item = node.item.filter(|_| node.kind == Kind::File)?;
        let to = Self::place(self.target(node))?;
        let hash = self.local_hash(node);
        if hash.is_some() && hash == item.sha256 {
            return None;
        }
        let (here, there) = (self.edited_here(node, rules.sending), self.edited_there(node, rules.sending));
        if !here && !there {
            return None;
        }
        if here && !there && item.permissions.allows('W') && !item.derived {
            return Some(Deed::Upload { to, replaces: true });
        }
        let keep_as = if here { self.conflict_copy(node, rules) } else { None };
        Some(Deed::Download { to, replaces: true, keep_as })
    }

    /// The name of a conflict copy; `None` when one with this content lies beside already.
    fn conflict_copy(&self, node: &Node<'a>, rules: &Rules<'_>) -> Option<Box<str>> {
        let (parent, name) = self.target(node)?;
        let hash = self.local_hash(node);
        let entry = self.local.entries.get(node.local as usize)?;
        let siblings = self.children.get(entry.parent as usize).map_or(&[][..], Vec::as_slice);
        let mut taken: Vec<Cow<'_, str>> = Vec::new();
        for sibling in siblings {
            let (Some(one), Some(other)) = (
                self.local.entries.get(*sibling as usize),
                self.owner.get(*sibling as usize).and_then(|o| self.node(*o)),
            ) else {
                continue;
            };
            if is_conflict_of(&one.name, name) {
                // one that is taken away or replaced in this very round keeps nothing
                let stays = other.keep && !other.frozen && !self.edited_there(other, rules.sending);
                if hash.is_some() && self.local_hash(other) == hash && stays {
                    return None;
                }
                taken.push(rules.names.key(&one.name));
            }
        }
        let free = |candidate: &String| {
            !taken.contains(&rules.names.key(candidate)) && !self.remote_at.contains_key(&(parent, candidate.as_str()))
        };
        (1..10_000).map(|number| conflict_name(name, rules.when, rules.host, number)).find(free).map(Into::into)
    }

    pub(super) fn unknown_to_the_journal(&self, node: &Node<'a>, target: (u32, &str)) -> bool {
        let (Some(base), Some(item)) = (node.base, node.item) else { return true };
        let stamp = self.local.entries.get(node.local as usize).map(|entry| entry.stamp);
        let stamps_differ = match node.kind {
            Kind::File => stamp != Some(base.stamp),
            Kind::Folder => stamp.is_some_and(|stamp| stamp != base.stamp),
        };
        let etags_differ = node.kind == Kind::File && base.etag != item.etag;
        stamps_differ || etags_differ || node.base_id != Some(&item.id) || self.base_place(node) != Some(target)
    }
}
