//! The command line of `stitchboxd`: what scripts and administrators rely on, with the server stopped or running.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stitchbox_tests::{Admin, Credentials, Daemon, Settings, password_of, program};

#[test]
fn standard_output_carries_the_listening_line_alone() {
    let mut daemon = Daemon::start();
    daemon.user("ute").write("/f", "x");
    let address = daemon.base().to_owned();
    assert!(address.starts_with("http://127.0.0.1:") && !address.ends_with(":0"), "{address}");
    daemon.nobody().get("/healthz").send().expect(200);
    let output = daemon.output();
    assert_eq!(output, [format!("listening {address}")], "logs go to standard error");
    assert!(!daemon.log().is_empty());
    assert!(daemon.stop().success(), "SIGTERM ends with 0");
}

#[test]
fn the_first_start_prints_a_password_that_works_and_later_ones_print_none() {
    let mut daemon = Daemon::start();
    let password = |log: &str| -> Vec<String> {
        log.lines()
            .filter_map(|line| Some(line.split_once("admin password: ")?.1.split_whitespace().next()?.to_owned()))
            .collect()
    };
    let found = password(&daemon.log());
    assert_eq!(found.len(), 1, "{}", daemon.log_tail());
    assert!(found[0].len() >= 12, "long enough");
    let admin = daemon.client("admin").by(Credentials::Basic("admin".to_owned(), found[0].clone()));
    admin.propfind("/", "0").send().expect(207);
    daemon.stop();
    daemon.restart();
    assert_eq!(password(&daemon.log()).len(), 1, "the second start prints no password");
}

#[test]
fn users_and_spaces_are_made_with_the_server_stopped_and_running() {
    let mut daemon = Daemon::prepared(Settings::quick());
    let add = |daemon: &Daemon, name: &str| {
        daemon.admin_with(&["user", "add", name, "--password-stdin"], &format!("{}\n", password_of(name)))
    };
    add(&daemon, "stopped").succeeded();
    daemon.admin(&["space", "add", "before", "--manager", "stopped"]).succeeded();
    daemon.restart();
    add(&daemon, "running").succeeded();
    daemon.admin(&["space", "add", "after", "--manager", "running", "--quota", "10 MiB"]).succeeded();
    for (user, space) in [("stopped", "before"), ("running", "after")] {
        let dav = daemon.client(user);
        dav.write("/f", "x");
        dav.at(&format!("/dav/spaces/{space}")).write("/f", "x");
    }
    add(&daemon, "running").refused();
    add(&daemon, "").refused();
    add(&daemon, "a/b").refused();
    daemon.admin_with(&["user", "add", "short", "--password-stdin"], "seven77\n").refused();
    daemon.admin_with(&["user", "add", "silent", "--password-stdin"], "").refused();
    daemon.admin(&["space", "add", "after"]).refused();
    daemon.admin(&["space", "add", "a\u{1}b"]).refused();
    daemon.admin(&["space", "add", "sized", "--quota", "a lot"]).refused();
    daemon.admin(&["space", "add", "orphan", "--manager", "nobody knows"]).refused();
    daemon.admin(&["space", "member", "nowhere", "running", "viewer"]).refused();
    daemon.admin(&["space", "member", "after", "nobody knows", "viewer"]).refused();
    daemon.admin(&["space", "member", "after", "stopped", "emperor"]).refused();
    daemon.admin(&["app-password", "add", "nobody knows"]).refused();
    assert!(!daemon.client("running").at("/dav/spaces/orphan").exists("/"), "a refused command leaves nothing behind");
    daemon.stop();
    add(&daemon, "stopped").refused();
    let password = daemon.admin(&["app-password", "add", "stopped", "--label", "rig"]).succeeded().stdout;
    assert_eq!(password.lines().count(), 1, "the password alone: {password}");
    daemon.restart();
    let rig = Credentials::Basic("stopped".to_owned(), password.trim().to_owned());
    assert_eq!(daemon.client("stopped").by(rig).read("/f"), b"x");
}

