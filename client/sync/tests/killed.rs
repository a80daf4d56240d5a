//! The engine as a process of its own, killed 30 times at random moments while both sides keep changing: in the end both sides are
//! equal, nothing is lost, and there is no conflict that nobody made.

mod model;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::Server;
use model::service::Service;
use stitchbox_sync::{Engine, Settings};

const KILLS: u64 = 30;

/// What the child does; run by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(root), Ok(server)) = (std::env::var("SYNC_ROOT"), std::env::var("SYNC_SERVER")) else { return };
    let mut service = Service::in_file(Path::new(&server));
    service.delay = Duration::from_millis(2);
    let mut settings = Settings::new(root, "test", "lab");
    (settings.quiet, settings.guard) = (Duration::ZERO, usize::MAX);
    let mut engine = Engine::open(settings, Arc::new(service), Arc::new(())).await.unwrap();
    let report = engine.sync_once().await.unwrap();
    assert!(report.is_complete(), "{report:?}");
}

fn start(root: &Path, server: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("SYNC_ROOT", root)
        .env("SYNC_SERVER", server)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

struct Sides {
    root: PathBuf,
    server: PathBuf,
    dice: Dice,
    made: usize,
    /// What each side's people expect of their own files: path → content.
    ours: BTreeMap<String, String>,
    theirs: BTreeMap<String, String>,
}

impl Sides {
    fn content(&mut self) -> String {
        self.made += 1;
        let long = if self.dice.roll(25) == 0 { 300_000 } else { 10 };
        format!("content {} {}", self.made, "x".repeat(long))
    }

    fn pick(&mut self, of_ours: bool) -> Option<String> {
        let files = if of_ours { &self.ours } else { &self.theirs };
        let number = files.len() as u64;
        (number > 0).then(|| self.dice.roll(number) as usize).and_then(|at| files.keys().nth(at).cloned())
    }

    /// People here: files under `here/`, in folders that are made, renamed and deleted.
    fn change_here(&mut self) {
        for _ in 0..self.dice.roll(12) {
            let content = self.content();
            match self.dice.roll(10) {
                0..5 => {
                    let path = format!("here/{}/{}", self.dice.roll(6), self.made);
                    fs::create_dir_all(self.root.join(&path).parent().unwrap()).unwrap();
                    fs::write(self.root.join(&path), &content).unwrap();
                    self.ours.insert(path, content);
                }
                5..7 => {
                    let Some(path) = self.pick(true) else { continue };
                    fs::write(self.root.join(&path), &content).unwrap();
                    self.ours.insert(path, content);
                }
                7 => {
                    let Some(path) = self.pick(true) else { continue };
                    fs::remove_file(self.root.join(&path)).unwrap();
                    self.ours.remove(&path);
                }
                8 => {
                    let Some(from) = self.pick(true) else { continue };
                    let to = format!("{from}m");
                    fs::rename(self.root.join(&from), self.root.join(&to)).unwrap();
                    let content = self.ours.remove(&from).unwrap();
                    self.ours.insert(to, content);
                }
                _ => {
                    let (from, to) = (format!("here/{}", self.dice.roll(6)), format!("here/moved {}", self.made));
                    if fs::rename(self.root.join(&from), self.root.join(&to)).is_ok() {
                        let moved: Vec<String> =
                            self.ours.keys().filter(|path| path.starts_with(&format!("{from}/"))).cloned().collect();
                        for path in moved {
                            let content = self.ours.remove(&path).unwrap();
                            self.ours.insert(path.replacen(&from, &to, 1), content);
                        }
                    }
                }
            }
        }
    }

    /// People on the server: files under `there/`.
    fn change_there(&mut self) {
        let mut server: Server =
            fs::read(&self.server).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default();
        if server.find("there").is_none() {
            server.make_folder("there").unwrap();
        }
        for _ in 0..self.dice.roll(12) {
            let content = self.content();
            let time = 1_000_000_000_000_000_000 + self.made as i64;
            match self.dice.roll(8) {
                0..5 => {
                    let path = format!("there/{}", self.made);
                    server.put(&path, content.as_bytes(), None, time).unwrap();
                    self.theirs.insert(path, content);
                }
                5 => {
                    let Some(path) = self.pick(false) else { continue };
                    let etag = server.etag(server.find(&path).unwrap());
                    server.put(&path, content.as_bytes(), Some(&etag), time).unwrap();
                    self.theirs.insert(path, content);
                }
                6 => {
                    let Some(path) = self.pick(false) else { continue };
                    let id = server.find(&path).unwrap();
                    server.remove(id);
                    self.theirs.remove(&path);
                }
                _ => {
                    let Some(from) = self.pick(false) else { continue };
                    let to = format!("{from}m");
                    server.relocate(&from, &to, None).unwrap();
                    let content = self.theirs.remove(&from).unwrap();
                    self.theirs.insert(to, content);
                }
            }
        }
        let half = self.server.with_extension("half");
        fs::write(&half, serde_json::to_vec(&server).unwrap()).unwrap();
        fs::rename(&half, &self.server).unwrap();
    }

    fn expected(&self) -> BTreeMap<String, String> {
        self.ours.iter().chain(&self.theirs).map(|(path, content)| (path.clone(), content.clone())).collect()
    }
}

#[test]
fn killed_thirty_times_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (root, server) = (folder.path().join("root"), folder.path().join("server.json"));
    fs::create_dir(&root).unwrap();
    let seed = std::env::var("SYNC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5EED);
    let (ours, theirs) = (BTreeMap::new(), BTreeMap::new());
    let mut sides = Sides { root, server, dice: Dice(seed), made: 0, ours, theirs };
    let mut killed = 0;
    let mut rounds = 0;
    while killed < KILLS {
        rounds += 1;
        assert!(rounds < 200, "only {killed} of {rounds} were still running when killed");
        sides.change_here();
        sides.change_there();
        let mut child = start(&sides.root, &sides.server);
        std::thread::sleep(Duration::from_millis(30 + sides.dice.roll(120)));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
    }
    for _ in 0..2 {
        assert!(start(&sides.root, &sides.server).wait().unwrap().success());
    }
    let server: Server = serde_json::from_slice(&fs::read(&sides.server).unwrap()).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let on_server: BTreeMap<String, String> =
        server.picture().into_iter().filter_map(|(path, content)| Some((path, text(content?)))).collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    let expected = sides.expected();
    assert_eq!(names(&on_server), names(&expected), "after {rounds} rounds, seed {seed}");
    assert!(on_server == expected, "contents differ on the server, seed {seed}");
    for (path, content) in &expected {
        assert!(fs::read(sides.root.join(path)).unwrap() == content.as_bytes(), "{path} differs, seed {seed}");
    }
    println!("{killed} kills in {rounds} rounds, {} files in the end", expected.len());
}
