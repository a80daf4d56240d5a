//! How peers show the items of received spaces, and the blobs whose bytes lie there.
//!
//! The bytes of such a blob that were fetched are a blob of their own, of which the first is made as one range
//! ([`crate::segments`]). So a cached file is read like any other, and what is fetched again never has the name of what
//! is being removed.

use crate::items::{self, Item};
use crate::segments::{self, Segment};
use crate::{Connection, Rights, StoreError, Tx, placeholders};
use sqlx::{AssertSqlSafe, Row};
use stitchbox_schema::{BlobId, ItemId, SpaceId, Timestamp, VersionId};

/// How a peer shows an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteItem {
    /// Our id.
    pub item: ItemId,
    /// Its ETag there; empty where none is known, or not everything below a folder is here yet.
    pub etag: String,
    /// Its permission letters there; empty if the peer does not say.
    pub permissions: String,
}

/// All children of a folder of a received space, with how the peer shows them, by name.
pub async fn children(db: &mut Connection, folder: ItemId) -> Result<Vec<(Item, Option<RemoteItem>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT items.*, remote_items.etag AS r_etag, remote_items.permissions AS r_permissions
         FROM items LEFT JOIN remote_items ON remote_items.item_id = items.id
         WHERE items.parent_id = $1 ORDER BY items.name",
    )
    .bind(folder.0)
    .fetch_all(db)
    .await?;
    let both = |row| {
        let item = items::item(row)?;
        let etag: Option<String> = row.try_get("r_etag")?;
        let permissions: Option<String> = row.try_get("r_permissions")?;
        let remote = etag.zip(permissions).map(|(etag, permissions)| RemoteItem { item: item.id, etag, permissions });
        Ok((item, remote))
    };
    rows.iter().map(both).collect()
}

/// How the peer shows an item.
pub async fn by_item(db: &mut Connection, item: ItemId) -> Result<Option<RemoteItem>, StoreError> {
    let row = sqlx::query("SELECT etag, permissions FROM remote_items WHERE item_id = $1").bind(item.0);
    let row = row.fetch_optional(db).await?;
    row.map(|row| Ok(RemoteItem { item, etag: row.try_get(0)?, permissions: row.try_get(1)? })).transpose()
}

/// Writes down how a peer shows items.
pub async fn put_items(tx: &mut Tx, remote: &[RemoteItem]) -> Result<(), StoreError> {
    for remote in remote.chunks(placeholders::ROWS) {
        let sql = format!(
            "INSERT INTO remote_items (item_id, etag, permissions) VALUES {}
             ON CONFLICT (item_id) DO UPDATE SET etag = excluded.etag, permissions = excluded.permissions",
            placeholders::rows(remote.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(placeholders::is_common(remote.len()));
        for item in remote {
            query = query.bind(item.item.0).bind(&item.etag).bind(&item.permissions);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Remembers the ETag of an item at the peer; its permissions stay.
pub async fn set_etag(tx: &mut Tx, item: ItemId, etag: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO remote_items (item_id, etag, permissions) VALUES ($1, $2, '')
         ON CONFLICT (item_id) DO UPDATE SET etag = excluded.etag",
    )
    .bind(item.0)
    .bind(etag)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Sets what the peer allows with an item.
pub async fn set_rights(tx: &mut Tx, item: ItemId, rights: Option<Rights>) -> Result<(), StoreError> {
    sqlx::query("UPDATE items SET rights = $2 WHERE id = $1")
        .bind(item.0)
        .bind(rights.map(Rights::bits))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How many items a space has.
pub async fn count(db: &mut Connection, space: SpaceId) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM items WHERE space_id = $1").bind(space.0);
    Ok(row.fetch_one(db).await?.try_get(0)?)
}

/// A blob whose bytes lie at a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteBlob {
    /// The blob.
    pub blob: BlobId,
    /// The received space.
    pub space: SpaceId,
    /// The file there.
    pub item: ItemId,
    /// The file's ETag there while it had these bytes.
    pub etag: String,
    /// Since when the bytes lie here, too.
    pub cached_at: Option<Timestamp>,
    /// When they were last asked for.
    pub used_at: Timestamp,
}

/// Writes blobs down as lying at a peer; their rows in `blobs` are the caller's.
pub async fn insert_blobs(tx: &mut Tx, blobs: &[RemoteBlob]) -> Result<(), StoreError> {
    for blobs in blobs.chunks(placeholders::ROWS) {
        let sql = format!(
            "INSERT INTO remote_blobs (blob_id, space_id, item_id, etag, cached_at, used_at) VALUES {}",
            placeholders::rows(blobs.len(), 6)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(placeholders::is_common(blobs.len()));
        for blob in blobs {
            query = query
                .bind(blob.blob.0)
                .bind(blob.space.0)
                .bind(blob.item.0)
                .bind(&blob.etag)
                .bind(blob.cached_at.map(|at| at.0))
                .bind(blob.used_at.0);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Where a blob lies at a peer, and what is known of it.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The received space.
    pub space: SpaceId,
    /// The file there.
    pub item: ItemId,
    /// The file's ETag there while it had these bytes.
    pub etag: String,
    /// Bytes.
    pub size: i64,
    /// SHA-256, hexadecimal; empty if not known.
    pub sha256: String,
}

/// Where a blob lies at a peer; none for one that is ours alone.
pub async fn placed(db: &mut Connection, blob: BlobId) -> Result<Option<Placed>, StoreError> {
    let row = sqlx::query(
        "SELECT remote_blobs.space_id, remote_blobs.item_id, remote_blobs.etag, blobs.size, blobs.sha256
         FROM remote_blobs JOIN blobs ON blobs.id = remote_blobs.blob_id WHERE remote_blobs.blob_id = $1",
    )
    .bind(blob.0)
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Placed {
            space: SpaceId(row.try_get(0)?),
            item: ItemId(row.try_get(1)?),
            etag: row.try_get(2)?,
            size: row.try_get(3)?,
            sha256: row.try_get(4)?,
        })
    })
    .transpose()
}

/// The bytes of a blob lie here now: they are those of `source`, `size` of them. False if they did already, or if the blob
/// is not one of a peer any more.
pub async fn cache(tx: &mut Tx, blob: BlobId, source: BlobId, size: u64, now: Timestamp) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE remote_blobs SET cached_at = $2, used_at = $2 WHERE blob_id = $1 AND cached_at IS NULL")
            .bind(blob.0)
            .bind(now.0)
            .execute(&mut **tx)
            .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    segments::insert(tx, blob, &[Segment { source, offset: 0, length: size }]).await?;
    Ok(true)
}

/// What the bytes of a blob turned out to be, where that was not known.
pub async fn learn(tx: &mut Tx, blob: BlobId, sha256: &str, content: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE blobs SET sha256 = $2 WHERE id = $1").bind(blob.0).bind(sha256).execute(&mut **tx).await?;
    sqlx::query("UPDATE versions SET sha256 = $2, content = $3 WHERE blob_id = $1")
        .bind(blob.0)
        .bind(sha256)
        .bind(content)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The bytes of a version are known by another ETag at the peer.
pub async fn set_blob_etag(tx: &mut Tx, version: VersionId, etag: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE remote_blobs SET etag = $2 WHERE blob_id IN (SELECT blob_id FROM versions WHERE versions.id = $1)",
    )
    .bind(version.0)
    .bind(etag)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes that the bytes of a blob were asked for.
pub async fn set_used(tx: &mut Tx, blob: BlobId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE remote_blobs SET used_at = $2 WHERE blob_id = $1")
        .bind(blob.0)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Bytes of peers that lie here.
pub async fn cached_bytes(db: &mut Connection) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(blobs.size), 0) AS BIGINT) FROM remote_blobs JOIN blobs ON blobs.id = remote_blobs.blob_id
         WHERE remote_blobs.cached_at IS NOT NULL",
    );
    Ok(row.fetch_one(db).await?.try_get(0)?)
}

/// Up to `limit` blobs whose bytes lie here though they lie at a peer, the longest unused first, with their sizes.
pub async fn least_used(db: &mut Connection, limit: i64) -> Result<Vec<(BlobId, i64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT remote_blobs.blob_id, blobs.size FROM remote_blobs JOIN blobs ON blobs.id = remote_blobs.blob_id
         WHERE remote_blobs.cached_at IS NOT NULL ORDER BY remote_blobs.used_at, remote_blobs.blob_id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((BlobId(row.try_get(0)?), row.try_get(1)?))).collect()
}

