//! WebDAV locks. A lock belongs to a path, not to an item: it does not follow a move (RFC 4918, 7.5).

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{ShareId, SpaceId, Timestamp, UserId};

/// A write lock.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The token, a `urn:uuid:` URI.
    pub token: String,
    /// The space of the locked path.
    pub space: SpaceId,
    /// The locked path, starting with `/`, without a slash at the end (the root is `/`).
    pub path: String,
    /// Depth infinity: everything below is locked too.
    pub deep: bool,
    /// Exclusive or shared.
    pub exclusive: bool,
    /// Who took it.
    pub user: UserId,
    /// The share by which the holder came, where that is not the user but somebody in the user's name.
    pub share: Option<ShareId>,
    /// What the client said about the owner, as XML; may be empty.
    pub owner_xml: String,
    /// The timeout granted, seconds.
    pub timeout_seconds: Option<i64>,
    /// When it ends unless refreshed.
    pub expires_at: Timestamp,
    /// Taken by a person for all her programs, not by one program that shows its token.
    pub of_person: bool,
    /// When it was taken; the zero of time where that was not recorded.
    pub taken_at: Timestamp,
}

/// A lock with the names of its holder.
#[derive(Debug, Clone)]
pub struct HeldLock {
    /// The lock.
    pub lock: Lock,
    /// The login name of the holder.
    pub holder: String,
    /// The name for people.
    pub holder_shown: String,
}

fn lock(row: &AnyRow) -> Result<Lock, StoreError> {
    Ok(Lock {
        token: row.try_get("token")?,
        space: SpaceId(row.try_get("space_id")?),
        path: row.try_get("path")?,
        deep: row.try_get::<i64, _>("deep")? != 0,
        exclusive: row.try_get::<i64, _>("exclusive")? != 0,
        user: UserId(row.try_get("user_id")?),
        share: row.try_get::<Option<i64>, _>("share_id")?.map(ShareId),
        owner_xml: row.try_get("owner_xml")?,
        timeout_seconds: row.try_get("timeout_s")?,
        expires_at: Timestamp(row.try_get("expires_at")?),
        of_person: row.try_get::<i64, _>("of_person")? != 0,
        taken_at: Timestamp(row.try_get("taken_at")?),
    })
}

/// All locks of a space that hold at `now`. Few at any time, so the rules on paths are applied by the caller.
pub async fn of_space(db: &mut Connection, space: SpaceId, now: Timestamp) -> Result<Vec<Lock>, StoreError> {
    let rows = sqlx::query("SELECT * FROM locks WHERE space_id = $1 AND expires_at > $2 ORDER BY path, token")
        .bind(space.0)
        .bind(now.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(lock).collect()
}

/// As [`of_space`], with the names of the holders.
pub async fn held(db: &mut Connection, space: SpaceId, now: Timestamp) -> Result<Vec<HeldLock>, StoreError> {
    let rows = sqlx::query(
        "SELECT locks.*, users.name AS holder, users.display_name AS holder_shown
         FROM locks JOIN users ON users.id = locks.user_id
         WHERE locks.space_id = $1 AND locks.expires_at > $2 ORDER BY locks.path, locks.token",
    )
    .bind(space.0)
    .bind(now.0)
    .fetch_all(db)
    .await?;
    let held = |row: &AnyRow| {
        Ok(HeldLock { lock: lock(row)?, holder: row.try_get("holder")?, holder_shown: row.try_get("holder_shown")? })
    };
    rows.iter().map(held).collect()
}

/// Takes a lock.
pub async fn insert(tx: &mut Tx, lock: &Lock) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO locks
             (token, space_id, path, deep, exclusive, user_id, owner_xml, timeout_s, expires_at, of_person, taken_at,
              share_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(&lock.token)
    .bind(lock.space.0)
    .bind(&lock.path)
    .bind(i64::from(lock.deep))
    .bind(i64::from(lock.exclusive))
    .bind(lock.user.0)
    .bind(&lock.owner_xml)
    .bind(lock.timeout_seconds)
    .bind(lock.expires_at.0)
    .bind(i64::from(lock.of_person))
    .bind(lock.taken_at.0)
    .bind(lock.share.map(|share| share.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Prolongs a lock.
pub async fn refresh(
    tx: &mut Tx,
    token: &str,
    timeout_seconds: Option<i64>,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE locks SET timeout_s = $2, expires_at = $3 WHERE token = $1")
        .bind(token)
        .bind(timeout_seconds)
        .bind(expires_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends a lock; whether there was one.
pub async fn remove(tx: &mut Tx, token: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM locks WHERE token = $1").bind(token).execute(&mut **tx).await?;
    Ok(done.rows_affected() > 0)
}

/// Ends the locks of somebody who may not write in a space any more.
pub async fn remove_of_user(tx: &mut Tx, space: SpaceId, user: UserId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM locks WHERE space_id = $1 AND user_id = $2")
        .bind(space.0)
        .bind(user.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets the locks that have ended.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM locks WHERE expires_at <= $1").bind(now.0).execute(&mut **tx).await?;
    Ok(())
}
