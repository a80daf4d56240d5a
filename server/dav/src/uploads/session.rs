//! MKCOL and DELETE of an upload session.

use super::Sessions;
use crate::answer_headers::empty;
use crate::call::Call;
use crate::errors::Fault;
use crate::request_body;
use crate::request_headers::{text, total_length};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::Error;
use stitchbox_domain::uploads::{Checksum, Intent, NewSession, Protocol, UploadSession, Words};

/// The open session of this name.
pub(super) async fn open(call: &Call<Sessions>, name: &str) -> Result<UploadSession, Fault> {
    let session = call.domain.session(&call.principal, Protocol::Chunks, name).await?;
    if session.ending.is_some() {
        return Err(Error::NotFound.into());
    }
    Ok(session)
}

pub(super) async fn begin(call: &Call<Sessions>, name: &str, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let destination = match call.headers.contains_key("destination") {
        true => Some(call.destination().await?.location),
        false => None,
    };
    let checksum = text(&call.headers, "oc-checksum").map(Checksum::parse).transpose()?;
    let intent = Intent { announced_size: total_length(&call.headers)?, checksum, ..Intent::default() };
    let name = Some(name.to_owned());
    let protocol = Protocol::Chunks;
    let new = NewSession { protocol, name, destination, intent, partial: false, words: Words::default() };
    call.domain.begin_session(&call.principal, new).await?;
    Ok(empty(StatusCode::CREATED))
}

pub(super) async fn abandon(call: &Call<Sessions>, name: &str, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let session = open(call, name).await?;
    call.domain.abandon_session(&session).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
