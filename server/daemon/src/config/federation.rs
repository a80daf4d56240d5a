//! `[federation]`: with whom this installation shares over Open Cloud Mesh, and how much of what it receives it keeps.

use super::{Size, Span, load};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use stitchbox_domain::federation::{AutoAccept, TrustPolicy};

/// `[federation]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Federation {
    /// Whether there is any.
    pub enabled: bool,
    /// Whether peers may be reached without TLS.
    pub allow_http_peers: bool,
    /// Whether peers may have private and loopback addresses.
    pub allow_private_addresses: bool,
    /// Certificates (PEM) of authorities trusted beside those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_ca_file: Option<PathBuf>,
    /// Who is spoken with of whom nothing is known.
    pub trust: Trust,
    /// Whether what comes unsigned is refused.
    pub require_signatures: bool,
    /// Whose shares appear without a question.
    pub auto_accept: Accepting,
    /// Most bytes of peers that are kept here.
    pub cache: Size,
    /// How often a received folder is compared with the peer's.
    #[serde(deserialize_with = "load::refresh")]
    pub refresh: Span,
}

/// See [`TrustPolicy`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Everybody but the denied.
    #[default]
    Open,
    /// Only the allowed.
    Allow,
    /// Nobody.
    Deny,
}

/// See [`AutoAccept`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accepting {
    /// Of contacts, and of peers that the administrator allowed.
    #[default]
    Contacts,
    /// Of everybody.
    All,
    /// Of nobody.
    None,
}

impl Default for Federation {
    fn default() -> Self {
        Self {
            enabled: false,
            allow_http_peers: false,
            allow_private_addresses: false,
            extra_ca_file: None,
            trust: Trust::default(),
            require_signatures: false,
            auto_accept: Accepting::default(),
            cache: Size(20 << 30),
            refresh: Span(Duration::from_secs(30)),
        }
    }
}

impl From<Trust> for TrustPolicy {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Open => Self::Open,
            Trust::Allow => Self::Allow,
            Trust::Deny => Self::Deny,
        }
    }
}

impl From<Accepting> for AutoAccept {
    fn from(accepting: Accepting) -> Self {
        match accepting {
            Accepting::Contacts => Self::Contacts,
            Accepting::All => Self::All,
            Accepting::None => Self::None,
        }
    }
}
