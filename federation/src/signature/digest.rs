//! Digests of bodies in headers: `Digest` (draft-cavage) and `Content-Digest` (RFC 9530).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

use super::SignatureError;
use super::fields::{Bare, dictionary};

/// `SHA-512=<base64>`.
#[must_use]
pub fn digest(body: &[u8]) -> String {
    format!("SHA-512={}", STANDARD.encode(Sha512::digest(body)))
}

/// `sha-256=:<base64>:`.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Every known digest in `Digest` must be the body's, and one must be known.
///
/// # Errors
/// [`SignatureError::WrongDigest`], or [`SignatureError::Malformed`] without a known one.
pub fn check_digest(header: &str, body: &[u8]) -> Result<(), SignatureError> {
    let mut is_known = false;
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=').ok_or(SignatureError::Malformed("digest"))?;
        let Some(expected) = of(name, body) else { continue };
        let said = STANDARD.decode(value).map_err(|_| SignatureError::Malformed("digest"))?;
        if said != expected {
            return Err(SignatureError::WrongDigest);
        }
        is_known = true;
    }
    if is_known { Ok(()) } else { Err(SignatureError::Malformed("digest")) }
}

/// Every known digest in `Content-Digest` must be the body's, and one must be known.
///
/// # Errors
/// [`SignatureError::WrongDigest`], or [`SignatureError::Malformed`] without a known one.
pub fn check_content_digest(header: &str, body: &[u8]) -> Result<(), SignatureError> {
    let malformed = SignatureError::Malformed("content-digest");
    let mut is_known = false;
    for member in dictionary(header).ok_or(malformed)? {
        let Some(expected) = of(&member.key, body) else { continue };
        match member.item {
            Some(Bare::Bytes(said)) if said == expected => is_known = true,
            Some(Bare::Bytes(_)) => return Err(SignatureError::WrongDigest),
            _ => return Err(malformed),
        }
    }
    if is_known { Ok(()) } else { Err(malformed) }
}

fn of(name: &str, body: &[u8]) -> Option<Vec<u8>> {
    match name.to_ascii_lowercase().as_str() {
        "sha-256" => Some(Sha256::digest(body).to_vec()),
        "sha-512" => Some(Sha512::digest(body).to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 9530 appendix D and RFC 9421 appendix B.2: the body `{"hello": "world"}`.
    const BODY: &[u8] = b"{\"hello\": \"world\"}";
    const SHA256: &str = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
    const SHA512: &str = "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==";

    #[test]
    fn digests_of_the_standards_fit() {
        assert_eq!(content_digest(BODY), format!("sha-256=:{SHA256}:"));
        assert_eq!(digest(BODY), format!("SHA-512={SHA512}"));
        check_content_digest(&format!("sha-256=:{SHA256}:, sha-512=:{SHA512}:, md5=:AAAA:"), BODY).unwrap();
        check_digest(&format!("SHA-256={SHA256}"), BODY).unwrap();
        check_digest(&format!("sha-512={SHA512},SHA-256={SHA256}"), BODY).unwrap();
    }

    #[test]
    fn one_wrong_digest_beside_a_right_one_is_wrong() {
        let both = format!("sha-512=:{SHA512}:, sha-256=:AAAA:");
        assert_eq!(check_content_digest(&both, BODY), Err(SignatureError::WrongDigest));
        assert_eq!(check_digest(&format!("SHA-256={SHA256}"), b"other"), Err(SignatureError::WrongDigest));
        for header in ["", "md5=:AAAA:", "sha-256=1", "sha-256"] {
            assert_eq!(
                check_content_digest(header, BODY),
                Err(SignatureError::Malformed("content-digest")),
                "{header}"
            );
        }
        assert!(check_digest("MD5=AAAA", BODY).is_err() && check_digest("", BODY).is_err());
    }

    proptest! {
        #[test]
        fn any_header_is_checked(text in ".{0,100}") {
            let _ = check_digest(&text, b"x");
            let _ = check_content_digest(&text, b"x");
        }
    }
}
