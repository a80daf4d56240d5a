//! The doors of a share and its listings, against peers of every kind of access, and against peers that lie.

mod fake_peer;
mod fake_share;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fake_peer::{FakePeer, Heard, Step, answer, json};
use fake_share::{SECRET, URI, basic, bearer, listing, share_at};
use serde_json::json;
use stitchbox_federation::PeerError;
use stitchbox_federation::dav::{Access, Depth};

/// Lists behind one `Authorization` and one root only.
fn only(wanted: String, root: &'static str, other: u16) -> impl Fn(&Heard) -> Vec<Step> + Send + Sync {
    move |heard| {
        if heard.header("authorization") == wanted && heard.target.starts_with(root) {
            listing(&format!("{root}/"), &["a.txt"])
        } else {
            answer(other, &[], "no")
        }
    }
}

#[tokio::test]
async fn each_kind_of_access_is_found_and_remembered() {
    for (wanted, root, other, uri, expected, requests) in [
        // reva, oCIS, Stitchbox
        (bearer(SECRET), "/dav/ocm/77", 401, URI, Access::Bearer, 1),
        // a bad Bearer is 500 at OpenCloud, 401 elsewhere
        (basic(), "/dav/ocm/77", 500, URI, Access::Basic, 2),
        (basic(), "/public.php/webdav", 401, URI, Access::BasicAtRoot, 3),
        // the legacy form has no URL
        (basic(), "/public.php/webdav", 403, None, Access::BasicAtRoot, 1),
    ] {
        let fake = FakePeer::start(only(wanted, root, other)).await;
        let dav = share_at(&fake, uri, false, None);
        let entries = dav.list("", Depth::One).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["", "a.txt"]);
        assert_eq!((dav.worked(), fake.heard().len()), (Some(expected), requests));
        // the next call goes through the same door at once, also when the door was kept elsewhere
        dav.list("", Depth::Zero).await.unwrap();
        let kept = share_at(&fake, uri, false, Access::parse(expected.as_str()));
        kept.list("", Depth::Zero).await.unwrap();
        assert_eq!(fake.heard().len(), requests + 2, "{expected:?}");
    }
}

#[tokio::test]
async fn a_door_that_worked_and_is_shut_now_is_given_up_for_another() {
    let fake = FakePeer::start(only(basic(), "/public.php/webdav", 401)).await;
    let dav = share_at(&fake, URI, false, Some(Access::Bearer));
    dav.list("", Depth::Zero).await.unwrap();
    assert_eq!(dav.worked(), Some(Access::BasicAtRoot));
}

#[tokio::test]
async fn a_secret_that_must_be_exchanged_never_leaves_as_it_is() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&exchanges);
    let fake = FakePeer::start(move |heard| {
        if heard.target == "/ocm/token" {
            let number = count.fetch_add(1, Ordering::SeqCst);
            return json(
                200,
                &json!({"access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": 3600}),
            );
        }
        // the first token is revoked after its first use
        let uses_first = heard.header("authorization") == bearer("t0");
        match (uses_first, heard.method.as_str(), heard.header("depth")) {
            (true, _, "1") => answer(401, &[], ""),
            (_, "PROPFIND", _) => listing("/dav/ocm/77/", &[]),
            _ => answer(400, &[], ""),
        }
    })
    .await;
    let dav = share_at(&fake, URI, true, None);
    dav.list("", Depth::Zero).await.unwrap();
    dav.list("", Depth::Zero).await.unwrap();
    assert_eq!((exchanges.load(Ordering::SeqCst), dav.worked()), (1, Some(Access::Exchanged)));
    dav.list("", Depth::One).await.unwrap();
    assert_eq!(exchanges.load(Ordering::SeqCst), 2);
    let heard = fake.heard();
    assert!(
        heard
            .iter()
            .all(|heard| !heard.header("authorization").contains(SECRET) && heard.header("authorization") != basic())
    );

    // no token is to be had: nothing else is tried
    let shut = FakePeer::start(|heard| match heard.target.as_str() {
        "/ocm/token" => json(400, &json!({"error": "invalid_grant"})),
        _ => listing("/dav/ocm/77/", &[]),
    })
    .await;
    let error = share_at(&shut, URI, true, None).list("", Depth::Zero).await.unwrap_err();
    assert!(error.to_string().contains("invalid_grant"), "{error}");
    assert_eq!(shut.heard().len(), 1);
}

