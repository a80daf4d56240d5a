//! Headers that tell a client what the item it changed has become.

use crate::request_headers::http_date;
use axum::body::Body;
use axum::http::header::{ETAG, HeaderName, HeaderValue, LAST_MODIFIED};
use axum::http::{Response, StatusCode};
use stitchbox_domain::{Domain, Item};

const OC_ETAG: HeaderName = HeaderName::from_static("oc-etag");
const OC_FILE_ID: HeaderName = HeaderName::from_static("oc-fileid");
const X_OC_MTIME: HeaderName = HeaderName::from_static("x-oc-mtime");

/// An empty answer.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An empty answer about an item: its ETag and id, as the next listing will show them.
pub(crate) fn about(domain: &Domain, item: &Item, status: StatusCode) -> Response<Body> {
    let mut response = empty(status);
    let etag = item.etag().to_string();
    set(&mut response, ETAG, &etag);
    set(&mut response, OC_ETAG, &etag);
    set(&mut response, OC_FILE_ID, &domain.oc_id(item));
    set(&mut response, LAST_MODIFIED, &http_date(item.mtime));
    response
}

/// Says that the modification time of the client was kept.
pub(crate) fn mtime_accepted(response: &mut Response<Body>) {
    response.headers_mut().insert(X_OC_MTIME, HeaderValue::from_static("accepted"));
}

/// Sets a header; a text no header can carry is left out.
pub(crate) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
