//! Secrets that peers and we give each other: made here, never shown, compared without telling where they differ.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes; no secret can be made")]
pub struct NoRandomness;

/// A shared secret, an access token or an invite token. `Debug` and logs never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret as a peer gave it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A new secret of 256 bit in the URL-safe alphabet: 43 letters, no `:` (it becomes a Basic user name).
    ///
    /// # Errors
    /// No randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random::<32>()?)))
    }

    /// The secret itself, for a message or a header.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the secret, 64 hex digits: what is stored for look-up.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// Whether `other` is this secret; takes the same time wherever they differ.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        let (ours, theirs) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(other.as_bytes()));
        ours.iter().zip(theirs.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A new invite token: 64 hex digits (256 bit).
///
/// # Errors
/// No randomness.
pub fn invite_token() -> Result<Secret, NoRandomness> {
    Ok(Secret(hex(&random::<32>()?)))
}

/// The provider id of a share: its number in decimal, because a Nextcloud asks for a re-share only when the id begins
/// with digits (facts, fact 10).
#[must_use]
pub fn provider_id(share: u64) -> String {
    share.to_string()
}

/// `N` random bytes.
fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_fits_a_basic_user_name() {
        let (one, two) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), 43);
        assert!(one.expose().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        assert_eq!(invite_token().unwrap().expose().len(), 64);
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
    }

    #[test]
    fn a_secret_is_only_itself() {
        let secret = Secret::new("abc");
        assert!(secret.is("abc") && !secret.is("abd") && !secret.is("") && !secret.is("abcd"));
        assert_eq!(secret.sha256_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
