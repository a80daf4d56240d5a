//! Invariant 1, by force: `kill -9` at random instants of a mixed workload loses nothing acknowledged and shows
//! nothing half-written. A model of the acknowledged state is compared with the real tree after every restart;
//! the one request under way when the server dies may have happened entirely or not at all.
//!
//! `STITCHBOX_KILLS` sets the number of kills (default 52), `STITCHBOX_KILL_SEED` the seed; both are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::blocking::Body;
use stitchbox_tests::{Daemon, Dav, Random, Reply, Settings, say, sha256};

/// Each generation starts on a fresh folder, so that `verify` does not re-hash the history of all kills.
const KILLS_PER_GENERATION: usize = 13;
const CLIENTS: usize = 4;
const SHARED: &str = "/shared.bin";

/// Length and SHA-256 of a content.
type Content = (usize, [u8; 32]);

/// The tree below one client's folder: what was acknowledged. Paths relative to it, `/a/b`.
#[derive(Debug, Clone, Default, PartialEq)]
struct Tree {
    folders: BTreeSet<String>,
    files: BTreeMap<String, Content>,
}

/// What a client asks for.
#[derive(Debug, Clone)]
enum Action {
    Put { path: String, body: Vec<u8>, slow: bool },
    MakeFolder { path: String },
    Delete { path: String },
    Move { from: String, to: String },
    Copy { from: String, to: String },
}

#[derive(Debug, Default)]
struct Score {
    acknowledged: AtomicU64,
    large: AtomicU64,
    under_way: AtomicU64,
    happened: AtomicU64,
    files_checked: AtomicU64,
    bytes_checked: AtomicU64,
}

#[test]
fn sigkill_at_random_instants_loses_nothing_acknowledged() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let kills = number("STITCHBOX_KILLS", 52) as usize;
    let seed = number("STITCHBOX_KILL_SEED", 8741);
    let start = Instant::now();
    let score = Arc::new(Score::default());
    let generations = kills.div_ceil(KILLS_PER_GENERATION);
    // Two generations at a time: while one restarts and verifies, the other works.
    let next = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let generation = next.fetch_add(1, Ordering::SeqCst) as usize;
                    if generation >= generations {
                        break;
                    }
                    let count = KILLS_PER_GENERATION.min(kills - generation * KILLS_PER_GENERATION);
                    run_generation(seed + generation as u64, count, &score, &done);
                }
            });
        }
    });
    let done = done.load(Ordering::SeqCst);
    say(&format!(
        "kill test: {done} SIGKILLs (seed {seed}), {} requests acknowledged ({} large), {} under way at a kill ({} of \
         them had happened, the rest had not), {} files with {} MiB compared after the restarts, 0 lost, 0 \
         half-visible, verify clean {done} times, {} s",
        score.acknowledged.load(Ordering::SeqCst),
        score.large.load(Ordering::SeqCst),
        score.under_way.load(Ordering::SeqCst),
        score.happened.load(Ordering::SeqCst),
        score.files_checked.load(Ordering::SeqCst),
        score.bytes_checked.load(Ordering::SeqCst) >> 20,
        start.elapsed().as_secs()
    ));
    assert_eq!(done as usize, kills);
}

