//! The WebDAV client against peers of every kind of access, and against peers that lie.

mod fake_peer;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fake_peer::{FakePeer, Heard, Step, answer, http, json};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use serde_json::json;
use stitchbox_federation::dav::{Access, Depth, Expect, Fetch, Resumable, Source, Upload};
use stitchbox_federation::http::ByteStream;
use stitchbox_federation::keys::{KeyKind, SigningKey};
use stitchbox_federation::wire::Discovery;
use stitchbox_federation::{Host, OcmClient, Peer, PeerError, ReceivedShare, RemoteDav, Secret, SiteKeys};

const SECRET: &str = "s3cret";

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{SECRET}:")))
}

/// A share at a fake peer. Ed25519 keys only, so that no test waits for an RSA key: token exchange is signed by RFC 9421.
fn share_at(fake: &FakePeer, uri: Option<&str>, must_exchange_token: bool, worked: Option<Access>) -> RemoteDav {
    let origin = fake.origin();
    let document = json!({"endPoint": format!("{origin}/ocm"), "apiVersion": "1.2.0",
        "capabilities": ["http-sig"], "jwksUri": format!("{origin}/jwks"), "tokenEndPoint": format!("{origin}/ocm/token"),
        "resourceTypes": [{"name": "file", "shareTypes": ["user"], "protocols": {"webdav": "/public.php/webdav/"}}]});
    let discovery = Discovery::parse(document.to_string().as_bytes()).unwrap();
    let peer = Peer::new(fake.host(), discovery).unwrap();
    let key = |kid: &str| SigningKey::generate(KeyKind::Ed25519, kid).unwrap();
    let keys = SiteKeys { rsa: key("unused"), ed25519: key("us.example#key1"), others: Vec::new() };
    let client = OcmClient::new(http(), Arc::new(keys), Host::parse("us.example").unwrap());
    let uri = uri.map(|path| path.replace("ORIGIN", &origin));
    RemoteDav::new(client, peer, ReceivedShare { secret: Secret::new(SECRET), uri, must_exchange_token, worked })
        .unwrap()
}

const URI: Option<&str> = Some("ORIGIN/dav/ocm/77");

fn listing(root: &str, members: &[&str]) -> Vec<Step> {
    let mut xml =
        String::from("<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\">");
    for (at, name) in std::iter::once(&"").chain(members).enumerate() {
        let kind = if at == 0 { "<d:collection/>" } else { "" };
        xml.push_str(&format!(
            "<d:response><d:href>{root}{name}</d:href><d:propstat><d:prop><d:resourcetype>{kind}</d:resourcetype>\
             <d:getetag>\"e{at}\"</d:getetag><d:getcontentlength>{at}</d:getcontentlength></d:prop>\
             <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        ));
    }
    xml.push_str("</d:multistatus>");
    answer(207, &[("Content-Type", "application/xml")], xml)
}

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

const FILE: &[u8] = b"0123456789abcdefghij";

/// Serves FILE with ranges, as `etag`.
fn file(heard: &Heard, ranges: bool) -> Vec<Step> {
    let range = heard.header("range").strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        let first: usize = first.parse().ok()?;
        Some((first, last.parse().unwrap_or(FILE.len() - 1).min(FILE.len() - 1)))
    });
    match range {
        Some((first, last)) if ranges && first < FILE.len() => {
            let span = format!("bytes {first}-{last}/{}", FILE.len());
            answer(206, &[("Content-Range", &span), ("ETag", "\"v1\"")], &FILE[first..=last])
        }
        Some((first, _)) if ranges && first >= FILE.len() => answer(416, &[], ""),
        _ => answer(200, &[("ETag", "W/\"v1\""), ("Content-Type", "text/plain")], FILE),
    }
}

