//! Who asks: `Authorization: Basic` or `Bearer`.

use crate::Api;
use crate::error::ApiError;
use axum::extract::{ConnectInfo, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use stitchbox_domain::auth::{Credentials, Entrance};
use stitchbox_domain::{Domain, Error, Principal};

/// Credentials and where they came from, not checked yet.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) credentials: Credentials,
    pub(crate) client: IpAddr,
}

impl Shown {
    /// Logs the person in.
    pub(crate) async fn check(&self, domain: &Domain) -> Result<Principal, Error> {
        domain.login(&self.credentials, self.client, Entrance::Api).await
    }
}

impl<S: Sync> FromRequestParts<S> for Shown {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let value = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credentials = value.and_then(Credentials::parse).ok_or(Error::Unauthenticated)?;
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let client = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        Ok(Self { credentials, client })
    }
}

/// The person who asks, logged in.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let shown = Shown::from_request_parts(parts, api).await?;
        Ok(Self(shown.check(&api.domain).await?))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::House;

    #[tokio::test]
    async fn without_valid_credentials_every_endpoint_asks_for_both_schemes() {
        let house = House::new().await;
        for path in ["/api/v1/runs", "/api/v1/spaces", "/api/v1/runs/1", "/api/v1/runs/events", "/api/v1/trash?space=x"]
        {
            for authorization in [None, Some("Basic !!!"), Some("Bearer garbage"), Some("Basic YWRhOndyb25n")] {
                let answer = house.call_with("GET", path, authorization).await;
                assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{path} {authorization:?}");
                let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
                assert_eq!(challenges.len(), 2);
                assert!(challenges[0].to_str().unwrap().starts_with("Basic "));
            }
        }
    }
}
