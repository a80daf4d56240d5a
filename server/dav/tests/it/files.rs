//! Files: in by PUT, out by GET.

use crate::world::{ANNA, World};
use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};

#[tokio::test]
async fn what_is_put_is_what_is_got_and_both_name_the_same_etag() {
    let world = World::new().await;
    let path = format!("{ANNA}/a.txt");
    let created = world.put(&path, "hello").await;
    assert_eq!(created.status, 201);
    let replaced = world.put(&path, "hello!").await;
    assert_eq!(replaced.status, 204);
    assert_ne!(created.header("etag"), replaced.header("etag"));
    assert_eq!(created.header("oc-fileid"), replaced.header("oc-fileid"));

    let got = world.get(&path).await;
    assert_eq!((got.status.as_u16(), got.text().as_str()), (200, "hello!"));
    assert_eq!(got.header("etag"), replaced.header("etag"));
    assert_eq!(got.header("content-length"), "6");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    let listed = world.properties(&path, "0", "<d:getetag/><oc:id/>").await;
    assert_eq!(listed.element("d:getetag").unwrap(), replaced.header("etag"));
    assert_eq!(listed.element("oc:id").unwrap(), replaced.header("oc-fileid"));

    let head = world.request("HEAD", &path).send("").await;
    assert_eq!((head.header("content-length"), head.body.len()), ("6", 0));
}

#[tokio::test]
async fn the_time_and_the_checksum_of_the_client_are_kept() {
    let world = World::new().await;
    let path = format!("{ANNA}/a.txt");
    let sha1 = "SHA1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
    let put = world.request("PUT", &path).header("x-oc-mtime", "1600000000").header("oc-checksum", sha1);
    let put = put.send("hello").await;
    assert_eq!((put.status.as_u16(), put.header("x-oc-mtime")), (201, "accepted"));
    let got = world.get(&path).await;
    assert_eq!(got.header("last-modified"), "Sun, 13 Sep 2020 12:26:40 GMT");
    assert_eq!(got.header("oc-checksum"), sha1);
    let listed = world.properties(&path, "0", "<oc:checksums/>").await;
    assert!(listed.element("oc:checksum").unwrap().starts_with(sha1));

    let wrong = world.request("PUT", &path).header("oc-checksum", sha1).send("hellO").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("SHA1"), "{}", wrong.text());
    assert_eq!(world.get(&path).await.text(), "hello");
}

#[tokio::test]
async fn a_body_that_breaks_or_is_too_short_leaves_the_old_file() {
    let world = World::new().await;
    let path = format!("{ANNA}/a.txt");
    world.put(&path, "old").await;
    let pieces = [Ok(Bytes::from_static(b"new")), Err(std::io::Error::other("cut"))];
    let cut = world.request("PUT", &path).send(Body::from_stream(stream::iter(pieces))).await;
    assert_eq!(cut.status, 400);
    let short = world.request("PUT", &path).header("oc-total-length", "99").send("new").await;
    assert_eq!(short.status, 400);
    assert_eq!(world.get(&path).await.text(), "old");
}

#[tokio::test]
async fn a_large_body_passes_and_comes_back_in_parts() {
    let world = World::new().await;
    let path = format!("{ANNA}/large.bin");
    let piece = Bytes::from((0..=255u8).cycle().take(64 * 1024 + 1).collect::<Vec<_>>());
    let body = Body::from_stream(stream::iter(vec![piece.clone(); 20]).map(Ok::<_, std::io::Error>));
    assert_eq!(world.request("PUT", &path).send(body).await.status, 201);
    let size = piece.len() * 20;
    let part = world.request("GET", &path).header("range", &format!("bytes={}-", size - 3)).send("").await;
    assert_eq!(part.status, 206);
    assert_eq!(part.body, piece[piece.len() - 3..]);
    assert_eq!(part.header("content-range"), format!("bytes {}-{}/{size}", size - 3, size - 1));
    let beyond = world.request("GET", &path).header("range", &format!("bytes={size}-")).send("").await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, format!("bytes */{size}").as_str()));
    let several = world.request("GET", &path).header("range", "bytes=0-1,4-5").send("").await;
    assert_eq!((several.status.as_u16(), several.body.len()), (200, size));
}

