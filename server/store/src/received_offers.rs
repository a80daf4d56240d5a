//! What the messages of a peer write about a share it made for somebody here. How such a share is looked after is in
//! [`crate::received`].

use crate::received::ReceivedState;
use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{GroupId, SpaceId, Timestamp, UserId};

/// A share as a message brings it.
#[derive(Clone)]
pub struct NewReceived {
    /// The space it is to be shown as.
    pub space: SpaceId,
    /// For whom: a user,
    pub user: Option<UserId>,
    /// or a group.
    pub group: Option<GroupId>,
    /// The site it lies at, host[:port].
    pub peer: String,
    /// What that site calls it.
    pub provider_id: String,
    /// Its name there.
    pub name: String,
    /// What the sender says about it.
    pub description: String,
    /// name@host.
    pub owner: String,
    /// Name for people.
    pub owner_name: String,
    /// name@host.
    pub sender: String,
    /// Name for people.
    pub sender_name: String,
    /// A single file, as far as the message tells.
    pub is_file: bool,
    /// legacy or multi.
    pub form: String,
    /// Where the peer's WebDAV is; empty if it was not said.
    pub uri: String,
    /// Words, separated by blanks.
    pub permissions: String,
    /// The secret opens nothing by itself.
    pub must_exchange: bool,
    /// Sealed.
    pub secret_sealed: String,
    /// SHA-256, hexadecimal.
    pub secret_hash: String,
    /// How to try first, in the words of `stitchbox_federation::dav::Access`.
    pub access: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Now.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for NewReceived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewReceived").field("peer", &self.peer).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a message about a share is compared with.
#[derive(Clone)]
pub struct KnownShare {
    /// The space it is shown as.
    pub space: SpaceId,
    /// For whom.
    pub user: Option<UserId>,
    /// Or for which group.
    pub group: Option<GroupId>,
    /// The site.
    pub peer: String,
    /// What the site calls it.
    pub provider_id: String,
    /// What became of it.
    pub state: ReceivedState,
    /// SHA-256 of its secret.
    pub secret_hash: String,
    /// The secret, sealed.
    pub secret_sealed: String,
    /// name@host of who sent it.
    pub sender: String,
    /// Its name at the peer.
    pub name: String,
    /// Words of the offer.
    pub permissions: String,
    /// legacy or multi.
    pub form: String,
    /// A single file, as far as is known.
    pub is_file: bool,
}

impl std::fmt::Debug for KnownShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownShare").field("space", &self.space).field("state", &self.state).finish_non_exhaustive()
    }
}

fn known(row: &AnyRow) -> Result<KnownShare, StoreError> {
    let id: i64 = row.try_get("space_id")?;
    let state = match row.try_get::<&str, _>("state")? {
        "pending" => ReceivedState::Pending,
        "accepted" => ReceivedState::Accepted,
        "declined" => ReceivedState::Declined,
        "gone" => ReceivedState::Gone,
        _ => return Err(StoreError::Inconsistent { table: "received_shares", column: "state", row: id }),
    };
    Ok(KnownShare {
        space: SpaceId(id),
        user: row.try_get::<Option<i64>, _>("user_id")?.map(UserId),
        group: row.try_get::<Option<i64>, _>("group_id")?.map(GroupId),
        peer: row.try_get("peer")?,
        provider_id: row.try_get("provider_id")?,
        state,
        secret_hash: row.try_get("secret_hash")?,
        secret_sealed: row.try_get("secret_sealed")?,
        sender: row.try_get("sender")?,
        name: row.try_get("name")?,
        permissions: row.try_get("permissions")?,
        form: row.try_get("form")?,
        is_file: row.try_get::<i64, _>("is_file")? != 0,
    })
}

