//! A PostgreSQL cluster of one test: its own folder, its own port, gone afterwards.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A running cluster; dropping it stops and removes it.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    port: u16,
    folder: TempDir,
}

/// Why there is no cluster.
type Why = String;

impl Postgres {
    /// Starts a cluster with one superuser `meta`, trusted on loopback.
    ///
    /// # Errors
    /// Says which program is missing: the caller skips.
    ///
    /// # Panics
    /// When the programs are there and do not work.
    pub fn start() -> Result<Postgres, Why> {
        let initdb = tool("initdb").ok_or("initdb is not installed (Debian package postgresql)")?;
        let server = tool("postgres").ok_or("postgres is not installed (Debian package postgresql)")?;
        let account = account()?;
        let folder = TempDir::with_prefix("stitchbox-pg-").expect("a temporary folder");
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).expect("root may give a folder away");
        }
        let data = folder.path().join("data");
        let mut command = Command::new(initdb);
        command.args(["-A", "trust", "-U", "meta", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
        drop_rights(&mut command, account, folder.path());
        let output = command.output().expect("initdb can be started");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        for _ in 0..5 {
            let port = free_port();
            let mut command = Command::new(&server);
            command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
            command.args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "max_connections=100",
                "-c",
                "shared_buffers=32MB",
            ]);
            command.arg("-c").arg(format!("unix_socket_directories={}", folder.path().display()));
            drop_rights(&mut command, account, folder.path());
            let log = std::fs::File::create(folder.path().join("postgres.log")).expect("the log can be written");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut child = command.spawn().expect("postgres can be started");
            if ready(&mut child, &folder.path().join("postgres.log")) {
                return Ok(Postgres { child, port, folder });
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = std::fs::read_to_string(folder.path().join("postgres.log")).unwrap_or_default();
        panic!("postgres does not start: {log}");
    }

    /// The address of the database every cluster has.
    pub fn url(&self) -> String {
        format!("postgres://meta@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes another, empty database and gives its address.
    ///
    /// # Panics
    /// When `psql` fails.
    pub fn database(&self, name: &str) -> String {
        let psql = tool("psql").expect("psql comes with the server");
        let output = Command::new(psql)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "meta", "-d", "postgres", "-X", "-c"])
            .arg(format!("CREATE DATABASE \"{name}\""))
            .output()
            .expect("psql can be started");
        assert!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        format!("postgres://meta@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // SIGQUIT = immediate shutdown: nothing of this cluster is wanted any more.
            let _ = kill_process(pid, Signal::QUIT);
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(self.folder.path());
    }
}

/// PostgreSQL refuses to run as root: the account to use then, as (user id, group id).
fn account() -> Result<Option<(u32, u32)>, Why> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let wanted = ["postgres", "nobody"];
    let found = wanted.iter().find_map(|name| accounts.lines().find_map(|line| parse_account(line, name)));
    found
        .map(Some)
        .ok_or_else(|| "we are root, PostgreSQL will not run as root, and no other account exists".to_owned())
}

fn parse_account(line: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let user = fields.nth(1)?.parse().ok()?;
    Some((user, fields.next()?.parse().ok()?))
}

fn drop_rights(command: &mut Command, account: Option<(u32, u32)>, folder: &Path) {
    command.current_dir(folder).env("LC_ALL", "C");
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
}

/// Finds a program in PATH or where Debian hides it.
fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let hidden = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = hidden.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    debian.reverse();
    std::env::split_paths(&path).chain(debian).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("a bound socket has an address").port()
}

/// True once the log says so; false when the program ends first (the port may have been taken meanwhile).
fn ready(child: &mut Child, log: &Path) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if std::fs::read_to_string(log).is_ok_and(|text| text.contains("ready to accept connections")) {
            return true;
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Postgres, parse_account};

    #[test]
    fn a_cluster_starts_has_databases_and_goes_away() {
        let cluster = match Postgres::start() {
            Ok(cluster) => cluster,
            Err(why) => crate::skip!("postgres cluster", "{why}"),
        };
        assert!(cluster.database("second").ends_with("/second"));
        let folder = cluster.folder.path().to_owned();
        drop(cluster);
        assert!(!folder.exists());
    }

    #[test]
    fn accounts_are_read_from_passwd_lines() {
        assert_eq!(parse_account("postgres:x:107:113:PostgreSQL:/var/lib:/bin/bash", "postgres"), Some((107, 113)));
        assert_eq!(parse_account("root:x:0:0:root:/root:/bin/bash", "postgres"), None);
    }
}