#[tokio::test]
async fn a_share_that_ended_may_be_gone_and_a_forbidden_write_is_no_wrong_door() {
    let fake = FakePeer::start(|heard| match (heard.method.as_str(), heard.header("authorization")) {
        ("PROPFIND", by) if by == bearer(SECRET) => listing("/dav/ocm/77/", &[]),
        ("MKCOL", _) => answer(403, &[], "<d:error xmlns:d='DAV:'><s:message>read only</s:message></d:error>"),
        _ => answer(401, &[], ""),
    })
    .await;
    let dav = share_at(&fake, URI, false, None);
    dav.list("", Depth::Zero).await.unwrap();
    let error = dav.mkcol("new").await.unwrap_err();
    assert!(matches!(&error, PeerError::Refused { status: 403, words, .. } if words == "read only"), "{error:?}");
    assert_eq!(fake.heard().len(), 2);
    let gone = FakePeer::start(|_| answer(404, &[], "")).await;
    let error = share_at(&gone, URI, false, None).list("", Depth::Zero).await.unwrap_err();
    assert!(error.may_be_gone() && !error.is_outage());
    let shut = FakePeer::start(|heard| match heard.header("authorization").starts_with("Bearer") {
        true => answer(500, &[], ""),
        false => answer(401, &[], ""),
    })
    .await;
    // the 401 says more than the 500 that OpenCloud gives to a bad Bearer
    assert!(share_at(&shut, URI, false, None).list("", Depth::Zero).await.unwrap_err().may_be_gone());
}

#[tokio::test]
async fn a_share_on_another_origin_is_refused_before_any_call() {
    let fake = FakePeer::start(|_| answer(200, &[], "")).await;
    let dav = std::panic::catch_unwind(|| share_at(&fake, Some("http://127.0.0.1:1/dav/ocm/77"), false, None));
    assert!(dav.is_err());
    assert!(fake.heard().is_empty());
}

#[tokio::test]
async fn what_lies_elsewhere_is_counted() {
    let fake = FakePeer::start(|_| listing("/dav/ocm/77/", &["a", "../../78/x", "%2e%2e", "b"])).await;
    let dav = share_at(&fake, URI, false, None);
    let mut names = Vec::new();
    let left_out = dav.list_each("", Depth::One, |entry| names.push(entry.name)).await.unwrap();
    assert_eq!((left_out, names), (2, vec![String::new(), "a".into(), "b".into()]));
}

#[tokio::test]
async fn listings_that_are_none_or_too_long_are_refused() {
    let page = |steps: Vec<Step>| async move {
        let fake = FakePeer::start(move |_| steps.clone()).await;
        share_at(&fake, None, false, Some(Access::BasicAtRoot)).list("", Depth::One).await.unwrap_err()
    };
    let malformed = |error: &PeerError| matches!(error, PeerError::Malformed { .. });
    assert!(malformed(&page(answer(200, &[], "<html>log in</html>")).await));
    assert!(malformed(&page(answer(207, &[], "<html>log in</html>")).await));
    assert!(malformed(&page(answer(207, &[], "<d:multistatus xmlns:d='DAV:'><d:response>")).await));
    assert!(malformed(&page(listing("/etc/", &["passwd"])).await));
    let many: Vec<String> = (0..1001).map(|number| format!("f{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(page(listing("/public.php/webdav/", &many)).await, PeerError::TooLarge { .. }));
    let long = vec![Step::Send(b"HTTP/1.1 207 X\r\nConnection: close\r\n\r\n<d:multistatus xmlns:d='DAV:'>".to_vec())];
    let long = [long, vec![Step::Send(vec![b' '; 100_000]); 20]].concat();
    assert!(matches!(page(long).await, PeerError::TooLarge { .. }));
    let cut =
        vec![Step::Send(b"HTTP/1.1 207 X\r\nContent-Length: 1000\r\n\r\n<d:multistatus xmlns:d='DAV:'>".to_vec())];
    let error = page(cut).await;
    assert!(matches!(error, PeerError::WrongLength { .. }), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_hangs_ends_in_time() {
    let fake = FakePeer::start(|_| vec![Step::Wait(Duration::from_secs(10))]).await;
    let began = std::time::Instant::now();
    let error = share_at(&fake, URI, false, None).list("", Depth::One).await.unwrap_err();
    assert!(matches!(error, PeerError::TimedOut { .. }) && began.elapsed() < Duration::from_secs(2));
    // one try is enough: a door that does not answer is not tried with another key
    assert_eq!(fake.heard().len(), 1);
}
