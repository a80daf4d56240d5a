//! The address a request came from.

use crate::caller::client_address;
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;
use std::net::IpAddr;

/// Failed logins are counted by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(client_address(parts)))
    }
}
