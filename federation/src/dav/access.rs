//! The doors by which a share opens (facts section 5.5), tried in order, the one that worked remembered.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use reqwest::Url;
use tokio::sync::Mutex;

use super::path::url_below;
use crate::discover::Peer;
use crate::http::{Call, Incoming, name_of, refusal};
use crate::ocm::OcmClient;
use crate::peer_error::PeerError;
use crate::secret::Secret;

/// A way to open a share; as text it is kept with the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Bearer secret at the share's URL: reva, oCIS, OpenCloud, Stitchbox.
    Bearer,
    /// Basic secret at the share's URL.
    Basic,
    /// Basic secret at the WebDAV root of the site: Nextcloud.
    BasicAtRoot,
    /// Bearer with a token that was got for the secret, at the share's URL, or at the root if it has none.
    Exchanged,
}

impl Access {
    /// As it is kept.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::BasicAtRoot => "basic-at-root",
            Self::Exchanged => "exchanged",
        }
    }

    /// The access of a kept text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Bearer, Self::Basic, Self::BasicAtRoot, Self::Exchanged].into_iter().find(|one| one.as_str() == text)
    }
}

/// What is known of a share that was received.
#[derive(Debug, Clone)]
pub struct ReceivedShare {
    /// Its secret.
    pub secret: Secret,
    /// Its URL, as it came; `None` in the legacy form.
    pub uri: Option<String>,
    /// The secret must be exchanged: nothing else is tried.
    pub must_exchange_token: bool,
    /// What worked before.
    pub worked: Option<Access>,
}

/// A way and where it leads.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub access: Access,
    pub base: Url,
}

struct Token {
    secret: Secret,
    until: Instant,
}

struct Inner {
    client: OcmClient,
    peer: Peer,
    secret: Secret,
    doors: Vec<Door>,
    worked: StdMutex<Option<Access>>,
    /// Held while exchanging: a second exchange would end the first token at a Nextcloud.
    token: Mutex<Option<Token>>,
}

/// A share at a peer, by WebDAV. Cheap to clone; use ONE per share, because at some peers each exchange of the secret ends
/// the token before.
#[derive(Clone)]
pub struct RemoteDav(Arc<Inner>);

impl std::fmt::Debug for RemoteDav {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteDav({}, {:?})", self.0.peer.host(), self.worked())
    }
}

