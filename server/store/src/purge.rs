//! Removing for good: deleted items past their time, earlier versions, and the blobs nobody refers to any more.

use crate::{Connection, StoreError, Tx, segments};
use sqlx::Row;
use stitchbox_schema::{BlobId, ItemId, RunId, SpaceId, Timestamp, UserId, VersionId};

/// Up to `limit` deleted items that are to go: those given up by hand, and those deleted before `before`.
pub async fn due(
    db: &mut Connection,
    before: Timestamp,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "SELECT item_id FROM trash WHERE (purging = 1 OR deleted_at < $1) AND retry_at <= $2
         ORDER BY deleted_at, item_id LIMIT $3",
    )
    .bind(before.0)
    .bind(now.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// Takes a deleted item out of what is listed and restored; whether it was there.
pub async fn give_up(tx: &mut Tx, item: ItemId) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE trash SET purging = 1, retry_at = 0 WHERE item_id = $1")
        .bind(item.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a deleted item is given up, so that nobody can restore it.
pub async fn is_given_up(db: &mut Connection, item: ItemId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT item_id FROM trash WHERE item_id = $1 AND purging = 1").bind(item.0);
    Ok(row.fetch_optional(db).await?.is_some())
}

/// As [`give_up`], for all of a space, or for all that one user deleted; returns how many there were.
pub async fn give_up_all(tx: &mut Tx, space: SpaceId, deleted_by: Option<UserId>) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE trash SET purging = 1, retry_at = 0
         WHERE space_id = $1 AND purging = 0 AND ($2 IS NULL OR deleted_by = $2)",
    )
    .bind(space.0)
    .bind(deleted_by.map(|user| user.0))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// What is left of a deleted item is listed again, and not looked at before then.
pub async fn retry_at(tx: &mut Tx, item: ItemId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE trash SET purging = 0, retry_at = $2 WHERE item_id = $1")
        .bind(item.0)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A tree, what lies deepest first; at most `limit` items.
pub async fn bottom_up(db: &mut Connection, top: ItemId, limit: i64) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id, depth) AS (
             SELECT id, CAST(0 AS BIGINT) FROM items WHERE id = $1
             UNION ALL
             SELECT items.id, down.depth + 1 FROM items JOIN down ON items.parent_id = down.id)
         SELECT id FROM down ORDER BY depth DESC, id LIMIT $2",
    )
    .bind(top.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// The runs of the folders of a tree, and whether each has ended.
pub async fn runs_within(db: &mut Connection, top: ItemId) -> Result<Vec<(RunId, bool)>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         SELECT runs.id, runs.state FROM runs JOIN down ON runs.folder_id = down.id",
    )
    .bind(top.0)
    .fetch_all(db)
    .await?;
    let ended = |state: String| !matches!(state.as_str(), "queued" | "running");
    rows.iter().map(|row| Ok((RunId(row.try_get(0)?), ended(row.try_get(1)?)))).collect()
}

/// Removes a run with what it was pinned to; its inputs may then go.
pub async fn remove_run(tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM run_inputs WHERE run_id = $1",
        "DELETE FROM attestations WHERE run_id = $1",
        "DELETE FROM jobs WHERE kind = 'run' AND subject_id = $1",
        "DELETE FROM runs WHERE id = $1",
    ] {
        sqlx::query(sql).bind(run.0).execute(&mut **tx).await?;
    }
    Ok(())
}

/// A version as far as it matters whether it may go.
#[derive(Debug, Clone, Copy)]
pub struct Removable {
    /// Which.
    pub id: VersionId,
    /// Its bytes.
    pub blob: BlobId,
    /// When it was committed.
    pub created_at: Timestamp,
    /// A run is pinned to it.
    pub pinned: bool,
    /// The file shows it.
    pub shown: bool,
}

