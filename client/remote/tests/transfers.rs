//! Transfers against a tiny server in this process: whole, resumed, in batches, by differences, and when the network breaks.

mod tiny;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Url;
use stitchbox_remote::{
    Compression, Connection, Credentials, Dialect, Expected, Heard, Known, OldVersion, Options, Outgoing, Small,
    WireError,
};
use stitchbox_sync::chunks::Cutter;
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::Chunk;
use tempfile::TempDir;
use tiny::shelf::shelf;
use tiny::{Answer, Server};

fn connection(server: &Server, compression: Compression) -> Connection {
    // the program does this once; in a test whoever comes first
    let _ = rustls::crypto::ring::default_provider().install_default();
    let credentials = Credentials::Basic { user: "ada".into(), password: "x".into() };
    Connection::new(&server.address, credentials, &Options { compression, ..Options::default() }).unwrap()
}

fn at(server: &Server, path: &str) -> Url {
    server.address.join(path).unwrap()
}

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        content.extend_from_slice(&(state >> 16).to_le_bytes()[..6]);
    }
    content.truncate(bytes);
    content
}

fn file(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn cut(content: &[u8]) -> Vec<Chunk> {
    let mut cutter = Cutter::default();
    cutter.push(content);
    cutter.finish()
}

fn silent() -> Answer {
    Answer { silent: true, ..Answer::default() }
}

#[tokio::test]
async fn a_lost_answer_is_no_conflict_but_another_content_is() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Never), TempDir::new().unwrap());
    let outgoing = Outgoing::of(&file(&folder, "a", b"measured")).await.unwrap();
    shelf.lock().unwrap().faults.push(("PUT", "/f/a", silent(), true));
    let stored = connection.store(&at(&server, "f/a"), &outgoing, &Expected::Absent, None, &Heard::default()).await;
    assert_eq!(stored.unwrap().etag.as_deref(), Some("\"v1\""));
    shelf.lock().unwrap().put("/f/b", b"something else");
    let refused = connection.store(&at(&server, "f/b"), &outgoing, &Expected::Absent, None, &Heard::default()).await;
    assert_eq!(refused.unwrap_err().status(), Some(412));
    assert_eq!(shelf.lock().unwrap().content("/f/b"), b"something else");
}

#[tokio::test]
async fn passing_failures_are_tried_again_when_the_server_says_and_others_are_not() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Never), TempDir::new().unwrap());
    let outgoing = Outgoing::of(&file(&folder, "a", b"measured")).await.unwrap();
    let later = Answer::new(429).with("Retry-After", 1);
    shelf.lock().unwrap().faults.push(("PUT", "/f/a", later, false));
    let begun = Instant::now();
    connection.store(&at(&server, "f/a"), &outgoing, &Expected::Absent, None, &Heard::default()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    server.forget();
    let no = Answer::new(401).body("<s:message>wrong password</s:message>");
    shelf.lock().unwrap().faults.push(("PUT", "/f/b", no, false));
    let error = connection.store(&at(&server, "f/b"), &outgoing, &Expected::Absent, None, &Heard::default()).await;
    assert!(error.unwrap_err().to_string().contains("wrong password"));
    assert_eq!(server.count("PUT"), 1);
}

#[tokio::test]
async fn a_file_that_changes_before_it_is_sent_is_not_stored() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Never), TempDir::new().unwrap());
    let path = file(&folder, "a", b"measured");
    let outgoing = Outgoing::of(&path).await.unwrap();
    for content in [b"Measured!".as_slice(), b"m"] {
        std::fs::write(&path, content).unwrap();
        let sent = connection.store(&at(&server, "f/a"), &outgoing, &Expected::Absent, None, &Heard::default()).await;
        assert!(matches!(sent, Err(WireError::SourceChanged { .. })), "{sent:?}");
        assert!(shelf.lock().unwrap().files.is_empty());
    }
}

