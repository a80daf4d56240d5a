//! Reading the local folder: a parallel walk that stats every entry once and opens no file.

use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::local::{Content, LocalEntry, LocalKind, LocalTree, Stamp};
use crate::names::{IGNORE_FILE, PART_PREFIX};
use crate::plan::Problem;
use crate::select::Selection;

const THREADS: usize = 4;
/// Ignore files longer than this are not ignore files (bytes).
const IGNORE_FILE_LIMIT: u64 = 1 << 20;

/// What a scan found.
#[derive(Debug)]
pub struct Scan {
    /// The entries that take part.
    pub tree: LocalTree,
    /// The selection, with the ignore files found.
    pub selection: Selection,
    /// What could not be read or is left alone.
    pub problems: Vec<Problem>,
    /// Downloads broken off earlier.
    pub leftovers: Vec<PathBuf>,
}

/// Why a folder cannot be scanned at all.
#[derive(Debug, thiserror::Error)]
#[error("the folder {path} cannot be read: {source}; is its disk mounted?", path = path.display())]
pub struct ScanError {
    /// The folder.
    pub path: PathBuf,
    /// The system's words.
    pub source: io::Error,
}

/// The stamp of a file or folder as reconcile compares it.
pub fn stamp_of(metadata: &fs::Metadata) -> Stamp {
    if metadata.is_dir() {
        return Stamp { size: 0, mtime_ns: 0, inode: metadata.ino() };
    }
    let mtime_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    Stamp { size: metadata.len(), mtime_ns, inode: metadata.ino() }
}

struct Found {
    name: Box<str>,
    kind: LocalKind,
    stamp: Stamp,
    /// For folders: their number in the list of listings.
    listing: usize,
}

struct Work {
    waiting: Vec<(PathBuf, String, usize)>,
    busy: usize,
    listings: Vec<Vec<Found>>,
    ignore_files: usize,
    problems: Vec<Problem>,
    leftovers: Vec<PathBuf>,
    blind_top: Option<io::Error>,
}

/// Walks the folder.
///
/// # Errors
/// [`ScanError`] when the top cannot be listed; anything below is a problem in the result.
pub fn scan(root: &Path, selection: &Selection) -> Result<Scan, ScanError> {
    let top = fs::metadata(root).map_err(|source| ScanError { path: root.to_owned(), source })?;
    let work = Mutex::new(Work {
        waiting: vec![(root.to_owned(), String::new(), 0)],
        busy: 0,
        listings: vec![Vec::new()],
        ignore_files: 0,
        problems: Vec::new(),
        leftovers: Vec::new(),
        blind_top: None,
    });
    let wake = Condvar::new();
    let base = Mutex::new(selection.clone());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| walk(&work, &wake, &base, top.dev()));
        }
    });
    let work = work.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(source) = work.blind_top {
        return Err(ScanError { path: root.to_owned(), source });
    }
    let selection = base.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut tree = LocalTree::default();
    if let Some(entry) = tree.entries.first_mut() {
        entry.stamp = stamp_of(&top);
    }
    hang_up(&mut tree, work.listings);
    Ok(Scan { tree, selection, problems: work.problems, leftovers: work.leftovers })
}

/// Lines the listings up, parents before children.
fn hang_up(tree: &mut LocalTree, mut listings: Vec<Vec<Found>>) {
    let mut open = std::collections::VecDeque::from([(0_u32, 0_usize)]);
    while let Some((parent, listing)) = open.pop_front() {
        for found in listings.get_mut(listing).map(std::mem::take).unwrap_or_default() {
            let Ok(index) = u32::try_from(tree.entries.len()) else { return };
            if found.kind == LocalKind::Folder {
                open.push_back((index, found.listing));
            }
            let Found { name, kind, stamp, .. } = found;
            tree.entries.push(LocalEntry { parent, name, kind, stamp, content: Content::Unread });
        }
    }
}

