//! What an endpoint answers instead of a document: `{"error": {"code", "message"}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use stitchbox_domain::federation::FederationRefusal;
use stitchbox_domain::{Error, ShareFault};

/// What stands in the way of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The rules say so.
    #[error("{0}")]
    Domain(#[from] Error),
    /// The request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// There is no such address.
    #[error("the interface has no such address; check it for a slip of the pen")]
    NoSuchEndpoint,
    /// The address cannot be used with this method.
    #[error("this address cannot be used with this method; the header Allow names those it knows")]
    WrongMethod,
}

#[derive(Serialize)]
struct Body {
    error: Inner,
}

#[derive(Serialize)]
struct Inner {
    code: &'static str,
    message: String,
}

impl ApiError {
    /// Status, and a word that programs can rely on.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Domain(error) => of_domain(error),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::NoSuchEndpoint => (StatusCode::NOT_FOUND, "no_such_endpoint"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
        }
    }

    /// The text for the person: what went wrong inside stays in the log.
    fn message(&self) -> String {
        match self {
            Self::Domain(error) if error.is_disk_full() => {
                "the disk of the server is full; nothing was changed; tell the administrator".to_owned()
            }
            Self::Domain(Error::Store(_)) => "the server could not do this because its database failed; try again, \
                and tell the administrator if it stays so"
                .to_owned(),
            Self::Domain(Error::Blob(_)) => {
                "the server could not do this because its blob store failed; try again, and tell the administrator \
                if it stays so"
                    .to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// The one place where the rules' errors become HTTP.
fn of_domain(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
        Error::Exists => (StatusCode::CONFLICT, "exists"),
        Error::ParentMissing => (StatusCode::CONFLICT, "parent_missing"),
        Error::IsFolder => (StatusCode::CONFLICT, "is_folder"),
        Error::NotAFolder => (StatusCode::CONFLICT, "not_a_folder"),
        Error::IntoItself => (StatusCode::CONFLICT, "into_itself"),
        Error::Name(_) => (StatusCode::BAD_REQUEST, "bad_name"),
        Error::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
        Error::Locked { .. } => (StatusCode::LOCKED, "locked"),
        Error::NoSuchLock => (StatusCode::CONFLICT, "no_such_lock"),
        Error::QuotaExceeded { .. } => (StatusCode::INSUFFICIENT_STORAGE, "quota_exceeded"),
        Error::ChecksumMismatch { .. } => (StatusCode::BAD_REQUEST, "checksum_mismatch"),
        Error::ChecksumUnreadable => (StatusCode::BAD_REQUEST, "checksum_unreadable"),
        Error::BodyIncomplete { .. } => (StatusCode::BAD_REQUEST, "body_incomplete"),
        Error::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken"),
        Error::CursorTooOld => (StatusCode::GONE, "cursor_too_old"),
        Error::Collision => (StatusCode::SERVICE_UNAVAILABLE, "collision"),
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Error::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
        Error::Federation(FederationRefusal::Off | FederationRefusal::Settings(_)) => {
            (StatusCode::FORBIDDEN, "federation_off")
        }
        Error::Federation(FederationRefusal::Untrusted(_)) => (StatusCode::FORBIDDEN, "peer_untrusted"),
        Error::Federation(FederationRefusal::MustInvite(_)) => (StatusCode::FORBIDDEN, "must_invite"),
        Error::Federation(FederationRefusal::Address(_) | FederationRefusal::Ourselves(_)) => {
            (StatusCode::BAD_REQUEST, "federated_address")
        }
        Error::Federation(FederationRefusal::Invite) => (StatusCode::BAD_REQUEST, "invite"),
        Error::Federation(FederationRefusal::SharedAlready(_)) => (StatusCode::CONFLICT, "shared_already"),
        Error::WeakPassword => (StatusCode::BAD_REQUEST, "weak_password"),
        Error::TooMuch(_) => (StatusCode::INSUFFICIENT_STORAGE, "too_much"),
        Error::PeerUnavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "peer_unavailable"),
        Error::PeerRefused { .. } => (StatusCode::BAD_GATEWAY, "peer_refused"),
        Error::PeerFull { .. } => (StatusCode::INSUFFICIENT_STORAGE, "peer_full"),
        Error::StaleAtPeer => (StatusCode::SERVICE_UNAVAILABLE, "stale_at_peer"),
        Error::Share(fault) => of_share(fault),
        Error::Store(_) | Error::Blob(_) if error.is_disk_full() => (StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
        Error::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_failed"),
        Error::Blob(_) => (StatusCode::SERVICE_UNAVAILABLE, "blob_store_failed"),
    }
}

fn of_share(fault: &ShareFault) -> (StatusCode, &'static str) {
    match fault {
        ShareFault::NoSuchUser(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no_such_user"),
        ShareFault::NoSuchGroup(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no_such_group"),
        ShareFault::AlreadyShared(_) => (StatusCode::CONFLICT, "already_shared"),
        ShareFault::Oneself
        | ShareFault::IsOwner(_)
        | ShareFault::UploadOnly
        | ShareFault::NoManager
        | ShareFault::PasswordWithoutLink
        | ShareFault::PersonalRoot
        | ShareFault::Expired
        | ShareFault::NoRights
        | ShareFault::TooLong
        | ShareFault::BadRecipient(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad_share"),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        if status == StatusCode::INSUFFICIENT_STORAGE {
            // Nothing is broken; but a full disk is for the administrator to see.
            tracing::warn!(error = %self, code, "a request of the JSON interface found no room");
        } else if status.is_server_error() {
            tracing::error!(error = %self, code, "a request of the JSON interface failed");
        }
        let body = Body { error: Inner { code, message: self.message() } };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Domain(Error::Unauthenticated) => {
                headers
                    .append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Stitchbox\", charset=\"UTF-8\""));
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Stitchbox\""));
            }
            Self::Domain(Error::Throttled { seconds }) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Domain(Error::PeerUnavailable { .. }) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(30));
            }
            Self::Domain(Error::StaleAtPeer) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(2));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_blob::BlobError;
    use stitchbox_store::StoreError;

    #[test]
    fn what_failed_inside_is_not_told_outside() {
        let inside = Error::Store(StoreError::Driver("password of the database".to_owned()));
        assert!(!ApiError::from(inside).message().contains("password"));
        for full in [Error::Blob(BlobError::Full), Error::Store(StoreError::Full)] {
            let full = ApiError::from(full);
            assert!(full.message().contains("full"));
            assert_eq!(full.into_response().status(), StatusCode::INSUFFICIENT_STORAGE);
        }
    }

    #[test]
    fn a_throttled_client_is_told_when_to_come_back() {
        let response = ApiError::from(Error::Throttled { seconds: 4 }).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "4");
    }
}
