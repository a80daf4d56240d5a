//! What shares of kind federated have beyond others, and the tokens given for their secrets.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{Cursor, ItemId, ShareId, Timestamp};

/// Where an outgoing federated share stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FederatedState {
    /// The peer was not told yet, or did not answer yet.
    Pending,
    /// The peer has taken it.
    Sent,
    /// The recipient accepted it.
    Accepted,
    /// The recipient declined it, or removed it later.
    Declined,
    /// The peer would not have it.
    Refused,
}

impl FederatedState {
    const ALL: [Self; 5] = [Self::Pending, Self::Sent, Self::Accepted, Self::Declined, Self::Refused];

    /// The word in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Refused => "refused",
        }
    }
}

/// A row of `federated_shares`.
#[derive(Clone)]
pub struct FederatedShare {
    /// The share it belongs to.
    pub share: ShareId,
    /// What peers call it: the decimal share id.
    pub provider_id: String,
    /// name@host.
    pub recipient: String,
    /// The recipient is a group there.
    pub is_group: bool,
    /// The recipient's site.
    pub peer: String,
    /// name@host of who asked us to share, where that was a peer.
    pub sender: Option<String>,
    /// What the sender calls the share it asked for.
    pub sender_id: Option<String>,
    /// SHA-256 of the secret, hexadecimal.
    pub secret_hash: String,
    /// The secret, sealed.
    pub secret_sealed: String,
    /// The secret opens nothing; only a token given for it does.
    pub must_exchange: bool,
    /// Where it stands.
    pub state: FederatedState,
    /// The form the peer took.
    pub form: Option<String>,
    /// What the peer said last.
    pub answer: Option<String>,
    /// When the state changed.
    pub changed_at: Timestamp,
}

impl std::fmt::Debug for FederatedShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FederatedShare").field("share", &self.share).field("state", &self.state).finish_non_exhaustive()
    }
}

fn federated(row: &AnyRow) -> Result<FederatedShare, StoreError> {
    let id: i64 = row.try_get("share_id")?;
    let word: &str = row.try_get("state")?;
    let state = FederatedState::ALL.into_iter().find(|state| state.as_str() == word);
    Ok(FederatedShare {
        share: ShareId(id),
        provider_id: row.try_get("provider_id")?,
        recipient: row.try_get("recipient")?,
        is_group: row.try_get::<i64, _>("is_group")? != 0,
        peer: row.try_get("peer")?,
        sender: row.try_get("sender")?,
        sender_id: row.try_get("sender_id")?,
        secret_hash: row.try_get("secret_hash")?,
        secret_sealed: row.try_get("secret_sealed")?,
        must_exchange: row.try_get::<i64, _>("must_exchange")? != 0,
        state: state.ok_or(StoreError::Inconsistent { table: "federated_shares", column: "state", row: id })?,
        form: row.try_get("form")?,
        answer: row.try_get("answer")?,
        changed_at: Timestamp(row.try_get("changed_at")?),
    })
}

/// Makes the row of a share.
pub async fn insert(tx: &mut Tx, new: &FederatedShare) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO federated_shares (share_id, provider_id, recipient, is_group, peer, sender, sender_id, secret_hash,
                                       secret_sealed, must_exchange, state, form, answer, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(new.share.0)
    .bind(&new.provider_id)
    .bind(&new.recipient)
    .bind(i64::from(new.is_group))
    .bind(&new.peer)
    .bind(new.sender.as_deref())
    .bind(new.sender_id.as_deref())
    .bind(&new.secret_hash)
    .bind(&new.secret_sealed)
    .bind(i64::from(new.must_exchange))
    .bind(new.state.as_str())
    .bind(new.form.as_deref())
    .bind(new.answer.as_deref())
    .bind(new.changed_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The row of a share.
pub async fn by_share(db: &mut Connection, share: ShareId) -> Result<Option<FederatedShare>, StoreError> {
    let row =
        sqlx::query("SELECT * FROM federated_shares WHERE share_id = $1").bind(share.0).fetch_optional(db).await?;
    row.as_ref().map(federated).transpose()
}

/// The share that peers call this.
pub async fn by_provider_id(db: &mut Connection, id: &str) -> Result<Option<FederatedShare>, StoreError> {
    let row = sqlx::query("SELECT * FROM federated_shares WHERE provider_id = $1").bind(id).fetch_optional(db).await?;
    row.as_ref().map(federated).transpose()
}

/// The share whose secret has this hash.
pub async fn by_secret_hash(db: &mut Connection, hash: &str) -> Result<Option<FederatedShare>, StoreError> {
    let row =
        sqlx::query("SELECT * FROM federated_shares WHERE secret_hash = $1").bind(hash).fetch_optional(db).await?;
    row.as_ref().map(federated).transpose()
}

/// Whether the item is offered to this recipient already: a second share is not made.
pub async fn is_offered(db: &mut Connection, item: ItemId, recipient: &str) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT shares.id FROM federated_shares JOIN shares ON shares.id = federated_shares.share_id
         WHERE shares.item_id = $1 AND federated_shares.recipient = $2 LIMIT 1",
    )
    .bind(item.0)
    .bind(recipient)
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

/// The shares a peer has taken and not declined.
pub async fn live_with_peer(db: &mut Connection, peer: &str) -> Result<Vec<FederatedShare>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM federated_shares WHERE peer = $1 AND state IN ('sent', 'accepted') ORDER BY share_id",
    )
    .bind(peer)
    .fetch_all(db)
    .await?;
    rows.iter().map(federated).collect()
}

