//! What the federation lends to attestations: the keys of peers, the bytes of received folders, who may see a folder.

use super::AttestationRefused;
use crate::access::enter_at;
use crate::read::resolve;
use crate::{Action, Domain, Error, Location, Principal};
use futures::TryStreamExt;
use stitchbox_federation::address::Host;
use stitchbox_federation::jws::{self, JwsError};
use stitchbox_federation::keys::{Jwks, KeyError, PublicKey};
use stitchbox_recipe::recipe_among;
use stitchbox_schema::sharing::ShareKind;
use stitchbox_schema::{ItemId, SpaceKind, Timestamp};
use stitchbox_store::federated::FederatedState;
use stitchbox_store::{Connection, federated, items, shares, versions};

impl Domain {
    /// The payload of what a peer signed, by the keys it publishes: those we know, and if the signature does not fit them,
    /// those it publishes now.
    pub(super) async fn verified(&self, peer: &str, jws: &str) -> Result<Vec<u8>, AttestationRefused> {
        let refused = |why: String| AttestationRefused::Signature { peer: peer.to_owned(), why };
        let host = Host::parse(peer).map_err(|error| refused(error.to_string()))?;
        let keys = self.peer_keys(&host).await.map_err(|error| refused(error.to_string()))?;
        match verify(jws, &keys) {
            Ok(payload) => Ok(payload),
            Err(JwsError::UnknownKey | JwsError::Key(KeyError::WrongSignature)) => {
                let keys = self.peer_keys_anew(&host).await.map_err(|error| refused(error.to_string()))?;
                verify(jws, &keys).map_err(|error| refused(error.to_string()))
            }
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Brings the files of a received folder here, so that it is known what they are, and reads the recipe among them;
    /// nothing for a folder of our own.
    pub(crate) async fn bring_series(&self, principal: &Principal, at: &Location) -> Result<Option<String>, Error> {
        let mut db = self.store.read().await?;
        let membership = enter_at(&mut db, principal, at, self.now()).await?;
        if membership.space.kind != SpaceKind::Received {
            return Ok(None);
        }
        let folder = resolve(&mut db, membership.space.root, &at.path).await?;
        membership.check(Action::Read, &folder)?;
        let shown = versions::shown_in(&mut db, folder.id).await?;
        drop(db);
        let own = recipe_among(shown.iter().map(|(name, _)| name.as_str())).map(str::to_owned);
        let own = shown.iter().find(|(name, _)| Some(name) == own.as_ref()).map(|(_, version)| version.clone());
        let versions: Vec<_> = shown.into_iter().map(|(_, version)| version).collect();
        self.fetch_inputs(&versions).await?;
        let Some(own) = own.filter(|own| own.size <= crate::uploads::SMALL_BYTES as i64) else { return Ok(None) };
        let bytes = self.open(&own, 0..u64::try_from(own.size).unwrap_or(0)).await?;
        let bytes: Vec<bytes::Bytes> = bytes.try_collect().await.map_err(|_| Error::BodyBroken)?;
        Ok(String::from_utf8(bytes.concat()).ok())
    }
}

fn verify(text: &str, keys: &Jwks) -> Result<Vec<u8>, JwsError> {
    let key = |header: &jws::Header| -> Option<PublicKey> {
        keys.find(&header.kid).filter(|_| !header.kid.is_empty()).map(|jwk| jwk.key.clone())
    };
    jws::verify(text, key).map(|(_, payload)| payload)
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