#[test]
fn an_unfit_configuration_is_refused_with_the_line_and_the_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("the file can be written");
        path
    };
    let check = |path: &PathBuf| {
        let mut command = Command::new(program("stitchboxd"));
        Admin::run(command.arg("check-config").arg("--config").arg(path), "")
    };
    Admin::run(Command::new(program("stitchboxd")).arg("check-config"), "").succeeded();
    check(&file("empty.toml", "")).succeeded();
    check(&file("good.toml", "[series]\nquiet = \"3 s\"\n[jobs]\nworkers = 2\nlease = \"1 min\"\nattempts = 5\n"))
        .succeeded();
    for (name, text, word) in [
        ("syntax.toml", "[series\nquiet = 3", "syntax.toml"),
        ("unknown.toml", "[series]\nquite = \"3 s\"\n", "quite"),
        ("section.toml", "[serious]\nquiet = \"3 s\"\n", "serious"),
        ("duration.toml", "[series]\nquiet = \"soon\"\n", "quiet"),
        ("number.toml", "[jobs]\nattempts = -1\n", "attempts"),
        ("database.toml", "[database]\nurl = \"mysql://x\"\n", "database"),
    ] {
        let refused = check(&file(name, text)).refused();
        assert!(refused.stderr.to_lowercase().contains(word), "{name}: {refused:?}");
    }
    let missing = check(&folder.path().join("missing.toml")).refused();
    assert!(missing.stderr.contains("missing.toml"), "{missing:?}");
    let mut command = Command::new(program("stitchboxd"));
    let refused = Admin::run(command.arg("check-config").env("STITCHBOX_SERIES__QUIET", "soon"), "").refused();
    assert!(refused.stderr.to_lowercase().contains("quiet"), "{refused:?}");
}

#[test]
fn verify_finds_a_flipped_byte_and_a_missing_blob() {
    let mut daemon = Daemon::start();
    let dav = daemon.user("ute");
    // Large, so that it is a file of its own and neither packed nor inside the database.
    dav.write("/large.bin", vec![0xA5; 2_000_000]);
    dav.write("/small.txt", "small");
    daemon.verify_clean();
    daemon.stop();
    daemon.verify_clean();
    let blob = largest_file(daemon.data());
    let bytes = fs::read(&blob).expect("the blob can be read");
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    fs::write(&blob, &flipped).expect("the blob can be written");
    let verify = daemon.admin(&["verify"]);
    assert_eq!(verify.status.code(), Some(1), "a flipped byte: {verify:?}");
    assert!(format!("{}{}", verify.stdout, verify.stderr).contains("large.bin"), "says which file: {verify:?}");
    fs::remove_file(&blob).expect("the blob can be removed");
    let verify = daemon.admin(&["verify"]);
    assert_eq!(verify.status.code(), Some(1), "a missing blob: {verify:?}");
    daemon.restart();
    let verify = daemon.admin(&["verify"]);
    assert_eq!(verify.status.code(), Some(1), "the same with the server running: {verify:?}");
    let dav = daemon.client("ute");
    assert_eq!(dav.read("/small.txt"), b"small", "the rest is served");
    assert!(dav.get("/large.bin").send().status >= 500, "a lost blob is no empty file");
    fs::write(&blob, &bytes).expect("the blob can be written");
    daemon.verify_clean();
}

fn largest_file(folder: &Path) -> PathBuf {
    let mut open = vec![folder.to_owned()];
    let mut largest = (0, PathBuf::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be listed").flatten() {
            let (path, data) = (entry.path(), entry.metadata().expect("a file has metadata"));
            let name = entry.file_name().to_string_lossy().into_owned();
            if data.is_dir() {
                open.push(path);
            } else if data.is_file() && !name.contains(".db") && !name.contains("sqlite") && data.len() > largest.0 {
                largest = (data.len(), path);
            }
        }
    }
    assert!(largest.0 >= 2_000_000, "no blob of two megabytes below {}", folder.display());
    largest.1
}

#[test]
fn two_servers_never_share_one_folder() {
    let daemon = Daemon::start();
    let mut command = Command::new(program("stitchboxd"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(daemon.data());
    let second = Admin::run(&mut command, "").refused();
    assert!(!second.stdout.contains("listening"), "{second:?}");
    daemon.nobody().get("/healthz").send().expect(200);
}

#[test]
fn a_taken_port_is_said() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = daemon.base().trim_start_matches("http://").to_owned();
    let mut command = Command::new(program("stitchboxd"));
    command.args(["serve", "--listen", &address, "--data"]).arg(folder.path());
    let refused = Admin::run(&mut command, "").refused();
    assert!(refused.stderr.contains(&address), "names the address: {refused:?}");
}

#[test]
fn a_request_under_way_is_finished_before_the_program_ends() {
    let mut daemon = Daemon::start();
    let dav = daemon.user("ute");
    let body = Trickle { left: 40_000 };
    let upload = {
        let dav = dav.clone();
        std::thread::spawn(move || dav.put("/slow", reqwest::blocking::Body::sized(body, 40_000)).attempt())
    };
    // Long enough for the head and the first pieces to arrive, far shorter than the whole.
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(daemon.stop().success());
    let reply = upload.join().expect("the upload thread").expect("the answer comes although the server ends");
    assert_eq!(reply.status, 201, "{reply:?}");
    daemon.restart();
    assert_eq!(daemon.client("ute").read("/slow").len(), 40_000);
}

/// Bytes that come in small pieces with pauses: about two seconds in all.
struct Trickle {
    left: usize,
}

impl std::io::Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(1000).min(self.left);
        if count > 0 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        buffer[..count].fill(b'.');
        self.left -= count;
        Ok(count)
    }
}