fn run_generation(seed: u64, kills: usize, score: &Score, done: &AtomicU64) {
    let mut random = Random::new(seed);
    let mut daemon = Daemon::start_with(Settings::quick());
    let root = daemon.user("kim");
    let mut trees: Vec<Tree> = vec![Tree::default(); CLIENTS];
    for client in 0..CLIENTS {
        root.mkcol(&folder_of(client)).send().expect(201);
    }
    let shared = Arc::new(Mutex::new(SharedFile::default()));
    for kill in 0..kills {
        let dav = daemon.client("kim");
        let over = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (dav, over, shared) = (dav.clone(), Arc::clone(&over), Arc::clone(&shared));
                let (tree, seed) = (trees[client].clone(), random.bits());
                std::thread::spawn(move || work(&dav, client, tree, seed, &over, &shared))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20 + random.below(700) as u64));
        daemon.kill();
        over.store(true, Ordering::SeqCst);
        let pasts: Vec<Past> = threads.into_iter().map(|thread| thread.join().expect("a client thread")).collect();
        if random.below(4) == 0 {
            // Now and then it dies again while it recovers.
            let _lines = daemon.launch();
            std::thread::sleep(Duration::from_millis(random.below(150) as u64));
            daemon.kill();
        }
        daemon.restart();
        let dav = daemon.client("kim");
        for (client, past) in pasts.into_iter().enumerate() {
            score.acknowledged.fetch_add(past.acknowledged, Ordering::SeqCst);
            score.large.fetch_add(past.large, Ordering::SeqCst);
            let real = read_tree(&dav, &folder_of(client), score);
            let told = format!("seed {seed}, kill {kill}, client {client}, under way: {:?}", past.under_way.as_ref().map(name_of));
            trees[client] = settle(past, real, score, &told, &daemon);
        }
        check_shared(&dav, &mut shared.lock().expect("not poisoned"), &format!("seed {seed}, kill {kill}"));
        daemon.verify_clean();
        done.fetch_add(1, Ordering::SeqCst);
    }
}

/// What one client knows when the server has died.
struct Past {
    tree: Tree,
    under_way: Option<Action>,
    acknowledged: u64,
    large: u64,
}

/// The real tree must be the acknowledged one, or that with the request under way carried out.
fn settle(past: Past, real: Tree, score: &Score, told: &str, daemon: &Daemon) -> Tree {
    if let Some(action) = &past.under_way {
        score.under_way.fetch_add(1, Ordering::SeqCst);
        let mut after = past.tree.clone();
        after.apply(action);
        if real == after && after != past.tree {
            score.happened.fetch_add(1, Ordering::SeqCst);
            return real;
        }
    }
    if real != past.tree {
        panic!("{told}\n{}\n{}", difference(&past.tree, &real), daemon.log_tail());
    }
    real
}

fn difference(wanted: &Tree, real: &Tree) -> String {
    let mut lines = Vec::new();
    for folder in wanted.folders.symmetric_difference(&real.folders) {
        lines.push(format!("folder {folder}: {}", if real.folders.contains(folder) { "came from nowhere" } else { "lost" }));
    }
    let names: BTreeSet<&String> = wanted.files.keys().chain(real.files.keys()).collect();
    for name in names {
        match (wanted.files.get(name), real.files.get(name)) {
            (Some(old), Some(new)) if old != new => lines.push(format!("file {name}: other content, {} -> {} bytes", old.0, new.0)),
            (Some(_), None) => lines.push(format!("file {name}: lost")),
            (None, Some(new)) => lines.push(format!("file {name}: came from nowhere, {} bytes", new.0)),
            _ => {}
        }
    }
    lines.join("\n")
}

fn work(dav: &Dav, client: usize, mut tree: Tree, seed: u64, over: &AtomicBool, shared: &Mutex<SharedFile>) -> Past {
    let mut random = Random::new(seed);
    let (mut acknowledged, mut large) = (0, 0);
    let mut under_way = None;
    while !over.load(Ordering::SeqCst) {
        if random.below(12) == 0 {
            if !write_shared(dav, &mut random, shared) {
                break;
            }
            acknowledged += 1;
            continue;
        }
        let Some(action) = choose(&mut random, &tree) else { continue };
        match perform(dav, &folder_of(client), &action) {
            Ok(reply) => {
                assert!((200..300).contains(&reply.status), "{} was refused: {reply:?}", name_of(&action));
                large += u64::from(matches!(&action, Action::Put { body, .. } if body.len() > 200_000));
                tree.apply(&action);
                acknowledged += 1;
            }
            Err(_) => {
                under_way = Some(action);
                break;
            }
        }
    }
    Past { tree, under_way, acknowledged, large }
}

