//! `POST /ocm/invite-accepted`: somebody at a peer accepts an invite of somebody here (facts, section 6).

use crate::Ocm;
use crate::call::Call;
use crate::refusal::Refused;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::Request;
use serde_json::Value;
use stitchbox_federation::wire::InviteAccepted;

pub(crate) async fn post(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Json<Value>, Refused> {
    let call = Call::read(&ocm.domain, request).await?;
    let said = InviteAccepted::decode(&call.body)?;
    let claimed = [said.recipient_provider.clone()];
    let caller = ocm.domain.authenticate_peer(&call.request(), &claimed).await?;
    Ok(Json(ocm.domain.receive_acceptance(caller, said).await?.encode()))
}
