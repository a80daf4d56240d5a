//! Peers that are down, slow, lying or killed: what a local user still sees, and what is done later. Writes the table
//! `target/federation-faults.md`.

use std::io::Read;

use serde_json::Value;
use stitchbox_tests::federation::{Answer, Dialect, FakePeer, Fault, Mode, Person, Site, SiteSettings, Tree};
use stitchbox_tests::{Random, sha256, wait_until};

use crate::tables;
use crate::world::shared;

/// Faults of a peer that answers something else than it should.
const FAULTS: usize = 11;

fn noise(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(7);
    (0..bytes / 8).flat_map(|_| random.bits().to_le_bytes()).collect()
}

/// Two sites, the sharing one behind a gate, and a folder with some files that is shared as editor.
fn house() -> (Site, Site, Person, Person, Value) {
    let other = std::thread::spawn(Site::start);
    let here = Site::start_with(SiteSettings::default().gated());
    let there = other.join().expect("a site");
    let (ada, eve) = (here.new_person("ada"), there.new_person("eve"));
    ada.dav().mkcol("/mirror").send().expect(201);
    for number in 0..20 {
        ada.dav().write(&format!("/mirror/f{number:02}"), format!("content {number}"));
    }
    let share = shared(&ada, &eve, "editor");
    eve.wait_path("/Shares/mirror/f19");
    (here, there, ada, eve, share)
}

fn listing(person: &Person, path: &str) -> usize {
    person.dav().names(path).len()
}

#[test]
fn a_peer_killed_in_the_middle_of_a_transfer_cuts_it_and_leaves_no_half_file() {
    let (mut here, there, ada, eve, _) = house();
    let content = noise(24 << 20);
    ada.dav().write("/mirror/large", content.clone());
    eve.wait_path("/Shares/mirror/large");
    // reading: the beginning came, then the other site dies; the reader must see that it is not the whole
    here.gate().set(Mode::CutAfter(3 << 20));
    let reply = eve.dav().get("/Shares/mirror/large").attempt();
    let whole = reply.as_ref().is_ok_and(|reply| reply.status == 200 && reply.body.len() == content.len());
    assert!(!whole, "a cut file cannot be whole");
    if let Ok(reply) = &reply {
        assert_ne!(reply.status, 200, "a 200 that is short: {reply:?}");
    }
    here.gate().set(Mode::Open);
    wait_until("the file again", || eve.dav().get("/Shares/mirror/large").attempt().is_ok_and(|r| r.body == content));
    // writing: every connection is cut after a part; what arrives arrives whole, by going on where it was cut
    here.gate().set(Mode::CutUploadAfter(1 << 20));
    let cut = eve.dav().put("/Shares/mirror/in parts", content.clone()).send();
    here.gate().set(Mode::Open);
    match cut.status {
        201 => assert_eq!(sha256(&ada.dav().read("/mirror/in parts")), sha256(&content)),
        status => {
            assert!((500..600).contains(&status), "{cut:?}");
            assert!(!ada.dav().exists("/mirror/in parts"), "half a file");
        }
    }
    // the other site is killed under it
    here.kill();
    let refused = eve.dav().put("/Shares/mirror/from eve", content.clone()).send();
    assert!((500..600).contains(&refused.status), "{refused:?}");
    here.restart();
    assert!(!here.person("ada").dav().exists("/mirror/from eve"), "half a file");
    wait_until("the write at last", || {
        matches!(eve.dav().put("/Shares/mirror/from eve", content.clone()).send().status, 201 | 204)
    });
    assert_eq!(sha256(&here.person("ada").dav().read("/mirror/from eve")), sha256(&content));
    // killed while somebody reads through
    ada.dav().write("/mirror/second", noise(16 << 20));
    eve.wait_path("/Shares/mirror/second");
    let mut download = eve.dav().get("/Shares/mirror/second").stream();
    let mut begun = vec![0; 1 << 14];
    download.read_exact(&mut begun).unwrap();
    here.kill();
    let mut rest = Vec::new();
    let ended = download.read_to_end(&mut rest);
    let count = begun.len() + rest.len();
    assert!(ended.is_err() || count == 16 << 20, "ended well after {count} bytes");
    here.restart();
    here.verify_clean();
    there.verify_clean();
}

#[test]
fn a_share_for_a_peer_that_is_down_waits_and_arrives_once() {
    let here = Site::start();
    let mut there = Site::start();
    let (ada, eve) = (here.new_person("ada"), there.new_person("eve"));
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "content");
    there.kill();
    let share = ada.share("/mirror", eve.id(), "viewer");
    assert_eq!(share["delivery"]["state"], "pending", "{share}");
    wait_until("words about the attempt", || {
        ada.share_document(&share["id"])["delivery"]["answer"].as_str().is_some_and(|words| !words.is_empty())
    });
    there.restart();
    ada.wait_delivery(&share, "sent");
    eve.accept("mirror");
    eve.wait_path("/Shares/mirror/f");
    assert_eq!(eve.received().len(), 1, "{:?}", eve.received());
}

