//! What an administrator sets about sharing with other installations.

use std::time::Duration;
use stitchbox_federation::address::Host;

/// With whom this installation shares, and how much it keeps of what it receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationSettings {
    /// The public address, `https://host[:port]`, lower case, no slash at the end. Everything peers are told begins with it.
    pub origin: String,
    /// Whether peers may be reached without TLS.
    pub allow_http_peers: bool,
    /// Whether peers may have private and loopback addresses.
    pub allow_private_addresses: bool,
    /// Certificates (PEM) of authorities trusted beside those of the system.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Who is spoken with.
    pub trust: TrustPolicy,
    /// Whether what comes unsigned is refused.
    pub require_signatures: bool,
    /// Whose shares appear without a question.
    pub auto_accept: AutoAccept,
    /// Most bytes of peers that are kept here.
    pub cache_bytes: u64,
    /// How often a received folder is compared with the peer's.
    pub refresh: Duration,
}

/// Who is spoken with, besides what the administrator said about a single peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrustPolicy {
    /// Everybody but the denied.
    #[default]
    Open,
    /// Only the allowed.
    Allow,
    /// Nobody: nothing new comes or goes, whoever it is.
    Deny,
}

/// Whose shares appear among a user's without a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AutoAccept {
    /// Those of the user's contacts, and of peers that the administrator allowed.
    #[default]
    Contacts,
    /// Everybody's.
    All,
    /// Nobody's.
    None,
}

impl FederationSettings {
    /// host[:port] of the origin, lower case; `None` if it is no `http(s)://host[:port]`.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        let (scheme, host) = self.origin.split_once("://")?;
        let known = matches!(scheme, "https" | "http") && !host.ends_with('/');
        known.then(|| Host::parse(&self.origin).ok()).flatten()
    }
}

#[cfg(test)]
impl FederationSettings {
    /// For tests: everything open, at this origin.
    pub(crate) fn of(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            allow_http_peers: true,
            allow_private_addresses: true,
            extra_ca_pem: None,
            trust: TrustPolicy::Open,
            require_signatures: false,
            auto_accept: AutoAccept::Contacts,
            cache_bytes: 1 << 30,
            refresh: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_that_of_the_origin_without_the_usual_port() {
        let host = |origin: &str| FederationSettings::of(origin).host().map(|host| host.to_string());
        for (origin, expected) in [
            ("https://Box.Example", Some("box.example")),
            ("https://box.example:443", Some("box.example")),
            ("https://box.example:8443", Some("box.example:8443")),
            ("http://localhost", Some("localhost")),
            ("https://box.example/", None),
            ("https://box.example/x", None),
            ("box.example", None),
            ("ftp://box.example", None),
            ("", None),
        ] {
            assert_eq!(host(origin).as_deref(), expected, "{origin}");
        }
    }
}
