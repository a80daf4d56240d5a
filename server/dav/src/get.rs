//! GET and HEAD of files: conditions, one range, and a body that streams from the blob store.

use crate::answer_headers::{empty, set};
use crate::call::{Call, View};
use crate::errors::Fault;
use crate::folder_page;
use crate::range::{Selection, select};
use crate::request_headers::{date, http_date, text};
use crate::{content_type, entity_tags, folding};
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stitchbox_domain::{Content, Error, Location};
use stitchbox_schema::ETag;

/// A cache of the client's own may keep it and asks every time.
const CACHING: &str = "private, no-cache";

pub(crate) async fn get(call: &Call) -> Result<Response<Body>, Fault> {
    let place = match call.view().await? {
        View::Place(place) => place,
        View::SpacesFolder => return folder_page::spaces(call).await,
        View::SharesFolder => return folder_page::shares(call).await,
    };
    match call.domain.content(&call.principal, &place.location).await {
        Ok(content) => file(call, &place.location, content).await,
        Err(Error::IsFolder) => folder_page::folder(call, &place).await,
        Err(other) => Err(other.into()),
    }
}

async fn file(call: &Call, at: &Location, content: Content) -> Result<Response<Body>, Fault> {
    let (item, version) = (&content.item, &content.version);
    let etag = item.etag();
    let size = u64::try_from(version.size).unwrap_or(0);
    if let Some(status) = precondition(call, &content)? {
        let mut response = empty(status);
        set(&mut response, ETAG, &etag.to_string());
        set(&mut response, LAST_MODIFIED, &http_date(item.mtime));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(CACHING));
        return Ok(response);
    }
    let wanted = match text(&call.headers, "range") {
        Some(range) if call.method == Method::GET && range_applies(&call.headers, &etag, &http_date(item.mtime)) => {
            select(range, size)
        }
        _ => Selection::Whole,
    };
    let (status, range) = match wanted {
        Selection::Whole => (StatusCode::OK, 0..size),
        Selection::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Selection::Unsatisfiable => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
    };
    let length = range.end - range.start;
    let mut response = empty(status);
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    let mut folded = false;
    if call.method == Method::GET {
        let bytes = call.domain.open(version, range).await?;
        *response.body_mut() =
            if status == StatusCode::OK && size >= folding::SMALLEST && folding::is_wanted(&call.headers) {
                let (body, is_folded) = folding::fold(bytes).await;
                folded = is_folded;
                body
            } else {
                Body::from_stream(bytes)
            };
    }
    let headers = response.headers_mut();
    if folded {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHING));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let name = at.path.names().last().map_or("", |name| name.as_str());
    let media_type = content_type::of(name);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Some(policy) = content_type::policy(media_type) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    set(&mut response, ETAG, &etag.to_string());
    set(&mut response, LAST_MODIFIED, &http_date(item.mtime));
    let quoted = utf8_percent_encode(name, NON_ALPHANUMERIC);
    set(&mut response, CONTENT_DISPOSITION, &format!("inline; filename*=UTF-8''{quoted}"));
    let own = Some(&version.sha256).filter(|sha256| !sha256.is_empty()).map(|sha256| format!("SHA256:{sha256}"));
    if let Some(checksum) = version.checksum.clone().or(own) {
        set(&mut response, HeaderName::from_static("oc-checksum"), &checksum);
    }
    set(&mut response, HeaderName::from_static("oc-etag"), &etag.to_string());
    set(&mut response, HeaderName::from_static("oc-fileid"), &call.domain.oc_id(item));
    Ok(response)
}

/// The status instead of the content, if a condition says so; in the order of RFC 9110, 13.2.2.
fn precondition(call: &Call, content: &Content) -> Result<Option<StatusCode>, Fault> {
    let etag = &content.item.etag();
    let modified = content.item.mtime.unix_seconds();
    // A client may have given new content an old time: it is new all the same.
    let changed = modified.max(content.version.created_at.unix_seconds());
    let since = |name| text(&call.headers, name).and_then(date).map(|time| time.unix_seconds());
    let stale = match call.tags("if-match")? {
        Some(list) => !if_match_holds(list, etag),
        None => since("if-unmodified-since").is_some_and(|limit| modified > limit),
    };
    if stale {
        return Ok(Some(StatusCode::PRECONDITION_FAILED));
    }
    let known = match call.tags("if-none-match")? {
        Some(list) => list.names(etag),
        None => since("if-modified-since").is_some_and(|limit| changed <= limit),
    };
    Ok(known.then_some(StatusCode::NOT_MODIFIED))
}

fn if_match_holds(list: entity_tags::TagList, etag: &ETag) -> bool {
    let conditions = stitchbox_domain::Conditions { if_match: Some(list.strong()), ..Default::default() };
    conditions.entity_tags_hold(Some(etag))
}

/// `If-Range`: the part is of use only if the rest of the file is still the one the client has.
fn range_applies(headers: &HeaderMap, etag: &ETag, modified: &str) -> bool {
    let Some(value) = text(headers, "if-range") else { return true };
    let value = value.trim();
    value == etag.to_string() || value == modified
}
