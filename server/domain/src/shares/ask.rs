//! Sharing what came from another site: only its owner can, so the owner is asked.

use super::{Grantee, NewShare};
use crate::{Domain, Error, Principal, Refusal};
use stitchbox_schema::sharing::ShareDocument;

/// What came of the wish to share.
#[derive(Debug, Clone)]
pub enum Given {
    /// A share of this installation.
    Made(Box<ShareDocument>),
    /// The owner of what was received was asked to share it with somebody elsewhere; the id of the wish.
    Asked(i64),
}

impl Domain {
    /// As [`Domain::share`]; for all of what came from another site, and somebody elsewhere, the owner is asked instead.
    pub async fn share_or_ask(&self, principal: &Principal, new: NewShare) -> Result<Given, Error> {
        let space = new.item.space;
        let asked_for = match &new.to {
            Grantee::Federated { recipient, group: false } if new.item.path.is_root() => Some(recipient.clone()),
            _ => None,
        };
        match (self.share(principal, new).await, asked_for) {
            (Err(Error::Forbidden(Refusal::ReceivedSpace)), Some(recipient)) => {
                Ok(Given::Asked(self.ask_reshare(principal, space, &recipient).await?))
            }
            (made, _) => Ok(Given::Made(Box::new(made?))),
        }
    }
}