impl RemoteDav {
    /// The share at a peer. Calls nobody yet.
    ///
    /// # Errors
    /// [`PeerError::OutsideOrigin`] for a URL on another origin than the peer's; [`PeerError::NotOffered`] if the peer has no
    /// place where the secret could open anything.
    pub fn new(client: OcmClient, peer: Peer, share: ReceivedShare) -> Result<Self, PeerError> {
        let doors = doors(&peer, &share)?;
        let worked = share.worked.filter(|access| doors.iter().any(|door| door.access == *access));
        let inner =
            Inner { client, peer, secret: share.secret, doors, worked: StdMutex::new(worked), token: Mutex::new(None) };
        Ok(Self(Arc::new(inner)))
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// The access that worked last, to be kept with the share.
    #[must_use]
    pub fn worked(&self) -> Option<Access> {
        *self.0.worked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn client(&self) -> &OcmClient {
        &self.0.client
    }

    pub(super) fn malformed(&self, what: &'static str) -> PeerError {
        PeerError::Malformed { host: self.0.peer.host().to_string(), what }
    }

    /// The URL of a path behind a door.
    pub(super) fn url(&self, door: &Door, path: &str, as_folder: bool) -> Result<Url, PeerError> {
        url_below(&door.base, path, as_folder).ok_or_else(|| self.malformed("a path that cannot be one"))
    }

    /// The doors, the one that worked first.
    fn in_order(&self) -> Vec<Door> {
        let worked = self.worked();
        let mut doors = self.0.doors.clone();
        doors.sort_by_key(|door| Some(door.access) != worked);
        doors
    }

    /// Sends a call that can be repeated through the doors until one opens. Gives any answer that is no sign of a wrong door.
    /// `within` bounds the time to the head of an answer.
    pub(super) async fn through(
        &self,
        within: Duration,
        build: impl Fn(&Door) -> Result<Call, PeerError>,
    ) -> Result<(Door, Incoming), PeerError> {
        let mut refused: Option<PeerError> = None;
        for door in self.in_order() {
            let known = self.worked() == Some(door.access);
            let (incoming, url) = match self.by(&door, within, build(&door)?).await {
                Ok(found) => found,
                // a token that is not to be had is a door that is shut
                Err(error @ PeerError::Refused { .. }) if door.access == Access::Exchanged => {
                    refused = Some(better(refused, error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            // a bad Bearer is 500 at OpenCloud; behind a door that has opened before, 403 and 500 mean what they say
            let is_shut = match incoming.status {
                401 => true,
                403 | 500 => !known,
                _ => false,
            };
            if !is_shut {
                *self.0.worked.lock().unwrap_or_else(PoisonError::into_inner) = Some(door.access);
                return Ok((door, incoming));
            }
            let (status, headers) = (incoming.status, incoming.headers.clone());
            let body = incoming.read(16 << 10).await.unwrap_or_default();
            refused = Some(better(refused, refusal(&url, status, &headers, &body)));
        }
        Err(refused.unwrap_or_else(|| self.malformed("no way to open the share")))
    }

    /// Sends a call through one door; a token that has just ended is exchanged once more.
    async fn by(&self, door: &Door, within: Duration, mut call: Call) -> Result<(Incoming, Url), PeerError> {
        call.headers.insert(AUTHORIZATION, self.authorization(door).await?);
        let url = call.url.clone();
        let again = (door.access == Access::Exchanged).then(|| call.clone());
        let incoming = self.head(within, call).await?;
        match again {
            Some(mut call) if incoming.status == 401 => {
                *self.0.token.lock().await = None;
                call.headers.insert(AUTHORIZATION, self.authorization(door).await?);
                Ok((self.head(within, call).await?, url))
            }
            _ => Ok((incoming, url)),
        }
    }

    async fn head(&self, within: Duration, call: Call) -> Result<Incoming, PeerError> {
        self.0.client.http().open_within(call, within).await
    }

    /// The door to use for a call that cannot be repeated: the one that worked, else the one that opens the root.
    pub(super) async fn door(&self) -> Result<Door, PeerError> {
        if self.worked().is_none() {
            self.list("", super::Depth::Zero).await?;
        }
        self.in_order().into_iter().next().ok_or_else(|| self.malformed("no way to open the share"))
    }

    /// The value of `Authorization` for a door.
    pub(super) async fn authorization(&self, door: &Door) -> Result<HeaderValue, PeerError> {
        let text = match door.access {
            Access::Bearer => format!("Bearer {}", self.0.secret.expose()),
            Access::Basic | Access::BasicAtRoot => {
                format!("Basic {}", STANDARD.encode(format!("{}:", self.0.secret.expose())))
            }
            Access::Exchanged => format!("Bearer {}", self.token().await?.expose()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| self.malformed("a secret that fits no header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The access token, exchanged anew shortly before it ends.
    async fn token(&self) -> Result<Secret, PeerError> {
        let mut kept = self.0.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.secret.clone());
        }
        let answer = self.0.client.exchange_token(&self.0.peer, &self.0.secret).await?;
        let life = Duration::from_secs(answer.expires_in);
        let until = Instant::now() + life.saturating_sub(Duration::from_secs(30).min(life / 4));
        *kept = Some(Token { secret: answer.access_token.clone(), until });
        Ok(answer.access_token)
    }

    /// The refusal in an answer.
    pub(super) async fn refused(&self, url: &Url, incoming: Incoming) -> PeerError {
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let body = incoming.read(16 << 10).await.unwrap_or_default();
        if status == 412 {
            return PeerError::Changed { host: name_of(url) };
        }
        refusal(url, status, &headers, &body)
    }
}

/// The refusal that says more: that the secret opens nothing, before an error of the peer's own.
fn better(first: Option<PeerError>, second: PeerError) -> PeerError {
    match first {
        Some(first) if first.may_be_gone() || !second.may_be_gone() => first,
        _ => second,
    }
}

fn doors(peer: &Peer, share: &ReceivedShare) -> Result<Vec<Door>, PeerError> {
    let at = |access, base: &Url| Door { access, base: base.clone() };
    let url = share.uri.as_deref().map(|uri| peer.share_url(uri)).transpose()?;
    let root = peer.webdav_root();
    let can_exchange = peer.discovery().token_end_point.is_some();
    let mut doors = Vec::new();
    if let (Some(url), false) = (&url, share.must_exchange_token) {
        doors.extend([at(Access::Bearer, url), at(Access::Basic, url)]);
    }
    if let (Ok(root), false) = (&root, share.must_exchange_token) {
        doors.push(at(Access::BasicAtRoot, root));
    }
    // last, because after one exchange the bare secret opens nothing at a Nextcloud 35
    if share.must_exchange_token || can_exchange {
        match (&url, &root) {
            (Some(base), _) | (None, Ok(base)) => doors.push(at(Access::Exchanged, base)),
            (None, Err(_)) => {}
        }
    }
    if doors.is_empty() { root.map(|_| doors) } else { Ok(doors) }
}