/// Makes the row; the space is there already.
pub async fn insert(tx: &mut Tx, new: &NewReceived) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO received_shares (space_id, user_id, group_id, peer, provider_id, name, description, owner, owner_name,
             sender, sender_name, is_file, form, uri, permissions, must_exchange, secret_sealed, secret_hash, access,
             state, expires_at, refresh_at, failures, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 'pending', $20, $21,
             0, $21)",
    )
    .bind(new.space.0)
    .bind(new.user.map(|user| user.0))
    .bind(new.group.map(|group| group.0))
    .bind(&new.peer)
    .bind(&new.provider_id)
    .bind(&new.name)
    .bind(&new.description)
    .bind(&new.owner)
    .bind(&new.owner_name)
    .bind(&new.sender)
    .bind(&new.sender_name)
    .bind(i64::from(new.is_file))
    .bind(&new.form)
    .bind(&new.uri)
    .bind(&new.permissions)
    .bind(i64::from(new.must_exchange))
    .bind(&new.secret_sealed)
    .bind(&new.secret_hash)
    .bind(&new.access)
    .bind(new.expires_at.map(|at| at.0))
    .bind(new.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Replaces how a share is reached and what it allows: secret, address, permissions, end.
pub async fn replace_offer(tx: &mut Tx, new: &NewReceived) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE received_shares SET form = $2, uri = $3, permissions = $4, must_exchange = $5, secret_sealed = $6,
             secret_hash = $7, access = $8, expires_at = $9, token_sealed = NULL, token_expires_at = NULL,
             state = 'pending' WHERE space_id = $1",
    )
    .bind(new.space.0)
    .bind(&new.form)
    .bind(&new.uri)
    .bind(&new.permissions)
    .bind(i64::from(new.must_exchange))
    .bind(&new.secret_sealed)
    .bind(&new.secret_hash)
    .bind(&new.access)
    .bind(new.expires_at.map(|at| at.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The share a peer calls this.
pub async fn by_provider(db: &mut Connection, peer: &str, provider_id: &str) -> Result<Option<KnownShare>, StoreError> {
    let row = sqlx::query("SELECT * FROM received_shares WHERE peer = $1 AND provider_id = $2")
        .bind(peer)
        .bind(provider_id)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(known).transpose()
}

/// The shares that any peer calls this, at most 50.
pub async fn by_provider_id(db: &mut Connection, provider_id: &str) -> Result<Vec<KnownShare>, StoreError> {
    let rows = sqlx::query("SELECT * FROM received_shares WHERE provider_id = $1 ORDER BY space_id DESC LIMIT 50")
        .bind(provider_id)
        .fetch_all(db)
        .await?;
    rows.iter().map(known).collect()
}

/// The share that is shown as this space.
pub async fn by_space(db: &mut Connection, space: SpaceId) -> Result<Option<KnownShare>, StoreError> {
    let row = sqlx::query("SELECT * FROM received_shares WHERE space_id = $1").bind(space.0).fetch_optional(db).await?;
    row.as_ref().map(known).transpose()
}

/// How many shares of a peer wait for somebody to say yes.
pub async fn count_pending(db: &mut Connection, peer: &str) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM received_shares WHERE peer = $1 AND state = 'pending'")
        .bind(peer)
        .fetch_one(db)
        .await?;
    Ok(row.try_get(0)?)
}

/// Changes what became of a share, and lets it be looked at from `at` on.
pub async fn set_state(tx: &mut Tx, space: SpaceId, state: ReceivedState, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET state = $2, refresh_at = $3 WHERE space_id = $1")
        .bind(space.0)
        .bind(state.as_str())
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Changes the words of the offer.
pub async fn set_permissions(tx: &mut Tx, space: SpaceId, permissions: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET permissions = $2 WHERE space_id = $1")
        .bind(space.0)
        .bind(permissions)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Shares that have run out and are not marked so, at most 100.
pub async fn ended(db: &mut Connection, now: Timestamp) -> Result<Vec<SpaceId>, StoreError> {
    let rows = sqlx::query(
        "SELECT space_id FROM received_shares WHERE expires_at <= $1 AND state IN ('pending', 'accepted') LIMIT 100",
    )
    .bind(now.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(SpaceId(row.try_get(0)?))).collect()
}

/// How a received share is opened at its peer.
#[derive(Clone)]
pub struct Keys {
    /// The secret, sealed.
    pub secret_sealed: String,
    /// The token given for it, sealed.
    pub token_sealed: Option<String>,
    /// When that ends.
    pub token_expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// How the share shown as this space is opened.
pub async fn keys(db: &mut Connection, space: SpaceId) -> Result<Option<Keys>, StoreError> {
    let row =
        sqlx::query("SELECT secret_sealed, token_sealed, token_expires_at FROM received_shares WHERE space_id = $1")
            .bind(space.0)
            .fetch_optional(db)
            .await?;
    let keys = |row: AnyRow| {
        Ok(Keys {
            secret_sealed: row.try_get(0)?,
            token_sealed: row.try_get(1)?,
            token_expires_at: row.try_get::<Option<i64>, _>(2)?.map(Timestamp),
        })
    };
    row.map(keys).transpose()
}

/// Keeps a token given for the secret.
pub async fn set_token(tx: &mut Tx, space: SpaceId, sealed: &str, expires_at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET token_sealed = $2, token_expires_at = $3 WHERE space_id = $1")
        .bind(space.0)
        .bind(sealed)
        .bind(expires_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Remembers what the peer's WebDAV took, in the words of `stitchbox_federation::dav::Access`.
pub async fn set_access(tx: &mut Tx, space: SpaceId, access: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET access = $2 WHERE space_id = $1")
        .bind(space.0)
        .bind(access)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
