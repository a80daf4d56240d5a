//! What an administrator may set about other sites.

use std::time::Duration;

/// Whom we share with if the administrator said nothing about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrustRule {
    /// With every peer that is not denied.
    #[default]
    Open,
    /// With allowed peers alone.
    AllowListed,
    /// With nobody, not even allowed peers: federation rests.
    Closed,
}

/// Whose shares are accepted without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoAccept {
    /// Those of the user's contacts, and of allowed peers.
    #[default]
    Contacts,
    /// Everybody's.
    All,
    /// Nobody's.
    None,
}

/// The settings of federation.
#[derive(Debug, Clone)]
pub struct FederationSettings {
    /// `https://host[:port]` as peers call this site, without a slash at the end.
    pub origin: String,
    /// Name of this installation for people.
    pub provider: String,
    /// Whom we share with.
    pub trust: TrustRule,
    /// What is not signed is refused. Cuts off peers that do not sign at all (reva, oCIS, OpenCloud).
    pub require_signatures: bool,
    /// Whose shares are accepted without asking.
    pub auto_accept: AutoAccept,
    /// Peers may be called without TLS. For tests.
    pub allow_http_peers: bool,
    /// Peers may be at private or loopback addresses. For tests, and for sites inside one network.
    pub allow_private_addresses: bool,
    /// Certificates (PEM) of authorities trusted beside the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Most bytes of peers' files kept here.
    pub cache_bytes: u64,
    /// How often received spaces are looked after.
    pub refresh: Duration,
    /// Pauses after the first, second, … failed attempt to say something; the last one repeats.
    pub backoff: Vec<Duration>,
    /// How long something is tried to be said.
    pub patience: Duration,
}

impl Default for FederationSettings {
    fn default() -> Self {
        Self {
            origin: String::new(),
            provider: "Stitchbox".to_owned(),
            trust: TrustRule::default(),
            require_signatures: false,
            auto_accept: AutoAccept::default(),
            allow_http_peers: false,
            allow_private_addresses: false,
            extra_ca_pem: None,
            cache_bytes: 20 << 30,
            refresh: Duration::from_secs(30),
            backoff: [1, 5, 30, 120, 600, 3600].map(Duration::from_secs).to_vec(),
            patience: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

impl FederationSettings {
    /// host[:port] of the origin, lower case; `None` if it is no `http(s)://host[:port]`.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let (scheme, host) = self.origin.split_once("://")?;
        let plain = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
        let default_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return None,
        };
        let host = host.to_ascii_lowercase();
        plain.then(|| host.strip_suffix(default_port).unwrap_or(&host).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_that_of_the_origin_without_a_usual_port() {
        let host = |origin: &str| FederationSettings { origin: origin.to_owned(), ..Default::default() }.host();
        for (origin, expected) in [
            ("https://Box.Example", Some("box.example")),
            ("https://box.example:443", Some("box.example")),
            ("https://box.example:8443", Some("box.example:8443")),
            ("http://localhost:80", Some("localhost")),
            ("https://box.example/", None),
            ("box.example", None),
            ("ftp://box.example", None),
            ("", None),
        ] {
            assert_eq!(host(origin).as_deref(), expected, "{origin}");
        }
    }
}
