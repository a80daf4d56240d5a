//! JSON Web Keys and sets of them (RFC 7517, 8037), and their thumbprints (RFC 7638).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{KeyError, PublicKey, SignatureAlgorithm};

/// Most keys of a set that are looked at.
const MOST_KEYS: usize = 32;
/// Longest key id, bytes.
const LONGEST_KID: usize = 512;

/// A public key with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// The id; empty if it has none.
    pub kid: String,
    /// The key.
    pub key: PublicKey,
    /// The algorithm it is for, if it says so.
    pub algorithm: Option<SignatureAlgorithm>,
}

impl Jwk {
    /// A key under an id.
    #[must_use]
    pub fn new(kid: impl Into<String>, key: PublicKey) -> Self {
        let algorithm = key.only_algorithm();
        Self { kid: kid.into(), key, algorithm }
    }

    /// Reads a JWK: OKP Ed25519, RSA, EC P-256; never a symmetric key.
    ///
    /// # Errors
    /// Another or malformed key, or one that is not for signatures.
    pub fn parse(value: &Value) -> Result<Self, KeyError> {
        let map = value.as_object().ok_or(KeyError::Malformed)?;
        let said = |name: &str| map.get(name).and_then(Value::as_str);
        let kid = said("kid").unwrap_or_default();
        if kid.len() > LONGEST_KID || kid.chars().any(char::is_control) || said("use").is_some_and(|of| of != "sig") {
            return Err(KeyError::Malformed);
        }
        let key = match (said("kty"), said("crv")) {
            (Some("OKP"), Some("Ed25519")) => {
                PublicKey::Ed25519(bytes(map, "x", 64)?.try_into().map_err(|_| KeyError::Malformed)?)
            }
            (Some("RSA"), _) => PublicKey::rsa(&bytes(map, "n", 4096)?, &bytes(map, "e", 16)?)?,
            (Some("EC"), Some("P-256")) => {
                let point = [vec![4], bytes(map, "x", 64)?, bytes(map, "y", 64)?].concat();
                PublicKey::p256(&point)?
            }
            _ => return Err(KeyError::Malformed),
        };
        let algorithm = match said("alg") {
            Some(name) => Some(SignatureAlgorithm::from_jose(name).ok_or(KeyError::Malformed)?),
            None => key.only_algorithm(),
        };
        Ok(Self { kid: kid.to_owned(), key, algorithm })
    }

    /// The JWK, with `use: sig`.
    #[must_use]
    pub fn encode(&self) -> Value {
        let mut map = self.required();
        map.insert("kid".to_owned(), self.kid.clone().into());
        map.insert("use".to_owned(), "sig".into());
        if let Some(name) = self.jose_name() {
            map.insert("alg".to_owned(), name.into());
        }
        Value::Object(map)
    }

    fn jose_name(&self) -> Option<&'static str> {
        Some(match self.algorithm? {
            SignatureAlgorithm::RsaSha256 => "RS256",
            SignatureAlgorithm::RsaSha512 => "RS512",
            SignatureAlgorithm::RsaPssSha512 => "PS512",
            // as strict 1.4 peers write it (facts 8.2); RFC 9864
            SignatureAlgorithm::Ed25519 => "Ed25519",
            SignatureAlgorithm::EcdsaP256Sha256 => "ES256",
        })
    }

    /// The members that make the key, and no others.
    fn required(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let members = match &self.key {
            PublicKey::Rsa { n, e } => json!({"e": text(e), "kty": "RSA", "n": text(n)}),
            PublicKey::Ed25519(key) => json!({"crv": "Ed25519", "kty": "OKP", "x": text(key)}),
            PublicKey::P256(point) => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
                json!({"crv": "P-256", "kty": "EC", "x": text(x), "y": text(y)})
            }
        };
        match members {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The thumbprint of RFC 7638: SHA-256 of the required members in order, base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let required = self.required();
        let mut names: Vec<&String> = required.keys().collect();
        names.sort();
        let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":{}", required[*name])).collect();
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{{}}}", members.join(","))))
    }
}

fn bytes(map: &Map<String, Value>, name: &str, most: usize) -> Result<Vec<u8>, KeyError> {
    let text = map.get(name).and_then(Value::as_str).ok_or(KeyError::Malformed)?;
    if text.len() > most {
        return Err(KeyError::Malformed);
    }
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| KeyError::Malformed)
}

/// A set of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

impl Jwks {
    /// Reads a set; keys of other kinds are left out.
    ///
    /// # Errors
    /// No set at all.
    pub fn parse(body: &[u8]) -> Result<Self, KeyError> {
        if body.len() > 256 << 10 {
            return Err(KeyError::Malformed);
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| KeyError::Malformed)?;
        let keys = value.get("keys").and_then(Value::as_array).ok_or(KeyError::Malformed)?;
        Ok(Self { keys: keys.iter().take(MOST_KEYS).filter_map(|key| Jwk::parse(key).ok()).collect() })
    }

    /// The set.
    #[must_use]
    pub fn encode(&self) -> Value {
        json!({"keys": self.keys.iter().map(Jwk::encode).collect::<Vec<_>>()})
    }

    /// The key of an id.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid == kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_thumbprint_of_rfc_7638_and_8037() {
        // RFC 7638 section 3.1
        let rsa = json!({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"});
        assert_eq!(Jwk::parse(&rsa).unwrap().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037 appendix A.3
        let ed = json!({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(Jwk::parse(&ed).unwrap().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let set = json!({"keys":[
            {"kty":"oct","k":"c2VjcmV0","kid":"a"},
            {"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"b"},
            {"kty":"OKP","crv":"Ed25519","x":"11qY","kid":"c"},
            {"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"d"},
            {"kty":"RSA","n":"AQAB","e":"AQAB","kid":"e"},
            {"kty":"OKP","crv":"Ed25519","alg":"none","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"f"},
            {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"good"}]});
        let read = Jwks::parse(set.to_string().as_bytes()).unwrap();
        assert_eq!(read.keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["good"]);
        assert_eq!(Jwks::parse(read.encode().to_string().as_bytes()).unwrap(), read);
        assert!(Jwks::parse(b"{}").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_set_or_refused(text in ".{0,200}") {
            let _ = Jwks::parse(text.as_bytes());
            let _ = Jwk::parse(&json!({"kty": "RSA", "n": text, "e": "AQAB"}));
        }
    }
}
