//! What was deleted and can be restored. A deleted item keeps everything below it; only its own place is gone.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{ItemId, SpaceId, Timestamp, UserId};

/// A deleted item.
#[derive(Debug, Clone)]
pub struct Trashed {
    /// The item; its row keeps name and size.
    pub item: ItemId,
    /// The space it was deleted from.
    pub space: SpaceId,
    /// The folder it lay in.
    pub parent: ItemId,
    /// Where it lay, relative to the space, starting with `/`.
    pub original_path: String,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// By whom.
    pub deleted_by: Option<UserId>,
}

fn trashed(row: &AnyRow) -> Result<Trashed, StoreError> {
    Ok(Trashed {
        item: ItemId(row.try_get("item_id")?),
        space: SpaceId(row.try_get("space_id")?),
        parent: ItemId(row.try_get("parent_id")?),
        original_path: row.try_get("original_path")?,
        deleted_at: Timestamp(row.try_get("deleted_at")?),
        deleted_by: row.try_get::<Option<i64>, _>("deleted_by")?.map(UserId),
    })
}

/// Records a deletion.
pub async fn insert(tx: &mut Tx, entry: &Trashed) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO trash (item_id, space_id, parent_id, original_path, deleted_at, deleted_by)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(entry.item.0)
    .bind(entry.space.0)
    .bind(entry.parent.0)
    .bind(&entry.original_path)
    .bind(entry.deleted_at.0)
    .bind(entry.deleted_by.map(|user| user.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The entry of a deleted item that can be restored.
pub async fn by_item(db: &mut Connection, item: ItemId) -> Result<Option<Trashed>, StoreError> {
    let row =
        sqlx::query("SELECT * FROM trash WHERE item_id = $1 AND purging = 0").bind(item.0).fetch_optional(db).await?;
    row.as_ref().map(trashed).transpose()
}

/// Everything deleted from a space that can be restored, latest first.
pub async fn of_space(db: &mut Connection, space: SpaceId) -> Result<Vec<Trashed>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM trash WHERE space_id = $1 AND purging = 0 ORDER BY deleted_at DESC, item_id DESC")
            .bind(space.0)
            .fetch_all(db)
            .await?;
    rows.iter().map(trashed).collect()
}

/// Up to `limit` entries of a space deleted after `after`, oldest first.
pub async fn page(
    db: &mut Connection,
    space: SpaceId,
    after: Option<(Timestamp, ItemId)>,
    limit: i64,
) -> Result<Vec<Trashed>, StoreError> {
    let (deleted_at, item) = after.unwrap_or((Timestamp(i64::MIN), ItemId(0)));
    let rows = sqlx::query(
        "SELECT * FROM trash
         WHERE space_id = $1 AND purging = 0 AND (deleted_at > $2 OR (deleted_at = $2 AND item_id > $3))
         ORDER BY deleted_at, item_id LIMIT $4",
    )
    .bind(space.0)
    .bind(deleted_at.0)
    .bind(item.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(trashed).collect()
}

/// Forgets an entry, because the item was restored.
pub async fn remove(tx: &mut Tx, item: ItemId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM trash WHERE item_id = $1").bind(item.0).execute(&mut **tx).await?;
    Ok(())
}
