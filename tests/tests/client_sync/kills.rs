//! Client and server are killed at random moments of a two-way synchronisation: afterwards both sides are equal, nothing
//! that was there is missing, and nobody sees a conflict that was none.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use stitchbox_tests::{Client, Daemon, Random, Settings};
use tempfile::TempDir;

use crate::tree::{assert_equal, noise, tree, write};

const REMOTE: &str = "ada:/work";
/// Files on each side at the beginning.
const FILES: u64 = 1000;

/// A server whose address stays the same when it is started again.
fn house() -> (Daemon, Client, TempDir, TempDir) {
    let mut daemon = Daemon::prepared(Settings::quick());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    daemon.listen(&format!("127.0.0.1:{port}"));
    daemon.restart();
    daemon.user("ada");
    let client = Client::new(&daemon, "ada");
    (daemon, client, TempDir::new().unwrap(), TempDir::new().unwrap())
}

/// A thousand files that the folder `who` brings; some large enough for several buffers, one for chunks.
fn fill(folder: &Path, who: &str, seed: u64) {
    let mut random = Random::new(seed);
    for number in 0..FILES {
        let size = if number % 50 == 0 { 200_000 } else { random.below(4000) };
        write(folder, &format!("{who}/{}/{number}", number % 20), &noise(size, seed + number));
    }
    write(folder, &format!("{who}/large"), &noise(20 << 20, seed));
}

fn settle(client: &Client, a: &Path, b: &Path) {
    for folder in [a, b, a, b] {
        client.sync(folder, REMOTE);
    }
}

#[test]
fn a_client_killed_thirty_times_loses_and_invents_nothing() {
    let (daemon, client, a, b) = house();
    fill(a.path(), "a", 1);
    fill(b.path(), "b", 1_000_000);
    let mut expected = tree(a.path());
    expected.extend(tree(b.path()));
    let seed = std::env::var("STITCHBOX_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let mut random = Random::new(seed);
    for round in 0..30 {
        let folder = if round % 2 == 0 { a.path() } else { b.path() };
        let mut child = client.start(&["sync", &folder.display().to_string(), REMOTE, "--quiet"]);
        std::thread::sleep(Duration::from_millis(20 + random.below(500) as u64));
        // it may be done already
        let _ = child.kill();
        let _ = child.wait();
        if round == 10 {
            write(a.path(), "a/edited later", b"by a");
            expected.insert("a/edited later".to_owned(), Some(b"by a".to_vec()));
        }
    }
    settle(&client, a.path(), b.path());
    assert_equal(a.path(), b.path());
    let there = tree(a.path());
    let missing: Vec<&String> = expected.iter().filter(|(p, c)| there.get(*p) != Some(c)).map(|(p, _)| p).collect();
    let invented: Vec<&String> = there.keys().filter(|path| !expected.contains_key(*path)).collect();
    assert!(missing.is_empty() && invented.is_empty(), "seed {seed}: missing {missing:?}, invented {invented:?}");
    daemon.verify_clean();
}

#[test]
fn a_server_killed_during_a_two_way_sync_of_two_thousand_files_is_forgiven() {
    let (mut daemon, client, a, b) = house();
    fill(a.path(), "a", 1);
    fill(b.path(), "b", 1_000_000);
    let mut expected = tree(a.path());
    expected.extend(tree(b.path()));
    let mut random = Random::new(9);
    for _ in 0..4 {
        let children: Vec<_> = [a.path(), b.path()]
            .map(|folder| client.start(&["sync", &folder.display().to_string(), REMOTE, "--quiet"]))
            .into_iter()
            .collect();
        std::thread::sleep(Duration::from_millis(200 + random.below(1500) as u64));
        daemon.kill();
        std::thread::sleep(Duration::from_millis(300));
        daemon.restart();
        for mut child in children {
            // what it says of the interruption is not the point here
            let _ = child.wait();
        }
    }
    settle(&client, a.path(), b.path());
    assert_equal(a.path(), b.path());
    let there = tree(a.path());
    assert!(there == expected, "{} items instead of {}", there.len(), expected.len());
    assert!(!fs::read_dir(a.path()).unwrap().any(|e| e.unwrap().file_name().to_string_lossy().contains("part")));
    daemon.verify_clean();
}
