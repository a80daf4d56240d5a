//! Whom a site believes: signatures, keys that change, clocks that are wrong, secrets, tokens, and lists of peers.

use serde_json::{Value, json};
use stitchbox_tests::federation::{Answer, Dialect, FakePeer, Person, Signed, Site, SiteSettings, Tree, exchange};
use stitchbox_tests::wait_until;

use crate::world::{Pair, name};

/// Offers a folder to `ada` and gives the answer.
fn try_share(peer: &FakePeer, site: &Site, ada: &Person) -> Answer {
    peer.shares(&site.origin(), ada.id(), &name("theirs"), Tree::folder().with("f", b"content")).2
}

#[test]
fn who_signed_once_must_sign_always_and_rightly() {
    for dialect in [Dialect::Nextcloud34, Dialect::Strict] {
        let site = Site::start();
        let ada = site.new_person("ada");
        let peer = FakePeer::start(dialect);
        assert_eq!(try_share(&peer, &site, &ada).status, 201, "signed well");
        let (id, secret) = peer.offer(Tree::folder());
        let message = peer.share_message(&id, &secret, "unsigned", ada.id(), "folder");
        let unsigned = peer.post_unsigned(&site.origin(), "/ocm/shares", &message);
        assert!(matches!(unsigned.status, 400..=403), "{dialect:?}: {unsigned:?}");
        peer.set_clock(-600);
        let old = try_share(&peer, &site, &ada);
        assert!(matches!(old.status, 400..=403), "ten minutes old: {old:?}");
        if dialect == Dialect::Strict {
            peer.set_clock(600);
            let early = try_share(&peer, &site, &ada);
            assert!(matches!(early.status, 400..=403), "ten minutes early: {early:?}");
        }
        peer.set_clock(0);
        // a new key, published where the old one was: accepted on the next call
        peer.rotate_keys();
        // (keys that were fetched a few seconds ago are not fetched again)
        wait_until("the new key to be looked up", || try_share(&peer, &site, &ada).status == 201);
        // signed well, but in the name of another host
        let mut foreign = peer.share_message(&id, &secret, "foreign", ada.id(), "folder");
        for field in ["owner", "sender"] {
            foreign[field] = json!("bob@elsewhere.example");
        }
        let answer = peer.post(&site.origin(), "/ocm/shares", &foreign);
        assert!(matches!(answer.status, 400..=403), "{dialect:?} for another host: {answer:?}");
    }
}

#[test]
fn a_site_that_requires_signatures_takes_nothing_unsigned() {
    let site = Site::start_with(SiteSettings::default().with("FEDERATION__REQUIRE_SIGNATURES", "true"));
    let ada = site.new_person("ada");
    let refused = try_share(&FakePeer::start(Dialect::OpenCloud), &site, &ada);
    assert!(matches!(refused.status, 401 | 403), "{refused:?}");
    assert!(refused.document()["message"].as_str().is_some_and(|words| words.contains("sign")), "{refused:?}");
    assert_eq!(try_share(&FakePeer::start(Dialect::Nextcloud31), &site, &ada).status, 201);
    assert_eq!(try_share(&FakePeer::start(Dialect::Strict), &site, &ada).status, 201);
    // the other way: what it sends holds for both kinds
    for dialect in [Dialect::Nextcloud34, Dialect::Strict] {
        let peer = FakePeer::start(dialect);
        peer.knows(ada.id());
        if dialect == Dialect::Strict {
            ada.try_accept_invite(&peer.invite().1);
            wait_until("the contact", || !ada.contacts().is_empty());
        }
        let folder = name("mirror");
        ada.dav().mkcol(&format!("/{folder}")).send().expect(201);
        ada.share(&format!("/{folder}"), &peer.id("bob"), "viewer");
        let sent = peer.wait_share(&folder);
        assert!(matches!(sent.signed, Signed::Cavage(_) | Signed::Message(_)), "{sent:?}");
    }
}

