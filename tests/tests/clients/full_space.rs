//! A full space: rclone deletes what it failed to replace, so the old content must be in the trash, quota or not.

use std::fs;

use stitchbox_tests::{Daemon, skip};

use crate::folders::noise;
use crate::rclone::Rclone;

#[test]
fn what_rclone_deletes_after_a_failed_update_can_be_brought_back() {
    let daemon = Daemon::start();
    let dav = daemon.user("rita");
    daemon.admin(&["space", "add", "small", "--quota", "100000"]).succeeded();
    daemon.admin(&["space", "member", "small", "rita", "manager"]).succeeded();
    let small = dav.at("/dav/spaces/small");
    let Some(rclone) = Rclone::new(&dav, "owncloud", "/dav/spaces/small", "rita") else {
        skip!("rclone", "the program rclone is not installed");
    };
    let local = rclone.folder("local");
    fs::write(local.join("data.bin"), noise(60_000, 3)).unwrap();
    rclone.does(&["copy", local.to_str().unwrap(), "box:"]);
    let old = small.read("/data.bin");

    fs::write(local.join("data.bin"), noise(160_000, 4)).unwrap();
    let failed = rclone.attempt(&["copy", local.to_str().unwrap(), "box:"]);
    assert_ne!(failed.code, Some(0), "there is no room for it");
    if small.exists("/data.bin") {
        assert_eq!(small.read("/data.bin"), old, "a newer rclone leaves the old content alone");
        return;
    }
    let trash = dav.at("/dav/spaces/trash-bin/small").list("");
    assert_eq!(trash.len(), 1, "{trash:?}");
    let entry = format!("{}{}", dav.base(), trash[0].href);
    dav.call_url("MOVE", &entry).header("Destination", &small.url("/data.bin")).send().expect(201);
    assert_eq!(small.read("/data.bin"), old);
}