#[tokio::test]
async fn large_files_go_in_chunks_and_only_missing_ones_are_sent_again() {
    let (server, shelf) = shelf().await;
    let folder = TempDir::new().unwrap();
    let content = noise(30 << 20, 5);
    let outgoing = Outgoing::of(&file(&folder, "big", &content)).await.unwrap();
    // the third chunk fails for good: as if the program had been killed there
    shelf.lock().unwrap().faults.push(("PUT", "/0000000016777216", Answer::new(403), false));
    let url = at(&server, "f/big");
    let first = connection(&server, Compression::Never);
    // a refusal for good ends the session; what a kill leaves is put there by hand
    first.store(&url, &outgoing, &Expected::Absent, None, &Heard::default()).await.unwrap_err();
    shelf.lock().unwrap().faults.push(("PUT", "/0000000016777216", Answer::new(507), false));
    first.store(&url, &outgoing, &Expected::Absent, None, &Heard::default()).await.unwrap_err();
    assert_eq!(shelf.lock().unwrap().sessions.len(), 1, "a session that may go on stays");
    let had: usize = shelf.lock().unwrap().sessions.values().flat_map(|chunks| chunks.values()).map(Vec::len).sum();
    server.forget();
    shelf.lock().unwrap().faults.push(("PUT", "/0000000016777216", silent(), false));
    shelf.lock().unwrap().faults.push(("MOVE", "", silent(), true));
    let again = connection(&server, Compression::Never);
    again.store(&url, &outgoing, &Expected::Absent, None, &Heard::default()).await.unwrap();
    assert!(shelf.lock().unwrap().content("/f/big") == content);
    let sent: usize = server.seen().iter().filter(|r| r.method == "PUT").map(|r| r.wire.len()).sum();
    assert!(had > 0 && sent <= content.len() - had + (8 << 20), "{had} were there, {sent} were sent");
}

#[tokio::test]
async fn of_an_edited_large_file_only_the_difference_is_sent() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Never), TempDir::new().unwrap());
    let old = noise(40 << 20, 9);
    let tag = shelf.lock().unwrap().put("/f/big", &old);
    let mut new = old.clone();
    new.splice(20_000_000..20_000_100, b"another line".iter().copied());
    let outgoing = Outgoing::of(&file(&folder, "big", &new)).await.unwrap();
    let version = OldVersion { etag: tag.clone(), chunks: cut(&old), new_chunks: cut(&new) };
    let url = at(&server, "f/big");
    connection.store(&url, &outgoing, &Expected::Etag(tag), Some(&version), &Heard::default()).await.unwrap();
    assert!(shelf.lock().unwrap().content("/f/big") == new);
    let sent: usize = server.seen().iter().map(|request| request.wire.len()).sum();
    assert!(sent > 0 && sent < 10 << 20, "{sent} of {} bytes were sent", new.len());
    // the version is gone: everything is sent, and arrives
    let version = OldVersion { etag: "\"v99\"".to_owned(), ..version };
    connection
        .store(&at(&server, "f/other"), &outgoing, &Expected::Absent, Some(&version), &Heard::default())
        .await
        .unwrap();
    assert!(shelf.lock().unwrap().content("/f/other") == new);
}

#[tokio::test]
async fn small_files_go_together_with_an_answer_each() {
    let (server, shelf) = shelf().await;
    let folder = TempDir::new().unwrap();
    shelf.lock().unwrap().put("/f/taken", b"somebody else's");
    shelf.lock().unwrap().put("/f/same", b"same");
    let contents: [(&str, &[u8]); 5] = [
        ("empty", b""),
        ("sub/é b", b"with --stitchbox- inside\r\n"),
        ("taken", b"mine"),
        ("same", b"same"),
        ("gone", b"x"),
    ];
    let mut small = Vec::new();
    for (at, (path, content)) in contents.into_iter().enumerate() {
        let outgoing = Outgoing::of(&file(&folder, &format!("{at}"), content)).await.unwrap();
        small.push(Small { path: path.to_owned(), expected: Expected::Absent, outgoing });
    }
    std::fs::remove_file(folder.path().join("4")).unwrap();
    for compression in [Compression::Never, Compression::Always] {
        let connection = connection(&server, compression);
        let results = connection.store_small(&at(&server, "f"), &small, &Heard::default()).await.unwrap();
        assert!(results[0].is_ok() && results[1].is_ok(), "{results:?}");
        assert_eq!(results[2].as_ref().unwrap_err().status(), Some(412));
        assert!(results[3].is_ok(), "the same content is no conflict");
        assert!(matches!(results[4], Err(WireError::Local { .. })));
    }
    let shelf = shelf.lock().unwrap();
    assert_eq!((shelf.content("/f/empty"), shelf.content("/f/taken")), (b"".as_slice(), b"somebody else's".as_slice()));
    assert_eq!(shelf.content("/f/sub/é b"), contents[1].1);
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Never), TempDir::new().unwrap());
    let content = noise(3 << 20, 3);
    let tag = shelf.lock().unwrap().put("/f/a", &content);
    let cut = Answer::new(200).with("ETag", &tag).body(content.clone());
    shelf.lock().unwrap().faults.push(("GET", "/f/a", Answer { cut_after: Some(2_000_000), ..cut }, false));
    let known = Known { etag: Some(tag), size: Some(content.len() as u64), sha256: Some(Sha256::of(&content)) };
    let into = folder.path().join("into");
    let fetched = connection.fetch(&at(&server, "f/a"), &into, &known, &Heard::default()).await.unwrap();
    assert!(fetched.verified && std::fs::read(&into).unwrap() == content);
    let ranges: Vec<_> = server.seen().iter().filter_map(|r| r.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges.len(), 1);
    let from: u64 = ranges[0].strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
    assert!(from > 1_000_000, "asked again from {from}");
    // complete already: nothing is asked
    server.forget();
    connection.fetch(&at(&server, "f/a"), &into, &known, &Heard::default()).await.unwrap();
    assert_eq!(server.count("GET"), 0);
}

