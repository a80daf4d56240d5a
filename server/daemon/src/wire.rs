//! Joining the parts: configuration and data folder to a domain.

use crate::config::{BlobKind, Blobs, Config, check_database_url};
use crate::data_folder::{self, DATABASE_FILE, DataFolder, read_key};
use crate::failure::Failure;
use opendal::layers::{ConcurrentLimitLayer, RetryLayer, TimeoutLayer, TracingLayer};
use opendal::{HttpTransporter, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stitchbox_blob::{BlobError, BlobStore};
use stitchbox_domain::federation::FederationSettings;
use stitchbox_domain::{Clock, Domain, SystemClock};
use stitchbox_schema::Timestamp;
use stitchbox_store::Store;

/// Longest time one request to the object store may take before its first byte.
const REMOTE_PATIENCE: Duration = Duration::from_secs(60);
/// Requests to the object store under way at once.
const REMOTE_REQUESTS: usize = 64;
/// `STITCHBOX_` and this: seconds by which the clock of a debug build is wrong, so that tests can see what peers make of it.
pub const CLOCK_OFFSET_NAME: &str = "TEST_CLOCK_OFFSET";

/// The parts of a running program.
#[derive(Debug, Clone)]
pub struct House {
    /// The rules over both stores.
    pub domain: Domain,
    /// The blob store by itself, for clearing its staging place.
    pub blobs: BlobStore,
}

/// To be called once, before anything speaks TLS.
pub fn prepare_tls() {
    // A second call finds the first one's provider, which is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Opens both stores, bringing the schema up to date.
pub async fn open(config: &Config, data: &DataFolder) -> Result<House, Failure> {
    prepare_tls();
    let token_key = match &config.auth.token_key_file {
        Some(file) => read_key(file)?,
        None => data.token_key()?,
    };
    let store = Store::open(&database_url(config, data)?).await?;
    let blobs = match config.blobs.kind {
        BlobKind::Local => BlobStore::local(data.path())?,
        BlobKind::S3 => BlobStore::remote(object_store(&config.blobs)?),
    };
    let mut domain = Domain::new(store, blobs.clone(), clock(), config.settings(), &token_key).await?;
    if let Some(settings) = federation_settings(config)? {
        domain = domain.with_federation(settings).await?;
    }
    Ok(House { domain, blobs })
}

/// What `[federation]` says, with the certificates it names; nothing when there is no federation.
///
/// # Errors
/// When the file with certificates cannot be read or holds none.
pub fn federation_settings(config: &Config) -> Result<Option<FederationSettings>, Failure> {
    let Some(mut settings) = config.federation_settings() else { return Ok(None) };
    if let Some(file) = &config.federation.extra_ca_file {
        let pem = std::fs::read(file).map_err(Failure::file("cannot read", file))?;
        if !pem.windows(BEGIN_CERTIFICATE.len()).any(|window| window == BEGIN_CERTIFICATE) {
            let reason = format!("{} holds no certificate in PEM", file.display());
            return Err(Failure::Other { doing: "[federation] extra_ca_file cannot be used", reason });
        }
        settings.extra_ca_pem = Some(pem);
    }
    Ok(Some(settings))
}

const BEGIN_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The machine's clock; in debug builds a wrong one, if a test asks for it.
fn clock() -> Arc<dyn Clock> {
    if cfg!(debug_assertions)
        && let Ok(text) = std::env::var(format!("STITCHBOX_{CLOCK_OFFSET_NAME}"))
        && let Ok(seconds) = text.parse::<i64>()
    {
        tracing::warn!(seconds, "the clock is wrong on purpose");
        return Arc::new(WrongClock(seconds.saturating_mul(1_000_000_000)));
    }
    Arc::new(SystemClock)
}

/// A clock that is wrong by so many nanoseconds.
#[derive(Debug)]
struct WrongClock(i64);

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0.saturating_add(self.0))
    }
}

/// Whether something was kept here before.
pub fn is_in_use(config: &Config, folder: &Path) -> bool {
    is_elsewhere(config) || folder.join(DATABASE_FILE).is_file()
}

/// Whether the metadata is not in the data folder.
pub fn is_elsewhere(config: &Config) -> bool {
    config.database.url.is_some() || config.database.url_file.is_some()
}

/// Reads every secret the configuration names, to see that it can be read.
pub fn check_secrets(config: &Config) -> Result<(), Failure> {
    if let Some(file) = &config.database.url_file {
        read_database_url(file)?;
    }
    if let Some(file) = &config.auth.token_key_file {
        read_key(file)?;
    }
    crate::tls::Tls::open(&config.server)?;
    federation_settings(config)?;
    for file in [&config.blobs.access_key_file, &config.blobs.secret_key_file].into_iter().flatten() {
        read_secret(file)?;
    }
    Ok(())
}

fn database_url(config: &Config, data: &DataFolder) -> Result<String, Failure> {
    match (&config.database.url, &config.database.url_file) {
        (Some(url), _) => Ok(url.clone()),
        (None, Some(file)) => read_database_url(file),
        (None, None) => Ok(data.sqlite_url()),
    }
}

fn read_database_url(file: &Path) -> Result<String, Failure> {
    let url = read_secret(file)?;
    check_database_url(&url).map_err(|reason| Failure::Other {
        doing: "[database] url_file cannot be used",
        reason: format!("{}: {reason}", file.display()),
    })?;
    Ok(url)
}

fn read_secret(file: &Path) -> Result<String, Failure> {
    let text = String::from_utf8(data_folder::read_secret(file)?);
    let text = text.map_err(Failure::other("a file that should hold a secret holds no text"))?;
    Ok(text.trim().to_owned())
}

fn object_store(blobs: &Blobs) -> Result<Operator, Failure> {
    let client = reqwest::Client::builder().build().map_err(Failure::other(
        "the HTTP client for the object store cannot be made (are CA certificates installed?)",
    ))?;
    HttpTransporter::install_default(ReqwestTransport::new(client));
    let mut service = opendal::services::S3::default().region(&blobs.region).disable_config_load();
    if let Some(endpoint) = &blobs.endpoint {
        service = service.endpoint(endpoint);
    }
    if let Some(bucket) = &blobs.bucket {
        service = service.bucket(bucket);
    }
    if let Some(file) = &blobs.access_key_file {
        service = service.access_key_id(&read_secret(file)?);
    }
    if let Some(file) = &blobs.secret_key_file {
        service = service.secret_access_key(&read_secret(file)?);
    }
    let operator = Operator::new(service)
        .map_err(|source| BlobError::Remote { doing: "reading the configuration of the object store", source })?;
    // Outermost last: a request waits for its place, then is tried, timed and tried again.
    Ok(operator
        .layer(TimeoutLayer::new().with_timeout(REMOTE_PATIENCE).with_io_timeout(REMOTE_PATIENCE))
        .layer(RetryLayer::new().with_jitter())
        .layer(TracingLayer::new())
        .layer(ConcurrentLimitLayer::new(REMOTE_REQUESTS)))
}
