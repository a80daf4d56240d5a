//! HTTP message signatures (RFC 9421) as Open Cloud Mesh uses them (facts section 8.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};

use super::digest::{check_content_digest, content_digest};
use super::fields::{Bare, Member, Parameters, dictionary, write_parameters};
use super::{OLDEST, SignatureError, SignedRequest, http_date, parse_http_date};
use crate::keys::{Jwk, KeyError, SignatureAlgorithm, SigningKey};

/// What must be signed, in the order in which it is written.
const COVERED: [&str; 4] = ["@method", "@target-uri", "content-digest", "content-length"];
/// How far ahead a signer's clock may be, seconds.
const NEWEST: i64 = 60;

/// Headers to add to a request: `Content-Digest`, `Date`, `Signature-Input`, `Signature`. `Content-Length` is sent anyway.
///
/// The label is `ocm` and `date` is signed as a fifth part: what older drafts look for (facts 8.2), harmless to newer ones.
///
/// # Errors
/// A key that is no Ed25519 key.
pub fn sign(key: &SigningKey, method: &str, target: &str, body: &[u8], now: i64) -> Result<HeaderMap, KeyError> {
    let (digest, date) = (content_digest(body), http_date(now));
    let names: Vec<String> = COVERED.iter().chain(&["date"]).map(|name| format!("\"{name}\"")).collect();
    let parameters: Parameters = vec![
        ("created".to_owned(), Bare::Number(now)),
        ("keyid".to_owned(), Bare::Text(key.kid().to_owned())),
        ("alg".to_owned(), Bare::Text("ed25519".to_owned())),
        ("tag".to_owned(), Bare::Text("ocm".to_owned())),
    ];
    let input = format!("({}){}", names.join(" "), write_parameters(&parameters));
    let base = format!(
        "\"@method\": {method}\n\"@target-uri\": {target}\n\"content-digest\": {digest}\n\"content-length\": {}\n\
         \"date\": {date}\n\"@signature-params\": {input}",
        body.len()
    );
    let signature = STANDARD.encode(key.sign(SignatureAlgorithm::Ed25519, base.as_bytes())?);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-digest", digest),
        ("date", date),
        ("signature-input", format!("ocm={input}")),
        ("signature", format!("ocm=:{signature}:")),
    ] {
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| KeyError::NotSigned)?);
    }
    Ok(headers)
}

/// A signature as a request carries it, not yet verified: find the key of its id, then [`MessageSignature::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSignature {
    covered: Vec<String>,
    parameters: Parameters,
    signature: Vec<u8>,
    key_id: String,
    created: i64,
}

impl MessageSignature {
    /// Finds the one signature with the tag `ocm`; without any tag, the one labelled `ocm` (drafts before July 2026).
    ///
    /// # Errors
    /// None, several, or a malformed one.
    pub fn read(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let inputs = members(headers, "signature-input")?;
        let signatures = members(headers, "signature")?;
        let tagged: Vec<&Member> =
            inputs.iter().filter(|input| text(&input.parameters, "tag").as_deref() == Some("ocm")).collect();
        let input = match tagged.as_slice() {
            [one] => *one,
            [] => inputs
                .iter()
                .find(|input| input.key == "ocm" && !input.parameters.iter().any(|(name, _)| name == "tag"))
                .ok_or(SignatureError::NotOne)?,
            _ => return Err(SignatureError::NotOne),
        };
        let list = input.list.as_ref().ok_or(SignatureError::Malformed("signature-input"))?;
        let mut covered: Vec<String> = Vec::new();
        for (item, parameters) in list {
            match item {
                // parameters of parts (;bs, ;sf, ;req, …) change what is signed; none is used in Open Cloud Mesh
                Bare::Text(name) if parameters.is_empty() && !covered.contains(name) => covered.push(name.clone()),
                Bare::Text(_) if !parameters.is_empty() => return Err(SignatureError::UnknownPart),
                _ => return Err(SignatureError::Malformed("signature-input")),
            }
        }
        let signature =
            match signatures.iter().find(|member| member.key == input.key).and_then(|member| member.item.clone()) {
                Some(Bare::Bytes(bytes)) => bytes,
                _ => return Err(SignatureError::Malformed("signature")),
            };
        let created = match input.parameters.iter().find(|(name, _)| name == "created") {
            Some((_, Bare::Number(created))) => *created,
            _ => return Err(SignatureError::NoParameter("created")),
        };
        let key_id =
            text(&input.parameters, "keyid").filter(|id| !id.is_empty()).ok_or(SignatureError::NoParameter("keyid"))?;
        Ok(Self { covered, parameters: input.parameters.clone(), signature, key_id, created })
    }

    /// The id of the key: the `kid` in the signer's key set. The signer is NOT who this text names, but the site whose key
    /// set has it; which site that must be the message says (facts section 8.2).
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// When it was made, Unix seconds.
    #[must_use]
    pub fn created(&self) -> i64 {
        self.created
    }

