//! What an administrator sees and says about other sites.

use super::FederationRefusal;
use super::trust::{discovery_of, is_trusted};
use crate::{Domain, Error, Principal, Refusal};
use stitchbox_federation::address::Host;
use stitchbox_federation::wire::Discovery;
use stitchbox_store::outbox::{self, Outgoing};
use stitchbox_store::peers;
use stitchbox_store::{Connection, invites};

pub use stitchbox_store::peers::{Peer as KnownPeer, Trust};

/// A peer, with what is known of it.
#[derive(Debug, Clone)]
pub struct PeerOverview {
    /// What is stored.
    pub peer: KnownPeer,
    /// What it says about itself.
    pub discovery: Option<Discovery>,
    /// Whether we share with it, by the rule and the administrator's word.
    pub is_trusted: bool,
    /// Calls to it that wait.
    pub waiting: i64,
}

/// The name of a peer as it is kept.
pub(super) fn host(text: &str) -> Result<Host, Error> {
    Host::parse(text).map_err(|_| FederationRefusal::Address(text.to_owned()).into())
}

impl Domain {
    /// Every peer, by host. Only an administrator may ask; `None` is who has the data folder.
    pub async fn peers(&self, principal: Option<&Principal>) -> Result<Vec<PeerOverview>, Error> {
        may_administer(principal)?;
        let mut db = self.store.read().await?;
        let counts = outbox::waiting_counts(&mut db).await?;
        let all = peers::all(&mut db).await?;
        Ok(all.into_iter().map(|peer| self.overview(peer, &counts)).collect())
    }

    fn overview(&self, peer: KnownPeer, counts: &[(String, i64)]) -> PeerOverview {
        let rule = self.federation.as_ref().map(|site| site.settings.trust).unwrap_or_default();
        PeerOverview {
            discovery: discovery_of(&peer),
            is_trusted: is_trusted(rule, peer.trust),
            waiting: counts.iter().find(|(host, _)| *host == peer.host).map_or(0, |(_, count)| *count),
            peer,
        }
    }

    /// One peer, and what waits to be said to it. [`Error::NotFound`] if it is unknown.
    pub async fn peer_details(
        &self,
        principal: Option<&Principal>,
        name: &str,
    ) -> Result<(PeerOverview, Vec<Outgoing>), Error> {
        may_administer(principal)?;
        let name = host(name)?;
        let mut db = self.store.read().await?;
        let peer = known(&mut db, &name).await?;
        let counts = outbox::waiting_counts(&mut db).await?;
        let waiting = outbox::waiting_for(&mut db, name.as_str(), 100).await?;
        Ok((self.overview(peer, &counts), waiting))
    }

    /// Says whether we share with a peer, heard of or not.
    pub async fn trust_peer(&self, principal: Option<&Principal>, name: &str, trust: Trust) -> Result<(), Error> {
        may_administer(principal)?;
        let (name, now) = (host(name)?, self.now());
        self.transact(move |tx| Box::pin(async move { Ok(peers::set_trust(tx, name.as_str(), trust, now).await?) }))
            .await
    }

    /// Forgets that a peer did not answer, and what was kept of its document: what waits for it is tried at once.
    /// [`Error::NotFound`] if it is unknown.
    pub async fn reset_peer(&self, principal: Option<&Principal>, name: &str) -> Result<(), Error> {
        may_administer(principal)?;
        let (name, now) = (host(name)?, self.now());
        if let Some(site) = &self.federation {
            site.silent.forget(&name);
        }
        self.transact(move |tx| {
            Box::pin(async move {
                if !peers::reset(tx, name.as_str()).await? {
                    return Err(Error::NotFound);
                }
                Ok(outbox::hurry(tx, name.as_str(), now).await?)
            })
        })
        .await?;
        self.wake_outbox();
        Ok(())
    }

    /// Forgets that a peer signed, with its keys: the next unsigned call in its name is believed again.
    /// [`Error::NotFound`] if it is unknown.
    pub async fn forget_signature(&self, principal: Option<&Principal>, name: &str) -> Result<(), Error> {
        may_administer(principal)?;
        let name = host(name)?;
        self.transact(move |tx| {
            Box::pin(async move {
                if peers::set_signed(tx, name.as_str(), false).await? { Ok(()) } else { Err(Error::NotFound) }
            })
        })
        .await
    }

    /// For the sweeper: what nobody needs to remember of federation; how many rows went.
    pub async fn sweep_federation(&self) -> Result<u64, Error> {
        const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
        let now = self.now();
        self.transact(move |tx| {
            Box::pin(async move {
                let mut gone = stitchbox_store::federated::remove_ended_tokens(tx, now).await?;
                gone += outbox::remove_ended(tx, now.before(DAY * 30)).await?;
                gone += invites::remove_ended(tx, now.before(DAY * 90)).await?;
                gone += peers::forget_strangers(tx, now.before(DAY * 30)).await?;
                Ok(gone)
            })
        })
        .await
    }
}

async fn known(db: &mut Connection, name: &Host) -> Result<KnownPeer, Error> {
    peers::by_host(db, name.as_str()).await?.ok_or(Error::NotFound)
}

pub(super) fn may_administer(principal: Option<&Principal>) -> Result<(), Error> {
    match principal {
        Some(principal) if !principal.is_admin => Err(Refusal::NotAdmin.into()),
        _ => Ok(()),
    }
}
