//! One call to a peer: checked before it goes, bounded when it comes back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method};
use reqwest::{Certificate, Url};

use super::body::{ByteStream, Incoming, Progress, cause_of, counted};
use super::policy::{Policy, PolicyError};
use super::resolve::{Forbidden, Pinned, check};
use crate::peer_error::PeerError;
use crate::wire::peers_words;

/// Most redirects within one origin.
const MOST_REDIRECTS: usize = 2;

/// A request to a peer.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method, WebDAV's too.
    pub method: Method,
    /// Absolute URL.
    pub url: Url,
    /// Headers, `Authorization` among them.
    pub headers: HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
    /// Whether a redirect within the same origin is followed.
    pub follow: bool,
}

impl Call {
    /// A call without headers and body that follows no redirect.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), follow: false }
    }

    /// A GET that follows redirects within its origin.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self { follow: true, ..Self::new(Method::GET, url) }
    }
}

/// A small answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, bounded by the policy.
    pub body: Bytes,
}

impl Answer {
    /// Itself if it is a success, else the refusal in the peer's own words.
    ///
    /// # Errors
    /// [`PeerError::Refused`], or [`PeerError::Redirected`] for a redirect.
    pub fn success(self, url: &Url) -> Result<Self, PeerError> {
        if (200..300).contains(&self.status) {
            Ok(self)
        } else {
            Err(refusal(url, self.status, &self.headers, &self.body))
        }
    }
}

/// The error that an answer without success is.
pub(crate) fn refusal(url: &Url, status: u16, headers: &HeaderMap, body: &[u8]) -> PeerError {
    let host = name_of(url);
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if (301..=308).contains(&status) && status != 304 {
        let to = text(LOCATION).unwrap_or("nowhere").chars().filter(|c| !c.is_control()).take(300).collect();
        return PeerError::Redirected { host, status, to };
    }
    let retry_after = text(RETRY_AFTER).and_then(|value| seconds_to_wait(value.trim()));
    PeerError::Refused { host, status, words: peers_words(body), retry_after }
}

/// `Retry-After`: seconds, or a date.
fn seconds_to_wait(value: &str) -> Option<u64> {
    if let Ok(seconds) = value.parse() {
        return Some(seconds);
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).map_or(0, |wait| wait.as_secs()))
}

/// `host[:port]` of a URL, for messages.
pub(crate) fn name_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

/// Whether two URLs have the same scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host_str() == b.host_str() && a.port_or_known_default() == b.port_or_known_default()
}

/// Whether a method changes nothing at the peer, so that it may be said twice.
fn only_asks(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "PROPFIND")
}

/// The client that calls peers. Cheap to clone; one per site is enough.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    policy: Arc<Policy>,
    resolver: Pinned,
}

