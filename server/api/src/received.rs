//! `/api/v1/received`: what peers share with the caller, and the answers to it.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use std::time::Duration;
use stitchbox_domain::received::{PeerState, ReceivedSpace};
use stitchbox_schema::{SpaceId, Timestamp};

/// How long the answer to an acceptance waits for the first comparison with the peer.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// How a received space stands with its peer.
#[derive(Debug, Serialize)]
pub(crate) struct PeerDocument {
    host: String,
    reachable: bool,
    last_seen: Option<Timestamp>,
    error: Option<String>,
    maybe_gone: bool,
}

impl From<PeerState> for PeerDocument {
    fn from(state: PeerState) -> Self {
        let PeerState { host, reachable, last_seen, last_error, maybe_gone } = state;
        Self { host, reachable, last_seen, error: last_error, maybe_gone }
    }
}

#[derive(Serialize)]
struct ReceivedDocument {
    id: SpaceId,
    space: SpaceId,
    name: String,
    description: String,
    state: &'static str,
    owner: String,
    owner_name: String,
    sender: String,
    is_file: bool,
    permissions: String,
    expires_at: Option<Timestamp>,
    offered_at: Timestamp,
    /// Names at the peer that cannot be carried.
    skipped: Vec<String>,
    peer: PeerDocument,
}

impl From<ReceivedSpace> for ReceivedDocument {
    fn from(ReceivedSpace { share, peer }: ReceivedSpace) -> Self {
        Self {
            id: share.space,
            space: share.space,
            name: share.name,
            description: share.description,
            state: share.state.as_str(),
            owner: share.owner,
            owner_name: share.owner_name,
            sender: share.sender,
            is_file: share.is_file,
            permissions: share.permissions,
            expires_at: share.expires_at,
            offered_at: share.created_at,
            skipped: share.skipped.lines().map(str::to_owned).collect(),
            peer: peer.into(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ReceivedSharesDocument {
    received: Vec<ReceivedDocument>,
}

/// Latest first; offers that wait for an answer among them.
pub(crate) async fn get(
    State(api): State<Api>,
    Caller(principal): Caller,
) -> Result<Json<ReceivedSharesDocument>, ApiError> {
    let received = api.domain.received_shares(&principal).await?;
    Ok(Json(ReceivedSharesDocument { received: received.into_iter().map(ReceivedDocument::from).collect() }))
}

fn id_of(text: &str) -> Result<SpaceId, ApiError> {
    text.parse().map_err(|_| ApiError::BadRequest("the id of a received share is a number".to_owned()))
}

async fn told(
    api: &Api,
    principal: &stitchbox_domain::Principal,
    id: SpaceId,
) -> Result<impl Serialize + use<>, ApiError> {
    Ok(ReceivedDocument::from(api.domain.received_share(principal, id).await?))
}

pub(crate) async fn accept(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<Json<impl Serialize>, ApiError> {
    let id = id_of(&id)?;
    api.domain.accept_received(&principal, id).await?;
    api.domain.refresh_soon(id).await?;
    // So that what was accepted is there when it is looked for, if the peer is quick; the refresher does it otherwise.
    let domain = api.domain.clone();
    let first = tokio::spawn(async move { domain.refresh(id).await });
    let _ = tokio::time::timeout(FIRST_LOOK, first).await;
    Ok(Json(told(&api, &principal, id).await?))
}

pub(crate) async fn decline(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.domain.decline_received(&principal, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Compares with the peer as soon as it may be asked; does not wait for it.
pub(crate) async fn refresh(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<impl Serialize>), ApiError> {
    let found = api.domain.ask_for_refresh(&principal, id_of(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(ReceivedDocument::from(found))))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    #[tokio::test]
    async fn who_was_given_nothing_has_nothing() {
        let house = House::new().await;
        let answer = house.get("/api/v1/received").await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"received": []})));
        for what in ["accept", "decline", "refresh"] {
            let answer = house.call("POST", &format!("/api/v1/received/77/{what}")).await;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{what}");
            assert_eq!(house.call("POST", &format!("/api/v1/received/x/{what}")).await.status, 400);
        }
    }
}
