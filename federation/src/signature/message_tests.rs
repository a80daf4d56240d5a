//! The captured request of facts sections 7 and 8.2, each rule broken, and other algorithms.

use ::http::HeaderValue;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use super::*;
use crate::keys::{KeyKind, PublicKey};

const BODY: &[u8] =
    b"client_id=localhost%3A9501&code=9SarrdYAG6PWxqMxoJbYx2wWn1l7g69TT6fruRnUD08%3D&grant_type=authorization_code";
const TARGET: &str = "http://localhost:9500/ocm/token";
const CREATED: i64 = 1_795_162_114;
const DIGEST: &str = "sha-256=:WZfDcIR26meoDSfTvUHs7TqFsZqAsKAEvZ5rN9FThgQ=:";
const PARAMETERS: &str = "(\"@method\" \"@target-uri\" \"content-digest\" \"content-length\");created=1795162114;\
                          keyid=\"localhost:9501#key1\";alg=\"ed25519\";tag=\"ocm\"";
const SIGNATURE: &str = ":LuITkAPTmy+Gb92vUnaolKYXR8WRZRgfG2JwWcOAq/UUGq6CLukg+zoJLRG8UUOZr0W97x/anxkhWC/Q2cr4Aw==:";

fn jwk() -> Jwk {
    Jwk::parse(&json!({"kty":"OKP","kid":"localhost:9501#key1","use":"sig","alg":"Ed25519","crv":"Ed25519",
        "x":"-b-ISWPV61iZF0fmXFQcfDIML2FKe_dC-Gb8oszFJok"}))
    .unwrap()
}

fn headers(input: &str, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("content-digest", DIGEST), ("content-length", "108"), ("signature-input", input), ("signature", signature)]
    {
        headers.insert(name, HeaderValue::try_from(value).unwrap());
    }
    headers
}

fn captured() -> HeaderMap {
    headers(&format!("ocm={PARAMETERS}"), &format!("ocm={SIGNATURE}"))
}

fn request<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> SignedRequest<'a> {
    SignedRequest { method: "POST", target: TARGET, headers, body }
}

fn verify_at(headers: &HeaderMap, body: &[u8], now: i64) -> Result<(), SignatureError> {
    MessageSignature::read(headers)?.verify(&request(headers, body), &jwk(), now)
}

#[test]
fn the_captured_request_is_verified() {
    let read = MessageSignature::read(&captured()).unwrap();
    assert_eq!((read.key_id(), read.created()), ("localhost:9501#key1", CREATED));
    for now in [CREATED - 60, CREATED, CREATED + 300] {
        verify_at(&captured(), BODY, now).unwrap();
    }
    assert_eq!(
        read.base(&request(&captured(), BODY)).unwrap(),
        format!(
            "\"@method\": POST\n\"@target-uri\": http://localhost:9500/ocm/token\n\"content-digest\": {DIGEST}\n\
         \"content-length\": 108\n\"@signature-params\": {PARAMETERS}"
        )
    );
}

#[test]
fn labels_do_not_count_and_other_signatures_are_ignored() {
    let proxy = "(\"@method\");created=1;keyid=\"proxy\"";
    verify_at(
        &headers(&format!("proxy={proxy}, sig7={PARAMETERS}"), &format!("proxy=:AAAA:, sig7={SIGNATURE}")),
        BODY,
        CREATED,
    )
    .unwrap();
}

