//! Secrets made by the program: app passwords and first passwords, in letters a person can type from paper.

use crate::Error;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use stitchbox_store::StoreError;

/// RFC 4648 base32 without the digits that look like letters: no 0, 1, 8 or 9.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 32 characters of 5 bits: 160 bits.
const LENGTH: usize = 32;
const GROUP: usize = 4;

/// The secret of an app password: 160 random bits. Prints as eight groups of four characters.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AppSecret([u8; LENGTH]);

impl AppSecret {
    /// A new one.
    pub(crate) fn random() -> Result<Self, Error> {
        let mut bytes = [0u8; LENGTH];
        getrandom::fill(&mut bytes)
            .map_err(|_| StoreError::NotCommitted("the system gives no random numbers; try again".to_owned()))?;
        Ok(Self(bytes.map(|byte| ALPHABET[usize::from(byte % 32)])))
    }

    /// Reads what a person typed: capitals, spaces and dashes do not matter. `None` if it cannot be an app password.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut secret = [0u8; LENGTH];
        let mut count = 0;
        for byte in text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')) {
            let letter = byte.to_ascii_lowercase();
            *secret.get_mut(count)? = ALPHABET.contains(&letter).then_some(letter)?;
            count += 1;
        }
        (count == LENGTH).then_some(Self(secret))
    }

    /// What is stored of it: SHA-256, hexadecimal. There is nothing to guess, so nothing to slow down.
    pub(crate) fn hash(&self) -> String {
        Sha256::digest(self.0).iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing into a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// The text for the person.
    pub(crate) fn reveal(&self) -> String {
        self.groups(LENGTH / GROUP)
    }

    /// The first `count` groups: 20 bits each.
    fn groups(&self, count: usize) -> String {
        let groups: Vec<_> = self.0.chunks(GROUP).take(count).map(String::from_utf8_lossy).collect();
        groups.join("-")
    }

    /// A first account password of 100 random bits.
    pub(crate) fn first_password() -> Result<String, Error> {
        Ok(Self::random()?.groups(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_back_however_it_was_typed() {
        let secret = AppSecret::random().unwrap();
        let text = secret.reveal();
        assert_eq!(text.len(), 39);
        for typed in [text.clone(), text.to_uppercase(), text.replace('-', ""), text.replace('-', " ")] {
            assert_eq!(AppSecret::parse(&typed).unwrap().hash(), secret.hash());
        }
        assert_ne!(AppSecret::random().unwrap().hash(), secret.hash());
    }

    #[test]
    fn other_passwords_are_no_secrets() {
        for text in ["", "stable horse ada 8741", &"a".repeat(33), &"a".repeat(31), &"1".repeat(32), &"ä".repeat(16)] {
            assert!(AppSecret::parse(text).is_none(), "{text}");
        }
        assert_eq!(AppSecret::first_password().unwrap().len(), 24);
    }
}
