//! Keys: ours that sign, peers' that verify, and how they are written in PEM and JSON Web Key Sets.

mod der;
mod jwk;
mod public;
mod signing;

pub use jwk::{Jwk, Jwks};
pub use public::{PublicKey, SignatureAlgorithm};
pub use signing::{KeyKind, SigningKey, SiteKeys, ed25519_kid, rsa_kid};

/// Why a key or a signature by it is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No random bytes, or no prime found.
    #[error("no key could be made: the operating system gave no random bytes")]
    NotMade,
    /// The bytes are no private key of the kind they should be.
    #[error("the stored private key cannot be read")]
    Unreadable,
    /// A public key that is no key, or of a kind that is not known.
    #[error("the public key is malformed or of an unknown kind")]
    Malformed,
    /// RSA below 2048 or above 8192 bit.
    #[error("the RSA key has not between 2048 and 8192 bit")]
    BadLength,
    /// The algorithm is not one of this key's.
    #[error("the signature's algorithm does not fit the key")]
    WrongAlgorithm,
    /// The signature is not of this text by this key.
    #[error("the signature does not fit the key and the text")]
    WrongSignature,
    /// Signing failed.
    #[error("the text could not be signed")]
    NotSigned,
}
