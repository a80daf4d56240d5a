//! What the federation lends to attestations: the site's keys and name, the keys of peers, the outbox.

use super::AttestationRefused;
use crate::federation::Postbox;
use crate::{Domain, Error, Location, Principal};
use std::sync::{Arc, OnceLock};
use stitchbox_federation::jws::Jws;
use stitchbox_federation::keys::{Jwks, KeyKind, SigningKey};
use stitchbox_schema::sharing::ShareKind;
use stitchbox_schema::{ItemId, RerunId, SpaceId, Timestamp};
use stitchbox_store::federated::FederatedState;
use stitchbox_store::{Connection, Tx, federated, items, peers, shares};

pub(crate) struct InterimKeys {
    pub ed25519: SigningKey,
}

impl Domain {
    pub(crate) async fn site_keys(&self) -> Result<Arc<InterimKeys>, Error> {
        static KEYS: OnceLock<Arc<InterimKeys>> = OnceLock::new();
        let make = || {
            SigningKey::generate(KeyKind::Ed25519, format!("{}#key1", self.instance()))
                .map_err(|error| Error::Store(stitchbox_store::StoreError::Driver(error.to_string())))
        };
        if let Some(keys) = KEYS.get() {
            return Ok(keys.clone());
        }
        let made = Arc::new(InterimKeys { ed25519: make()? });
        Ok(KEYS.get_or_init(|| made).clone())
    }

    /// Address of this site; empty where it takes part in no federation.
    pub(crate) fn origin(&self) -> &str {
        self.federation().map_or("", |federation| federation.origin())
    }

    /// The payload of what a peer signed, by the keys it publishes.
    pub(super) async fn verified(&self, peer: &str, jws: &str) -> Result<Vec<u8>, AttestationRefused> {
        let refused = |why: String| AttestationRefused::Signature { peer: peer.to_owned(), why };
        let keys = peers::by_host(&mut *self.store.read().await.map_err(Error::from)?, peer).await?;
        let keys = keys.and_then(|peer| peer.keys).ok_or_else(|| refused("its keys are not known".to_owned()))?;
        let keys = Jwks::parse(keys.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let jws = Jws::parse(jws).map_err(|error| refused(error.to_string()))?;
        Ok(jws.verify_by(&keys).map_err(|error| refused(error.to_string()))?.to_vec())
    }

    /// Brings the files of a received folder here, so that it is known what they are.
    pub(crate) async fn bring_series(&self, _principal: &Principal, _at: &Location) -> Result<(), Error> {
        Ok(())
    }

    /// Puts an attestation about a received folder on its way to the owner.
    pub(super) async fn send_attestation(
        &self,
        _tx: &mut Tx,
        _postbox: &Postbox,
        _space: SpaceId,
        _rerun: RerunId,
        _jws: &str,
    ) -> Result<(), Error> {
        Ok(())
    }
}

/// Whether a peer holds a share of the folder or of one above it, that it has taken and that has not expired.
pub(super) async fn is_shared_with(
    db: &mut Connection,
    folder: ItemId,
    peer: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(item) = items::by_id(db, folder).await? else { return Ok(false) };
    let mut held = shares::of_item(db, folder).await?;
    held.extend(shares::above_item(db, item.space, folder).await?);
    for share in held {
        let lives = share.kind == ShareKind::Federated
            && share.space == item.space
            && !share.upload_only
            && share.expires_at.is_none_or(|end| end > now);
        if !lives {
            continue;
        }
        let outgoing = federated::by_share(db, share.id).await?;
        let taken = |state| matches!(state, FederatedState::Sent | FederatedState::Accepted | FederatedState::Pending);
        if outgoing.is_some_and(|outgoing| outgoing.peer == peer && taken(outgoing.state)) {
            return Ok(true);
        }
    }
    Ok(false)
}
