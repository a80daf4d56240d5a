//! Public keys of peers, and the algorithms that verify by them.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use super::KeyError;
use super::der::{self, Spki};

/// Algorithms of signatures over HTTP messages and JWS. None without a key, none with a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaSha512,
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA over P-256 with SHA-256, the two numbers side by side.
    EcdsaP256Sha256,
}

impl SignatureAlgorithm {
    /// By the registry of RFC 9421.
    #[must_use]
    pub fn from_http(name: &str) -> Option<Self> {
        match name {
            "rsa-v1_5-sha256" => Some(Self::RsaSha256),
            // not registered, but what a Nextcloud would write
            "rsa-v1_5-sha512" => Some(Self::RsaSha512),
            "rsa-pss-sha512" => Some(Self::RsaPssSha512),
            "ed25519" => Some(Self::Ed25519),
            "ecdsa-p256-sha256" => Some(Self::EcdsaP256Sha256),
            _ => None,
        }
    }

    /// By the registry of JOSE.
    #[must_use]
    pub fn from_jose(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::RsaSha256),
            "RS512" => Some(Self::RsaSha512),
            "PS512" => Some(Self::RsaPssSha512),
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            "ES256" => Some(Self::EcdsaP256Sha256),
            _ => None,
        }
    }
}

/// A public key that has been checked to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA of 2048 to 8192 bit; big-endian without leading zeros.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Exponent.
        e: Vec<u8>,
    },
    /// Ed25519.
    Ed25519([u8; 32]),
    /// A point of P-256, uncompressed.
    P256([u8; 65]),
}

impl PublicKey {
    /// From PEM: SubjectPublicKeyInfo, or RSA in PKCS#1.
    ///
    /// # Errors
    /// What is no such key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (bytes, is_pkcs1) = der::read_pem(pem)?;
        if is_pkcs1 {
            let (n, e) = der::read_rsa(&bytes)?;
            return Self::rsa(n, e);
        }
        match der::read_spki(&bytes)? {
            Spki::Rsa { n, e } => Self::rsa(n, e),
            Spki::Ed25519(key) => Ok(Self::Ed25519(key.try_into().map_err(|_| KeyError::Malformed)?)),
            Spki::P256(point) => Self::p256(point),
        }
    }

    /// An RSA key from its two numbers; leading zeros are dropped.
    ///
    /// # Errors
    /// Other than 2048 to 8192 bit, or an even or long exponent.
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let bare = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
        let (n, e) = (bare(n), bare(e));
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(2048..=8192).contains(&bits) {
            return Err(KeyError::BadLength);
        }
        // ring takes odd exponents from 3 to 33 bit; a longer one only makes verification slow
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if e.is_empty() || e.len() > 4 || e == [1] || !is_odd(&e) || !is_odd(&n) {
            return Err(KeyError::Malformed);
        }
        Ok(Self::Rsa { n, e })
    }

    /// A key of P-256 from its uncompressed point.
    ///
    /// # Errors
    /// What is no such point.
    pub fn p256(point: &[u8]) -> Result<Self, KeyError> {
        match <[u8; 65]>::try_from(point) {
            Ok(point) if point.first() == Some(&4) => Ok(Self::P256(point)),
            _ => Err(KeyError::Malformed),
        }
    }

    /// SubjectPublicKeyInfo as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        der::write_pem(&match self {
            Self::Rsa { n, e } => der::write_rsa_spki(n, e),
            Self::Ed25519(key) => der::write_ed25519_spki(key),
            Self::P256(point) => der::write_p256_spki(point),
        })
    }

    /// The one algorithm of the key, where it has only one.
    #[must_use]
    pub fn only_algorithm(&self) -> Option<SignatureAlgorithm> {
        match self {
            Self::Rsa { .. } => None,
            Self::Ed25519(_) => Some(SignatureAlgorithm::Ed25519),
            Self::P256(_) => Some(SignatureAlgorithm::EcdsaP256Sha256),
        }
    }

    /// Whether `signature` is of `text` by this key.
    ///
    /// # Errors
    /// [`KeyError::WrongAlgorithm`] and [`KeyError::WrongSignature`].
    pub fn verify(&self, algorithm: SignatureAlgorithm, text: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        match (self, algorithm) {
            (Self::Ed25519(key), SignatureAlgorithm::Ed25519) => plain(&signature::ED25519, key, text, signature),
            (Self::P256(point), SignatureAlgorithm::EcdsaP256Sha256) => {
                plain(&signature::ECDSA_P256_SHA256_FIXED, point, text, signature)
            }
            (Self::Rsa { n, e }, algorithm) => {
                let parameters = match algorithm {
                    SignatureAlgorithm::RsaSha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    SignatureAlgorithm::RsaSha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    SignatureAlgorithm::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
                    SignatureAlgorithm::Ed25519 | SignatureAlgorithm::EcdsaP256Sha256 => {
                        return Err(KeyError::WrongAlgorithm);
                    }
                };
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(parameters, text, signature).map_err(|_| KeyError::WrongSignature)
            }
            _ => Err(KeyError::WrongAlgorithm),
        }
    }
}

fn plain(by: &'static dyn VerificationAlgorithm, key: &[u8], text: &[u8], signature: &[u8]) -> Result<(), KeyError> {
    UnparsedPublicKey::new(by, key).verify(text, signature).map_err(|_| KeyError::WrongSignature)
}
