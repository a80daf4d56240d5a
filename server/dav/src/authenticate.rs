//! Who asks: the `Authorization` header to a principal.

use crate::mount::{Address, Mount};
use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, header};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use stitchbox_domain::auth::{Credentials, Entrance, ShareCredential};
use stitchbox_domain::{Domain, Error, Location, Principal};

/// Who was found, and the top of what she sees if that is what is shared and nothing else.
pub(crate) type Login = (Principal, Option<Location>);

/// What the client shows; none for what cannot be read.
pub(crate) fn shown(headers: &HeaderMap) -> Option<Credentials> {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(Credentials::parse)
}

/// Logs the client in. Everything that cannot be read is [`Error::Unauthenticated`].
pub(crate) async fn authenticate(domain: &Domain, headers: &HeaderMap, client: IpAddr) -> Result<Login, Error> {
    let shown = shown(headers).ok_or(Error::Unauthenticated)?;
    Ok((domain.login(&shown, client, Entrance::WebDav).await?, None))
}

/// Logs in who comes by a link or a federated share.
pub(crate) async fn by_share(domain: &Domain, credential: ShareCredential, client: IpAddr) -> Result<Login, Error> {
    let (principal, top) = domain.login_share(credential, client).await?;
    Ok((principal, Some(top)))
}

/// What is shown for an address in a mount of shares; none for another address, or where nothing is shown that could
/// open it.
pub(crate) fn share_credential(address: &Address, headers: &HeaderMap) -> Option<ShareCredential> {
    let shown = shown(headers);
    match (&address.mount, shown) {
        (Mount::Link(token), shown) => Some(of_link(token, shown)),
        (Mount::Public, Some(shown)) => Some(of_either(shown)),
        (Mount::Ocm(id), Some(shown)) => Some(of_peer(shown, id.clone())),
        _ => None,
    }
}

/// The address says which link; the login, if there is one, brings the password.
pub(crate) fn of_link(token: &str, shown: Option<Credentials>) -> ShareCredential {
    let password = match shown {
        Some(Credentials::Basic { password, .. }) => Some(password),
        Some(Credentials::Bearer(_)) | None => None,
    };
    ShareCredential::Either { shown: token.to_owned(), password }
}

/// The token of a link with its password, or the secret of a federated share as name without one.
pub(crate) fn of_either(shown: Credentials) -> ShareCredential {
    match shown {
        Credentials::Basic { name, password } => ShareCredential::Either { shown: name, password: Some(password) },
        Credentials::Bearer(secret) => ShareCredential::Federated { secret, provider_id: None },
    }
}

fn of_peer(shown: Credentials, provider_id: Option<String>) -> ShareCredential {
    let secret = match shown {
        Credentials::Bearer(secret) => secret,
        Credentials::Basic { name, .. } => name,
    };
    ShareCredential::Federated { secret, provider_id }
}

/// The address of the connection; failed logins are counted by it.
pub(crate) fn client_address(extensions: &Extensions) -> IpAddr {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}
