//! Questions about the whole tree that have no answer while it is sound. Each is one statement, so it sees one moment.

use crate::{Connection, StoreError};
use sqlx::Row;
use stitchbox_schema::ItemId;

/// Number of items, in the tree and in the trash.
pub async fn count(db: &mut Connection) -> Result<i64, StoreError> {
    Ok(sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM items").fetch_one(db).await?.try_get(0)?)
}

/// Items in a folder that does not exist or is a file, and items in no folder that are neither a root nor trash.
pub async fn orphans(db: &mut Connection) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "SELECT items.id FROM items
         LEFT JOIN items AS folder ON folder.id = items.parent_id
         LEFT JOIN spaces ON spaces.root_item_id = items.id
         LEFT JOIN trash ON trash.item_id = items.id
         WHERE (items.parent_id IS NOT NULL AND (folder.id IS NULL OR folder.kind <> 'folder'))
            OR (items.parent_id IS NULL AND spaces.id IS NULL AND trash.item_id IS NULL)
         ORDER BY items.id",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// Files that show no version of their own, and folders that show one.
pub async fn wrong_versions(db: &mut Connection) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "SELECT items.id FROM items LEFT JOIN versions ON versions.id = items.version_id
         WHERE (items.kind = 'file' AND (versions.id IS NULL OR versions.item_id <> items.id))
            OR (items.kind = 'folder' AND items.version_id IS NOT NULL)
         ORDER BY items.id",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// Items whose size is not that of their version or the sum of their children: item, recorded size, true size.
pub async fn wrong_sizes(db: &mut Connection) -> Result<Vec<(ItemId, i64, i64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT items.id, items.size, versions.size AS found
         FROM items JOIN versions ON versions.id = items.version_id WHERE items.size <> versions.size
         UNION ALL
         SELECT folder.id, folder.size, CAST(COALESCE(SUM(child.size), 0) AS BIGINT) AS found
         FROM items AS folder LEFT JOIN items AS child ON child.parent_id = folder.id
         WHERE folder.kind = 'folder' GROUP BY folder.id, folder.size
         HAVING folder.size <> COALESCE(SUM(child.size), 0)",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((ItemId(row.try_get(0)?), row.try_get(1)?, row.try_get(2)?))).collect()
}
