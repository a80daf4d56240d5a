//! Signatures made with openssl over the text of facts section 8.1, and each of its rules broken.

use std::sync::OnceLock;

use ::http::HeaderValue;
use proptest::prelude::*;
use rsa::pkcs8::DecodePublicKey;
use sha2::{Digest, Sha512};

use super::*;
use crate::keys::KeyKind;

const BODY: &[u8] = b"{\"shareWith\":\"bob@nc.example\"}";
const TARGET: &str = "https://nc.example:8443/index.php/ocm/shares";
/// Fri, 20 Nov 2026 07:34:59 GMT
const DATE: i64 = 1_795_160_099;
const DIGEST_512: &str =
    "SHA-512=Ih8AvAmaYk8WRUT350abyFBor9Mziv3ZggQdOpQ1sV3uMHV0AFC7QVFL4VNoP55YfZroAoXBw7Hm/ijcM1Dq/g==";
const DIGEST_256: &str = "SHA-256=vbNa6iJj0YiA7grS5vOGDXtLf1DukQc5nQZLw3AwWzc=";
/// RSA of 3072 bit, made with openssl; its private half is not kept.
const PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEA3Rt7Fd76ViUTPLlDoEEQ
8ApT3efVIcIDbfsWpr3cuds0SLAQ1Vi/YGlLzkUxgR9AC5xKfNaAxZdsU8bSZivv
Q3MXMmnTiM1qVxKP89mzkzeZuU2pizj4NKuYBH1KKczY6U7U4CilZ8sMBWsnAgA/
IyJpjy9YvEGzX+8oVSLTdVYXFFaH/yCcopewPCcOqH7KCW2hXKf39L3TKzPpoFTm
be7dt/7fgo3NKNhQ2SrXny3J+O9AUyau50CT09ORYy95KoEeThcyj2rVDNcoHi5m
i+DoyGYkZF6OnaKPbQkQburKCwekrbeG/SMlsgy80S7idDbH5iMlrFa1ph6WuvTe
YY6CQAVQSN67J58mukjlJ1uAaQ/bA+Kf8/wl5HjebYBzwJaEBZFIDJP52c4PbAO7
JXCy3iQXwmv1ufJ2bXlCs72CqdwIx8ZR7droBkT/gpsqC5or6UQn5WzErytNa92h
h+NnAYmQTIhfM6ZQMiPvKg8RzILyKYYiMs9u4lP0J+ovAgMBAAE=
-----END PUBLIC KEY-----";
/// openssl dgst -sha512 -sign, headers in Nextcloud's order.
const SIGNATURE_512: &str = "Fw4OvFF50Ym2iMHo6hHSzGqNmNhbWP4720fvLwufgzRuq9gpAtDN45WIh2Jpkmt56e4pPuDDuo7MUasdomiCR4P1h9cTpGVB0QPv/vQPEUAKzrz+ta56+WaT0jWoHVQFnI9CJCWLexdpuBKxdMMYxVbugYM0uwHPxu8qlVRdTIyGFtZVaiTTBu05CEm2C9ZwDywld2lM9opqx5M1JUS2gSaNKXXZfCOw6oL6Lzik3P9c/NhXQ1KiPXMgeD2YFSebshJQe5O8Dq0T+o+TaPAaWHBtdo0D73y7qM6kEQM4WA76pmcdj6w68fylB0/agrCv8EX3nVKTLv5+r/TqF0XyEn8UqUkxfwgvbHhGBu/4Ge34e0XedLPHC6vjJuQ4S5D6hSUXK0+gu6n9nb22NsyOLIvqUgxQWCwzniXEpaSkoqcSHAjHKBNVL4Pk2yi+zheLtbIhaKTOBtPimm9eHZ6w8r1TRCanvR5Xl6ATKx1vWqWWo7MpLH/5QfwlLYciGB2B";
/// openssl dgst -sha256 -sign, headers in another order and one more.
const SIGNATURE_256: &str = "L+eAZU0ji1Jircv3kvafNh5SyH9OUzLSh5bEejsg0n/qBXWXMiLxWxMVSnLJk6LL4bJdNyn41LxHU07pgX3tAJsRsCmexRQB1zJXgK/llDN7/ijn44p1lfjVGlaAji1K2pmeSHfyu3Bn6pYTJk9PF5A+lcJquvJTdoBUFoP484E5M8/SyTEk6s13Mhr5J0ZLmoIyo3LeClTydRb9TZq4pBeDOhvdoATAa81U7ASvc2us85L4HhAdyIYTUQm7gdkmRdaBT44ll83SDgnvk4KTtRrKLAT61tU/0jg1wOyZBwghFXQz5CqHBl6HSCVigV1rfCFM8wXKVMHsL6ExjuheEMiOlKM1m460ECXUHfE+9vvB9kUbjPysCOpELhm5a5Z3QkoD4h8SbYUw1OTiTo4Pqx5fi2awNYlhonF2nNWmqbJBlu1ZU4AwIq0OdPQnG6ji9PCYFXE7SZYH5RkUgNSBbGBNOTJcXePdMqvo0w0oMBRnQDBeBCwUVTFk/96leOlk";

