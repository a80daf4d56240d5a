//! login, push, pull, ls, mv and rm.

use std::fs;

use stitchbox_tests::{Admin, Client, Credentials, Daemon};
use tempfile::TempDir;

use crate::tree::{assert_equal, noise, write};

fn house() -> (Daemon, Client, TempDir) {
    let daemon = Daemon::start();
    daemon.user("ada");
    let client = Client::new(&daemon, "ada");
    (daemon, client, TempDir::new().unwrap())
}

#[test]
fn what_is_pushed_comes_back_and_is_not_sent_twice() {
    let (_daemon, client, a) = house();
    for number in 0..300 {
        write(a.path(), &format!("many/{}/{number}", number % 3), if number % 4 == 0 { b"" } else { b"content" });
    }
    write(a.path(), "large ü", &noise(20 << 20, 3));
    let local = a.path().display().to_string();
    let first = client.run(&["push", &local, "ada:/m/1"]).succeeded();
    assert!(first.stdout.starts_with("301 files are stored and verified:"), "{first:?}");
    let again = client.run(&["push", &local, "ada:/m/1"]).succeeded();
    assert!(again.stdout.contains("301 of them were there before"), "{again:?}");
    let b = TempDir::new().unwrap();
    let back = b.path().display().to_string();
    client.run(&["pull", "ada:/m/1", &back]).succeeded();
    assert_equal(a.path(), b.path());
    // a file that differs here is not replaced unasked
    write(b.path(), "many/1/1", b"mine");
    let left = client.run(&["pull", "ada:/m/1", &back]);
    assert_eq!(left.status.code(), Some(4), "{left:?}");
    assert_eq!(fs::read(b.path().join("many/1/1")).unwrap(), b"mine");
    client.run(&["pull", "ada:/m/1", &back, "--overwrite"]).succeeded();
    assert_equal(a.path(), b.path());
}

#[test]
fn the_older_names_work_with_addresses() {
    let (daemon, client, a) = house();
    write(a.path(), "x/y", b"z");
    let url = daemon.client("ada").url("/up");
    client.run(&["upload", &a.path().display().to_string(), &url]).succeeded();
    let b = TempDir::new().unwrap();
    client.run(&["download", &url, &b.path().display().to_string()]).succeeded();
    assert_equal(a.path(), b.path());
}

#[test]
fn only_what_is_safe_is_deleted_here() {
    let (daemon, client, a) = house();
    write(a.path(), "safe 1", b"measured");
    write(a.path(), "sub/safe 2", &noise(100_000, 5));
    let local = a.path().display().to_string();
    client.run(&["push", &local, "ada:/m"]).succeeded();
    // changed on the server by somebody else: the bytes here are the only ones
    daemon.client("ada").write("/m/safe 1", "something else").expect(204);
    let young = a.path().join("just written");
    fs::write(&young, b"by the instrument, now").unwrap();
    let done = client.run(&["push", &local, "ada:/m", "--delete-when-safe", "--min-age", "600"]);
    assert!(young.exists() && a.path().join("safe 1").exists(), "{done:?}");
    let done = client.run(&["push", &local, "ada:/m", "--delete-when-safe", "--min-age", "0"]);
    assert!(!a.path().join("sub/safe 2").exists(), "{done:?}");
    assert_eq!(fs::read(a.path().join("safe 1")).ok().or_else(|| version_of(&daemon)), Some(b"measured".to_vec()));
}

/// What was pushed over somebody's change is on the server then, or it is still here.
fn version_of(daemon: &Daemon) -> Option<Vec<u8>> {
    Some(daemon.client("ada").read("/m/safe 1"))
}

#[test]
fn a_login_is_kept_and_its_end_revokes_it() {
    let (daemon, client, _) = house();
    let alone = |arguments: &[&str]| Admin::run(&mut client.stranger(arguments), "");
    let nobody = alone(&["ls"]).refused();
    assert_eq!(nobody.status.code(), Some(6), "{nobody:?}");
    let password = client.password_file();
    alone(&["login", daemon.base(), "--user", "ada", "--password-file", &password]).succeeded();
    let spaces = alone(&["ls"]).succeeded();
    assert!(spaces.stdout.contains("ada:/"), "{spaces:?}");
    let kept =
        fs::read_to_string(std::path::Path::new(&password).with_file_name("config").join("logins.json")).unwrap();
    let account = fs::read_to_string(&password).unwrap();
    assert!(!kept.contains(&account), "the account's own password is kept");
    let document: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let app_password = document["logins"][0]["app_password"].as_str().unwrap().to_owned();
    alone(&["logout"]).succeeded();
    fs::write(&password, app_password).unwrap();
    let revoked = client.run(&["ls"]).refused();
    assert_eq!(revoked.status.code(), Some(6), "{revoked:?}");
}

