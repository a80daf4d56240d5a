//! Signatures of HTTP messages, written from `shared/facts/ocm.md` section 8 for the tests: none of the project's own code
//! is in here, so a mistake there is seen here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, SHA512, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ED25519, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA512,
    RsaKeyPair, UnparsedPublicKey,
};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use serde_json::{Value, json};

use super::wire::Request;

/// The keys of a peer.
pub struct Keys {
    rsa: RsaKeyPair,
    ed25519: Ed25519KeyPair,
    /// The public half of the RSA key, as discovery shows it.
    pub rsa_pem: String,
    /// Name of the RSA key.
    pub rsa_id: String,
    /// Name of the Ed25519 key.
    pub ed25519_id: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keys {} and {}", self.rsa_id, self.ed25519_id)
    }
}

impl Keys {
    /// New keys of the site at `host`; `number` tells those of one site apart.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn new(host: &str, number: u32) -> Keys {
        // The interface of the crate `rsa` wants the generator of its own version of `rand`.
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("an RSA key");
        let document = key.to_pkcs8_der().expect("PKCS #8");
        let rsa = RsaKeyPair::from_pkcs8(document.as_bytes()).expect("the same key");
        let rsa_pem = key.to_public_key().to_public_key_pem(LineEnding::LF).expect("PEM");
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("an Ed25519 key");
        let ed25519 = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("the same key");
        let rsa_id = format!("https://{host}/ocm#signature");
        Keys { rsa, ed25519, rsa_pem, rsa_id, ed25519_id: format!("{host}#key{number}") }
    }

    /// The key set for `jwksUri`.
    pub fn jwks(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.ed25519.public_key().as_ref());
        let key =
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "Ed25519", "kid": self.ed25519_id, "x": x});
        json!({"keys": [key]})
    }
}

/// How a request was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// Not at all.
    Not,
    /// draft-cavage, with this key.
    Cavage(String),
    /// RFC 9421, with this key.
    Message(String),
    /// There is a signature, and it does not hold.
    Wrong(String),
}

