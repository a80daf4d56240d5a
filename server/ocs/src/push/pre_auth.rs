//! `POST /index.php/apps/notify_push/pre_auth`: a token that opens the WebSocket within 15 seconds, as plain text.

use crate::Ocs;
use crate::caller::Shown;
use crate::error::OcsError;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use stitchbox_domain::Error;

pub(crate) async fn post(State(ocs): State<Ocs>, parts: Parts) -> Response {
    match token(&ocs, &parts).await {
        Ok(token) => ([(CONTENT_TYPE, "text/plain"), (CACHE_CONTROL, "no-store")], token).into_response(),
        Err(error) => OcsError::from(error).plain(),
    }
}

async fn token(ocs: &Ocs, parts: &Parts) -> Result<String, Error> {
    let shown = Shown::read(parts)?.ok_or(Error::Unauthenticated)?;
    ocs.domain.socket_token(&shown.credentials, shown.client).await
}
