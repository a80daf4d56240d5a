//! What a request of somebody who came by a share was, for the audit.

use crate::call::Call;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use std::net::IpAddr;
use stitchbox_domain::{Location, Use};

/// Notes a request that was done. `at` is the place it spoke of, as far as it spoke of one.
pub(crate) fn note<A>(call: &Call<A>, at: Option<Location>, response: &Response<Body>, client: IpAddr) {
    let Some(top) = &call.top else { return };
    if !response.status().is_success() {
        return;
    }
    let told = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let item = told("oc-fileid").and_then(|id| call.domain.item_id_of(id));
    let what = match call.method.as_str() {
        // The page of a folder has no id of a file.
        "GET" if item.is_some() && response.status() == StatusCode::PARTIAL_CONTENT => Use::ReadPart,
        "GET" if item.is_some() => Use::Read,
        "GET" | "PROPFIND" | "REPORT" => Use::Listed,
        "PUT" | "POST" | "PATCH" => Use::Wrote,
        "MKCOL" => Use::MadeFolder,
        "DELETE" => Use::Removed,
        "MOVE" | "COPY" => Use::Moved,
        "PROPPATCH" | "LOCK" | "UNLOCK" => Use::Changed,
        _ => return,
    };
    call.domain.note_use(&call.principal, at.as_ref().unwrap_or(top), item, what, client);
}
