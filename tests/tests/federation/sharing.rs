//! Share, read, write and take back between two sites.

use serde_json::json;
use stitchbox_tests::sha256;

use crate::world::{Pair, name, shared};

#[test]
fn a_folder_is_read_written_and_taken_back() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/raw 01 ü.dat", "first");
    ada.dav().mkcol("/mirror/sub").send().expect(201);
    ada.dav().write("/mirror/sub/deep", "deep");
    let share = shared(&ada, &eve, "editor");
    ada.wait_delivery(&share, "accepted");
    assert_eq!(eve.dav().names("/Shares/mirror"), ["raw 01 ü.dat", "sub"]);
    assert_eq!(eve.dav().read("/Shares/mirror/raw 01 ü.dat"), b"first");
    assert_eq!(eve.dav().read("/Shares/mirror/sub/deep"), b"deep");
    // there and back
    eve.dav().write("/Shares/mirror/from eve", "by eve");
    assert_eq!(ada.dav().read("/mirror/from eve"), b"by eve");
    eve.dav().write("/Shares/mirror/raw 01 ü.dat", "second");
    assert_eq!(ada.dav().read("/mirror/raw 01 ü.dat"), b"second");
    eve.dav().mkcol("/Shares/mirror/made").send().expect(201);
    eve.dav().rename("/Shares/mirror/sub/deep", "/Shares/mirror/made/deeper").send().expect(201);
    eve.dav().delete("/Shares/mirror/from eve").send().expect(204);
    assert_eq!(ada.dav().names("/mirror"), ["made", "raw 01 ü.dat", "sub"]);
    assert_eq!(ada.dav().read("/mirror/made/deeper"), b"deep");
    // what changes here is seen there, and moves the ETag of everything above
    let before = eve.dav().entry("/Shares").etag();
    ada.dav().write("/mirror/sub/new", "from ada");
    eve.wait_content("/Shares/mirror/sub/new", b"from ada");
    assert_ne!(eve.dav().entry("/Shares").etag(), before);
    ada.dav().write("/mirror/raw 01 ü.dat", "third");
    eve.wait_content("/Shares/mirror/raw 01 ü.dat", b"third");
    ada.revoke(&share);
    eve.wait_gone("/Shares/mirror");
    assert!(ada.shares().is_empty());
    pair.here.verify_clean();
    pair.there.verify_clean();
}

#[test]
fn who_may_only_read_changes_nothing() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "content");
    shared(&ada, &eve, "viewer");
    let at = "/Shares/mirror/f";
    assert_eq!(eve.dav().read(at), b"content");
    eve.dav().put(at, "mine").send().expect(403);
    eve.dav().put("/Shares/mirror/new", "mine").send().expect(403);
    eve.dav().delete(at).send().expect(403);
    eve.dav().rename(at, "/Shares/mirror/g").send().expect(403);
    eve.dav().mkcol("/Shares/mirror/sub").send().expect(403);
    let letters = eve.dav().entry(at).oc("permissions").unwrap_or_default().to_owned();
    assert!(letters.contains('G') && !letters.contains(['W', 'D', 'N', 'V', 'C', 'K']), "{letters}");
    assert_eq!(ada.dav().names("/mirror"), ["f"]);
}

#[test]
fn a_contributor_brings_new_files_and_changes_none() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "content");
    shared(&ada, &eve, "contributor");
    eve.dav().write("/Shares/mirror/new", "brought");
    assert_eq!(ada.dav().read("/mirror/new"), b"brought");
    assert_eq!(eve.dav().put("/Shares/mirror/f", "mine").send().status, 403);
    assert_eq!(eve.dav().delete("/Shares/mirror/f").send().status, 403);
    assert_eq!(ada.dav().read("/mirror/f"), b"content");
}

