//! The connection to a server: one pool, one user, one set of limits, and what is tried again when.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use tokio::sync::OnceCell;

use crate::address::{child, with_slash};
use crate::compress::Compression;
use crate::credentials::Credentials;
use crate::failure::{Refusal, WireError};
use crate::pulse::Pulse;
use crate::sabre::{Words, words};
use crate::throttle::Throttle;

/// Times a request is tried before it is given up.
const ATTEMPTS: u32 = 5;
/// Pause after the first failure; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// Longest pause of our own, and the longest the server may ask for: beyond it the caller decides.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// How long a request may stand still.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Longest error body that is read, bytes.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// What a program may choose.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bytes a second sent at most.
    pub limit_up: Option<u64>,
    /// Bytes a second received at most.
    pub limit_down: Option<u64>,
    /// When bodies are compressed.
    pub compression: Compression,
    /// Certificates (PEM) of authorities trusted beside those of the system.
    pub authorities: Option<Vec<u8>>,
    /// Times a request is tried; `None`: [`ATTEMPTS`]. Chunks of an upload are always tried again.
    pub attempts: Option<u32>,
    /// What kind of server it is, when that is known already; else it is asked once.
    pub dialect: Option<Dialect>,
}

/// What a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Everything of ours.
    Stitchbox,
    /// Nextcloud or ownCloud: checksums are stored, not verified.
    OwnCloud,
    /// WebDAV.
    Plain,
}

/// A server, as one user. Cheap to clone; clones share the pool and the limits.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    server: Url,
    credentials: Credentials,
    authorization: Option<HeaderValue>,
    up: Throttle,
    down: Throttle,
    compresses: bool,
    attempts: u32,
    user: OnceCell<String>,
    dialect: OnceCell<Dialect>,
}

