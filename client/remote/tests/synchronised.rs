//! A folder of a space as synchronisation sees it: the feed, trees, small files where a server takes no batches, and what
//! refusals mean.

mod tiny;

use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt as _;
use stitchbox_remote::{Connection, Credentials, Dialect, HttpRemote, Options};
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::{
    Cursor, Etag, Expected, Feed, FeedItem, ItemId, Kind, LocalFile, Progress, Remote, RemoteError, UploadTarget,
};
use tempfile::TempDir;
use tiny::{Answer, Request, Server};

fn remote(server: &Server, path: &str) -> HttpRemote {
    // the program does this once; in a test whoever comes first
    let _ = rustls::crypto::ring::default_provider().install_default();
    let credentials = Credentials::Basic { user: "ada".into(), password: "x".into() };
    let options = Options { attempts: Some(1), dialect: Some(Dialect::Stitchbox), ..Options::default() };
    HttpRemote::new(Connection::new(&server.address, credentials, &options).unwrap(), "7", path)
}

const FILE: &str = r#"{"id":"9","state":"present","kind":"file","parent":"3","name":"a.dat","etag":"\"v1\"","size":5,"mtime_ns":"-1500000000","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","version":"4","derived":false,"permissions":"RGDNVW","deep":false,"made":false}"#;
const FOLDER: &str = r#"{"id":"3","state":"present","kind":"folder","parent":null,"name":"","etag":"\"e\"","size":5,"mtime_ns":"1","sha256":null,"version":null,"derived":false,"permissions":"RGDNVCK","deep":false,"made":false}"#;

