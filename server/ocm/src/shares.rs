//! `POST /ocm/shares`: somebody at a peer shares with somebody here (facts, section 3).

use crate::Ocm;
use crate::call::Call;
use crate::refusal::Refused;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use serde_json::json;
use stitchbox_domain::federation::senders_of;
use stitchbox_federation::wire::ShareMessage;

pub(crate) async fn post(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Response, Refused> {
    let call = Call::read(&ocm.domain, request).await?;
    let message = ShareMessage::decode(&call.body)?;
    let caller = ocm.domain.authenticate_peer(&call.request(), &senders_of(&message)).await?;
    let taken = ocm.domain.receive_share(caller, message).await?;
    let answer = json!({"recipientDisplayName": taken.recipient_display_name, "recipientUserId": taken.recipient});
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}
