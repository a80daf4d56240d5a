//! TLS of the listener: a certificate and its key from two files, read again when they change or on SIGHUP. Connections
//! under way keep the certificate they began with; files that do not fit together change nothing but the log.

use crate::config::Server;
use crate::data_folder::warn_if_readable;
use crate::failure::Failure;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. Whoever renews certificates by a program need not tell us.
const LOOK: Duration = Duration::from_secs(10);
/// Protocols over TLS, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
const DOING: &str = "the certificate of the server cannot be used";

/// The certificate in use. Clones share it.
#[derive(Debug, Clone)]
pub struct Tls {
    files: Arc<Files>,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What a look at a file tells without reading it; a renewal by rename changes the number of the file, too.
type Trace = Option<(u64, u64, i64, i64)>;

impl Tls {
    /// Reads what `[server]` names; nothing where it names none.
    ///
    /// # Errors
    /// Files that cannot be read, hold something else, or do not belong together.
    pub fn open(server: &Server) -> Result<Option<Self>, Failure> {
        let (Some(certificate), Some(key)) = (&server.tls_certificate, &server.tls_key) else { return Ok(None) };
        let files = Files { certificate: certificate.clone(), key: key.clone() };
        let current = Arc::new(Current(RwLock::new(Arc::new(files.read()?))));
        Ok(Some(Self { files: Arc::new(files), current }))
    }

    /// What turns accepted connections into encrypted ones.
    ///
    /// # Errors
    /// When the protocol cannot be set up.
    pub fn acceptor(&self) -> Result<TlsAcceptor, Failure> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Failure::other("TLS cannot be set up"))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again when they change, or when told to.
    pub async fn keep_current(self, mut told: Signal, stop: CancellationToken) {
        let mut seen = self.files.trace();
        loop {
            let by_order = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = told.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let trace = self.files.trace();
            if by_order || trace != seen {
                seen = trace;
                self.renew();
            }
        }
    }

    fn renew(&self) {
        match self.files.read() {
            Ok(read) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                tracing::info!("the certificate of the server was read again");
            }
            // One of the two may be written a moment later: the next look sees it.
            Err(error) => tracing::error!(%error, "the certificate before stays in use"),
        }
    }
}

impl Files {
    fn read(&self) -> Result<CertifiedKey, Failure> {
        let wrong =
            |path: &Path, why: String| Failure::Other { doing: DOING, reason: format!("{} {why}", path.display()) };
        let pem = std::fs::read(&self.certificate).map_err(Failure::file("cannot read", &self.certificate))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|error| wrong(&self.certificate, format!("is no PEM file: {error}")))?;
        if chain.is_empty() {
            return Err(wrong(
                &self.certificate,
                "holds no CERTIFICATE; give the server's and those between".to_owned(),
            ));
        }
        let key = std::fs::read(&self.key).map_err(Failure::file("cannot read", &self.key))?;
        warn_if_readable(&self.key);
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|error| wrong(&self.key, format!("holds no private key in PEM: {error}")))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                wrong(&self.key, format!("is not the key of the first certificate in {}", self.certificate.display()))
            }
            error => wrong(&self.certificate, format!("and {} cannot be used: {error}", self.key.display())),
        })
    }

    fn trace(&self) -> [Trace; 2] {
        [&self.certificate, &self.key].map(|path| {
            let found = path.metadata().ok()?;
            Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
        })
    }
}