#[test]
fn our_keys_are_rotated_by_a_command_and_what_comes_after_is_signed_with_the_new_one() {
    let site = Site::start();
    let ada = site.new_person("ada");
    for folder in ["/one", "/two"] {
        ada.dav().mkcol(folder).send().expect(201);
    }
    let keys = || exchange(&site.origin(), "GET", "/ocm/jwks", &[], b"").unwrap().expect(200).document();
    let before = keys();
    let (nextcloud, strict) = (FakePeer::start(Dialect::Nextcloud34), FakePeer::start(Dialect::Strict));
    strict.knows(ada.id());
    ada.try_accept_invite(&strict.invite().1);
    wait_until("the contact", || !ada.contacts().is_empty());
    let signers = |folder: &str| {
        [&nextcloud, &strict].map(|peer| {
            ada.share(folder, &peer.id("bob"), "viewer");
            peer.wait_share(folder.trim_start_matches('/')).signed
        })
    };
    let old = signers("/one");
    site.admin(&["federation", "rotate-keys"]).succeeded();
    let after = keys();
    let ids = |keys: &Value| -> Vec<String> {
        keys["keys"].as_array().into_iter().flatten().map(|key| key["kid"].to_string()).collect()
    };
    assert!(ids(&before).iter().all(|id| ids(&after).contains(id)), "old keys stay: {before} {after}");
    assert!(ids(&after).len() > ids(&before).len(), "{after}");
    let new = signers("/two");
    assert!(matches!((&new[0], &new[1]), (Signed::Cavage(_), Signed::Message(_))), "{new:?}");
    assert_ne!(old[1], new[1]);
}

#[test]
fn a_clock_ten_minutes_off_is_told_in_words() {
    let mut site = Site::start();
    let ada = site.new_person("ada");
    site.set("TEST_CLOCK_OFFSET", "-600");
    if let Err(why) = site.try_restart() {
        assert!(why.contains("ended"), "{why}");
        stitchbox_tests::skip!("federation.clock", "only debug builds take a wrong clock");
    }
    // their signatures look early to us
    let peer = FakePeer::start(Dialect::Strict);
    let refused = try_share(&peer, &site, &ada);
    assert!(matches!(refused.status, 400..=403), "{refused:?}");
    let words = refused.document()["message"].as_str().unwrap_or_default().to_owned();
    assert!(words.contains("clock") || words.contains("ahead") || words.contains("early"), "{words}");
    let nextcloud = try_share(&FakePeer::start(Dialect::Nextcloud34), &site, &ada);
    assert!(nextcloud.status == 201 || matches!(nextcloud.status, 400..=403), "{nextcloud:?}");
    // what is not signed does not depend on any clock
    assert_eq!(try_share(&FakePeer::start(Dialect::OpenCloud), &site, &ada).status, 201);
}

#[test]
fn secrets_are_needed_and_a_wrong_one_tells_nothing() {
    let pair = Pair::get();
    let (ada, _) = pair.people();
    // it signs nothing, so the secret alone tells who speaks
    let peer = FakePeer::start(Dialect::Nextcloud29);
    let folder = name("mirror");
    ada.dav().mkcol(&format!("/{folder}")).send().expect(201);
    ada.share(&format!("/{folder}"), &peer.id("bob"), "viewer");
    let ours = peer.takes(&pair.here.origin(), &peer.wait_share(&folder)).unwrap();
    assert!(ours.secret.len() >= 22 && !ours.secret.contains(':'), "{}", ours.secret);
    for kind in ["SHARE_ACCEPTED", "SHARE_DECLINED", "REQUEST_RESHARE", "SHARE_UNSHARED"] {
        let wrong = peer.notifies(&pair.here.origin(), kind, &ours.provider_id, "not-the-secret");
        assert!((400..500).contains(&wrong.status), "{kind}: {wrong:?}");
        let strange = FakePeer::start(Dialect::Nextcloud29);
        let stolen = strange.notifies(&pair.here.origin(), kind, &ours.provider_id, "");
        assert!((400..500).contains(&stolen.status), "{kind}: {stolen:?}");
    }
    let unknown = peer.notifies(&pair.here.origin(), "SHARE_EATEN", &ours.provider_id, &ours.secret);
    assert_eq!(unknown.status, 400, "{unknown:?}");
    assert!(!ada.shares().is_empty(), "nobody declined it");
    let log = pair.here.log();
    assert!(!log.contains(&ours.secret), "a secret in the log");
}

