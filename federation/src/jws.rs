//! JSON Web Signatures in the compact form (RFC 7515) by Ed25519 keys (RFC 8037): how a site signs its crates and
//! attestations. The public key travels in the header (`jwk`), so that a signature can be checked offline; whether that key
//! is the site's is another question, answered by the key set the site publishes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::keys::{Jwk, Jwks, KeyError, PublicKey, SignatureAlgorithm, SigningKey};

/// Longest signature that is read, bytes: an attestation with its difference map.
pub const MAX_JWS_BYTES: usize = 2 << 20;
/// Longest header.
const MAX_HEADER: usize = 16 << 10;

/// Why a text is no signature that could be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Too long.
    #[error("the signature is {bytes} bytes long; at most {MAX_JWS_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not three parts in base64url, or a header that is none.
    #[error("the text is no compact JWS: {0}")]
    Malformed(&'static str),
    /// An algorithm that is none for public keys, or another than Ed25519.
    #[error("the signature is made by {0:?}; only EdDSA is taken")]
    Algorithm(String),
    /// No key of this id.
    #[error("no key with the id {kid:?} is known")]
    UnknownKey {
        /// The id the signature names.
        kid: String,
    },
    /// The key does not fit.
    #[error("{0}")]
    Key(#[from] KeyError),
}

/// Signs a payload. `typ` says what it is, `stitchbox-crate+jws`.
///
/// # Errors
/// [`KeyError::WrongAlgorithm`] for a key that is not Ed25519.
pub fn sign(key: &SigningKey, typ: &str, payload: &[u8]) -> Result<String, KeyError> {
    let header = json!({"alg": "EdDSA", "typ": typ, "kid": key.kid(), "jwk": key.jwk().encode()});
    let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(SignatureAlgorithm::Ed25519, text.as_bytes())?;
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(text)
}

/// A signature that was read but not verified: its payload says nothing yet.
#[derive(Debug, Clone)]
pub struct Jws {
    /// Id of the key, as the header names it; empty if it does not.
    pub kid: String,
    /// What the payload is; empty if the header does not say.
    pub typ: String,
    /// The public key that came along. Anybody can make one.
    pub embedded: Option<Jwk>,
    payload: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Jws {
    /// Reads a compact JWS; blanks around it do not count.
    ///
    /// # Errors
    /// [`JwsError`], also for `none`, shared secrets and every algorithm but EdDSA, and for headers with `crit`.
    pub fn parse(text: &str) -> Result<Self, JwsError> {
        let text = text.trim();
        if text.len() > MAX_JWS_BYTES {
            return Err(JwsError::TooLong { bytes: text.len() });
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwsError::Malformed("it has not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(JwsError::Malformed("it has not three parts"))?;
        if header.len() > MAX_HEADER {
            return Err(JwsError::Malformed("its header is too long"));
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed("it is not base64url"));
        let header: Value =
            serde_json::from_slice(&decode(header)?).map_err(|_| JwsError::Malformed("its header is no JSON"))?;
        let said = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        if SignatureAlgorithm::from_jose(said("alg")) != Some(SignatureAlgorithm::Ed25519) {
            return Err(JwsError::Algorithm(said("alg").chars().take(40).collect()));
        }
        if header.get("crit").is_some() {
            return Err(JwsError::Malformed("its header has demands that are not known"));
        }
        let embedded = match header.get("jwk") {
            Some(jwk) => Some(Jwk::parse(jwk)?),
            None => None,
        };
        Ok(Self {
            kid: said("kid").to_owned(),
            typ: said("typ").to_owned(),
            embedded,
            payload: decode(payload)?,
            signed: signed.as_bytes().to_vec(),
            signature: decode(signature)?,
        })
    }

    /// The payload, if this key signed it.
    ///
    /// # Errors
    /// [`KeyError`] if it did not.
    pub fn verify(&self, key: &PublicKey) -> Result<&[u8], KeyError> {
        key.verify(SignatureAlgorithm::Ed25519, &self.signed, &self.signature)?;
        Ok(&self.payload)
    }

    /// The payload, if the key of this set signed it that the signature names. The key that came along counts for nothing here.
    ///
    /// # Errors
    /// [`JwsError::UnknownKey`], [`JwsError::Key`].
    pub fn verify_by(&self, keys: &Jwks) -> Result<&[u8], JwsError> {
        let unknown = || JwsError::UnknownKey { kid: self.kid.chars().take(200).collect() };
        let key = keys.find(&self.kid).filter(|_| !self.kid.is_empty()).ok_or_else(unknown)?;
        Ok(self.verify(&key.key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyKind;
    use proptest::prelude::*;

    fn key(kid: &str) -> SigningKey {
        SigningKey::generate(KeyKind::Ed25519, kid).unwrap()
    }

    fn set(keys: &[&SigningKey]) -> Jwks {
        Jwks { keys: keys.iter().map(|key| key.jwk()).collect() }
    }

    #[test]
    fn the_example_of_rfc_8037_a_4_verifies() {
        let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let jwk = json!({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let jws = Jws::parse(text).unwrap();
        assert_eq!(jws.verify(&Jwk::parse(&jwk).unwrap().key).unwrap(), b"Example of Ed25519 signing");
        assert_eq!(jws.verify(key("x").public()), Err(KeyError::WrongSignature));
    }

    #[test]
    fn the_named_key_of_the_set_decides_not_the_one_that_came_along() {
        let (ours, other) = (key("a#key1"), key("a#key1"));
        let text = sign(&ours, "x+jws", b"payload").unwrap();
        let jws = Jws::parse(&format!(" {text}\n")).unwrap();
        assert_eq!((jws.kid.as_str(), jws.typ.as_str()), ("a#key1", "x+jws"));
        assert_eq!(jws.embedded.as_ref().unwrap().thumbprint(), ours.jwk().thumbprint());
        assert_eq!(jws.verify_by(&set(&[&key("b"), &ours])).unwrap(), b"payload");
        assert_eq!(jws.verify_by(&set(&[&other])), Err(JwsError::Key(KeyError::WrongSignature)));
        assert!(matches!(jws.verify_by(&set(&[])), Err(JwsError::UnknownKey { .. })));
    }

    #[test]
    fn other_algorithms_and_unknown_demands_are_refused() {
        let with = |header: Value| {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            Jws::parse(&format!("{}.{}.{}", part(&header.to_string()), part("p"), part("s")))
        };
        for alg in ["none", "HS256", "RS256", "ES256", ""] {
            assert!(matches!(with(json!({"alg": alg})), Err(JwsError::Algorithm(_))), "{alg}");
        }
        assert!(with(json!({"alg": "EdDSA"})).is_ok());
        assert!(with(json!({"alg": "EdDSA", "crit": ["b64"], "b64": false})).is_err());
        assert!(with(json!({"alg": "EdDSA", "jwk": {"kty": "oct", "k": "AA"}})).is_err());
        for bad in ["", "a", "a.b", "..", "!.!.!", "a.b.c.d"] {
            assert!(Jws::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_letter_is_found(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let ours = key("k");
            let text = sign(&ours, "x", b"some payload that is long enough").unwrap();
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            let verified = Jws::parse(&changed).ok().and_then(|jws| jws.verify(ours.public()).ok().map(<[u8]>::to_vec));
            prop_assert_eq!(verified.is_some(), changed == text, "{}", changed);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = Jws::parse(&text);
        }
    }
}