#[tokio::test]
async fn a_wrong_beginning_and_damage_on_the_way_are_found() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Never), TempDir::new().unwrap());
    let content = noise(300_000, 4);
    let tag = shelf.lock().unwrap().put("/f/a", &content);
    let known = Known { etag: Some(tag.clone()), size: Some(300_000), sha256: Some(Sha256::of(&content)) };
    let into = file(&folder, "into", b"of another version");
    connection.fetch(&at(&server, "f/a"), &into, &known, &Heard::default()).await.unwrap();
    assert!(std::fs::read(&into).unwrap() == content, "fetched anew after the part turned out wrong");
    let mut broken = content.clone();
    broken[200_000] ^= 1;
    for _ in 0..5 {
        let answer = Answer::new(200).with("ETag", &tag).body(broken.clone());
        shelf.lock().unwrap().faults.push(("GET", "/f/a", answer, false));
    }
    std::fs::remove_file(&into).unwrap();
    let error = connection.fetch(&at(&server, "f/a"), &into, &known, &Heard::default()).await.unwrap_err();
    assert!(matches!(error, WireError::Damaged(_)), "{error}");
    assert_eq!(std::fs::metadata(&into).unwrap().len(), 0, "damaged bytes do not stay");
    let other = Known { etag: Some("\"v77\"".into()), ..known };
    let error = connection.fetch(&at(&server, "f/a"), &into, &other, &Heard::default()).await.unwrap_err();
    assert_eq!(error.status(), Some(412));
}

#[tokio::test]
async fn halves_of_two_versions_are_not_joined_where_no_digest_is_told() {
    let (server, shelf) = shelf().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = Options { dialect: Some(Dialect::Plain), ..Options::default() };
    let connection = Connection::new(&server.address, Credentials::None, &options).unwrap();
    let folder = TempDir::new().unwrap();
    let into = file(&folder, "part", b"AAAA");
    let second = Answer { status: 206, ..Answer::new(206).with("ETag", "\"v2\"").with("Content-Range", "bytes 4-7/8") };
    shelf.lock().unwrap().put("/f", b"CCCCBBBB");
    shelf.lock().unwrap().faults.push(("GET", "/f", second.body("BBBB"), false));
    let known = Known { etag: Some("\"v0\"".to_owned()), size: Some(8), sha256: None };
    connection.fetch(&at(&server, "f"), &into, &known, &Heard::default()).await.unwrap();
    assert_eq!(std::fs::read(&into).unwrap(), b"CCCCBBBB");
}

#[tokio::test]
async fn what_compresses_is_compressed_both_ways() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Always), TempDir::new().unwrap());
    connection.dialect().await.unwrap();
    let text = "12.000341 -0.000120 7\n".repeat(40_000).into_bytes();
    for (name, content, compresses) in [("text", &text, true), ("noise", &noise(900_000, 6), false)] {
        server.forget();
        let outgoing = Outgoing::of(&file(&folder, name, content)).await.unwrap();
        let url = at(&server, &format!("f/{name}"));
        connection.store(&url, &outgoing, &Expected::Absent, None, &Heard::default()).await.unwrap();
        assert!(shelf.lock().unwrap().content(&format!("/f/{name}")) == content.as_slice());
        let sent = server.seen()[0].wire.len();
        assert_eq!(sent < content.len() / 4, compresses, "{name}: {sent} of {} bytes", content.len());
        let into = folder.path().join("back");
        let known = Known { size: Some(content.len() as u64), ..Known::default() };
        connection.fetch(&url, &into, &known, &Heard::default()).await.unwrap();
        assert!(std::fs::read(&into).unwrap() == *content);
        std::fs::remove_file(&into).unwrap();
    }
}

#[tokio::test]
async fn an_unfolding_bomb_ends_at_the_size_that_was_listed() {
    let (server, shelf) = shelf().await;
    let (connection, folder) = (connection(&server, Compression::Always), TempDir::new().unwrap());
    connection.dialect().await.unwrap();
    shelf.lock().unwrap().put("/f/a", &vec![0; 50 << 20]);
    let into = folder.path().join("into");
    let known = Known { size: Some(1000), ..Known::default() };
    let error = connection.fetch(&at(&server, "f/a"), &into, &known, &Heard::default()).await.unwrap_err();
    assert!(matches!(error, WireError::Damaged(_)), "{error}");
    assert!(std::fs::metadata(&into).unwrap().len() <= 1000);
}