#[test]
fn a_single_file_is_a_file_there() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    let content: Vec<u8> = (0..3_000_000u32).map(|number| (number % 253) as u8).collect();
    ada.dav().write("/height.h5", content.clone());
    let share = ada.share("/height.h5", eve.id(), "editor");
    eve.accept("height.h5");
    let at = "/Shares/height.h5";
    eve.wait_path(at);
    let entry = eve.dav().entry(at);
    assert!(!entry.is_folder(), "{entry:?}");
    let part = eve.dav().get(at).header("Range", "bytes=1000000-1000099").send().expect(206);
    assert_eq!(part.body, &content[1_000_000..1_000_100]);
    assert_eq!(sha256(&eve.dav().read(at)), sha256(&content));
    eve.dav().write(at, "short");
    assert_eq!(ada.dav().read("/height.h5"), b"short");
    ada.revoke(&share);
    eve.wait_gone(at);
}

#[test]
fn a_large_file_goes_both_ways_and_by_parts() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    ada.dav().mkcol("/mirror").send().expect(201);
    let content: Vec<u8> = (0..40 << 20).map(|number: u32| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    ada.dav().write("/mirror/large", content.clone());
    shared(&ada, &eve, "editor");
    let last = eve.dav().get("/Shares/mirror/large").header("Range", "bytes=-1000").send().expect(206);
    assert_eq!(last.body, &content[content.len() - 1000..]);
    assert!(eve.dav().read("/Shares/mirror/large") == content);
    eve.dav().write("/Shares/mirror/back", content.clone());
    assert_eq!(sha256(&ada.dav().read("/mirror/back")), sha256(&content));
}

#[test]
fn a_group_there_gets_a_share_and_who_leaves_it_sees_nothing() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    let max = pair.there.new_person(&name("max"));
    let group = name("lab");
    pair.there.admin(&["group", "add", &group]).succeeded();
    for person in [&eve, &max] {
        pair.there.admin(&["group", "member", &group, person.name()]).succeeded();
    }
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "for the lab");
    let made = ada.try_share("/mirror", &pair.there.id(&group), "viewer", &json!({"kind": "federated_group"}));
    let share = made.expect(201).json();
    eve.accept("mirror");
    for person in [&eve, &max] {
        person.wait_path("/Shares/mirror/f");
        assert_eq!(person.dav().read("/Shares/mirror/f"), b"for the lab");
    }
    ada.revoke(&share);
    eve.wait_gone("/Shares/mirror");
    max.wait_gone("/Shares/mirror");
}

#[test]
fn everybody_with_access_is_listed_and_the_audit_tells_the_story() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "content");
    let share = shared(&ada, &eve, "viewer");
    eve.dav().read("/Shares/mirror/f");
    let access = ada.access("/mirror").to_string();
    assert!(access.contains(eve.id()), "{access}");
    ada.revoke(&share);
    let audit = ada.get(&format!("audit?share={}", share["id"].as_str().unwrap())).expect(200).json();
    let events: Vec<&str> =
        audit["audit"].as_array().into_iter().flatten().filter_map(|e| e["event"].as_str()).collect();
    assert!(events.len() >= 3, "granted, used, revoked: {audit}");
    assert!(!audit.to_string().contains("secret"), "{audit}");
}

#[test]
fn the_same_name_twice_and_a_name_that_is_taken_become_two_entries() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    for folder in ["/mirror", "/x", "/x/mirror"] {
        ada.dav().mkcol(folder).send().expect(201);
    }
    ada.dav().write("/mirror/one", "1");
    ada.dav().write("/x/mirror/two", "2");
    ada.share("/mirror", eve.id(), "viewer");
    eve.accept("mirror");
    ada.share("/x/mirror", eve.id(), "viewer");
    eve.accept("mirror");
    eve.wait_path("/Shares/mirror (2)");
    assert_eq!(eve.dav().names("/Shares"), ["mirror", "mirror (2)"]);
    eve.wait_path("/Shares/mirror/one");
    eve.wait_path("/Shares/mirror (2)/two");
}
