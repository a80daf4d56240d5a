//! The page itself, and the form for its password.

use super::listing;
use super::visit::{Visit, refusal};
use super::{cookie, encoded};
use crate::Ocs;
use crate::address::OwnAddress;
use crate::form::{body_field, field};
use crate::origin::Origin;
use crate::page::is_from_here;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use stitchbox_domain::{Error, Use};

pub(crate) async fn show(
    State(ocs): State<Ocs>,
    Path(token): Path<String>,
    Origin(client): Origin,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let path = field(query, "path").unwrap_or_default();
    let visit = match Visit::begin(&ocs, &token, &headers, client, &path).await {
        Ok(visit) => visit,
        Err(error) => return refusal(error, None),
    };
    ocs.domain.note_use(&visit.principal, &visit.at, None, Use::Listed, client);
    let after = field(query, "after");
    let done = field(query, "done");
    match listing::page_of(&ocs.domain, &visit, uri.path(), after.as_deref(), done.as_deref()).await {
        Ok(page) => page,
        Err(error) => refusal(error, None),
    }
}

/// Takes the password: the browser keeps what stands for it for an hour.
pub(crate) async fn unlock(
    State(ocs): State<Ocs>,
    Path(token): Path<String>,
    Origin(client): Origin,
    own: OwnAddress,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    if !is_from_here(&headers, &own) {
        return refusal(Error::Unauthenticated, Some("The form came from another site. Type the password here."));
    }
    let password = body_field(&body, "password").unwrap_or_default();
    let pass = match ocs.domain.link_pass(&token, &password, client).await {
        Ok(pass) => pass,
        Err(Error::Unauthenticated) => return refusal(Error::Unauthenticated, Some("This is not the password.")),
        Err(error) => return refusal(error, None),
    };
    let path = field(uri.query().unwrap_or_default(), "path").unwrap_or_default();
    let mut response = see_other(&format!("{}?path={}", uri.path(), encoded(&path)));
    if let Some(cookie) = pass.and_then(|pass| cookie::set(&token, &pass, own.is_secure())) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Leads on with a `GET`.
pub(super) fn see_other(address: &str) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(CACHE_CONTROL, "no-store")]).into_response();
    // Below our own address: a path cannot be taken for another host.
    let address = format!("/{}", address.trim_start_matches('/'));
    if let Ok(address) = HeaderValue::from_str(&address) {
        response.headers_mut().insert(LOCATION, address);
    }
    response
}
