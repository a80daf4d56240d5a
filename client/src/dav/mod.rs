//! The little of WebDAV that uploading and downloading need: MKCOL, PUT, PROPFIND, GET.

mod listing;

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt as _;
use reqwest::{Method, Response, StatusCode, Url};
use tokio_util::io::ReaderStream;

use crate::credentials::Credentials;
pub(crate) use listing::{Entry, parse_listing};

/// One buffer of an upload; 4 KiB, the default, is eight times slower.
const BUFFER_BYTES: usize = 256 * 1024;
/// Times a request is tried before it is given up.
const ATTEMPTS: u32 = 5;
/// Pause after the first failure; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(400);

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DavError {
    /// No answer.
    #[error("no answer from the server: {}", chain(.0))]
    Network(#[from] reqwest::Error),
    /// An answer that says no.
    #[error("the server answered {status}{}", detail(.text))]
    Refused { status: StatusCode, text: String },
    /// The local file cannot be read or written.
    #[error("{0}")]
    Local(#[from] std::io::Error),
    /// The answer cannot be understood.
    #[error("the server's answer is not WebDAV: {0}")]
    Malformed(String),
    /// What arrived is not what the server has.
    #[error("the content arrived damaged: {0}")]
    Damaged(String),
}

impl DavError {
    /// Whether the same request may succeed a little later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Network(error) => !error.is_builder(),
            Self::Refused { status, .. } => matches!(status.as_u16(), 408 | 423 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Damaged(_) => true,
            Self::Local(_) | Self::Malformed(_) => false,
        }
    }
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn detail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// A local file to be stored.
pub(crate) struct Upload<'a> {
    /// Where it is read.
    pub path: &'a Path,
    /// Its size when the upload was planned.
    pub bytes: u64,
    /// `SHA256:hex` or `SHA1:hex`.
    pub checksum: &'a str,
    /// Modification time, Unix seconds.
    pub modified: Option<i64>,
}

/// A WebDAV server, as one user.
#[derive(Debug, Clone)]
pub(crate) struct Dav {
    http: reqwest::Client,
    credentials: Credentials,
}

impl Dav {
    pub(crate) fn new(http: reqwest::Client, credentials: Credentials) -> Self {
        Self { http, credentials }
    }

    /// Makes a folder and those above it, where they are not there.
    pub(crate) async fn ensure_folder(&self, folder: &Url) -> Result<(), DavError> {
        let mut missing = vec![folder.clone()];
        while let Some(next) = missing.last().cloned() {
            match retrying(|| self.mkcol(&next)).await {
                Ok(()) => {
                    missing.pop();
                }
                Err(DavError::Refused { status: StatusCode::CONFLICT | StatusCode::NOT_FOUND, text }) => {
                    match parent(&next) {
                        Some(above) if missing.len() < 64 => missing.push(above),
                        _ => return Err(DavError::Refused { status: StatusCode::CONFLICT, text }),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stores a file. `sent` hears the
    /// bytes as they leave, and a negative number when an attempt begins anew.
    pub(crate) async fn put(
        &self,
        url: &Url,
        upload: &Upload<'_>,
        sent: impl Fn(i64) + Clone + Send + Sync + 'static,
    ) -> Result<(), DavError> {
        retrying(|| self.put_once(url, upload, sent.clone())).await
    }

    /// What lies in a folder; `None` if there is no such folder.
    pub(crate) async fn list(&self, folder: &Url) -> Result<Option<Vec<Entry>>, DavError> {
        const ASKED: &str = "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:prop>\
            <d:resourcetype/><d:getcontentlength/><oc:checksums/></d:prop></d:propfind>";
        let answer = retrying(|| async {
            let request =
                self.request("PROPFIND", folder)?.header("Depth", "1").header("Content-Type", "application/xml");
            checked(request.body(ASKED).send().await?).await
        })
        .await;
        match answer {
            Ok(response) => parse_listing(&response.text().await?, folder).map(Some),
            Err(DavError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins to read a file.
    pub(crate) async fn get(&self, url: &Url) -> Result<Response, DavError> {
        retrying(|| async { checked(self.credentials.apply(self.http.get(url.clone())).send().await?).await }).await
    }

    /// Whether the server computes the checksum of what arrives before it answers, as Stitchbox does; others may store
    /// `OC-Checksum` as a remark without looking at the bytes.
    pub(crate) async fn verifies_checksums(&self, anywhere: &Url) -> bool {
        #[derive(serde::Deserialize)]
        struct Status {
            productname: String,
        }
        let mut url = anywhere.clone();
        url.set_path("/status.php");
        let Ok(response) = self.http.get(url).send().await else { return false };
        response.json::<Status>().await.is_ok_and(|status| status.productname == "Stitchbox")
    }

    /// Reads a file back and hears its pieces; the way to be sure of a server that does not verify by itself.
    pub(crate) async fn read_back(&self, url: &Url, mut hear: impl FnMut(&[u8])) -> Result<(), DavError> {
        let mut stream = self.get(url).await?.bytes_stream();
        while let Some(piece) = stream.try_next().await? {
            hear(&piece);
        }
        Ok(())
    }

    async fn mkcol(&self, url: &Url) -> Result<(), DavError> {
        match checked(self.request("MKCOL", url)?.send().await?).await {
            // 405: something is there already; if it is a file, the first PUT below it says so
            Ok(_) | Err(DavError::Refused { status: StatusCode::METHOD_NOT_ALLOWED, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn put_once(
        &self,
        url: &Url,
        upload: &Upload<'_>,
        sent: impl Fn(i64) + Send + Sync + 'static,
    ) -> Result<(), DavError> {
        let file = tokio::fs::File::open(upload.path).await?;
        let total = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
        let (counter, sent) = (total.clone(), std::sync::Arc::new(sent));
        let hear = sent.clone();
        let stream = ReaderStream::with_capacity(file, BUFFER_BYTES).inspect_ok(move |piece| {
            counter.fetch_add(piece.len() as i64, std::sync::atomic::Ordering::Relaxed);
            hear(piece.len() as i64);
        });
        let mut request = self
            .credentials
            .apply(self.http.put(url.clone()))
            .header("Content-Length", upload.bytes)
            .header("Content-Type", "application/octet-stream")
            .header("OC-Checksum", upload.checksum)
            .header("OC-Total-Length", upload.bytes);
        if let Some(modified) = upload.modified {
            request = request.header("X-OC-Mtime", modified);
        }
        let result = async { checked(request.body(reqwest::Body::wrap_stream(stream)).send().await?).await }.await;
        if result.is_err() {
            sent(-total.load(std::sync::atomic::Ordering::Relaxed));
        }
        result.map(|_| ())
    }

    fn request(&self, method: &str, url: &Url) -> Result<reqwest::RequestBuilder, DavError> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| DavError::Malformed(error.to_string()))?;
        Ok(self.credentials.apply(self.http.request(method, url.clone())))
    }
}

/// The address of something inside a folder.
pub(crate) fn child(folder: &Url, names: &[&str]) -> Url {
    let mut url = folder.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(names);
    }
    url
}

fn parent(url: &Url) -> Option<Url> {
    let mut above = url.clone();
    above.path_segments_mut().ok()?.pop_if_empty().pop();
    (!above.path().trim_end_matches('/').is_empty() && above.path() != url.path()).then_some(above)
}

async fn retrying<T, F, W>(mut work: F) -> Result<T, DavError>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T, DavError>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..ATTEMPTS {
        match work().await {
            Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause *= 2;
    }
    work().await
}

async fn checked(response: Response) -> Result<Response, DavError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.text().await.unwrap_or_default();
    Err(DavError::Refused { status, text: listing::message(&body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encoded_and_climb_to_the_root() {
        let folder = Url::parse("http://h/remote.php/dav/files/a/").unwrap();
        let url = child(&folder, &["mirror 1", "50 % #2.dat"]);
        assert_eq!(url.path(), "/remote.php/dav/files/a/mirror%201/50%20%25%20%232.dat");
        assert_eq!(parent(&url).unwrap().path(), "/remote.php/dav/files/a/mirror%201");
        assert!(parent(&Url::parse("http://h/a").unwrap()).is_none());
    }
}
