//! `GET /ocm/jwks`, `/.well-known/jwks.json`: the keys of this site, those that signed before among them.

use crate::Ocm;
use crate::refusal::Refused;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use stitchbox_domain::federation::CallRefusal;

pub(crate) async fn get(State(ocm): State<Ocm>) -> Result<Response, Refused> {
    ocm.domain.federation().ok_or(CallRefusal::Off)?;
    let keys = ocm.domain.site_keys().await?;
    Ok(([(CACHE_CONTROL, "max-age=300")], Json(keys.jwks().encode())).into_response())
}
