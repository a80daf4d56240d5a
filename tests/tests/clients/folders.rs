//! Local folders as clients see them: made with awkward names, compared by content and time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// An old time: whoever shows "now" instead has lost it.
const TIME: u64 = 1_614_834_366;

/// Names every client can carry and many servers cannot.
pub const AWKWARD: [&str; 9] = [
    "plain.txt",
    "zero",
    ".hidden",
    "a%20b.txt",
    "emoji 😀.txt",
    "Üñï dir/ça & 100% #1 +?'.txt",
    "deep/er/est/leaf.txt",
    "semi;colon, [brackets] {braces}.txt",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn.txt",
];

/// Writes a file and the folders above it.
pub fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders can be made");
    fs::write(&path, bytes).expect("the file can be written");
}

/// As [`write`], with the old time.
pub fn write_old(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    write(folder, name, bytes);
    let file = fs::File::options().write(true).open(folder.join(name)).expect("the file can be opened");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(TIME)).expect("a time can be set");
}

/// Fills a folder: awkward names, an empty folder, some small files, and one of `large` bytes.
pub fn fill(folder: &Path, large: usize) {
    for name in AWKWARD {
        write_old(folder, name, if name == "zero" { "" } else { name });
    }
    for count in 1..=10 {
        write_old(folder, &format!("deep/s{count}.txt"), format!("small {count}"));
    }
    write_old(folder, "large.bin", noise(large, 1));
    fs::create_dir_all(folder.join("empty folder")).expect("folders can be made");
}

/// Bytes nobody can compress or guess.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What a folder holds: every path with its content, folders with none. Clients' own journals are left out.
pub fn contents(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut |path, name| {
        found.insert(name, path.is_file().then(|| fs::read(path).expect("the file can be read")));
    });
    found
}

/// The modification time of every file, whole seconds.
pub fn times(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut |path, name| {
        if path.is_file() {
            let modified = path.metadata().and_then(|meta| meta.modified()).expect("the file has a time");
            found.insert(name, modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()));
        }
    });
    found
}

/// Insists that two folders hold the same.
#[track_caller]
pub fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (contents(one), contents(other));
    let differ: Vec<&String> =
        one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name)).collect();
    assert!(differ.is_empty(), "they differ in {differ:?}");
}

fn walk(top: &Path, folder: &Path, look: &mut impl FnMut(&Path, String)) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        let name = path.strip_prefix(top).expect("it lies below").to_string_lossy().into_owned();
        if name.starts_with(".sync") || name.starts_with("._sync") || name.starts_with(".owncloudsync") {
            continue;
        }
        look(&path, name);
        if path.is_dir() {
            walk(top, &path, look);
        }
    }
}
