//! Who asks: the `Authorization` header to a principal.

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, header};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use stitchbox_domain::auth::{Credentials, Entrance};
use stitchbox_domain::{Domain, Error, Principal};

/// Logs the client in. Everything that cannot be read is [`Error::Unauthenticated`].
pub(crate) async fn authenticate(
    domain: &Domain,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Principal, Error> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = value.and_then(Credentials::parse).ok_or(Error::Unauthenticated)?;
    domain.login(&shown, client_address(extensions), Entrance::WebDav).await
}

/// The address of the connection; failed logins are counted by it.
fn client_address(extensions: &Extensions) -> IpAddr {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}