fn headers(algorithm: &str, covered: &str, digest: &str, signature: &str) -> HeaderMap {
    let header = format!(
        "keyId=\"https://a.example:8081/ocm#signature\",algorithm=\"{algorithm}\",headers=\"{covered}\",signature=\"{signature}\""
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-length", "30"),
        ("date", "Fri, 20 Nov 2026 07:34:59 GMT"),
        ("digest", digest),
        ("x-extra", "one"),
        ("signature", &header),
    ] {
        headers.append(name, HeaderValue::try_from(value).unwrap());
    }
    headers.append("x-extra", HeaderValue::from_static("two"));
    headers
}

fn nextcloud() -> HeaderMap {
    headers("rsa-sha512", "(request-target) content-length date digest host", DIGEST_512, SIGNATURE_512)
}

fn verify_at(headers: &HeaderMap, body: &[u8], now: i64) -> Result<(), SignatureError> {
    let request = SignedRequest { method: "POST", target: TARGET, headers, body };
    CavageSignature::read(headers)?.verify(&request, &PublicKey::from_pem(PEM).unwrap(), now)
}

#[test]
fn what_openssl_signed_is_verified() {
    verify_at(&nextcloud(), BODY, DATE).unwrap();
    verify_at(&nextcloud(), BODY, DATE + 300).unwrap();
    let other_order = "(request-target) host date digest content-length x-extra";
    for algorithm in ["rsa-sha256", "unknown"] {
        verify_at(&headers(algorithm, other_order, DIGEST_256, SIGNATURE_256), BODY, DATE).unwrap();
    }
    let read = CavageSignature::read(&nextcloud()).unwrap();
    assert_eq!(read.key_id(), "https://a.example:8081/ocm#signature");
    assert_eq!(read.key_host().unwrap().as_str(), "a.example:8081");
}

#[test]
fn each_rule_broken_is_refused() {
    let good = "(request-target) content-length date digest host";
    let with = |name: &'static str, value: &'static str| {
        let mut headers = nextcloud();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    };
    let without = |name: &str| {
        let mut headers = nextcloud();
        headers.remove(name);
        headers
    };
    let covering = |covered: &str| headers("rsa-sha512", covered, DIGEST_512, SIGNATURE_512);
    let cases: Vec<(HeaderMap, &[u8], i64, SignatureError)> = vec![
        (nextcloud(), BODY, DATE + 301, SignatureError::TooOld),
        (nextcloud(), BODY, DATE - 301, SignatureError::TooNew),
        (nextcloud(), b"{\"shareWith\":\"eve@nc.example\"}", DATE, SignatureError::WrongDigest),
        (with("content-length", "31"), BODY, DATE, SignatureError::WrongContentLength),
        (with("date", "Fri, 20 Nov 2026 07:35:00 GMT"), BODY, DATE, SignatureError::Wrong),
        (with("date", "yesterday"), BODY, DATE, SignatureError::Malformed("date")),
        (with("digest", "MD5=AAAA"), BODY, DATE, SignatureError::Malformed("digest")),
        (without("digest"), BODY, DATE, SignatureError::MissingHeader("digest")),
        (without("date"), BODY, DATE, SignatureError::MissingHeader("date")),
        (without("signature"), BODY, DATE, SignatureError::Unsigned),
        (headers("hs2019", good, DIGEST_512, SIGNATURE_512), BODY, DATE, SignatureError::Wrong),
        (
            covering("content-length (request-target) date digest host"),
            BODY,
            DATE,
            SignatureError::NotCovered("(request-target) first"),
        ),
        (covering("content-length date digest host"), BODY, DATE, SignatureError::NotCovered("(request-target) first")),
        (covering("(request-target) content-length date host"), BODY, DATE, SignatureError::NotCovered("digest")),
        (covering("(request-target) content-length date digest"), BODY, DATE, SignatureError::NotCovered("host")),
        (covering("(request-target) date digest host"), BODY, DATE, SignatureError::NotCovered("content-length")),
        (
            covering("(request-target) content-length date digest host x-not-there"),
            BODY,
            DATE,
            SignatureError::UnknownPart,
        ),
        (
            covering("(request-target) content-length date digest host (created)"),
            BODY,
            DATE,
            SignatureError::UnknownPart,
        ),
        (
            covering("(request-target) content-length date digest host host"),
            BODY,
            DATE,
            SignatureError::Malformed("signature"),
        ),
        (with("signature", "keyId=\"a\",headers=\"date\""), BODY, DATE, SignatureError::NoParameter("signature")),
        (with("signature", "headers=\"date\",signature=\"AAAA\""), BODY, DATE, SignatureError::NoParameter("keyId")),
        (
            with("signature", "keyId=\"a\",keyId=\"b\",headers=\"date\",signature=\"AAAA\""),
            BODY,
            DATE,
            SignatureError::Malformed("signature"),
        ),
        (with("signature", "nonsense"), BODY, DATE, SignatureError::Malformed("signature")),
    ];
    for (at, (headers, body, now, error)) in cases.into_iter().enumerate() {
        assert_eq!(verify_at(&headers, body, now), Err(error), "case {at}: {headers:?}");
    }
    let mut twice = nextcloud();
    let again = twice.get("signature").unwrap().clone();
    twice.append("signature", again);
    assert_eq!(verify_at(&twice, BODY, DATE), Err(SignatureError::Malformed("signature")));
}

