//! Trusted proxies: whose word counts on where a request comes from.

use http::HeaderMap;
use http::uri::{Authority, Scheme};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_HOST: &str = "x-forwarded-host";

/// Addresses with a common beginning: `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let shared = u32::from(self.prefix);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= shared,
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= shared,
            _ => false,
        }
    }
}

/// The address a request comes from: the peer's, or, where the peer is a trusted proxy, the last one in
/// `X-Forwarded-For` that is no trusted proxy itself. What stands before it anybody may have written.
pub fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> SocketAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.holds(address));
    let mut client = peer;
    let lines = headers.get_all(FORWARDED_FOR).into_iter();
    let mut hops = lines.flat_map(|line| line.to_str().unwrap_or("unreadable").split(',')).collect::<Vec<_>>();
    while is_trusted(client.ip())
        && let Some(address) = hops.pop().and_then(hop)
    {
        client = SocketAddr::new(address, 0);
    }
    client
}

/// Under which address the client reached the proxy, if the peer is a trusted one and says so: the scheme, and the host.
/// The nearest proxy's word counts, which is the last one.
pub fn outside(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> (Option<Scheme>, Option<Authority>) {
    if !trusted.iter().any(|network| network.holds(peer.ip())) {
        return (None, None);
    }
    let last = |name: &str| {
        let line = headers.get_all(name).into_iter().next_back()?.to_str().ok()?;
        line.rsplit(',').next().map(str::trim).filter(|word| !word.is_empty())
    };
    let scheme = last(FORWARDED_PROTO).and_then(|word| match word.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(Scheme::HTTPS),
        "http" | "ws" => Some(Scheme::HTTP),
        _ => None,
    });
    let host = last(FORWARDED_HOST).filter(|word| !word.contains('@'));
    (scheme, host.and_then(|word| word.parse().ok()))
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// The text is no network.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no address or network such as \"127.0.0.1\", \"10.1.0.0/16\" or \"fd00::/8\"")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let parsed = || {
            let (address, prefix) = text.trim().split_once('/').map_or((text.trim(), None), |(a, p)| (a, Some(p)));
            let address: IpAddr = address.parse().ok()?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.map_or(Some(longest), |prefix| prefix.parse().ok().filter(|bits| *bits <= longest))?;
            Some(Self { address, prefix })
        };
        parsed().ok_or_else(|| NetworkError(text.to_owned()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client(SocketAddr::new(peer.parse().unwrap(), 9), &headers, &trusted).ip().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_where_a_request_comes_from() {
        let local = ["127.0.0.1", "::1", "10.1.0.0/16"];
        for (peer, lines, trusted, expected) in [
            ("127.0.0.1", &["192.0.2.7"][..], &[][..], "127.0.0.1"),
            ("198.51.100.1", &["192.0.2.7"], &local, "198.51.100.1"),
            ("127.0.0.1", &["192.0.2.7"], &local, "192.0.2.7"),
            ("::ffff:127.0.0.1", &["192.0.2.7"], &local, "192.0.2.7"),
            ("::1", &["[2001:db8::5]:4711"], &local, "2001:db8::5"),
            ("127.0.0.1", &["6.6.6.6, 192.0.2.7:80"], &local, "192.0.2.7"),
            ("127.0.0.1", &["6.6.6.6", "192.0.2.7 , 10.1.2.3"], &local, "192.0.2.7"),
            ("127.0.0.1", &["192.0.2.7, unknown"], &local, "127.0.0.1"),
            ("10.2.0.1", &["192.0.2.7"], &local, "10.2.0.1"),
            ("127.0.0.1", &[], &local, "127.0.0.1"),
        ] {
            assert_eq!(seen(peer, lines, trusted), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_which_address_the_client_used() {
        let said = |peer: &str, headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let (scheme, host) =
                outside(SocketAddr::new(peer.parse().unwrap(), 9), &map, &["127.0.0.1".parse().unwrap()]);
            (scheme.map(|scheme| scheme.to_string()), host.map(|host| host.to_string()))
        };
        let text = |text: &str| Some(text.to_owned());
        let told = [("x-forwarded-proto", "https"), ("x-forwarded-host", "box.example:8443")];
        assert_eq!(said("127.0.0.1", &told), (text("https"), text("box.example:8443")));
        assert_eq!(said("192.0.2.1", &told), (None, None));
        assert_eq!(said("127.0.0.1", &[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")]), (None, None));
        assert_eq!(said("127.0.0.1", &[("x-forwarded-host", "eve@box.example")]), (None, None));
        assert_eq!(said("127.0.0.1", &[("x-forwarded-proto", "http, HTTPS")]), (text("https"), None));
        assert_eq!(said("127.0.0.1", &[]), (None, None));
    }

    #[test]
    fn networks_are_read() {
        for wrong in ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().holds("8.8.8.8".parse().unwrap()));
    }
}
