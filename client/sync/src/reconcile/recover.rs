//! After a crash: steps that were done on both sides while the journal never heard of it are agreed on after all.
//!
//! Without this they would look like what somebody did independently: a download like a new file, a move like two.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Bases;
use crate::digest::Sha256;
use crate::ledger::Write;
use crate::local::{Content, LocalKind, LocalTree};
use crate::mirror::Mirror;
use crate::plan::Base;
use crate::remote::{Etag, ItemId, Kind};

/// A step about to be done, written down before it is: where the item is to be afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Which item.
    pub id: ItemId,
    /// Where it will be here, below the synced folder.
    pub path: String,
    /// Where it will be on the server.
    pub parent: ItemId,
    /// Its name.
    pub name: Box<str>,
    /// File or folder.
    pub kind: Kind,
    /// Its ETag.
    pub etag: Etag,
    /// Its content, where the step brings content here.
    pub sha256: Option<Sha256>,
}

/// What the journal would have been told of the steps that were done. Steps whose local file is busy are to be asked about again.
pub fn recover(local: &LocalTree, mirror: &Mirror, bases: &Bases, begun: &[Begun]) -> Vec<Write> {
    if begun.is_empty() {
        return Vec::new();
    }
    let mut at: HashMap<(u32, &str), u32> = HashMap::with_capacity(local.entries.len());
    for (index, entry) in (0_u32..).zip(&local.entries).skip(1) {
        at.insert((entry.parent, &entry.name), index);
    }
    let find = |path: &str| path.split('/').try_fold(0, |folder, name| at.get(&(folder, name)).copied());
    let mut writes = Vec::new();
    for step in begun {
        let Some(entry) = find(&step.path).and_then(|index| local.entries.get(index as usize)) else { continue };
        let fits = match step.kind {
            Kind::File => entry.kind == LocalKind::File,
            Kind::Folder => entry.kind == LocalKind::Folder,
        };
        if !fits {
            continue;
        }
        let known = bases.get(&step.id);
        let arrived = match (step.kind, step.sha256, entry.content) {
            (Kind::File, Some(sent), Content::Known(here)) => sent == here,
            (Kind::Folder, ..) => known.is_none(),
            _ => false,
        };
        let there = mirror
            .items
            .get(&step.id)
            .is_some_and(|item| item.parent.as_ref() == Some(&step.parent) && item.name == step.name);
        let base = match known {
            _ if arrived => Base {
                parent: step.parent.clone(),
                name: step.name.clone(),
                kind: step.kind,
                etag: step.etag.clone(),
                sha256: step.sha256,
                stamp: entry.stamp,
            },
            // moved on both sides: only the place is new
            Some(base) if there && base.stamp.inode == entry.stamp.inode => {
                Base { parent: step.parent.clone(), name: step.name.clone(), ..base.clone() }
            }
            _ => continue,
        };
        if known != Some(&base) {
            writes.push(Write::Base(step.id.clone(), base));
        }
    }
    writes
}