#[test]
fn each_rule_broken_is_refused() {
    let with_input = |from: &str, to: &str| {
        assert!(PARAMETERS.contains(from), "{from}");
        headers(&format!("ocm={}", PARAMETERS.replace(from, to)), &format!("ocm={SIGNATURE}"))
    };
    let with = |name: &'static str, value: &'static str| {
        let mut headers = captured();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    };
    let without = |name: &str| {
        let mut headers = captured();
        headers.remove(name);
        headers
    };
    let cases: Vec<(HeaderMap, SignatureError)> = vec![
        (with_input("\"@method\" ", ""), SignatureError::NotCovered("@method")),
        (with_input("\"@target-uri\" ", ""), SignatureError::NotCovered("@target-uri")),
        (with_input("\"content-digest\" ", ""), SignatureError::NotCovered("content-digest")),
        (with_input(" \"content-length\"", ""), SignatureError::NotCovered("content-length")),
        (with_input("created=1795162114;", ""), SignatureError::NoParameter("created")),
        (with_input("keyid=\"localhost:9501#key1\";", ""), SignatureError::NoParameter("keyid")),
        (with_input(";tag=\"ocm\"", ";tag=\"other\""), SignatureError::NotOne),
        // without a tag the label counts, but the parameters were signed with one
        (with_input(";tag=\"ocm\"", ""), SignatureError::Wrong),
        (with_input("alg=\"ed25519\"", "alg=\"rsa-v1_5-sha256\""), SignatureError::BadAlgorithm),
        (with_input("alg=\"ed25519\"", "alg=\"hmac-sha256\""), SignatureError::BadAlgorithm),
        (with_input("alg=\"ed25519\"", "alg=\"none\""), SignatureError::BadAlgorithm),
        (with_input("alg=\"ed25519\";", ""), SignatureError::Wrong),
        (with_input("created=1795162114", "created=1795162115"), SignatureError::Wrong),
        (with_input("created=1795162114", "created=1795162114;expires=1795162113"), SignatureError::TooOld),
        (with_input("created=1795162114", "created=\"1795162114\""), SignatureError::NoParameter("created")),
        (with_input("\"@method\"", "\"@method\" \"@status\""), SignatureError::UnknownPart),
        (with_input("\"@method\"", "\"@method\";req"), SignatureError::UnknownPart),
        (with_input("\"@method\"", "\"@method\" \"@method\""), SignatureError::Malformed("signature-input")),
        (with_input("\"@method\"", "\"@method\" \"x-none\""), SignatureError::UnknownPart),
        (with_input("\"@method\"", "\"@method\" \"Content-Digest\""), SignatureError::UnknownPart),
        (with("content-length", "109"), SignatureError::WrongContentLength),
        (with("content-digest", "sha-256=:AAAA:"), SignatureError::WrongDigest),
        (with("content-digest", "md5=:AAAA:"), SignatureError::Malformed("content-digest")),
        (with("signature-input", "ocm=("), SignatureError::Malformed("signature-input")),
        (with("signature", "ocm=1"), SignatureError::Malformed("signature")),
        (with("signature", "other=:AAAA:"), SignatureError::Malformed("signature")),
        (with("signature", "ocm=:AAAA:"), SignatureError::Wrong),
        (without("signature-input"), SignatureError::Unsigned),
        (without("signature"), SignatureError::MissingHeader("signature")),
        (without("content-digest"), SignatureError::UnknownPart),
        (without("content-length"), SignatureError::MissingHeader("content-length")),
    ];
    for (at, (headers, error)) in cases.into_iter().enumerate() {
        assert_eq!(verify_at(&headers, BODY, CREATED), Err(error), "case {at}: {headers:?}");
    }
    assert_eq!(verify_at(&captured(), BODY, CREATED + 301), Err(SignatureError::TooOld));
    assert_eq!(verify_at(&captured(), BODY, CREATED - 61), Err(SignatureError::TooNew));
    assert_eq!(verify_at(&captured(), b"other", CREATED), Err(SignatureError::WrongDigest));
    let two = headers(&format!("a={PARAMETERS}, b={PARAMETERS}"), &format!("a={SIGNATURE}, b={SIGNATURE}"));
    assert_eq!(verify_at(&two, BODY, CREATED), Err(SignatureError::NotOne));
}

