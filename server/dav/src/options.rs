//! OPTIONS: what the server can do, the same everywhere and for everybody.
//!
//! Not dav-server's: it announces `sabredav-partialupdate`, which we refuse, leaves PUT and MKCOL out of `Allow` for a
//! folder, and asks the file system whether the address exists, which an anonymous client may not know.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_LENGTH, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};

use crate::answer_headers::empty;

/// The methods, as `Allow` lists them.
pub(crate) const METHODS: &str =
    "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK";

/// The answer to OPTIONS, also on `/`: Windows asks there, without a login, before it mounts anything.
#[must_use]
pub fn server_options() -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("dav"), HeaderValue::from_static("1, 2, 3"));
    headers.insert(HeaderName::from_static("ms-author-via"), HeaderValue::from_static("DAV"));
    headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    crate::tus::add_options(headers);
    response
}
