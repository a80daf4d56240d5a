//! Our own keys: an RSA key for draft-cavage, an Ed25519 key for RFC 9421 and JWS. Made once, kept as PKCS#8.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{self, Ed25519KeyPair, KeyPair, RsaKeyPair};
use rsa::pkcs8::EncodePrivateKey;

use super::{Jwk, Jwks, KeyError, PublicKey, SignatureAlgorithm, der};
use crate::address::Host;
use crate::wire::PublishedKey;

/// Kind of a key of ours; as text in the column `site_keys.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bit.
    Rsa,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// `rsa` or `ed25519`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The kind of a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "rsa" => Some(Self::Rsa),
            "ed25519" => Some(Self::Ed25519),
            _ => None,
        }
    }
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// A private key with its id. `Debug` shows the id only.
pub struct SigningKey {
    kid: String,
    pair: Pair,
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// Makes a key. An RSA key takes about a second of CPU: not on a thread that serves.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate(kind: KeyKind, kid: impl Into<String>) -> Result<Self, KeyError> {
        let pkcs8 = match kind {
            KeyKind::Rsa => {
                let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).map_err(|_| KeyError::NotMade)?;
                key.to_pkcs8_der().map_err(|_| KeyError::NotMade)?.as_bytes().to_vec()
            }
            KeyKind::Ed25519 => {
                Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::NotMade)?.as_ref().to_vec()
            }
        };
        Self::from_pkcs8(kind, kid, &pkcs8)
    }

    /// Reads a key that [`SigningKey::pkcs8`] wrote.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`].
    pub fn from_pkcs8(kind: KeyKind, kid: impl Into<String>, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (pair, public) = match kind {
            KeyKind::Rsa => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Unreadable)?;
                let (n, e) = der::read_rsa(pair.public_key().as_ref())?;
                let public = PublicKey::rsa(n, e)?;
                (Pair::Rsa(Box::new(pair)), public)
            }
            KeyKind::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| KeyError::Unreadable)?;
                let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Unreadable)?;
                (Pair::Ed25519(pair), PublicKey::Ed25519(public))
            }
        };
        Ok(Self { kid: kid.into(), pair, pkcs8: pkcs8.to_vec(), public })
    }

    /// The private key as PKCS#8 DER, to be sealed and stored.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Its id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self.pair {
            Pair::Rsa(_) => KeyKind::Rsa,
            Pair::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its public half as JWK.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk::new(self.kid.clone(), self.public.clone())
    }

    /// Signs a text.
    ///
    /// # Errors
    /// An algorithm that is not the key's.
    pub fn sign(&self, algorithm: SignatureAlgorithm, text: &[u8]) -> Result<Vec<u8>, KeyError> {
        match (&self.pair, algorithm) {
            (Pair::Ed25519(pair), SignatureAlgorithm::Ed25519) => Ok(pair.sign(text).as_ref().to_vec()),
            (Pair::Rsa(pair), algorithm) => {
                let padding: &'static dyn signature::RsaEncoding = match algorithm {
                    SignatureAlgorithm::RsaSha256 => &signature::RSA_PKCS1_SHA256,
                    SignatureAlgorithm::RsaSha512 => &signature::RSA_PKCS1_SHA512,
                    SignatureAlgorithm::RsaPssSha512 => &signature::RSA_PSS_SHA512,
                    SignatureAlgorithm::Ed25519 | SignatureAlgorithm::EcdsaP256Sha256 => {
                        return Err(KeyError::WrongAlgorithm);
                    }
                };
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &SystemRandom::new(), text, &mut signed).map_err(|_| KeyError::NotSigned)?;
                Ok(signed)
            }
            (Pair::Ed25519(_), _) => Err(KeyError::WrongAlgorithm),
        }
    }
}

/// The keys of this site: the two that sign now, and the public halves of those that are kept (pending and retired).
#[derive(Debug)]
pub struct SiteKeys {
    /// Signs draft-cavage. Its id is a URL of the site.
    pub rsa: SigningKey,
    /// Signs RFC 9421 and JWS.
    pub ed25519: SigningKey,
    /// Published beside them, so that what they signed still verifies.
    pub others: Vec<Jwk>,
}

impl SiteKeys {
    /// Makes both keys for a site. `generation` counts rotations and makes the ids different.
    ///
    /// # Errors
    /// No randomness.
    pub fn generate(origin: &str, host: &Host, generation: u32) -> Result<Self, KeyError> {
        Ok(Self {
            rsa: SigningKey::generate(KeyKind::Rsa, rsa_kid(origin, generation))?,
            ed25519: SigningKey::generate(KeyKind::Ed25519, ed25519_kid(host, generation))?,
            others: Vec::new(),
        })
    }

    /// The key set to publish: Ed25519 first, RSA too, then those that are kept.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        let mut keys = vec![self.ed25519.jwk(), self.rsa.jwk()];
        keys.extend(self.others.iter().filter(|old| old.kid != self.ed25519.kid && old.kid != self.rsa.kid).cloned());
        Jwks { keys }
    }

    /// The RSA key as the discovery document publishes it.
    #[must_use]
    pub fn published_key(&self) -> PublishedKey {
        PublishedKey { key_id: self.rsa.kid.clone(), pem: self.public_pem() }
    }

    /// The RSA key, SubjectPublicKeyInfo as PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.rsa.public.to_pem()
    }
}

/// Id of the RSA key: `https://host/ocm#signature`, later ones `#signature-2`, … Nextcloud compares its host with the owner's.
#[must_use]
pub fn rsa_kid(origin: &str, generation: u32) -> String {
    let origin = origin.trim_end_matches('/');
    if generation <= 1 { format!("{origin}/ocm#signature") } else { format!("{origin}/ocm#signature-{generation}") }
}

/// Id of the Ed25519 key: `host[:port]#key1`, `#key2`, …
#[must_use]
pub fn ed25519_kid(host: &Host, generation: u32) -> String {
    format!("{host}#key{}", generation.max(1))
}
