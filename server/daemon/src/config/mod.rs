//! The configuration: one TOML file, sections of plain values, every one with a default. `deploy/stitchboxd.toml` is
//! its manual; a test holds the two together. Secrets are never values here, only names of files.

mod federation;
mod keep;
mod load;
mod origin;
mod units;

pub use federation::Federation;
pub use keep::Keep;
pub use load::ConfigError;
pub(crate) use load::check_database_url;
pub use origin::Origin;
pub use units::{Size, Span, UnitError};

use crate::proxies::Network;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything an administrator may set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The listening socket.
    pub server: Server,
    /// Where the metadata is.
    pub database: Database,
    /// Where the bytes are.
    pub blobs: Blobs,
    /// When a series counts as complete.
    pub series: Series,
    /// Who computes runs.
    pub jobs: Jobs,
    /// How long things are kept that nobody sees any more.
    pub keep: Keep,
    /// Login.
    pub auth: Auth,
    /// With whom is shared over Open Cloud Mesh.
    pub federation: Federation,
    /// What is logged.
    pub log: Log,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// The public address: what others are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The certificate (PEM, with those between it and its authority) for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Proxies whose word on the client's address counts.
    pub trusted_proxies: Vec<Network>,
    /// How long requests and runs under way may take to end when the program ends.
    #[serde(deserialize_with = "load::drain")]
    pub drain: Span,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8741)),
            origin: None,
            tls_certificate: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            drain: Span(Duration::from_secs(30)),
        }
    }
}

/// `[database]`: neither means SQLite in the data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://…` or `sqlite://…`, without a password.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "load::database_url")]
    pub url: Option<String>,
    /// A file that holds the address, password and all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
}

/// Kind of blob store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobKind {
    /// The data folder.
    #[default]
    Local,
    /// An object store that speaks S3.
    S3,
}

/// `[blobs]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blobs {
    /// Where.
    pub kind: BlobKind,
    /// Address of the object store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Bucket, which must exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Region; most stores of one's own do not care.
    pub region: String,
    /// A file that holds the access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_file: Option<PathBuf>,
    /// A file that holds the secret key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<PathBuf>,
}

impl Default for Blobs {
    fn default() -> Self {
        Self {
            kind: BlobKind::Local,
            endpoint: None,
            bucket: None,
            region: "us-east-1".to_owned(),
            access_key_file: None,
            secret_key_file: None,
        }
    }
}

/// `[series]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Series {
    /// Quiet time after which a series without expected count or marker is complete.
    #[serde(deserialize_with = "load::quiet")]
    pub quiet: Span,
}

impl Default for Series {
    fn default() -> Self {
        Self { quiet: Span(Duration::from_secs(10)) }
    }
}

/// `[jobs]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jobs {
    /// Workers inside `serve`.
    pub workers: u16,
    /// How long a run stays with a worker that gives no sign of life.
    #[serde(deserialize_with = "load::lease")]
    pub lease: Span,
    /// Attempts before a run ends as failed.
    pub attempts: std::num::NonZeroU32,
    /// Most memory the runs of one process may take together; none: half of the machine's.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "load::memory")]
    pub memory: Option<Size>,
}

impl Default for Jobs {
    fn default() -> Self {
        let attempts = std::num::NonZeroU32::MIN.saturating_add(2);
        Self { workers: 1, lease: Span(Duration::from_secs(30)), attempts, memory: None }
    }
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Whether account passwords, not only app passwords, open WebDAV.
    pub account_passwords_on_webdav: bool,
    /// How long a bearer token holds.
    #[serde(deserialize_with = "load::token_lifetime")]
    pub token_lifetime: Span,
    /// A file that holds the key that signs tokens, for several servers of one installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_key_file: Option<PathBuf>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            account_passwords_on_webdav: true,
            token_lifetime: Span(Duration::from_secs(15 * 60)),
            token_key_file: None,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged, as `level` or `target=level`, separated by commas.
    #[serde(deserialize_with = "load::log_filter")]
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Config {
    /// The settings of the rules.
    #[must_use]
    pub fn settings(&self) -> stitchbox_domain::Settings {
        stitchbox_domain::Settings {
            quiet: self.series.quiet.0,
            lease: self.jobs.lease.0,
            attempts: self.jobs.attempts.get(),
            account_passwords_on_webdav: self.auth.account_passwords_on_webdav,
            token_lifetime: self.auth.token_lifetime.0,
            keep: self.keep.settings(),
        }
    }

    /// The settings of sharing with other installations, but for the certificates of authorities, which are in a file;
    /// nothing when there is none.
    #[must_use]
    pub fn federation_settings(&self) -> Option<stitchbox_domain::federation::FederationSettings> {
        let federation = &self.federation;
        let origin = self.server.origin.as_ref().filter(|_| federation.enabled)?;
        Some(stitchbox_domain::federation::FederationSettings {
            origin: origin.as_str().to_owned(),
            allow_http_peers: federation.allow_http_peers,
            allow_private_addresses: federation.allow_private_addresses,
            extra_ca_pem: None,
            trust: federation.trust.into(),
            require_signatures: federation.require_signatures,
            auto_accept: federation.auto_accept.into(),
            cache_bytes: federation.cache.0,
            refresh: federation.refresh.0,
        })
    }

    /// The whole configuration as TOML. There is no secret in it.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

#[cfg(test)]
mod tests;
