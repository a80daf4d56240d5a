//! The keys this site signs with, sealed.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::Timestamp;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, for signatures in the style of draft-cavage.
    Rsa,
    /// Ed25519, for RFC 9421 and for JWS.
    Ed25519,
}

impl KeyKind {
    /// The word in SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// A key as stored.
#[derive(Clone)]
pub struct SiteKey {
    /// Id.
    pub id: i64,
    /// Its name: what stands behind the `#` of an id of a key. Unique; what stands before depends on the configured origin.
    pub name: String,
    /// What it is for.
    pub kind: KeyKind,
    /// The private half, sealed.
    pub sealed: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it signs nothing any more; it is still published.
    pub retired_at: Option<Timestamp>,
}

impl std::fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteKey").field("name", &self.name).finish_non_exhaustive()
    }
}

fn site_key(row: &AnyRow) -> Result<SiteKey, StoreError> {
    let id: i64 = row.try_get("id")?;
    let kind = match row.try_get::<&str, _>("kind")? {
        "rsa" => KeyKind::Rsa,
        "ed25519" => KeyKind::Ed25519,
        _ => return Err(StoreError::Inconsistent { table: "site_keys", column: "kind", row: id }),
    };
    Ok(SiteKey {
        id,
        name: row.try_get("kid")?,
        kind,
        sealed: row.try_get("sealed")?,
        created_at: Timestamp(row.try_get("created_at")?),
        retired_at: row.try_get::<Option<i64>, _>("retired_at")?.map(Timestamp),
    })
}

/// Every key, latest first.
pub async fn all(db: &mut Connection) -> Result<Vec<SiteKey>, StoreError> {
    let rows = sqlx::query("SELECT * FROM site_keys ORDER BY created_at DESC, id DESC").fetch_all(db).await?;
    rows.iter().map(site_key).collect()
}

/// Keeps a new key.
pub async fn insert(tx: &mut Tx, key: &SiteKey) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO site_keys (id, kid, kind, sealed, state, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.id)
    .bind(&key.name)
    .bind(key.kind.as_str())
    .bind(&key.sealed)
    .bind(if key.retired_at.is_some() { "retired" } else { "active" })
    .bind(key.created_at.0)
    .bind(key.retired_at.map(|at| at.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Retires every key that signs.
pub async fn retire_all(tx: &mut Tx, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE site_keys SET state = 'retired', retired_at = $1 WHERE state = 'active'")
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
