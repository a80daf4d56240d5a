//! rclone with its two vendors: everything arrives with its time, nothing is sent twice, the server moves and copies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stitchbox_tests::{Daemon, Dav, password_of, skip};
use tempfile::TempDir;

use crate::folders::{assert_same, fill, times, write};
use crate::program_run::{Ended, is_installed, run};

const LIMIT: Duration = Duration::from_secs(60);

/// rclone with one remote, `box:`.
pub struct Rclone {
    place: TempDir,
}

impl Rclone {
    /// For a user of the server. Debian's version is enough; `None` if there is none.
    pub fn new(dav: &Dav, vendor: &str, root: &str, user: &str) -> Option<Rclone> {
        if !is_installed("rclone", "version") {
            return None;
        }
        let place = TempDir::with_prefix("stitchbox-rclone-").expect("a temporary folder");
        let hidden = Command::new("rclone").args(["obscure", &password_of(user)]).output().expect("rclone obscures");
        let config = format!(
            "[box]\ntype = webdav\nurl = {}{root}\nvendor = {vendor}\nuser = {user}\npass = {}\n",
            dav.base(),
            String::from_utf8_lossy(&hidden.stdout).trim()
        );
        fs::write(place.path().join("rclone.conf"), config).expect("the configuration can be written");
        Some(Rclone { place })
    }

    /// A local folder.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.place.path().join(name);
        fs::create_dir_all(&folder).expect("folders can be made");
        folder
    }

    /// Runs it, however it ends.
    pub fn attempt(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new("rclone");
        command.arg("--config").arg(self.place.path().join("rclone.conf"));
        command.args(["-v", "--retries", "1", "--low-level-retries", "2"]).args(arguments);
        command.env("HOME", self.place.path()).env_remove("http_proxy").env_remove("HTTP_PROXY");
        run(&mut command, LIMIT)
    }

    /// Runs it; it must succeed.
    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> Ended {
        self.attempt(arguments).succeeded()
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

#[test]
fn rclone_as_for_nextcloud() {
    works("nextcloud", "/remote.php/dav/files/rita");
}

#[test]
fn rclone_as_for_owncloud() {
    works("owncloud", "/remote.php/webdav");
}

fn works(vendor: &str, root: &str) {
    let daemon = Daemon::start();
    let dav = daemon.user("rita");
    let Some(rclone) = Rclone::new(&dav, vendor, root, "rita") else {
        skip!("rclone", "the program rclone is not installed");
    };
    let (up, down) = (rclone.folder("up"), rclone.folder("down"));
    fill(&up, 3_000_000);
    rclone.does(&["copy", "--create-empty-src-dirs", shown(&up), "box:x"]);
    rclone.does(&["copy", "--create-empty-src-dirs", "box:x", shown(&down)]);
    assert_same(&up, &down);
    assert_eq!(times(&up), times(&down));
    let again = rclone.does(&["copy", shown(&up), "box:x"]);
    assert!(!again.said.contains(": Copied"), "nothing had changed:\n{}", again.tail());
    let sums = rclone.does(&["hashsum", "sha1", "box:x"]).said;
    let with_sum = sums.lines().filter(|line| line.split(' ').next().is_some_and(|sum| sum.len() == 40)).count();
    assert_eq!(with_sum, times(&up).len(), "every file has a checksum:\n{sums}");

    fs::remove_file(up.join("deep/s1.txt")).unwrap();
    write(&up, "plain.txt", "changed");
    fs::rename(up.join("deep/s2.txt"), up.join("deep/s2 renamed.txt")).unwrap();
    rclone.does(&["sync", shown(&up), "box:x"]);
    rclone.does(&["check", "--download", shown(&up), "box:x"]);
    rclone.does(&["moveto", "box:x/deep", "box:x/deep moved"]);
    assert_eq!(dav.read("/x/deep moved/er/est/leaf.txt"), b"deep/er/est/leaf.txt");
    rclone.does(&["copyto", "box:x/large.bin", "box:x/copy of large.bin"]);
    assert_eq!(dav.read("/x/copy of large.bin"), fs::read(up.join("large.bin")).unwrap());
    rclone.does(&["purge", "box:x"]);
    assert!(!dav.exists("/x"));
    daemon.verify_clean();
}
