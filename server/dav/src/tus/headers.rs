//! Request headers of tus.

use super::VERSION;
use crate::coding::is_folded;
use crate::errors::Fault;
use crate::request_headers::{length, text};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stitchbox_domain::uploads::Checksum;

/// `Tus-Resumable`: the version must be ours.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Fault> {
    match text(headers, "tus-resumable") {
        Some(VERSION) => Ok(()),
        _ => Err(Fault::TusVersion),
    }
}

/// `Content-Type` of every body of tus. Offsets count the bytes as they are sent, so a folded body cannot be taken.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Fault> {
    if is_folded(headers)? {
        return Err(Fault::UnsupportedBody);
    }
    match text(headers, "content-type") {
        Some("application/offset+octet-stream") => Ok(()),
        _ => Err(Fault::Refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the bytes of an upload have the type application/offset+octet-stream",
        )),
    }
}

/// The size of the file: `Upload-Length`, or `None` where `Upload-Defer-Length: 1` leaves it open.
pub(super) fn upload_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let deferred = match text(headers, "upload-defer-length") {
        None => false,
        Some("1") => true,
        Some(_) => return Err(Fault::BadRequest("Upload-Defer-Length can only be 1")),
    };
    match (length(headers, "upload-length")?, deferred) {
        (Some(size), false) => Ok(Some(size)),
        (None, true) => Ok(None),
        (Some(_), true) => Err(Fault::BadRequest("Upload-Length and Upload-Defer-Length exclude each other")),
        // As the servers do whose clients speak tus with folders.
        (None, false) => Err(Fault::Refused(StatusCode::PRECONDITION_FAILED, "the header Upload-Length is missing")),
    }
}

/// `Upload-Checksum`: algorithm and base64.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Fault> {
    let Some(text) = text(headers, "upload-checksum") else { return Ok(None) };
    let unreadable = Fault::BadRequest("Upload-Checksum must be sha1, sha256 or md5, and the digest in base64");
    let Some((algorithm, digest)) = text.trim().split_once(' ') else { return Err(unreadable) };
    if !["sha1", "sha256", "md5"].contains(&algorithm) {
        return Err(unreadable);
    }
    let Ok(digest) = STANDARD.decode(digest.trim()) else { return Err(unreadable) };
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Checksum::parse(&format!("{algorithm}:{hex}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn a_folded_body_is_not_stored_as_it_is() {
        let mut headers = with("content-type", "application/offset+octet-stream");
        assert!(check_content_type(&headers).is_ok());
        headers.insert("content-encoding", "zstd".parse().unwrap());
        assert!(matches!(check_content_type(&headers), Err(Fault::UnsupportedBody)));
    }

    #[test]
    fn checksums_come_in_base64() {
        let read = checksum(&with("upload-checksum", "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=")).unwrap().unwrap();
        assert_eq!(read.to_string(), "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d");
        for wrong in ["crc32 AAAAAA==", "sha1", "sha1 !", "sha1 AAAA", "adler32 AAAAAA=="] {
            assert!(checksum(&with("upload-checksum", wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_is_said_or_left_open_but_not_both() {
        assert_eq!(upload_length(&with("upload-length", "7")).unwrap(), Some(7));
        assert_eq!(upload_length(&with("upload-defer-length", "1")).unwrap(), None);
        assert!(upload_length(&with("upload-defer-length", "2")).is_err());
        assert!(upload_length(&with("upload-length", "-1")).is_err());
        assert!(upload_length(&HeaderMap::new()).is_err());
    }
}
