//! Uploads in chunks, as the sync clients and rclone send them.

use crate::world::{ANNA, Answer, World};
use sha2::{Digest, Sha256};

const SESSION: &str = "/remote.php/dav/uploads/anna/1234";

fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed) ^ (n >> 8) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn chunk(w: &World, name: &str, body: &[u8]) -> Answer {
    w.request("PUT", &format!("{SESSION}/{name}")).send(body.to_vec()).await
}

async fn finish(w: &World, to: &str) -> Answer {
    w.request("MOVE", &format!("{SESSION}/.file")).header("destination", to).send("").await
}

#[tokio::test]
async fn chunks_by_number_in_any_order_become_the_file() {
    let w = World::new().await;
    assert_eq!(w.mkcol(SESSION).await.status, 201);
    assert_eq!(w.mkcol(SESSION).await.status, 405, "one session at a time by this name");
    let all = bytes(400_000, 1);
    // Unpadded numbers: 10 comes after 9. One is small enough for a row.
    let pieces = [(10, &all[390_000..]), (2, &all[100..200_000]), (9, &all[200_000..390_000]), (1, &all[..100])];
    for (number, piece) in pieces {
        assert_eq!(chunk(&w, &number.to_string(), piece).await.status, 201);
    }
    assert!(w.get(&format!("{ANNA}/big.bin")).await.status == 404, "nothing is shown before the end");
    let to = format!("{ANNA}/big.bin");
    let moved = w
        .request("MOVE", &format!("{SESSION}/.file"))
        .header("destination", &to)
        .header("x-oc-mtime", "1600000000")
        .header("oc-total-length", "400000")
        .header("oc-checksum", &format!("SHA256:{}", sha256(&all)))
        .send("")
        .await;
    assert_eq!(moved.status, 201, "{}", moved.text());
    assert_eq!(moved.header("x-oc-mtime"), "accepted");
    let got = w.get(&to).await;
    assert!(got.body == all, "the same bytes");
    assert_eq!((got.header("etag"), got.header("oc-fileid")), (moved.header("etag"), moved.header("oc-fileid")));
    assert_eq!(moved.header("oc-etag"), moved.header("etag"));
    assert_eq!(got.header("last-modified"), "Sun, 13 Sep 2020 12:26:40 GMT");
    for range in [(0, 150), (50, 250_000), (199_990, 200_010), (389_999, 390_001), (399_999, 400_000)] {
        let part = w.request("GET", &to).header("range", &format!("bytes={}-{}", range.0, range.1 - 1)).send("").await;
        assert!(part.status == 206 && part.body == all[range.0..range.1], "{range:?}");
    }
}

