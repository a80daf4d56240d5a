//! `GET /s/TOKEN/download?path=`: a file of a link.

use super::listing::picture_type;
use super::visit::{Visit, refusal};
use crate::Ocs;
use crate::form::field;
use crate::origin::Origin;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::net::IpAddr;
use stitchbox_domain::{Error, Use};

/// Nothing of a file runs, whatever it is.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

pub(crate) async fn get(
    State(ocs): State<Ocs>,
    Path(token): Path<String>,
    Origin(client): Origin,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    match file(&ocs, &token, &headers, client, uri.query().unwrap_or_default()).await {
        Ok(response) => response,
        Err(error) => refusal(error, None),
    }
}

async fn file(ocs: &Ocs, token: &str, headers: &HeaderMap, client: IpAddr, query: &str) -> Result<Response, Error> {
    let mut path = field(query, "path").unwrap_or_default();
    // As Nextcloud writes it: the folder, and the name in it.
    if let Some(name) = field(query, "files").filter(|name| !name.is_empty()) {
        path = format!("{path}/{name}");
    }
    let visit = Visit::begin(ocs, token, headers, client, &path).await?;
    let content = ocs.domain.content(&visit.principal, &visit.at).await?;
    let (item, version) = (&content.item, &content.version);
    let size = u64::try_from(version.size).unwrap_or(0);
    ocs.domain.note_use(&visit.principal, &visit.at, Some(item.id), Use::Read, client);
    let bytes = ocs.domain.open(version, 0..size).await?;
    let shown = field(query, "show").and_then(|_| picture_type(&item.name));
    let kind = shown.unwrap_or("application/octet-stream");
    let way = if shown.is_some() { "inline" } else { "attachment" };
    let name = utf8_percent_encode(&item.name, NON_ALPHANUMERIC);
    let mut response = (StatusCode::OK, Body::from_stream(bytes)).into_response();
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(CONTENT_LENGTH, HeaderValue::from(size));
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer.insert(CONTENT_SECURITY_POLICY, POLICY);
    if let Ok(disposition) = HeaderValue::from_str(&format!("{way}; filename*=UTF-8''{name}")) {
        answer.insert(CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
