//! Two folders that meet through the server.

use std::fs;

use stitchbox_tests::{Client, Daemon};
use tempfile::TempDir;

use crate::tree::{assert_equal, noise, tree, write};

const REMOTE: &str = "ada:/work";

fn house() -> (Daemon, Client, TempDir, TempDir) {
    let daemon = Daemon::start();
    daemon.user("ada");
    let client = Client::new(&daemon, "ada");
    (daemon, client, TempDir::new().unwrap(), TempDir::new().unwrap())
}

#[test]
fn what_one_writes_the_other_gets_and_nothing_moves_twice() {
    let (daemon, client, a, b) = house();
    write(a.path(), "mirror 1/ü/notes 01.txt", &noise(70_000, 1));
    write(a.path(), "mirror 1/empty", b"");
    write(a.path(), "big", &noise(20 << 20, 2));
    for number in 0..300 {
        write(a.path(), &format!("many/{number}"), format!("content {number}").as_bytes());
    }
    fs::create_dir(a.path().join("an empty folder")).unwrap();
    let sent = client.sync(a.path(), REMOTE);
    assert_eq!(sent["uploaded"], 303, "{sent}");
    let fetched = client.sync(b.path(), REMOTE);
    assert_eq!(fetched["downloaded"], 303, "{fetched}");
    assert_equal(a.path(), b.path());
    for folder in [&a, &b] {
        let again = client.sync(folder.path(), REMOTE);
        assert_eq!(
            (&again["uploaded"], &again["downloaded"], &again["moved"]),
            (&0.into(), &0.into(), &0.into()),
            "{again}"
        );
    }
    // the other way, and with times kept to the nanosecond
    write(b.path(), "mirror 1/ü/notes 01.txt", b"measured again");
    fs::remove_file(b.path().join("many/7")).unwrap();
    client.sync(b.path(), REMOTE);
    client.sync(a.path(), REMOTE);
    assert_equal(a.path(), b.path());
    let time =
        |folder: &TempDir| fs::metadata(folder.path().join("mirror 1/ü/notes 01.txt")).unwrap().modified().unwrap();
    assert_eq!(time(&a), time(&b));
    daemon.verify_clean();
}

#[test]
fn a_renamed_folder_moves_no_bytes() {
    let (_daemon, client, a, b) = house();
    for number in 0..20 {
        write(a.path(), &format!("old/{number}"), &noise(5000, number));
    }
    client.sync(a.path(), REMOTE);
    client.sync(b.path(), REMOTE);
    fs::rename(a.path().join("old"), a.path().join("new")).unwrap();
    let (there, here) = (client.sync(a.path(), REMOTE), client.sync(b.path(), REMOTE));
    for report in [&there, &here] {
        assert_eq!((&report["uploaded"], &report["downloaded"]), (&0.into(), &0.into()), "{report}");
        assert!(report["moved"].as_u64().unwrap() >= 1, "{report}");
    }
    assert_equal(a.path(), b.path());
    assert!(!b.path().join("old").exists());
}

#[test]
fn a_conflict_keeps_both() {
    let (_daemon, client, a, b) = house();
    write(a.path(), "notes.txt", b"first");
    client.sync(a.path(), REMOTE);
    client.sync(b.path(), REMOTE);
    write(a.path(), "notes.txt", b"from a");
    write(b.path(), "notes.txt", b"from b");
    client.sync(a.path(), REMOTE);
    let report = client.sync(b.path(), REMOTE);
    assert_eq!(report["conflicts"].as_array().unwrap().len(), 1, "{report}");
    client.sync(a.path(), REMOTE);
    assert_equal(a.path(), b.path());
    let mut contents: Vec<Vec<u8>> = tree(a.path()).into_values().flatten().collect();
    contents.sort();
    assert_eq!(contents, [b"from a".to_vec(), b"from b".to_vec()]);
}

#[test]
fn a_dry_run_changes_nothing_and_much_deleting_asks_first() {
    let (daemon, client, a, b) = house();
    for number in 0..60 {
        write(a.path(), &format!("f{number}"), b"x");
    }
    let local = a.path().display().to_string();
    let plan = client.run(&["sync", &local, REMOTE, "--dry-run"]).succeeded();
    assert_eq!(plan.stdout.lines().filter(|line| line.contains("f1")).count(), 11, "{}", plan.stdout);
    assert!(!daemon.client("ada").exists("/work/f1"));
    client.sync(a.path(), REMOTE);
    client.sync(b.path(), REMOTE);
    for number in 0..60 {
        fs::remove_file(a.path().join(format!("f{number}"))).unwrap();
    }
    let refused = client.run(&["sync", &local, REMOTE]).refused();
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    assert!(refused.stderr.contains("--confirm-deletes"), "{refused:?}");
    assert!(daemon.client("ada").exists("/work/f1"));
    client.run(&["sync", &local, REMOTE, "--confirm-deletes"]).succeeded();
    assert!(!daemon.client("ada").exists("/work/f1"));
}

#[test]
fn of_an_edited_large_file_only_the_difference_travels() {
    let (daemon, client, a, _) = house();
    let proxy = crate::counting::Proxy::to(daemon.base());
    let mut content = noise(40 << 20, 11);
    write(a.path(), "map.bin", &content);
    let local = a.path().display().to_string();
    let sync = || client.run(&["sync", &local, REMOTE, "--json", "--server", &proxy.address()]).succeeded();
    sync();
    let whole = proxy.take_sent();
    content.splice(20_000_000..20_000_000, b"a line that was missing".iter().copied());
    write(a.path(), "map.bin", &content);
    sync();
    let difference = proxy.take_sent();
    assert!(whole > 40 << 20 && difference < 10 << 20, "{whole} bytes at first, {difference} for the difference");
    assert!(daemon.client("ada").read("/work/map.bin") == content);
}

#[test]
fn nothing_new_is_one_request() {
    let (daemon, client, a, _) = house();
    for number in 0..500 {
        write(a.path(), &format!("d{}/f{number}", number % 10), b"");
    }
    let proxy = crate::counting::Proxy::to(daemon.base());
    let local = a.path().display().to_string();
    let sync = || client.run(&["sync", &local, REMOTE, "--server", &proxy.address()]).succeeded();
    sync();
    sync();
    proxy.take_requests();
    sync();
    assert_eq!(proxy.take_requests(), 1);
}
