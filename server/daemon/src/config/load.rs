//! Reading the configuration: the file, then the environment over it, then what the parts demand of each other.

use super::{BlobKind, Config, Size, Span};
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};
use tracing_subscriber::EnvFilter;

/// Overrides are called `STITCHBOX_<SECTION>__<KEY>`.
const PREFIX: &str = "STITCHBOX_";
const SEPARATOR: &str = "__";

/// Values that are not texts: in the environment they stand without quotes.
const NOT_TEXT: [(&str, &str); 8] = [
    ("jobs", "workers"),
    ("jobs", "attempts"),
    ("keep", "thin_versions"),
    ("auth", "account_passwords_on_webdav"),
    ("federation", "enabled"),
    ("federation", "allow_http_peers"),
    ("federation", "allow_private_addresses"),
    ("federation", "require_signatures"),
];

/// Lists: in the environment their values stand between commas.
const LISTS: [(&str, &str); 1] = [("server", "trusted_proxies")];

/// Variables that begin like ours and are no overrides: of the command lines, of the client, of the tests.
const OTHER_VARIABLES: [&str; 15] = [
    "CONFIG",
    "DATA",
    "BIN",
    "SERVER",
    "USER",
    "PASSWORD_FILE",
    "TOKEN_FILE",
    "CA_FILE",
    "NO_SKIP",
    "SHARED_DATA",
    "KILLS",
    "KILL_SEED",
    "MUTATIONS",
    "KEEP_REPORT",
    crate::wire::CLOCK_OFFSET_NAME,
];

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something that cannot be.
    #[error("the configuration {path} cannot be used: {reason}")]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Line and reason.
        reason: String,
    },
    /// An environment variable says something that cannot be.
    #[error("the environment variable {variable} cannot be used: {reason}")]
    Override {
        /// Its name.
        variable: String,
        /// Why.
        reason: String,
    },
    /// Values that do not go together.
    #[error("the configuration cannot be used: {0}")]
    Together(String),
}

