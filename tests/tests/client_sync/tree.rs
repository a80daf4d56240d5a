//! A local folder as a map from path to content, for comparing two of them; and writing one quickly.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use stitchbox_tests::Random;

/// Every file and folder below `folder` but `.stitchbox`: content of files, nothing for folders.
pub fn tree(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    walk(folder, "", &mut found);
    found
}

fn walk(folder: &Path, above: &str, found: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name().into_string().expect("UTF-8");
        if name == ".stitchbox" {
            continue;
        }
        let path = format!("{above}{name}");
        if entry.file_type().expect("a kind").is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
            found.insert(path, None);
        } else {
            found.insert(path, Some(fs::read(entry.path()).expect("a file")));
        }
    }
}

/// Writes a file below `folder`, with the folders above it. Its time is a little while ago, so nobody waits for it.
pub fn write(folder: &Path, path: &str, content: &[u8]) {
    let target = folder.join(path);
    fs::create_dir_all(target.parent().expect("a folder above")).expect("folders can be made");
    fs::write(&target, content).expect("a file can be written");
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(20);
    fs::File::options().write(true).open(&target).expect("it is there").set_modified(past).expect("a time can be set");
}

/// Bytes nobody can compress.
pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        content.extend_from_slice(&random.bits().to_le_bytes());
    }
    content.truncate(bytes);
    content
}

/// Asserts that two folders hold the same, and says where they differ.
#[track_caller]
pub fn assert_equal(a: &Path, b: &Path) {
    let (a, b) = (tree(a), tree(b));
    let differ: Vec<&String> =
        a.iter().filter(|(path, content)| b.get(*path) != Some(content)).map(|(p, _)| p).collect();
    let extra: Vec<&String> = b.keys().filter(|path| !a.contains_key(*path)).collect();
    assert!(differ.is_empty() && extra.is_empty(), "missing or different: {differ:?}; only in the second: {extra:?}");
}
