//! An outage of ours never makes a receiving Nextcloud delete a share: the whole matrix of `shared/facts/ocm.md` 5.4
//! against the real process, with its database taken away and given back.

use std::cell::RefCell;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use stitchbox_tests::federation::{Dialect, FakePeer, Gate, Mode, OurShare, Site, SiteSettings, exchange};
use stitchbox_tests::{Postgres, skip, wait_until};

use crate::tables;

/// What a Nextcloud 34 does with its mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Works,
    Keeps,
    Removes,
}

/// Follows a Nextcloud 34 step by step; gives the statuses it saw and what it does (facts 5.4).
fn nextcloud_looks(origin: &str, ours: &OurShare) -> (String, Verdict) {
    let root = ours.look("", "0").answer.status;
    if root == 207 {
        return (format!("DAV {root}"), Verdict::Works);
    }
    let get = |path: &str| exchange(origin, "GET", path, &[], b"").ok();
    let has_version = |path: &str| {
        let answer = get(path).filter(|answer| answer.status == 200);
        answer.is_some_and(|answer| answer.document()["version"].as_str().is_some_and(|version| !version.is_empty()))
    };
    if !matches!(root, 401 | 503) || !has_version("/status.php") {
        return (format!("DAV {root}"), Verdict::Keeps);
    }
    let target = format!("/index.php/apps/files_sharing/shareinfo?t={}", ours.secret);
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let info = exchange(origin, "POST", &target, &headers, b"password=&depth=0").map_or(0, |answer| answer.status);
    let seen = format!("DAV {root}, shareinfo {info}");
    let verdict = match info {
        401 | 403 => Verdict::Removes,
        404 => {
            let lives = ["/ocm-provider/index.php", "/ocm-provider/", "/.well-known/ocm", "/status.php"];
            if lives.into_iter().any(has_version) { Verdict::Removes } else { Verdict::Keeps }
        }
        _ => Verdict::Keeps,
    };
    (seen, verdict)
}

#[test]
fn no_outage_of_ours_makes_a_nextcloud_delete_a_share() {
    let mut site = Site::start();
    let ada = site.new_person("ada");
    let peer = FakePeer::start(Dialect::Nextcloud34);
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.dav().write("/mirror/f", "content");
    let share = ada.share("/mirror", &peer.id("bob"), "viewer");
    let ours = peer.takes(&site.origin(), &peer.wait_share("mirror")).unwrap();
    let rows = RefCell::new(String::from(
        "| what happened to us | what a Nextcloud 34 sees | what it does |\n|---|---|---|\n",
    ));
    let judge = |site: &Site, what: &str, allowed: &[Verdict]| {
        let (seen, verdict) = nextcloud_looks(&site.origin(), &ours);
        rows.borrow_mut().push_str(&format!("| {what} | {seen} | {verdict:?} |\n"));
        assert!(allowed.contains(&verdict), "{what}: {seen}, so it {verdict:?}\n{}", site.log_tail());
    };
    judge(&site, "nothing", &[Verdict::Works]);
    let info = {
        let target = format!("/index.php/apps/files_sharing/shareinfo?t={}", ours.secret);
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        exchange(&site.origin(), "POST", &target, &headers, b"password=&depth=-1").unwrap().expect(200).document()
    };
    assert_eq!((&info["status"], &info["data"]["type"]), (&"success".into(), &"dir".into()), "{info}");
    assert_eq!(info["data"]["permissions"], 1, "{info}");
    assert_eq!(info["data"]["children"][0]["name"], "f", "{info}");

    site.restart();
    judge(&site, "restarted", &[Verdict::Works]);

    // The database is taken away from the running process.
    let database = site.data().join("metadata.sqlite");
    for (what, broken) in [("the database is empty", Vec::new()), ("the database is noise", vec![0x5a; 1 << 16])] {
        site.kill();
        let kept = std::fs::read(&database).unwrap();
        let log = [site.data().join("metadata.sqlite-wal"), site.data().join("metadata.sqlite-shm")];
        let logs: Vec<_> = log.iter().map(|path| std::fs::read(path).ok()).collect();
        site.restart();
        let mut file = std::fs::OpenOptions::new().write(true).open(&database).unwrap();
        std::io::Write::write_all(&mut file, &broken).unwrap();
        file.set_len(broken.len() as u64).unwrap();
        drop(file);
        judge(&site, what, &[Verdict::Works, Verdict::Keeps]);
        site.kill();
        std::fs::write(&database, kept).unwrap();
        for (path, kept) in log.iter().zip(logs) {
            match kept {
                Some(kept) => std::fs::write(path, kept).unwrap(),
                None => {
                    let _ = std::fs::remove_file(path);
                }
            }
        }
        site.restart();
        judge(&site, "given back", &[Verdict::Works]);
    }

    // The folder of the data is closed to everybody; root is not stopped by that, so the outcome may be that it works.
    std::fs::set_permissions(site.data(), Permissions::from_mode(0o000)).unwrap();
    judge(&site, "the data folder is closed", &[Verdict::Works, Verdict::Keeps]);
    std::fs::set_permissions(site.data(), Permissions::from_mode(0o700)).unwrap();

    site.kill();
    let gone = exchange(&site.origin(), "GET", "/status.php", &[], b"");
    assert!(gone.is_err(), "the process is gone");
    rows.borrow_mut().push_str("| the process is dead | no connection | Keeps |\n");
    site.restart();
    judge(&site, "started again", &[Verdict::Works]);

    ada.dav().rename("/mirror", "/renamed").send().expect(201);
    judge(&site, "the folder was renamed", &[Verdict::Works]);
    let ada = site.person("ada");
    ada.dav().delete("/renamed").send().expect(204);
    judge(&site, "the folder lies in the trash", &[Verdict::Keeps, Verdict::Removes]);
    let trash = site.api("ada");
    trash.restore(&trash.trash("ada")[0]);
    ada.revoke(&share);
    judge(&site, "taken back", &[Verdict::Keeps, Verdict::Removes]);
    tables::write("federation-outage.md", &rows.borrow());
}