#[tokio::test]
async fn conditions_guard_reads_and_writes() {
    let world = World::new().await;
    let path = format!("{ANNA}/c");
    let etag = world.put(&path, "one").await.header("etag").to_owned();
    for (name, value, status) in [
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-match", "\"other\"", 412),
        ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT", 304),
        ("if-unmodified-since", "Thu, 01 Jan 2015 00:00:00 GMT", 412),
    ] {
        let got = world.request("GET", &path).header(name, value).send("").await;
        assert_eq!(got.status, status, "{name}: {value}");
    }
    let stale = world.request("GET", &path).header("range", "bytes=0-0").header("if-range", "\"other\"").send("").await;
    assert_eq!((stale.status.as_u16(), stale.text().as_str()), (200, "one"));
    for (name, value) in [("if-match", "\"other\""), ("if-none-match", "*"), ("if", "([\"other\"])")] {
        let put = world.request("PUT", &path).header(name, value).send("two").await;
        assert_eq!(put.status, 412, "{name}: {value}");
    }
    let unreadable = world.request("PUT", &path).header("if", "([\"other\"").send("two").await;
    assert_eq!(unreadable.status, 400);
    assert_eq!(world.get(&path).await.text(), "one");
    let put = world.request("PUT", &path).header("if-match", &etag).send("two").await;
    assert_eq!(put.status, 204);
    let missing = world.request("PUT", &format!("{ANNA}/new")).header("if-match", "*").send("x").await;
    assert_eq!(missing.status, 412);
    let fresh = world.request("GET", &path).header("if-none-match", "*").send("").await;
    assert_eq!((fresh.status.as_u16(), fresh.header("cache-control")), (304, "private, no-cache"));
}

#[tokio::test]
async fn a_write_may_demand_that_nothing_changed_since_a_time() {
    let world = World::new().await;
    let path = format!("{ANNA}/t");
    world.request("PUT", &path).header("x-oc-mtime", "1600000000.5").send("one").await;
    let (before, same) = ("Sun, 13 Sep 2020 12:26:39 GMT", "Sun, 13 Sep 2020 12:26:40 GMT");
    let to = format!("{ANNA}/u");
    for method in ["PUT", "DELETE", "MOVE", "COPY"] {
        let body = if method == "PUT" { "x" } else { "" };
        let call = world.request(method, &path).header("destination", &to).header("if-unmodified-since", before);
        assert_eq!(call.send(body).await.status, 412, "{method}");
    }
    assert_eq!(world.get(&to).await.status, 404);
    let copy = world.request("COPY", &path).header("destination", &to).header("if-unmodified-since", same);
    assert_eq!(copy.send("").await.status, 201);
    let gone = world.request("DELETE", &path).header("if-unmodified-since", same).send("").await;
    assert_eq!(gone.status, 204);
}

#[tokio::test]
async fn new_content_with_an_old_time_is_new() {
    let world = World::new().await;
    let path = format!("{ANNA}/t");
    world.request("PUT", &path).header("x-oc-mtime", "1600000000").send("one").await;
    let since = "Sun, 13 Sep 2020 12:26:40 GMT";
    let got = world.request("GET", &path).header("if-modified-since", since).send("").await;
    assert_eq!(got.status, 200, "its content came later");
}

#[tokio::test]
async fn what_put_cannot_do_is_refused_and_nothing_is_stored() {
    let world = World::new().await;
    world.mkcol(&format!("{ANNA}/folder")).await;
    let path = format!("{ANNA}/x");
    for (name, value, status) in [
        ("content-range", "bytes 0-1/2", 400),
        ("oc-chunked", "1", 501),
        ("content-encoding", "gzip", 415),
        ("oc-checksum", "CRC:1", 400),
        ("content-length", "many", 400),
    ] {
        let put = world.request("PUT", &path).header(name, value).send("ab").await;
        assert_eq!(put.status, status, "{name}");
        assert_eq!(world.get(&path).await.status, 404, "{name}");
    }
    for (path, status) in
        [("folder", 405), ("folder/", 405), ("new/", 405), ("none/x", 409), ("a%00b", 400), ("a%2fb", 400)]
    {
        assert_eq!(world.put(&format!("{ANNA}/{path}"), "x").await.status, status, "{path}");
    }
    assert_eq!(world.put(&format!("{ANNA}/Spaces"), "x").await.status, 403);
}

#[tokio::test]
async fn a_page_is_served_so_that_it_cannot_run_a_script() {
    let world = World::new().await;
    let path = format!("{ANNA}/report.html");
    world.put(&path, "<script>alert(1)</script>").await;
    let got = world.get(&path).await;
    assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
    assert!(got.header("content-security-policy").starts_with("sandbox;"));
}

#[tokio::test]
async fn a_full_space_refuses_before_the_body_is_read() {
    let world = World::new().await;
    world.domain.set_quota("KB", Some(10)).await.unwrap();
    let body = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
    let put = world.request("PUT", "/dav/spaces/KB/x").header("content-length", "11").header("expect", "100-continue");
    let put = put.send(body).await;
    assert_eq!((put.status.as_u16(), put.header("connection")), (507, "close"));
    assert!(put.text().contains("<s:message>the space is full"), "{}", put.text());
}