    /// Verifies the request with the signer's key at a time (Unix seconds).
    ///
    /// # Errors
    /// The first rule of facts section 8.2 that it breaks.
    pub fn verify(&self, request: &SignedRequest<'_>, key: &Jwk, now: i64) -> Result<(), SignatureError> {
        for name in COVERED {
            if !self.covered.iter().any(|covered| covered == name) {
                return Err(SignatureError::NotCovered(name));
            }
        }
        self.check_time(request, now)?;
        check_content_digest(&all(request.headers, "content-digest")?, request.body)?;
        if request.single("content-length")?.parse() != Ok(request.body.len()) {
            return Err(SignatureError::WrongContentLength);
        }
        let algorithm = self.algorithm(key)?;
        Ok(key.key.verify(algorithm, self.base(request)?.as_bytes(), &self.signature)?)
    }

    fn check_time(&self, request: &SignedRequest<'_>, now: i64) -> Result<(), SignatureError> {
        let mut times = vec![self.created];
        if self.covered.iter().any(|name| name == "date") {
            times.push(parse_http_date(request.single("date")?).ok_or(SignatureError::Malformed("date"))?);
        }
        for time in times {
            if now.saturating_sub(time) > OLDEST {
                return Err(SignatureError::TooOld);
            }
            if time.saturating_sub(now) > NEWEST {
                return Err(SignatureError::TooNew);
            }
        }
        match self.parameters.iter().find(|(name, _)| name == "expires") {
            None => Ok(()),
            Some((_, Bare::Number(until))) if *until >= now => Ok(()),
            Some((_, Bare::Number(_))) => Err(SignatureError::TooOld),
            Some(_) => Err(SignatureError::Malformed("signature-input")),
        }
    }

    /// The key's algorithm; `alg`, if it is there, must agree.
    fn algorithm(&self, key: &Jwk) -> Result<SignatureAlgorithm, SignatureError> {
        let said = match self.parameters.iter().find(|(name, _)| name == "alg") {
            None => None,
            Some((_, Bare::Text(name))) => {
                Some(SignatureAlgorithm::from_http(name).ok_or(SignatureError::BadAlgorithm)?)
            }
            Some(_) => return Err(SignatureError::Malformed("signature-input")),
        };
        match (said, key.algorithm) {
            (Some(said), Some(own)) if said == own => Ok(own),
            (Some(_), Some(_)) => Err(SignatureError::BadAlgorithm),
            (None, Some(own)) => Ok(own),
            // an RSA key that does not say its algorithm: the signature must
            (Some(said), None) => Ok(said),
            (None, None) => Err(SignatureError::BadAlgorithm),
        }
    }

    /// The text that was signed (RFC 9421 section 2.5).
    fn base(&self, request: &SignedRequest<'_>) -> Result<String, SignatureError> {
        let mut base = String::new();
        for name in &self.covered {
            let value = match name.as_str() {
                "@method" => request.method.to_owned(),
                "@target-uri" => request.target.to_owned(),
                "@authority" => request.authority().to_ascii_lowercase(),
                "@request-target" => request.path_and_query().to_owned(),
                "@scheme" => request.target.split_once("://").map(|(scheme, _)| scheme.to_owned()).unwrap_or_default(),
                "@path" => request.path_and_query().split('?').next().unwrap_or("/").to_owned(),
                "@query" => match request.path_and_query().split_once('?') {
                    Some((_, query)) => format!("?{query}"),
                    None => "?".to_owned(),
                },
                name if name.starts_with('@') || name.chars().any(|c| c.is_ascii_uppercase()) => {
                    return Err(SignatureError::UnknownPart);
                }
                name => all(request.headers, name)?,
            };
            base.push_str(&format!("\"{name}\": {value}\n"));
        }
        let names: Vec<String> = self.covered.iter().map(|name| format!("\"{name}\"")).collect();
        base.push_str(&format!("\"@signature-params\": ({}){}", names.join(" "), write_parameters(&self.parameters)));
        Ok(base)
    }
}

/// The members of a dictionary that may be spread over several headers.
fn members(headers: &HeaderMap, name: &'static str) -> Result<Vec<Member>, SignatureError> {
    if !headers.contains_key(name) {
        return Err(if name == "signature-input" {
            SignatureError::Unsigned
        } else {
            SignatureError::MissingHeader(name)
        });
    }
    dictionary(&all(headers, name)?).ok_or(SignatureError::Malformed(name))
}

/// All values of a header, joined.
fn all(headers: &HeaderMap, name: &str) -> Result<String, SignatureError> {
    let values: Option<Vec<&str>> =
        headers.get_all(name).iter().map(|value| value.to_str().ok().map(str::trim)).collect();
    match values {
        Some(values) if !values.is_empty() => Ok(values.join(", ")),
        _ => Err(SignatureError::UnknownPart),
    }
}

fn text(parameters: &Parameters, name: &str) -> Option<String> {
    match parameters.iter().find(|(known, _)| known == name) {
        Some((_, Bare::Text(text))) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
