//! `/api/v1/shares/{id}`: one share. A field of a change that is not there stays as it is; `null` takes it away.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Id;
use crate::shares::until;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use stitchbox_domain::ShareChange;
use stitchbox_schema::sharing::ShareDocument;
use stitchbox_schema::{Role, ShareId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    role: Option<Role>,
    upload_only: Option<bool>,
    may_reshare: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    password: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    expires_at: Option<Option<String>>,
    label: Option<String>,
    note: Option<String>,
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<ShareId>,
) -> Result<Json<ShareDocument>, ApiError> {
    Ok(Json(api.domain.share_by_id(&principal, id).await?))
}

pub(crate) async fn patch(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<ShareId>,
    body: Bytes,
) -> Result<Json<ShareDocument>, ApiError> {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!("the body must name what is to change, such as \"role\": {error}"))
    })?;
    let expires_at = match wanted.expires_at {
        Some(Some(text)) => Some(Some(until(&text)?)),
        Some(None) => Some(None),
        None => None,
    };
    let change = ShareChange {
        role: wanted.role,
        upload_only: wanted.upload_only,
        may_reshare: wanted.may_reshare,
        password: wanted.password,
        expires_at,
        label: wanted.label,
        note: wanted.note,
    };
    Ok(Json(api.domain.change_share(&principal, id, change).await?))
}

/// Ends it for everybody: for who made it, and for managers.
pub(crate) async fn delete(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<ShareId>,
) -> Result<StatusCode, ApiError> {
    api.domain.revoke_share(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes it out of one's own folder `Shares`.
pub(crate) async fn leave(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<ShareId>,
) -> Result<StatusCode, ApiError> {
    api.domain.leave_share(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows it there again.
pub(crate) async fn take_up(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<ShareId>,
) -> Result<StatusCode, ApiError> {
    api.domain.take_up_share(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
