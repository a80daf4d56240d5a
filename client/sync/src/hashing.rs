//! Reading local files to know their content: in parallel, with bounded memory, and only believed when nothing moved meanwhile.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use sha2::Digest;

use crate::chunks::{Cutter, LARGE};
use crate::digest::Sha256;
use crate::local::{OpenFiles, Stamp};
use crate::remote::Chunk;
use crate::scan::stamp_of;

const BUFFER: usize = 256 << 10;

/// Content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Of the whole.
    pub sha256: Sha256,
    /// Pieces, for large files.
    pub chunks: Vec<Chunk>,
}

/// Why a file could not be hashed.
#[derive(Debug)]
pub enum NotHashed {
    /// It changed while it was read.
    Changing,
    /// It was deleted.
    Gone,
    /// The system refused.
    Unreadable(io::Error),
}

/// Hashes files on `threads` threads, each with the stamp the scan saw; the answers stand in the order of the questions.
pub fn hash_all(files: &[(PathBuf, Stamp)], threads: usize) -> Vec<Result<Hashed, NotHashed>> {
    let next = AtomicUsize::new(0);
    let answers: Mutex<Vec<Option<Result<Hashed, NotHashed>>>> = Mutex::new(files.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, files.len().max(1)) {
            scope.spawn(|| {
                let mut buffer = vec![0; BUFFER];
                while let Some((at, (path, stamp))) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    files.get(at).map(|file| (at, file))
                } {
                    let answer = hash(path, stamp, &mut buffer);
                    if let Some(slot) = answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
                        *slot = Some(answer);
                    }
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.into_iter().map(|answer| answer.unwrap_or(Err(NotHashed::Changing))).collect()
}

fn hash(path: &Path, stamp: &Stamp, buffer: &mut [u8]) -> Result<Hashed, NotHashed> {
    let fail = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => NotHashed::Gone,
        _ => NotHashed::Unreadable(error),
    };
    let mut file = File::open(path).map_err(fail)?;
    if stamp_of(&file.metadata().map_err(fail)?) != *stamp {
        return Err(NotHashed::Changing);
    }
    let mut whole = sha2::Sha256::new();
    let mut cutter = (stamp.size >= LARGE).then(Cutter::default);
    let mut length = 0;
    loop {
        let count = file.read(buffer).map_err(fail)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        whole.update(bytes);
        if let Some(cutter) = &mut cutter {
            cutter.push(bytes);
        }
        length += count as u64;
    }
    if length != stamp.size || stamp_of(&fs::symlink_metadata(path).map_err(fail)?) != *stamp {
        return Err(NotHashed::Changing);
    }
    Ok(Hashed { sha256: Sha256(whole.finalize().into()), chunks: cutter.map(Cutter::finish).unwrap_or_default() })
}

/// Inodes below `root` that some process has open for writing, as far as this user may see (`/proc`; empty elsewhere).
pub fn open_for_writing(root: &Path) -> OpenFiles {
    let mut open = OpenFiles::new();
    let own = std::process::id().to_string();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name();
        if name == own.as_str() || !name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            continue;
        }
        for link in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let link = link.path();
            // the link's own mode says how the file was opened
            let written = fs::symlink_metadata(&link).is_ok_and(|metadata| metadata.mode() & 0o200 != 0);
            if written
                && fs::read_link(&link).is_ok_and(|target| target.starts_with(root))
                && let Ok(metadata) = fs::metadata(&link)
            {
                open.insert(metadata.ino());
            }
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_other_than_the_scan_saw_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "abc").unwrap();
        let stamp = stamp_of(&fs::metadata(&path).unwrap());
        let older = Stamp { mtime_ns: stamp.mtime_ns - 1, ..stamp };
        let answers = hash_all(&[(path.clone(), stamp), (path, older), (folder.path().join("y"), stamp)], 2);
        assert!(matches!(&answers[0], Ok(hashed) if hashed.sha256 == Sha256::of(b"abc")));
        assert!(matches!(answers[1], Err(NotHashed::Changing)));
        assert!(matches!(answers[2], Err(NotHashed::Gone)));
    }

    #[test]
    fn a_file_another_process_writes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("x");
        let file = File::create(&path).unwrap();
        let mut child = std::process::Command::new("sleep").arg("30").stdout(file).spawn().unwrap();
        let open = open_for_writing(&folder.path().canonicalize().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(open.contains(&fs::metadata(&path).unwrap().ino()));
    }
}