fn walk(work: &Mutex<Work>, wake: &Condvar, selection: &Mutex<Selection>, device: u64) {
    let lock = || work.lock().unwrap_or_else(PoisonError::into_inner);
    let mut mine = selection.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut version = 0;
    loop {
        let mut state = lock();
        let (folder, path, listing) = loop {
            if let Some(next) = state.waiting.pop() {
                break next;
            }
            if state.busy == 0 {
                wake.notify_all();
                return;
            }
            state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        state.busy += 1;
        // ignore files found by others so far: those above this folder are among them
        let known = state.ignore_files;
        drop(state);
        if known != version {
            mine = selection.lock().unwrap_or_else(PoisonError::into_inner).clone();
            version = known;
        }
        let mut round =
            Round { path, device, found: Vec::new(), folders: Vec::new(), problems: Vec::new(), leftovers: Vec::new() };
        let outcome = round.list(&folder, &mut mine, selection, work);
        let mut state = lock();
        if let Err(error) = outcome {
            if round.path.is_empty() {
                state.blind_top = Some(error);
            } else {
                let why = format!("the folder cannot be read: {error}");
                round.problem(String::new(), &why, "Nothing in it is touched on either side; make it readable.");
                // the folder itself becomes something nobody looked at
                state.blind(listing);
            }
        }
        for (at, folder, path) in round.folders {
            let number = state.listings.len();
            state.listings.push(Vec::new());
            if let Some(found) = round.found.get_mut(at) {
                found.listing = number;
            }
            state.waiting.push((folder, path, number));
        }
        if let Some(slot) = state.listings.get_mut(listing) {
            *slot = round.found;
        }
        state.problems.append(&mut round.problems);
        state.leftovers.append(&mut round.leftovers);
        state.busy -= 1;
        wake.notify_all();
    }
}

impl Work {
    fn blind(&mut self, listing: usize) {
        let entry = self.listings.iter_mut().flatten().find(|found| found.listing == listing && listing != 0);
        if let Some(found) = entry.filter(|found| found.kind == LocalKind::Folder) {
            found.kind = LocalKind::Blind;
        }
    }
}

/// The listing of one folder.
struct Round {
    path: String,
    /// The device the top is on.
    device: u64,
    found: Vec<Found>,
    folders: Vec<(usize, PathBuf, String)>,
    problems: Vec<Problem>,
    leftovers: Vec<PathBuf>,
}

impl Round {
    fn list(
        &mut self,
        folder: &Path,
        mine: &mut Selection,
        shared: &Mutex<Selection>,
        work: &Mutex<Work>,
    ) -> io::Result<()> {
        let entries: Vec<DirEntry> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
        if entries.iter().any(|entry| entry.file_name() == IGNORE_FILE) {
            self.read_ignore_file(folder, shared);
            *mine = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            work.lock().unwrap_or_else(PoisonError::into_inner).ignore_files += 1;
        }
        for entry in entries {
            self.take(&entry, mine);
        }
        Ok(())
    }

    fn read_ignore_file(&mut self, folder: &Path, shared: &Mutex<Selection>) {
        let file = folder.join(IGNORE_FILE);
        let small = fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= IGNORE_FILE_LIMIT);
        let text = if small { fs::read_to_string(&file).ok() } else { None };
        let Some(text) = text else {
            self.problem(IGNORE_FILE.to_owned(), "the ignore file cannot be read", "Its patterns are not used.");
            return;
        };
        let bad = shared.lock().unwrap_or_else(PoisonError::into_inner).add_file(&self.path, &text);
        for line in bad {
            let why = format!("the pattern “{line}” cannot be understood");
            self.problem(IGNORE_FILE.to_owned(), &why, "The line is not used; patterns are written as in .gitignore.");
        }
    }

    fn take(&mut self, entry: &DirEntry, selection: &Selection) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let shown = name.to_string_lossy().into_owned();
            self.problem(shown, "the name is not UTF-8", "It is left alone; rename it to synchronise it.");
            return;
        };
        if name.starts_with(PART_PREFIX) {
            self.leftovers.push(entry.path());
            return;
        }
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        let looks_like_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if selection.leaves_out(&path, looks_like_folder) {
            return;
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return, // deleted just now
            Err(error) => {
                self.problem(name.to_owned(), &format!("it cannot be looked at: {error}"), "It is left alone.");
                self.found.push(Found {
                    name: name.into(),
                    kind: LocalKind::Blind,
                    stamp: Stamp::default(),
                    listing: 0,
                });
                return;
            }
        };
        let kind = metadata.file_type();
        let mut mounted = 0;
        let what = if kind.is_file() {
            LocalKind::File
        } else if kind.is_dir() {
            self.folders.push((self.found.len(), entry.path(), path));
            mounted = u64::from(metadata.dev() != self.device);
            LocalKind::Folder
        } else {
            let what = match () {
                () if kind.is_symlink() => "a symbolic link",
                () if kind.is_fifo() => "a pipe",
                () if kind.is_socket() => "a socket",
                () => "a device",
            };
            self.problem(name.to_owned(), &format!("{what} is not synchronised"), "It is left alone.");
            LocalKind::Special
        };
        let stamp = stamp_of(&metadata);
        let stamp = if what == LocalKind::Folder { Stamp { size: mounted, ..stamp } } else { stamp };
        self.found.push(Found { name: name.into(), kind: what, stamp, listing: 0 });
    }

    fn problem(&mut self, name: String, why: &str, next: &str) {
        let path = match (self.path.is_empty(), name.is_empty()) {
            (true, _) => name,
            (false, true) => self.path.clone(),
            (false, false) => format!("{}/{name}", self.path),
        };
        self.problems.push(Problem { path, why: why.to_owned(), next: next.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(scan: &Scan) -> Vec<(String, LocalKind)> {
        let mut paths: Vec<_> =
            (1..scan.tree.entries.len()).map(|i| (scan.tree.path(i as u32), scan.tree.entries[i].kind)).collect();
        paths.sort_by(|a, b| a.0.cmp(&b.0));
        paths
    }

    #[test]
    fn a_scan_takes_what_takes_part_and_names_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir_all(at(".stitchbox")).unwrap();
        for file in ["a/b/x", "a/y.log", "z", "a/.stitchboxignore", ".stitchbox/journal", "a/.~stitchbox-part-1"] {
            fs::write(at(file), if file.ends_with("ignore") { "*.log" } else { "content" }).unwrap();
        }
        std::os::unix::fs::symlink("z", at("link")).unwrap();
        let scan = scan(root.path(), &Selection::new(&[], &[], &[]).unwrap()).unwrap();
        let expected = [
            ("a", LocalKind::Folder),
            ("a/.stitchboxignore", LocalKind::File),
            ("a/b", LocalKind::Folder),
            ("a/b/x", LocalKind::File),
            ("link", LocalKind::Special),
            ("z", LocalKind::File),
        ];
        let expected: Vec<_> = expected.map(|(path, kind)| (path.to_owned(), kind)).into();
        assert_eq!(paths(&scan), expected);
        assert_eq!(scan.problems.len(), 1, "{:?}", scan.problems);
        assert_eq!(scan.leftovers, vec![at("a/.~stitchbox-part-1")]);
        assert!(scan.selection.leaves_out("a/c/q.log", false));
        let entry = scan.tree.entries.iter().find(|entry| &*entry.name == "z").unwrap();
        assert_eq!(entry.stamp, stamp_of(&fs::metadata(at("z")).unwrap()));
        assert_eq!(entry.stamp.size, 7);
    }

    #[test]
    fn a_folder_that_is_not_there_is_said() {
        let error = scan(Path::new("/nowhere/at/all"), &Selection::new(&[], &[], &[]).unwrap()).err().unwrap();
        assert!(error.to_string().contains("/nowhere/at/all"));
    }
}
