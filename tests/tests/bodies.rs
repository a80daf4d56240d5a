//! Bodies on their way in and out: large ones, ranges, checksums, times, replaced while read, cut on the way.

use stitchbox_tests::{Daemon, Dav, End, Random, digest_of, raw_request};

fn started() -> (Daemon, Dav) {
    let daemon = Daemon::start();
    let dav = daemon.user("olga");
    (daemon, dav)
}

#[test]
fn large_bodies_arrive_whole_and_stay_whole() {
    let (daemon, dav) = started();
    let mut random = Random::new(3);
    for size in [65_535, 65_536, 65_537, 1 << 20, 20_000_003] {
        let body = random.bytes(size);
        let digest = digest_of(&body);
        dav.put("/large.bin", body).send();
        let got = dav.read("/large.bin");
        assert_eq!((got.len(), digest_of(&got)), (size, digest));
    }
    daemon.verify_clean();
}

#[test]
fn readers_never_see_a_mixture_while_a_file_is_replaced() {
    let (_daemon, dav) = started();
    dav.write("/r", vec![b'A'; 200_000]);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let dav = dav.clone();
                scope.spawn(move || {
                    for _ in 0..30 {
                        let body = dav.read("/r");
                        assert!(body.len() == 200_000 && body.iter().all(|byte| *byte == body[0]), "a torn read");
                    }
                })
            })
            .collect();
        for letter in b'B'..b'V' {
            dav.write("/r", vec![letter; 200_000]);
        }
        for reader in readers {
            reader.join().expect("a reader");
        }
    });
}

#[test]
fn ranges_follow_the_book() {
    let (_daemon, dav) = started();
    let body: Vec<u8> = (0..10_240u32).map(|index| (index % 251) as u8).collect();
    let large = Random::new(5).bytes(300_000);
    for (path, body) in [("/small", body), ("/large", large)] {
        dav.write(path, body.clone());
        let n = body.len();
        let cases = [
            ("bytes=0-99".to_owned(), 0, 100),
            ("bytes=100-".to_owned(), 100, n),
            ("bytes=-10".to_owned(), n - 10, n),
            ("bytes=0-0".to_owned(), 0, 1),
            (format!("bytes=-{}", n + 5), 0, n),
            (format!("bytes={}-{}", n - 1, n + 500), n - 1, n),
        ];
        for (range, from, to) in cases {
            let reply = dav.get(path).header("Range", &range).send().expect(206);
            assert!(reply.body == body[from..to], "{range} of {path}");
            assert_eq!(reply.header("Content-Range"), format!("bytes {from}-{}/{n}", to - 1));
            assert_eq!(reply.header("Content-Length"), (to - from).to_string());
        }
        let beyond = dav.get(path).header("Range", &format!("bytes={n}-")).send().expect(416);
        assert_eq!(beyond.header("Content-Range"), format!("bytes */{n}"));
        dav.get(path).header("Range", "bytes=-0").send().expect(416);
        let tag = dav.entry(path).etag();
        assert_eq!(
            dav.get(path).header("Range", "bytes=0-9").header("If-Range", &tag).send().expect(206).body,
            body[..10]
        );
        let stale = dav.get(path).header("Range", "bytes=0-9").header("If-Range", "\"stale\"").send().expect(200);
        assert!(stale.body == body);
        assert!(dav.get(path).header("Range", "lines=1-2").send().expect(200).body == body);
        let many = (0..2000).map(|start| format!("{start}-")).collect::<Vec<_>>().join(",");
        let reply = dav.get(path).header("Range", &format!("bytes={many}")).send();
        assert!(reply.body.len() <= 4 * n, "range amplification: {} bytes", reply.body.len());
    }
}

