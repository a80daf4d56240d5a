//! Who may do what: roles, app passwords, tokens, and that nobody learns of a path they may not read.

use stitchbox_tests::{Api, Credentials, Daemon, Dav, password_of, wait_until};

/// A wrong password that stands nowhere else.
const GUESS: &str = "xyzzy-4711-guess";

fn started() -> (Daemon, Dav, Dav) {
    let daemon = Daemon::start();
    let (ada, ben) = (daemon.user("ada"), daemon.user("ben"));
    (daemon, ada, ben)
}

#[test]
fn strangers_get_401_and_a_basic_challenge() {
    let (daemon, ada, _) = started();
    ada.write("/f", "x");
    let wrong = [
        Credentials::None,
        Credentials::Basic("ada".to_owned(), GUESS.to_owned()),
        Credentials::Basic("ada".to_owned(), String::new()),
        Credentials::Basic(String::new(), String::new()),
        Credentials::Basic("nobody".to_owned(), password_of("ada")),
        Credentials::Bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.".to_owned()),
        Credentials::Bearer("garbage".to_owned()),
    ];
    for credentials in wrong {
        let stranger = ada.by(credentials.clone());
        for (what, call) in [
            ("GET", stranger.get("/f")),
            ("PUT", stranger.put("/f", "y")),
            ("PROPFIND", stranger.propfind("/", "1")),
            ("DELETE", stranger.delete("/f")),
            ("missing", stranger.get("/missing")),
        ] {
            let reply = call.send();
            assert_eq!(reply.status, 401, "{what} with {credentials:?}: {reply:?}");
            assert!(reply.header("WWW-Authenticate").to_lowercase().contains("basic"), "{what}: {reply:?}");
        }
        let api = stranger.at("");
        api.get("/api/v1/runs").send().expect(401);
    }
    let garbled = ada.by(Credentials::None).get("/f").header("Authorization", "Basic !!!notbase64").send();
    assert!(matches!(garbled.status, 400 | 401), "{garbled:?}");
    assert_eq!(ada.read("/f"), b"x");
    let log = daemon.log();
    assert!(log.contains("ada"), "wrong credentials are logged");
    for secret in [password_of("ada"), GUESS.to_owned()] {
        assert!(!log.contains(&secret), "a password is in the log");
    }
}

#[test]
fn a_wrong_password_slows_down_and_never_locks_out() {
    let (_daemon, ada, _) = started();
    let stranger = ada.by(Credentials::Basic("ada".to_owned(), "guess".to_owned()));
    for _ in 0..8 {
        let status = stranger.propfind("/", "0").send().status;
        assert!(matches!(status, 401 | 429), "{status}");
    }
    wait_until("the right password works", || ada.propfind("/", "0").send().status == 207);
}

