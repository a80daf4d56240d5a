//! `POST /ocm/self-test`: says to this site's own self-test what of its call arrived. Nobody else learns anything: a call
//! that this site did not sign is refused.

use crate::Ocm;
use crate::call::Call;
use crate::refusal::Refused;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::Request;
use serde_json::Value;

pub(crate) async fn post(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Json<Value>, Refused> {
    let call = Call::read(&ocm.domain, request).await?;
    Ok(Json(ocm.domain.reflect_self_test(&call.request()).await?))
}