#[tokio::test]
async fn the_end_can_be_repeated_and_the_session_is_gone() {
    let w = World::new().await;
    w.mkcol(SESSION).await;
    chunk(&w, "00000", b"hello ").await;
    chunk(&w, "00001", b"world").await;
    let to = format!("{ANNA}/x.txt");
    let first = finish(&w, &to).await;
    let again = finish(&w, &format!("http://localhost{to}")).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    for name in ["etag", "oc-fileid", "oc-etag"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!(finish(&w, &format!("{ANNA}/y.txt")).await.status, 404, "another place is another question");
    assert_eq!(w.properties(SESSION, "1", "<d:resourcetype/>").await.status, 404);
    assert_eq!(chunk(&w, "2", b"late").await.status, 404);
    assert_eq!(w.mkcol(SESSION).await.status, 201, "the name is free again");
    chunk(&w, "1", b"second").await;
    let second = finish(&w, &to).await;
    assert_eq!(second.status, 204, "an existing file was replaced");
    assert_eq!(second.header("oc-fileid"), first.header("oc-fileid"));
    assert_eq!(w.get(&to).await.text(), "second");
}

#[tokio::test]
async fn what_does_not_add_up_is_refused_and_nothing_is_shown() {
    let w = World::new().await;
    let to = format!("{ANNA}/x.txt");
    w.put(&to, "old").await;
    w.request("MKCOL", SESSION).header("oc-total-length", "10").send("").await;
    chunk(&w, "0", b"01234").await;
    assert_eq!(finish(&w, &to).await.status, 400, "the size was announced when it began");
    chunk(&w, "1", b"56789").await;
    let end = |name: &'static str, value: &'static str| {
        w.request("MOVE", &format!("{SESSION}/.file")).header("destination", &to).header(name, value)
    };
    assert_eq!(end("oc-total-length", "11").send("").await.status, 400);
    assert_eq!(end("oc-checksum", "SHA1:0000000000000000000000000000000000000000").send("").await.status, 400);
    assert_eq!(end("oc-checksum", "MD5:00000000000000000000000000000000").send("").await.status, 400);
    assert_eq!(end("overwrite", "F").send("").await.status, 412);
    assert_eq!(end("if-match", "\"other\"").send("").await.status, 412);
    assert_eq!(w.get(&to).await.text(), "old");
    // MD5 is not among what is computed along; it is read again.
    assert_eq!(end("oc-checksum", "MD5:781e5e245d69b566979b86e28d23f2c7").send("").await.status, 204);
    assert_eq!(w.get(&to).await.text(), "0123456789");
}

#[tokio::test]
async fn an_if_header_speaks_of_the_destination() {
    let w = World::new().await;
    let to = format!("{ANNA}/x.txt");
    let etag = w.put(&to, "old").await.header("etag").to_owned();
    w.mkcol(SESSION).await;
    chunk(&w, "0", b"new").await;
    let end = |etag: &str| {
        let call = w.request("MOVE", &format!("{SESSION}/.file")).header("destination", &to);
        call.header("if", &format!("<{to}> ([{etag}])"))
            .header("oc-checksum", "SHA1:c2a6b03f190dfb2b4aa91f8af8d477a9bc3401dc")
    };
    assert_eq!(end("\"other\"").send("").await.status, 412);
    assert_eq!(end(&etag).send("").await.status, 204);
}

#[tokio::test]
async fn offsets_and_ranges_must_fit() {
    let w = World::new().await;
    let at =
        |name: &str, offset: &str| w.request("PUT", &format!("{SESSION}/{name}")).header("oc-chunk-offset", offset);
    w.mkcol(SESSION).await;
    at("0000000000000000", "0").send("01234").await;
    at("0000000000000006", "6").send("6789").await;
    let to = format!("{ANNA}/x.txt");
    assert_eq!(finish(&w, &to).await.status, 400, "a gap");
    at("0000000000000004", "4").send("x").await;
    assert_eq!(finish(&w, &to).await.status, 400, "one byte twice");
    assert_eq!(w.request("DELETE", &format!("{SESSION}/0000000000000004")).send("").await.status, 204);
    at("0000000000000005", "5").send("5").await;
    assert_eq!(finish(&w, &to).await.status, 201);
    assert_eq!(w.get(&to).await.text(), "0123456789");
    w.mkcol(SESSION).await;
    for (name, body) in [("000000000000005-000000000000010", "56789"), ("000000000000000-000000000000005", "01234")] {
        assert_eq!(chunk(&w, name, body.as_bytes()).await.status, 201);
    }
    assert_eq!(finish(&w, &format!("{ANNA}/y.txt")).await.status, 201);
    assert_eq!(w.get(&format!("{ANNA}/y.txt")).await.text(), "0123456789");
    w.mkcol(SESSION).await;
    for wrong in ["abc", "5-4", "-1"] {
        assert_eq!(chunk(&w, wrong, b"x").await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_chunk_sent_again_replaces_the_first_one() {
    let w = World::new().await;
    w.mkcol(SESSION).await;
    let (one, two, other) = (bytes(80_000, 1), bytes(90_000, 2), bytes(100_000, 3));
    assert_eq!(chunk(&w, "1", &one).await.status, 201);
    assert_eq!(chunk(&w, "2", &two).await.status, 201);
    assert_eq!(chunk(&w, "1", &other).await.status, 204);
    let list = w.properties(SESSION, "1", "<d:resourcetype/><d:getcontentlength/><d:getlastmodified/>").await;
    assert_eq!(list.status, 207);
    assert_eq!(list.hrefs(), [format!("{SESSION}/"), format!("{SESSION}/1"), format!("{SESSION}/2")]);
    assert!(list.text().contains("<d:getcontentlength>100000</d:getcontentlength>"), "{}", list.text());
    let to = format!("{ANNA}/x.bin");
    let total = w.request("MOVE", &format!("{SESSION}/.file")).header("destination", &to);
    assert_eq!(
        total
            .header("oc-checksum", &format!("SHA256:{}", sha256(&[other.clone(), two.clone()].concat())))
            .send("")
            .await
            .status,
        201
    );
    assert!(w.get(&to).await.body == [other, two].concat());
}

#[tokio::test]
async fn a_session_given_up_leaves_nothing_and_others_cannot_see_it() {
    let w = World::new().await;
    w.mkcol(SESSION).await;
    chunk(&w, "1", &bytes(100_000, 1)).await;
    for (method, path) in
        [("PROPFIND", SESSION.to_owned()), ("DELETE", SESSION.to_owned()), ("PUT", format!("{SESSION}/1"))]
    {
        let answer = w.request(method, &path).login("vera", crate::world::PASSWORD).send("").await;
        assert_eq!(answer.status, 404, "{method}");
    }
    assert_eq!(w.request("DELETE", SESSION).send("").await.status, 204);
    assert_eq!(w.properties(SESSION, "0", "<d:resourcetype/>").await.status, 404);
    assert_eq!(finish(&w, &format!("{ANNA}/x")).await.status, 404);
    assert_eq!(w.request("GET", SESSION).send("").await.status, 405);
    for (method, status) in [("MKCOL", 400), ("DELETE", 404), ("PROPFIND", 404)] {
        let answer = w.request(method, "/remote.php/dav/uploads/anna/a%00b").send("").await;
        assert_eq!(answer.status, status, "{method} of a name that cannot be");
    }
    assert_eq!(chunk(&w, ".file", b"x").await.status, 405);
}

#[tokio::test]
async fn a_destination_is_looked_at_when_the_session_begins() {
    let w = World::new().await;
    let begin = |to: &str| w.request("MKCOL", SESSION).header("destination", to);
    assert_eq!(begin(&format!("{ANNA}/missing/x")).send("").await.status, 409);
    assert_eq!(
        begin("/dav/spaces/KB/x").login("vera", crate::world::PASSWORD).send("").await.status,
        404,
        "not her sessions"
    );
    assert_eq!(begin("http://elsewhere/x").send("").await.status, 502);
    assert_eq!(begin(&format!("{ANNA}/x")).send("").await.status, 201);
    let other = "/remote.php/dav/uploads/vera/s";
    let vera =
        w.request("MKCOL", other).header("destination", "/dav/spaces/KB/x").login("vera", crate::world::PASSWORD);
    assert_eq!(vera.send("").await.status, 403, "a viewer may not write there");
}

#[tokio::test]
async fn a_range_of_an_older_version_needs_no_bytes() {
    let w = World::new().await;
    let to = format!("{ANNA}/x.bin");
    // The old version is itself put together from chunks.
    let old = bytes(300_000, 5);
    w.mkcol(SESSION).await;
    chunk(&w, "1", &old[..140_000]).await;
    chunk(&w, "2", &old[140_000..]).await;
    let etag = finish(&w, &to).await.header("etag").to_owned();
    let range = |name: &str, offset: usize, range: &str| {
        w.request("PUT", &format!("{SESSION}/{name}"))
            .header("oc-chunk-offset", &offset.to_string())
            .header("stitchbox-source-version", &etag)
            .header("stitchbox-source-range", range)
    };
    w.mkcol(SESSION).await;
    assert_eq!(range("0", 0, "bytes=0-199999").send("").await.status, 201);
    let new = w.request("PUT", &format!("{SESSION}/200000")).header("oc-chunk-offset", "200000");
    assert_eq!(new.send("inserted").await.status, 201);
    assert_eq!(range("200008", 200_008, "bytes=200000-299999").send("").await.status, 201);
    assert_eq!(range("300008", 300_008, "bytes=200000-300000").send("").await.status, 400, "beyond the end");
    assert_eq!(range("300008", 300_008, "bytes=5-").send("").await.status, 400);
    assert_eq!(range("300008", 300_008, "bytes=0-1").send("body").await.status, 415);
    let gone = w.request("PUT", &format!("{SESSION}/9")).header("stitchbox-source-version", "\"v1\"");
    assert_eq!(gone.header("stitchbox-source-range", "bytes=0-1").send("").await.status, 412);
    let expected = [&old[..200_000], b"inserted", &old[200_000..]].concat();
    let end = w.request("MOVE", &format!("{SESSION}/.file")).header("destination", &to);
    let end = end.header("oc-total-length", "300008").header("oc-checksum", &format!("SHA256:{}", sha256(&expected)));
    assert_eq!(end.send("").await.status, 204);
    assert!(w.get(&to).await.body == expected);
    // A stranger's version is none.
    let others = "/remote.php/dav/uploads/otto/s";
    w.request("MKCOL", others).login("otto", crate::world::PASSWORD).send("").await;
    let steal = w.request("PUT", &format!("{others}/0")).login("otto", crate::world::PASSWORD);
    let steal = steal.header("stitchbox-source-version", &etag).header("stitchbox-source-range", "bytes=0-9");
    assert_eq!(steal.send("").await.status, 412);
}

#[tokio::test]
async fn folded_bodies_are_unfolded_and_bounded() {
    let w = World::new().await;
    let plain = bytes(300_000, 9).repeat(2);
    let folded = zstd::bulk::compress(&plain, 3).unwrap();
    let put = |path: &str, size: usize| {
        let call = w.request("PUT", path).header("content-encoding", "zstd");
        call.header("content-length", &folded.len().to_string()).header("x-expected-entity-length", &size.to_string())
    };
    let to = format!("{ANNA}/z.bin");
    let checksum = format!("SHA256:{}", sha256(&plain));
    assert_eq!(put(&to, plain.len()).header("oc-checksum", &checksum).send(folded.clone()).await.status, 201);
    assert!(w.get(&to).await.body == plain);
    assert_eq!(put(&to, plain.len() - 1).send(folded.clone()).await.status, 400, "more than was announced");
    assert_eq!(put(&to, plain.len() + 1).send(folded.clone()).await.status, 400, "less than was announced");
    let unannounced = w.request("PUT", &to).header("content-encoding", "zstd").send(folded.clone()).await;
    assert_eq!(unannounced.status, 400);
    assert_eq!(w.request("PUT", &to).header("content-encoding", "gzip").send("x").await.status, 415);
    w.mkcol(SESSION).await;
    assert_eq!(put(&format!("{SESSION}/1"), plain.len()).send(folded.clone()).await.status, 201);
    assert_eq!(finish(&w, &format!("{ANNA}/c.bin")).await.status, 201);
    assert!(w.get(&format!("{ANNA}/c.bin")).await.body == plain);
}

#[tokio::test]
async fn our_own_client_gets_files_folded_and_nobody_else_does() {
    let w = World::new().await;
    let plain = "a line of a table\n".repeat(5000);
    let to = format!("{ANNA}/table.txt");
    w.request("PUT", &to).send(plain.clone()).await;
    let get = |client: &str, accepted: &str| {
        w.request("GET", &to).header("stitchbox-client", client).header("accept-encoding", accepted)
    };
    let folded = get("1", "gzip, zstd").send("").await;
    assert_eq!((folded.header("content-encoding"), folded.header("content-length")), ("zstd", ""));
    assert_eq!(zstd::stream::decode_all(&folded.body[..]).unwrap(), plain.as_bytes());
    for other in [get("0", "zstd"), get("1", "gzip"), get("1", "zstd").header("range", "bytes=0-9999")] {
        let answer = other.send("").await;
        assert_eq!(answer.header("content-encoding"), "");
        assert!(plain.as_bytes().starts_with(&answer.body));
        assert_eq!(answer.header("etag"), folded.header("etag"));
    }
}

#[tokio::test]
async fn a_password_for_one_space_reaches_no_uploads_into_others() {
    let w = World::new().await;
    let (_, secret) = w.domain.add_app_password("anna", "interferometer", Some("KB"), false).await.unwrap();
    let to = format!("{ANNA}/x");
    assert_eq!(w.request("MKCOL", SESSION).header("destination", &to).send("").await.status, 201);
    assert_eq!(chunk(&w, "1", b"abc").await.status, 201);
    for method in ["PROPFIND", "DELETE"] {
        let answer = w.request(method, SESSION).login("anna", &secret).send("").await;
        assert_eq!(answer.status, 404, "{method}");
    }
    let home = w.request("PROPFIND", "/remote.php/dav/uploads/anna").login("anna", &secret).send("").await;
    assert_eq!(home.hrefs().len(), 1, "{}", home.text());
    assert_eq!(finish(&w, &to).await.status, 201);
}
