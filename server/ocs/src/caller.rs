//! Who asks: `Authorization: Basic` or `Bearer`, through the same door as WebDAV.

use crate::Ocs;
use crate::envelope::Envelope;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use stitchbox_domain::auth::{Credentials, Entrance};
use stitchbox_domain::{Domain, Error, Principal};

/// Where the request came from; failed logins are counted by it.
pub(crate) fn client_address(parts: &Parts) -> IpAddr {
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}

/// Credentials and where they came from, not checked yet.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) credentials: Credentials,
    pub(crate) client: IpAddr,
}

impl Shown {
    /// What the request shows; an error for what is no credentials, `None` if it shows nothing.
    pub(crate) fn read(parts: &Parts) -> Result<Option<Self>, Error> {
        let Some(value) = parts.headers.get(AUTHORIZATION) else { return Ok(None) };
        let credentials = value.to_str().ok().and_then(Credentials::parse).ok_or(Error::Unauthenticated)?;
        Ok(Some(Self { credentials, client: client_address(parts) }))
    }

    /// Logs the person in.
    pub(crate) async fn check(&self, domain: &Domain) -> Result<Principal, Error> {
        domain.login(&self.credentials, self.client, Entrance::WebDav).await
    }
}

/// The person who asks, logged in.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<Ocs> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ocs: &Ocs) -> Result<Self, Response> {
        let MaybeCaller(found) = MaybeCaller::from_request_parts(parts, ocs).await?;
        found.map(Self).ok_or_else(|| Envelope::of(parts).refuse(&Error::Unauthenticated.into()))
    }
}

/// The person who asks, or nobody: for what everybody may know. Wrong credentials are refused all the same.
#[derive(Debug)]
pub(crate) struct MaybeCaller(pub(crate) Option<Principal>);

impl FromRequestParts<Ocs> for MaybeCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ocs: &Ocs) -> Result<Self, Response> {
        let found = match Shown::read(parts) {
            Ok(Some(shown)) => shown.check(&ocs.domain).await.map(Some),
            other => other.map(|_| None),
        };
        found.map(Self).map_err(|error| Envelope::of(parts).refuse(&error.into()))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn without_valid_credentials_there_is_a_challenge_that_every_client_reads() {
        let house = House::new().await;
        for path in ["/ocs/v1.php/cloud/user?format=json", "/ocs/v2.php/cloud/user?format=json"] {
            for authorization in [None, Some("Basic !!!"), Some("Bearer garbage"), Some("Basic YWRhOndyb25n")] {
                let answer = house.call_with("GET", path, authorization).await;
                let code = if path.contains("v1") { 997 } else { 401 };
                assert_eq!((answer.status, answer.code()), (401, code), "{path} {authorization:?}");
                assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Basic "));
                assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
            }
        }
    }
}
