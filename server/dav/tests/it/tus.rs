//! tus 1.0 through the router, as the sync clients and Uppy speak it.

use crate::world::{ANNA, Answer, Call, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const OCTETS: &str = "application/offset+octet-stream";

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n as u8).wrapping_mul(37) ^ (n >> 9) as u8).collect()
}

fn metadata(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect::<Vec<_>>().join(",")
}

fn tus<'w>(w: &'w World, method: &str, path: &str) -> Call<'w> {
    w.request(method, path).header("tus-resumable", "1.0.0")
}

/// A request with a body, as an HTTP client sends it.
async fn send(call: Call<'_>, body: &[u8]) -> Answer {
    call.header("content-type", OCTETS).header("content-length", &body.len().to_string()).send(body.to_vec()).await
}

async fn create(w: &World, size: usize, pairs: &[(&str, &str)]) -> String {
    let call = tus(w, "POST", ANNA).header("upload-length", &size.to_string());
    let answer = call.header("upload-metadata", &metadata(pairs)).send("").await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    path_of(&answer)
}

fn path_of(answer: &Answer) -> String {
    answer.header("location").strip_prefix("http://localhost").expect("a whole URL").to_owned()
}

async fn patch(w: &World, path: &str, offset: usize, body: &[u8]) -> Answer {
    send(tus(w, "PATCH", path).header("upload-offset", &offset.to_string()), body).await
}

async fn offset(w: &World, path: &str) -> String {
    let answer = tus(w, "HEAD", path).send("").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.header("upload-offset").to_owned()
}

#[tokio::test]
async fn what_is_offered_is_said() {
    let w = World::new().await;
    for path in ["/dav/tus/1", ANNA] {
        let answer = w.request("OPTIONS", path).anonymous().send("").await;
        assert_eq!(answer.header("tus-version"), "1.0.0");
        assert!(answer.header("tus-extension").contains("concatenation"));
        assert_eq!(answer.header("tus-checksum-algorithm"), "sha1,sha256,md5");
    }
    let old = w.request("POST", ANNA).header("tus-resumable", "0.2.0").header("upload-length", "1").send("").await;
    assert_eq!((old.status.as_u16(), old.header("tus-version")), (412, "1.0.0"));
    assert_eq!(tus(&w, "POST", ANNA).header("upload-metadata", "filename YQ==").send("").await.status, 412);
    let nameless = tus(&w, "POST", ANNA).header("upload-length", "1").send("").await;
    assert_eq!(nameless.status, 400);
    assert_eq!(tus(&w, "HEAD", "/dav/tus/17").send("").await.status, 404);
}

#[tokio::test]
async fn a_file_arrives_piece_by_piece() {
    let w = World::new().await;
    let all = bytes(300_000);
    let digest: String = Sha256::digest(&all).iter().map(|byte| format!("{byte:02x}")).collect();
    let checksum = format!("SHA256 {digest}");
    let pairs = [("filename", "/big.bin"), ("checksum", checksum.as_str()), ("mtime", "1600000000")];
    let path = create(&w, all.len(), &pairs).await;
    let head = tus(&w, "HEAD", &path).send("").await;
    assert_eq!((head.header("upload-length"), head.header("upload-metadata")), ("300000", metadata(&pairs).as_str()));
    assert!(!head.header("upload-expires").is_empty());
    let first = patch(&w, &path, 0, &all[..100_000]).await;
    assert_eq!((first.status.as_u16(), first.header("upload-offset")), (204, "100000"));
    assert_eq!(patch(&w, &path, 0, b"again").await.status, 409);
    assert_eq!(patch(&w, &path, 100_000, &bytes(200_001)).await.status, 413);
    let plain = tus(&w, "PATCH", &path).header("upload-offset", "100000").header("content-type", "text/plain");
    assert_eq!(plain.send("x").await.status, 415);
    assert_eq!(offset(&w, &path).await, "100000");
    assert_eq!(w.get(&format!("{ANNA}/big.bin")).await.status, 404);
    let last = patch(&w, &path, 100_000, &all[100_000..]).await;
    assert_eq!((last.status.as_u16(), last.header("upload-offset")), (204, "300000"));
    assert_eq!((last.header("oc-perm"), last.header("x-oc-mtime")), ("RGDNVW", "accepted"));
    let got = w.get(&format!("{ANNA}/big.bin")).await;
    assert!(got.body == all);
    assert_eq!((got.header("etag"), got.header("oc-fileid")), (last.header("etag"), last.header("oc-fileid")));
    assert_eq!(got.header("last-modified"), "Sun, 13 Sep 2020 12:26:40 GMT");
    // Who lost the answer hears it again.
    let again = patch(&w, &path, 300_000, b"").await;
    assert_eq!((again.status.as_u16(), again.header("etag")), (204, last.header("etag")));
    assert_eq!(offset(&w, &path).await, "300000");
}