#[tokio::test]
async fn the_feed_is_read_and_says_when_it_is_too_old() {
    let server = Server::start(|request: &Request| {
        if request.path.contains("cursor=1&") {
            return Answer::new(410).body(r#"{"error":{"code":"cursor_too_old","message":"list the tree again"}}"#);
        }
        let made = FOLDER.replace("\"id\":\"3\"", "\"id\":\"5\"").replace("\"made\":false", "\"made\":true");
        let items = format!(r#"[{FOLDER},{made},{FILE},{{"id":"8","state":"gone"}}]"#);
        Answer::new(200).body(format!(
            r#"{{"space":"7","cursor":"12","more":true,"role":"manager","fingerprint":"f","items":{items}}}"#
        ))
    })
    .await;
    let remote = remote(&server, "");
    let told = remote.changes(Some(&Cursor::from("11")), Duration::from_secs(90)).await.unwrap();
    let Feed::Changes { items, cursor, more, fingerprint } = told else { panic!("{told:?}") };
    assert_eq!((cursor, more, fingerprint.as_deref()), (Cursor::from("12"), true, Some("f")));
    let [FeedItem::Present(moved), FeedItem::Present(made), FeedItem::Present(file), FeedItem::Gone(gone)] = &items[..]
    else {
        panic!("{items:?}")
    };
    assert_eq!((moved.deep, made.deep), (true, false), "only a folder that was plainly made holds nothing unseen");
    assert_eq!((file.mtime_ns, file.sha256, file.kind), (-1_500_000_000, Some(Sha256::of(b"abc")), Kind::File));
    assert_eq!((file.parent.as_ref(), gone), (Some(&ItemId::from("3")), &ItemId::from("8")));
    let asked = &server.seen()[0];
    assert!(asked.path.contains("space=7") && asked.path.contains("cursor=11") && asked.path.contains("wait=60"));
    let old = remote.changes(Some(&Cursor::from("1")), Duration::ZERO).await.unwrap();
    assert!(matches!(old, Feed::TooOld));
}

#[tokio::test]
async fn a_tree_that_is_cut_short_is_no_tree() {
    let whole = format!(
        "{{\"cursor\":\"5\",\"space\":\"7\",\"item\":\"3\"}}\n{FOLDER}\n{FILE}\n{{\"end\":true,\"count\":2}}\n"
    );
    let ends = [whole.len(), whole.len() - 24, whole.len() - 1, whole.find(FILE).unwrap() + 20];
    for (at, end) in ends.into_iter().enumerate() {
        let body = whole[..end].to_owned();
        let server = Server::start(move |_: &Request| Answer::new(200).body(body.clone())).await;
        let tree = remote(&server, "/m 1/").tree(None).await.unwrap();
        assert_eq!(tree.cursor, Cursor::from("5"));
        let items: Vec<_> = tree.items.collect().await;
        let broken = items.iter().any(Result::is_err);
        assert_eq!(broken, at > 0, "cut at {end} of {}: {items:?}", whole.len());
        assert!(server.seen()[0].path.ends_with("path=%2Fm+1"), "{}", server.seen()[0].path);
    }
    let lies = whole.replace("\"count\":2", "\"count\":3");
    let server = Server::start(move |_: &Request| Answer::new(200).body(lies.clone())).await;
    let items: Vec<_> = remote(&server, "").tree(None).await.unwrap().items.collect().await;
    assert!(items.last().unwrap().is_err());
}

/// Counts bytes.
#[derive(Default)]
struct Counted(Mutex<u64>);

impl Progress for Counted {
    fn bytes(&self, more: u64) {
        *self.0.lock().unwrap() += more;
    }
}

fn small(folder: &TempDir, name: &str, content: &[u8], expected: Expected) -> (UploadTarget, LocalFile) {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let (size, sha256) = (content.len() as u64, Sha256::of(content));
    let file = LocalFile { path, size, mtime_ns: 5_000_000_001, sha256, chunks: Vec::new(), old_chunks: Vec::new() };
    (UploadTarget { path: format!("sub/{name}"), expected }, file)
}

#[tokio::test]
async fn without_batches_small_files_go_one_by_one() {
    let server = Server::start(|request: &Request| match request.method.as_str() {
        "POST" => Answer::new(405),
        "PUT" if request.path.ends_with("/taken") || request.path.ends_with("/changed") => Answer::new(412),
        "PUT" => Answer::new(201).with("ETag", "\"v9\"").with("OC-FileId", "00000042sb9"),
        _ => Answer::new(404),
    })
    .await;
    let (remote, folder) = (remote(&server, "m"), TempDir::new().unwrap());
    let known = || Expected::Etag(Etag::from("\"v1\""));
    let files = vec![
        small(&folder, "empty", b"", Expected::Absent),
        small(&folder, "taken", b"12345", Expected::Absent),
        small(&folder, "changed", b"12345", known()),
        small(&folder, "fine", b"12345", known()),
    ];
    let counted = Counted::default();
    let results = remote.upload_small(files.clone(), &counted).await;
    let empty = results[0].as_ref().unwrap();
    assert_eq!((empty.id.clone(), empty.etag.clone()), (ItemId::from("42"), Etag::from("\"v9\"")));
    assert!(matches!(results[1], Err(RemoteError::Exists)), "{results:?}");
    assert!(matches!(results[2], Err(RemoteError::Changed)), "{results:?}");
    assert!(results[3].is_ok());
    assert_eq!(*counted.0.lock().unwrap(), 5, "what was refused does not count");
    let put = server.seen().into_iter().find(|r| r.path == "/dav/spaces/7/m/sub/fine").unwrap();
    assert_eq!((put.header("if-match"), put.header("x-oc-mtime")), (Some("\"v1\""), Some("5.000000001")));
    remote.upload_small(files, &()).await;
    assert_eq!(server.count("POST"), 1, "asked once");
}

#[tokio::test]
async fn refusals_mean_what_was_asked() {
    let server = Server::start(|request: &Request| match (request.method.as_str(), request.path.as_str()) {
        ("MKCOL", _) => Answer::new(405),
        ("MOVE", _) => Answer::new(412),
        ("PROPFIND", path) if path.ends_with("/free") => Answer::new(404),
        ("PROPFIND", path) => Answer::new(207).body(format!(
            "<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>{path}</d:href></d:response></d:multistatus>"
        )),
        ("DELETE", path) if path.ends_with("/derived") => {
            Answer::new(403).body("<s:message>written by a run</s:message>")
        }
        ("DELETE", path) if path.ends_with("/down") => Answer::new(503).with("Retry-After", 7),
        _ => Answer::new(412),
    })
    .await;
    let remote = remote(&server, "");
    let tag = Etag::from("\"v1\"");
    assert!(matches!(remote.make_folder("a").await, Err(RemoteError::Exists)));
    assert!(matches!(remote.relocate("a", "b", Some(&tag)).await, Err(RemoteError::Exists)));
    assert!(matches!(remote.relocate("a", "free", Some(&tag)).await, Err(RemoteError::Changed)));
    assert!(matches!(remote.delete("a", &tag).await, Err(RemoteError::Changed)));
    assert!(
        matches!(remote.delete("derived", &tag).await, Err(RemoteError::Forbidden { reason }) if reason == "written by a run")
    );
    let down = remote.delete("down", &tag).await;
    assert!(
        matches!(down, Err(RemoteError::Offline { retry_after: Some(time), .. }) if time.as_secs() == 7),
        "{down:?}"
    );
}
