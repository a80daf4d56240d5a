//! The program `stitchbox` as one user of one server, with a configuration folder of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::daemon::{Daemon, password_of};
use crate::processes::Admin;
use crate::programs::program;

/// Runs `stitchbox` for a user.
#[derive(Debug)]
pub struct Client {
    folder: TempDir,
    server: String,
    user: String,
}

impl Client {
    /// For a user that exists, with the password of the account.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    pub fn new(daemon: &Daemon, user: &str) -> Client {
        let folder = TempDir::with_prefix("stitchbox-client-").expect("a temporary folder");
        std::fs::write(folder.path().join("password"), password_of(user)).expect("a file can be written");
        Client { folder, server: daemon.base().to_owned(), user: user.to_owned() }
    }

    /// The file that holds the password.
    pub fn password_file(&self) -> String {
        self.folder.path().join("password").display().to_string()
    }

    /// `stitchbox` without user and password: only what its own configuration folder holds.
    pub fn stranger(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("stitchbox"));
        command.args(arguments).env("STITCHBOX_CONFIG", self.folder.path().join("config"));
        for name in ["STITCHBOX_SERVER", "STITCHBOX_USER", "STITCHBOX_PASSWORD_FILE", "STITCHBOX_TOKEN_FILE"] {
            command.env_remove(name);
        }
        command
    }

    /// `stitchbox ARGUMENTS` as the user.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.stranger(arguments);
        command.env("STITCHBOX_SERVER", &self.server).env("STITCHBOX_USER", &self.user);
        command.env("STITCHBOX_PASSWORD_FILE", self.password_file());
        if self.server.starts_with("https") {
            command.env("STITCHBOX_CA_FILE", crate::federation::Authority::of_the_tests().file());
        }
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Admin {
        Admin::run(&mut self.command(arguments), "")
    }

    /// Synchronises `local` with `remote` once and gives the report of `--json`.
    ///
    /// # Panics
    /// When it fails, or leaves something for later.
    #[track_caller]
    pub fn sync(&self, local: &Path, remote: &str) -> serde_json::Value {
        let local = local.display().to_string();
        let done = self.run(&["sync", &local, remote, "--json"]).succeeded();
        report_of(&done.stdout).unwrap_or_else(|| panic!("no report in {done:?}"))
    }

    /// Starts it and does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("stitchbox can be started")
    }
}

/// The report among the lines of `sync --json`.
pub fn report_of(lines: &str) -> Option<serde_json::Value> {
    let documents = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    documents.filter(|document| document["event"] == "report").map(|document| document["report"].clone()).next_back()
}
