//! What a peer is told when its call is not taken: status codes and JSON as the facts, section 3, have them.
//!
//! Never 401 or 404 because of trouble of ours: a peer would take away what its user has.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};
use stitchbox_domain::Error;
use stitchbox_domain::federation::CallRefusal;
use stitchbox_federation::wire::WireError;

/// How long to stay away from a store in trouble, seconds.
const LATER: u64 = 30;

/// Why a call is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The rules say so.
    #[error("{0}")]
    Rules(#[from] CallRefusal),
    /// The body is longer than any honest message.
    #[error("the message is too long")]
    TooLong,
    /// The body broke off.
    #[error("the message broke off")]
    Broken,
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self::Rules(error.into())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Rules(error.into())
    }
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Rules(refusal) => match refusal {
                CallRefusal::Off => StatusCode::NOT_FOUND,
                CallRefusal::Untrusted(_) | CallRefusal::NotAllowed(_) => StatusCode::FORBIDDEN,
                CallRefusal::BadSignature(_) | CallRefusal::Unsigned(_) => StatusCode::UNAUTHORIZED,
                CallRefusal::Wire(error) => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
                // 400 for an unknown share, as Nextcloud answers.
                CallRefusal::Field { .. } | CallRefusal::UnknownShare | CallRefusal::InviteEnded => {
                    StatusCode::BAD_REQUEST
                }
                CallRefusal::InviteTaken => StatusCode::CONFLICT,
                CallRefusal::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
                CallRefusal::Own(Error::Federation(_)) => StatusCode::FORBIDDEN,
                CallRefusal::Own(_) => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Rules(CallRefusal::TooMany { seconds }) => Some(*seconds),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(LATER),
            _ => None,
        }
    }

    fn body(&self) -> Value {
        let (field, word) = match self {
            Self::Rules(CallRefusal::Wire(error)) => (error.field(), error.word()),
            Self::Rules(CallRefusal::Field { name, word, .. }) => (Some(*name), *word),
            _ => (None, ""),
        };
        let message = match self {
            // What failed is for the log, not for a stranger.
            Self::Rules(CallRefusal::Own(error)) if !matches!(error, Error::Federation(_)) => {
                tracing::error!(%error, "a call of a peer failed here");
                "this site is in trouble for a moment; try again later".to_owned()
            }
            _ => self.to_string(),
        };
        match field {
            Some(field) => json!({"message": message, "validationErrors": [{"name": field, "message": word}]}),
            None => json!({"message": message}),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.status();
        tracing::info!(why = %self, status = status.as_u16(), "a call of a peer was not taken");
        let mut response = (status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
