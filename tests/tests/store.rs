//! What a WebDAV client may rely on: methods, entity tags, conditions, listings (RFC 4918, RFC 9110; facts/sync.md
//! sections 3 and 5).

use stitchbox_tests::{Daemon, Dav};

fn started() -> (Daemon, Dav) {
    let daemon = Daemon::start();
    let dav = daemon.user("olga");
    (daemon, dav)
}

#[test]
fn put_get_head_and_overwrite() {
    let (daemon, dav) = started();
    let made = dav.put("/a.txt", "hello").header("Content-Type", "text/plain").send().expect(201);
    assert!(!made.header("OC-FileId").is_empty(), "sync clients need OC-FileId");
    assert_eq!(made.header("OC-ETag"), made.etag());
    let replaced = dav.put("/a.txt", "hello2").send().expect(204);
    assert_ne!(replaced.etag(), made.etag());
    assert_eq!(replaced.header("OC-FileId"), made.header("OC-FileId"), "the id survives an overwrite");
    let got = dav.get("/a.txt").send().expect(200);
    assert_eq!(got.body, b"hello2");
    assert_eq!(got.header("Content-Length"), "6");
    assert!(got.header("Last-Modified").ends_with("GMT"));
    let head = dav.call("HEAD", "/a.txt").send().expect(200);
    assert_eq!((head.etag(), head.header("Content-Length")), (got.etag(), "6".to_owned()));
    dav.put("/empty", "").send().expect(201);
    assert_eq!(dav.get("/empty").send().expect(200).header("Content-Length"), "0");
    dav.get("/missing").send().expect(404);
    dav.put("/no such folder/a.txt", "x").send().expect(409);
    dav.mkcol("/folder").send().expect(201);
    assert!(matches!(dav.put("/folder", "x").send().status, 405 | 409), "a folder is not overwritten by a file");
    daemon.verify_clean();
}

#[test]
fn entity_tags_are_strong_and_the_same_everywhere() {
    let (_daemon, dav) = started();
    let put = dav.put("/t", "one").send().expect(201).etag();
    assert!(put.len() > 2 && put.starts_with('"') && put.ends_with('"'), "strong and quoted: {put}");
    assert_eq!(dav.get("/t").send().etag(), put);
    assert_eq!(dav.entry("/t").etag(), put);
    assert_eq!(dav.list("/")[0].etag(), put);
    let again = dav.put("/t", "two").send().expect(204).etag();
    assert_ne!(again, put, "two writes of one length within a second");
    let moved = dav.rename("/t", "/u").send().expect(201);
    assert_eq!(dav.entry("/u").etag(), again, "a file's tag survives MOVE: {moved:?}");
    dav.read("/u");
    assert_eq!(dav.entry("/u").etag(), again, "reading changes nothing");
}

#[test]
fn folder_tags_change_up_to_the_root_and_siblings_keep_theirs() {
    let (_daemon, dav) = started();
    for folder in ["/a", "/a/b", "/a/b/c", "/side"] {
        dav.mkcol(folder).send().expect(201);
    }
    dav.write("/a/other.txt", "x");
    let tags = || ["/", "/a", "/a/b", "/a/b/c", "/side", "/a/other.txt"].map(|path| dav.entry(path).etag());
    type Change<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let changes: [Change; 6] = [
        ("PUT", Box::new(|| drop(dav.write("/a/b/c/f", "1")))),
        ("overwrite", Box::new(|| drop(dav.write("/a/b/c/f", "2")))),
        ("rename", Box::new(|| drop(dav.rename("/a/b/c/f", "/a/b/c/g").send().expect(201)))),
        ("COPY", Box::new(|| drop(dav.copy("/a/b/c/g", "/a/b/c/h").send().expect(201)))),
        ("DELETE", Box::new(|| drop(dav.delete("/a/b/c/g").send().expect(204)))),
        ("MKCOL", Box::new(|| drop(dav.mkcol("/a/b/c/d").send().expect(201)))),
    ];
    for (what, change) in changes {
        let before = tags();
        change();
        let after = tags();
        for level in 0..4 {
            assert_ne!(before[level], after[level], "{what}: the tag of level {level} must change");
        }
        assert_eq!(before[4..], after[4..], "{what}: siblings keep their tags");
    }
    let before = tags();
    dav.list("/a/b/c");
    dav.put("/a/b/nope/f", "1").send().expect(409);
    assert_eq!(before, tags(), "reading and refused requests change nothing");
}