#[test]
fn another_place_method_or_key_is_refused() {
    let headers = captured();
    let read = MessageSignature::read(&headers).unwrap();
    let good = request(&headers, BODY);
    for changed in
        [SignedRequest { method: "PUT", ..good }, SignedRequest { target: "http://localhost:9500/ocm/token?x", ..good }]
    {
        assert_eq!(read.verify(&changed, &jwk(), CREATED), Err(SignatureError::Wrong));
    }
    let other = SigningKey::generate(KeyKind::Ed25519, "localhost:9501#key1").unwrap().jwk();
    assert_eq!(read.verify(&good, &other, CREATED), Err(SignatureError::Wrong));
}

#[test]
fn what_we_sign_is_read_by_old_and_new_rules() {
    let key = SigningKey::generate(KeyKind::Ed25519, "h.example#key1").unwrap();
    let mut headers = sign(&key, "POST", TARGET, BODY, CREATED).unwrap();
    headers.insert("content-length", HeaderValue::from_static("108"));
    assert_eq!(headers.get("content-digest").unwrap(), DIGEST);
    let input = headers.get("signature-input").unwrap().to_str().unwrap();
    // the label of older drafts, the tag of newer ones, the date as fifth part
    assert_eq!(
        input,
        "ocm=(\"@method\" \"@target-uri\" \"content-digest\" \"content-length\" \"date\");created=1795162114;\
         keyid=\"h.example#key1\";alg=\"ed25519\";tag=\"ocm\""
    );
    let read = MessageSignature::read(&headers).unwrap();
    read.verify(&request(&headers, BODY), &key.jwk(), CREATED + 5).unwrap();
    headers.insert("date", HeaderValue::from_static("Fri, 20 Nov 2026 07:00:00 GMT"));
    assert!(read.verify(&request(&headers, BODY), &key.jwk(), CREATED + 5).is_err());
}

#[test]
fn an_older_draft_without_a_tag_and_with_es256_is_verified() {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    let key = Jwk::new("k", PublicKey::p256(pair.public_key().as_ref()).unwrap());
    let parameters =
        "(\"@method\" \"@target-uri\" \"content-digest\" \"content-length\" \"date\");created=1795162114;keyid=\"k\"";
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": {TARGET}\n\"content-digest\": {DIGEST}\n\"content-length\": 108\n\
         \"date\": Fri, 20 Nov 2026 08:08:34 GMT\n\"@signature-params\": {parameters}"
    );
    let signature = STANDARD.encode(pair.sign(&random, base.as_bytes()).unwrap().as_ref());
    let mut headers = headers(&format!("ocm={parameters}"), &format!("ocm=:{signature}:"));
    headers.insert("date", HeaderValue::from_static("Fri, 20 Nov 2026 08:08:34 GMT"));
    let read = MessageSignature::read(&headers).unwrap();
    read.verify(&request(&headers, BODY), &key, CREATED).unwrap();
    assert_eq!(read.verify(&request(&headers, BODY), &jwk(), CREATED), Err(SignatureError::Wrong));
    let other_label = self::headers(&format!("sig1={parameters}"), &format!("sig1=:{signature}:"));
    assert_eq!(MessageSignature::read(&other_label), Err(SignatureError::NotOne));
}

#[test]
fn the_kind_of_a_signature_is_seen() {
    use super::super::{Presented, presented};
    assert_eq!(presented(&captured()), Presented::Message);
    let mut cavage = captured();
    cavage.remove("signature-input");
    assert_eq!(presented(&cavage), Presented::Cavage);
    assert_eq!(presented(&HeaderMap::new()), Presented::Unsigned);
}

proptest! {
    #[test]
    fn any_headers_are_a_signature_or_refused(input in "[ -~]{0,120}", signature in "[ -~]{0,60}") {
        let any = headers(&input, &signature);
        prop_assert!(verify_at(&any, BODY, CREATED).is_err());
        let any = headers(&format!("ocm=({input});created=1795162114;keyid=\"k\";tag=\"ocm\""), &format!("ocm={SIGNATURE}"));
        prop_assert!(verify_at(&any, BODY, CREATED).is_err());
    }
}
