//! Folders whose state a trigger has yet to look at.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use stitchbox_schema::{Cursor, ItemId, SpaceId, Timestamp};

/// A folder that changed.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The folder.
    pub folder: ItemId,
    /// Its space.
    pub space: SpaceId,
    /// The last change in it that was noted.
    pub last_change: Cursor,
    /// When that was.
    pub changed_at: Timestamp,
    /// When to look.
    pub due_at: Timestamp,
}

/// Notes that a folder changed and is to be looked at.
pub async fn watch(tx: &mut Tx, watched: &Watched) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO watched_folders (folder_id, space_id, last_change, changed_at, due_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (folder_id) DO UPDATE SET space_id = excluded.space_id, last_change = excluded.last_change,
             changed_at = excluded.changed_at, due_at = excluded.due_at",
    )
    .bind(watched.folder.0)
    .bind(watched.space.0)
    .bind(watched.last_change.0)
    .bind(watched.changed_at.0)
    .bind(watched.due_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Looks at a folder again later, unless it changed since it was looked at: then it is due as that change says.
pub async fn defer(tx: &mut Tx, looked_at: &Watched, due_at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE watched_folders SET due_at = $3 WHERE folder_id = $1 AND last_change = $2")
        .bind(looked_at.folder.0)
        .bind(looked_at.last_change.0)
        .bind(due_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The folder needs nothing more, unless it changed since it was looked at. Whether it was settled.
pub async fn settle(tx: &mut Tx, looked_at: &Watched) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM watched_folders WHERE folder_id = $1 AND last_change = $2")
        .bind(looked_at.folder.0)
        .bind(looked_at.last_change.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The folders to look at now, the longest waiting first.
pub async fn due(db: &mut Connection, now: Timestamp, limit: i64) -> Result<Vec<Watched>, StoreError> {
    let rows = sqlx::query("SELECT * FROM watched_folders WHERE due_at <= $1 ORDER BY due_at, folder_id LIMIT $2")
        .bind(now.0)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Watched {
                folder: ItemId(row.try_get("folder_id")?),
                space: SpaceId(row.try_get("space_id")?),
                last_change: Cursor(row.try_get("last_change")?),
                changed_at: Timestamp(row.try_get("changed_at")?),
                due_at: Timestamp(row.try_get("due_at")?),
            })
        })
        .collect()
}

/// When the next folder is due.
pub async fn next_due(db: &mut Connection) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query("SELECT MIN(due_at) FROM watched_folders").fetch_one(db).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(Timestamp))
}
