//! LOCK and UNLOCK with `X-User-Lock: 1`: the locks of Nextcloud's `files_lock`, taken by a person on a file.

use crate::call::Call;
use crate::domain_locks::fresh_token;
use crate::errors::Fault;
use crate::lock_xml;
use crate::request_body;
use crate::request_headers::text;
use crate::xml_out::CONTENT_TYPE_XML;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use stitchbox_domain::{Error, covers};

/// Whether the request speaks of a person's lock.
pub(crate) fn is_asked_for(call: &Call) -> bool {
    text(&call.headers, "x-user-lock").is_some_and(|value| value.trim() == "1")
}

pub(crate) async fn lock(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::xml(body).await?;
    let place = call.place().await?;
    match call.domain.lock_for_person(&call.principal, &place.location, fresh_token()).await {
        Ok(_) => state(call, StatusCode::OK).await,
        Err(Error::Locked { .. }) => state(call, StatusCode::LOCKED).await,
        Err(other) => Err(other.into()),
    }
}

pub(crate) async fn unlock(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let place = call.place().await?;
    match call.domain.unlock_for_person(&call.principal, &place.location).await {
        Ok(()) => state(call, StatusCode::OK).await,
        Err(Error::NoSuchLock) => state(call, StatusCode::PRECONDITION_FAILED).await,
        Err(Error::Locked { .. }) => state(call, StatusCode::LOCKED).await,
        Err(other) => Err(other.into()),
    }
}

/// Who holds a lock on the file now; only for those who may see it.
async fn state(call: &Call, status: StatusCode) -> Result<Response<Body>, Fault> {
    let place = call.place().await?;
    call.domain.item(&call.principal, &place.location).await?;
    let path = place.location.path.to_string();
    let held = call.domain.locks_on(place.location.space).await?;
    let held = held.iter().find(|held| covers(&held.lock, &path));
    let mut response = Response::new(Body::from(lock_xml::state(held)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_XML));
    Ok(response)
}