impl Http {
    /// A client under a policy. The process must have installed its TLS provider (rustls with ring) before.
    ///
    /// # Errors
    /// Extra certificates that are none, or no TLS.
    pub fn new(policy: Policy) -> Result<Self, PolicyError> {
        let extra = match &policy.extra_ca_pem {
            Some(pem) => Certificate::from_pem_bundle(pem).map_err(|_| PolicyError::BadCertificates)?,
            None => Vec::new(),
        };
        if policy.extra_ca_pem.is_some() && extra.is_empty() {
            return Err(PolicyError::BadCertificates);
        }
        let resolver = Pinned::new(policy.allow_private, policy.pin_for);
        let plain = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .dns_resolver(resolver.clone())
                .connect_timeout(policy.connect_timeout)
                .https_only(!policy.allow_http)
                .pool_max_idle_per_host(4)
                .pool_idle_timeout(Duration::from_secs(60))
                .user_agent(policy.user_agent.clone())
        };
        let client = match plain().tls_certs_merge(extra.clone()).build() {
            Ok(client) => client,
            // a machine without CA certificates of its own still reaches the peers of its closed network
            Err(error) => {
                tracing::warn!(reason = %cause_of(&error), "no CA certificates are installed: of peers, only those of extra_ca are trusted");
                let only = plain().tls_certs_only(extra).build();
                only.map_err(|error| PolicyError::NoTls(cause_of(&error)))?
            }
        };
        Ok(Self { client, policy: Arc::new(policy), resolver })
    }

    /// The limits.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The host's name is resolved anew at the next call (a fresh discovery, or it could not be reached).
    pub fn forget(&self, url: &Url) {
        if let Some(name) = url.host_str() {
            self.resolver.forget(name);
        }
    }

    /// Whether a URL may be called at all: scheme, and addresses written as such (names are checked when resolved).
    ///
    /// # Errors
    /// [`PeerError::ForbiddenAddress`].
    pub fn check(&self, url: &Url) -> Result<(), PeerError> {
        let forbidden = |why| PeerError::ForbiddenAddress { host: name_of(url), why };
        match url.scheme() {
            "https" => {}
            "http" if self.policy.allow_http => {}
            "http" => return Err(forbidden("plain http is not spoken with peers")),
            _ => return Err(forbidden("the address is neither https nor http")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(forbidden("the address has a password in it"));
        }
        let Some(host) = url.host_str() else { return Err(forbidden("the address has no host")) };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => check(address, self.policy.allow_private).map_err(|Forbidden(why)| forbidden(why)),
            Err(_) => Ok(()),
        }
    }

    /// A small exchange: total time-out, answer read to its end and bounded by `max_document_bytes`. Any status is an answer.
    ///
    /// # Errors
    /// Everything but a status.
    pub async fn ask(&self, call: Call) -> Result<Answer, PeerError> {
        let host = name_of(&call.url);
        let limit = self.policy.max_document_bytes;
        let exchange = async {
            let incoming = self.send(call).await?;
            let (status, headers) = (incoming.status, incoming.headers.clone());
            Ok(Answer { status, headers, body: incoming.read(limit).await? })
        };
        match tokio::time::timeout(self.policy.document_timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(PeerError::TimedOut { host, doing: "a short answer" }),
        }
    }

    /// A call whose answer may be long: its head within the idle time-out, then its body piece by piece under the rule of
    /// progress. Any status is an answer.
    ///
    /// # Errors
    /// Everything but a status.
    pub async fn open(&self, call: Call) -> Result<Incoming, PeerError> {
        self.open_within(call, self.policy.idle_timeout).await
    }

    /// As [`Http::open`], with another time-out to the head of the answer.
    ///
    /// # Errors
    /// Everything but a status.
    pub async fn open_within(&self, call: Call, within: Duration) -> Result<Incoming, PeerError> {
        let host = name_of(&call.url);
        match tokio::time::timeout(within, self.send(call)).await {
            Ok(incoming) => incoming,
            Err(_) => Err(PeerError::TimedOut { host, doing: "the head of its answer" }),
        }
    }

    /// Sends `length` bytes of a stream and reads the small answer. Ends when nothing moves for the idle time-out; after the
    /// last byte the peer has the settle time-out to answer. Any status is an answer.
    ///
    /// # Errors
    /// Everything but a status; [`PeerError::OwnSide`] if the stream itself failed or has another length.
    pub async fn give(&self, call: Call, body: ByteStream, length: u64) -> Result<Answer, PeerError> {
        self.check(&call.url)?;
        let host = name_of(&call.url);
        let progress = Arc::new(Progress::new());
        let sending = self
            .client
            .request(call.method, call.url.clone())
            .headers(call.headers)
            .header(CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap_stream(counted(body, length, Arc::clone(&progress))))
            .send();
        let url = call.url;
        let exchange = async {
            let response = sending.await.map_err(|error| self.failure(&url, &error))?;
            let incoming = Incoming::new(response, &host, &self.policy);
            let (status, headers) = (incoming.status, incoming.headers.clone());
            Ok(Answer { status, headers, body: incoming.read(self.policy.max_document_bytes).await? })
        };
        let mut exchange = std::pin::pin!(exchange);
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let limit = if progress.is_done() { self.policy.settle_timeout } else { self.policy.idle_timeout };
            match tokio::time::timeout(limit.saturating_sub(since.elapsed()), &mut exchange).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => return Err(progress.own_failure().unwrap_or(error)),
                Err(_) => {
                    let now = progress.bytes();
                    // the last bytes may be few: what is done has moved
                    let moved =
                        now.saturating_sub(seen) >= self.policy.least_progress || (progress.is_done() && now > seen);
                    if !moved {
                        return Err(PeerError::TimedOut { host: host.clone(), doing: "taking what we send" });
                    }
                    (seen, since) = (now, Instant::now());
                }
            }
        }
    }

    /// Checks and sends, following redirects within the origin if the call allows it.
    async fn send(&self, mut call: Call) -> Result<Incoming, PeerError> {
        for _ in 0..=MOST_REDIRECTS {
            self.check(&call.url)?;
            let response = match self.request(&call).send().await {
                // a connection that waited in the pool, and that the peer has closed meanwhile, says nothing of the peer
                Err(error)
                    if only_asks(&call.method) && error.is_request() && !error.is_connect() && !error.is_timeout() =>
                {
                    self.request(&call).send().await
                }
                first => first,
            };
            let response = response.map_err(|error| self.failure(&call.url, &error))?;
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let target = to.and_then(|to| call.url.join(to).ok()).filter(|to| same_origin(to, &call.url));
            match target {
                Some(target) if call.follow && matches!(response.status().as_u16(), 301 | 302 | 307 | 308) => {
                    call.url = target;
                }
                _ => return Ok(Incoming::new(response, &name_of(&call.url), &self.policy)),
            }
        }
        Err(PeerError::Redirected { host: name_of(&call.url), status: 302, to: "itself, again and again".to_owned() })
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let request = self.client.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        // an empty body is sent as none, but a POST then still tells its length, which is signed
        if call.body.is_empty() && call.method != Method::POST { request } else { request.body(call.body.clone()) }
    }

    /// What a failure of the network code is.
    fn failure(&self, url: &Url, error: &reqwest::Error) -> PeerError {
        let host = name_of(url);
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
            if let Some(Forbidden(why)) = cause.downcast_ref::<Forbidden>() {
                return PeerError::ForbiddenAddress { host, why };
            }
        }
        if error.is_connect() || error.is_timeout() {
            // it may have moved: the next call resolves its name anew, under the same rules
            self.forget(url);
        }
        if error.is_timeout() {
            return PeerError::TimedOut { host, doing: "a connection" };
        }
        PeerError::Unreachable { host, reason: cause_of(error) }
    }
}
