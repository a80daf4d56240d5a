//! Programs that a test starts besides the server: administration commands that end, workers that stay.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to start or to end before it counts as "never".
pub(crate) const PROCESS_LIMIT: Duration = Duration::from_secs(90);

/// What an administration command said.
#[derive(Debug)]
pub struct Admin {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Admin {
    /// Runs `command` with `input` on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(command: &mut Command, input: &str) -> Admin {
        let shown = format!("{command:?}");
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{shown}: {error}"));
        if let Some(mut stdin) = child.stdin.take() {
            // A program that refuses early closes its input; its exit code tells.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().unwrap_or_else(|error| panic!("{shown}: {error}"));
        Admin {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Insists on exit code 0.
    ///
    /// # Panics
    /// Otherwise.
    #[track_caller]
    pub fn succeeded(self) -> Admin {
        assert!(self.status.success(), "{self:?}");
        self
    }

    /// Insists on a refusal: an exit code other than 0, no signal, and a sentence on standard error.
    ///
    /// # Panics
    /// Otherwise.
    #[track_caller]
    pub fn refused(self) -> Admin {
        assert!(!self.status.success() && self.status.signal().is_none(), "{self:?}");
        assert!(!self.stderr.trim().is_empty() && !self.stderr.contains("panicked"), "{self:?}");
        self
    }
}

/// A worker process; dropping it kills it.
#[derive(Debug)]
pub struct Worker {
    pub(crate) child: Child,
}

impl Worker {
    /// SIGKILL, and reaps it.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM, and how it ended; nothing when it did not end in time.
    pub fn stop(mut self) -> Option<ExitStatus> {
        signal(self.child.id(), Signal::TERM);
        wait_child(&mut self.child, PROCESS_LIMIT)
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("a signal can be sent to our own child");
}

pub(crate) fn wait_child(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().expect("our own child can be waited for") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}
