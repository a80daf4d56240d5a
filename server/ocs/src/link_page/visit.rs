//! Who comes by a link, and where to.

use super::cookie;
use crate::Ocs;
use crate::error::OcsError;
use crate::page::{escape, page, password_form_of_link};
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::net::IpAddr;
use stitchbox_domain::auth::ShareCredential;
use stitchbox_domain::{Error, ItemPath, Location, Principal};

/// A visitor who is let in.
pub(super) struct Visit {
    /// Acts by the link and nothing else.
    pub principal: Principal,
    /// The place below it that was asked for.
    pub at: Location,
    /// The names that lead there from the top.
    pub below: ItemPath,
}

impl Visit {
    /// Lets a visitor in, by the cookie where the link has a password.
    pub(super) async fn begin(
        ocs: &Ocs,
        token: &str,
        headers: &HeaderMap,
        client: IpAddr,
        path: &str,
    ) -> Result<Self, Error> {
        let token = token.to_owned();
        let credential = match cookie::read(headers, &token) {
            Some(pass) => ShareCredential::Pass { token, pass },
            None => ShareCredential::Link { token, password: None },
        };
        let (principal, top) = ocs.domain.login_share(credential, client).await?;
        let below = ItemPath::parse(path)?;
        let mut at = top;
        for name in below.names() {
            at = at.at(at.path.join(name.clone()));
        }
        Ok(Self { principal, at, below })
    }
}

/// What a visitor who is not let in sees. A link that never was looks like one that wants a password: nobody learns which
/// there are.
pub(super) fn refusal(error: Error, trouble: Option<&str>) -> Response {
    match error {
        Error::Unauthenticated => {
            page(StatusCode::UNAUTHORIZED, "This link needs a password", &password_form_of_link(trouble))
        }
        Error::NotFound => page(
            StatusCode::NOT_FOUND,
            "Nothing here",
            "<p>This link does not exist (any more), or what it leads to was removed. Ask who gave it to you.</p>",
        ),
        other => {
            let other = OcsError::from(other);
            let status = other.status();
            if status.is_server_error() {
                tracing::error!(error = %other, "the page of a link failed");
            }
            let body = format!("<p class=\"trouble\" role=\"alert\">{}</p>", escape(&other.message()));
            let mut response = page(status, "That did not work", &body);
            if let Some(seconds) = other.retry_after() {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}