impl Connection {
    /// Makes ready to talk to `server`; nothing is sent yet.
    ///
    /// # Errors
    /// When the certificates of authorities cannot be read.
    pub fn new(server: &Url, credentials: Credentials, options: &Options) -> Result<Self, WireError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("stitchbox/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_LIMIT)
            .tcp_keepalive(Duration::from_secs(30))
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none());
        if server.scheme() == "http" {
            // reading the certificates of the system takes longer than a small sync
            builder = builder.tls_certs_only([]);
        }
        if let Some(pem) = &options.authorities {
            for certificate in reqwest::Certificate::from_pem_bundle(pem)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                http: builder.build()?,
                server: with_slash(server),
                authorization: credentials.header(),
                credentials,
                up: Throttle::new(options.limit_up),
                down: Throttle::new(options.limit_down),
                compresses: options.compression.applies_to(server),
                attempts: options.attempts.unwrap_or(ATTEMPTS),
                user: OnceCell::new(),
                dialect: OnceCell::new_with(options.dialect),
            }),
        })
    }

    /// The server: what `status.php`, `ocs/` and `api/` stand below. Ends with `/`.
    pub fn server(&self) -> &Url {
        &self.inner.server
    }

    /// Who asks.
    pub fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// What the server understands; asked once.
    ///
    /// # Errors
    /// No answer at all. A server without `status.php` is plain WebDAV.
    pub async fn dialect(&self) -> Result<Dialect, WireError> {
        self.inner
            .dialect
            .get_or_try_init(|| async {
                let url = child(self.server(), ["status.php"]);
                let answer = self.retrying(|_| self.answer(self.request("GET", &url))).await;
                match answer {
                    Ok(answer) => Ok(dialect_of(&bounded_text(answer, ERROR_BODY_LIMIT).await)),
                    Err(WireError::Refused(_)) => Ok(Dialect::Plain),
                    Err(error) => Err(error),
                }
            })
            .await
            .copied()
    }

    /// The name of the user at the server: what addresses of uploads hold.
    ///
    /// # Errors
    /// With a token the server is asked; whatever hinders that.
    pub async fn user(&self) -> Result<String, WireError> {
        if let Some(user) = self.inner.credentials.user() {
            return Ok(user.to_owned());
        }
        let ask = || async {
            let url = child(self.server(), ["ocs", "v2.php", "cloud", "user"]);
            let request = || self.request("GET", &url).query(&[("format", "json")]).header("OCS-APIREQUEST", "true");
            let answer = self.retrying(|_| self.answer(request())).await?;
            let document: serde_json::Value = serde_json::from_str(&bounded_text(answer, ERROR_BODY_LIMIT).await)
                .map_err(|_| WireError::Malformed("the user's name is not told"))?;
            let name = document.pointer("/ocs/data/id").and_then(|id| id.as_str());
            name.map(str::to_owned).ok_or(WireError::Malformed("the user's name is not told"))
        };
        self.inner.user.get_or_try_init(ask).await.cloned()
    }

    /// Whether bodies to and from this server are compressed where that makes them smaller.
    pub(crate) fn compresses(&self) -> bool {
        self.inner.compresses && self.inner.dialect.get() == Some(&Dialect::Stitchbox)
    }

    pub(crate) fn up(&self) -> &Throttle {
        &self.inner.up
    }

    pub(crate) fn down(&self) -> &Throttle {
        &self.inner.down
    }

    /// Reads an address, with more headers.
    ///
    /// # Errors
    /// Network and refusals; the body may break off later.
    pub async fn get(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Response, WireError> {
        let request =
            || headers.iter().fold(self.request("GET", url), |request, (name, value)| request.header(*name, *value));
        self.retrying(|_| self.answer(request())).await
    }

    /// A request of this user. Credentials go to this server only.
    pub(crate) fn request(&self, method: &str, url: &Url) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let request = self.inner.http.request(method, url.clone());
        let ours = url.origin() == self.inner.server.origin();
        match &self.inner.authorization {
            Some(value) if ours => request.header(AUTHORIZATION, value.clone()),
            _ => request,
        }
    }

    /// Sends a request without a body of note; an answer that says no is an error.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<Response, WireError> {
        self.answer_within(request, PATIENCE, &Pulse::default()).await
    }

    /// Sends a request that may take as long as its pulse never pauses for `patience`.
    pub(crate) async fn answer_within(
        &self,
        request: RequestBuilder,
        patience: Duration,
        pulse: &Pulse,
    ) -> Result<Response, WireError> {
        let response = pulse.watch(patience, request.send()).await??;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let retry_after = header(RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let moved_to = header(LOCATION).filter(|_| status.is_redirection());
        let words = read_words(response).await;
        Err(WireError::Refused(Box::new(Refusal { status, words, retry_after, moved_to })))
    }

    /// Tries again what fails in passing, after growing pauses with jitter, or when the server says. `work` hears the
    /// number of the attempt, from 0.
    pub(crate) async fn retrying<T, W>(&self, work: impl FnMut(u32) -> W) -> Result<T, WireError>
    where
        W: Future<Output = Result<T, WireError>>,
    {
        self.trying(self.inner.attempts, work).await
    }

    /// As [`Connection::retrying`], for parts of something larger: whoever limits attempts counts the whole as one.
    pub(crate) async fn persisting<T, W>(&self, work: impl FnMut(u32) -> W) -> Result<T, WireError>
    where
        W: Future<Output = Result<T, WireError>>,
    {
        self.trying(ATTEMPTS.max(self.inner.attempts), work).await
    }

    async fn trying<T, W>(&self, attempts: u32, mut work: impl FnMut(u32) -> W) -> Result<T, WireError>
    where
        W: Future<Output = Result<T, WireError>>,
    {
        let mut attempt = 0;
        loop {
            let error = match work(attempt).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            attempt += 1;
            let asked = error.retry_after().unwrap_or(Duration::ZERO);
            if attempt >= attempts || !error.is_passing() || asked > LONGEST_PAUSE {
                return Err(error);
            }
            let pause = pause_before(attempt).max(asked);
            tracing::debug!(attempt, ?pause, %error, "tried again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// Full jitter would let two clients meet again at once; half of it keeps a floor.
fn pause_before(attempt: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(8)).min(LONGEST_PAUSE);
    // the keys of a map's hasher are random: enough for jitter, and no crate
    let random = std::hash::RandomState::new().build_hasher().finish();
    whole / 2 + (whole / 2).mul_f64(random as f64 / u64::MAX as f64)
}

/// What a refusal says; nothing if that does not arrive soon.
async fn read_words(response: Response) -> Words {
    let text = tokio::time::timeout(Duration::from_secs(10), bounded_text(response, ERROR_BODY_LIMIT));
    words(&text.await.unwrap_or_default())
}

/// A body as text, no longer than `limit`; what cannot be read is left out.
pub(crate) async fn bounded_text(mut response: Response, limit: usize) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        bytes.extend_from_slice(&piece);
        if bytes.len() > limit {
            bytes.truncate(limit);
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn dialect_of(status: &str) -> Dialect {
    #[derive(serde::Deserialize)]
    struct Status {
        #[serde(default)]
        productname: String,
        version: String,
    }
    match serde_json::from_str::<Status>(status) {
        Ok(status) if status.productname == "Stitchbox" => Dialect::Stitchbox,
        Ok(status) if !status.version.is_empty() => Dialect::OwnCloud,
        _ => Dialect::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_never_fall_below_half() {
        for attempt in 1..12 {
            let whole = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(8)).min(LONGEST_PAUSE);
            let pause = pause_before(attempt);
            assert!(pause >= whole / 2 && pause <= whole, "attempt {attempt}: {pause:?}");
        }
    }

    #[test]
    fn servers_are_known_by_their_status() {
        assert_eq!(dialect_of(r#"{"productname":"Stitchbox","version":"30.0.0.0"}"#), Dialect::Stitchbox);
        assert_eq!(dialect_of(r#"{"productname":"Nextcloud","version":"34.0.1.2"}"#), Dialect::OwnCloud);
        assert_eq!(dialect_of("<html>"), Dialect::Plain);
    }
}
