//! Who asks: the `Authorization` header to a principal, Basic or Bearer.

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use stitchbox_domain::auth::Entrance;
use stitchbox_domain::{Domain, Error, Principal};

/// What a client shows.
#[derive(Debug, PartialEq, Eq)]
enum Credentials {
    Basic { name: String, password: String },
    Bearer(String),
}

/// Logs the client in. Everything that cannot be read is [`Error::Unauthenticated`].
pub(crate) async fn authenticate(
    domain: &Domain,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Principal, Error> {
    match credentials(headers).ok_or(Error::Unauthenticated)? {
        Credentials::Basic { name, password } => {
            domain.login_basic(&name, &password, client_address(extensions), Entrance::WebDav).await
        }
        Credentials::Bearer(token) => domain.login_bearer(&token).await,
    }
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Bearer(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Credentials::Basic { name: name.to_owned(), password: password.to_owned() })
}

/// The address of the connection; failed logins are counted by it.
fn client_address(extensions: &Extensions) -> IpAddr {
    let connection = extensions.get::<ConnectInfo<SocketAddr>>();
    connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(value: &str) -> Option<Credentials> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        credentials(&headers)
    }

    #[test]
    fn credentials_are_read_or_refused() {
        let basic = format!("basic {}", STANDARD.encode("anna:pass:wörd"));
        let expected = Credentials::Basic { name: "anna".to_owned(), password: "pass:wörd".to_owned() };
        assert_eq!(read(&basic), Some(expected));
        assert_eq!(read("Bearer abc"), Some(Credentials::Bearer("abc".to_owned())));
        for wrong in ["Basic !!!notbase64", "Basic", "Basic YQ==", "Digest x", "Basic /w=="] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
