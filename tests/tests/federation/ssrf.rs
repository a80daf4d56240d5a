//! A site calls nobody whom its users or its peers name to make it call them: addresses, endpoints, redirects and sizes.
//! Writes the table `target/federation-ssrf.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use stitchbox_tests::federation::{Answer, Authority, Dialect, FakePeer, Listener, Person, Site, SiteSettings};
use stitchbox_tests::wait_or_tell;

use crate::tables;
use crate::world::name;

/// Shares with `id` and gives what became of it: refused at once, or the words with which it waits.
fn outcome(ada: &Person, id: &str) -> String {
    let folder = format!("/{}", name("s"));
    ada.dav().mkcol(&folder).send().expect(201);
    let reply = ada.try_share(&folder, id, "viewer", &json!({}));
    if reply.status != 201 {
        return format!("refused {}: {}", reply.status, reply.text());
    }
    let share = reply.json();
    let now = || ada.share_document(&share["id"])["delivery"].clone();
    let look = || now()["answer"].as_str().filter(|words| !words.is_empty()).map(|_| now());
    let delivery = wait_or_tell(look, || format!("an answer about {id}; there is {}", now()));
    ada.revoke(&share);
    format!("{}: {}", delivery["state"].as_str().unwrap_or_default(), delivery["answer"].as_str().unwrap_or_default())
}

/// The outcomes of all of them, at the same time.
fn outcomes(ada: &Person, ids: &[String]) -> Vec<String> {
    std::thread::scope(|scope| {
        let all: Vec<_> = ids.iter().map(|id| scope.spawn(move || outcome(ada, id))).collect();
        all.into_iter().map(|one| one.join().expect("an outcome")).collect()
    })
}

/// A listener that counts whoever gets as far as a request.
fn trap() -> (Listener, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let handler = move |_: &_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Answer::json(200, &json!({"secret": "metadata of the cloud"}))
    };
    (Listener::start(Some(&Authority::of_the_tests().issue()), Arc::new(handler)), count)
}

#[test]
fn private_addresses_are_not_called_without_the_switch() {
    let site = Site::start_with(SiteSettings::default().with("FEDERATION__ALLOW_PRIVATE_ADDRESSES", "false"));
    let ada = site.new_person("ada");
    let (listener, count) = trap();
    let port = listener.port();
    let hosts = [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("0.0.0.0:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("[64:ff9b::7f00:1]:{port}"),
        "169.254.169.254".to_owned(),
        "10.0.0.1".to_owned(),
        "172.16.0.1".to_owned(),
        "192.168.1.1".to_owned(),
        "100.64.0.1".to_owned(),
        "198.18.0.1".to_owned(),
        "224.0.0.1".to_owned(),
        "255.255.255.255".to_owned(),
        "[fd00::1]".to_owned(),
        "[fe80::1]".to_owned(),
    ];
    let mut table = String::from("| peer named by a user | verdict |\n|---|---|\n");
    let ids: Vec<String> = hosts.iter().map(|host| format!("bob@{host}")).collect();
    for (host, words) in hosts.iter().zip(outcomes(&ada, &ids)) {
        table.push_str(&format!("| `{host}` | {} |\n", words.replace(['|', '\n'], " ")));
        let lower = words.to_lowercase();
        let is_clear = ["private", "address", "not allowed", "refused"].iter().any(|word| lower.contains(word));
        assert!(is_clear && !lower.contains("metadata of"), "{host}: {words}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 0, "somebody was called");
    tables::write("federation-ssrf-addresses.md", &table);
}

#[test]
fn endpoints_elsewhere_redirects_and_endless_answers_are_not_followed() {
    let site = Site::start();
    let ada = site.new_person("ada");
    let (listener, count) = trap();
    let elsewhere = format!("https://localhost:{}", listener.port());
    let mut table = String::from("| what a peer announces or answers | verdict |\n|---|---|\n");
    let change = |field: &str, value: &str| {
        let peer = FakePeer::start(Dialect::Strict);
        let mut document = peer.own_document();
        document[field] = json!(value);
        document["criteria"] = json!([]);
        peer.announce(document);
        peer
    };
    let redirecting = |to: &str| {
        let peer = FakePeer::start(Dialect::Nextcloud34);
        for path in ["/.well-known/ocm", "/ocm-provider"] {
            peer.answer_with(path, Answer::status(302).with("Location", to));
        }
        peer
    };
    let posting = |answer: Answer| {
        let peer = FakePeer::start(Dialect::Nextcloud34);
        peer.answer_with("/index.php/ocm/shares", answer);
        peer
    };
    let discovering = |answer: Answer| {
        let peer = FakePeer::start(Dialect::Nextcloud34);
        peer.answer_with("/.well-known/ocm", answer.clone());
        peer.answer_with("/ocm-provider", answer);
        peer
    };
    let long = format!("{{\"endPoint\":\"{}\"}}", "x".repeat(8 << 20));
    let cases: Vec<(&str, FakePeer)> = vec![
        ("endPoint at another port", change("endPoint", &format!("{elsewhere}/ocm"))),
        ("endPoint by http", change("endPoint", "http://localhost/ocm")),
        ("endPoint is a file", change("endPoint", "file:///etc/passwd")),
        ("endPoint with a login", change("endPoint", &format!("https://x@localhost:{}/ocm", listener.port()))),
        ("endPoint at 169.254.169.254", change("endPoint", "https://169.254.169.254/ocm")),
        ("tokenEndPoint elsewhere", change("tokenEndPoint", &format!("{elsewhere}/token"))),
        ("jwksUri elsewhere", change("jwksUri", &format!("{elsewhere}/jwks"))),
        ("discovery redirects to another port", redirecting(&format!("{elsewhere}/.well-known/ocm"))),
        ("discovery redirects to 169.254.169.254", redirecting("http://169.254.169.254/latest/meta-data")),
        ("discovery redirects to itself", redirecting("/.well-known/ocm")),
        ("discovery is 8 MiB", discovering(Answer::status(200).with("Content-Type", "application/json").text(&long))),
        ("discovery is HTML", discovering(Answer::status(200).with("Content-Type", "text/html").text("<html>hello"))),
        ("discovery is 500 with HTML", discovering(Answer::status(500).text("<html>Internal Server Error</html>"))),
        ("the share is redirected to another port", posting(Answer::status(307).with("Location", &elsewhere))),
        ("the share is answered with 8 MiB", posting(Answer::status(400).text(&"x".repeat(8 << 20)))),
    ];
    let ids: Vec<String> = cases.iter().map(|(_, peer)| peer.id("bob")).collect();
    for ((what, peer), words) in cases.iter().zip(outcomes(&ada, &ids)) {
        let short: String = words.chars().take(220).collect();
        table.push_str(&format!("| {what} | {} |\n", short.replace(['|', '\n'], " ")));
        assert!(words.len() < 3000, "{what}: {} bytes of words", words.len());
        assert!(!words.contains("metadata of"), "{what}: {words}");
        let arrived = peer.received().iter().any(|sent| sent.status < 300 && sent.target.ends_with("/shares"));
        assert!(!arrived || what.starts_with("tokenEndPoint") || what.starts_with("jwksUri"), "{what} was followed");
    }
    assert_eq!(count.load(Ordering::Relaxed), 0, "somebody was called\n{table}");
    tables::write("federation-ssrf.md", &table);
}
