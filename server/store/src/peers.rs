//! Other sites: what the administrator thinks of them, what they told us, and when they last answered.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::Timestamp;

/// What the administrator said about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Nothing: the rule for all peers applies.
    #[default]
    Default,
    /// May share with us, and we with it, whatever the rule.
    Allowed,
    /// Neither.
    Denied,
}

impl Trust {
    const ALL: [Self; 3] = [Self::Default, Self::Allowed, Self::Denied];

    /// The word in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trust| trust.as_str() == word)
    }
}

/// A peer as stored.
#[derive(Debug, Clone)]
pub struct Peer {
    /// host[:port], lower case.
    pub host: String,
    /// The administrator's word.
    pub trust: Trust,
    /// It signed once: what comes unsigned in its name is refused.
    pub has_signed: bool,
    /// Its discovery document, as it was sent.
    pub discovery: Option<String>,
    /// When that was read.
    pub discovered_at: Option<Timestamp>,
    /// Its public keys (JWKS), as they were sent.
    pub keys: Option<String>,
    /// When those were read.
    pub keys_at: Option<Timestamp>,
    /// When it last answered us, or called us in a way we believed.
    pub last_contact_at: Option<Timestamp>,
    /// What went wrong last, in its own words where it had any.
    pub last_error: Option<String>,
    /// When.
    pub last_error_at: Option<Timestamp>,
    /// Calls in a row that it did not answer.
    pub failures: i64,
    /// It is not called before this.
    pub retry_at: Timestamp,
    /// When we first heard of it.
    pub created_at: Timestamp,
}

fn peer(row: &AnyRow) -> Result<Peer, StoreError> {
    let trust = Trust::parse(row.try_get("trust")?).ok_or(StoreError::Inconsistent {
        table: "peers",
        column: "trust",
        row: 0,
    })?;
    let at = |column| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp));
    Ok(Peer {
        host: row.try_get("host")?,
        trust,
        has_signed: row.try_get::<i64, _>("has_signed")? != 0,
        discovery: row.try_get("discovery")?,
        discovered_at: at("discovered_at")?,
        keys: row.try_get("keys")?,
        keys_at: at("keys_at")?,
        last_contact_at: at("last_contact_at")?,
        last_error: row.try_get("last_error")?,
        last_error_at: at("last_error_at")?,
        failures: row.try_get("failures")?,
        retry_at: Timestamp(row.try_get("retry_at")?),
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// The peer of this host.
pub async fn by_host(db: &mut Connection, host: &str) -> Result<Option<Peer>, StoreError> {
    let row = sqlx::query("SELECT * FROM peers WHERE host = $1").bind(host).fetch_optional(db).await?;
    row.as_ref().map(peer).transpose()
}

/// Every peer, by host.
pub async fn all(db: &mut Connection) -> Result<Vec<Peer>, StoreError> {
    let rows = sqlx::query("SELECT * FROM peers ORDER BY host").fetch_all(db).await?;
    rows.iter().map(peer).collect()
}

/// How many peers there are, of which nobody said anything and nothing is known but the name.
pub async fn count_strangers(db: &mut Connection) -> Result<i64, StoreError> {
    let row =
        sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM peers WHERE trust = 'default' AND last_contact_at IS NULL")
            .fetch_one(db)
            .await?;
    Ok(row.try_get(0)?)
}

/// Notes that there is such a peer.
pub async fn hear_of(tx: &mut Tx, host: &str, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO peers (host, trust, has_signed, failures, retry_at, created_at) VALUES ($1, 'default', 0, 0, 0, $2)
         ON CONFLICT (host) DO NOTHING",
    )
    .bind(host)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes down what the administrator thinks of a peer, heard of or not.
pub async fn set_trust(tx: &mut Tx, host: &str, trust: Trust, now: Timestamp) -> Result<(), StoreError> {
    hear_of(tx, host, now).await?;
    sqlx::query("UPDATE peers SET trust = $2 WHERE host = $1")
        .bind(host)
        .bind(trust.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes that a peer signed, or forgets it (with the keys it was verified by); whether there is such a peer.
pub async fn set_signed(tx: &mut Tx, host: &str, signed: bool) -> Result<bool, StoreError> {
    let sql = if signed {
        "UPDATE peers SET has_signed = 1 WHERE host = $1"
    } else {
        "UPDATE peers SET has_signed = 0, keys = NULL, keys_at = NULL, discovery = NULL, discovered_at = NULL
         WHERE host = $1"
    };
    Ok(sqlx::query(sql).bind(host).execute(&mut **tx).await?.rows_affected() > 0)
}

/// The peer answered, or called: it lives.
pub async fn note_contact(tx: &mut Tx, host: &str, at: Timestamp) -> Result<(), StoreError> {
    hear_of(tx, host, at).await?;
    sqlx::query("UPDATE peers SET last_contact_at = $2, failures = 0, retry_at = 0 WHERE host = $1")
        .bind(host)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The peer lives, but refused something.
pub async fn note_refusal(tx: &mut Tx, host: &str, words: &str, at: Timestamp) -> Result<(), StoreError> {
    note_contact(tx, host, at).await?;
    set_error(tx, host, words, at).await
}

/// The peer did not answer, for the `failures`th time in a row, and is not called before `retry_at`.
pub async fn note_silence(
    tx: &mut Tx,
    host: &str,
    words: &str,
    at: Timestamp,
    failures: i64,
    retry_at: Timestamp,
) -> Result<(), StoreError> {
    hear_of(tx, host, at).await?;
    sqlx::query("UPDATE peers SET failures = $2, retry_at = $3 WHERE host = $1")
        .bind(host)
        .bind(failures)
        .bind(retry_at.0)
        .execute(&mut **tx)
        .await?;
    set_error(tx, host, words, at).await
}

async fn set_error(tx: &mut Tx, host: &str, words: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE peers SET last_error = $2, last_error_at = $3 WHERE host = $1")
        .bind(host)
        .bind(words)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets that calls went unanswered; whether there is such a peer.
pub async fn reset(tx: &mut Tx, host: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE peers SET failures = 0, retry_at = 0, last_error = NULL, last_error_at = NULL, discovery = NULL,
                          discovered_at = NULL WHERE host = $1",
    )
    .bind(host)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps a discovery document.
pub async fn set_discovery(tx: &mut Tx, host: &str, document: &str, at: Timestamp) -> Result<(), StoreError> {
    hear_of(tx, host, at).await?;
    sqlx::query("UPDATE peers SET discovery = $2, discovered_at = $3 WHERE host = $1")
        .bind(host)
        .bind(document)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps public keys.
pub async fn set_keys(tx: &mut Tx, host: &str, keys: &str, at: Timestamp) -> Result<(), StoreError> {
    hear_of(tx, host, at).await?;
    sqlx::query("UPDATE peers SET keys = $2, keys_at = $3 WHERE host = $1")
        .bind(host)
        .bind(keys)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets a peer altogether; whether there was such a one.
pub async fn forget(tx: &mut Tx, host: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM peers WHERE host = $1").bind(host).execute(&mut **tx).await?.rows_affected() > 0)
}

/// Forgets peers nobody said anything about, that were never in contact, older than `before`; how many.
pub async fn forget_strangers(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM peers WHERE trust = 'default' AND last_contact_at IS NULL AND has_signed = 0 AND created_at < $1
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.peer = peers.host AND outbox.state = 'waiting')",
    )
    .bind(before.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
