//! What an administrator sets about sharing with other installations.

use std::time::Duration;

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
