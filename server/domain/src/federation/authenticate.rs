//! Which peer calls (facts, section 8.3). A signature that is there is verified. Without one, a call is believed to come
//! from whom it names only if that site never signed and publishes no key; the secrets in the call then decide alone.

use super::network::{NoPeer, Wanted};
use super::trust::is_trusted;
use super::{CallRefusal, Caller};
use crate::Domain;
use http::HeaderMap;
use std::net::IpAddr;
use std::time::Duration;
use stitchbox_federation::address::Host;
use stitchbox_federation::ocm::OcmClient;
use stitchbox_federation::signature::cavage::CavageSignature;
use stitchbox_federation::signature::message::MessageSignature;
use stitchbox_federation::signature::{Presented, SignatureError, SignedRequest, presented};
use stitchbox_store::peers::{self, Trust};

/// How long a call waits for the keys of who signed it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A call as it came.
#[derive(Debug, Clone, Copy)]
pub struct PeerRequest<'a> {
    /// Method.
    pub method: &'a str,
    /// Path and query as the client wrote them.
    pub path: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: &'a [u8],
    /// The address it came from.
    pub client: IpAddr,
}

impl PeerRequest<'_> {
    /// Whether it carries a signature, good or not.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        presented(self.headers) != Presented::Unsigned
    }
}

impl Domain {
    /// Finds out which of the sites that may have sent a request did send it.
    ///
    /// [`CallRefusal::BadSignature`] for a signature of none of them, [`CallRefusal::Unsigned`] where there should be one,
    /// [`CallRefusal::Untrusted`] for a site the administrator does not share with.
    pub async fn authenticate_peer(&self, request: &PeerRequest<'_>, claimed: &[Host]) -> Result<Caller, CallRefusal> {
        let site = self.federation.as_ref().ok_or(CallRefusal::Off)?.clone();
        let claimed: Vec<Host> = claimed.iter().filter(|host| **host != site.host).cloned().collect();
        let first = claimed.first().ok_or(CallRefusal::NotAllowed("this site does not call itself"))?;
        // Before anybody is asked for keys.
        for host in &claimed {
            self.check_trusted(host).await?;
        }
        let target = format!("{}{}", site.origin(), request.path);
        let signed =
            SignedRequest { method: request.method, target: &target, headers: request.headers, body: request.body };
        let verified = async {
            match presented(request.headers) {
                Presented::Unsigned => Ok(None),
                Presented::Cavage => self.verify_cavage(&signed, &claimed).await.map(Some),
                Presented::Message => self.verify_message(&signed, &claimed).await.map(Some),
            }
        };
        let slow = || CallRefusal::BadSignature(format!("the keys of {first} could not be fetched in time"));
        let signer = tokio::time::timeout(PATIENCE, verified).await.map_err(|_| slow())??;
        if let Some(host) = signer {
            self.note_signed(&host).await?;
            return Ok(Caller { host, has_signed: true, client: request.client });
        }
        for host in &claimed {
            if site.settings.require_signatures || self.is_known_to_sign(host).await? {
                return Err(CallRefusal::Unsigned(host.clone()));
            }
        }
        Ok(Caller { host: first.clone(), has_signed: false, client: request.client })
    }

    async fn check_trusted(&self, host: &Host) -> Result<(), CallRefusal> {
        let site = self.federation.as_ref().ok_or(CallRefusal::Off)?;
        let row = peers::by_host(&mut *self.store.read().await?, host.as_str()).await?;
        let word = row.map_or(Trust::Default, |row| row.trust);
        if is_trusted(site.settings.trust, word) { Ok(()) } else { Err(CallRefusal::Untrusted(host.clone())) }
    }

