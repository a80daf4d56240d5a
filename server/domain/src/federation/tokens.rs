//! Exchanging the secret of a share for a token that opens it for a while (facts, section 7). Tokens are opaque; only
//! their hash is kept. Several may hold at once.

use super::journal::Noted;
use super::recording::lives;
use super::{Caller, no_randomness};
use crate::{Domain, Error};
use serde_json::json;
use std::time::Duration;
use stitchbox_federation::secret::Secret;
use stitchbox_federation::wire::{TokenAnswer, TokenError, TokenRequest};
use stitchbox_schema::Timestamp;
use stitchbox_store::{federated, shares};

/// How long a token holds, seconds.
const LIFETIME: u64 = 3600;

/// Why no token is given.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeRefusal {
    /// The peer's fault.
    #[error("{0}")]
    Refused(#[from] TokenError),
    /// Ours.
    #[error("{0}")]
    Own(#[from] Error),
}

impl From<stitchbox_store::StoreError> for ExchangeRefusal {
    fn from(error: stitchbox_store::StoreError) -> Self {
        Self::Own(error.into())
    }
}

impl Domain {
    /// Gives a token for the secret of a share to the site the share is with.
    pub async fn exchange_secret(&self, caller: Caller, asked: TokenRequest) -> Result<TokenAnswer, ExchangeRefusal> {
        let token = Secret::generate().map_err(no_randomness)?;
        let (secret, postbox) = (asked.code.sha256_hex(), self.postbox());
        let hash = token.sha256_hex();
        let expires_in = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let row = federated::by_secret_hash(tx, &secret).await?.ok_or(TokenError::InvalidGrant)?;
                    let share = shares::by_id(tx, row.share).await?.ok_or(TokenError::InvalidGrant)?;
                    if share.expires_at.is_some_and(|end| end <= postbox.now) {
                        return Err(TokenError::InvalidGrant.into());
                    }
                    if row.peer != caller.host.as_str() {
                        return Err(TokenError::UnauthorizedClient.into());
                    }
                    let until = postbox.now.after(Duration::from_secs(LIFETIME));
                    let until = share.expires_at.map_or(until, |end: Timestamp| end.min(until));
                    federated::insert_token(tx, &hash, row.share, &row.peer, until).await?;
                    lives(tx, caller.host.as_str(), postbox.now).await?;
                    let mut noted = Noted::new("ocm_received", caller.host.as_str(), "token");
                    (noted.client, noted.share) = (Some(caller.client), Some(row.share));
                    noted.details = json!({"signed": caller.has_signed});
                    postbox.note(tx, &noted).await?;
                    let left = (until.0 - postbox.now.0) / 1_000_000_000;
                    Ok::<_, ExchangeRefusal>(u64::try_from(left).unwrap_or(0))
                })
            })
            .await?;
        Ok(TokenAnswer { access_token: token, expires_in })
    }
}