#[test]
fn another_place_method_or_key_is_refused() {
    let headers = nextcloud();
    let key = PublicKey::from_pem(PEM).unwrap();
    let signature = CavageSignature::read(&headers).unwrap();
    let request = SignedRequest { method: "POST", target: TARGET, headers: &headers, body: BODY };
    let elsewhere = SignedRequest { target: "https://other.example/index.php/ocm/shares", ..request };
    assert_eq!(signature.verify(&elsewhere, &key, DATE), Err(SignatureError::Wrong));
    let other_path = SignedRequest { target: "https://nc.example:8443/index.php/ocm/notifications", ..request };
    assert_eq!(signature.verify(&other_path, &key, DATE), Err(SignatureError::Wrong));
    assert_eq!(signature.verify(&SignedRequest { method: "PUT", ..request }, &key, DATE), Err(SignatureError::Wrong));
    let ours = test_key().public();
    assert_eq!(signature.verify(&request, ours, DATE), Err(SignatureError::Wrong));
    assert_eq!(signature.verify(&request, &PublicKey::Ed25519([1; 32]), DATE), Err(SignatureError::BadAlgorithm));
}

fn test_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(KeyKind::Rsa, "https://h.example/ocm#signature").unwrap())
}

#[test]
fn what_we_sign_is_the_text_of_the_facts_and_verifies_with_another_library() {
    let signed = sign(test_key(), "POST", TARGET, BODY, DATE).unwrap();
    let header = signed.get("signature").unwrap().to_str().unwrap();
    let start = "keyId=\"https://h.example/ocm#signature\",algorithm=\"rsa-sha512\",\
                 headers=\"(request-target) content-length date digest host\",signature=\"";
    let signature = header.strip_prefix(start).unwrap().strip_suffix('"').unwrap();
    assert_eq!(signed.get("date").unwrap(), "Fri, 20 Nov 2026 07:34:59 GMT");
    assert_eq!(signed.get("digest").unwrap(), DIGEST_512);
    let text = format!(
        "(request-target): post /index.php/ocm/shares\ncontent-length: 30\ndate: Fri, 20 Nov 2026 07:34:59 GMT\n\
         digest: {DIGEST_512}\nhost: nc.example:8443"
    );
    // DigestInfo of SHA-512, RFC 8017 section 9.2
    let prefix = [
        0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04,
        0x40,
    ];
    let scheme = rsa::Pkcs1v15Sign { hash_len: Some(64), prefix: prefix.into() };
    let key = rsa::RsaPublicKey::from_public_key_pem(&test_key().public().to_pem()).unwrap();
    key.verify(scheme, &Sha512::digest(text.as_bytes()), &STANDARD.decode(signature).unwrap()).unwrap();
}

#[test]
fn a_stored_key_is_the_same_key() {
    let again = SigningKey::from_pkcs8(KeyKind::Rsa, "k", test_key().pkcs8()).unwrap();
    assert_eq!(again.public(), test_key().public());
    assert!(SigningKey::from_pkcs8(KeyKind::Ed25519, "k", test_key().pkcs8()).is_err());
    assert!(SigningKey::from_pkcs8(KeyKind::Rsa, "k", &test_key().pkcs8()[..100]).is_err());
}

proptest! {
    #[test]
    fn any_header_is_a_signature_or_refused(text in "[ -~]{0,200}") {
        let mut headers = nextcloud();
        headers.insert("signature", HeaderValue::try_from(text).unwrap());
        prop_assert!(verify_at(&headers, BODY, DATE).is_err());
    }

    #[test]
    fn any_covered_list_is_checked(covered in "[a-z() -]{0,60}") {
        let headers = headers("rsa-sha512", &format!("(request-target) {covered}"), DIGEST_512, SIGNATURE_512);
        if covered != "content-length date digest host" {
            prop_assert!(verify_at(&headers, BODY, DATE).is_err());
        }
    }
}