/// Changes the state, and keeps what the peer said.
pub async fn set_state(
    tx: &mut Tx,
    share: ShareId,
    state: FederatedState,
    answer: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE federated_shares SET state = $2, answer = $3, changed_at = $4 WHERE share_id = $1")
        .bind(share.0)
        .bind(state.as_str())
        .bind(answer)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes what the peer said while the state stays.
pub async fn set_answer(tx: &mut Tx, share: ShareId, answer: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE federated_shares SET answer = $2 WHERE share_id = $1")
        .bind(share.0)
        .bind(answer)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes the form the peer took.
pub async fn set_form(tx: &mut Tx, share: ShareId, form: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE federated_shares SET form = $2 WHERE share_id = $1")
        .bind(share.0)
        .bind(form)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether the secret opens nothing by itself any more.
pub async fn set_must_exchange(tx: &mut Tx, share: ShareId, must: bool) -> Result<(), StoreError> {
    sqlx::query("UPDATE federated_shares SET must_exchange = $2 WHERE share_id = $1")
        .bind(share.0)
        .bind(i64::from(must))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes the row of a share and the tokens given for it.
pub async fn remove(tx: &mut Tx, share: ShareId) -> Result<(), StoreError> {
    for sql in ["DELETE FROM exchanged_tokens WHERE share_id = $1", "DELETE FROM federated_shares WHERE share_id = $1"]
    {
        sqlx::query(sql).bind(share.0).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Keeps a token given for a secret.
pub async fn insert_token(
    tx: &mut Tx,
    token_hash: &str,
    share: ShareId,
    peer: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO exchanged_tokens (token_hash, share_id, peer, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(token_hash)
        .bind(share.0)
        .bind(peer)
        .bind(expires_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The share that a token opens now.
pub async fn by_token_hash(
    db: &mut Connection,
    hash: &str,
    now: Timestamp,
) -> Result<Option<FederatedShare>, StoreError> {
    let row = sqlx::query(
        "SELECT federated_shares.* FROM exchanged_tokens
         JOIN federated_shares ON federated_shares.share_id = exchanged_tokens.share_id
         WHERE exchanged_tokens.token_hash = $1 AND exchanged_tokens.expires_at > $2",
    )
    .bind(hash)
    .bind(now.0)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(federated).transpose()
}

/// Removes tokens that open nothing any more; how many.
pub async fn remove_ended_tokens(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    let done =
        sqlx::query("DELETE FROM exchanged_tokens WHERE expires_at <= $1").bind(now.0).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}

/// The shares that peers have, whose item moved after one position of the journal and not after another.
pub async fn moved_between(
    db: &mut Connection,
    after: Cursor,
    until: Cursor,
) -> Result<Vec<FederatedShare>, StoreError> {
    let rows = sqlx::query(
        "SELECT federated_shares.* FROM federated_shares
         JOIN shares ON shares.id = federated_shares.share_id JOIN items ON items.id = shares.item_id
         WHERE federated_shares.state IN ('sent', 'accepted') AND items.last_change > $1 AND items.last_change <= $2
         ORDER BY federated_shares.share_id LIMIT 1000",
    )
    .bind(after.0)
    .bind(until.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(federated).collect()
}
