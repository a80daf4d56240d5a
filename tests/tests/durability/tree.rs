//! The model: what the tree of one client must look like, and how an action changes it.

use std::collections::{BTreeMap, BTreeSet};

use stitchbox_tests::sha256;

use crate::actions::Action;

/// Length and SHA-256 of a content.
pub type Content = (usize, [u8; 32]);

/// The tree below one client's folder: what was acknowledged. Paths relative to it, `/a/b`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    pub folders: BTreeSet<String>,
    pub files: BTreeMap<String, Content>,
}

impl Tree {
    /// Carries out an action.
    pub fn apply(&mut self, action: &Action) {
        match action {
            Action::Put { path, body, .. } => {
                self.files.insert(path.clone(), (body.len(), sha256(body)));
            }
            Action::MakeFolder { path } => {
                self.folders.insert(path.clone());
            }
            Action::Delete { path } => drop(self.take(path)),
            Action::Move { from, to } => {
                let taken = self.take(from);
                self.take(to);
                self.give(&taken, from, to);
            }
            Action::Copy { from, to } => {
                let copied = self.clone().take(from);
                self.take(to);
                self.give(&copied, from, to);
            }
        }
    }

    /// Removes `path` and everything below it, and gives what it was.
    fn take(&mut self, path: &str) -> Tree {
        let within = |name: &String| name == path || name.starts_with(&format!("{path}/"));
        let folders = self.folders.iter().filter(|name| within(name)).cloned().collect();
        let files = self
            .files
            .iter()
            .filter(|(name, _)| within(name))
            .map(|(name, content)| (name.clone(), *content))
            .collect();
        self.folders.retain(|name| !within(name));
        self.files.retain(|name, _| !within(name));
        Tree { folders, files }
    }

    fn give(&mut self, other: &Tree, from: &str, to: &str) {
        let renamed = |name: &String| format!("{to}{}", &name[from.len()..]);
        self.folders.extend(other.folders.iter().map(renamed));
        self.files.extend(other.files.iter().map(|(name, content)| (renamed(name), *content)));
    }
}

/// Every way in which `real` is not `wanted`, one a line.
pub fn difference(wanted: &Tree, real: &Tree) -> String {
    let mut lines = Vec::new();
    for folder in wanted.folders.symmetric_difference(&real.folders) {
        lines.push(format!(
            "folder {folder}: {}",
            if real.folders.contains(folder) { "came from nowhere" } else { "lost" }
        ));
    }
    let names: BTreeSet<&String> = wanted.files.keys().chain(real.files.keys()).collect();
    for name in names {
        match (wanted.files.get(name), real.files.get(name)) {
            (Some(old), Some(new)) if old != new => {
                lines.push(format!("file {name}: other content, {} -> {} bytes", old.0, new.0))
            }
            (Some(_), None) => lines.push(format!("file {name}: lost")),
            (None, Some(new)) => lines.push(format!("file {name}: came from nowhere, {} bytes", new.0)),
            _ => {}
        }
    }
    lines.join("\n")
}
