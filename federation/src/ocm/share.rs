//! Sending a share: in the form chosen for the peer, once more in the other form if it refuses that, both answers told.

use super::calls::OcmClient;
use crate::dialect::{Form, Shape, choose};
use crate::discover::Peer;
use crate::peer_error::PeerError;
use crate::wire::{ShareAnswer, ShareMessage};

/// A share that a peer took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The form it took.
    pub form: Form,
    /// What it answered.
    pub answer: ShareAnswer,
    /// What it said to the form tried first, if that was refused.
    pub first_refusal: Option<PeerError>,
}

impl OcmClient {
    /// Sends a share. 200 and 201 are success; 400 and 501 are answered with one try of the other form, unless the peer
    /// demanded an exchange of tokens.
    ///
    /// # Errors
    /// [`PeerError::CannotShare`]; [`PeerError::RefusedTwice`] with both answers; the refusal; no answer. A share may have
    /// arrived although no answer came: send it again with the same provider id, which the receiver knows.
    pub async fn send_share(&self, peer: &Peer, share: &ShareMessage) -> Result<Sent, PeerError> {
        let cannot = |why| PeerError::CannotShare { host: peer.host().to_string(), why };
        let choice = choose(peer.discovery(), share.resource_type, share.share_type).map_err(cannot)?;
        let first = match self.send_as(peer, share, &choice.first).await {
            Ok(answer) => return Ok(Sent { form: choice.first.form, answer, first_refusal: None }),
            Err(error) => error,
        };
        let (Some(other), Some(400 | 501)) = (choice.fallback, first.status()) else { return Err(first) };
        tracing::info!(peer = %peer.host(), %first, "a share was refused in one form and is sent in the other");
        match self.send_as(peer, share, &other).await {
            Ok(answer) => Ok(Sent { form: other.form, answer, first_refusal: Some(first) }),
            Err(second) => Err(PeerError::RefusedTwice { first: Box::new(first), second: Box::new(second) }),
        }
    }

    async fn send_as(&self, peer: &Peer, share: &ShareMessage, shape: &Shape) -> Result<ShareAnswer, PeerError> {
        let answer = self.post(peer, &peer.end_point("shares")?, share.encode(shape)).await?;
        Ok(ShareAnswer::decode(&answer.body))
    }
}
