//! Marks a person set on items for herself.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{ItemId, UserId};

/// Sets a mark; one that is there already stays.
pub async fn set(tx: &mut Tx, user: UserId, item: ItemId) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO favorites (user_id, item_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(user.0)
        .bind(item.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes a mark away, if it is there.
pub async fn remove(tx: &mut Tx, user: UserId, item: ItemId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM favorites WHERE user_id = $1 AND item_id = $2")
        .bind(user.0)
        .bind(item.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What the person marked of a folder: the folder itself and its children.
pub async fn in_folder(db: &mut Connection, user: UserId, folder: ItemId) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "SELECT favorites.item_id FROM favorites JOIN items ON items.id = favorites.item_id
         WHERE favorites.user_id = $1 AND (items.parent_id = $2 OR items.id = $2)",
    )
    .bind(user.0)
    .bind(folder.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(id).collect()
}

/// Up to `limit` items the person marked, oldest mark by item first.
pub async fn of_user(db: &mut Connection, user: UserId, limit: i64) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query("SELECT item_id FROM favorites WHERE user_id = $1 ORDER BY item_id LIMIT $2")
        .bind(user.0)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(id).collect()
}

fn id(row: &AnyRow) -> Result<ItemId, StoreError> {
    Ok(ItemId(row.try_get("item_id")?))
}
