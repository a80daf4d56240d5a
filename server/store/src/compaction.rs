//! Shortening the journal. What every reader has read may go: rows that are too old, and rows of files that a later row
//! of the same file says over again.

use crate::changes::ChangeKind;
use crate::{Connection, StoreError, Tx, placeholders};
use sqlx::{AssertSqlSafe, Row};
use std::collections::HashSet;
use stitchbox_schema::{Cursor, ItemId, SpaceId, Timestamp};

/// A row of the journal as far as it matters whether it may go.
#[derive(Debug, Clone)]
pub struct Old {
    /// Position.
    pub cursor: Cursor,
    /// Space in which it is visible.
    pub space: SpaceId,
    /// The item.
    pub item: ItemId,
    /// What happened.
    pub kind: ChangeKind,
    /// When.
    pub at: Timestamp,
    /// Whether the item is a file that still exists, be it in the trash.
    pub is_file: bool,
}

/// How far the slowest reader that keeps a position has come; zero if this one never read.
pub async fn slowest_reader(db: &mut Connection, indispensable: &str) -> Result<Cursor, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(MIN(position), 0) AS BIGINT), CAST(COUNT(CASE WHEN name = $1 THEN 1 END) AS BIGINT)
         FROM cursors",
    )
    .bind(indispensable)
    .fetch_one(db)
    .await?;
    let (slowest, present): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Cursor(if present > 0 { slowest } else { 0 }))
}

/// Up to `limit` rows in `(after, last]`, oldest first.
pub async fn page(db: &mut Connection, after: Cursor, last: Cursor, limit: i64) -> Result<Vec<Old>, StoreError> {
    let rows = sqlx::query(
        "SELECT changes.cursor, changes.space_id, changes.item_id, changes.kind, changes.at, items.kind AS item_kind
         FROM changes LEFT JOIN items ON items.id = changes.item_id
         WHERE changes.cursor > $1 AND changes.cursor <= $2 ORDER BY changes.cursor LIMIT $3",
    )
    .bind(after.0)
    .bind(last.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let cursor: i64 = row.try_get("cursor")?;
            Ok(Old {
                cursor: Cursor(cursor),
                space: SpaceId(row.try_get("space_id")?),
                item: ItemId(row.try_get("item_id")?),
                kind: ChangeKind::of_word(&row.try_get::<String, _>("kind")?, cursor)?,
                at: Timestamp(row.try_get("at")?),
                is_file: row.try_get::<Option<String>, _>("item_kind")?.as_deref() == Some("file"),
            })
        })
        .collect()
}

/// Removes everything up to and including a position, and remembers that it did.
pub async fn cut(tx: &mut Tx, last: Cursor) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM changes WHERE cursor <= $1").bind(last.0).execute(&mut **tx).await?;
    sqlx::query("UPDATE journal SET lowest = $1 WHERE id = 1 AND lowest < $1").bind(last.0).execute(&mut **tx).await?;
    Ok(())
}

/// Removes single rows.
pub async fn remove(tx: &mut Tx, rows: &HashSet<Cursor>) -> Result<(), StoreError> {
    let rows: Vec<i64> = rows.iter().map(|cursor| cursor.0).collect();
    for rows in rows.chunks(placeholders::ROWS) {
        let sql = format!("DELETE FROM changes WHERE cursor IN {}", placeholders::rows(1, rows.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for cursor in rows {
            query = query.bind(*cursor);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Moves the head of the journal forward by `by` and forgets everything before: no cursor given until now is valid any
/// more, and no ETag of a folder that was given comes back.
pub async fn leap(tx: &mut Tx, by: i64) -> Result<Cursor, StoreError> {
    let row = sqlx::query("UPDATE journal SET head = head + $1, lowest = head + $1 WHERE id = 1 RETURNING head")
        .bind(by)
        .fetch_one(&mut **tx)
        .await?;
    Ok(Cursor(row.try_get(0)?))
}
