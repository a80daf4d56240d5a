//! Finding a peer: its discovery document at `/.well-known/ocm`, else `/ocm-provider` (facts section 2), and the rule that
//! everything it names lies on its own origin.

use reqwest::Url;

use crate::address::Host;
use crate::http::{Answer, Call, Http};
use crate::peer_error::PeerError;
use crate::wire::{Discovery, ResourceType, WireError};

/// A peer: its host, and its discovery document whose URLs have been checked to be of its own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    host: Host,
    discovery: Discovery,
    end_point: Url,
}

impl Peer {
    /// A peer with a document that was kept; checks it as a fresh one is checked.
    ///
    /// # Errors
    /// [`PeerError::OutsideOrigin`] for an end point, token end point or key set on another host or port;
    /// [`PeerError::NotAPeer`] for an end point that is no URL.
    pub fn new(host: Host, mut discovery: Discovery) -> Result<Self, PeerError> {
        let end_point = match Url::parse(&discovery.end_point) {
            Ok(url) if matches!(url.scheme(), "https" | "http") => url,
            _ => return Err(PeerError::NotAPeer { host: host.to_string(), why: "its endPoint is no URL" }),
        };
        let outside = |what, url: &str| PeerError::OutsideOrigin {
            host: host.to_string(),
            what,
            url: url.chars().filter(|c| !c.is_control()).take(300).collect(),
        };
        if Host::of_url(&end_point).as_ref() != Some(&host) {
            return Err(outside("endPoint", &discovery.end_point));
        }
        for (what, url) in [("tokenEndPoint", &mut discovery.token_end_point), ("jwksUri", &mut discovery.jwks_uri)] {
            let Some(text) = url else { continue };
            match end_point.join(text) {
                Ok(absolute) if same(&absolute, &end_point) => *text = absolute.into(),
                _ => return Err(outside(what, text)),
            }
        }
        Ok(Self { host, discovery, end_point })
    }

    /// `host[:port]`.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its document.
    #[must_use]
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// A URL below its end point, such as `shares`.
    ///
    /// # Errors
    /// Never in practice: the end point has been checked.
    pub fn end_point(&self, name: &str) -> Result<Url, PeerError> {
        let text = format!("{}/{name}", self.end_point.as_str().trim_end_matches('/'));
        Url::parse(&text)
            .map_err(|_| PeerError::NotAPeer { host: self.host.to_string(), why: "its endPoint is no URL" })
    }

    /// The root where a secret opens its share by Basic (`/public.php/webdav/`).
    ///
    /// # Errors
    /// [`PeerError::NotOffered`].
    pub fn webdav_root(&self) -> Result<Url, PeerError> {
        let missing = || PeerError::NotOffered { host: self.host.to_string(), what: "WebDAV root" };
        let path = self.discovery.webdav_path().ok_or_else(missing)?;
        self.end_point.join(path).ok().filter(|url| same(url, &self.end_point)).ok_or_else(missing)
    }

    /// The URL of a share: absolute and on this origin, or relative to the WebDAV root (strict peers send a bare id).
    ///
    /// # Errors
    /// [`PeerError::OutsideOrigin`], [`PeerError::NotOffered`].
    pub fn share_url(&self, uri: &str) -> Result<Url, PeerError> {
        let url = match Url::parse(uri) {
            Ok(url) => Some(url),
            Err(_) if uri.starts_with('/') => self.end_point.join(uri).ok(),
            Err(_) => {
                let root = self.webdav_root()?;
                Url::parse(&format!("{}/{uri}", root.as_str().trim_end_matches('/'))).ok()
            }
        };
        url.filter(|url| same(url, &self.end_point) && url.username().is_empty() && url.password().is_none())
            .ok_or_else(|| PeerError::OutsideOrigin {
                host: self.host.to_string(),
                what: "share",
                url: uri.chars().filter(|c| !c.is_control()).take(300).collect(),
            })
    }

    /// Path of the WebDAV root of a type of resource, if it lists that type.
    #[must_use]
    pub fn takes(&self, resource: ResourceType) -> bool {
        self.discovery.kind(resource).is_some()
    }
}

fn same(a: &Url, b: &Url) -> bool {
    crate::http::same_origin(a, b)
}

/// Finds a peer: `https`, and plain `http` after it only if the policy allows that.
///
/// # Errors
/// The reason why the best of the addresses gave no document.
pub async fn discover(http: &Http, host: &Host) -> Result<Peer, PeerError> {
    let schemes: &[&str] = if http.policy().allow_http { &["https", "http"] } else { &["https"] };
    let mut failure = None;
    for scheme in schemes {
        match discover_by(http, host, scheme).await {
            Ok(peer) => return Ok(peer),
            // what the encrypted address refused counts more than what the plain one does not know
            Err(error) => {
                failure = Some(failure.filter(|first| !matches!(first, PeerError::Unreachable { .. })).unwrap_or(error))
            }
        }
    }
    Err(failure.unwrap_or(PeerError::NotAPeer { host: host.to_string(), why: "its name cannot be called" }))
}

async fn discover_by(http: &Http, host: &Host, scheme: &str) -> Result<Peer, PeerError> {
    let not_a_peer = |why| PeerError::NotAPeer { host: host.to_string(), why };
    let mut best = not_a_peer("neither /.well-known/ocm nor /ocm-provider is there");
    for (at, path) in ["/.well-known/ocm", "/ocm-provider", "/ocm-provider/"].into_iter().enumerate() {
        let url = Url::parse(&format!("{scheme}://{host}{path}")).map_err(|_| not_a_peer("its name is no host"))?;
        if at == 0 {
            // a fresh discovery resolves the name anew; what it finds is pinned for the document's life
            http.forget(&url);
        }
        let answer = match http.ask(Call::get(url.clone())).await {
            Ok(answer) => answer,
            Err(PeerError::TooLarge { .. }) => {
                best = not_a_peer("its discovery document is too long");
                continue;
            }
            // nobody is there, or nobody who may be called: the other addresses are on the same host
            Err(error) => return Err(error),
        };
        match document(answer) {
            Ok(discovery) => return check(http, host, discovery, scheme),
            Err(Found::Refusal(status)) if status >= 500 => {
                best = PeerError::Refused { host: host.to_string(), status, words: String::new(), retry_after: None };
            }
            Err(Found::Refusal(_)) => {}
            Err(Found::Other(why)) => best = not_a_peer(why),
        }
    }
    Err(best)
}

/// What was found instead of a document.
enum Found {
    Refusal(u16),
    Other(&'static str),
}

fn document(answer: Answer) -> Result<Discovery, Found> {
    if answer.status != 200 {
        return Err(Found::Refusal(answer.status));
    }
    Discovery::parse(&answer.body).map_err(|error| {
        Found::Other(match error {
            WireError::NotAnObject => "its discovery document is no JSON object (a web page?)",
            WireError::Missing(_) => "its discovery document has no endPoint",
            WireError::WrongType(_) | WireError::TooLong(_) | WireError::BadValue(_) | WireError::Unsupported(_) => {
                "its discovery document is malformed"
            }
        })
    })
}

fn check(http: &Http, host: &Host, discovery: Discovery, scheme: &str) -> Result<Peer, PeerError> {
    let peer = Peer::new(host.clone(), discovery)?;
    if peer.end_point.scheme() != scheme {
        return Err(PeerError::OutsideOrigin {
            host: host.to_string(),
            what: "endPoint",
            url: peer.end_point.to_string(),
        });
    }
    http.check(&peer.end_point)?;
    Ok(peer)
}