#[test]
fn checksums_are_verified_and_kept() {
    let (daemon, dav) = started();
    let sums = [
        ("SHA1", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        ("MD5", "5d41402abc4b2a76b9719d911017c592"),
        ("ADLER32", "062c0215"),
        ("SHA256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
    ];
    for (kind, sum) in sums {
        let path = format!("/{kind}");
        dav.put(&path, "hello").header("OC-Checksum", &format!("{kind}:{sum}")).send().expect(201);
        let kept = dav.entry(&path).oc("checksums").unwrap_or_default().to_lowercase();
        assert!(kept.contains(&format!("{}:{sum}", kind.to_lowercase())), "oc:checksums of {kind}: {kept}");
        let given = dav.get(&path).send().expect(200).header("OC-Checksum").to_lowercase();
        assert!(given.is_empty() || given.contains(sum), "OC-Checksum of {kind}: {given}");
        let tag = dav.entry(&path).etag();
        let wrong = dav.put(&path, "jello").header("OC-Checksum", &format!("{kind}:{sum}")).send().expect(400);
        assert!(wrong.text().contains("<s:message"), "a sentence for the person: {wrong:?}");
        assert_eq!((dav.read(&path), dav.entry(&path).etag()), (b"hello".to_vec(), tag), "the old file stays");
    }
    dav.put("/never", "jello")
        .header("OC-Checksum", "SHA1:aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
        .send()
        .expect(400);
    dav.get("/never").send().expect(404);
    let large = Random::new(1).bytes(200_000);
    let sum = digest_of(&large);
    dav.put("/large", large.clone()).header("OC-Checksum", &format!("SHA256:{sum}")).send().expect(201);
    let mut damaged = large;
    damaged[150_000] ^= 1;
    dav.put("/large", damaged).header("OC-Checksum", &format!("SHA256:{sum}")).send().expect(400);
    assert_eq!(digest_of(&dav.read("/large")), sum);
    daemon.verify_clean();
}

#[test]
fn the_clients_modification_time_is_honoured() {
    let (_daemon, dav) = started();
    let reply = dav.put("/t", "x").header("X-OC-Mtime", "1577836800").send().expect(201);
    assert_eq!(reply.header("X-OC-MTime"), "accepted");
    assert_eq!(dav.get("/t").send().header("Last-Modified"), "Wed, 01 Jan 2020 00:00:00 GMT");
    assert_eq!(dav.entry("/t").dav("getlastmodified"), Some("Wed, 01 Jan 2020 00:00:00 GMT"));
    dav.rename("/t", "/u").send().expect(201);
    assert_eq!(dav.entry("/u").dav("getlastmodified"), Some("Wed, 01 Jan 2020 00:00:00 GMT"));
    for odd in ["0", "-5", "1577836800.75", "99999999999"] {
        let status = dav.put(&format!("/odd{odd}"), "x").header("X-OC-Mtime", odd).send().status;
        assert!(matches!(status, 201 | 400), "X-OC-Mtime {odd}: {status}");
        dav.names("/");
    }
    let status = dav.put("/nonsense", "x").header("X-OC-Mtime", "yesterday").send().status;
    assert!(matches!(status, 201 | 400), "{status}");
}

#[test]
fn cut_uploads_leave_nothing_and_keep_the_old_content() {
    let (daemon, dav) = started();
    dav.write("/old", "old content");
    let before = dav.entry("/").etag();
    for (name, framing, body) in [
        ("old", "Content-Length: 1000000\r\n", vec![b'x'; 90_000]),
        ("new", "Content-Length: 1000000\r\n", vec![b'x'; 500]),
        ("chunked", "Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n".to_vec()),
    ] {
        raw_request(&dav, &format!("PUT {}/{name} HTTP/1.1\r\n{framing}", dav.root()), &body, End::Cut);
    }
    assert_eq!(dav.read("/old"), b"old content");
    dav.get("/new").send().expect(404);
    dav.get("/chunked").send().expect(404);
    assert_eq!(dav.entry("/").etag(), before);
    let whole = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let head = format!("PUT {}/finder HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", dav.root());
    let answer = raw_request(&dav, &head, whole, End::Whole);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(dav.read("/finder"), b"hello world");
    let piece = dav.put("/old", "XX").header("Content-Range", "bytes 2-3/10").send();
    assert!(piece.status >= 400, "a partial PUT is refused: {piece:?}");
    assert_eq!(dav.read("/old"), b"old content");
    let chunked = dav.put("/v1-chunking", "x").header("OC-Chunked", "1").send();
    assert_eq!(chunked.status, 501, "the old chunking is refused: {chunked:?}");
    daemon.verify_clean();
}
