//! Whether a peer may be called: what its last failures say, shared by everything that calls it.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use stitchbox_schema::Timestamp;

/// What is known of a peer's answers.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// It failed so often in a row.
    pub failures: i64,
    /// Not to be called before.
    pub retry_at: Option<Timestamp>,
    /// When it last answered.
    pub last_contact: Option<Timestamp>,
    /// What happened last, in words for people.
    pub last_error: Option<String>,
}

/// What is known of a peer; nothing of one never called.
pub async fn of_peer(db: &mut Connection, host: &str) -> Result<Breaker, StoreError> {
    let row = sqlx::query("SELECT failures, retry_at, last_contact_at, last_error FROM peers WHERE host = $1")
        .bind(host)
        .fetch_optional(db)
        .await?;
    let Some(row) = row else { return Ok(Breaker::default()) };
    Ok(Breaker {
        failures: row.try_get(0)?,
        retry_at: Some(Timestamp(row.try_get(1)?)),
        last_contact: row.try_get::<Option<i64>, _>(2)?.map(Timestamp),
        last_error: row.try_get(3)?,
    })
}

/// A peer did not answer and is not to be called before a time.
pub async fn failed(
    tx: &mut Tx,
    host: &str,
    words: &str,
    now: Timestamp,
    retry_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO peers (host, trust, has_signed, last_error, last_error_at, failures, retry_at, created_at)
         VALUES ($1, 'default', 0, $2, $3, 1, $4, $3)
         ON CONFLICT (host) DO UPDATE SET last_error = excluded.last_error, last_error_at = excluded.last_error_at,
             failures = peers.failures + 1, retry_at = excluded.retry_at",
    )
    .bind(host)
    .bind(words)
    .bind(now.0)
    .bind(retry_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A peer answered.
pub async fn answered(tx: &mut Tx, host: &str, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE peers SET last_contact_at = $2, failures = 0, retry_at = 0 WHERE host = $1")
        .bind(host)
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