/// Lets the bytes of a peer's blob go from here. Gives the blobs whose files may now go.
pub async fn uncache(tx: &mut Tx, blob: BlobId) -> Result<Vec<BlobId>, StoreError> {
    let done = sqlx::query("UPDATE remote_blobs SET cached_at = NULL WHERE blob_id = $1 AND cached_at IS NOT NULL")
        .bind(blob.0)
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(Vec::new());
    }
    let rows = sqlx::query("SELECT DISTINCT source_id FROM blob_segments WHERE blob_id = $1")
        .bind(blob.0)
        .fetch_all(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM blob_segments WHERE blob_id = $1").bind(blob.0).execute(&mut **tx).await?;
    let mut gone = Vec::new();
    for row in &rows {
        gone.extend(segments::release(tx, BlobId(row.try_get(0)?)).await?);
    }
    Ok(gone)
}

/// The versions shown in a tree whose bytes lie at a peer and not here.
pub async fn elsewhere_in_tree(db: &mut Connection, top: ItemId) -> Result<Vec<VersionId>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         SELECT versions.id FROM down JOIN items ON items.id = down.id JOIN versions ON versions.id = items.version_id
             JOIN remote_blobs ON remote_blobs.blob_id = versions.blob_id AND remote_blobs.cached_at IS NULL",
    )
    .bind(top.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(VersionId(row.try_get(0)?))).collect()
}

/// The bytes shown in a tree are ours from now on, because something of ours refers to them: they are not let go while
/// anything does. All of them must lie here.
pub async fn adopt_tree(tx: &mut Tx, top: ItemId) -> Result<(), StoreError> {
    sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         DELETE FROM remote_blobs WHERE cached_at IS NOT NULL AND blob_id IN (
             SELECT versions.blob_id FROM down JOIN items ON items.id = down.id
                 JOIN versions ON versions.id = items.version_id)",
    )
    .bind(top.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes a version that a file of a received space showed, unless a run is pinned to it. Whether it went.
pub async fn forget_version(tx: &mut Tx, version: VersionId) -> Result<Option<BlobId>, StoreError> {
    let row = sqlx::query(
        "DELETE FROM versions WHERE id = $1
             AND NOT EXISTS (SELECT 1 FROM run_inputs WHERE run_inputs.version_id = $1) RETURNING blob_id",
    )
    .bind(version.0)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| Ok(BlobId(row.try_get(0)?))).transpose()
}
