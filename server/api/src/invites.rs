//! `/api/v1/invites`: invitations to people at other sites, given by the asking person, and those of others accepted.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::parameters::Id;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stitchbox_domain::federation::{GivenInvite, TakenInvite};
use stitchbox_schema::{InviteId, Timestamp};

#[derive(Serialize)]
pub(crate) struct InviteDocument {
    id: InviteId,
    /// What the other site is told to know it by.
    token: String,
    /// To be pasted at the other site; empty once it is accepted.
    string: String,
    /// To be followed; leads to the choice of the other site.
    link: String,
    note: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// Who accepted it, as `name@host`.
    accepted_by: Option<String>,
    accepted_at: Option<Timestamp>,
}

impl From<GivenInvite> for InviteDocument {
    fn from(given: GivenInvite) -> Self {
        let GivenInvite { invite, text, link } = given;
        Self {
            id: invite.id,
            token: invite.token,
            string: text,
            link,
            note: invite.note,
            created_at: invite.created_at,
            expires_at: invite.expires_at,
            accepted_by: invite.accepted_by,
            accepted_at: invite.accepted_at,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct TakenDocument {
    id: InviteId,
    /// Whose it is.
    peer: String,
    /// `pending` until the other site answered, then `accepted` or `refused`.
    state: &'static str,
    /// What the other site said last.
    answer: Option<String>,
    created_at: Timestamp,
}

impl From<TakenInvite> for TakenDocument {
    fn from(taken: TakenInvite) -> Self {
        Self {
            id: taken.id,
            peer: taken.peer,
            state: taken.state.as_str(),
            answer: taken.answer,
            created_at: taken.created_at,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct InvitesDocument {
    invites: Vec<InviteDocument>,
    /// Those of others that were accepted here.
    taken: Vec<TakenDocument>,
}

#[derive(Serialize)]
pub(crate) struct AcceptedDocument {
    id: InviteId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// The string or the link.
    invite: String,
}

pub(crate) async fn get(State(api): State<Api>, Caller(principal): Caller) -> Result<Json<InvitesDocument>, ApiError> {
    let invites = api.domain.invites(&principal).await?.into_iter().map(InviteDocument::from).collect();
    let taken = api.domain.taken_invites(&principal).await?.into_iter().map(TakenDocument::from).collect();
    Ok(Json(InvitesDocument { invites, taken }))
}

/// Makes one.
pub(crate) async fn post(
    State(api): State<Api>,
    Caller(principal): Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<InviteDocument>), ApiError> {
    let wanted: Wanted = match body.is_empty() {
        true => Wanted { note: String::new() },
        false => serde_json::from_slice(&body)
            .map_err(|error| ApiError::BadRequest(format!("the body must be {{\"note\": \"…\"}}: {error}")))?,
    };
    let made = api.domain.invite(&principal, &wanted.note).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Takes one back.
pub(crate) async fn delete(
    State(api): State<Api>,
    Caller(principal): Caller,
    Id(id): Id<InviteId>,
) -> Result<StatusCode, ApiError> {
    api.domain.revoke_invite(&principal, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts somebody else's. The other site is told in the background.
pub(crate) async fn accept(
    State(api): State<Api>,
    Caller(principal): Caller,
    body: Bytes,
) -> Result<(StatusCode, Json<AcceptedDocument>), ApiError> {
    let given: Given = serde_json::from_slice(&body).map_err(|error| {
        ApiError::BadRequest(format!("the body must be {{\"invite\": \"the string or the link\"}}: {error}"))
    })?;
    let id = api.domain.accept_invite(&principal, given.invite.trim()).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedDocument { id })))
}

#[cfg(test)]
mod tests {
    use crate::testing::House;
    use serde_json::json;

    #[tokio::test]
    async fn without_federation_there_are_no_invitations_and_nonsense_is_refused() {
        let house = House::new().await;
        let made = house.send_json("ada", "POST", "/api/v1/invites", &json!({"note": ""})).await;
        assert!((400..500).contains(&made.status), "{}", made.body);
        let wrong = house.send_json("ada", "POST", "/api/v1/invites/accept", &json!({"string": "x"})).await;
        assert_eq!((wrong.status, wrong.code()), (400, "bad_request"));
        assert_eq!(house.get("/api/v1/contacts").await.body["contacts"], json!([]));
    }
}
