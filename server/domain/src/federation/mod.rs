//! Sharing with other sites (Open Cloud Mesh): who they are and whether we believe them, what is offered to them and taken
//! from them, and what must still be said to them.
//!
//! Nothing here calls a peer in the course of a request, but for the keys a signature is verified by. What is to be said
//! goes into the outbox in the transaction that makes it true; `stitchbox-runner` sends it.

mod answer;
mod authenticate;
mod backoff;
mod caller;
mod changed;
mod incoming;
mod invites;
mod journal;
mod keys;
mod limits;
mod network;
mod notices;
mod offer;
mod outbox;
mod peers;
mod postbox;
mod recording;
mod refusal;
mod reshare;
mod self_test;
mod sending;
mod settings;
mod share_info;
mod tokens;
mod trust;

pub use authenticate::PeerRequest;
pub use caller::{CallRefusal, Caller};
pub use changed::Moved;
pub use incoming::{Taken, senders_of};
pub use invites::GivenInvite;
pub use keys::PublishedSiteKey;
pub use network::NoPeer;
pub use peers::{KnownPeer, PeerOverview, Trust};
pub use refusal::FederationRefusal;
pub use self_test::Step;
pub use settings::{AutoAccept, FederationSettings, TrustPolicy};
pub use stitchbox_store::invites::{Contact, TakenInvite};

pub use backoff::Backoff;
pub use sending::{Answered, Delivery, Leased};
pub use share_info::{NoShareInfo, ShareInfo};
pub use tokens::ExchangeRefusal;

pub(crate) use answer::post_attestation;
pub(crate) use keys::KeyShelf;
pub(crate) use offer::{offer, withdraw};
pub(crate) use postbox::Postbox;

use crate::{Domain, Error};
use std::sync::Arc;
use stitchbox_federation::address::Host;
use stitchbox_federation::http::Http;
use stitchbox_federation::secret::NoRandomness;
use stitchbox_store::StoreError;
use tokio::sync::Notify;

/// What the rules remember about this site's part in the federation.
#[derive(Debug)]
pub struct Federation {
    pub(crate) settings: FederationSettings,
    /// host[:port] of this site.
    pub(crate) host: Host,
    outbox: Notify,
    pub(crate) http: Http,
    pub(crate) silent: network::Silent,
    pub(crate) limits: limits::CallLimits,
}

impl Federation {
    /// `https://host[:port]` of this site, as peers call it.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.settings.origin
    }

    /// host[:port] of this site: what stands behind the `@` of its users.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What the administrator set.
    #[must_use]
    pub fn settings(&self) -> &FederationSettings {
        &self.settings
    }

    /// Wakes when this process put something into the outbox.
    #[must_use]
    pub fn outbox(&self) -> &Notify {
        &self.outbox
    }
}

impl Domain {
    /// Takes part in the federation from now on.
    pub async fn with_federation(mut self, settings: FederationSettings) -> Result<Self, Error> {
        // A second call finds the first one's provider, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = settings.host().ok_or(FederationRefusal::Off)?;
        let http =
            Http::new(Federation::policy(&settings)).map_err(|error| FederationRefusal::Settings(error.to_string()))?;
        self.federation = Some(Arc::new(Federation {
            settings,
            host,
            outbox: Notify::new(),
            http,
            silent: network::Silent::default(),
            limits: limits::CallLimits::default(),
        }));
        Ok(self)
    }

    /// This site's part in the federation, if it has one.
    #[must_use]
    pub fn federation(&self) -> Option<&Arc<Federation>> {
        self.federation.as_ref()
    }

    /// As [`Domain::federation`], for what cannot be done without.
    pub(crate) fn site(&self) -> Result<&Arc<Federation>, Error> {
        self.federation.as_ref().ok_or(Error::Federation(FederationRefusal::Off))
    }

    /// To be called after a transaction that put something into the outbox.
    pub(crate) fn wake_outbox(&self) {
        if let Some(federation) = &self.federation {
            federation.outbox.notify_one();
        }
    }
}

pub(crate) fn no_randomness(error: NoRandomness) -> Error {
    Error::Store(StoreError::NotCommitted(error.to_string()))
}
