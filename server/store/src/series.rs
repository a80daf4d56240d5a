//! Folders whose state a trigger has yet to look at.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use stitchbox_schema::{ItemId, SpaceId, Timestamp};

/// A folder that changed.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The folder.
    pub folder: ItemId,
    /// Its space.
    pub space: SpaceId,
    /// When something in it last changed.
    pub changed_at: Timestamp,
    /// When to look.
    pub due_at: Timestamp,
}

/// Notes that a folder changed and is to be looked at.
pub async fn watch(tx: &mut Tx, watched: &Watched) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO series (folder_id, space_id, changed_at, due_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (folder_id) DO UPDATE SET
             space_id = excluded.space_id, changed_at = excluded.changed_at, due_at = excluded.due_at",
    )
    .bind(watched.folder.0)
    .bind(watched.space.0)
    .bind(watched.changed_at.0)
    .bind(watched.due_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Looks at a folder again later.
pub async fn defer(tx: &mut Tx, folder: ItemId, due_at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE series SET due_at = $2 WHERE folder_id = $1")
        .bind(folder.0)
        .bind(due_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The folder was looked at and needs nothing more.
pub async fn settle(tx: &mut Tx, folder: ItemId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM series WHERE folder_id = $1").bind(folder.0).execute(&mut **tx).await?;
    Ok(())
}

/// The folders to look at now, the longest waiting first.
pub async fn due(db: &mut Connection, now: Timestamp, limit: i64) -> Result<Vec<Watched>, StoreError> {
    let rows = sqlx::query("SELECT * FROM series WHERE due_at <= $1 ORDER BY due_at, folder_id LIMIT $2")
        .bind(now.0)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Watched {
                folder: ItemId(row.try_get("folder_id")?),
                space: SpaceId(row.try_get("space_id")?),
                changed_at: Timestamp(row.try_get("changed_at")?),
                due_at: Timestamp(row.try_get("due_at")?),
            })
        })
        .collect()
}

/// When the next folder is due.
pub async fn next_due(db: &mut Connection) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query("SELECT MIN(due_at) FROM series").fetch_one(db).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(Timestamp))
}
