//! Secrets of shares and tokens: 192 random bits in letters that fit into a URL, a user name and a password.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use stitchbox_store::StoreError;

/// Bytes of randomness.
const LENGTH: usize = 24;

/// A new one: 32 characters.
pub(crate) fn random() -> Result<String, Error> {
    let mut bytes = [0u8; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|_| StoreError::NotCommitted("the system gives no random numbers; try again".to_owned()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What it is looked up by: SHA-256, hexadecimal.
pub(crate) fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_fit_anywhere_and_differ() {
        let secret = random().unwrap();
        assert_eq!(secret.len(), 32);
        assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{secret}");
        assert_ne!(secret, random().unwrap());
        // printf abc | sha256sum
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