#[tokio::test]
async fn a_small_file_needs_one_request() {
    let w = World::new().await;
    let call = || {
        let call = tus(&w, "POST", &format!("{ANNA}/")).header("upload-length", "5");
        call.header("upload-metadata", &metadata(&[("filename", "a.txt")]))
    };
    let answer = send(call(), b"hello").await;
    assert_eq!((answer.status.as_u16(), answer.header("upload-offset")), (201, "5"), "{}", answer.text());
    assert!(!answer.header("oc-fileid").is_empty() && !answer.header("oc-etag").is_empty());
    let path = path_of(&answer);
    assert_eq!(offset(&w, &path).await, "5", "it can be found afterwards");
    assert_eq!(w.get(&format!("{ANNA}/a.txt")).await.text(), "hello");
    let etag = answer.header("etag").to_owned();
    assert_eq!(send(call().header("if-match", "\"other\""), b"HELLO").await.status, 412);
    assert_eq!(send(call().header("if-match", &etag), b"HELLO").await.status, 201);
    assert_eq!(w.get(&format!("{ANNA}/a.txt")).await.text(), "HELLO");
    let empty = tus(&w, "POST", ANNA).header("upload-length", "0");
    let empty = empty.header("upload-metadata", &metadata(&[("filename", "empty")])).send("").await;
    assert_eq!(empty.status, 201);
    assert_eq!(w.get(&format!("{ANNA}/empty")).await.body, b"");
    // A part comes along with the creation, the rest later.
    let call = tus(&w, "POST", ANNA).header("upload-length", "9");
    let begun = send(call.header("upload-metadata", &metadata(&[("filename", "b.txt")])), b"one ").await;
    assert_eq!((begun.status.as_u16(), begun.header("upload-offset"), begun.header("etag")), (201, "4", ""));
    assert_eq!(patch(&w, &path_of(&begun), 4, b"three").await.status, 204);
    assert_eq!(w.get(&format!("{ANNA}/b.txt")).await.text(), "one three");
}