#[test]
fn a_token_is_given_for_a_secret_and_only_to_whom_it_belongs() {
    let pair = Pair::get();
    let (ada, _) = pair.people();
    let peer = FakePeer::start(Dialect::Strict);
    peer.knows(ada.id());
    ada.try_accept_invite(&peer.invite().1);
    wait_until("the contact", || !ada.contacts().is_empty());
    let folder = name("mirror");
    ada.dav().mkcol(&format!("/{folder}")).send().expect(201);
    ada.dav().write(&format!("/{folder}/f"), "by token");
    let share = ada.share(&format!("/{folder}"), &peer.id("bob"), "viewer");
    let origin = pair.here.origin();
    let ours = peer.takes(&origin, &peer.wait_share(&folder)).unwrap();
    assert_eq!(ours.read("f").unwrap(), b"by token");
    let raw = ours.by(&format!("Bearer {}", ours.secret)).look("", "0").answer;
    assert_eq!(raw.status, 401, "the share says must-exchange-token: {raw:?}");
    let document = peer.discovers(&origin).unwrap();
    assert!(peer.exchanges(&origin, &document, "not-the-secret").unwrap_err().contains("invalid_grant"));
    let thief = FakePeer::start(Dialect::Strict);
    assert!(thief.exchanges(&origin, &document, &ours.secret).is_err(), "a secret of another peer's share");
    let body = format!("client_id=x&code={}&grant_type=authorization_code", ours.secret);
    let unsigned = peer.post_body(&origin, "/ocm/token", "application/x-www-form-urlencoded", body.as_bytes(), false);
    assert!(matches!(unsigned.status, 400 | 401), "{unsigned:?}");
    let other = body.replace("authorization_code", "password");
    let other = peer.post_body(&origin, "/ocm/token", "application/x-www-form-urlencoded", other.as_bytes(), true);
    assert!(other.status == 400 && other.document()["error"].is_string(), "{other:?}");
    ada.revoke(&share);
    assert!(matches!(ours.look("", "0").answer.status, 401 | 404), "tokens end with the share");
}

#[test]
fn lists_of_peers_decide_who_is_spoken_with() {
    let site = Site::start_with(SiteSettings::default().with("FEDERATION__TRUST", "allow"));
    let ada = site.new_person("ada");
    ada.dav().mkcol("/mirror").send().expect(201);
    let peer = FakePeer::start(Dialect::Nextcloud34);
    let stranger = try_share(&peer, &site, &ada);
    assert!(matches!(stranger.status, 401 | 403), "{stranger:?}");
    let to_stranger = ada.try_share("/mirror", &peer.id("bob"), "viewer", &json!({}));
    assert!((400..500).contains(&to_stranger.status), "{to_stranger:?}");
    site.admin(&["peer", "allow", peer.host()]).succeeded();
    assert_eq!(try_share(&peer, &site, &ada).status, 201);
    ada.share("/mirror", &peer.id("bob"), "viewer");
    let sent = peer.wait_share("mirror");
    let ours = peer.takes(&site.origin(), &sent).unwrap();
    assert_eq!(ours.look("", "0").answer.status, 207);
    let list = site.admin(&["peer", "list"]).succeeded().stdout;
    assert!(list.contains(peer.host()) && list.contains("allowed"), "{list}");
    site.admin(&["peer", "deny", peer.host()]).succeeded();
    let denied = try_share(&peer, &site, &ada);
    assert!(matches!(denied.status, 401 | 403), "{denied:?}");
}

#[test]
fn a_self_test_shows_what_peers_see() {
    let site = Site::start();
    let report = site.admin(&["federation", "self-test"]).succeeded().stdout;
    assert!(report.contains(&site.origin()) && report.to_lowercase().contains("sign"), "{report}");
}
