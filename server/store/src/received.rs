//! Spaces received from peers: what was offered, whether it was accepted, and when it was last looked at.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{GroupId, SpaceId, Timestamp, UserId};

/// What became of an offered share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedState {
    /// Nobody said yes.
    Pending,
    /// It is shown.
    Accepted,
    /// Somebody said no.
    Declined,
    /// The owner took it back.
    Gone,
}

impl ReceivedState {
    /// The word in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Gone => "gone",
        }
    }

    fn of_word(word: &str, row: i64) -> Result<Self, StoreError> {
        let all = [Self::Pending, Self::Accepted, Self::Declined, Self::Gone];
        let known = all.into_iter().find(|state| state.as_str() == word);
        known.ok_or(StoreError::Inconsistent { table: "received_shares", column: "state", row })
    }
}

/// A received share as stored, without its secrets.
#[derive(Debug, Clone)]
pub struct ReceivedShare {
    /// The space it is shown as.
    pub space: SpaceId,
    /// With whom it is shared.
    pub user: Option<UserId>,
    /// Or with which group.
    pub group: Option<GroupId>,
    /// The site, host[:port].
    pub peer: String,
    /// Its id there.
    pub provider_id: String,
    /// Its name as the sender gave it.
    pub name: String,
    /// What the sender says about it.
    pub description: String,
    /// Federated id of the owner.
    pub owner: String,
    /// The owner's name for people.
    pub owner_name: String,
    /// Federated id of the sender.
    pub sender: String,
    /// Whether it is a single file.
    pub is_file: bool,
    /// `legacy` or `multi`.
    pub form: String,
    /// Where the peer's WebDAV is, if it said so.
    pub uri: String,
    /// Words of the offer, separated by blanks: `read`, `write`.
    pub permissions: String,
    /// The secret must be exchanged for a token.
    pub must_exchange: bool,
    /// What the peer's WebDAV took last: `basic`, `bearer`, `token`.
    pub access: String,
    /// What became of it.
    pub state: ReceivedState,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it is to be looked at next.
    pub refresh_at: Timestamp,
    /// When the peer last answered.
    pub seen_at: Option<Timestamp>,
    /// What went wrong since, in words for people.
    pub last_error: Option<String>,
    /// How often in a row.
    pub failures: i64,
    /// When it was offered.
    pub created_at: Timestamp,
    /// Counts our own changes.
    pub epoch: i64,
    /// Whether the peer's folder ETags move with everything below, as far as was seen.
    pub follows: bool,
    /// When every folder was last listed.
    pub walked_at: Option<Timestamp>,
    /// How long that took, nanoseconds.
    pub walk_ns: i64,
    /// Names the peer has and we cannot carry.
    pub skipped: String,
}

const COLUMNS: &str = "space_id, user_id, group_id, peer, provider_id, name, description, owner, owner_name, sender, is_file,
    form, uri, permissions, must_exchange, access, state, expires_at, refresh_at, seen_at, last_error, failures, created_at,
    epoch, follows, walked_at, walk_ns, skipped";

fn share(row: &AnyRow) -> Result<ReceivedShare, StoreError> {
    let id: i64 = row.try_get("space_id")?;
    let flag = |column: &str| Ok::<_, StoreError>(row.try_get::<i64, _>(column)? != 0);
    let time = |column: &str| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp));
    Ok(ReceivedShare {
        space: SpaceId(id),
        user: row.try_get::<Option<i64>, _>("user_id")?.map(UserId),
        group: row.try_get::<Option<i64>, _>("group_id")?.map(GroupId),
        peer: row.try_get("peer")?,
        provider_id: row.try_get("provider_id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        owner: row.try_get("owner")?,
        owner_name: row.try_get("owner_name")?,
        sender: row.try_get("sender")?,
        is_file: flag("is_file")?,
        form: row.try_get("form")?,
        uri: row.try_get("uri")?,
        permissions: row.try_get("permissions")?,
        must_exchange: flag("must_exchange")?,
        access: row.try_get("access")?,
        state: ReceivedState::of_word(row.try_get("state")?, id)?,
        expires_at: time("expires_at")?,
        refresh_at: Timestamp(row.try_get("refresh_at")?),
        seen_at: time("seen_at")?,
        last_error: row.try_get("last_error")?,
        failures: row.try_get("failures")?,
        created_at: Timestamp(row.try_get("created_at")?),
        epoch: row.try_get("epoch")?,
        follows: flag("follows")?,
        walked_at: time("walked_at")?,
        walk_ns: row.try_get("walk_ns")?,
        skipped: row.try_get("skipped")?,
    })
}

