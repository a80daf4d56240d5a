//! Sealing secrets that must be used again, so that whoever reads the database alone cannot use them: keys of this site,
//! secrets of shares.
//!
//! ChaCha20-Poly1305 (RFC 8439) under a key derived from the installation's token key (HKDF-SHA256, RFC 5869). What a
//! sealed text is for, and the row it stands in, are bound to it: a text moved to another row does not open.

use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use std::fmt;
use stitchbox_store::StoreError;

/// Another use of the token key needs another text here.
const SALT: &[u8] = b"stitchbox seal 1";

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// The private half of a key of this site; the row is that of `site_keys`.
    SiteKey,
    /// The secret of a federated share we made; the row is the share.
    ShareSecret,
    /// The secret of a share a peer made; the row is the space.
    ReceivedSecret,
    /// The token a peer gave for such a secret; the row is the space.
    ReceivedToken,
    /// A secret in a message that waits to be sent; the row is that of `outbox`.
    Message,
    /// What stands for the password of a link after it was right once; the row is the share.
    LinkPass,
}

impl Sealed {
    fn word(self) -> &'static str {
        match self {
            Self::SiteKey => "site key",
            Self::ShareSecret => "share secret",
            Self::ReceivedSecret => "received secret",
            Self::ReceivedToken => "received token",
            Self::Message => "message",
            Self::LinkPass => "link pass",
        }
    }

    fn bound_to(self, row: i64) -> Aad<Vec<u8>> {
        Aad::from([self.word().as_bytes(), b"\0", &row.to_be_bytes()].concat())
    }
}

/// The sealed text does not open: it belongs to another row, was changed, or was sealed under another token key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stored secret ({what} of row {row}) does not open; was the file with the token key replaced? Put the earlier one back"
)]
pub struct SealError {
    /// What it should be.
    pub what: &'static str,
    /// Where it stands.
    pub row: i64,
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Store(StoreError::Driver(error.to_string()))
    }
}

/// Seals and opens. Every process of an installation has the same key.
pub struct Seal {
    key: LessSafeKey,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// `token_key` is that of [`crate::Domain::new`]. `None` only if the library refuses a key of its own length.
    #[must_use]
    pub fn new(token_key: &[u8]) -> Option<Self> {
        let derived = Salt::new(HKDF_SHA256, SALT).extract(token_key);
        let key = UnboundKey::from(derived.expand(&[b"chacha20-poly1305"], &CHACHA20_POLY1305).ok()?);
        Some(Self { key: LessSafeKey::new(key) })
    }

    /// Seals a text for a row; base64. An error only without random numbers.
    pub fn seal(&self, what: Sealed, row: i64, text: &str) -> Result<String, Error> {
        let failed = || StoreError::NotCommitted("a secret could not be sealed; try again".to_owned());
        let mut nonce = [0u8; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| failed())?;
        let mut bytes = text.as_bytes().to_vec();
        let sealed = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(sealed, what.bound_to(row), &mut bytes).map_err(|_| failed())?;
        Ok(STANDARD.encode([&nonce[..], &bytes].concat()))
    }

    /// Opens what [`Seal::seal`] made for the same use and row.
    pub fn open(&self, what: Sealed, row: i64, sealed: &str) -> Result<String, SealError> {
        self.try_open(what, row, sealed).ok_or(SealError { what: what.word(), row })
    }

    fn try_open(&self, what: Sealed, row: i64, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let text = self.key.open_in_place(nonce, what.bound_to(row), &mut rest).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cnwM1zzcP1yv1YFhkHdHnQ";

    #[test]
    fn a_text_opens_for_its_use_and_row_alone() {
        let seal = Seal::new(&[7; 32]).unwrap();
        let sealed = seal.seal(Sealed::ShareSecret, 41, TEXT).unwrap();
        assert_eq!(seal.open(Sealed::ShareSecret, 41, &sealed).unwrap(), TEXT);
        assert_eq!(
            Seal::new(&[7; 32]).unwrap().open(Sealed::ShareSecret, 41, &sealed).unwrap(),
            TEXT,
            "after a restart"
        );
        assert!(seal.open(Sealed::ReceivedSecret, 41, &sealed).is_err(), "another use");
        assert!(seal.open(Sealed::ShareSecret, 42, &sealed).is_err(), "another row");
        assert!(Seal::new(&[8; 32]).unwrap().open(Sealed::ShareSecret, 41, &sealed).is_err(), "another installation");
    }

    #[test]
    fn not_one_byte_may_change() {
        let seal = Seal::new(&[7; 32]).unwrap();
        let sealed = STANDARD.decode(seal.seal(Sealed::Message, 1, TEXT).unwrap()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(seal.open(Sealed::Message, 1, &STANDARD.encode(changed)).is_err(), "byte {at}");
        }
        for wrong in ["", "AAAA", "no base64!", &STANDARD.encode(&sealed[..sealed.len() - 1])] {
            assert!(seal.open(Sealed::Message, 1, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_same_text_never_looks_the_same() {
        let seal = Seal::new(&[7; 32]).unwrap();
        let one = seal.seal(Sealed::Message, 1, TEXT).unwrap();
        assert_ne!(one, seal.seal(Sealed::Message, 1, TEXT).unwrap());
        assert!(!one.contains(TEXT) && !format!("{seal:?}").contains('7'));
    }
}