/// All versions of a file.
pub async fn versions(db: &mut Connection, item: ItemId) -> Result<Vec<Removable>, StoreError> {
    let rows = sqlx::query(
        "SELECT versions.id, versions.blob_id, versions.created_at,
                CAST(CASE WHEN items.version_id = versions.id THEN 1 ELSE 0 END AS BIGINT) AS shown,
                CAST(CASE WHEN EXISTS (SELECT 1 FROM run_inputs WHERE run_inputs.version_id = versions.id)
                     THEN 1 ELSE 0 END AS BIGINT) AS pinned
         FROM versions JOIN items ON items.id = versions.item_id WHERE versions.item_id = $1 ORDER BY versions.id",
    )
    .bind(item.0)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Removable {
                id: VersionId(row.try_get("id")?),
                blob: BlobId(row.try_get("blob_id")?),
                created_at: Timestamp(row.try_get("created_at")?),
                pinned: row.try_get::<i64, _>("pinned")? == 1,
                shown: row.try_get::<i64, _>("shown")? == 1,
            })
        })
        .collect()
}

/// The next files after an id that have earlier versions, by id.
pub async fn files_with_history(db: &mut Connection, after: ItemId, limit: i64) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "SELECT item_id FROM versions WHERE item_id > $1 GROUP BY item_id HAVING COUNT(*) > 1
         ORDER BY item_id LIMIT $2",
    )
    .bind(after.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// Removes a version; its blob is looked at later.
pub async fn remove_version(tx: &mut Tx, version: &Removable, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM versions WHERE id = $1").bind(version.id.0).execute(&mut **tx).await?;
    drop_blob(tx, version.blob, now).await
}

/// Notes that a blob lost a reference: it is looked at later.
pub async fn drop_blob(tx: &mut Tx, blob: BlobId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO dropped_blobs (blob_id, dropped_at) VALUES ($1, $2)
         ON CONFLICT (blob_id) DO UPDATE SET dropped_at = excluded.dropped_at",
    )
    .bind(blob.0)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes an item without versions, unless something lies in it: the folder it lay in, and its size; none if it stays.
pub async fn remove_item(tx: &mut Tx, item: ItemId) -> Result<Option<(Option<ItemId>, i64)>, StoreError> {
    let child =
        sqlx::query("SELECT id FROM items WHERE parent_id = $1 LIMIT 1").bind(item.0).fetch_optional(&mut **tx).await?;
    if child.is_some() {
        return Ok(None);
    }
    for sql in [
        "DELETE FROM properties WHERE item_id = $1",
        "DELETE FROM favorites WHERE item_id = $1",
        "DELETE FROM remote_items WHERE item_id = $1",
        "DELETE FROM trash WHERE item_id = $1",
    ] {
        sqlx::query(sql).bind(item.0).execute(&mut **tx).await?;
    }
    let row = sqlx::query("DELETE FROM items WHERE id = $1 RETURNING parent_id, size")
        .bind(item.0)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| Ok((row.try_get::<Option<i64>, _>(0)?.map(ItemId), row.try_get(1)?))).transpose()
}

/// Takes bytes off the size of a folder and of every folder above.
pub async fn shrink(tx: &mut Tx, folder: ItemId, by: i64) -> Result<(), StoreError> {
    sqlx::query(
        "WITH RECURSIVE up (id, parent_id) AS (
             SELECT id, parent_id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id, items.parent_id FROM items JOIN up ON items.id = up.parent_id)
         UPDATE items SET size = size - $2 WHERE id IN (SELECT id FROM up)",
    )
    .bind(folder.0)
    .bind(by)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Up to `limit` blobs that lost a version before `before`, the longest ago first.
pub async fn dropped(db: &mut Connection, before: Timestamp, limit: i64) -> Result<Vec<BlobId>, StoreError> {
    let rows =
        sqlx::query("SELECT blob_id FROM dropped_blobs WHERE dropped_at <= $1 ORDER BY dropped_at, blob_id LIMIT $2")
            .bind(before.0)
            .bind(limit)
            .fetch_all(db)
            .await?;
    rows.iter().map(|row| Ok(BlobId(row.try_get(0)?))).collect()
}

/// Forgets that a blob was dropped and, unless somebody refers to it again, removes its rows. Gives the blobs whose bytes
/// in the blob store are nobody's once this is committed: its own, or those it was put together from.
pub async fn remove_blob(tx: &mut Tx, blob: BlobId) -> Result<Vec<BlobId>, StoreError> {
    sqlx::query("DELETE FROM dropped_blobs WHERE blob_id = $1").bind(blob.0).execute(&mut **tx).await?;
    segments::release(tx, blob).await
}