/// Writes a share down without secrets: they are the affair of who has the offer.
pub async fn insert(tx: &mut Tx, share: &ReceivedShare) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO received_shares
             (space_id, user_id, group_id, peer, provider_id, name, description, owner, owner_name, sender, sender_name,
              is_file, form, uri, permissions, must_exchange, secret_sealed, secret_hash, access, state, expires_at,
              refresh_at, failures, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $12, $13, $14, $15, '', '', $16, $17, $18, $19, 0, $20)",
    )
    .bind(share.space.0)
    .bind(share.user.map(|user| user.0))
    .bind(share.group.map(|group| group.0))
    .bind(&share.peer)
    .bind(&share.provider_id)
    .bind(&share.name)
    .bind(&share.description)
    .bind(&share.owner)
    .bind(&share.owner_name)
    .bind(&share.sender)
    .bind(i64::from(share.is_file))
    .bind(&share.form)
    .bind(&share.uri)
    .bind(&share.permissions)
    .bind(i64::from(share.must_exchange))
    .bind(&share.access)
    .bind(share.state.as_str())
    .bind(share.expires_at.map(|at| at.0))
    .bind(share.refresh_at.0)
    .bind(share.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The share that is shown as this space.
pub async fn by_space(db: &mut Connection, space: SpaceId) -> Result<Option<ReceivedShare>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM received_shares WHERE space_id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(space.0).fetch_optional(db).await?;
    row.as_ref().map(share).transpose()
}

/// What peers share with a user, or with a group the user is in, latest first.
pub async fn of_user(db: &mut Connection, user: UserId) -> Result<Vec<ReceivedShare>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM received_shares
         WHERE user_id = $1 OR group_id IN (SELECT group_id FROM group_members WHERE user_id = $1)
         ORDER BY created_at DESC, space_id DESC"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(user.0).fetch_all(db).await?;
    rows.iter().map(share).collect()
}

/// Up to `limit` accepted shares that are to be looked at, the longest waiting first.
pub async fn due(db: &mut Connection, now: Timestamp, limit: i64) -> Result<Vec<ReceivedShare>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM received_shares WHERE state = 'accepted' AND refresh_at <= $1
         ORDER BY refresh_at, space_id LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(now.0).bind(limit).fetch_all(db).await?;
    rows.iter().map(share).collect()
}

/// When the next one is due.
pub async fn next_due(db: &mut Connection) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query("SELECT MIN(refresh_at) FROM received_shares WHERE state = 'accepted'").fetch_one(db).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(Timestamp))
}

/// Takes a share that is due until a time; false if another process was faster.
pub async fn take(tx: &mut Tx, space: SpaceId, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE received_shares SET refresh_at = $3 WHERE space_id = $1 AND state = 'accepted' AND refresh_at <= $2",
    )
    .bind(space.0)
    .bind(now.0)
    .bind(until.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets when a share is looked at next.
pub async fn set_refresh_at(tx: &mut Tx, space: SpaceId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET refresh_at = $2 WHERE space_id = $1")
        .bind(space.0)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A share is looked at no later than at this time.
pub async fn hasten(tx: &mut Tx, space: SpaceId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET refresh_at = $2 WHERE space_id = $1 AND refresh_at > $2")
        .bind(space.0)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The peer answered, and everything it has is here.
pub async fn seen(tx: &mut Tx, space: SpaceId, at: Timestamp, next: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE received_shares SET seen_at = $2, refresh_at = $3, last_error = NULL, failures = 0 WHERE space_id = $1",
    )
    .bind(space.0)
    .bind(at.0)
    .bind(next.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// It could not be looked at.
pub async fn failed(tx: &mut Tx, space: SpaceId, words: &str, next: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE received_shares SET last_error = $2, failures = failures + 1, refresh_at = $3 WHERE space_id = $1",
    )
    .bind(space.0)
    .bind(words)
    .bind(next.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Every folder was listed: when, how long it took (nanoseconds), whether folder ETags moved with what lies below, and
/// which names were left out.
pub async fn walked(
    tx: &mut Tx,
    space: SpaceId,
    at: Timestamp,
    took_ns: i64,
    follows: bool,
    skipped: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE received_shares SET walked_at = $2, walk_ns = $3, follows = $4, skipped = $5 WHERE space_id = $1",
    )
    .bind(space.0)
    .bind(at.0)
    .bind(took_ns)
    .bind(i64::from(follows))
    .bind(skipped)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether the share is a single file, as its root turned out to be.
pub async fn set_is_file(tx: &mut Tx, space: SpaceId, is_file: bool) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET is_file = $2 WHERE space_id = $1")
        .bind(space.0)
        .bind(i64::from(is_file))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Remembers what the peer's WebDAV took.
pub async fn set_access(tx: &mut Tx, space: SpaceId, access: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET access = $2 WHERE space_id = $1")
        .bind(space.0)
        .bind(access)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The count of our own changes.
pub async fn epoch(db: &mut Connection, space: SpaceId) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query("SELECT epoch FROM received_shares WHERE space_id = $1").bind(space.0).fetch_optional(db);
    Ok(row.await?.map(|row| row.try_get(0)).transpose()?)
}

/// Counts a change of our own.
pub async fn raise_epoch(tx: &mut Tx, space: SpaceId) -> Result<(), StoreError> {
    sqlx::query("UPDATE received_shares SET epoch = epoch + 1 WHERE space_id = $1")
        .bind(space.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