async fn read(dav: &RemoteDav, fetch: Fetch<'_>) -> Result<Vec<u8>, PeerError> {
    let pieces: Vec<Bytes> = dav.get("a b.txt", fetch).await?.into_stream().try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn a_file_is_read_whole_or_in_ranges_also_where_the_peer_knows_none() {
    for ranges in [true, false] {
        let fake = FakePeer::start(move |heard| file(heard, ranges)).await;
        let dav = share_at(&fake, URI, false, Some(Access::Bearer));
        let known = Fetch { etag: Some("\"v1\""), size: Some(20), ..Fetch::default() };
        assert_eq!(read(&dav, known).await.unwrap(), FILE);
        for (from, length) in
            [(0, Some(1)), (5, Some(5)), (19, Some(1)), (19, Some(100)), (7, None), (0, Some(20)), (3, Some(0))]
        {
            let fetch = Fetch { from, length, ..known };
            let end = length.map_or(20, |length| (from + length).min(20));
            assert_eq!(
                read(&dav, fetch).await.unwrap(),
                &FILE[from as usize..end as usize],
                "{from} {length:?} {ranges}"
            );
        }
        let heard = fake.heard();
        assert_eq!(heard[0].target, "/dav/ocm/77/a%20b.txt");
        assert_eq!((heard[0].header("range"), heard[1].header("range")), ("", "bytes=0-0"));
        assert_eq!(heard[0].header("if-match"), "\"v1\"");
    }
}

#[tokio::test]
async fn another_version_is_never_taken_for_the_one_that_was_listed() {
    let fake =
        FakePeer::start(
            |heard| if heard.header("if-match") == "\"v2\"" { answer(412, &[], "") } else { file(heard, true) },
        )
        .await;
    let dav = share_at(&fake, URI, false, Some(Access::Bearer));
    for fetch in [
        Fetch { etag: Some("\"v2\""), ..Fetch::default() },
        // a weak one is not asked for, but compared
        Fetch { etag: Some("W/\"v0\""), ..Fetch::default() },
        Fetch { size: Some(21), ..Fetch::default() },
        Fetch { size: Some(30), from: 25, ..Fetch::default() },
        Fetch { size: Some(21), from: 5, length: Some(2), ..Fetch::default() },
    ] {
        let error = read(&dav, fetch).await.unwrap_err();
        assert!(matches!(error, PeerError::Changed { .. }) && !error.retryable(), "{fetch:?}: {error:?}");
    }
}

#[tokio::test]
async fn files_of_another_length_or_range_are_errors() {
    let lie = |steps: Vec<Step>, fetch: Fetch<'static>| async move {
        let fake = FakePeer::start(move |_| steps.clone()).await;
        read(&share_at(&fake, URI, false, Some(Access::Bearer)), fetch).await.unwrap_err()
    };
    let sized = Fetch { size: Some(20), ..Fetch::default() };
    let raw = |head: &str, body: &[u8]| {
        vec![Step::Send([format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat())]
    };
    assert!(matches!(
        lie(raw("200 OK\r\nContent-Length: 20", b"short"), sized).await,
        PeerError::WrongLength { expected: 20, got: 5, .. }
    ));
    // nothing announced: what was listed counts
    assert!(matches!(lie(raw("200 OK", b"short"), sized).await, PeerError::WrongLength { expected: 20, got: 5, .. }));
    assert!(matches!(lie(raw("200 OK", &[b'x'; 30]), sized).await, PeerError::WrongLength { .. }));
    let part = Fetch { from: 5, length: Some(5), ..sized };
    for span in ["bytes 4-8/20", "bytes 5-19/20", "bytes 9-5/20", "bytes 5-9/8", "5-9/20", "bytes 5-x/20"] {
        let head = format!("206 Partial\r\nContent-Length: 5\r\nContent-Range: {span}");
        assert!(matches!(lie(raw(&head, b"abcde"), part).await, PeerError::Malformed { .. }), "{span}");
    }
    assert!(matches!(lie(raw("206 Partial\r\nContent-Length: 5", b"abcde"), part).await, PeerError::Malformed { .. }));
    assert!(matches!(
        lie(raw("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5", b"abcde"), Fetch::default()).await,
        PeerError::Malformed { .. }
    ));
    assert!(matches!(lie(answer(500, &[], "<html>oops</html>"), sized).await, PeerError::Refused { status: 500, .. }));
    assert!(matches!(
        lie(answer(302, &[("Location", "http://127.0.0.1:1/x")], ""), sized).await,
        PeerError::Redirected { .. }
    ));
}

fn stream_of(bytes: &'static [u8]) -> ByteStream {
    stream::iter(bytes.chunks(7).map(|piece| Ok(Bytes::from_static(piece))).collect::<Vec<_>>()).boxed()
}

#[tokio::test]
async fn a_file_is_written_on_condition() {
    let fake = FakePeer::start(|heard| {
        match (heard.method.as_str(), heard.header("if-match"), heard.header("if-none-match")) {
            ("PROPFIND", ..) => listing("/dav/ocm/77/", &[]),
            ("PUT", "\"old\"", _) | ("PUT", _, "*") => answer(412, &[], ""),
            ("PUT", ..) if heard.target.ends_with("full") => answer(507, &[], ""),
            ("PUT", ..) => answer(201, &[("ETag", "\"v2\"")], ""),
            _ => answer(400, &[], ""),
        }
    })
    .await;
    // no door is known yet: it is looked for before the bytes, which can be sent once only
    let dav = share_at(&fake, URI, false, None);
    let upload = Upload { length: 20, mtime: Some(1_700_000_000), sha256: Some("ab".repeat(32)), ..Upload::default() };
    let stored = dav.put("a b.txt", stream_of(FILE), &upload).await.unwrap();
    assert_eq!((stored.etag.as_deref(), stored.created), (Some("\"v2\""), true));
    let heard = fake.heard();
    assert_eq!(heard.iter().map(|heard| heard.method.as_str()).collect::<Vec<_>>(), ["PROPFIND", "PUT"]);
    assert_eq!((heard[1].body.as_slice(), heard[1].header("content-length")), (FILE, "20"));
    assert_eq!(
        (heard[1].header("x-oc-mtime"), heard[1].header("authorization")),
        ("1700000000", bearer(SECRET).as_str())
    );
    for expect in [Expect::Version("\"old\"".into()), Expect::Absent] {
        let error =
            dav.put("a", stream_of(FILE), &Upload { expect, length: 20, ..Upload::default() }).await.unwrap_err();
        assert!(matches!(error, PeerError::Changed { .. }));
    }
    let error = dav.put("full", stream_of(FILE), &Upload { length: 20, ..Upload::default() }).await.unwrap_err();
    assert_eq!(error.status(), Some(507));
    let error = dav.put("../x", stream_of(FILE), &upload).await.unwrap_err();
    assert!(matches!(error, PeerError::Malformed { .. }));
}

#[tokio::test]
async fn folders_removals_and_moves() {
    let fake = FakePeer::start(|heard| match (heard.method.as_str(), heard.target.as_str()) {
        ("MKCOL", "/dav/ocm/77/there/") => answer(405, &[], ""),
        ("MKCOL", "/dav/ocm/77/a/b/") => answer(409, &[], ""),
        ("MKCOL", _) => answer(201, &[], ""),
        ("DELETE", "/dav/ocm/77/gone") => answer(404, &[], ""),
        ("DELETE", "/dav/ocm/77/part") => answer(207, &[], "<d:multistatus xmlns:d='DAV:'/>"),
        ("DELETE", _) => answer(204, &[], ""),
        ("MOVE", _) if heard.header("overwrite") == "F" => answer(412, &[], ""),
        ("MOVE", _) => answer(201, &[], ""),
        _ => answer(400, &[], ""),
    })
    .await;
    let dav = share_at(&fake, URI, false, Some(Access::Bearer));
    assert!(dav.mkcol("new").await.unwrap().created);
    assert!(!dav.mkcol("there").await.unwrap().created);
    assert_eq!(dav.mkcol("a/b").await.unwrap_err().status(), Some(409));
    dav.delete("gone", &Expect::Anything).await.unwrap();
    dav.delete("a", &Expect::Version("\"v1\"".into())).await.unwrap();
    assert_eq!(fake.heard().last().unwrap().header("if-match"), "\"v1\"");
    assert!(dav.delete("part", &Expect::Anything).await.is_err());
    assert!(dav.delete("", &Expect::Anything).await.is_err());
    assert!(dav.relocate("", "x", true).await.is_err());
    dav.relocate("a", "ü/b c", true).await.unwrap();
    let heard = fake.heard().pop().unwrap();
    assert_eq!(heard.header("destination"), fake.url("/dav/ocm/77/%C3%BC/b%20c").as_str());
    assert!(matches!(dav.relocate("a", "b", false).await, Err(PeerError::Changed { .. })));
}

/// A file in memory that counts how often and from where it is read.
struct Memory(&'static [u8], Mutex<Vec<u64>>);

impl Source for Memory {
    fn open(&self, from: u64) -> BoxFuture<'_, io::Result<ByteStream>> {
        self.1.lock().unwrap().push(from);
        let rest = &self.0[from as usize..];
        async move { Ok(stream_of(rest)) }.boxed()
    }
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_it_stopped() {
    // takes 8 bytes of the first PATCH and breaks
    let have = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&have);
    let fake = FakePeer::start(move |heard| {
        let tus = ("Tus-Resumable", "1.0.0");
        match heard.method.as_str() {
            "PROPFIND" if heard.target == "/dav/ocm/77/sub/big" => listing("/dav/ocm/77/sub/big", &[]),
            "OPTIONS" => answer(204, &[tus, ("Tus-Extension", "creation,checksum")], ""),
            "POST" => answer(201, &[tus, ("Location", "/uploads/xyz")], ""),
            "HEAD" => answer(200, &[tus, ("Upload-Offset", &count.load(Ordering::SeqCst).to_string())], ""),
            "PATCH" if count.load(Ordering::SeqCst) == 0 => {
                count.store(8, Ordering::SeqCst);
                vec![]
            }
            "PATCH" => {
                let now = count.load(Ordering::SeqCst) + heard.body.len();
                count.store(now, Ordering::SeqCst);
                answer(204, &[tus, ("Upload-Offset", &now.to_string())], "")
            }
            _ => answer(400, &[], ""),
        }
    })
    .await;
    let dav = share_at(&fake, URI, false, Some(Access::Bearer));
    let source = Memory(FILE, Mutex::default());
    let noted = Mutex::new(None);
    let upload = Upload { length: 20, mtime: Some(5), ..Upload::default() };
    let note = |resumable: &Resumable| *noted.lock().unwrap() = Some(resumable.clone());
    let stored = dav.upload_resumable("sub/big", &source, &upload, note).await.unwrap();
    assert_eq!(stored.etag.as_deref(), Some("\"e0\""));
    assert_eq!(*source.1.lock().unwrap(), [0, 8]);
    let heard = fake.heard();
    let post = heard.iter().find(|heard| heard.method == "POST").unwrap();
    assert_eq!((post.target.as_str(), post.header("upload-length")), ("/dav/ocm/77/sub/", "20"));
    assert_eq!(post.header("upload-metadata"), "filename Ymln,mtime NQ==");
    let sent: Vec<&[u8]> =
        heard.iter().filter(|heard| heard.method == "PATCH").map(|heard| heard.body.as_slice()).collect();
    assert_eq!(sent[1], &FILE[8..]);

    // after a restart: the address that was noted is used, and only what is missing is read
    have.store(15, Ordering::SeqCst);
    let begun = noted.lock().unwrap().clone();
    assert_eq!(format!("{begun:?}"), "Some(Resumable(…))");
    let source = Memory(FILE, Mutex::default());
    dav.upload_resumable("sub/big", &source, &Upload { begun, ..upload }, |_| {}).await.unwrap();
    assert_eq!(*source.1.lock().unwrap(), [15]);
    assert_eq!(fake.heard().iter().filter(|heard| heard.method == "POST").count(), 1);
}

#[tokio::test]
async fn tus_keeps_conditions_and_its_own_origin() {
    let fake = FakePeer::start(|heard| match heard.method.as_str() {
        "OPTIONS" => answer(204, &[("Tus-Resumable", "1.0.0"), ("Tus-Extension", "creation")], ""),
        "PROPFIND" if heard.target.ends_with("there") => listing("/dav/ocm/77/there", &[]),
        "PROPFIND" => answer(404, &[], ""),
        "POST" => answer(201, &[("Location", "http://127.0.0.1:1/steal")], ""),
        _ => answer(400, &[], ""),
    })
    .await;
    let dav = share_at(&fake, URI, false, Some(Access::Bearer));
    let source = Memory(FILE, Mutex::default());
    let with = |path: &'static str, expect| {
        let (dav, source) = (&dav, &source);
        async move {
            dav.upload_resumable(path, source, &Upload { length: 20, expect, ..Upload::default() }, |_| {})
                .await
                .unwrap_err()
        }
    };
    assert!(matches!(with("there", Expect::Absent).await, PeerError::Changed { .. }));
    assert!(matches!(with("there", Expect::Version("\"old\"".into())).await, PeerError::Changed { .. }));
    assert!(matches!(with("absent", Expect::Version("\"e0\"".into())).await, PeerError::Changed { .. }));
    assert!(matches!(with("there", Expect::Version("\"e0\"".into())).await, PeerError::OutsideOrigin { .. }));
    assert!(source.1.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_tus_a_broken_upload_is_sent_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let fake = FakePeer::start(move |heard| match heard.method.as_str() {
        "PUT" if count.fetch_add(1, Ordering::SeqCst) < 2 => vec![],
        "PUT" => answer(204, &[("OC-ETag", "\"v3\"")], ""),
        _ => answer(405, &[], ""),
    })
    .await;
    let dav = share_at(&fake, URI, false, Some(Access::Bearer));
    let source = Memory(FILE, Mutex::default());
    let upload = Upload { length: 20, ..Upload::default() };
    let stored = dav.upload_resumable("big", &source, &upload, |_| {}).await.unwrap();
    assert_eq!((stored.etag.as_deref(), stored.created, tries.load(Ordering::SeqCst)), (Some("\"v3\""), false, 3));
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