#[test]
fn what_one_may_not_read_does_not_exist() {
    let (daemon, ada, ben) = started();
    ada.write("/secret", "x");
    daemon.space("closed", &[("ada", "manager")]);
    ada.at("/dav/spaces/closed").write("/f", "x");
    let intruder = ben.at("/remote.php/dav/files/ada");
    let space = ben.at("/dav/spaces/closed");
    let nowhere = ben.at("/dav/spaces/there is none");
    for dav in [&intruder, &space, &nowhere] {
        for (what, call) in [
            ("GET", dav.get("/secret")),
            ("PROPFIND", dav.propfind("/", "1")),
            ("PUT", dav.put("/mine", "x")),
            ("MKCOL", dav.mkcol("/mine")),
            ("DELETE", dav.delete("/secret")),
            ("MOVE", dav.rename("/secret", "/mine")),
            ("LOCK", dav.call("LOCK", "/secret")),
            ("PROPPATCH", dav.call("PROPPATCH", "/secret").body(SET_COLOUR)),
        ] {
            let reply = call.send();
            assert_eq!(reply.status, 404, "{what} at {}: {reply:?}", dav.root());
        }
    }
    let theirs = space.get("/f").send().text().replace("closed", "");
    let none = nowhere.get("/f").send().text().replace("there is none", "").replace("there%20is%20none", "");
    assert_eq!(theirs, none, "the two answers differ in nothing but the name");
    ben.write("/bait", "x");
    let target = format!("{}/remote.php/dav/files/ada/bait", ben.base());
    let moved = ben.call("MOVE", "/bait").header("Destination", &target).send();
    assert!(matches!(moved.status, 403 | 404 | 409), "{moved:?}");
    assert!(ben.exists("/bait") && !ada.exists("/bait"));
    assert!(!ben.exists("/Spaces/closed"));
    let api = Api::new(&ben);
    for path in [
        "/api/v1/trash?space=closed",
        "/api/v1/versions?space=closed&path=/f",
        "/api/v1/versions?space=ada&path=/secret",
    ] {
        let reply = ben.call_url("GET", &format!("{}{path}", ben.base())).send();
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
    assert!(api.runs().is_empty());
}

#[test]
fn roles_allow_what_they_say() {
    let (daemon, ada, ben) = started();
    let eva = daemon.user("eva");
    daemon.space("ring", &[("ada", "manager"), ("ben", "editor"), ("eva", "viewer")]);
    let [ada, ben, eva] = [ada, ben, eva].map(|dav| dav.at("/dav/spaces/ring"));
    ada.write("/f", "by ada");
    ben.write("/g", "by ben");
    ben.write("/f", "by ben as well");
    ben.mkcol("/folder").send().expect(201);
    assert_eq!(eva.read("/f"), b"by ben as well");
    assert_eq!(eva.names("/"), ["f", "folder", "g"]);
    let letters = eva.entry("/f").oc("permissions").unwrap_or_default().to_owned();
    assert!(letters.contains('G') && !letters.contains(['W', 'D', 'N', 'V']), "a viewer's letters: {letters}");
    for (what, call) in [
        ("PUT", eva.put("/f", "mine")),
        ("create", eva.put("/h", "mine")),
        ("MKCOL", eva.mkcol("/h")),
        ("DELETE", eva.delete("/f")),
        ("MOVE", eva.rename("/f", "/h")),
        ("COPY", eva.copy("/f", "/h")),
        ("PROPPATCH", eva.call("PROPPATCH", "/f").body(SET_COLOUR)),
    ] {
        let reply = call.send();
        assert_eq!(reply.status, 403, "{what} by a viewer: {reply:?}");
    }
    assert_eq!(ada.names("/"), ["f", "folder", "g"]);
    daemon.admin(&["space", "member", "ring", "ben", "viewer"]).succeeded();
    ben.put("/f", "too late").send().expect(403);
    daemon.admin(&["space", "member", "ring", "eva", "none"]).succeeded();
    eva.get("/f").send().expect(404);
    assert_eq!(ada.read("/f"), b"by ben as well");
}

const SET_COLOUR: &str =
    r#"<d:propertyupdate xmlns:d="DAV:"><d:set><d:prop><c xmlns="urn:x">red</c></d:prop></d:set></d:propertyupdate>"#;

#[test]
fn an_app_password_reaches_no_further_than_it_says() {
    let (daemon, ada, _) = started();
    daemon.space("ring", &[("ada", "manager")]);
    daemon.space("other", &[("ada", "manager")]);
    ada.write("/personal", "x");
    ada.at("/dav/spaces/other").write("/f", "x");
    let everywhere = ada.by(daemon.app_password("ada", &["--label", "laptop"]));
    assert_eq!(everywhere.read("/personal"), b"x");
    let one_space = ada.by(daemon.app_password("ada", &["--space", "ring"]));
    let ring = one_space.at("/dav/spaces/ring");
    ring.write("/f", "x");
    ring.write("/f", "y");
    ring.delete("/f").send().expect(204);
    one_space.at("/dav/spaces/other").get("/f").send().expect(404);
    let personal = one_space.get("/personal").send();
    assert_eq!(personal.status, 404, "{personal:?}");
    assert!(!one_space.at("/dav/spaces/other").exists("/"));
}

#[test]
fn a_create_only_password_adds_and_never_changes() {
    let (daemon, ada, _) = started();
    daemon.space("ring", &[("ada", "manager")]);
    let ring = ada.at("/dav/spaces/ring");
    ring.write("/there", "before");
    let instrument = ring.by(daemon.app_password("ada", &["--space", "ring", "--create-only", "--label", "Fizeau"]));
    instrument.put("/new", "x").send().expect(201);
    instrument.mkcol("/folder").send().expect(201);
    instrument.put("/folder/sub_01.dat", "x").send().expect(201);
    for (what, call) in [
        ("overwrite", instrument.put("/there", "after")),
        ("overwrite its own", instrument.put("/new", "y")),
        ("DELETE", instrument.delete("/there")),
        ("MOVE", instrument.rename("/there", "/gone")),
        ("MOVE over", instrument.rename("/new", "/there")),
    ] {
        let reply = call.send();
        assert_eq!(reply.status, 403, "{what}: {reply:?}");
    }
    let copied = instrument.copy("/new", "/there").send();
    assert!(matches!(copied.status, 403 | 404), "{copied:?}");
    assert_eq!(ring.read("/there"), b"before");
    assert_eq!(ring.read("/new"), b"x");
}

#[test]
fn a_bearer_token_stands_for_the_person_for_a_while() {
    let (_daemon, ada, ben) = started();
    ada.write("/f", "x");
    let api = Api::new(&ada);
    let token = api.token();
    let by_token = Api::new(&ada.by(token.clone()));
    assert!(by_token.runs().is_empty());
    ben.by(token.clone()).at("/remote.php/dav/files/ben").get("/f").send().expect(404);
    let Credentials::Bearer(text) = token else { unreachable!("token() gives a bearer token") };
    let (body, signature) = text.rsplit_once('.').expect("a JWT has dots");
    let flipped: String = signature.chars().rev().collect();
    let forged = ada.by(Credentials::Bearer(format!("{body}.{flipped}"))).at("");
    forged.get("/api/v1/runs").send().expect(401);
    ada.by(Credentials::None).at("").call("POST", "/api/v1/token").send().expect(401);
    let wrong = Credentials::Basic("ada".to_owned(), "wrong".to_owned());
    ada.by(wrong).at("").call("POST", "/api/v1/token").send().expect(401);
}

#[test]
fn health_and_metrics_need_no_login_and_tell_no_secrets() {
    let (daemon, ada, _) = started();
    ada.write("/very-private-name", "x");
    let nobody = daemon.nobody();
    nobody.get("/healthz").send().expect(200);
    nobody.get("/readyz").send().expect(200);
    let metrics = nobody.get("/metrics").send().expect(200).text();
    assert!(metrics.contains("# TYPE"), "Prometheus text: {metrics}");
    assert!(!metrics.contains("very-private-name"));
    let status = nobody.get("/status.php").send().expect(200).json();
    assert_eq!(status["installed"], true, "{status}");
    assert_eq!(status["productname"], "Stitchbox", "{status}");
    let options = nobody.call("OPTIONS", "/").send();
    assert!(matches!(options.status, 200 | 204 | 401), "{options:?}");
    let classes = ada.call("OPTIONS", "/").send().expect(200).header("DAV");
    for class in ["1", "2", "3"] {
        assert!(classes.split(',').any(|found| found.trim() == class), "DAV: {classes}");
    }
}
