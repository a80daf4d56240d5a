//! What a run wrote, through a sync client: readable, not writable, and gone for good when somebody deletes it.

use std::fs;
use std::time::Duration;

use stitchbox_tests::{Daemon, Series, skip};

use crate::folders::{contents, write};
use crate::sync_client::{Program, SyncClient};

#[test]
fn nextcloudcmd_respects_what_a_run_wrote() {
    derived(Program::Nextcloud);
}

#[test]
fn owncloudcmd_respects_what_a_run_wrote() {
    derived(Program::OwnCloud);
}

fn derived(program: Program) {
    if !program.is_installed() {
        skip!(program.name(), "the program {} is not installed", program.name());
    }
    let daemon = Daemon::start();
    let client = SyncClient::new(program, &daemon, "dora");
    let api = daemon.api("dora");
    let a = client.folder("a");
    let series = Series::new(3);
    write(&a, "m/stitch.toml", stitchbox_tests::expected_recipe(3));
    series.write(&a.join("m"));
    client.sync("a");
    api.wait_run("m", "done");
    client.sync("a");
    let summary = fs::read(a.join("m/Stitched/summary.json")).expect("the results have arrived");

    edits_are_kept_aside(&client, &summary);
    a_deletion_is_final(&client, &api);
}

/// The server's content stays and comes back; what the person wrote is not lost; and it does not go on for ever.
fn edits_are_kept_aside(client: &SyncClient, summary: &[u8]) {
    let a = client.folder("a");
    write(&a, "m/Stitched/summary.json", "my own words");
    for _ in 0..2 {
        client.try_sync("a", &[], Duration::from_secs(60));
    }
    assert_eq!(client.dav.read("/m/Stitched/summary.json"), summary, "the server keeps what the run wrote");
    assert_eq!(fs::read(a.join("m/Stitched/summary.json")).expect("it is restored"), summary);
    let kept = contents(&a).into_values().flatten().any(|text| text == b"my own words");
    assert!(kept, "what somebody wrote is kept in a file of its own");
    // Whatever the client does with the copy in a folder it may not write into, nothing goes up or down for ever.
    let before = client.dav.entry("/").etag();
    let log = client.try_sync("a", &[], Duration::from_secs(60));
    assert_eq!(client.dav.entry("/").etag(), before, "the client does not loop:\n{}", log.tail());
    assert_eq!(fs::read(a.join("m/Stitched/summary.json")).expect("it is there"), summary);
}

fn a_deletion_is_final(client: &SyncClient, api: &stitchbox_tests::Api) {
    let a = client.folder("a");
    fs::remove_dir_all(a.join("m/Stitched")).unwrap();
    client.sync("a");
    assert!(!client.dav.exists("/m/Stitched"));
    api.wait_run("m", "outputs_removed");
    let quiet = client.sync("a");
    assert_eq!(quiet.transfers(), 0, "nothing comes back:\n{}", quiet.tail());
    assert!(!a.join("m/Stitched").exists());
}
