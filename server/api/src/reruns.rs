//! `/api/v1/reruns`: repeating the run whose results lie in a folder, and how that came out.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Id;
use crate::place::PlaceWanted;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stitchbox_domain::attest::RerunError;
use stitchbox_schema::RerunId;
use stitchbox_schema::documents::RerunDocument;

#[derive(Serialize)]
pub(crate) struct RerunsDocument {
    reruns: Vec<RerunDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    space: Option<String>,
    path: String,
    /// Another engine will do.
    #[serde(default)]
    any_engine: bool,
}

/// Asks for a repetition: 202 with the document to watch.
pub(crate) async fn post(
    State(api): State<Api>,
    Caller(principal): Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<RerunDocument>), ApiError> {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!("the body must be {{\"space\": \"name or id\", \"path\": \"/folder\"}}: {error}"))
    })?;
    let place = PlaceWanted { space: wanted.space, path: wanted.path };
    let at = place.location(&api, &principal).await?;
    match api.domain.request_rerun(&principal, &at, wanted.any_engine).await {
        Ok(document) => Ok((StatusCode::ACCEPTED, Json(document))),
        Err(RerunError::Domain(error)) => Err(error.into()),
        Err(nothing @ RerunError::NoResult) => Err(ApiError::BadRequest(nothing.to_string())),
    }
}

/// Those the caller asked for, latest first.
pub(crate) async fn get(State(api): State<Api>, Caller(principal): Caller) -> Result<Json<RerunsDocument>, ApiError> {
    Ok(Json(RerunsDocument { reruns: api.domain.reruns(&principal).await? }))
}

/// One of them.
pub(crate) async fn get_one(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<RerunId>,
) -> Result<Json<RerunDocument>, ApiError> {
    Ok(Json(api.domain.rerun(&principal, id).await?))
}