#[test]
fn a_database_that_does_not_answer_is_503_everywhere_and_never_401() {
    let cluster = match Postgres::start() {
        Ok(cluster) => cluster,
        Err(why) => skip!("federation.outage", "{why}"),
    };
    let url = cluster.url();
    let (before, rest) = url.rsplit_once(':').expect("an address with a port");
    let (port, database) = rest.split_once('/').expect("a port and a database");
    let gate = Gate::new();
    gate.lead_to(port.parse().expect("a port"));
    let url = format!("{before}:{}/{database}", gate.port());
    let site = Site::start_with(SiteSettings::default().with("DATABASE__URL", &url));
    let ada = site.new_person("ada");
    let peer = FakePeer::start(Dialect::Nextcloud34);
    ada.dav().mkcol("/mirror").send().expect(201);
    ada.share("/mirror", &peer.id("bob"), "viewer");
    let ours = peer.takes(&site.origin(), &peer.wait_share("mirror")).unwrap();
    assert_eq!(nextcloud_looks(&site.origin(), &ours).1, Verdict::Works);
    gate.set(Mode::Closed);
    // it looks again and again while we are down
    for _ in 0..3 {
        let (seen, verdict) = nextcloud_looks(&site.origin(), &ours);
        assert_eq!((seen.as_str(), verdict), ("DAV 503, shareinfo 503", Verdict::Keeps), "{}", site.log_tail());
    }
    // a wrong secret cannot be told from a right one now, so it is not called wrong
    let wrong = ours.by("Basic bm90LXRoZS1zZWNyZXQ6").look("", "0").answer;
    assert!(wrong.status == 503 && !wrong.header("Retry-After").is_empty(), "{wrong:?}");
    gate.set(Mode::Open);
    wait_until("it to be good again", || nextcloud_looks(&site.origin(), &ours).1 == Verdict::Works);
    let table = "| the database | what a Nextcloud 34 sees | what it does |\n|---|---|---|\n| answers | DAV 207 | Works |\n\
                 | does not answer | DAV 503, shareinfo 503 | Keeps |\n| answers again | DAV 207 | Works |\n";
    tables::write("federation-outage-database.md", table);
}
