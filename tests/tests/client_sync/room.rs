//! No room left, on either side: said clearly, and it goes on once there is.

use std::path::Path;
use std::process::Command;

use stitchbox_tests::{Client, Daemon, skip};
use tempfile::TempDir;

use crate::tree::{assert_equal, noise, write};

#[test]
fn a_full_space_is_said_and_goes_on_with_more_room() {
    let daemon = Daemon::start();
    daemon.user("ada");
    daemon.space("ring", &[("ada", "editor")]);
    daemon.admin(&["space", "set-quota", "ring", "1MiB"]).succeeded();
    let (client, a, b) = (Client::new(&daemon, "ada"), TempDir::new().unwrap(), TempDir::new().unwrap());
    write(a.path(), "fits", b"small");
    write(a.path(), "too large", &noise(3 << 20, 1));
    let full = client.run(&["sync", &a.path().display().to_string(), "ring:/"]);
    assert_eq!(full.status.code(), Some(4), "{full:?}");
    assert!(full.stdout.contains("too large") && full.stdout.contains("room"), "{full:?}");
    daemon.admin(&["space", "set-quota", "ring", "none"]).succeeded();
    client.sync(a.path(), "ring:/");
    client.sync(b.path(), "ring:/");
    assert_equal(a.path(), b.path());
}

/// A small file system that goes with its value.
struct Small<'a>(&'a Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_here_is_said_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|done| done.status.success()) {
        skip!("client_sync.disk_full", "a small file system cannot be mounted here (not root)");
    }
    let small = Small(folder.path());
    let daemon = Daemon::start();
    daemon.user("ada");
    let (client, a) = (Client::new(&daemon, "ada"), TempDir::new().unwrap());
    write(a.path(), "fits", b"small");
    write(a.path(), "too large", &noise(6 << 20, 1));
    client.sync(a.path(), "ada:/work");
    let local = small.0.display().to_string();
    let full = client.run(&["sync", &local, "ada:/work"]);
    assert!(!full.status.success(), "{full:?}");
    assert_eq!(std::fs::read(small.0.join("fits")).unwrap(), b"small");
    assert!(!small.0.join("too large").exists(), "half a file shows");
    let grown = Command::new("mount").args(["-o", "remount,size=32m"]).arg(small.0).status();
    assert!(grown.is_ok_and(|status| status.success()));
    client.sync(small.0, "ada:/work");
    assert_equal(a.path(), small.0);
}
