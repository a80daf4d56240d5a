//! Why a call was not answered with a document.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use stitchbox_domain::federation::FederationRefusal;
use stitchbox_domain::{Error, ShareFault};

/// Basic alone: clients of Nextcloud take the word Bearer for a different way to log in.
pub(crate) const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"Stitchbox\", charset=\"UTF-8\"");

/// What stands in the way of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OcsError {
    /// The rules say so.
    #[error("{0}")]
    Domain(#[from] Error),
    /// It may not be done this way.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It cannot be understood.
    #[error("{0}")]
    BadRequest(&'static str),
    /// There is no such address.
    #[error("this server has nothing at this address")]
    NoSuchEndpoint,
    /// The address cannot be used with this method.
    #[error("this address cannot be used with this method; the header Allow names those it knows")]
    WrongMethod,
}

impl OcsError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Domain(error) => of_domain(error),
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchEndpoint => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The text for the person: what went wrong inside stays in the log.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Domain(error) if error.is_disk_full() => {
                "the disk of the server is full; nothing was changed; tell the administrator".to_owned()
            }
            Self::Domain(Error::Store(_) | Error::Blob(_)) => {
                "the server could not do this because its storage failed; try again, and tell the administrator if it \
                 stays so"
                    .to_owned()
            }
            other => other.to_string(),
        }
    }

    /// The answer where it is no part of OCS.
    pub(crate) fn plain(&self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = %self, "a request failed");
        }
        let mut response = (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], self.message()).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Seconds until it is worth another try.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Domain(Error::Throttled { seconds }) => Some(*seconds),
            Self::Domain(Error::PeerUnavailable { .. }) => Some(30),
            Self::Domain(Error::StaleAtPeer) => Some(2),
            _ => None,
        }
    }
}

/// The one place where the rules' errors become HTTP.
fn of_domain(error: &Error) -> StatusCode {
    match error {
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::Forbidden(_)
        | Error::Federation(
            FederationRefusal::Off
            | FederationRefusal::Settings(_)
            | FederationRefusal::Untrusted(_)
            | FederationRefusal::MustInvite(_),
        ) => StatusCode::FORBIDDEN,
        Error::Federation(FederationRefusal::SharedAlready(_)) => StatusCode::CONFLICT,
        Error::Federation(
            FederationRefusal::Address(_) | FederationRefusal::Ourselves(_) | FederationRefusal::Invite,
        ) => StatusCode::BAD_REQUEST,
        Error::Exists
        | Error::ParentMissing
        | Error::IsFolder
        | Error::NotAFolder
        | Error::IntoItself
        | Error::NoSuchLock => StatusCode::CONFLICT,
        Error::Name(_)
        | Error::ChecksumMismatch { .. }
        | Error::ChecksumUnreadable
        | Error::BodyIncomplete { .. }
        | Error::BodyBroken
        | Error::WeakPassword => StatusCode::BAD_REQUEST,
        Error::CursorTooOld => StatusCode::GONE,
        Error::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Error::Locked { .. } => StatusCode::LOCKED,
        Error::QuotaExceeded { .. } | Error::TooMuch(_) => StatusCode::INSUFFICIENT_STORAGE,
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Share(fault) => of_share(fault),
        Error::Store(_) | Error::Blob(_) if error.is_disk_full() => StatusCode::INSUFFICIENT_STORAGE,
        Error::PeerFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Error::PeerRefused { .. } => StatusCode::BAD_GATEWAY,
        Error::PeerUnavailable { .. } | Error::StaleAtPeer => StatusCode::SERVICE_UNAVAILABLE,
        Error::Store(_) | Error::Blob(_) | Error::Collision => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// As Nextcloud answers them: clients show the message for 403 and 404.
fn of_share(fault: &ShareFault) -> StatusCode {
    match fault {
        ShareFault::NoSuchUser(_) | ShareFault::NoSuchGroup(_) => StatusCode::NOT_FOUND,
        ShareFault::AlreadyShared(_)
        | ShareFault::Oneself
        | ShareFault::IsOwner(_)
        | ShareFault::UploadOnly
        | ShareFault::NoManager
        | ShareFault::PersonalRoot => StatusCode::FORBIDDEN,
        ShareFault::PasswordWithoutLink
        | ShareFault::Expired
        | ShareFault::NoRights
        | ShareFault::TooLong
        | ShareFault::BadRecipient(_) => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_store::StoreError;

    #[test]
    fn what_failed_inside_is_not_told_outside() {
        let inside = OcsError::from(Error::Store(StoreError::Driver("password of the database".to_owned())));
        assert!(!inside.message().contains("password"));
        assert_eq!(inside.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