/// A request that the tree allows: everything asked for must be answered with 2xx.
fn choose(random: &mut Random, tree: &Tree) -> Option<Action> {
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
        (95..98, _) if !parent.is_empty() && free && !fresh.starts_with(&format!("{parent}/")) => Action::Move { from: parent, to: fresh },
        (95..100, _) if !parent.is_empty() => {
            let to = format!("/copy{}", random.below(30));
            let taken = tree.files.contains_key(&to) || tree.folders.contains(&to) || to.starts_with(&format!("{parent}/"));
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

fn perform(dav: &Dav, folder: &str, action: &Action) -> Result<Reply, reqwest::Error> {
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

impl Tree {
    fn apply(&mut self, action: &Action) {
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
        let files = self.files.iter().filter(|(name, _)| within(name)).map(|(name, content)| (name.clone(), *content)).collect();
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

fn read_tree(dav: &Dav, folder: &str, score: &Score) -> Tree {
    let mut tree = Tree::default();
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        for entry in dav.list(&format!("{folder}{path}")) {
            let child = format!("{path}/{}", entry.name());
            if entry.is_folder() {
                tree.folders.insert(child.clone());
                open.push(child);
            } else {
                let body = dav.read(&format!("{folder}{child}"));
                assert_eq!(entry.dav("getcontentlength"), Some(body.len().to_string().as_str()), "{folder}{child}");
                score.files_checked.fetch_add(1, Ordering::SeqCst);
                score.bytes_checked.fetch_add(body.len() as u64, Ordering::SeqCst);
                tree.files.insert(child, (body.len(), sha256(&body)));
            }
        }
    }
    tree
}

fn folder_of(client: usize) -> String {
    format!("/client {client}")
}

fn name_of(action: &Action) -> String {
    match action {
        Action::Put { path, body, slow } => format!("PUT {path} ({} bytes, slow: {slow})", body.len()),
        Action::MakeFolder { path } => format!("MKCOL {path}"),
        Action::Delete { path } => format!("DELETE {path}"),
        Action::Move { from, to } => format!("MOVE {from} -> {to}"),
        Action::Copy { from, to } => format!("COPY {from} -> {to}"),
    }
}

/// One file that all clients overwrite: the survivor must be a write that no later acknowledged write replaced.
#[derive(Debug, Default)]
struct SharedFile {
    clock: u64,
    writes: Vec<Write>,
}

#[derive(Debug)]
struct Write {
    content: Content,
    began: u64,
    acknowledged: Option<u64>,
}

fn write_shared(dav: &Dav, random: &mut Random, shared: &Mutex<SharedFile>) -> bool {
    let length = 1 + random.below(300_000);
    let body = random.bytes(length);
    let index = {
        let mut shared = shared.lock().expect("not poisoned");
        shared.clock += 1;
        let began = shared.clock;
        shared.writes.push(Write { content: (body.len(), sha256(&body)), began, acknowledged: None });
        shared.writes.len() - 1
    };
    let Ok(reply) = dav.put(SHARED, body).attempt() else { return false };
    assert!(matches!(reply.status, 201 | 204), "{reply:?}");
    let mut shared = shared.lock().expect("not poisoned");
    shared.clock += 1;
    let now = shared.clock;
    shared.writes[index].acknowledged = Some(now);
    true
}

fn check_shared(dav: &Dav, shared: &mut SharedFile, told: &str) {
    let last_began = shared.writes.iter().filter(|write| write.acknowledged.is_some()).map(|write| write.began).max();
    let reply = dav.get(SHARED).send();
    if reply.status == 404 {
        assert_eq!(last_began, None, "{told}: the shared file is lost");
        return;
    }
    let body = reply.expect(200).body;
    let content = (body.len(), sha256(&body));
    let found = shared.writes.iter().find(|write| write.content == content);
    let found = found.unwrap_or_else(|| panic!("{told}: the shared file holds {} bytes nobody wrote", body.len()));
    let replaced = shared.writes.iter().any(|write| {
        write.acknowledged.is_some() && found.acknowledged.is_some_and(|acknowledged| write.began > acknowledged)
    });
    assert!(!replaced, "{told}: an older content of the shared file came back");
    // What the server shows now is settled: it counts as acknowledged for the next kill, and the others are gone.
    shared.clock += 1;
    let settled = Write { content, began: shared.clock, acknowledged: Some(shared.clock) };
    shared.writes = vec![settled];
}
