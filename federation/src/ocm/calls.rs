//! Signed calls to a peer's end points.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method};
use reqwest::Url;
use serde_json::Value;

use crate::address::Host;
use crate::dialect::{Signing, offer_shape, signing};
use crate::discover::{Peer, discover};
use crate::http::{Answer, Call, Http};
use crate::keys::{Jwks, PublicKey, SiteKeys};
use crate::peer_error::PeerError;
use crate::secret::Secret;
use crate::signature::{cavage, message};
use crate::wire::{GrantType, InviteAccepted, InviteAnswer, Notification, TokenAnswer, TokenRequest};

/// Calls peers in the name of this site. Cheap to clone; made anew when a key is rotated.
#[derive(Debug, Clone)]
pub struct OcmClient {
    http: Http,
    keys: Arc<SiteKeys>,
    us: Host,
    clock: SigningClock,
}

/// Where the time in signatures comes from: Unix seconds.
#[derive(Clone)]
struct SigningClock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl std::fmt::Debug for SigningClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningClock")
    }
}

fn machine_time() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX)
}

impl OcmClient {
    /// A client that signs with `keys` for the site `us` (`host[:port]` of its configured origin).
    #[must_use]
    pub fn new(http: Http, keys: Arc<SiteKeys>, us: Host) -> Self {
        Self { http, keys, us, clock: SigningClock(Arc::new(machine_time)) }
    }

    /// The same, signing with the time of another clock (Unix seconds) than the machine's.
    #[must_use]
    pub fn with_clock(self, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { clock: SigningClock(Arc::new(now)), ..self }
    }

    /// The HTTP client beneath.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// This site.
    #[must_use]
    pub fn us(&self) -> &Host {
        &self.us
    }

    /// Finds a peer.
    ///
    /// # Errors
    /// As [`discover`].
    pub async fn discover(&self, host: &Host) -> Result<Peer, PeerError> {
        discover(&self.http, host).await
    }

    /// Sends a notification. Any 2xx is success: OpenCloud and strict peers answer 200 or 201. Gives what was answered (a
    /// request to re-share is answered with token and id).
    ///
    /// # Errors
    /// The peer's refusal, or no answer.
    pub async fn notify(&self, peer: &Peer, notification: &Notification) -> Result<Value, PeerError> {
        let answer = self
            .post(peer, &peer.end_point("notifications")?, notification.encode(&offer_shape(peer.discovery())))
            .await?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    /// Tells the site that invited that its invite was accepted; gives the person who invited.
    ///
    /// # Errors
    /// The peer's refusal (400 invalid or expired, 403 not trusted, 409 accepted already), or no answer.
    pub async fn accept_invite(&self, peer: &Peer, accepted: &InviteAccepted) -> Result<InviteAnswer, PeerError> {
        let answer = self.post(peer, &peer.end_point("invite-accepted")?, accepted.encode()).await?;
        InviteAnswer::decode(&answer.body).map_err(|_| PeerError::Malformed {
            host: peer.host().to_string(),
            what: "the answer to an invite names no person",
        })
    }

    /// Exchanges a share's secret for an access token.
    ///
    /// # Errors
    /// [`PeerError::NotOffered`] without a token end point; the peer's refusal; no answer.
    pub async fn exchange_token(&self, peer: &Peer, secret: &Secret) -> Result<TokenAnswer, PeerError> {
        let not_offered = || PeerError::NotOffered { host: peer.host().to_string(), what: "token end point" };
        let text = peer.discovery().token_end_point.as_ref().ok_or_else(not_offered)?;
        let url = Url::parse(text).map_err(|_| not_offered())?;
        let request = TokenRequest {
            client_id: self.us.to_string(),
            code: secret.clone(),
            grant_type: GrantType::AuthorizationCode,
        };
        let body = Bytes::from(request.encode());
        let answer = self.signed(peer, &url, "application/x-www-form-urlencoded", body).await?;
        TokenAnswer::decode(&answer.body)
            .map_err(|_| PeerError::Malformed { host: peer.host().to_string(), what: "the answer has no Bearer token" })
    }

    /// The peer's key set.
    ///
    /// # Errors
    /// [`PeerError::NotOffered`] without one; no answer; an answer that is none.
    pub async fn fetch_jwks(&self, peer: &Peer) -> Result<Jwks, PeerError> {
        let not_offered = || PeerError::NotOffered { host: peer.host().to_string(), what: "key set (jwksUri)" };
        let url = match &peer.discovery().jwks_uri {
            Some(text) => Url::parse(text).map_err(|_| not_offered())?,
            // drafts 03 to 05 read it at a fixed address
            None if peer.discovery().can("http-sig") => {
                peer.end_point("")?.join("/.well-known/jwks.json").map_err(|_| not_offered())?
            }
            None => return Err(not_offered()),
        };
        let answer = self.http.ask(Call::get(url.clone())).await?.success(&url)?;
        Jwks::parse(&answer.body)
            .map_err(|_| PeerError::Malformed { host: peer.host().to_string(), what: "no key set" })
    }

    /// The peer's RSA key for draft-cavage signatures, if its document publishes a good one under this id.
    #[must_use]
    pub fn rsa_key(peer: &Peer, key_id: &str) -> Option<PublicKey> {
        let published = peer.discovery().public_key.as_ref().filter(|key| key.key_id == key_id)?;
        PublicKey::from_pem(&published.pem).ok().filter(|key| matches!(key, PublicKey::Rsa { .. }))
    }

    /// Posts a JSON message, signed as the peer reads it.
    pub(super) async fn post(&self, peer: &Peer, url: &Url, message: Value) -> Result<Answer, PeerError> {
        self.signed(peer, url, "application/json", Bytes::from(message.to_string())).await
    }

    async fn signed(&self, peer: &Peer, url: &Url, kind: &'static str, body: Bytes) -> Result<Answer, PeerError> {
        let now = (self.clock.0)();
        let mut call = Call::new(Method::POST, url.clone());
        call.headers = match signing(peer.discovery()) {
            Signing::Message => message::sign(&self.keys.ed25519, "POST", url.as_str(), &body, now)?,
            Signing::Cavage => cavage::sign(&self.keys.rsa, "POST", url.as_str(), &body, now)?,
        };
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        call.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        call.body = body;
        self.http.ask(call).await?.success(url)
    }
}
