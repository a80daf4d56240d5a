//! `nextcloudcmd` and `owncloudcmd`: one synchronisation of a local folder with a folder of the server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stitchbox_tests::{Daemon, Dav, password_of};
use tempfile::TempDir;

use crate::program_run::{Ended, is_installed, run};

/// `owncloudcmd` 2.11 hangs for ever when a request after an upload fails.
const LIMIT: Duration = Duration::from_secs(60);

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Nextcloud,
    OwnCloud,
}

impl Program {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nextcloud => "nextcloudcmd",
            Self::OwnCloud => "owncloudcmd",
        }
    }

    /// Whether it is installed.
    pub fn is_installed(self) -> bool {
        is_installed(self.name(), "--version")
    }
}

/// A client with two local folders on one folder of the server, as two machines of one person have it.
#[derive(Debug)]
pub struct SyncClient {
    program: Program,
    user: String,
    base: String,
    place: TempDir,
    /// The client of the tests at the same folder.
    pub dav: Dav,
}

impl SyncClient {
    /// Makes the folder `shared` for a fresh user of the server.
    pub fn new(program: Program, daemon: &Daemon, user: &str) -> SyncClient {
        let dav = daemon.user(user);
        dav.mkcol("/shared").send().expect(201);
        let place = TempDir::with_prefix("stitchbox-client-").expect("a temporary folder");
        for name in ["home", "a", "b"] {
            std::fs::create_dir(place.path().join(name)).expect("folders can be made");
        }
        // The Debian package of owncloudcmd lacks its list and aborts without one.
        std::fs::write(place.path().join("exclude.lst"), "*~\n*.part\n").expect("the list can be written");
        let (user, base) = (user.to_owned(), daemon.base().to_owned());
        let dav = dav.at(&format!("{}/shared", dav.root()));
        SyncClient { program, user, base, place, dav }
    }

    /// The local folder of one machine, `a` or `b`.
    pub fn folder(&self, machine: &str) -> PathBuf {
        self.place.path().join(machine)
    }

    /// One synchronisation, which must succeed.
    #[track_caller]
    pub fn sync(&self, machine: &str) -> Round {
        Round(self.try_sync(machine, &[], LIMIT).succeeded())
    }

    /// One synchronisation, however it ends, with more options and its own limit of time.
    pub fn try_sync(&self, machine: &str, options: &[&str], limit: Duration) -> Ended {
        let exclude = self.place.path().join("exclude.lst");
        let mut command = Command::new(self.program.name());
        command.args(["--non-interactive", "--trust", "-h", "-u", &self.user, "-p", &password_of(&self.user)]);
        command.arg("--exclude").arg(exclude).args(options);
        match self.program {
            Program::Nextcloud => command.args(["--path", "/shared"]).arg(self.folder(machine)).arg(&self.base),
            Program::OwnCloud => {
                let url = format!("{}/remote.php/webdav/shared", self.base);
                command.arg(self.folder(machine)).arg(url)
            }
        };
        let home: &Path = &self.place.path().join("home");
        command.env("HOME", home).env("XDG_RUNTIME_DIR", home).env("QT_QPA_PLATFORM", "offscreen");
        command.env("LC_ALL", "C.UTF-8").env_remove("http_proxy").env_remove("HTTP_PROXY");
        run(&mut command, limit)
    }
}

/// What one synchronisation did, by the client's own log.
#[derive(Debug)]
pub struct Round(Ended);

impl Round {
    fn jobs(&self, job: &str) -> usize {
        let spellings = [format!("Created OCC::{job}("), format!("OCC::{job} created for")];
        self.0.said.lines().filter(|line| spellings.iter().any(|spelling| line.contains(spelling))).count()
    }

    /// Files downloaded.
    pub fn downloads(&self) -> usize {
        self.jobs("GETFileJob")
    }

    /// Everything that changed something on either side.
    pub fn transfers(&self) -> usize {
        let jobs = ["GETFileJob", "PUTFileJob", "PutMultiFileJob", "MoveJob", "MkColJob", "DeleteJob"];
        jobs.into_iter().map(|job| self.jobs(job)).sum()
    }

    /// Renames told to the server.
    pub fn moves(&self) -> usize {
        self.0.said.lines().filter(|line| line.contains("MOVE of ") && line.contains("FINISHED")).count()
    }

    /// The end of the log.
    pub fn tail(&self) -> String {
        self.0.tail()
    }
}
