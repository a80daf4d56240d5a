//! Many small files in one request.

use crate::world::{ANNA, Answer, World};
use serde_json::Value;

const BULK: &str = "/remote.php/dav/bulk";

/// A part as clients write it: headers, and a body whose length is said.
fn part(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = b"--bound\r\n".to_vec();
    for (name, value) in headers {
        text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    text.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    text.extend_from_slice(body);
    text.extend_from_slice(b"\r\n");
    text
}

async fn post(w: &World, path: &str, parts: &[Vec<u8>]) -> Answer {
    let body = [parts.concat(), b"--bound--\r\n".to_vec()].concat();
    w.request("POST", path).header("content-type", "multipart/related; boundary=bound").send(body).await
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn every_file_is_answered_on_its_own() {
    let w = World::new().await;
    let old = w.put(&format!("{ANNA}/old.txt"), "old").await.header("etag").to_owned();
    w.mkcol(&format!("{ANNA}/folder")).await;
    let large = vec![7_u8; 200_000];
    let parts = [
        part(
            &[
                ("X-File-Path", "/new/deep/ü.txt"),
                ("X-File-Mtime", "1600000000.25"),
                ("X-File-MD5", "5d41402abc4b2a76b9719d911017c592"),
            ],
            b"hello",
        ),
        part(&[("X-File-Path", "/empty")], b""),
        part(&[("X-File-Path", "/old.txt"), ("If-Match", &old)], b"newer"),
        part(&[("X-File-Path", "/large.bin")], &large),
        part(&[("X-File-Path", "/wrong.txt"), ("X-File-MD5", "00000000000000000000000000000000")], b"x"),
        part(&[("X-File-Path", "/stale.txt"), ("If-Match", "\"other\"")], b"x"),
        part(&[("X-File-Path", "/folder")], b"x"),
        part(&[("X-File-Path", "/Spaces/KB/in-space.txt"), ("If-None-Match", "*")], b"x"),
        part(&[("X-File-Path", "/Spaces/nowhere/x")], b"x"),
        part(&[("X-File-Path", "/../x")], b"x"),
        part(&[("X-File-Path", "/empty")], b"twice"),
    ];
    let answers = json(&post(&w, BULK, &parts).await);
    let status = |path: &str| answers[path]["status"].as_u64().unwrap();
    for (path, expected) in [
        ("/new/deep/ü.txt", 201),
        ("/empty", 201),
        ("/old.txt", 204),
        ("/large.bin", 201),
        ("/wrong.txt", 400),
        ("/stale.txt", 412),
        ("/folder", 405),
        ("/Spaces/KB/in-space.txt", 201),
        ("/Spaces/nowhere/x", 404),
        ("/../x", 400),
    ] {
        assert_eq!(status(path), expected, "{path}: {answers}");
        assert_eq!(answers[path]["error"], expected >= 400, "{path}");
    }
    let got = w.get(&format!("{ANNA}/new/deep/%C3%BC.txt")).await;
    assert_eq!(got.text(), "hello");
    let told = &answers["/new/deep/ü.txt"];
    assert_eq!(told["etag"], got.header("etag"));
    assert_eq!(
        (told["OC-FileID"].as_str().unwrap(), told["X-OC-MTime"].as_str().unwrap()),
        (got.header("oc-fileid"), "accepted")
    );
    assert_eq!(got.header("last-modified"), "Sun, 13 Sep 2020 12:26:40 GMT");
    assert_eq!(w.get(&format!("{ANNA}/old.txt")).await.text(), "newer");
    assert!(w.get(&format!("{ANNA}/large.bin")).await.body == large);
    assert_eq!(w.get(&format!("{ANNA}/empty")).await.text(), "", "the first of two counts");
    for path in ["wrong.txt", "stale.txt"] {
        assert_eq!(w.get(&format!("{ANNA}/{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_folder_takes_many_files_and_zstd() {
    let w = World::new().await;
    w.mkcol("/dav/spaces/KB/series").await;
    let parts: Vec<Vec<u8>> =
        (0..300).map(|n| part(&[("X-File-Path", &format!("{n}.dat"))], format!("content {n}").as_bytes())).collect();
    let body = zstd::bulk::compress(&[parts.concat(), b"--bound--\r\n".to_vec()].concat(), 3).unwrap();
    let call = w.request("POST", "/dav/spaces/KB/series").header("content-encoding", "zstd");
    let answer = call.header("content-type", "multipart/related; boundary=bound").send(body).await;
    let answers = json(&answer);
    assert_eq!(answers.as_object().unwrap().len(), 300);
    assert!(answers.as_object().unwrap().values().all(|entry| entry["status"] == 201), "{answers}");
    assert_eq!(w.get("/dav/spaces/KB/series/299.dat").await.text(), "content 299");
    let viewer = w.request("POST", "/dav/spaces/KB/series").login("vera", crate::world::PASSWORD);
    let body = [part(&[("X-File-Path", "v")], b"x"), b"--bound--".to_vec()].concat();
    let refused = viewer.header("content-type", "multipart/related; boundary=bound").send(body).await;
    assert_eq!(json(&refused)["v"]["status"], 403);
}

#[tokio::test]
async fn what_is_no_multipart_is_refused() {
    let w = World::new().await;
    let send = async |content_type: &str, body: &'static str| {
        w.request("POST", BULK).header("content-type", content_type).send(body).await.status.as_u16()
    };
    assert_eq!(send("multipart/related", "x").await, 400);
    assert_eq!(
        send("multipart/related; boundary=b", "--b\r\nX-File-Path: /x\r\nContent-Length: 5\r\n\r\nab").await,
        400
    );
    assert_eq!(send("multipart/related; boundary=b", "--b\r\nContent-Length: 1\r\n\r\na\r\n--b--").await, 400);
    assert_eq!(w.request("GET", BULK).send("").await.status, 405);
    assert_eq!(w.request("POST", ANNA).send("x").await.status, 405);
    let many: Vec<Vec<u8>> = (0..1001).map(|n| part(&[("X-File-Path", &format!("/{n}"))], b"")).collect();
    assert_eq!(post(&w, BULK, &many).await.status, 413);
}