#[test]
fn mkcol_delete_move_and_copy_answer_what_clients_expect() {
    let (daemon, dav) = started();
    let made = dav.mkcol("/d").send().expect(201);
    assert!(!made.header("OC-FileId").is_empty());
    dav.mkcol("/d").send().expect(405);
    dav.mkcol("/x/y").send().expect(409);
    dav.mkcol("/body").body("<x/>").header("Content-Type", "text/xml").send().expect(415);
    dav.write("/d/f", "content");
    let id = dav.entry("/d/f").oc("id").expect("oc:id").to_owned();
    dav.rename("/d/f", "/d/g").send().expect(201);
    assert_eq!(dav.entry("/d/g").oc("id"), Some(id.as_str()), "the id survives MOVE");
    dav.write("/d/taken", "old");
    dav.rename("/d/g", "/d/taken").header("Overwrite", "F").send().expect(412);
    assert_eq!(dav.read("/d/taken"), b"old");
    dav.rename("/d/g", "/d/taken").send().expect(204);
    assert_eq!(dav.read("/d/taken"), b"content");
    dav.get("/d/g").send().expect(404);
    dav.copy("/d", "/e").send().expect(201);
    assert_eq!(dav.read("/e/taken"), b"content");
    dav.copy("/d/taken", "/e/taken").send().expect(204);
    dav.copy("/d/taken", "/none/taken").send().expect(409);
    assert!(dav.rename("/d", "/d/inside").send().status >= 400, "a folder cannot move into itself");
    assert!(dav.copy("/d", "/d/inside").send().status >= 400 || dav.exists("/d/inside"));
    let foreign = dav.call("MOVE", "/d/taken").header("Destination", "http://elsewhere.example/x").send();
    assert!(matches!(foreign.status, 400 | 403 | 502), "{foreign:?}");
    assert_eq!(dav.read("/d/taken"), b"content");
    dav.call("MOVE", "/d/taken").send().expect(400);
    let path = format!("{}/d/by%20path", dav.root());
    dav.call("MOVE", "/d/taken").header("Destination", &path).send().expect(201);
    assert!(dav.exists("/d/by path"), "Destination may be an absolute path");
    dav.delete("/d").send().expect(204);
    dav.delete("/d").send().expect(404);
    dav.get("/d/by path").send().expect(404);
    assert!(dav.delete("").send().status >= 400, "the root stays");
    assert!(dav.exists("/e/taken"));
    daemon.verify_clean();
}

#[test]
fn propfind_has_the_shape_sync_clients_insist_on() {
    let (_daemon, dav) = started();
    dav.mkcol("/p").send().expect(201);
    dav.write("/p/one.txt", "12345");
    dav.mkcol("/p/sub").send().expect(201);
    dav.write("/p/sub/deep", "123");
    let reply = dav.propfind("/p", "1").send().expect(207);
    assert_eq!(reply.header("Content-Type"), "application/xml; charset=utf-8");
    let entries = reply.entries();
    assert_eq!(entries.len(), 3, "the folder and its children");
    assert_eq!(entries[0].path(), format!("{}/p", dav.root()), "the folder itself comes first");
    assert!(entries.iter().all(|entry| entry.href.starts_with(dav.root())), "href is an absolute path");
    assert!(entries[0].href.ends_with('/'), "folders end with a slash");
    let file = entries.iter().find(|entry| entry.name() == "one.txt").expect("the file is listed");
    assert!(!file.is_folder() && file.dav("getcontentlength") == Some("5"));
    assert!(file.dav("getlastmodified").is_some_and(|time| time.ends_with("GMT")));
    assert_eq!(file.oc("permissions").map(sorted), Some(sorted("RGDNVW")));
    let folder = &entries[0];
    assert_eq!(folder.oc("permissions").map(sorted), Some(sorted("RGDNVCK")));
    assert_eq!(folder.oc("size"), Some("8"), "oc:size of a folder is what lies below it");
    let ids: Vec<Option<&str>> = entries.iter().map(|entry| entry.oc("id")).collect();
    assert!(ids.iter().all(Option::is_some) && ids[0] != ids[1] && ids[1] != ids[2]);
    let unknown = r#"<d:propfind xmlns:d="DAV:"><d:prop><x:nope xmlns:x="urn:x"/><d:getetag/></d:prop></d:propfind>"#;
    let answered = dav.call("PROPFIND", "/p").header("Depth", "0").body(unknown).send().expect(207).entries();
    assert!(answered[0].missing.contains_key("{urn:x}nope") || answered[0].properties.contains_key("{urn:x}nope"));
    let stray = r#"<d:propfind xmlns:d="DAV:"><d:prop><d:getetag/></d:prop>M</d:propfind>"#;
    dav.call("PROPFIND", "/p").header("Depth", "0").body(stray).send().expect(207);
    dav.call("PROPFIND", "/p").header("Depth", "0").body("<not xml").send().expect(400);
    dav.call("PROPFIND", "/p").header("Depth", "0").send().expect(207);
    dav.propfind("/nothing", "0").send().expect(404);
    let infinite = dav.propfind("/p", "infinity").send();
    assert!(infinite.status == 403 || infinite.entries().len() == 4, "{infinite:?}");
    let external = r#"<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><d:propfind xmlns:d="DAV:"><d:prop><x>&e;</x></d:prop></d:propfind>"#;
    let reply = dav.call("PROPFIND", "/p").header("Depth", "0").body(external).send();
    assert!(reply.status < 500 && !reply.text().contains("root:"), "{reply:?}");
}

