//! What peers share with a person, for listing it.

use super::state::PeerState;
use crate::{Domain, Error, Principal, Refusal};
use stitchbox_schema::SpaceId;
use stitchbox_store::received::{self, ReceivedShare};

/// A received share with how it stands with its peer.
#[derive(Debug, Clone)]
pub struct ReceivedSpace {
    /// The share.
    pub share: ReceivedShare,
    /// How it stands.
    pub peer: PeerState,
}

impl Domain {
    /// What peers share with the principal, latest first; offers that wait for an answer among it.
    pub async fn received_shares(&self, principal: &Principal) -> Result<Vec<ReceivedSpace>, Error> {
        whole_account(principal)?;
        let shares = received::of_user(&mut *self.store.read().await?, principal.user).await?;
        let mut found = Vec::with_capacity(shares.len());
        for share in shares {
            let peer = self.state_of(&share).await?;
            found.push(ReceivedSpace { share, peer });
        }
        Ok(found)
    }

    /// One of them.
    pub async fn received_share(&self, principal: &Principal, space: SpaceId) -> Result<ReceivedSpace, Error> {
        let all = self.received_shares(principal).await?;
        all.into_iter().find(|found| found.share.space == space).ok_or(Error::NotFound)
    }

    /// Compares a received space with its peer as soon as it may be asked; the principal must have been given it.
    pub async fn ask_for_refresh(&self, principal: &Principal, space: SpaceId) -> Result<ReceivedSpace, Error> {
        let found = self.received_share(principal, space).await?;
        self.refresh_soon(space).await?;
        Ok(found)
    }
}

/// Credentials that open less than the account do not speak for the person.
fn whole_account(principal: &Principal) -> Result<(), Error> {
    let scope = &principal.scope;
    if scope.share.is_some() || scope.space.is_some() {
        return Err(Error::NotFound);
    }
    if scope.create_only { Err(Refusal::CreateOnly.into()) } else { Ok(()) }
}