#[test]
fn a_share_whose_answer_was_lost_is_not_made_twice() {
    let site = Site::start();
    let ada = site.new_person("ada");
    ada.dav().mkcol("/mirror").send().expect(201);
    let peer = FakePeer::start(Dialect::Nextcloud34);
    // it takes the share, and its answer never comes
    peer.answer_with("/index.php/ocm/shares", Answer::status(503).with("Retry-After", "1"));
    let share = ada.share("/mirror", &peer.id("bob"), "viewer");
    let posts = || peer.requests().iter().filter(|sent| sent.path().ends_with("/ocm/shares")).count();
    wait_until("the second attempt", || posts() >= 2);
    peer.behave();
    ada.wait_delivery(&share, "sent");
    let ids: std::collections::BTreeSet<String> = peer
        .requests()
        .iter()
        .filter(|sent| sent.path().ends_with("/ocm/shares"))
        .map(|sent| sent.json()["providerId"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "every attempt speaks of the same share: {ids:?}");
    assert_eq!(ada.shares().len(), 1);
    // revoked before it could be said: the peer hears nothing of either
    let down = FakePeer::start(Dialect::Nextcloud34);
    down.answer_with("/", Answer::status(503));
    let never = ada.share("/mirror", &down.id("bob"), "viewer");
    ada.revoke(&never);
    down.behave();
    assert_eq!(ada.shares().len(), 1);
}

#[test]
fn a_site_killed_after_it_said_yes_still_delivers() {
    let mut site = Site::start();
    let ada = site.new_person("ada");
    let peer = FakePeer::start(Dialect::Nextcloud34);
    for number in 0..5 {
        let folder = format!("/k{number}");
        ada.dav().mkcol(&folder).send().expect(201);
        ada.share(&folder, &peer.id("bob"), "viewer");
        site.kill();
        site.restart();
        peer.wait_share(folder.trim_start_matches('/'));
    }
    let taken = peer.received().iter().filter(|sent| sent.target.ends_with("/shares") && sent.status < 300).count();
    let names: std::collections::BTreeSet<String> =
        peer.received().iter().map(|sent| sent.body["providerId"].to_string()).collect();
    assert!(names.len() == 5 && taken >= 5, "{names:?}, {taken} taken");
}

#[test]
fn a_dead_peer_costs_nobody_a_listing_and_an_uncached_file_says_why() {
    let (mut here, there, ada, eve, _) = house();
    assert_eq!(eve.dav().read("/Shares/mirror/f00"), b"content 0");
    let mut table = String::from(
        "| the peer | listing | cached file | uncached file | write | what the API says |\n|---|---|---|---|---|---|\n",
    );
    let mut look = |what: &str| {
        let count = listing(&eve, "/Shares/mirror");
        assert_eq!(count, 20, "{what}");
        assert_eq!(eve.dav().propfind("/", "1").send().expect(207).entries().len(), 2, "{what}: Shares in the root");
        let cached = eve.dav().get("/Shares/mirror/f00").send();
        let uncached = eve.dav().get("/Shares/mirror/f07").attempt();
        let uncached = uncached.map_or("cut".to_owned(), |reply| reply.status.to_string());
        let written = eve.dav().put("/Shares/mirror/new", "x").send();
        let received = eve.received();
        let peer = received[0]["peer"].clone();
        let words = peer["error"].as_str().unwrap_or_default().replace(['|', '\n'], " ");
        table.push_str(&format!(
            "| {what} | {count} items | {} | {uncached} | {} | {} |\n",
            cached.status,
            written.status,
            words.chars().take(120).collect::<String>()
        ));
        assert_eq!(cached.body, b"content 0", "{what}: {cached:?}");
        assert!(written.status >= 500, "{what}: {written:?}");
        assert_ne!(uncached, "200", "{what}");
        assert_eq!(peer["reachable"], false, "{what}: {peer}");
        assert!(!peer["last_seen"].is_null() && !words.is_empty(), "{what}: {peer}");
    };
    here.kill();
    wait_until("the trouble to be known", || eve.received()[0]["peer"]["reachable"] == false);
    look("is dead");
    here.restart();
    wait_until("it to be seen again", || eve.received()[0]["peer"]["reachable"] == true);
    here.gate().set(Mode::Silent);
    wait_until("the trouble to be known", || eve.received()[0]["peer"]["reachable"] == false);
    look("says nothing");
    here.gate().set(Mode::Closed);
    look("hangs up");
    here.gate().set(Mode::Open);
    wait_until("it to be seen again", || eve.received()[0]["peer"]["reachable"] == true);
    assert_eq!(eve.dav().read("/Shares/mirror/f07"), b"content 7");
    ada.dav().write("/mirror/after", "back");
    eve.wait_content("/Shares/mirror/after", b"back");
    // while it is dead, others are served as ever
    here.kill();
    let max = there.new_person("max");
    max.dav().write("/own", "own");
    assert_eq!(max.dav().read("/own"), b"own");
    tables::write("federation-outage-of-peers.md", &table);
}

#[test]
fn a_lying_peer_is_caught_and_the_listing_stays() {
    let site = Site::start();
    let ada = site.new_person("ada");
    let peer = FakePeer::start(Dialect::Nextcloud34);
    let content = noise(1 << 20);
    let mut tree = Tree::folder().with("g", b"second").with("sub/h", b"third");
    // one for each fault, so that none was read before
    for number in 0..FAULTS {
        tree.write(&format!("f{number:02}"), &content);
    }
    let (id, _, answer) = peer.shares(&site.origin(), ada.id(), "theirs", tree);
    assert_eq!(answer.status, 201, "{answer:?}");
    ada.accept("theirs");
    ada.wait_path("/Shares/theirs/sub/h");
    let html = || Answer::status(500).with("Content-Type", "text/html").text("<html>Internal Server Error</html>");
    let moved = |to: &str| Answer::status(302).with("Location", to);
    let fault = |fault: Fault| Answer { fault: Some(fault), ..Answer::status(200) };
    let mut table = String::from("| the peer answers | GET here | listing |\n|---|---|---|\n");
    let cases: [_; FAULTS] = [
        ("500 with HTML", html()),
        (
            "200 with HTML instead of a multistatus and of the file",
            Answer::status(200).text("<html>please log in</html>"),
        ),
        ("a redirect to another host", moved("https://localhost:1/public.php/webdav/f")),
        ("a redirect to 169.254.169.254", moved("http://169.254.169.254/latest/meta-data")),
        ("the connection cut after 1000 bytes", fault(Fault::CutAfter(1000))),
        ("a Content-Length that is too long", fault(Fault::Claims(2 << 20))),
        ("a Content-Length that is too short", fault(Fault::Claims(1000))),
        ("503", Answer::status(503).with("Retry-After", "1")),
        ("404", Answer::status(404)),
        ("403", Answer::status(403)),
        ("401", Answer::status(401).with("WWW-Authenticate", "Basic realm=\"x\"")),
    ];
    for (number, (what, answer)) in cases.into_iter().enumerate() {
        let file = format!("/Shares/theirs/f{number:02}");
        peer.answer_with("/public.php/webdav", answer);
        let got = ada.dav().get(&file).attempt();
        let said = match &got {
            Ok(reply) => reply.status.to_string(),
            Err(_) => "cut".to_owned(),
        };
        let names = ada.dav().names("/Shares/theirs");
        table.push_str(&format!("| {what} | {said} | {} items |\n", names.len()));
        assert!(said != "200" || got.is_ok_and(|reply| reply.body == content), "{what}: a wrong file as 200");
        assert_eq!(names.len(), FAULTS + 2, "{what}");
        peer.behave();
        wait_until("it to be good again", || {
            peer.tree(&id, |tree| tree.write("beat", b"."));
            ada.received()[0]["peer"]["reachable"] == true && ada.dav().exists("/Shares/theirs/beat")
        });
        peer.tree(&id, |tree| tree.remove("beat"));
        ada.wait_gone("/Shares/theirs/beat");
    }
    peer.answer_with("/public.php/webdav/g", Answer { fault: Some(Fault::ByteASecond), ..Answer::status(200) });
    let slow = {
        let ada = ada.clone();
        std::thread::spawn(move || ada.dav().read("/Shares/theirs/g"))
    };
    wait_until("the slow answer to begin", || peer.requests().iter().any(|sent| sent.target.ends_with("webdav/g")));
    assert_eq!(ada.dav().names("/Shares/theirs").len(), FAULTS + 2);
    assert_eq!(slow.join().expect("a slow file"), b"second");
    peer.behave();
    for number in 0..FAULTS {
        ada.wait_content(&format!("/Shares/theirs/f{number:02}"), &content);
    }
    tables::write("federation-faults.md", &table);
}

#[test]
fn a_certificate_of_a_strange_authority_stops_the_sharing_until_it_is_good_again() {
    use stitchbox_tests::federation::Authority;
    let (mut here, _there, ada, eve, _) = house();
    here.write_certificate(&Authority::new().issue());
    here.restart();
    wait_until("the trouble to be named", || {
        let peer = eve.received()[0]["peer"].clone();
        let words = peer["error"].as_str().unwrap_or_default().to_lowercase();
        peer["reachable"] == false && words.contains("certificate")
    });
    assert_eq!(listing(&eve, "/Shares/mirror"), 20);
    // renewed by the right authority, another key: nothing is pinned
    here.write_certificate(&Authority::of_the_tests().issue());
    here.hang_up();
    wait_until("it to be seen again", || eve.received()[0]["peer"]["reachable"] == true);
    ada.dav().write("/mirror/f00", "after the renewal");
    eve.wait_content("/Shares/mirror/f00", b"after the renewal");
}
