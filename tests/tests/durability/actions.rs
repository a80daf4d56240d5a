//! The workload: which requests a client makes, and how.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::Body;
use stitchbox_tests::{Dav, Random, Reply};

use crate::tree::Tree;

/// What a client asks for.
#[derive(Debug, Clone)]
pub enum Action {
    Put { path: String, body: Vec<u8>, slow: bool },
    MakeFolder { path: String },
    Delete { path: String },
    Move { from: String, to: String },
    Copy { from: String, to: String },
}

/// A request that the tree allows: everything asked for must be answered with 2xx.
pub fn choose(random: &mut Random, tree: &Tree) -> Option<Action> {
    let files: Vec<&String> = tree.files.keys().collect();
    let mut folders: Vec<String> = tree.folders.iter().cloned().collect();
    folders.push(String::new());
    let parent = random.pick(&folders)?.clone();
    let fresh = format!("{parent}/{}{}", ["n", "m ü", "k%20"][random.below(3)], random.below(40));
    let free = !tree.files.contains_key(&fresh) && !tree.folders.contains(&fresh);
    let roll = random.below(100);
    let existing = random.pick(&files).map(|name| (*name).clone());
    Some(match (roll, existing) {
        (0..30, _) if free => put(random, fresh, 40_000, false),
        (30..42, _) if free => {
            let slow = random.below(2) == 0;
            put(random, fresh, 2_500_000, slow)
        }
        (42..57, Some(path)) => {
            let slow = random.below(6) == 0;
            put(random, path, if slow { 1_500_000 } else { 60_000 }, slow)
        }
        (57..66, Some(from)) if free => Action::Move { from, to: fresh },
        (66..69, Some(from)) => {
            let to = (*random.pick(&files)?).clone();
            if from == to { return None } else { Action::Move { from, to } }
        }
        (69..76, Some(from)) if free => Action::Copy { from, to: fresh },
        (76..86, Some(path)) => Action::Delete { path },
        (86..92, _) if free && parent.matches('/').count() < 3 => Action::MakeFolder { path: fresh },
        (92..95, _) if !parent.is_empty() => Action::Delete { path: parent },
        (95..98, _) if !parent.is_empty() && free && !fresh.starts_with(&format!("{parent}/")) => {
            Action::Move { from: parent, to: fresh }
        }
        (95..100, _) if !parent.is_empty() => {
            let to = format!("/copy{}", random.below(30));
            let taken =
                tree.files.contains_key(&to) || tree.folders.contains(&to) || to.starts_with(&format!("{parent}/"));
            if taken {
                return None;
            } else if random.below(2) == 0 {
                Action::Copy { from: parent, to }
            } else {
                Action::Move { from: parent, to }
            }
        }
        _ => return None,
    })
}

fn put(random: &mut Random, path: String, most: usize, slow: bool) -> Action {
    let length = if random.below(20) == 0 { 0 } else { random.below(most) };
    Action::Put { path, body: random.bytes(length), slow }
}

/// Sends the request for `action` below `folder`.
pub fn perform(dav: &Dav, folder: &str, action: &Action) -> Result<Reply, reqwest::Error> {
    match action {
        Action::Put { path, body, slow: false } => dav.put(&format!("{folder}{path}"), body.clone()).attempt(),
        Action::Put { path, body, slow: true } => {
            let length = body.len() as u64;
            let slow = Slow { bytes: body.clone(), at: 0 };
            dav.put(&format!("{folder}{path}"), Body::sized(slow, length)).attempt()
        }
        Action::MakeFolder { path } => dav.mkcol(&format!("{folder}{path}")).attempt(),
        Action::Delete { path } => dav.delete(&format!("{folder}{path}")).attempt(),
        Action::Move { from, to } => dav.rename(&format!("{folder}{from}"), &format!("{folder}{to}")).attempt(),
        Action::Copy { from, to } => dav.copy(&format!("{folder}{from}"), &format!("{folder}{to}")).attempt(),
    }
}

/// A body that comes in pieces with pauses, so that kills land in the middle of it.
struct Slow {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(64 << 10).min(self.bytes.len() - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        std::thread::sleep(Duration::from_millis(4));
        Ok(count)
    }
}

/// The action in words, for messages.
pub fn name_of(action: &Action) -> String {
    match action {
        Action::Put { path, body, slow } => format!("PUT {path} ({} bytes, slow: {slow})", body.len()),
        Action::MakeFolder { path } => format!("MKCOL {path}"),
        Action::Delete { path } => format!("DELETE {path}"),
        Action::Move { from, to } => format!("MOVE {from} -> {to}"),
        Action::Copy { from, to } => format!("COPY {from} -> {to}"),
    }
}
