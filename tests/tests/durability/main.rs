//! Invariant 1, by force: `kill -9` at random instants of a mixed workload loses nothing acknowledged and shows
//! nothing half-written. A model of the acknowledged state is compared with the real tree after every restart;
//! the one request under way when the server dies may have happened entirely or not at all.
//!
//! `STITCHBOX_KILLS` sets the number of kills (default 52), `STITCHBOX_KILL_SEED` the seed; both are printed.

mod actions;
mod shared;
mod tree;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stitchbox_tests::{Daemon, Dav, Postgres, Random, Settings, say, sha256, skip};

use actions::{Action, choose, name_of, perform};
use shared::{SharedFile, check_shared, write_shared};
use tree::{Tree, difference};

/// Each generation starts on a fresh folder, so that `verify` does not re-hash the history of all kills.
const KILLS_PER_GENERATION: usize = 13;
const CLIENTS: usize = 4;

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
                    run_generation(seed + generation as u64, count, Settings::quick(), &score, &done);
                }
            });
        }
    });
    let done = done.load(Ordering::SeqCst);
    score.tell("SQLite", done, seed, start);
    assert_eq!(done as usize, kills);
}

#[test]
fn the_same_on_postgresql() {
    let cluster = match Postgres::start() {
        Ok(cluster) => cluster,
        Err(why) => skip!("kill test on PostgreSQL", "{why}"),
    };
    let (start, score, done) = (Instant::now(), Score::default(), AtomicU64::new(0));
    run_generation(42, 8, Settings::quick().with("DATABASE__URL", &cluster.url()), &score, &done);
    score.tell("PostgreSQL", done.load(Ordering::SeqCst), 42, start);
}
impl Score {
    fn tell(&self, database: &str, kills: u64, seed: u64, start: Instant) {
        let [acknowledged, large, under_way, happened, files, bytes] = [
            &self.acknowledged,
            &self.large,
            &self.under_way,
            &self.happened,
            &self.files_checked,
            &self.bytes_checked,
        ]
        .map(|count| count.load(Ordering::SeqCst));
        say(&format!(
            "kill test on {database}: {kills} SIGKILLs (seed {seed}), {acknowledged} requests acknowledged ({large} large), \
             {under_way} under way at a kill ({happened} of them had happened, the rest had not), {files} files with {} MiB \
             compared after the restarts, 0 lost, 0 half-visible, verify clean {kills} times, {} s",
            bytes >> 20,
            start.elapsed().as_secs()
        ));
    }
}

fn run_generation(seed: u64, kills: usize, settings: Settings, score: &Score, done: &AtomicU64) {
    let mut random = Random::new(seed);
    let mut daemon = Daemon::start_with(settings);
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
            let told = format!(
                "seed {seed}, kill {kill}, client {client}, under way: {:?}",
                past.under_way.as_ref().map(name_of)
            );
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