/// The headers of a draft-cavage signature as Nextcloud makes it, at `offset` seconds from now.
///
/// # Panics
/// When the key cannot sign.
pub fn sign_cavage(keys: &Keys, target: &str, host: &str, body: &[u8], offset: i64) -> Vec<(String, String)> {
    let date = httpdate::fmt_http_date(now(offset));
    let digest = format!("SHA-512={}", STANDARD.encode(digest(&SHA512, body)));
    let text = format!(
        "(request-target): post {target}\ncontent-length: {}\ndate: {date}\ndigest: {digest}\nhost: {host}",
        body.len()
    );
    let mut signature = vec![0; keys.rsa.public().modulus_len()];
    keys.rsa.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("a signature");
    let header = format!(
        "keyId=\"{}\",algorithm=\"rsa-sha512\",headers=\"(request-target) content-length date digest host\",signature=\"{}\"",
        keys.rsa_id,
        STANDARD.encode(signature)
    );
    [("Date", date), ("Digest", digest), ("Signature", header)].map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The headers of an RFC 9421 signature as strict peers make it, at `offset` seconds from now.
pub fn sign_message(keys: &Keys, url: &str, body: &[u8], offset: i64) -> Vec<(String, String)> {
    let content = format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, body)));
    let created = now(offset).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let parameters = format!(
        "(\"@method\" \"@target-uri\" \"content-digest\" \"content-length\");created={created};keyid=\"{}\";alg=\"ed25519\";tag=\"ocm\"",
        keys.ed25519_id
    );
    let text = format!(
        "\"@method\": POST\n\"@target-uri\": {url}\n\"content-digest\": {content}\n\"content-length\": {}\n\"@signature-params\": {parameters}",
        body.len()
    );
    let signature = STANDARD.encode(keys.ed25519.sign(text.as_bytes()));
    let pairs = [
        ("Content-Digest", content),
        ("Signature-Input", format!("ocm={parameters}")),
        ("Signature", format!("ocm=:{signature}:")),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn now(offset: i64) -> SystemTime {
    let step = Duration::from_secs(offset.unsigned_abs());
    if offset < 0 { SystemTime::now() - step } else { SystemTime::now() + step }
}

/// Looks at the signature of a request that came to `origin`. `document` is the sender's discovery, `keys` its key set.
pub fn check(request: &Request, origin: &str, document: &Value, keys: &Value) -> Signed {
    if request.header("Signature").is_empty() {
        return Signed::Not;
    }
    let outcome = if request.header("Signature-Input").is_empty() {
        check_cavage(request, document).map(Signed::Cavage)
    } else {
        check_message(request, origin, keys).map(Signed::Message)
    };
    outcome.unwrap_or_else(Signed::Wrong)
}

/// As Nextcloud 31 to 34 do it.
fn check_cavage(request: &Request, document: &Value) -> Result<String, String> {
    let header = request.header("Signature");
    let field = |name: &str| {
        let start = header.split(',').find_map(|part| part.strip_prefix(&format!("{name}=\"")));
        start.and_then(|rest| rest.strip_suffix('"')).ok_or(format!("no {name} in {header}"))
    };
    let (key_id, names) = (field("keyId")?, field("headers")?);
    if !names.starts_with("(request-target)") {
        return Err(format!("(request-target) is not first in {names}"));
    }
    for name in ["content-length", "date", "digest", "host"] {
        if !names.split(' ').any(|known| known == name) {
            return Err(format!("{name} is not signed"));
        }
    }
    let expected = &document["publicKey"];
    if expected["keyId"] != key_id {
        return Err(format!("keyId {key_id} is not the published {}", expected["keyId"]));
    }
    let (label, value) = request.header("Digest").split_once('=').ok_or("no digest")?;
    let computed = match label {
        "SHA-512" => STANDARD.encode(digest(&SHA512, &request.body)),
        "SHA-256" => STANDARD.encode(digest(&SHA256, &request.body)),
        _ => return Err(format!("a digest of kind {label}")),
    };
    if computed != value {
        return Err("the digest is of another body".to_owned());
    }
    let date = httpdate::parse_http_date(request.header("Date")).map_err(|error| error.to_string())?;
    if SystemTime::now().duration_since(date).is_ok_and(|age| age > Duration::from_secs(300)) {
        return Err(format!("date {} is too old", request.header("Date")));
    }
    let lines = names.split(' ').map(|name| match name {
        "(request-target)" => format!("{name}: {} {}", request.method.to_lowercase(), request.target),
        name => format!("{name}: {}", request.header(name)),
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let pem = expected["publicKeyPem"].as_str().ok_or("no publicKeyPem")?;
    let key = rsa::RsaPublicKey::from_public_key_pem(pem).map_err(|error| error.to_string())?;
    let key = key.to_pkcs1_der().map_err(|error| error.to_string())?;
    let algorithm =
        if field("algorithm")? == "rsa-sha512" { &RSA_PKCS1_2048_8192_SHA512 } else { &RSA_PKCS1_2048_8192_SHA256 };
    let signature = STANDARD.decode(field("signature")?).map_err(|error| error.to_string())?;
    let verified = UnparsedPublicKey::new(algorithm, key.as_bytes()).verify(text.as_bytes(), &signature);
    verified.map(|()| key_id.to_owned()).map_err(|_| format!("the signature does not hold for {text:?}"))
}

/// As draft 1.4 wants it, version 07.
fn check_message(request: &Request, origin: &str, keys: &Value) -> Result<String, String> {
    let input = request.header("Signature-Input");
    let tagged: Vec<&str> = input.split(", ").filter(|part| part.contains("tag=\"ocm\"")).collect();
    let [input] = tagged[..] else { return Err(format!("{} signatures with the tag", tagged.len())) };
    let (label, parameters) = input.split_once('=').ok_or("no label")?;
    let list = parameters.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or("no list")?;
    let names: Vec<&str> = list.0.split(' ').map(|name| name.trim_matches('"')).collect();
    for name in ["@method", "@target-uri", "content-digest", "content-length"] {
        if !names.contains(&name) {
            return Err(format!("{name} is not signed"));
        }
    }
    let parameter = |name: &str| {
        let found = list.1.split(';').find_map(|part| part.strip_prefix(&format!("{name}=")));
        found.map(|value| value.trim_matches('"')).ok_or(format!("no {name} in {input}"))
    };
    let created: u64 = parameter("created")?.parse().map_err(|_| "created is no number")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if created > now + 60 || created + 300 < now {
        return Err(format!("created {created} is not now"));
    }
    let key_id = parameter("keyid")?;
    let published = keys["keys"].as_array().into_iter().flatten();
    let key = published.filter(|key| key["kid"] == key_id).find(|key| key["crv"] == "Ed25519");
    let key = key.and_then(|key| key["x"].as_str()).ok_or(format!("no Ed25519 key {key_id} in {keys}"))?;
    let key = URL_SAFE_NO_PAD.decode(key).map_err(|error| error.to_string())?;
    for part in request.header("Content-Digest").split(',').map(str::trim) {
        let computed = match part.split_once('=').ok_or("no digest")? {
            ("sha-256", value) => (STANDARD.encode(digest(&SHA256, &request.body)), value),
            ("sha-512", value) => (STANDARD.encode(digest(&SHA512, &request.body)), value),
            (kind, _) => return Err(format!("a digest of kind {kind}")),
        };
        if computed.0 != computed.1.trim_matches(':') {
            return Err("the digest is of another body".to_owned());
        }
    }
    let mut text = String::new();
    for name in names {
        let value = match name {
            "@method" => request.method.clone(),
            "@target-uri" => format!("{origin}{}", request.target),
            name => request.header(name).to_owned(),
        };
        text.push_str(&format!("\"{name}\": {value}\n"));
    }
    text.push_str(&format!("\"@signature-params\": {parameters}"));
    let signature = request.header("Signature");
    let signature = signature.split(", ").find_map(|part| part.strip_prefix(&format!("{label}=:")));
    let signature = signature.and_then(|rest| rest.strip_suffix(':')).ok_or("no signature of that label")?;
    let signature = STANDARD.decode(signature).map_err(|error| error.to_string())?;
    let verified = UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), &signature);
    verified.map(|()| key_id.to_owned()).map_err(|_| format!("the signature does not hold for {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request that a strict peer was captured with (facts, sections 7 and 8.2), at a time when it was fresh.
    #[test]
    fn the_captured_signature_holds() {
        let parameters = "(\"@method\" \"@target-uri\" \"content-digest\" \"content-length\");created=1795162114;keyid=\"localhost:9501#key1\";alg=\"ed25519\";tag=\"ocm\"";
        let body = "client_id=localhost%3A9501&code=9SarrdYAG6PWxqMxoJbYx2wWn1l7g69TT6fruRnUD08%3D&grant_type=authorization_code";
        let content = "sha-256=:WZfDcIR26meoDSfTvUHs7TqFsZqAsKAEvZ5rN9FThgQ=:";
        assert_eq!(content, format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, body.as_bytes()))));
        let text = format!(
            "\"@method\": POST\n\"@target-uri\": http://localhost:9500/ocm/token\n\"content-digest\": {content}\n\"content-length\": {}\n\"@signature-params\": {parameters}",
            body.len()
        );
        let key = URL_SAFE_NO_PAD.decode("-b-ISWPV61iZF0fmXFQcfDIML2FKe_dC-Gb8oszFJok").unwrap();
        let signature = "LuITkAPTmy+Gb92vUnaolKYXR8WRZRgfG2JwWcOAq/UUGq6CLukg+zoJLRG8UUOZr0W97x/anxkhWC/Q2cr4Aw==";
        let signature = STANDARD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn what_the_fakes_sign_they_would_accept_and_nothing_else() {
        let keys = Keys::new("h:1", 1);
        let document = json!({"publicKey": {"keyId": keys.rsa_id, "publicKeyPem": keys.rsa_pem}});
        let headers = sign_cavage(&keys, "/ocm/shares", "p:2", b"{}", 0);
        let mut request =
            Request { method: "POST".into(), target: "/ocm/shares".into(), headers, body: b"{}".to_vec() };
        request.headers.extend([("Host".into(), "p:2".into()), ("Content-Length".into(), "2".into())]);
        assert_eq!(check(&request, "https://p:2", &document, &Value::Null), Signed::Cavage(keys.rsa_id.clone()));
        request.target.push('x');
        assert!(matches!(check(&request, "https://p:2", &document, &Value::Null), Signed::Wrong(_)));
        let mut headers = sign_message(&keys, "https://p:2/ocm/shares", b"{}", 0);
        headers.push(("Content-Length".into(), "2".into()));
        let mut request =
            Request { method: "POST".into(), target: "/ocm/shares".into(), headers, body: b"{}".to_vec() };
        assert_eq!(
            check(&request, "https://p:2", &Value::Null, &keys.jwks()),
            Signed::Message(keys.ed25519_id.clone())
        );
        request.body = b"[]".to_vec();
        assert!(matches!(check(&request, "https://p:2", &Value::Null, &keys.jwks()), Signed::Wrong(_)));
    }
}
