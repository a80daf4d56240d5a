//! The little DER that public keys need: SubjectPublicKeyInfo and PKCS#1 RSAPublicKey, read with every length checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::KeyError;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// What a SubjectPublicKeyInfo holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spki<'a> {
    /// Modulus and exponent, big-endian, no leading zeros.
    Rsa { n: &'a [u8], e: &'a [u8] },
    /// 32 bytes.
    Ed25519(&'a [u8]),
    /// An uncompressed point, 65 bytes.
    P256(&'a [u8]),
}

/// Reads a SubjectPublicKeyInfo; nothing may follow it.
pub(super) fn read_spki(der: &[u8]) -> Result<Spki<'_>, KeyError> {
    let body = whole(der, SEQUENCE)?;
    let (algorithm, rest) = take(body, SEQUENCE)?;
    let bits = whole(rest, BIT_STRING)?;
    // the first byte counts unused bits: always none
    let Some((0, key)) = bits.split_first() else { return Err(KeyError::Malformed) };
    let (object, parameters) = take(algorithm, OBJECT_ID)?;
    if object == RSA_ENCRYPTION {
        let (n, e) = read_rsa(key)?;
        Ok(Spki::Rsa { n, e })
    } else if object == ED25519 && key.len() == 32 {
        Ok(Spki::Ed25519(key))
    } else if object == EC_PUBLIC_KEY && whole(parameters, OBJECT_ID)? == P256 && key.len() == 65 {
        Ok(Spki::P256(key))
    } else {
        Err(KeyError::Malformed)
    }
}

/// Modulus and exponent of an RSAPublicKey.
pub(super) fn read_rsa(der: &[u8]) -> Result<(&[u8], &[u8]), KeyError> {
    let body = whole(der, SEQUENCE)?;
    let (n, rest) = take(body, INTEGER)?;
    let e = whole(rest, INTEGER)?;
    Ok((positive(n)?, positive(e)?))
}

/// A SubjectPublicKeyInfo around an RSAPublicKey.
pub(super) fn write_rsa_spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    let key = wrap(SEQUENCE, &[integer(n), integer(e)].concat());
    let algorithm = wrap(SEQUENCE, &[wrap(OBJECT_ID, RSA_ENCRYPTION), vec![0x05, 0x00]].concat());
    let bits = wrap(BIT_STRING, &[&[0][..], &key].concat());
    wrap(SEQUENCE, &[algorithm, bits].concat())
}

/// A SubjectPublicKeyInfo around an Ed25519 key.
pub(super) fn write_ed25519_spki(key: &[u8]) -> Vec<u8> {
    let algorithm = wrap(SEQUENCE, &wrap(OBJECT_ID, ED25519));
    let bits = wrap(BIT_STRING, &[&[0][..], key].concat());
    wrap(SEQUENCE, &[algorithm, bits].concat())
}

/// A SubjectPublicKeyInfo around a point of P-256.
pub(super) fn write_p256_spki(point: &[u8]) -> Vec<u8> {
    let algorithm = wrap(SEQUENCE, &[wrap(OBJECT_ID, EC_PUBLIC_KEY), wrap(OBJECT_ID, P256)].concat());
    let bits = wrap(BIT_STRING, &[&[0][..], point].concat());
    wrap(SEQUENCE, &[algorithm, bits].concat())
}

/// The bytes of a PEM block, and whether it is PKCS#1 (`RSA PUBLIC KEY`) instead of a SubjectPublicKeyInfo.
pub(super) fn read_pem(pem: &str) -> Result<(Vec<u8>, bool), KeyError> {
    let (is_pkcs1, body) = [(false, "PUBLIC KEY"), (true, "RSA PUBLIC KEY")]
        .iter()
        .find_map(|(is_pkcs1, label)| {
            let (_, behind) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
            let (body, _) = behind.split_once(&format!("-----END {label}-----"))?;
            Some((*is_pkcs1, body))
        })
        .ok_or(KeyError::Malformed)?;
    let text: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(text).map_err(|_| KeyError::Malformed)?;
    Ok((bytes, is_pkcs1))
}

/// A SubjectPublicKeyInfo as PEM, lines of 64.
pub(super) fn write_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN PUBLIC KEY-----\n");
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push_str("\n-----END PUBLIC KEY-----\n");
    out
}

/// The content of the one element that `der` is.
fn whole(der: &[u8], tag: u8) -> Result<&[u8], KeyError> {
    match take(der, tag)? {
        (content, []) => Ok(content),
        _ => Err(KeyError::Malformed),
    }
}

/// The content of the first element, and what follows it.
fn take(der: &[u8], tag: u8) -> Result<(&[u8], &[u8]), KeyError> {
    let (&found, rest) = der.split_first().ok_or(KeyError::Malformed)?;
    let (&first, rest) = rest.split_first().ok_or(KeyError::Malformed)?;
    if found != tag {
        return Err(KeyError::Malformed);
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // lengths of one and two bytes: a key is never longer than 64 KiB
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(KeyError::Malformed)?;
            let length = bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
            let is_shortest = length >= if bytes.len() == 1 { 0x80 } else { 0x100 };
            if !is_shortest {
                return Err(KeyError::Malformed);
            }
            (length, rest)
        }
        _ => return Err(KeyError::Malformed),
    };
    rest.split_at_checked(length).ok_or(KeyError::Malformed)
}

/// The magnitude of a positive integer in its shortest form.
fn positive(integer: &[u8]) -> Result<&[u8], KeyError> {
    match integer {
        [0, next, ..] if *next >= 0x80 => Ok(&integer[1..]),
        [first, ..] if *first > 0 && *first < 0x80 => Ok(integer),
        _ => Err(KeyError::Malformed),
    }
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    match magnitude.first() {
        Some(first) if *first >= 0x80 => wrap(INTEGER, &[&[0][..], magnitude].concat()),
        _ => wrap(INTEGER, magnitude),
    }
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=0x7f => out.push(short as u8),
        long @ 0x80..=0xff => out.extend([0x81, long as u8]),
        longer => out.extend([0x82, (longer >> 8) as u8, longer as u8]),
    }
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_read_back_and_a_cut_or_longer_one_refused() {
        let (n, e) = ([vec![0x80], vec![7; 255]].concat(), [1, 0, 1]);
        let der = write_rsa_spki(&n, &e);
        assert_eq!(read_spki(&der).unwrap(), Spki::Rsa { n: &n, e: &e });
        for cut in 0..der.len() {
            assert!(read_spki(&der[..cut]).is_err(), "{cut}");
        }
        assert!(read_spki(&[der.clone(), vec![0]].concat()).is_err());
        let (again, is_pkcs1) = read_pem(&write_pem(&der)).unwrap();
        assert!(again == der && !is_pkcs1);
        let key = [9; 32];
        assert_eq!(read_spki(&write_ed25519_spki(&key)).unwrap(), Spki::Ed25519(&key));
        let point = [4; 65];
        assert_eq!(read_spki(&write_p256_spki(&point)).unwrap(), Spki::P256(&point));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_key_or_refused(der in proptest::collection::vec(any::<u8>(), 0..200), pem in ".{0,200}") {
            let _ = read_spki(&der);
            let _ = read_rsa(&der);
            let _ = read_pem(&pem);
        }
    }
}
