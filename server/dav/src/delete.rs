//! DELETE: into the trash.

use crate::answer_headers::empty;
use crate::call::Call;
use crate::errors::Fault;
use crate::request_body;
use crate::request_headers::{Depth, depth};
use axum::body::Body;
use axum::http::{Response, StatusCode};

pub(crate) async fn delete(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    if matches!(depth(&call.headers)?, Some(Depth::Zero | Depth::One)) {
        return Err(Fault::BadRequest("a folder is removed with everything in it; leave out the header Depth"));
    }
    let place = call.place().await?;
    let conditions = call.conditions().await?;
    call.domain.remove(&call.principal, &place.location, &conditions).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
