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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeyKind, SigningKey};
    use proptest::prelude::*;

    /// RFC 8037 appendix A.4.
    const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    /// RFC 7515 appendix A.3.
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn rfc_8037() -> PublicKey {
        Jwk::parse(&json!({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})).unwrap().key
    }

    fn rfc_7515() -> PublicKey {
        let jwk = json!({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        Jwk::parse(&jwk).unwrap().key
    }

    fn site_keys() -> SiteKeys {
        let ed25519 = SigningKey::generate(KeyKind::Ed25519, "h.example#key1").unwrap();
        // the RSA key signs no JWS; a second Ed25519 key in its place saves the second that it takes
        SiteKeys { rsa: SigningKey::generate(KeyKind::Ed25519, "unused").unwrap(), ed25519, others: Vec::new() }
    }

    #[test]
    fn the_vectors_of_the_standards_verify() {
        let (header, payload) = verify(EDDSA, |_| Some(rfc_8037())).unwrap();
        assert_eq!(
            (header.algorithm, payload.as_slice()),
            (SignatureAlgorithm::Ed25519, &b"Example of Ed25519 signing"[..])
        );
        assert!(verify(ES256, |_| Some(rfc_7515())).is_ok());
        let flat = flattened(EDDSA).unwrap().to_string();
        assert_eq!(verify(&flat, |_| Some(rfc_8037())).unwrap().1, payload);
        let detached = detached(EDDSA).unwrap();
        assert!(verify_detached(&detached, &payload, |_| Some(rfc_8037())).is_ok());
        assert_eq!(verify_detached(&detached, b"other", |_| Some(rfc_8037())), Err(KeyError::WrongSignature.into()));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let changed = EDDSA.replace("RXhhbXBsZ", "RXhhbXBsY");
        assert_eq!(verify(&changed, |_| Some(rfc_8037())).unwrap_err(), KeyError::WrongSignature.into());
        assert_eq!(verify(EDDSA, |_| Some(rfc_7515())).unwrap_err(), KeyError::WrongAlgorithm.into());
        assert_eq!(verify(EDDSA, |_| None).unwrap_err(), JwsError::UnknownKey);
        let with = |header: &str| format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        for (header, error) in [
            (r#"{"alg":"none"}"#, JwsError::BadAlgorithm),
            (r#"{"alg":"HS256"}"#, JwsError::BadAlgorithm),
            (r#"{"alg":"EdDSA","crit":["exp"]}"#, JwsError::Critical),
            (r#"{"alg":"EdDSA","b64":false}"#, JwsError::Critical),
            (r#"{}"#, JwsError::Malformed),
            ("[]", JwsError::Malformed),
        ] {
            assert_eq!(verify(&with(header), |_| Some(rfc_8037())).unwrap_err(), error, "{header}");
        }
        for text in ["", "a.b", "a.b.c.d", "{", "{\"payload\":1}"] {
            assert_eq!(verify(text, |_| Some(rfc_8037())).unwrap_err(), JwsError::Malformed, "{text}");
        }
    }

    #[test]
    fn what_we_sign_verifies_by_its_own_key_and_its_thumbprint() {
        let keys = site_keys();
        let mut extras = Map::new();
        extras.insert("iss".to_owned(), "https://h.example".into());
        let jws = sign(b"crate", &keys, extras.clone(), true).unwrap();
        let (header, payload, thumbprint) = verify_embedded(&jws).unwrap();
        assert_eq!((header.kid.as_str(), header.text("iss")), ("h.example#key1", Some("https://h.example")));
        assert_eq!(payload, b"crate");
        assert_eq!(thumbprint, keys.ed25519.jwk().thumbprint());
        let (_, again) = verify_embedded_detached(&detached(&jws).unwrap(), b"crate").unwrap();
        assert_eq!(again, thumbprint);
        let bare = sign(b"crate", &keys, extras, false).unwrap();
        assert_eq!(verify_embedded(&bare).unwrap_err(), JwsError::UnknownKey);
        assert!(verify(&bare, |header| keys.jwks().find(&header.kid).map(|jwk| jwk.key.clone())).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_a_jws_or_refused(text in "[ -~]{0,120}", header in "[ -~]{0,60}") {
            prop_assert!(verify(&text, |_| Some(rfc_8037())).is_err());
            let other = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
            prop_assert!(verify_embedded(&other).is_err());
        }
    }
}
