//! Digests of bytes, as a client computes them to check what it gets back.

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`, 32 bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hex of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of `bytes` as 64 lower-case hex digits.
pub fn digest_of(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}
