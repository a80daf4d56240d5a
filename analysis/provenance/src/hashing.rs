//! SHA-256 and size of a file, read once, a piece at a time.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};

const PIECE: usize = 256 * 1024;

/// What tells one content from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Size, bytes.
    pub bytes: u64,
}

/// Makes a [`Fingerprint`] of what passes.
#[derive(Debug, Clone, Default)]
pub struct Hashing {
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The end.
    #[must_use]
    pub fn finish(self) -> Fingerprint {
        let sha256 = self.hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Fingerprint { sha256, bytes: self.bytes }
    }
}

/// Reads a file through.
///
/// # Errors
/// When it cannot be read.
pub fn fingerprint_of_file(path: &Path) -> std::io::Result<Fingerprint> {
    let mut file = std::fs::File::open(path)?;
    let (mut hashing, mut buffer) = (Hashing::default(), vec![0; PIECE]);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hashing.finish());
        }
        hashing.update(buffer.get(..n).unwrap_or_default());
    }
}