#[tokio::test]
async fn conditions_and_checksums_are_kept_until_the_end() {
    let w = World::new().await;
    let etag = w.put(&format!("{ANNA}/x"), "old").await.header("etag").to_owned();
    let begin = async |name: &str, value: &str| {
        let call = tus(&w, "POST", ANNA).header("upload-length", "3").header(name, value);
        path_of(&call.header("upload-metadata", &metadata(&[("filename", "x")])).send("").await)
    };
    let path = begin("if-match", &etag).await;
    w.put(&format!("{ANNA}/x"), "newer").await;
    assert_eq!(patch(&w, &path, 0, b"abc").await.status, 412);
    assert_eq!(tus(&w, "HEAD", &path).send("").await.status, 404, "nobody may take it for done");
    assert_eq!(w.get(&format!("{ANNA}/x")).await.text(), "newer");
    let wrong = [("filename", "x"), ("checksum", "MD5 00000000000000000000000000000000")];
    let path = create(&w, 3, &wrong).await;
    assert_eq!(patch(&w, &path, 0, b"abc").await.status, 400);
    assert_eq!(w.get(&format!("{ANNA}/x")).await.text(), "newer");
    let path = create(&w, 6, &[("filename", "y")]).await;
    let verified = |checksum: &str, offset: &str| {
        tus(&w, "PATCH", &path).header("upload-offset", offset).header("upload-checksum", checksum)
    };
    assert_eq!(send(verified("sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "0"), b"abc").await.status, 460);
    assert_eq!(offset(&w, &path).await, "0", "nothing of it was kept");
    assert_eq!(send(verified("crc32 AAAA", "0"), b"abc").await.status, 400);
    assert_eq!(send(verified("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "0"), b"abc").await.status, 204);
    assert_eq!(send(verified("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "3"), b"abc").await.status, 204);
    assert_eq!(w.get(&format!("{ANNA}/y")).await.text(), "abcabc");
}

#[tokio::test]
async fn uploads_side_by_side_become_one_file() {
    let w = World::new().await;
    let all = bytes(250_000);
    let mut urls = Vec::new();
    for part in [&all[..100_000], &all[100_000..]] {
        let call = tus(&w, "POST", ANNA).header("upload-concat", "partial");
        let answer = call.header("upload-length", &part.len().to_string()).send("").await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        urls.push(answer.header("location").to_owned());
    }
    let end = async |urls: &str| {
        let call = tus(&w, "POST", ANNA).header("upload-concat", &format!("final;{urls}"));
        call.header("upload-metadata", &metadata(&[("relativePath", "dropped/x.bin"), ("name", "x.bin")]))
            .send("")
            .await
    };
    let path = |url: &str| url.strip_prefix("http://localhost").unwrap().to_owned();
    patch(&w, &path(&urls[1]), 0, &all[100_000..]).await;
    assert_eq!(end(&urls.join(" ")).await.status, 400, "the first is not complete");
    patch(&w, &path(&urls[0]), 0, &all[..100_000]).await;
    assert_eq!(end("/dav/tus/1").await.status, 404);
    assert_eq!(end("").await.status, 400);
    let answer = end(&urls.join(" ")).await;
    assert_eq!((answer.status.as_u16(), answer.header("upload-offset")), (201, "250000"), "{}", answer.text());
    let got = w.get(&format!("{ANNA}/dropped/x.bin")).await;
    assert!(got.body == all, "with the folder that was missing");
    let head = tus(&w, "HEAD", &path_of(&answer)).send("").await;
    assert_eq!(head.header("upload-concat"), format!("final;{}", urls.join(" ")));
}

async fn partial(w: &World, top: &str, body: &[u8]) -> String {
    let call = tus(w, "POST", top).header("upload-concat", "partial");
    let answer = call.header("upload-length", &body.len().to_string()).send("").await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(patch(w, &path_of(&answer), 0, body).await.status, 204);
    path_of(&answer)
}

#[tokio::test]
async fn a_part_that_vanishes_meanwhile_makes_no_shorter_file() {
    use stitchbox_domain::auth::Entrance;
    use stitchbox_domain::uploads::{Intent, NewSession, Protocol, Words};
    use stitchbox_domain::{Error, ItemPath, Location};
    let w = World::new().await;
    let here = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let anna = w.domain.login_basic("anna", crate::world::PASSWORD, here, Entrance::WebDav).await.unwrap();
    let mut parts = Vec::new();
    for body in [b"abc", b"def"] {
        let path = partial(&w, ANNA, body).await;
        let name = path.rsplit('/').next().unwrap();
        parts.push(w.domain.session(&anna, Protocol::Tus, name).await.unwrap());
    }
    // Both were looked at; then one is given up by another request.
    w.domain.abandon_session(&parts[1]).await.unwrap();
    let at = Location::in_space(parts[0].destination.as_ref().unwrap().space, ItemPath::parse("/x").unwrap());
    let (protocol, words) = (Protocol::Tus, Words::default());
    let intent = Intent::default();
    let new = NewSession { protocol, name: None, destination: Some(at), intent, partial: false, words };
    let joined = w.domain.begin_concatenation(&anna, new, &parts).await;
    assert!(matches!(joined, Err(Error::NotFound)), "{joined:?}");
    assert_eq!(w.domain.open_sessions(&anna, Protocol::Tus).await.unwrap().len(), 1, "nothing else is left behind");
}

#[tokio::test]
async fn parts_from_elsewhere_do_not_get_round_the_quota() {
    let w = World::new().await;
    let manager = Some("anna".to_owned());
    let small = stitchbox_domain::NewSpace { name: "small".to_owned(), manager, quota: Some(1500) };
    w.domain.add_space(small).await.unwrap();
    let part = partial(&w, ANNA, &bytes(1000)).await;
    let end = async |urls: &str, name: &str| {
        let call = tus(&w, "POST", "/dav/spaces/small").header("upload-concat", &format!("final;{urls}"));
        call.header("upload-metadata", &metadata(&[("filename", name)])).send("").await.status.as_u16()
    };
    assert_eq!(end(&format!("{part} {part}"), "twice").await, 507);
    assert_eq!(end(&part, "once").await, 201);
    assert_eq!(end(&part, "again").await, 507, "the bytes of one part count for every file made of them");
}

#[tokio::test]
async fn who_left_the_space_is_told_nothing_more_of_the_file() {
    use stitchbox_schema::Role;
    let w = World::new().await;
    w.domain.set_member("KB", "otto", Some(Role::Editor)).await.unwrap();
    let otto = |method: &'static str, path: &str| tus(&w, method, path).login("otto", crate::world::PASSWORD);
    let call = otto("POST", "/dav/spaces/KB").header("upload-length", "3");
    let path = path_of(&call.header("upload-metadata", &metadata(&[("filename", "x")])).send("").await);
    let again = async |offset: &str, body: &'static [u8]| {
        send(otto("PATCH", &path).header("upload-offset", offset), body).await
    };
    assert_eq!(again("0", b"abc").await.status, 204);
    w.put("/dav/spaces/KB/x", "newer").await;
    w.domain.set_member("KB", "otto", None).await.unwrap();
    let answer = again("3", b"").await;
    assert!(answer.status.is_client_error() && answer.header("etag").is_empty(), "{}", answer.status);
}

#[tokio::test]
async fn a_length_may_be_told_later_and_an_upload_given_up() {
    let w = World::new().await;
    let call = tus(&w, "POST", ANNA).header("upload-defer-length", "1");
    let answer = call.header("upload-metadata", &metadata(&[("filename", "x")])).send("").await;
    let path = path_of(&answer);
    assert_eq!(patch(&w, &path, 0, b"abc").await.status, 204);
    let head = tus(&w, "HEAD", &path).send("").await;
    assert_eq!((head.header("upload-defer-length"), head.header("upload-offset")), ("1", "3"));
    let last = tus(&w, "PATCH", &path).header("upload-offset", "3").header("upload-length", "5");
    assert_eq!(send(last, b"de").await.status, 204);
    assert_eq!(w.get(&format!("{ANNA}/x")).await.text(), "abcde");
    let path = create(&w, 5, &[("filename", "y")]).await;
    let stranger = tus(&w, "DELETE", &path).login("vera", crate::world::PASSWORD).send("").await;
    assert_eq!(stranger.status, 404);
    assert_eq!(tus(&w, "DELETE", &path).send("").await.status, 204);
    assert_eq!(patch(&w, &path, 0, b"abc").await.status, 404);
    assert_eq!(tus(&w, "GET", &path).send("").await.status, 405);
    let viewer = tus(&w, "POST", "/dav/spaces/KB").login("vera", crate::world::PASSWORD).header("upload-length", "1");
    let viewer = viewer.header("upload-metadata", &metadata(&[("filename", "x")])).send("").await;
    assert_eq!(viewer.status, 403);
}
