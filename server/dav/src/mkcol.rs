//! MKCOL: a new folder.

use crate::answer_headers::about;
use crate::call::{Call, View};
use crate::errors::Fault;
use crate::request_body;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::{Error, Refusal};

pub(crate) async fn mkcol(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let place = match call.view().await? {
        View::Place(place) => place,
        // Not shown as long as nothing is shared.
        View::SharesFolder if call.domain.mounted(&call.principal).await?.is_empty() => {
            return Err(Error::from(Refusal::ReservedName).into());
        }
        View::SpacesFolder | View::SharesFolder => return Err(Error::Exists.into()),
    };
    let conditions = call.conditions().await?;
    let folder = call.domain.make_folder(&call.principal, &place.location, &conditions).await?;
    Ok(about(&call.domain, &folder, StatusCode::CREATED))
}
