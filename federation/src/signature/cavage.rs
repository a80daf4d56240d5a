//! draft-cavage signatures as Nextcloud 31 to 34 write and check them (facts section 8.1): RSA, `(request-target)` first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};

use super::digest::{check_digest, digest};
use super::{OLDEST, SignatureError, SignedRequest, http_date, parse_http_date};
use crate::address::Host;
use crate::keys::{KeyError, PublicKey, SignatureAlgorithm, SigningKey};

/// What must be signed; the first of them first.
const COVERED: [&str; 5] = ["(request-target)", "content-length", "date", "digest", "host"];
/// Longest header that is read, bytes.
const LONGEST: usize = 8 << 10;

/// Headers to add to a request: `Date`, `Digest`, `Signature`. `Host` and `Content-Length` are sent anyway, as signed here.
///
/// # Errors
/// A key that is no RSA key.
pub fn sign(key: &SigningKey, method: &str, target: &str, body: &[u8], now: i64) -> Result<HeaderMap, KeyError> {
    let empty = HeaderMap::new();
    let request = SignedRequest { method, target, headers: &empty, body };
    let (date, digest) = (http_date(now), digest(body));
    let text = format!(
        "(request-target): {} {}\ncontent-length: {}\ndate: {date}\ndigest: {digest}\nhost: {}",
        method.to_ascii_lowercase(),
        request.path_and_query(),
        body.len(),
        request.authority(),
    );
    let signature = STANDARD.encode(key.sign(SignatureAlgorithm::RsaSha512, text.as_bytes())?);
    // no blanks behind the commas: Nextcloud would not read them
    let header = format!(
        "keyId=\"{}\",algorithm=\"rsa-sha512\",headers=\"{}\",signature=\"{signature}\"",
        key.kid(),
        COVERED.join(" ")
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [("date", date), ("digest", digest), ("signature", header)] {
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| KeyError::NotSigned)?);
    }
    Ok(headers)
}

/// A signature as a request carries it, not yet verified: fetch the key of its signer, then [`CavageSignature::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CavageSignature {
    key_id: String,
    algorithm: SignatureAlgorithm,
    covered: Vec<String>,
    signature: Vec<u8>,
}

impl CavageSignature {
    /// Reads the header `Signature`.
    ///
    /// # Errors
    /// None, or a malformed one.
    pub fn read(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed("signature");
        let mut values = headers.get_all("signature").iter();
        let value = values.next().ok_or(SignatureError::Unsigned)?;
        if values.next().is_some() || value.len() > LONGEST {
            return Err(malformed);
        }
        let text = value.to_str().map_err(|_| malformed)?;
        // some write it in the form of Authorization
        let parameters = parameters(text.strip_prefix("Signature ").unwrap_or(text)).ok_or(malformed)?;
        let said = |name: &str| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let algorithm = match said("algorithm") {
            Some("rsa-sha512") => SignatureAlgorithm::RsaSha512,
            // whatever else it is called, Nextcloud signs and verifies it so
            _ => SignatureAlgorithm::RsaSha256,
        };
        let covered: Vec<String> = said("headers")
            .ok_or(SignatureError::NoParameter("headers"))?
            .split(' ')
            .map(str::to_ascii_lowercase)
            .collect();
        let signature = STANDARD
            .decode(said("signature").ok_or(SignatureError::NoParameter("signature"))?)
            .map_err(|_| malformed)?;
        let key_id = said("keyId").filter(|id| !id.is_empty()).ok_or(SignatureError::NoParameter("keyId"))?.to_owned();
        Ok(Self { key_id, algorithm, covered, signature })
    }

    /// The id of the key. It must be the one that the signer's discovery document publishes.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The host in the key's id. It must be the host of `owner` (shares) or of the known partner (notifications).
    #[must_use]
    pub fn key_host(&self) -> Option<Host> {
        let url = reqwest::Url::parse(&self.key_id).ok()?;
        Host::of_url(&url)
    }

    /// Verifies the request with the signer's key at a time (Unix seconds).
    ///
    /// # Errors
    /// The first rule of facts section 8.1 that it breaks.
    pub fn verify(&self, request: &SignedRequest<'_>, key: &PublicKey, now: i64) -> Result<(), SignatureError> {
        if self.covered.first().map(String::as_str) != COVERED.first().copied() {
            return Err(SignatureError::NotCovered("(request-target) first"));
        }
        for name in COVERED {
            if !self.covered.iter().any(|covered| covered == name) {
                return Err(SignatureError::NotCovered(name));
            }
        }
        let date = parse_http_date(request.single("date")?).ok_or(SignatureError::Malformed("date"))?;
        if now.saturating_sub(date) > OLDEST {
            return Err(SignatureError::TooOld);
        }
        if date.saturating_sub(now) > OLDEST {
            return Err(SignatureError::TooNew);
        }
        check_digest(request.single("digest")?, request.body)?;
        if request.single("content-length")?.parse() != Ok(request.body.len()) {
            return Err(SignatureError::WrongContentLength);
        }
        Ok(key.verify(self.algorithm, self.text(request)?.as_bytes(), &self.signature)?)
    }

    /// The text that was signed.
    fn text(&self, request: &SignedRequest<'_>) -> Result<String, SignatureError> {
        let mut lines: Vec<String> = Vec::new();
        for (at, name) in self.covered.iter().enumerate() {
            if self.covered.iter().take(at).any(|before| before == name) {
                return Err(SignatureError::Malformed("signature"));
            }
            let value = match name.as_str() {
                "(request-target)" => format!("{} {}", request.method.to_ascii_lowercase(), request.path_and_query()),
                // ours by configuration: a proxy may have changed the header
                "host" => request.authority().to_owned(),
                name if name.starts_with('(') => return Err(SignatureError::UnknownPart),
                name => joined(request.headers, name)?,
            };
            lines.push(format!("{name}: {value}"));
        }
        Ok(lines.join("\n"))
    }
}

/// All values of a header, joined.
fn joined(headers: &HeaderMap, name: &str) -> Result<String, SignatureError> {
    let values: Option<Vec<&str>> =
        headers.get_all(name).iter().map(|value| value.to_str().ok().map(str::trim)).collect();
    match values {
        Some(values) if !values.is_empty() => Ok(values.join(", ")),
        _ => Err(SignatureError::UnknownPart),
    }
}

/// `name="value",…`; `None` if malformed or a name comes twice.
fn parameters(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim();
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            // numbers (created, expires) come without quotes
            None => behind.split_at(behind.find(',').unwrap_or(behind.len())),
        };
        if name.is_empty() || found.len() >= 16 || found.iter().any(|(known, _)| *known == name) {
            return None;
        }
        found.push((name, value));
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if behind.is_empty() => "",
            None => return None,
        };
    }
    Some(found)
}

#[cfg(test)]
#[path = "cavage_tests.rs"]
mod tests;
