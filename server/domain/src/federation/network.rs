//! What peers say about themselves, fetched when it is needed and kept: discovery documents for a day, keys until a
//! signature does not fit. A host that gave none is not asked again for five minutes.

use super::Federation;
use super::trust::discovery_of;
use crate::{Domain, Error};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stitchbox_federation::address::Host;
use stitchbox_federation::discover::{Peer, discover};
use stitchbox_federation::http::{Http, Policy};
use stitchbox_federation::keys::Jwks;
use stitchbox_federation::ocm::OcmClient;
use stitchbox_federation::peer_error::PeerError;
use stitchbox_schema::Timestamp;
use stitchbox_store::peers;

/// How long a discovery document is believed.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long a host that gave none is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(300);
/// What was just fetched is not fetched again because a signature does not fit it.
const FRESH: Duration = Duration::from_secs(10);
/// Most hosts remembered as giving none.
const MOST_SILENT: usize = 10_000;

/// Why nothing is known of a peer.
#[derive(Debug, thiserror::Error)]
pub enum NoPeer {
    /// The peer's side.
    #[error("{0}")]
    Peer(#[from] PeerError),
    /// Our side.
    #[error("{0}")]
    Own(#[from] Error),
}

impl From<stitchbox_store::StoreError> for NoPeer {
    fn from(error: stitchbox_store::StoreError) -> Self {
        Self::Own(error.into())
    }
}

/// How new something has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// As it is kept, if it is.
    Kept,
    /// Fetched now, unless it was just fetched.
    Anew,
}

/// Hosts that lately gave no document.
#[derive(Debug, Default)]
pub(crate) struct Silent(Mutex<HashMap<Host, (Instant, PeerError)>>);

impl Silent {
    fn reason(&self, host: &Host) -> Option<PeerError> {
        let silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get(host).filter(|(since, _)| since.elapsed() < LEFT_ALONE).map(|(_, error)| error.clone())
    }

    fn note(&self, host: &Host, error: &PeerError) {
        let mut silent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.len() >= MOST_SILENT {
            silent.clear();
        }
        silent.insert(host.clone(), (Instant::now(), error.clone()));
    }

    pub(crate) fn forget(&self, host: &Host) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }
}

impl Federation {
    /// The client for calls to peers.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn policy(settings: &super::FederationSettings) -> Policy {
        Policy {
            allow_http: settings.allow_http_peers,
            allow_private: settings.allow_private_addresses,
            extra_ca_pem: settings.extra_ca_pem.clone(),
            ..Policy::default()
        }
    }
}

impl Domain {
    /// The client that signs in the name of this site.
    pub async fn ocm_client(&self) -> Result<OcmClient, Error> {
        let site = self.site()?.clone();
        let clock = self.clock.clone();
        let client = OcmClient::new(site.http.clone(), self.site_keys().await?, site.host.clone());
        Ok(client.with_clock(move || clock.now().unix_seconds()))
    }

    /// A peer with its discovery document, kept or fetched.
    pub async fn peer(&self, host: &Host) -> Result<Peer, NoPeer> {
        self.peer_as(host, Wanted::Kept).await
    }

    pub(crate) async fn peer_as(&self, host: &Host, wanted: Wanted) -> Result<Peer, NoPeer> {
        let site = self.site()?.clone();
        let kept = peers::by_host(&mut *self.store.read().await?, host.as_str()).await?;
        let kept = kept.and_then(|row| Some((row.discovered_at?, discovery_of(&row)?)));
        if let Some((at, document)) = kept
            && self.is_younger(at, if wanted == Wanted::Anew { FRESH } else { KEPT })
            && let Ok(peer) = Peer::new(host.clone(), document)
        {
            return Ok(peer);
        }
        if let Some(error) = site.silent.reason(host) {
            return Err(error.into());
        }
        let peer = match discover(&site.http, host).await {
            Ok(peer) => peer,
            Err(error) => {
                site.silent.note(host, &error);
                return Err(error.into());
            }
        };
        let document = serde_json::to_string(peer.discovery()).unwrap_or_default();
        let (name, now) = (host.to_string(), self.now());
        self.transact(move |tx| Box::pin(async move { Ok(peers::set_discovery(tx, &name, &document, now).await?) }))
            .await?;
        Ok(peer)
    }

    /// The public keys (JWKS) of a peer, kept or fetched.
    pub async fn peer_keys(&self, host: &Host) -> Result<Arc<Jwks>, NoPeer> {
        self.keys_as(host, Wanted::Kept).await
    }

    /// The same, fetched now unless they were just fetched: for a signature by a key that is not among the kept ones.
    pub async fn peer_keys_anew(&self, host: &Host) -> Result<Arc<Jwks>, NoPeer> {
        self.keys_as(host, Wanted::Anew).await
    }

    pub(crate) async fn keys_as(&self, host: &Host, wanted: Wanted) -> Result<Arc<Jwks>, NoPeer> {
        let kept = peers::by_host(&mut *self.store.read().await?, host.as_str()).await?;
        let kept = kept.and_then(|row| Some((row.keys_at?, Jwks::parse(row.keys?.as_bytes()).ok()?)));
        if let Some((at, keys)) = kept
            && self.is_younger(at, if wanted == Wanted::Anew { FRESH } else { KEPT })
        {
            return Ok(Arc::new(keys));
        }
        let peer = self.peer_as(host, wanted).await?;
        let keys = self.ocm_client().await?.fetch_jwks(&peer).await?;
        let (name, text, now) = (host.to_string(), keys.encode().to_string(), self.now());
        self.transact(move |tx| Box::pin(async move { Ok(peers::set_keys(tx, &name, &text, now).await?) })).await?;
        Ok(Arc::new(keys))
    }

    fn is_younger(&self, at: Timestamp, than: Duration) -> bool {
        self.now() < at.after(than)
    }
}
