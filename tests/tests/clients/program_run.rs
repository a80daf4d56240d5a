//! Runs a client with a limit of time, in a process group of its own, so that nothing of it stays behind.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::NamedTempFile;

/// How a client ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if the limit of time or a signal ended it.
    pub code: Option<i32>,
    /// Everything it said, on both outputs.
    pub said: String,
}

impl Ended {
    /// Insists on exit code 0.
    #[track_caller]
    pub fn succeeded(self) -> Ended {
        assert_eq!(self.code, Some(0), "the client failed; the end of what it said:\n{}", self.tail());
        self
    }

    /// The last lines.
    pub fn tail(&self) -> String {
        let lines: Vec<&str> = self.said.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// Whether a program is installed.
pub fn is_installed(program: &str, version: &str) -> bool {
    let asked = Command::new(program).arg(version).env("QT_QPA_PLATFORM", "offscreen").output();
    asked.is_ok()
}

/// Runs it; after `limit` the whole group is killed.
pub fn run(command: &mut Command, limit: Duration) -> Ended {
    let log = NamedTempFile::new().expect("a temporary file");
    let output = || File::options().append(true).open(log.path()).expect("the log can be written");
    command.stdin(Stdio::null()).stdout(output()).stderr(output()).process_group(0);
    let shown = format!("{command:?}");
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break status,
            None if begun.elapsed() < limit => std::thread::sleep(Duration::from_millis(10)),
            None => {
                let group = Pid::from_raw(child.id() as i32).expect("a process id");
                // It may end in this very moment; then there is nothing to kill.
                let _ = kill_process_group(group, Signal::KILL);
                break child.wait().expect("a child can be waited for");
            }
        }
    };
    let said = String::from_utf8_lossy(&std::fs::read(log.path()).expect("the log can be read")).into_owned();
    Ended { code: status.code(), said }
}
