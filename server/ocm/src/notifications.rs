//! `POST /ocm/notifications`: what became of a share (facts, section 4).

use crate::Ocm;
use crate::call::Call;
use crate::refusal::Refused;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use stitchbox_domain::federation::CallRefusal;
use stitchbox_federation::wire::{Notification, WireError};

pub(crate) async fn post(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Response, Refused> {
    let call = Call::read_notification(&ocm.domain, request).await?;
    let said = Notification::decode(&call.body).map_err(plainly_wrong)?;
    let signed = call.request();
    let partners = ocm.domain.notifiers_of(&said, signed.is_signed()).await?;
    let caller = ocm.domain.authenticate_peer(&signed, &partners).await?;
    let answer = ocm.domain.receive_notification(caller, said).await?;
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// A notification that is not known is answered 400, not 501, as Nextcloud does.
fn plainly_wrong(error: WireError) -> Refused {
    match (error.status(), error.field()) {
        (501, Some(name)) => {
            CallRefusal::Field { name, word: error.word(), text: "this kind of notification is not known here" }.into()
        }
        _ => error.into(),
    }
}
