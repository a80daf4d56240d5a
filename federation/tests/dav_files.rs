//! Files at a peer, read and written, against peers that lie, change and break.

mod fake_peer;
mod fake_share;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fake_peer::{FakePeer, Heard, Step, answer};
use fake_share::{SECRET, URI, bearer, listing, share_at};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use stitchbox_federation::dav::{Access, Expect, Fetch, Resumable, Source, Upload};
use stitchbox_federation::http::ByteStream;
use stitchbox_federation::{PeerError, RemoteDav};

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
async fn an_empty_file_is_opened_without_a_range() {
    let fake = FakePeer::start(|heard| match heard.header("range") {
        "" => answer(200, &[], ""),
        _ => answer(416, &[], ""),
    })
    .await;
    let dav = share_at(&fake, URI, false, Some(Access::Bearer));
    for size in [Some(0), None] {
        assert_eq!(read(&dav, Fetch { length: Some(0), size, ..Fetch::default() }).await.unwrap(), b"");
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
async fn an_upload_that_breaks_again_and_again_but_moves_is_finished_and_one_that_does_not_is_given_up() {
    for (step, patches) in [(4, 5), (0, 3)] {
        let have = Arc::new(AtomicUsize::new(0));
        let fake = FakePeer::start(move |heard| match heard.method.as_str() {
            "OPTIONS" => answer(204, &[("Tus-Resumable", "1.0.0"), ("Tus-Extension", "creation")], ""),
            "POST" => answer(201, &[("Location", "/uploads/xyz")], ""),
            "HEAD" => answer(200, &[("Upload-Offset", &have.load(Ordering::SeqCst).to_string())], ""),
            "PATCH" => {
                have.fetch_add(step, Ordering::SeqCst);
                vec![]
            }
            _ => listing("/dav/ocm/77/big", &[]),
        })
        .await;
        let dav = share_at(&fake, URI, false, Some(Access::Bearer));
        let source = Memory(FILE, Mutex::default());
        let upload = Upload { length: 20, ..Upload::default() };
        let done = dav.upload_resumable("big", &source, &upload, |_| {}).await;
        assert_eq!(done.is_ok(), step > 0, "{done:?}");
        assert_eq!(fake.heard().iter().filter(|heard| heard.method == "PATCH").count(), patches);
    }
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
    assert!(source.1.lock().unwrap().is_empty());
    // an upload on another origin is not sent there, but by PUT, with its condition
    assert_eq!(with("there", Expect::Version("\"e0\"".into())).await.status(), Some(400));
    let heard = fake.heard().pop().unwrap();
    assert_eq!((heard.method.as_str(), heard.header("if-match"), heard.body.as_slice()), ("PUT", "\"e0\"", FILE));
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
