//! JSON Web Signatures (RFC 7515) with EdDSA: compact, flattened and detached; for crates and attestations.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::keys::{Jwk, KeyError, PublicKey, SignatureAlgorithm, SiteKeys};

/// Longest JWS that is read, bytes.
const LONGEST: usize = 16 << 20;

/// Why a JWS is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// No JWS.
    #[error("the text is no JSON Web Signature")]
    Malformed,
    /// `none`, an algorithm with a shared secret, or an unknown one.
    #[error("the signature's algorithm is not one that is accepted")]
    BadAlgorithm,
    /// A `crit` that is not known here.
    #[error("the signature demands an extension that is not known here")]
    Critical,
    /// No key of that id.
    #[error("no key is known by the signature's key id")]
    UnknownKey,
    /// The key or the signature.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The protected header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Algorithm.
    pub algorithm: SignatureAlgorithm,
    /// Key id; empty if it has none.
    pub kid: String,
    /// All members, `iss`, `typ` and others among them.
    pub members: Map<String, Value>,
}

impl Header {
    /// A text among its members.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }
}

/// Signs a payload with the site's Ed25519 key; compact. `extras` are further members of the protected header (`iss`, `typ`,
/// `iat`); `alg` and `kid` are set here. With `embed`, the public key goes along as `jwk`, for those who are offline.
///
/// # Errors
/// The key.
pub fn sign(payload: &[u8], keys: &SiteKeys, extras: Map<String, Value>, embed: bool) -> Result<String, KeyError> {
    let key = &keys.ed25519;
    let mut header = extras;
    header.insert("alg".to_owned(), "EdDSA".into());
    header.insert("kid".to_owned(), key.kid().into());
    if embed {
        header.insert("jwk".to_owned(), key.jwk().encode());
    }
    let input =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(Value::Object(header).to_string()), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(SignatureAlgorithm::Ed25519, input.as_bytes())?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A compact JWS as flattened JSON: `{"payload", "protected", "signature"}`; `None` if it is no compact one.
#[must_use]
pub fn flattened(compact: &str) -> Option<Value> {
    let [protected, payload, signature] = three(compact)?;
    Some(json!({"payload": payload, "protected": protected, "signature": signature}))
}

/// A compact JWS without its payload (RFC 7515 appendix F), which lies beside it as a file; `None` if it is no compact one.
#[must_use]
pub fn detached(compact: &str) -> Option<String> {
    let [protected, _, signature] = three(compact)?;
    Some(format!("{protected}..{signature}"))
}

/// Verifies a compact or flattened JWS by a key that `key` finds by the header; gives the header and the payload.
///
/// # Errors
/// What is malformed, of a forbidden algorithm, of an unknown key, or wrong.
pub fn verify(jws: &str, key: impl FnOnce(&Header) -> Option<PublicKey>) -> Result<(Header, Vec<u8>), JwsError> {
    let parts = Parts::read(jws)?;
    let header = parts.header()?;
    let key = key(&header).ok_or(JwsError::UnknownKey)?;
    let payload = parts.verify(&header, &key)?;
    Ok((header, payload))
}

/// As [`verify`], of a JWS whose payload lies beside it.
///
/// # Errors
/// As [`verify`]; a JWS that has a payload of its own is [`JwsError::Malformed`].
pub fn verify_detached(
    jws: &str,
    payload: &[u8],
    key: impl FnOnce(&Header) -> Option<PublicKey>,
) -> Result<Header, JwsError> {
    let mut parts = Parts::read(jws)?;
    if !parts.payload.is_empty() {
        return Err(JwsError::Malformed);
    }
    parts.payload = URL_SAFE_NO_PAD.encode(payload);
    let header = parts.header()?;
    let key = key(&header).ok_or(JwsError::UnknownKey)?;
    parts.verify(&header, &key)?;
    Ok(header)
}

/// Verifies a JWS by the key it carries itself (`jwk` in its header) and gives that key's thumbprint (RFC 7638), which says
/// nothing until it is compared with one that is known.
///
/// # Errors
/// As [`verify`]; [`JwsError::UnknownKey`] without a `jwk`.
pub fn verify_embedded(jws: &str) -> Result<(Header, Vec<u8>, String), JwsError> {
    let parts = Parts::read(jws)?;
    let header = parts.header()?;
    let jwk = embedded(&header)?;
    let payload = parts.verify(&header, &jwk.key)?;
    Ok((header, payload, jwk.thumbprint()))
}

/// As [`verify_embedded`], of a JWS whose payload lies beside it.
///
/// # Errors
/// As [`verify_embedded`].
pub fn verify_embedded_detached(jws: &str, payload: &[u8]) -> Result<(Header, String), JwsError> {
    let mut found = None;
    let header = verify_detached(jws, payload, |header| {
        found = embedded(header).ok();
        found.as_ref().map(|jwk| jwk.key.clone())
    })?;
    Ok((header, found.map(|jwk| jwk.thumbprint()).unwrap_or_default()))
}

fn embedded(header: &Header) -> Result<Jwk, JwsError> {
    let value = header.members.get("jwk").ok_or(JwsError::UnknownKey)?;
    Ok(Jwk::parse(value)?)
}

struct Parts {
    protected: String,
    payload: String,
    signature: String,
}

impl Parts {
    /// Reads either form.
    fn read(jws: &str) -> Result<Self, JwsError> {
        let jws = jws.trim();
        if jws.len() > LONGEST {
            return Err(JwsError::Malformed);
        }
        if !jws.starts_with('{') {
            let [protected, payload, signature] = three(jws).ok_or(JwsError::Malformed)?.map(str::to_owned);
            return Ok(Self { protected, payload, signature });
        }
        let value: Value = serde_json::from_str(jws).map_err(|_| JwsError::Malformed)?;
        let part = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let protected = part("protected").ok_or(JwsError::Malformed)?;
        let signature = part("signature").ok_or(JwsError::Malformed)?;
        Ok(Self { protected, payload: part("payload").unwrap_or_default(), signature })
    }

    fn header(&self) -> Result<Header, JwsError> {
        if self.protected.len() > 64 << 10 {
            return Err(JwsError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&self.protected).map_err(|_| JwsError::Malformed)?;
        let Ok(Value::Object(members)) = serde_json::from_slice(&bytes) else { return Err(JwsError::Malformed) };
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(JwsError::Critical);
        }
        let name = members.get("alg").and_then(Value::as_str).ok_or(JwsError::Malformed)?;
        let algorithm = SignatureAlgorithm::from_jose(name).ok_or(JwsError::BadAlgorithm)?;
        let kid = members.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Header { algorithm, kid, members })
    }

    fn verify(&self, header: &Header, key: &PublicKey) -> Result<Vec<u8>, JwsError> {
        let signature = URL_SAFE_NO_PAD.decode(&self.signature).map_err(|_| JwsError::Malformed)?;
        let payload = URL_SAFE_NO_PAD.decode(&self.payload).map_err(|_| JwsError::Malformed)?;
        let input = format!("{}.{}", self.protected, self.payload);
        key.verify(header.algorithm, input.as_bytes(), &signature)?;
        Ok(payload)
    }
}

fn three(compact: &str) -> Option<[&str; 3]> {
    let mut parts = compact.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(protected), Some(payload), Some(signature), None) => Some([protected, payload, signature]),
        _ => None,
    }
}
