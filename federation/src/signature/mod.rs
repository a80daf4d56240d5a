//! Signatures over HTTP requests, both kinds that are deployed (facts section 8). Pure: time and keys are parameters.

pub mod cavage;
pub mod digest;
mod fields;
pub mod message;

use http::HeaderMap;

use crate::keys::KeyError;

/// A request as its signer saw it.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// PUBLIC absolute URL as text: the configured origin and the raw path and query as they came.
    pub target: &'a str,
    /// Headers as they came.
    pub headers: &'a HeaderMap,
    /// Body as it came; its bound is the caller's.
    pub body: &'a [u8],
}

impl<'a> SignedRequest<'a> {
    /// Path and query of the target.
    fn path_and_query(&self) -> &'a str {
        let rest = self.target.split_once("://").map_or(self.target, |(_, rest)| rest);
        rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
    }

    /// `host[:port]` of the target.
    fn authority(&self) -> &'a str {
        let rest = self.target.split_once("://").map_or(self.target, |(_, rest)| rest);
        rest.find(['/', '?']).and_then(|at| rest.get(..at)).unwrap_or(rest)
    }

    /// The one value of a header.
    fn single(&self, name: &'static str) -> Result<&'a str, SignatureError> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().map(str::trim).map_err(|_| SignatureError::Malformed(name)),
            (None, _) => Err(SignatureError::MissingHeader(name)),
            (Some(_), Some(_)) => Err(SignatureError::Malformed(name)),
        }
    }
}

/// Which kind of signature a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// None.
    Unsigned,
    /// draft-cavage: `Signature` alone.
    Cavage,
    /// RFC 9421: `Signature-Input` beside `Signature`.
    Message,
}

/// Which kind of signature a request carries.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Presented {
    match (headers.contains_key("signature-input"), headers.contains_key("signature")) {
        (true, _) => Presented::Message,
        (false, true) => Presented::Cavage,
        (false, false) => Presented::Unsigned,
    }
}

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The request carries none.
    #[error("the request is not signed")]
    Unsigned,
    /// A header of signatures cannot be read.
    #[error("the header {0} is malformed")]
    Malformed(&'static str),
    /// A header that must be there is not.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// Something that must be signed is not.
    #[error("the signature does not cover {0}")]
    NotCovered(&'static str),
    /// A part is covered that is not known here.
    #[error("the signature covers a part that is not known here")]
    UnknownPart,
    /// No signature, or more than one, is for Open Cloud Mesh.
    #[error("not exactly one signature has the tag ocm")]
    NotOne,
    /// A parameter that must be there is not.
    #[error("the signature has no {0}")]
    NoParameter(&'static str),
    /// The algorithm is unknown or not the key's.
    #[error("the signature's algorithm is not known or not the key's")]
    BadAlgorithm,
    /// Too old.
    #[error("the signature is older than 300 seconds; compare the clocks of both sites")]
    TooOld,
    /// From the future.
    #[error("the signature is from the future; compare the clocks of both sites")]
    TooNew,
    /// The body is not what was signed.
    #[error("the body is not the one that was signed")]
    WrongDigest,
    /// Another length than announced.
    #[error("the body has another length than the one that was signed")]
    WrongContentLength,
    /// The signature does not fit.
    #[error("the signature does not fit the key and the request")]
    Wrong,
}

impl From<KeyError> for SignatureError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::WrongSignature => Self::Wrong,
            KeyError::NotMade
            | KeyError::Unreadable
            | KeyError::Malformed
            | KeyError::BadLength
            | KeyError::WrongAlgorithm
            | KeyError::NotSigned => Self::BadAlgorithm,
        }
    }
}

/// Oldest accepted signature, seconds.
pub const OLDEST: i64 = 300;

/// Unix seconds as the date of a header.
fn http_date(now: i64) -> String {
    let seconds = u64::try_from(now).unwrap_or(0).min(253_402_300_799);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// The date of a header in Unix seconds.
fn parse_http_date(text: &str) -> Option<i64> {
    let date = httpdate::parse_http_date(text).ok()?;
    let seconds = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok()
}
