//! A local file to be stored: what it was when its checksum was taken, and whether it still is.

use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::Digest as _;
use stitchbox_sync::digest::Sha256;

use crate::failure::WireError;
use crate::section::blocking;

/// A local file, with the checksum of the bytes that are to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970; `None` where the file system has none.
    pub mtime_ns: Option<i64>,
    /// SHA-256 of the content.
    pub sha256: Sha256,
}

impl Outgoing {
    /// Looks at a file and reads it once for its checksum.
    ///
    /// # Errors
    /// What cannot be read, and a file that changes meanwhile.
    pub async fn of(path: &Path) -> Result<Self, WireError> {
        let path = path.to_owned();
        blocking(move || {
            let before = std::fs::metadata(&path).map_err(|error| WireError::local(&path, error))?;
            let (sha256, size) = sha256_of(&path)?;
            let outgoing = Self { size, mtime_ns: mtime_ns(&before), sha256, path };
            if before.len() == size && outgoing.is_unchanged() {
                Ok(outgoing)
            } else {
                Err(WireError::SourceChanged { path: outgoing.path.display().to_string() })
            }
        })
        .await
    }

    /// Whether size and time are those of when the checksum was taken.
    pub fn is_unchanged(&self) -> bool {
        std::fs::metadata(&self.path)
            .is_ok_and(|now| now.is_file() && now.len() == self.size && mtime_ns(&now) == self.mtime_ns)
    }

    /// The header `OC-Checksum`.
    pub(crate) fn checksum_header(&self) -> String {
        format!("SHA256:{}", self.sha256)
    }

    /// What a refusal means if the file is another by now.
    pub(crate) fn judged(&self, error: WireError) -> WireError {
        if error.status() == Some(400) && !self.is_unchanged() {
            return WireError::SourceChanged { path: self.path.display().to_string() };
        }
        error
    }
}

/// SHA-256 and size of a file.
///
/// # Errors
/// What cannot be read.
pub fn sha256_of(path: &Path) -> Result<(Sha256, u64), WireError> {
    let failed = |error| WireError::local(path, error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut hash = sha2::Sha256::new();
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok((Sha256(hash.finalize().into()), size));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        size += read as u64;
    }
}

/// Modification time, nanoseconds since 1970.
pub fn mtime_ns(metadata: &Metadata) -> Option<i64> {
    let modified = metadata.modified().ok()?;
    match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|ns| -ns),
    }
}

/// A time as `X-OC-Mtime`: seconds, with a fraction where the server takes one.
pub(crate) fn mtime_header(ns: i64, with_fraction: bool) -> String {
    const SECOND: i64 = 1_000_000_000;
    let (seconds, rest) = (ns.div_euclid(SECOND), ns.rem_euclid(SECOND));
    if with_fraction && rest != 0 { format!("{seconds}.{rest:09}") } else { seconds.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_checksum_is_that_of_the_tools_and_a_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let outgoing = Outgoing::of(&path).await.unwrap();
        assert_eq!(outgoing.sha256.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(outgoing.is_unchanged());
        std::fs::write(&path, "abcd").unwrap();
        assert!(!outgoing.is_unchanged());
    }

    #[test]
    fn times_before_1970_keep_their_fraction() {
        assert_eq!(mtime_header(1_700_000_000_500_000_000, true), "1700000000.500000000");
        assert_eq!(mtime_header(1_700_000_000_500_000_000, false), "1700000000");
        assert_eq!(mtime_header(-1_500_000_000, true), "-2.500000000");
        assert_eq!(mtime_header(7_000_000_000, true), "7");
    }
}
