//! Response headers of tus.

use super::{VERSION, prefix_of};
use crate::answer_headers::{about, mtime_accepted, set};
use crate::call::Call;
use crate::errors::Fault;
use crate::permissions::letters;
use crate::request_headers::http_date;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, Response, StatusCode};
use stitchbox_domain::Part;
use stitchbox_domain::uploads::{Committed, UploadSession, words_of};
use stitchbox_schema::ShareId;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

/// What the protocol can do here, for OPTIONS.
pub(crate) fn add_options(headers: &mut HeaderMap) {
    let extensions =
        "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation";
    for (name, value) in [
        ("tus-resumable", VERSION),
        ("tus-version", VERSION),
        ("tus-extension", extensions),
        ("tus-checksum-algorithm", "sha1,sha256,md5"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// Says that this is an answer of tus.
pub(super) fn speak(response: &mut Response<Body>) {
    response.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
}

/// How far an upload is.
pub(super) fn offset(response: &mut Response<Body>, offset: u64) {
    response.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(offset));
}

/// When an upload will be forgotten.
pub(super) fn expires(response: &mut Response<Body>, session: &UploadSession) {
    set(response, UPLOAD_EXPIRES, &http_date(session.expires_at));
}

/// Where an upload lives, as whole URL: some clients take it as it stands.
pub(super) fn location(call: &Call, response: &mut Response<Body>, name: &str) {
    let prefix = prefix_of(call.top.as_ref(), Some(&call.address.mount));
    let scheme = if call.secure { "https" } else { "http" };
    let url = match &call.authority {
        Some(authority) => format!("{scheme}://{authority}{prefix}{name}"),
        None => format!("{prefix}{name}"),
    };
    set(response, LOCATION, &url);
}

/// Everything HEAD tells.
pub(super) fn about_session(response: &mut Response<Body>, session: &UploadSession) {
    let number = |size: i64| u64::try_from(size).unwrap_or(0);
    offset(response, number(session.received));
    expires(response, session);
    match session.size {
        Some(size) => set(response, HeaderName::from_static("upload-length"), &number(size).to_string()),
        None => set(response, HeaderName::from_static("upload-defer-length"), "1"),
    }
    let words = words_of(session);
    for (name, word) in [("upload-metadata", words.metadata), ("upload-concat", words.concat)] {
        word.iter().for_each(|word| set(response, HeaderName::from_static(name), word));
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// What the upload has become.
pub(super) async fn about_file<A>(
    call: &Call<A>,
    committed: &Committed,
    via: Option<ShareId>,
    keeps_mtime: bool,
    status: StatusCode,
) -> Result<Response<Body>, Fault> {
    let mut response = about(&call.domain, &committed.item, status);
    let part = via.map_or(Part::Space(committed.item.space), Part::Share);
    let membership = call.domain.membership(&call.principal, part).await?;
    let permissions = letters(&membership, &committed.item);
    set(&mut response, HeaderName::from_static("oc-perm"), &permissions);
    if keeps_mtime {
        mtime_accepted(&mut response);
    }
    Ok(response)
}
