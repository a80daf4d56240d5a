//! DELETE: into the trash.

use crate::answer_headers::empty;
use crate::call::Call;
use crate::errors::Fault;
use crate::request_body;
use axum::body::Body;
use axum::http::{Response, StatusCode};

pub(crate) async fn delete(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let place = call.place().await?;
    if let Some(entry) = &place.entry {
        // Who got a share leaves it; what is shared stays.
        call.domain.hide_entry(&call.principal, entry).await?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    call.refuse_partial_depth(&place).await?;
    let conditions = call.conditions().await?;
    call.domain.remove(&call.principal, &place.location, &conditions).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