impl Config {
    /// Reads the file (defaults if none) and lets the environment override it.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            Some(path) => read_file(path)?,
            None => Table::new(),
        };
        for (variable, text) in environment {
            if let Some((section, key)) = section_and_key(&variable) {
                let value = checked_override(&variable, &section, &key, &text)?;
                if let Value::Table(values) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
                    values.insert(key, value);
                }
            } else if is_mistaken(&variable) {
                let reason =
                    "it is none of ours; settings are called STITCHBOX_<SECTION>__<KEY>, with two underscores \
                              between section and key"
                        .to_owned();
                return Err(ConfigError::Override { variable, reason });
            }
        }
        let config: Self = table.try_into().map_err(|error| ConfigError::Together(error.to_string()))?;
        config.check_together()?;
        Ok(config)
    }

    fn check_together(&self) -> Result<(), ConfigError> {
        let wrong = |reason: &str| Err(ConfigError::Together(reason.to_owned()));
        if self.database.url.is_some() && self.database.url_file.is_some() {
            return wrong("[database] has both url and url_file; keep one of them");
        }
        let (server, federation) = (&self.server, &self.federation);
        if server.tls_certificate.is_some() != server.tls_key.is_some() {
            return wrong("[server] has only one of tls_certificate and tls_key; TLS needs both");
        }
        if federation.enabled {
            let Some(origin) = &server.origin else {
                return wrong("[federation] enabled needs [server] origin, the address that peers know us by; add it");
            };
            if !origin.is_secure() && !federation.allow_http_peers {
                return wrong(
                    "[federation] enabled needs a [server] origin with https; for a test without TLS set allow_http_peers",
                );
            }
        }
        let blobs = &self.blobs;
        let s3_words = [
            ("endpoint", blobs.endpoint.is_some()),
            ("bucket", blobs.bucket.is_some()),
            ("access_key_file", blobs.access_key_file.is_some()),
            ("secret_key_file", blobs.secret_key_file.is_some()),
        ];
        for (word, given) in s3_words {
            match blobs.kind {
                BlobKind::S3 if !given => return wrong(&format!("[blobs] kind = \"s3\" needs {word}; add it")),
                BlobKind::Local if given => {
                    return wrong(&format!("[blobs] {word} needs kind = \"s3\"; add that, or remove {word}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let wrong =
        |error: toml::de::Error| ConfigError::Wrong { path: path.to_owned(), reason: place_and_reason(&text, &error) };
    // Read as what it is first: only so do errors name their line.
    toml::from_str::<Config>(&text).map_err(wrong)?;
    toml::from_str(&text).map_err(wrong)
}

/// Line, key and message. Never the line itself: there may be a password in it.
fn place_and_reason(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim().replace('\n', ", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return message };
    let line = before.matches('\n').count();
    let key = text.lines().nth(line).and_then(|text| text.split_once('=')).map(|(key, _)| key.trim());
    let is_key = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let key = key.filter(is_key).map_or_else(String::new, |key| format!(", {key}"));
    format!("line {}{key}: {message}", line + 1)
}

/// Whether somebody meant a setting and wrote it wrongly: it would have no effect and nobody would know.
fn is_mistaken(variable: &str) -> bool {
    let ours = |name: &str| OTHER_VARIABLES.contains(&name) || name.ends_with("_BIN");
    variable.strip_prefix(PREFIX).is_some_and(|name| !ours(name))
}

/// `STITCHBOX_SERIES__QUIET` is `series`, `quiet`.
fn section_and_key(variable: &str) -> Option<(String, String)> {
    let (section, key) = variable.strip_prefix(PREFIX)?.split_once(SEPARATOR)?;
    Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
}

fn checked_override(variable: &str, section: &str, key: &str, text: &str) -> Result<Value, ConfigError> {
    let value = if NOT_TEXT.contains(&(section, key)) {
        let number = text.parse().map(Value::Integer).ok();
        let flag = text.parse().map(Value::Boolean).ok();
        number.or(flag).unwrap_or_else(|| Value::String(text.to_owned()))
    } else if LISTS.contains(&(section, key)) {
        let values = text.split(',').map(str::trim).filter(|value| !value.is_empty());
        Value::Array(values.map(|value| Value::String(value.to_owned())).collect())
    } else {
        Value::String(text.to_owned())
    };
    let alone =
        Table::from_iter([(section.to_owned(), Value::Table(Table::from_iter([(key.to_owned(), value.clone())])))]);
    let checked: Result<Config, _> = alone.try_into();
    checked.map_err(|error| ConfigError::Override {
        variable: variable.to_owned(),
        reason: error.to_string().trim().to_owned(),
    })?;
    Ok(value)
}

/// Refuses databases we do not know, and passwords that would end up in listings of processes and files.
pub(super) fn database_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(deserializer)?;
    check_database_url(&url).map_err(serde::de::Error::custom)?;
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let has_password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    if has_password || url.contains("password=") {
        return Err(serde::de::Error::custom(
            "the url contains a password; write the url into a file that only the server may read, and name it in url_file",
        ));
    }
    Ok(Some(url))
}

/// Whether the address is one of a database we know. The text does not repeat it: it may hold a password.
pub(crate) fn check_database_url(url: &str) -> Result<(), &'static str> {
    let known = ["postgres://", "postgresql://", "sqlite://"].iter().any(|scheme| url.starts_with(scheme));
    if known { Ok(()) } else { Err("the url must begin with postgres:// or sqlite://") }
}

/// Refuses what the logger cannot read.
pub(super) fn log_filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let filter = String::deserialize(deserializer)?;
    EnvFilter::try_new(&filter)
        .map_err(|error| serde::de::Error::custom(format!("the filter cannot be read: {error}")))?;
    Ok(filter)
}

fn bounded<'de, D: Deserializer<'de>>(deserializer: D, least: Span, most: Span) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if (least.0..=most.0).contains(&span.0) {
        return Ok(span);
    }
    Err(serde::de::Error::custom(format!("{span} is out of bounds; take something from {least} to {most}")))
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

const fn seconds(count: u64) -> Span {
    Span(Duration::from_secs(count))
}

/// A series is not complete between two files of one upload, nor a week later.
pub(super) fn quiet<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, Span(Duration::from_millis(100)), seconds(7 * 24 * HOUR))
}

/// Long enough for a few signs of life.
pub(super) fn lease<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, seconds(1), seconds(24 * HOUR))
}

/// A version that is being read keeps its bytes, and so does a backup of the database that is being made.
pub(super) fn kept_blobs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, seconds(HOUR), seconds(365 * 24 * HOUR))
}

/// A token cannot be taken back; one that ends at once is none.
pub(super) fn token_lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, seconds(MINUTE), seconds(24 * HOUR))
}

/// Peers are not asked without a pause, nor forgotten.
pub(super) fn refresh<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, Span(Duration::from_millis(200)), seconds(7 * 24 * HOUR))
}

/// Whoever asked the program to end waits for it.
pub(super) fn drain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    bounded(deserializer, Span(Duration::from_millis(1)), seconds(24 * HOUR))
}

/// Least memory a process is given for its runs, bytes.
const LEAST_MEMORY: Size = Size(256 << 20);

/// Less than any real series needs is a mistake.
pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
    let size = Size::deserialize(deserializer)?;
    if size.0 < LEAST_MEMORY.0 {
        return Err(serde::de::Error::custom(format!("{size} is too little; give at least {LEAST_MEMORY}")));
    }
    Ok(Some(size))
}
