//! Logins through a browser that are under way.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{Timestamp, UserId};

/// A login through a browser.
#[derive(Debug, Clone)]
pub struct LoginFlow {
    /// Id.
    pub id: i64,
    /// SHA-256 of what the client polls with, hexadecimal.
    pub poll_hash: String,
    /// SHA-256 of what stands in the address the person opens, hexadecimal.
    pub grant_hash: String,
    /// What the app password will be called.
    pub label: String,
    /// Who granted it.
    pub user: Option<UserId>,
    /// When it ends.
    pub expires_at: Timestamp,
}

fn login_flow(row: &AnyRow) -> Result<LoginFlow, StoreError> {
    Ok(LoginFlow {
        id: row.try_get("id")?,
        poll_hash: row.try_get("poll_hash")?,
        grant_hash: row.try_get("grant_hash")?,
        label: row.try_get("label")?,
        user: row.try_get::<Option<i64>, _>("user_id")?.map(UserId),
        expires_at: Timestamp(row.try_get("expires_at")?),
    })
}

/// Begins one.
pub async fn insert(tx: &mut Tx, new: &LoginFlow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO login_flows (id, poll_hash, grant_hash, label, user_id, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id)
    .bind(&new.poll_hash)
    .bind(&new.grant_hash)
    .bind(&new.label)
    .bind(new.user.map(|user| user.0))
    .bind(new.expires_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The one the client polls for, if it has not ended.
pub async fn by_poll(db: &mut Connection, hash: &str, now: Timestamp) -> Result<Option<LoginFlow>, StoreError> {
    let row = sqlx::query("SELECT * FROM login_flows WHERE poll_hash = $1 AND expires_at > $2")
        .bind(hash)
        .bind(now.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(login_flow).transpose()
}

/// The one whose address the person opened, if it has not ended and nobody granted it yet.
pub async fn by_grant(db: &mut Connection, hash: &str, now: Timestamp) -> Result<Option<LoginFlow>, StoreError> {
    let row = sqlx::query("SELECT * FROM login_flows WHERE grant_hash = $1 AND user_id IS NULL AND expires_at > $2")
        .bind(hash)
        .bind(now.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(login_flow).transpose()
}

/// Notes who granted it; false if somebody did already.
pub async fn grant(tx: &mut Tx, id: i64, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE login_flows SET user_id = $2 WHERE id = $1 AND user_id IS NULL")
        .bind(id)
        .bind(user.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends one.
pub async fn remove(tx: &mut Tx, id: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM login_flows WHERE id = $1").bind(id).execute(&mut **tx).await?;
    Ok(())
}

/// Ends those whose time is over; returns how many are left.
pub async fn tidy(tx: &mut Tx, now: Timestamp) -> Result<i64, StoreError> {
    sqlx::query("DELETE FROM login_flows WHERE expires_at <= $1").bind(now.0).execute(&mut **tx).await?;
    Ok(sqlx::query("SELECT COUNT(*) FROM login_flows").fetch_one(&mut **tx).await?.try_get(0)?)
}
