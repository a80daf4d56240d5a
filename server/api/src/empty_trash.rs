//! `DELETE /api/v1/trash?space=`: gives up what was deleted from a space: all of it for a manager, one's own for a
//! editor.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Parameters;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(crate) struct Which {
    /// Id or name.
    space: String,
}

/// How much was given up.
#[derive(Serialize)]
pub(crate) struct EmptiedDocument {
    /// Deleted items; what lay in a deleted folder counts with it.
    items: u64,
}

pub(crate) async fn delete(
    State(api): State<Api>,
    Caller(principal): Caller,
    Parameters(which): Parameters<Which>,
) -> Result<Json<EmptiedDocument>, ApiError> {
    let membership = api.domain.find_space(&principal, &which.space).await?;
    let items = api.domain.empty_trash(&principal, membership.space.id).await?;
    Ok(Json(EmptiedDocument { items }))
}
