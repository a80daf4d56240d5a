//! Starts, kills and restarts a real `stitchboxd` on its own data folder, and administers it by its command line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::api::Api;
use crate::dav::{Credentials, Dav};
use crate::processes::{Admin, PROCESS_LIMIT, Worker, signal, wait_child};
use crate::programs::program;
use crate::say;

/// How many lines of the log a failing test prints.
const TAIL: usize = 120;

/// Environment overrides of the configuration, without the prefix `STITCHBOX_`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pairs: Vec<(String, String)>,
}

impl Settings {
    /// What the suites use: no waiting for nothing, a short quiet time, short leases.
    pub fn quick() -> Settings {
        Settings::default().with("SERIES__QUIET", "500 ms").with("JOBS__LEASE", "2 s")
    }

    /// Adds or replaces `STITCHBOX_<name>`.
    pub fn with(mut self, name: &str, value: &str) -> Settings {
        self.pairs.retain(|(known, _)| known != name);
        self.pairs.push((name.to_owned(), value.to_owned()));
        self
    }

    fn apply(&self, command: &mut Command) {
        for (name, value) in &self.pairs {
            command.env(format!("STITCHBOX_{name}"), value);
        }
    }
}

/// A server of one test. Dropping it kills it; a failing test keeps its folder and prints the end of the log.
#[derive(Debug)]
pub struct Daemon {
    folder: Option<TempDir>,
    data: PathBuf,
    log: PathBuf,
    settings: Settings,
    running: Option<Running>,
    listen: String,
    base: String,
    called: Option<String>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    /// Starts a server on a fresh folder with [`Settings::quick`].
    pub fn start() -> Daemon {
        Daemon::start_with(Settings::quick())
    }

    /// Starts a server on a fresh folder.
    ///
    /// # Panics
    /// When it does not print its address in time.
    pub fn start_with(settings: Settings) -> Daemon {
        let mut daemon = Daemon::prepared(settings);
        daemon.restart();
        daemon
    }

    /// A fresh folder, no server running on it yet.
    pub fn prepared(settings: Settings) -> Daemon {
        let folder = TempDir::with_prefix("stitchbox-test-").expect("a temporary folder");
        let data = folder.path().join("data");
        let log = folder.path().join("stitchboxd.log");
        let listen = "127.0.0.1:0".to_owned();
        Daemon { data, log, settings, folder: Some(folder), running: None, listen, base: String::new(), called: None }
    }

    /// Listens at a fixed address instead of a free port, from the next start on.
    pub fn listen(&mut self, address: &str) {
        self.listen = address.to_owned();
    }

    /// Clients use this address instead of the one it prints, from the next start on.
    pub fn call_it(&mut self, base: &str) {
        self.called = Some(base.to_owned());
    }

    /// Starts (again) on the same data folder, killing what still runs. The port changes.
    ///
    /// # Panics
    /// When it does not print its address in time.
    pub fn restart(&mut self) {
        if let Err(why) = self.try_restart() {
            panic!("stitchboxd did not start: {why}\n{}", self.log_tail());
        }
    }

    /// As [`Daemon::restart`].
    ///
    /// # Errors
    /// Says how it ended when it ends before it listens, or that it never listened.
    pub fn try_restart(&mut self) -> Result<(), String> {
        let lines = self.launch();
        let start = Instant::now();
        loop {
            match lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => {
                    if let Some(address) = line.strip_prefix("listening ") {
                        let printed = address.trim().trim_end_matches('/');
                        self.base = self.called.clone().unwrap_or_else(|| printed.to_owned());
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) if start.elapsed() < PROCESS_LIMIT => {}
                Err(RecvTimeoutError::Timeout) => return Err("no `listening` line in time".to_owned()),
                Err(RecvTimeoutError::Disconnected) => return Err(format!("it ended: {:?}", self.wait())),
            }
        }
    }

