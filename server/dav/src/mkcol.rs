//! MKCOL: a new folder.

use crate::answer_headers::about;
use crate::call::{Call, View};
use crate::errors::Fault;
use crate::request_body;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::Error;

pub(crate) async fn mkcol(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let View::Place(place) = call.view().await? else { return Err(Error::Exists.into()) };
    let conditions = call.conditions().await?;
    let folder = call.domain.make_folder(&call.principal, &place.location, &conditions).await?;
    Ok(about(&call.domain, &folder, StatusCode::CREATED))
}
