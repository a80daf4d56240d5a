//! Two machines of one person, kept the same by a sync client people already have.

use std::fs;
use std::time::Duration;

use stitchbox_tests::{Daemon, skip};

use crate::folders::{assert_same, contents, fill, noise, times, write};
use crate::sync_client::{Program, SyncClient};

/// More than one piece of an upload in pieces (10 MB).
const LARGE: usize = 12_000_000;

#[test]
fn nextcloudcmd_keeps_two_machines_the_same() {
    two_way(Program::Nextcloud);
}

#[test]
fn owncloudcmd_keeps_two_machines_the_same() {
    two_way(Program::OwnCloud);
}

fn two_way(program: Program) {
    if !program.is_installed() {
        skip!(program.name(), "the program {} is not installed", program.name());
    }
    let daemon = Daemon::start();
    let client = SyncClient::new(program, &daemon, "tove");
    everything_arrives(&client);
    changes_are_passed_on(&client);
    what_others_change_is_seen(&client);
    conflicts_keep_both(&client);
    an_edit_wins_over_a_deletion(&client);
    kinds_and_letters_change(&client);
    a_cut_upload_is_invisible_and_completes(&client);
    many_small_files(&client);
    client.sync("b");
    client.sync("a");
    for machine in ["a", "b"] {
        forget_conflicts(&client, machine);
    }
    assert_same(&client.folder("a"), &client.folder("b"));
    daemon.verify_clean();
}

fn everything_arrives(client: &SyncClient) {
    let (a, b) = (client.folder("a"), client.folder("b"));
    fill(&a, LARGE);
    client.sync("a");
    client.sync("b");
    assert_same(&a, &b);
    assert_eq!(times(&a), times(&b));
    let nothing = client.sync("b");
    assert_eq!(nothing.transfers(), 0, "nothing had changed:\n{}", nothing.tail());
}

fn changes_are_passed_on(client: &SyncClient) {
    let (a, b) = (client.folder("a"), client.folder("b"));
    write(&b, "plain.txt", "edited");
    fs::rename(b.join("large.bin"), b.join("deep/large renamed.bin")).unwrap();
    fs::rename(b.join("Üñï dir"), b.join("renamed dir")).unwrap();
    fs::remove_file(b.join("deep/s3.txt")).unwrap();
    fs::remove_dir(b.join("empty folder")).unwrap();
    let pushed = client.sync("b");
    assert!(pushed.moves() >= 2, "a rename is a MOVE:\n{}", pushed.tail());
    let pulled = client.sync("a");
    assert_same(&a, &b);
    assert!(pulled.downloads() <= 1, "only the edited file is downloaded, not what was renamed:\n{}", pulled.tail());
}

fn what_others_change_is_seen(client: &SyncClient) {
    let a = client.folder("a");
    client.dav.write("/deep/er/est/leaf.txt", "changed far below");
    client.dav.write("/deep/by dav.txt", "from plain WebDAV");
    client.dav.rename("/deep/s4.txt", "/deep/s4 moved.txt").send().expect(201);
    client.sync("a");
    let found = contents(&a);
    let text = |name: &str| found.get(name).and_then(Clone::clone).map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(text("deep/er/est/leaf.txt").as_deref(), Some("changed far below"));
    assert_eq!(text("deep/by dav.txt").as_deref(), Some("from plain WebDAV"));
    assert_eq!((text("deep/s4.txt"), text("deep/s4 moved.txt").as_deref()), (None, Some("small 4")));
    client.sync("b");
}

fn conflicts_keep_both(client: &SyncClient) {
    let (a, b) = (client.folder("a"), client.folder("b"));
    write(&a, "plain.txt", "AAAA version");
    write(&b, "plain.txt", "BBBBBB version");
    client.sync("a");
    // Who finds a conflict may end with an error, and has it solved with the next run.
    for machine in ["b", "a", "b"] {
        client.try_sync(machine, &[], Duration::from_secs(60));
    }
    let texts: Vec<Vec<u8>> =
        [&a, &b].into_iter().flat_map(|folder| contents(folder).into_values().flatten()).collect();
    for version in ["AAAA version", "BBBBBB version"] {
        assert!(texts.iter().any(|text| text == version.as_bytes()), "{version} was lost");
    }
    assert_eq!(fs::read(a.join("plain.txt")).unwrap(), fs::read(b.join("plain.txt")).unwrap());
}

fn an_edit_wins_over_a_deletion(client: &SyncClient) {
    let (a, b) = (client.folder("a"), client.folder("b"));
    fs::remove_file(a.join("deep/s5.txt")).unwrap();
    write(&b, "deep/s5.txt", "precious edit");
    client.sync("a");
    client.sync("b");
    client.sync("a");
    for folder in [&a, &b] {
        assert_eq!(fs::read_to_string(folder.join("deep/s5.txt")).unwrap(), "precious edit");
    }
}

fn kinds_and_letters_change(client: &SyncClient) {
    let (a, b) = (client.folder("a"), client.folder("b"));
    fs::remove_file(a.join("deep/s6.txt")).unwrap();
    write(&a, "deep/s6.txt/in", "a file became a folder");
    fs::rename(a.join("deep/s7.txt"), a.join("deep/S7.TXT")).unwrap();
    client.sync("a");
    client.sync("b");
    assert_eq!(fs::read_to_string(b.join("deep/s6.txt/in")).unwrap(), "a file became a folder");
    assert!(b.join("deep/S7.TXT").exists() && !b.join("deep/s7.txt").exists());
}

fn a_cut_upload_is_invisible_and_completes(client: &SyncClient) {
    let (a, b) = (client.folder("a"), client.folder("b"));
    let large = noise(24_000_000, 2);
    write(&a, "cut.bin", &large);
    let cut = client.try_sync("a", &["--uplimit", "3000"], Duration::from_secs(3));
    assert_eq!(cut.code, None, "it was to be cut in the middle:\n{}", cut.tail());
    assert!(!client.dav.exists("/cut.bin"), "half a file is seen by nobody");
    // The first run after the cut may only tidy up.
    if client.try_sync("a", &[], Duration::from_secs(60)).code != Some(0) {
        client.sync("a");
    }
    client.sync("b");
    assert!(fs::read(b.join("cut.bin")).unwrap() == large);
}

fn many_small_files(client: &SyncClient) {
    let a = client.folder("a");
    for count in 0..200 {
        write(&a, &format!("many/f{count}"), format!("m{count}"));
    }
    client.sync("a");
    assert_eq!(client.dav.names("/many").len(), 200);
    let nothing = client.sync("a");
    assert_eq!(nothing.transfers(), 0, "nothing had changed:\n{}", nothing.tail());
    fs::remove_dir_all(a.join("many")).unwrap();
    client.sync("a");
    assert!(!client.dav.exists("/many"));
}

fn forget_conflicts(client: &SyncClient, machine: &str) {
    let folder = client.folder(machine);
    for name in contents(&folder).into_keys().filter(|name| name.contains("conflict")) {
        fs::remove_file(folder.join(name)).unwrap();
    }
}