fn sorted(letters: &str) -> String {
    let mut letters: Vec<char> = letters.chars().collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

#[test]
fn both_addresses_and_the_space_address_show_the_same_items() {
    let (daemon, dav) = started();
    dav.write("/f", "x");
    let alias = dav.at("/remote.php/webdav");
    assert_eq!(alias.read("/f"), b"x");
    assert_eq!(alias.entry("/f").etag(), dav.entry("/f").etag());
    assert_eq!(alias.entry("/f").oc("id"), dav.entry("/f").oc("id"));
    daemon.space("mirrors", &[("olga", "editor")]);
    let space = dav.at("/dav/spaces/mirrors");
    space.write("/g", "y");
    assert_eq!(dav.read("/Spaces/mirrors/g"), b"y");
    assert_eq!(dav.entry("/Spaces/mirrors/g").etag(), space.entry("/g").etag());
    assert!(dav.names("/").contains(&"Spaces".to_owned()));
    assert_eq!(dav.names("/Spaces"), ["mirrors"]);
    let before = dav.entry("/").etag();
    space.write("/h", "z");
    assert_ne!(dav.entry("/").etag(), before, "the root's tag combines those of the spaces");
    dav.rename("/Spaces/mirrors/g", "/taken over").send().expect(201);
    assert_eq!(dav.read("/taken over"), b"y");
    space.get("/g").send().expect(404);
    assert!(matches!(dav.delete("/Spaces").send().status, 403 | 405), "the folder of spaces is no item");
}

#[test]
fn conditions_guard_against_lost_updates() {
    let (_daemon, dav) = started();
    let tag = dav.put("/c", "one").send().expect(201).etag();
    dav.get("/c").header("If-None-Match", &tag).send().expect(304);
    dav.put("/c", "two").header("If-Match", "\"nope\"").send().expect(412);
    dav.put("/c", "two").header("If-None-Match", "*").send().expect(412);
    dav.put("/new", "x").header("If-Match", "*").send().expect(412);
    dav.delete("/c").header("If-Match", "\"nope\"").send().expect(412);
    dav.put("/c", "two").header("If", "([\"nope\"])").send().expect(412);
    assert_eq!(dav.read("/c"), b"one");
    dav.put("/c", "two").header("If-Match", &tag).send().expect(204);
    dav.put("/fresh", "x").header("If-None-Match", "*").send().expect(201);
    let tag = dav.entry("/c").etag();
    let attempts: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|index| {
                let (dav, tag) = (dav.clone(), tag.clone());
                scope.spawn(move || dav.put("/c", format!("by {index}")).header("If-Match", &tag).send().status)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a client thread")).collect()
    });
    assert_eq!(attempts.iter().filter(|status| **status == 204).count(), 1, "one winner: {attempts:?}");
    assert!(attempts.iter().all(|status| matches!(status, 204 | 412)), "{attempts:?}");
}

#[test]
fn state_survives_a_clean_restart() {
    let (mut daemon, dav) = started();
    dav.mkcol("/s").send().expect(201);
    dav.write("/s/small", "small");
    dav.write("/s/large", vec![7u8; 3_000_000]);
    let tags = [dav.entry("/").etag(), dav.entry("/s/small").etag(), dav.entry("/s/large").etag()];
    let status = daemon.stop();
    assert!(status.success(), "SIGTERM drains and ends with 0: {status:?}");
    daemon.verify_clean();
    daemon.restart();
    let dav = daemon.client("olga");
    assert_eq!(tags, [dav.entry("/").etag(), dav.entry("/s/small").etag(), dav.entry("/s/large").etag()]);
    assert_eq!(dav.read("/s/small"), b"small");
    assert_eq!(dav.read("/s/large"), vec![7u8; 3_000_000]);
}