    /// Starts the program without waiting for anything; the receiver gives its lines on standard output.
    pub fn launch(&mut self) -> Receiver<String> {
        self.kill();
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = Command::new(program("stitchboxd"));
        command.args(["serve", "--listen", &self.listen, "--data"]).arg(&self.data);
        self.settings.apply(&mut command);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().expect("stitchboxd can be started");
        let output = child.stdout.take().expect("standard output is piped");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, receiver) = channel();
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                kept.lock().expect("no panic while holding it").push(line.clone());
                // Nobody may be listening any more; the line is kept anyway.
                let _ = sender.send(line);
            }
        });
        self.running = Some(Running { child, lines });
        receiver
    }

    /// Changes the environment for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings = self.settings.clone().with(name, value);
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process id.
    ///
    /// # Panics
    /// When nothing runs.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("the server runs").child.id()
    }

    /// All lines on standard output of the present or last run.
    pub fn output(&self) -> Vec<String> {
        self.running.as_ref().map(|run| run.lines.lock().expect("not poisoned").clone()).unwrap_or_default()
    }

    /// Everything logged so far, over all starts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// SIGKILL, at this very instant; then reaps it. Nothing happens when nothing runs.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // It may have ended by itself already.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    /// SIGTERM and how the program ended.
    ///
    /// # Panics
    /// When it does not end within a minute and a half.
    pub fn stop(&mut self) -> ExitStatus {
        signal(self.pid(), Signal::TERM);
        self.wait().unwrap_or_else(|| panic!("stitchboxd ignores SIGTERM\n{}", self.log_tail()))
    }

    /// Waits until the program ends by itself, however long that takes.
    pub fn wait_forever(&mut self) {
        if let Some(running) = self.running.as_mut() {
            // Only a child that was reaped already cannot be waited for: then it has ended.
            let _ = running.child.wait();
        }
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        let running = self.running.as_mut()?;
        wait_child(&mut running.child, PROCESS_LIMIT)
    }

    /// Runs `stitchboxd ARGS --data DIR` with the same environment.
    pub fn admin(&self, arguments: &[&str]) -> Admin {
        self.admin_with(arguments, "")
    }

    /// As [`Daemon::admin`], with text on standard input.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn admin_with(&self, arguments: &[&str], input: &str) -> Admin {
        let mut command = Command::new(program("stitchboxd"));
        command.args(arguments).arg("--data").arg(&self.data);
        self.settings.apply(&mut command);
        Admin::run(&mut command, input)
    }

    /// Makes user `name` with [`password_of`] by the command line and gives the client of the personal space.
    pub fn user(&self, name: &str) -> Dav {
        self.admin_with(&["user", "add", name, "--password-stdin"], &format!("{}\n", password_of(name))).succeeded();
        self.client(name)
    }

    /// The client of a user that exists, at the present address.
    pub fn client(&self, name: &str) -> Dav {
        let root = format!("/remote.php/dav/files/{name}");
        Dav::new(&self.base, &root, Credentials::Basic(name.to_owned(), password_of(name)))
    }

    /// A client without credentials at the server's root.
    pub fn nobody(&self) -> Dav {
        Dav::new(&self.base, "", Credentials::None)
    }

    /// The JSON interface for a user that exists.
    pub fn api(&self, name: &str) -> Api {
        Api::new(&self.client(name))
    }

    /// Makes a project space with its members, `(user, role)`.
    pub fn space(&self, name: &str, members: &[(&str, &str)]) {
        self.admin(&["space", "add", name]).succeeded();
        for (user, role) in members {
            self.admin(&["space", "member", name, user, role]).succeeded();
        }
    }

    /// An app password of `user`, with more options such as `--create-only`.
    pub fn app_password(&self, user: &str, options: &[&str]) -> Credentials {
        let mut arguments = vec!["app-password", "add", user];
        arguments.extend_from_slice(options);
        let made = self.admin(&arguments).succeeded();
        Credentials::Basic(user.to_owned(), made.stdout.trim().to_owned())
    }

    /// Starts a worker process on the same data folder.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn worker(&self) -> Worker {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        let mut command = Command::new(program("stitchboxd"));
        command.arg("worker").arg("--data").arg(&self.data);
        self.settings.apply(&mut command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Worker { child: child.expect("stitchboxd worker can be started") }
    }

    /// `stitchboxd verify`, and insists that it finds nothing.
    ///
    /// # Panics
    /// With its words when it finds damage.
    pub fn verify_clean(&self) {
        let verify = self.admin(&["verify"]);
        assert!(verify.status.success(), "verify found damage: {verify:?}\n{}", self.log_tail());
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let tail = self.log_tail();
            let kept = folder.keep();
            say(&format!("the folder of the failed test is kept: {}\nend of its log:\n{tail}", kept.display()));
        }
    }
}

/// The password every test user gets.
pub fn password_of(name: &str) -> String {
    format!("stable horse {name} 8741")
}
