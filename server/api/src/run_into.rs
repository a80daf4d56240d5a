//! `POST /api/v1/runs`: a run on the files of one folder, a received one too, whose results land in another.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::place::PlaceWanted;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use stitchbox_domain::runs::RunIntoError;
use stitchbox_schema::documents::RunDocument;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    inputs: PlaceWanted,
    into: PlaceWanted,
    /// Text of the recipe.
    #[serde(default)]
    recipe: Option<String>,
}

pub(crate) async fn post(
    State(api): State<Api>,
    Caller(principal): Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<RunDocument>), ApiError> {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!(
            "the body must be {{\"inputs\": {{\"space\", \"path\"}}, \"into\": {{\"space\", \"path\"}}}}: {error}"
        ))
    })?;
    let inputs = wanted.inputs.location(&api, &principal).await?;
    let into = wanted.into.location(&api, &principal).await?;
    match api.domain.run_into(&principal, &inputs, &into, wanted.recipe).await {
        Ok(document) => Ok((StatusCode::ACCEPTED, Json(document))),
        Err(RunIntoError::Domain(error)) => Err(error.into()),
        Err(refused) => Err(ApiError::BadRequest(refused.to_string())),
    }
}
