//! Who asks: `Authorization: Basic` or `Bearer`.

use crate::Api;
use crate::error::ApiError;
use axum::extract::{ConnectInfo, FromRequestParts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use stitchbox_domain::auth::Entrance;
use stitchbox_domain::{Domain, Error, Principal};

/// What the client showed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    Basic { name: String, password: String },
    Bearer(String),
}

/// Credentials and where they came from, not checked yet.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) shown: Shown,
    pub(crate) client: IpAddr,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Checks them.
    pub(crate) async fn check(&self, domain: &Domain) -> Result<Principal, Error> {
        match &self.shown {
            Shown::Basic { name, password } => domain.login_basic(name, password, self.client, Entrance::Api).await,
            Shown::Bearer(token) => domain.login_bearer(token).await,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Credentials {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let value = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = value.and_then(read).ok_or(Error::Unauthenticated)?;
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let client = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        Ok(Self { shown, client })
    }
}

fn read(value: &str) -> Option<Shown> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Shown::Bearer(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Shown::Basic { name: name.to_owned(), password: password.to_owned() })
}

/// The person who asks, logged in.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Principal);

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let credentials = Credentials::from_request_parts(parts, api).await?;
        Ok(Self(credentials.check(&api.domain).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[test]
    fn both_schemes_are_read_in_any_case() {
        let basic = format!("bAsIc {}", STANDARD.encode("ada:pass:wörd"));
        let expected = Shown::Basic { name: "ada".to_owned(), password: "pass:wörd".to_owned() };
        assert!(read(&basic) == Some(expected));
        assert!(read("BEARER  x ") == Some(Shown::Bearer("x".to_owned())));
        for garbled in ["", "Basic", "Basic !!!", "Digest x", "Basic eA=="] {
            assert!(read(garbled).is_none(), "{garbled}");
        }
    }

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
