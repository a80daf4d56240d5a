//! The limits of calls to peers.

use std::time::Duration;

/// Whom we call and how long we wait.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Plain http too (tests only).
    pub allow_http: bool,
    /// Private and loopback addresses too (tests only).
    pub allow_private: bool,
    /// More certificates to trust, PEM, any number in one text.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// To connect, TLS included.
    pub connect_timeout: Duration,
    /// For a whole small exchange: discovery, a share, a notification.
    pub document_timeout: Duration,
    /// Without progress on a transfer.
    pub idle_timeout: Duration,
    /// Fewer bytes than these within one idle time-out are no progress: 1 byte/s never ends.
    pub least_progress: u64,
    /// From the end of an upload to its answer: the peer may have to hash and move.
    pub settle_timeout: Duration,
    /// Longest small document, bytes.
    pub max_document_bytes: u64,
    /// Longest listing, bytes.
    pub max_listing_bytes: u64,
    /// Most entries of a listing.
    pub max_entries: usize,
    /// How long a resolved address is kept: the life of a cached discovery.
    pub pin_for: Duration,
    /// `User-Agent`.
    pub user_agent: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_http: false,
            allow_private: false,
            extra_ca_pem: None,
            connect_timeout: Duration::from_secs(5),
            document_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(30),
            least_progress: 4096,
            settle_timeout: Duration::from_secs(120),
            max_document_bytes: 1 << 20,
            max_listing_bytes: 64 << 20,
            max_entries: 100_000,
            pin_for: Duration::from_secs(24 * 3600),
            user_agent: concat!("Stitchbox/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why no client can be made of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The extra certificates are no PEM.
    #[error("the extra certificates are no PEM: give a file with BEGIN CERTIFICATE blocks")]
    BadCertificates,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up ({0}): are CA certificates installed?")]
    NoTls(String),
}
