//! The server's own address as the client sees it: for answers that hold whole URLs.

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, Scheme};
use std::convert::Infallible;

/// Scheme and authority of the address the client used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnAddress {
    secure: bool,
    authority: String,
}

impl OwnAddress {
    /// Where a trusted proxy or the TLS listener said nothing, the connection is what it looks like: plain HTTP.
    pub(crate) fn of(parts: &Parts) -> Self {
        let scheme = parts.extensions.get::<Scheme>().or_else(|| parts.uri.scheme());
        let told = parts.extensions.get::<Authority>().map(ToString::to_string);
        let header = || parts.headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
        let asked = || parts.uri.authority().cloned().or_else(header);
        // An authority was parsed, so it holds no slash, quote or blank that could break out of a URL.
        let authority = told.or_else(|| Some(without_login(&asked()?).to_owned()));
        Self { secure: scheme == Some(&Scheme::HTTPS), authority: authority.unwrap_or_else(|| "localhost".to_owned()) }
    }

    /// The address without path and final slash, such as `https://box.example`.
    pub(crate) fn base(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority)
    }

    /// Whether the client came by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether a browser calls this server so. The scheme is not looked at: a proxy may not tell it.
    pub(crate) fn is_origin(&self, origin: &str) -> bool {
        origin.split_once("://").is_some_and(|(_, authority)| authority == self.authority)
    }

    /// The same for a WebSocket.
    pub(crate) fn socket_base(&self) -> String {
        format!("{}://{}", if self.secure { "wss" } else { "ws" }, self.authority)
    }
}

/// What somebody writes before an `@` is no part of an address.
fn without_login(authority: &Authority) -> &str {
    authority.as_str().rsplit('@').next().unwrap_or_default()
}

impl<S: Sync> axum::extract::FromRequestParts<S> for OwnAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(uri: &str, host: &str) -> Parts {
        Request::get(uri).header("host", host).body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_address_is_the_one_the_client_used() {
        let mut plain = parts("/status.php", "box.example:8080");
        assert_eq!(OwnAddress::of(&plain).base(), "http://box.example:8080");
        plain.extensions.insert(Scheme::HTTPS);
        assert_eq!(OwnAddress::of(&plain).base(), "https://box.example:8080");
        plain.extensions.insert(Authority::from_static("outside.example"));
        assert_eq!(OwnAddress::of(&plain).socket_base(), "wss://outside.example");
        assert_eq!(OwnAddress::of(&parts("http://h2.example/x", "other")).base(), "http://h2.example");
    }

    #[test]
    fn a_hostile_host_cannot_break_out() {
        for host in ["a b", "x/../y", "\"><script>", "a@b@", ""] {
            let base = OwnAddress::of(&parts("/", host)).base();
            let rest = base.strip_prefix("http://").unwrap();
            assert!(!rest.contains(['/', ' ', '"', '<', '@']), "{base}");
        }
        assert_eq!(OwnAddress::of(&parts("/", "eve:x@box.example")).base(), "http://box.example");
    }
}
