//! Checksums: SHA-256 always, and the one the client announced.

use crate::Error;
use sha1::Digest as _;

/// A checksum announced by a client, as in `OC-Checksum: SHA1:hex`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    algorithm: Algorithm,
    hex: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha1,
    Md5,
    Adler32,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Sha256, Self::Sha1, Self::Md5, Self::Adler32];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha1 => "SHA1",
            Self::Md5 => "MD5",
            Self::Adler32 => "ADLER32",
        }
    }

    fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
            Self::Adler32 => 8,
        }
    }
}

impl Checksum {
    /// Reads `ALGORITHM:hex`, the algorithm in any case and with or without a hyphen.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, hex) = text.trim().split_once(':').ok_or(Error::ChecksumUnreadable)?;
        let plain: String = name.trim().chars().filter(|c| *c != '-').collect();
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(&plain))
            .ok_or(Error::ChecksumUnreadable)?;
        let hex = hex.trim().to_ascii_lowercase();
        if hex.len() != algorithm.hex_digits() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::ChecksumUnreadable);
        }
        Ok(Self { algorithm, hex })
    }
}

/// `SHA1:hex`
impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

/// The digests of a body, computed while it passes: SHA-256, and one more where a client asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Digests {
    sha256: sha2::Sha256,
    other: Option<Running>,
}

#[derive(Debug, Clone)]
enum Running {
    Sha1(sha1::Sha1),
    Md5(md5::Md5),
    Adler32(adler2::Adler32),
}

impl Running {
    fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => None,
            Algorithm::Sha1 => Some(Self::Sha1(sha1::Sha1::new())),
            Algorithm::Md5 => Some(Self::Md5(md5::Md5::new())),
            Algorithm::Adler32 => Some(Self::Adler32(adler2::Adler32::new())),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha1(_) => Algorithm::Sha1,
            Self::Md5(_) => Algorithm::Md5,
            Self::Adler32(_) => Algorithm::Adler32,
        }
    }
}

impl Digests {
    /// For a body with this announced checksum, or none.
    pub(crate) fn new(announced: Option<&Checksum>) -> Self {
        let other = announced.and_then(|checksum| Running::of(checksum.algorithm));
        Self { sha256: sha2::Sha256::new(), other }
    }

    /// For a body whose checksum will be told at its end: sync clients announce SHA-1.
    pub(crate) fn guessing() -> Self {
        Self { sha256: sha2::Sha256::new(), other: Running::of(Algorithm::Sha1) }
    }

    /// Whether this checksum can be verified in the end.
    pub(crate) fn know(&self, checksum: Option<&Checksum>) -> bool {
        checksum.is_none_or(|checksum| {
            checksum.algorithm == Algorithm::Sha256
                || self.other.as_ref().is_some_and(|other| other.algorithm() == checksum.algorithm)
        })
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        match &mut self.other {
            None => {}
            Some(Running::Sha1(running)) => running.update(bytes),
            Some(Running::Md5(running)) => running.update(bytes),
            Some(Running::Adler32(running)) => running.write_slice(bytes),
        }
    }

    /// SHA-256 in hexadecimal, if the announced checksum (if any) is right.
    pub(crate) fn finish(self, announced: Option<&Checksum>) -> Result<String, Error> {
        let sha256 = hex(&self.sha256.finalize());
        let Some(announced) = announced else { return Ok(sha256) };
        let found = match self.other {
            _ if announced.algorithm == Algorithm::Sha256 => sha256.clone(),
            Some(other) if other.algorithm() == announced.algorithm => match other {
                Running::Sha1(running) => hex(&running.finalize()),
                Running::Md5(running) => hex(&running.finalize()),
                Running::Adler32(running) => format!("{:08x}", running.checksum()),
            },
            // Not asked for at the beginning: nothing was computed, so nothing can be vouched for.
            _ => return Err(Error::ChecksumUnreadable),
        };
        if found != announced.hex {
            let algorithm = announced.algorithm.name();
            return Err(Error::ChecksumMismatch { algorithm, expected: announced.hex.clone(), found });
        }
        Ok(sha256)
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256_if_right(announced: &str, body: &[u8]) -> Result<String, Error> {
        let announced = Checksum::parse(announced)?;
        let mut digests = Digests::new(Some(&announced));
        body.chunks(2).for_each(|piece| digests.update(piece));
        digests.finish(Some(&announced))
    }

    #[test]
    fn every_algorithm_is_verified() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for right in [
            &format!("SHA256:{sha256}"),
            "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d",
            "sha-1:A9993E364706816ABA3E25717850C26C9CD0D89D",
            "MD5:900150983cd24fb0d6963f7d28e17f72",
            "Adler32:024d0127",
        ] {
            assert_eq!(sha256_if_right(right, b"abc").unwrap(), sha256, "{right}");
            assert!(matches!(sha256_if_right(right, b"abd"), Err(Error::ChecksumMismatch { .. })), "{right}");
        }
    }

    #[test]
    fn a_checksum_told_late_is_verified_or_refused_but_never_ignored() {
        let sha1 = Checksum::parse("SHA1:a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        let md5 = Checksum::parse("MD5:900150983cd24fb0d6963f7d28e17f72").unwrap();
        let mut digests = Digests::guessing();
        digests.update(b"abc");
        assert!(digests.know(None) && digests.know(Some(&sha1)) && !digests.know(Some(&md5)));
        assert!(digests.clone().finish(Some(&sha1)).is_ok());
        assert!(matches!(digests.finish(Some(&md5)), Err(Error::ChecksumUnreadable)));
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_no_checksum() {
        for wrong in ["", "SHA1", "SHA1:", "SHA1:zz", "CRC32:00000000", "SHA1:a9993e"] {
            assert!(matches!(Checksum::parse(wrong), Err(Error::ChecksumUnreadable)), "{wrong}");
        }
    }
}
