//! What happens after a share was sent: accepted, declined, left, expired, passed on.

use serde_json::json;
use stitchbox_tests::federation::{Dialect, FakePeer, Site};
use stitchbox_tests::wait_until;

use crate::world::{Pair, name, shared};

#[test]
fn a_declined_share_shows_nowhere_and_the_owner_is_told() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    ada.dav().mkcol("/mirror").send().expect(201);
    let share = ada.share("/mirror", eve.id(), "viewer");
    let waiting = eve.wait_received("mirror", "pending");
    assert!(!eve.dav().exists("/Shares/mirror"));
    eve.decline(&waiting);
    ada.wait_delivery(&share, "declined");
    assert!(!eve.dav().exists("/Shares/mirror"));
}

#[test]
fn removing_the_entry_leaves_the_share_and_the_owner_keeps_the_files() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "content");
    let share = shared(&ada, &eve, "editor");
    eve.dav().delete("/Shares/mirror").send().expect(204);
    assert!(!eve.dav().exists("/Shares/mirror"));
    ada.wait_delivery(&share, "declined");
    assert_eq!(ada.dav().read("/mirror/f"), b"content");
}

#[test]
fn an_expired_share_opens_nothing() {
    let site = Site::start();
    let (ada, peer) = (site.new_person("ada"), FakePeer::start(Dialect::Nextcloud34));
    ada.dav().mkcol("/mirror").send().expect(201);
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(4);
    let until = humantime(soon);
    ada.try_share("/mirror", &peer.id("bob"), "viewer", &json!({"expires_at": until})).expect(201);
    let ours = peer.takes(&site.origin(), &peer.wait_share("mirror")).unwrap();
    wait_until("the end of the share", || matches!(ours.look("", "0").answer.status, 401 | 404));
}

/// An instant as the API takes it.
fn humantime(time: std::time::SystemTime) -> String {
    let seconds = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // civil from days, Howard Hinnant's algorithm for dates after 1970
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[test]
fn who_received_may_ask_the_owner_to_share_with_a_third() {
    let pair = Pair::get();
    let third = Site::start();
    let (ada, eve) = pair.people();
    let max = third.new_person("max");
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "passed on");
    let share = ada.try_share("/mirror", eve.id(), "viewer", &json!({"may_reshare": true})).expect(201).json();
    eve.accept("mirror");
    eve.wait_path("/Shares/mirror/f");
    // what eve sees is in a space of its own; its path is the root
    let received = eve.wait_received("mirror", "accepted");
    let document =
        json!({"space": received["space"], "path": "/", "kind": "federated", "with": max.id(), "role": "viewer"});
    let asked = eve.send("POST", "shares", &document);
    assert!((200..300).contains(&asked.status), "{asked:?}");
    let passed_on = max.accept("mirror");
    assert!(passed_on["owner"].to_string().contains(ada.name()), "{passed_on}");
    max.wait_path("/Shares/mirror/f");
    assert_eq!(max.dav().read("/Shares/mirror/f"), b"passed on");
    assert!(ada.access("/mirror").to_string().contains(max.id()), "the owner sees who has access");
    // the bytes come from the owner: max reads while eve's site is not asked
    ada.dav().write("/mirror/f", "newer");
    max.wait_content("/Shares/mirror/f", b"newer");
    // what was passed on ends with what it was passed on from
    ada.revoke(&share);
    eve.wait_gone("/Shares/mirror");
    max.wait_gone("/Shares/mirror");
}

#[test]
fn a_nextcloud_may_ask_us_to_share_with_a_third() {
    let pair = Pair::get();
    let (ada, eve) = pair.people();
    let peer = FakePeer::start(Dialect::Nextcloud34);
    let folder = format!("/{}", name("mirror"));
    ada.dav().mkcol(&folder).send().expect(201);
    ada.dav().write(&format!("{folder}/f"), "content");
    let more = json!({"may_reshare": true});
    ada.try_share(&folder, &peer.id("bob"), "viewer", &more).expect(201);
    let ours = peer.takes(&pair.here.origin(), &peer.wait_share(folder.trim_start_matches('/'))).unwrap();
    let ask = |secret: &str| {
        let document = json!({"notificationType": "REQUEST_RESHARE", "resourceType": "file",
            "providerId": ours.provider_id, "notification": {"sharedSecret": secret, "shareWith": eve.id(),
            "senderId": "9", "shareType": 6, "message": "Recipient of a share ask the owner to reshare the file"}});
        peer.post(&pair.here.origin(), "/ocm/notifications", &document)
    };
    let answer = ask(&ours.secret).expect(201).document();
    assert!(answer["token"].is_string() && answer["providerId"].is_string(), "{answer}");
    eve.accept(folder.trim_start_matches('/'));
    eve.wait_path(&format!("/Shares{folder}/f"));
    let told = peer.wait_notification("SHARE_ACCEPTED", "9");
    assert!(told.status < 500, "{told:?}");
}
