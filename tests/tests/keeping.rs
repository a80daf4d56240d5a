//! What is kept: quota with its 507, versions of what was overwritten, the trash of what was deleted.

use stitchbox_tests::{Api, Daemon, Dav, digest_of};

fn started() -> (Daemon, Dav) {
    let daemon = Daemon::start();
    let dav = daemon.user("olga");
    (daemon, dav)
}

#[test]
fn a_full_space_answers_507_in_plain_words_and_keeps_what_it_has() {
    let (daemon, dav) = started();
    daemon.admin(&["space", "add", "tiny", "--quota", "1 MiB"]).succeeded();
    daemon.admin(&["space", "member", "tiny", "olga", "editor"]).succeeded();
    let space = dav.at("/dav/spaces/tiny");
    space.write("/kept", vec![1u8; 700_000]);
    let full = space.put("/more", vec![2u8; 700_000]).send().expect(507);
    let text = full.text().to_lowercase();
    assert!(text.contains("<s:message") && (text.contains("quota") || text.contains("space")), "{full:?}");
    space.get("/more").send().expect(404);
    let refused = space.put("/kept", vec![3u8; 2_000_000]).send();
    assert_eq!(refused.status, 507, "{refused:?}");
    assert_eq!(space.read("/kept"), vec![1u8; 700_000], "the old content stays");
    assert_eq!(space.copy("/kept", "/twice").send().status, 507, "a copy counts as well");
    let stream = std::io::Cursor::new(vec![4u8; 900_000]);
    let endless = space.put("/stream", reqwest::blocking::Body::new(stream)).send();
    assert_eq!(endless.status, 507, "without Content-Length as well: {endless:?}");
    assert!(!space.exists("/stream"));
    let root = space.entry("/");
    let available: i64 = root.dav("quota-available-bytes").and_then(|text| text.parse().ok()).expect("a number");
    let used: i64 = root.dav("quota-used-bytes").and_then(|text| text.parse().ok()).expect("a number");
    assert!(used >= 700_000 && available + used <= 1 << 20, "used {used}, available {available}");
    dav.write("/elsewhere", vec![2u8; 700_000]);
    space.delete("/kept").send().expect(204);
    daemon.verify_clean();
}

#[test]
fn an_overwrite_keeps_the_earlier_content_as_a_version() {
    let (daemon, dav) = started();
    let api = Api::new(&dav);
    let contents = ["first".to_owned(), "second".repeat(30_000), "third".to_owned()];
    for content in &contents {
        dav.write("/v.dat", content.clone());
    }
    let versions = api.versions("olga", "/v.dat");
    let digests: Vec<&str> = versions.iter().map(|version| version.sha256.as_str()).collect();
    for content in &contents {
        assert!(digests.contains(&digest_of(content.as_bytes()).as_str()), "{versions:?}");
    }
    let current: Vec<_> = versions.iter().filter(|version| version.current).collect();
    assert_eq!(current.len(), 1, "{versions:?}");
    assert_eq!((current[0].size, current[0].sha256.as_str()), (5, digest_of(b"third").as_str()));
    dav.rename("/v.dat", "/w.dat").send().expect(201);
    assert_eq!(api.versions("olga", "/w.dat").len(), 3, "versions go with the file");
    daemon.verify_clean();
}

#[test]
fn deleted_things_lie_in_the_trash_and_come_back() {
    let (daemon, dav) = started();
    let api = Api::new(&dav);
    dav.mkcol("/t").send().expect(201);
    dav.mkcol("/t/sub").send().expect(201);
    dav.write("/t/sub/f", "kept");
    dav.write("/t/g", "kept too");
    dav.delete("/t/g").send().expect(204);
    dav.delete("/t").send().expect(204);
    assert!(!dav.exists("/t"));
    let trash = api.trash("olga");
    let folder = trash.iter().find(|item| item.name == "t").unwrap_or_else(|| panic!("{trash:?}"));
    assert!(folder.original_path.trim_matches('/').ends_with('t'), "{folder:?}");
    api.restore(folder);
    assert_eq!(dav.read("/t/sub/f"), b"kept");
    assert!(!dav.exists("/t/g"), "what was deleted before stays deleted");
    let trash = api.trash("olga");
    let file = trash.iter().find(|item| item.name == "g").unwrap_or_else(|| panic!("{trash:?}"));
    dav.write("/t/g", "in the way");
    api.restore(file);
    assert_eq!(dav.read("/t/g"), b"in the way", "a restore overwrites nothing");
    assert_eq!(dav.names("/t").len(), 3, "it came back under another name: {:?}", dav.names("/t"));
    assert!(api.trash("olga").is_empty());
    daemon.verify_clean();
}
