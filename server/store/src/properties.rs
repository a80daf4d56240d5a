//! Dead properties: what WebDAV clients attach to items and we only keep.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use stitchbox_schema::ItemId;

/// A dead property. `value` is the whole element as XML text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// XML namespace, may be empty.
    pub namespace: String,
    /// Local name.
    pub name: String,
    /// The element, serialised.
    pub value: String,
}

/// The dead properties of an item.
pub async fn of_item(db: &mut Connection, item: ItemId) -> Result<Vec<Property>, StoreError> {
    let rows = sqlx::query("SELECT namespace, name, value FROM properties WHERE item_id = $1 ORDER BY namespace, name")
        .bind(item.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| property(row, 0)).collect()
}

/// The dead properties of the children of a folder whose names sort after `after` and not after `last`, each with its
/// item: one query for a page of a listing.
pub async fn of_page(
    db: &mut Connection,
    folder: ItemId,
    after: Option<&str>,
    last: &str,
) -> Result<Vec<(ItemId, Property)>, StoreError> {
    let rows = sqlx::query(
        "SELECT properties.item_id, properties.namespace, properties.name, properties.value
         FROM properties JOIN items ON items.id = properties.item_id
         WHERE items.parent_id = $1 AND items.name > $2 AND items.name <= $3
         ORDER BY properties.item_id, properties.namespace, properties.name",
    )
    .bind(folder.0)
    .bind(after.unwrap_or(""))
    .bind(last)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((ItemId(row.try_get(0)?), property(row, 1)?))).collect()
}

fn property(row: &sqlx::any::AnyRow, first: usize) -> Result<Property, StoreError> {
    Ok(Property { namespace: row.try_get(first)?, name: row.try_get(first + 1)?, value: row.try_get(first + 2)? })
}

/// Sets a property.
pub async fn set(tx: &mut Tx, item: ItemId, property: &Property) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO properties (item_id, namespace, name, value) VALUES ($1, $2, $3, $4)
         ON CONFLICT (item_id, namespace, name) DO UPDATE SET value = excluded.value",
    )
    .bind(item.0)
    .bind(&property.namespace)
    .bind(&property.name)
    .bind(&property.value)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes a property, if it is there.
pub async fn remove(tx: &mut Tx, item: ItemId, namespace: &str, name: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM properties WHERE item_id = $1 AND namespace = $2 AND name = $3")
        .bind(item.0)
        .bind(namespace)
        .bind(name)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The items of a tree, its top included, that have dead properties.
pub async fn owners_in_tree(db: &mut Connection, top: ItemId) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         SELECT DISTINCT properties.item_id FROM properties JOIN down ON down.id = properties.item_id",
    )
    .bind(top.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// Gives a copy the properties of its original.
pub async fn copy(tx: &mut Tx, from: ItemId, to: ItemId) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO properties (item_id, namespace, name, value)
         SELECT CAST($2 AS BIGINT), namespace, name, value FROM properties WHERE item_id = $1",
    )
    .bind(from.0)
    .bind(to.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