#[test]
fn listing_moving_and_deleting() {
    let (daemon, client, _) = house();
    let dav = daemon.client("ada");
    dav.mkcol("/m").send().expect(201);
    dav.write("/m/a", "12345").expect(201);
    let list = |arguments: &[&str]| client.run(arguments).succeeded().stdout;
    assert_eq!(list(&["ls", "ada:/"]), "m/\n");
    assert_eq!(list(&["ls", "-R", "ada:/"]), "m/\nm/a\n");
    let line: serde_json::Value = serde_json::from_str(list(&["ls", "--json", "ada:/m"]).trim()).unwrap();
    assert_eq!((&line["path"], &line["size"], &line["kind"]), (&"a".into(), &5.into(), &"file".into()));
    client.run(&["mv", "ada:/m/a", "ada:/m/b ü"]).succeeded();
    dav.write("/m/a", "other").expect(201);
    let taken = client.run(&["mv", "ada:/m/a", "ada:/m/b ü"]).refused();
    assert!(taken.stderr.contains("there already"), "{taken:?}");
    assert_eq!(dav.read("/m/b ü"), b"12345");
    let folder = client.run(&["rm", "ada:/m"]);
    assert_eq!(folder.status.code(), Some(4), "{folder:?}");
    client.run(&["rm", "-r", "ada:/m"]).succeeded();
    assert!(!dav.exists("/m"));
    assert_eq!(client.run(&["rm", "ada:/m"]).status.code(), Some(4));
    client.run(&["rm", "-f", "ada:/m"]).succeeded();
}

#[test]
fn a_share_is_given_listed_changed_and_ended() {
    let (daemon, client, _) = house();
    daemon.user("ben");
    let (ada, ben) = (daemon.client("ada"), daemon.client("ben"));
    ada.mkcol("/kb").send().expect(201);
    ada.write("/kb/f", "12345").expect(201);
    let link = client.run(&["share", "ada:/kb", "--link", "--password", "--until", "2099-12-31"]).succeeded();
    let (address, password) = (link.stdout.trim(), link.stderr.trim().rsplit(' ').next().unwrap().to_owned());
    assert!(address.starts_with(daemon.base()) && address.contains("/s/"), "{link:?}");
    let token = address.rsplit('/').next().unwrap().to_owned();
    let visitor = daemon.nobody().by(Credentials::Basic(token, password)).at("/public.php/webdav");
    assert_eq!(visitor.read("/f"), b"12345");
    let given = client.run(&["share", "ada:/kb", "--with", "ben", "--json"]).succeeded();
    let share: serde_json::Value = serde_json::from_str(given.stdout.trim()).unwrap();
    let id = share["id"].as_str().unwrap();
    assert_eq!(ben.read("/Shares/kb/f"), b"12345");
    ben.put("/Shares/kb/g", "x").send().expect(403);
    client.run(&["share", "change", id, "--role", "editor"]).succeeded();
    ben.put("/Shares/kb/g", "x").send().expect(201);
    let listed = client.run(&["share", "list", "ada:/kb"]).succeeded().stdout;
    assert!(listed.contains("ben") && listed.contains("editor") && listed.contains("2099-12-31"), "{listed}");
    assert_eq!(client.run(&["share", "list"]).succeeded().stdout.lines().count(), 2);
    let twice = client.run(&["share", "ada:/kb", "--with", "ben"]).refused();
    assert!(twice.stderr.contains("already"), "{twice:?}");
    let nobody = client.run(&["share", "ada:/kb", "--with", "nobody"]).refused();
    assert!(nobody.stderr.contains("nobody"), "{nobody:?}");
    let bens = Client::new(&daemon, "ben");
    let passed = bens.run(&["share", "ben:/Shares/kb", "--link"]).refused();
    assert!(passed.stderr.contains("may not share"), "{passed:?}");
    assert!(bens.run(&["share", "list", "--with-me"]).succeeded().stdout.contains("/Shares/kb"));
    bens.run(&["share", "leave", id]).succeeded();
    assert!(!ben.exists("/Shares/kb"));
    client.run(&["share", "revoke", id]).succeeded();
    client.run(&["share", "revoke", id]).refused();
}
