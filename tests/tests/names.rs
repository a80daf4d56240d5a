//! Names are anything but `/`, NUL, C0 controls and more than 255 bytes; what cannot be kept is said, not renamed.

use stitchbox_tests::{Daemon, Dav, End, Entry, raw_request};

fn started() -> (Daemon, Dav) {
    let daemon = Daemon::start();
    let dav = daemon.user("olga");
    (daemon, dav)
}

#[test]
fn names_are_carried_as_they_are() {
    let (_daemon, dav) = started();
    dav.mkcol("/n").send().expect(201);
    let long = "n".repeat(255);
    let wide = "é".repeat(127);
    let names = [
        "a b.txt",
        "100%.txt",
        "a%20b.txt",
        "a#b",
        "a?b",
        "a+b",
        "a&b<c>.txt",
        "a'b\"c",
        "a;b=c,d",
        "a[b]{c}(d)",
        "~a@b$!",
        "ünïcödé 中文.txt",
        "😀.txt",
        "e\u{301}te\u{301}",
        "été",
        ".hidden",
        "trail ",
        "trail.",
        "CON",
        "a:b",
        "a\\b",
        "a|b*c",
        "-rf",
        "a..b",
        "...",
        &long,
        &wide,
    ];
    for name in names {
        let path = format!("/n/{name}");
        dav.put(&path, name.to_owned()).send().expect(201);
        assert_eq!(dav.read(&path), name.as_bytes(), "{name}");
    }
    let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    wanted.sort();
    let listed = dav.list("/n");
    let mut found: Vec<String> = listed.iter().map(Entry::name).collect();
    found.sort();
    assert_eq!(found, wanted);
    for entry in &listed {
        let url = format!("{}{}", dav.base(), entry.href);
        assert_eq!(dav.call_url("GET", &url).send().expect(200).body, entry.name().into_bytes(), "by the listed href");
    }
    dav.put("/n/Case", "1").send().expect(201);
    dav.put("/n/case", "2").send().expect(201);
    assert_eq!(dav.read("/n/Case"), b"1");
}

#[test]
fn impossible_names_are_refused_with_a_reason() {
    let (_daemon, dav) = started();
    let too_long = dav.put(&format!("/{}", "n".repeat(256)), "x").send();
    assert!((400..500).contains(&too_long.status), "{too_long:?}");
    assert!(too_long.text().contains("255"), "says the limit: {too_long:?}");
    assert!((400..500).contains(&dav.put(&format!("/{}", "é".repeat(128)), "x").send().status));
    for name in ["a\u{1}b", "a\nb", "a\tb", "a\u{0}b", "a\u{1f}b"] {
        for (what, reply) in
            [("PUT", dav.put(&format!("/{name}"), "x").send()), ("MKCOL", dav.mkcol(&format!("/{name}")).send())]
        {
            assert!((400..500).contains(&reply.status), "{what} {name:?}: {reply:?}");
        }
    }
    let root = format!("{}{}", dav.base(), dav.root());
    for encoded in ["a%2fb", "a%ff%feb", "%2e%2e%2fescape", "a%zzb"] {
        let reply = dav.call_url("PUT", &format!("{root}/{encoded}")).body("x").send();
        assert!((400..500).contains(&reply.status), "{encoded}: {reply:?}");
    }
    assert_eq!(dav.list("/").iter().filter(|entry| !entry.is_folder()).count(), 0, "nothing was stored");
    for path in
        ["/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/....//....//etc/passwd", "//etc/passwd"]
    {
        let reply = raw_request(&dav, &format!("GET {}{path} HTTP/1.1\r\n", dav.root()), b"", End::Whole);
        assert!(!reply.contains("root:x:0"), "{path}");
    }
}
