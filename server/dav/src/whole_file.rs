//! A version of a file as one answer to GET or HEAD: what lies in the trash and what was replaced.

use crate::answer_headers::{empty, set};
use crate::content_type;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Response, StatusCode};
use stitchbox_domain::{Domain, Error, Version};
use stitchbox_schema::ETag;

use crate::request_headers::http_date;

/// The whole content of a version. `name` is that of the file.
pub(crate) async fn answer(
    domain: &Domain,
    method: &Method,
    version: &Version,
    name: &str,
) -> Result<Response<Body>, Error> {
    let size = u64::try_from(version.size).unwrap_or(0);
    let mut response = empty(StatusCode::OK);
    if method == Method::GET {
        *response.body_mut() = Body::from_stream(domain.open(version, 0..size).await?);
    }
    let media_type = content_type::of(name);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(policy) = content_type::policy(media_type) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    set(&mut response, ETAG, &ETag::of_version(version.id).to_string());
    set(&mut response, LAST_MODIFIED, &http_date(version.mtime));
    Ok(response)
}