    async fn verify_cavage(&self, request: &SignedRequest<'_>, claimed: &[Host]) -> Result<Host, CallRefusal> {
        let signature = CavageSignature::read(request.headers).map_err(bad)?;
        let host = signature.key_host().filter(|host| claimed.contains(host)).ok_or_else(|| {
            let names = claimed.iter().map(Host::as_str).collect::<Vec<_>>().join(" or ");
            CallRefusal::BadSignature(format!("its key ({}) is not one of {names}", short(signature.key_id())))
        })?;
        let now = self.now().unix_seconds();
        let mut why = String::new();
        for wanted in [Wanted::Kept, Wanted::Anew] {
            let peer = self.peer_as(&host, wanted).await.map_err(|error| no_keys(&host, error))?;
            why = match OcmClient::rsa_key(&peer, signature.key_id()) {
                Some(key) => match signature.verify(request, &key, now) {
                    Ok(()) => return Ok(host),
                    // Another key does not help against these.
                    Err(error) if error != SignatureError::Wrong => return Err(bad(error)),
                    Err(error) => error.to_string(),
                },
                None => format!("{host} publishes no key {}", short(signature.key_id())),
            };
        }
        Err(CallRefusal::BadSignature(why))
    }

    async fn verify_message(&self, request: &SignedRequest<'_>, claimed: &[Host]) -> Result<Host, CallRefusal> {
        let signature = MessageSignature::read(request.headers).map_err(bad)?;
        let now = self.now().unix_seconds();
        let mut why = String::new();
        for host in claimed {
            for wanted in [Wanted::Kept, Wanted::Anew] {
                let keys = match self.keys_as(host, wanted).await {
                    Ok(keys) => keys,
                    Err(error @ NoPeer::Own(_)) => return Err(no_keys(host, error)),
                    Err(NoPeer::Peer(error)) => {
                        why = format!("the keys of {host} could not be fetched: {error}");
                        break;
                    }
                };
                why = match keys.find(signature.key_id()) {
                    Some(key) => match signature.verify(request, key, now) {
                        Ok(()) => return Ok(host.clone()),
                        Err(error) if error != SignatureError::Wrong => return Err(bad(error)),
                        Err(error) => error.to_string(),
                    },
                    None => format!("{host} publishes no key {}", short(signature.key_id())),
                };
            }
        }
        Err(CallRefusal::BadSignature(why))
    }

    async fn note_signed(&self, host: &Host) -> Result<(), CallRefusal> {
        let row = peers::by_host(&mut *self.store.read().await?, host.as_str()).await?;
        if row.is_some_and(|row| row.has_signed) {
            return Ok(());
        }
        let (name, now) = (host.to_string(), self.now());
        self.transact(move |tx| {
            Box::pin(async move {
                peers::hear_of(tx, &name, now).await?;
                peers::set_signed(tx, &name, true).await?;
                Ok(())
            })
        })
        .await?;
        tracing::info!(peer = %host, "this peer signs its requests; from now on it has to");
        Ok(())
    }

    /// Whether the site signed before, or publishes a key to verify by. A site that cannot be reached is not known to.
    async fn is_known_to_sign(&self, host: &Host) -> Result<bool, CallRefusal> {
        let row = peers::by_host(&mut *self.store.read().await?, host.as_str()).await?;
        if row.is_some_and(|row| row.has_signed) {
            return Ok(true);
        }
        match tokio::time::timeout(PATIENCE, self.peer(host)).await {
            Ok(Ok(peer)) => {
                let document = peer.discovery();
                Ok(document.public_key.is_some() || (document.can("http-sig") && document.jwks_uri.is_some()))
            }
            Ok(Err(NoPeer::Own(error))) => Err(error.into()),
            Ok(Err(NoPeer::Peer(_))) | Err(_) => Ok(false),
        }
    }
}

fn bad(error: SignatureError) -> CallRefusal {
    CallRefusal::BadSignature(error.to_string())
}

fn no_keys(host: &Host, error: NoPeer) -> CallRefusal {
    match error {
        NoPeer::Own(error) => error.into(),
        NoPeer::Peer(error) => CallRefusal::BadSignature(format!("the keys of {host} could not be fetched: {error}")),
    }
}

/// As much of a text of a stranger as is repeated.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
