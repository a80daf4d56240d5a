//! `POST /ocm/token`: the secret of a share for a token that opens it for a while (facts, section 7).

use crate::Ocm;
use crate::call::Call;
use crate::refusal::Refused;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{Request, StatusCode};
use stitchbox_domain::federation::{CallRefusal, ExchangeRefusal};
use stitchbox_federation::address::Host;
use stitchbox_federation::wire::{TokenError, TokenRequest};

pub(crate) async fn post(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Response, Refused> {
    let call = Call::read(&ocm.domain, request).await?;
    let asked = match TokenRequest::decode(&call.body) {
        Ok(asked) => asked,
        Err(error) => return Ok(refuse(StatusCode::BAD_REQUEST, error)),
    };
    let Ok(client) = Host::parse(&asked.client_id) else {
        return Ok(refuse(StatusCode::BAD_REQUEST, TokenError::InvalidClient));
    };
    let caller = match ocm.domain.authenticate_peer(&call.request(), &[client]).await {
        Ok(caller) => caller,
        Err(CallRefusal::BadSignature(_) | CallRefusal::Unsigned(_)) => {
            return Ok(refuse(StatusCode::UNAUTHORIZED, TokenError::InvalidClient));
        }
        Err(CallRefusal::Untrusted(_) | CallRefusal::NotAllowed(_)) => {
            return Ok(refuse(StatusCode::BAD_REQUEST, TokenError::UnauthorizedClient));
        }
        Err(other) => return Err(other.into()),
    };
    match ocm.domain.exchange_secret(caller, asked).await {
        Ok(answer) => Ok(([(CACHE_CONTROL, "no-store")], Json(answer.encode())).into_response()),
        Err(ExchangeRefusal::Refused(error)) => Ok(refuse(StatusCode::BAD_REQUEST, error)),
        Err(ExchangeRefusal::Own(error)) => Err(error.into()),
    }
}

fn refuse(status: StatusCode, error: TokenError) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(error.encode())).into_response()
}
