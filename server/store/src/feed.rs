//! The journal as the followers of one space read it: what changed, as it is now, at the cost of what changed.

use crate::changes::ChangeKind;
use crate::items::{Item, item};
use crate::{Connection, StoreError};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{Cursor, ItemId, SpaceId};

/// An item with the digest of what it shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The item.
    pub item: Item,
    /// SHA-256 of its content, hexadecimal; none for a folder.
    pub sha256: Option<String>,
}

pub(crate) fn shown(row: &AnyRow) -> Result<Shown, StoreError> {
    Ok(Shown { item: item(row)?, sha256: row.try_get("sha256")? })
}

/// A change in a space, with the item as it is now.
#[derive(Debug, Clone)]
pub struct FeedRow {
    /// Position in the journal.
    pub cursor: Cursor,
    /// The item.
    pub item: ItemId,
    /// The folder it was in then, or came into.
    pub folder: Option<ItemId>,
    /// The folder it was moved out of.
    pub old_folder: Option<ItemId>,
    /// What happened then.
    pub kind: ChangeKind,
    /// The item wherever it is now, be it the trash or another space; none if it was purged.
    pub now: Option<Shown>,
}

/// How far the journal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Changes up to and including this one may be gone.
    pub lowest: Cursor,
    /// The last change.
    pub head: Cursor,
}

/// How far the journal reaches.
pub async fn reach(db: &mut Connection) -> Result<Reach, StoreError> {
    let row = sqlx::query("SELECT lowest, head FROM journal WHERE id = 1").fetch_one(db).await?;
    Ok(Reach { lowest: Cursor(row.try_get(0)?), head: Cursor(row.try_get(1)?) })
}

/// Up to `limit` changes of a space after a position, oldest first: a walk along the index (space, cursor).
pub async fn page(db: &mut Connection, space: SpaceId, after: Cursor, limit: i64) -> Result<Vec<FeedRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT changes.cursor AS at_cursor, changes.item_id AS changed_id, changes.kind AS change_kind,
                changes.folder_id AS in_folder, changes.old_folder_id AS from_folder, items.*,
                NULLIF(versions.sha256, '') AS sha256
         FROM changes LEFT JOIN items ON items.id = changes.item_id
                      LEFT JOIN versions ON versions.id = items.version_id
         WHERE changes.space_id = $1 AND changes.cursor > $2 ORDER BY changes.cursor LIMIT $3",
    )
    .bind(space.0)
    .bind(after.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            let cursor: i64 = row.try_get("at_cursor")?;
            let exists = row.try_get::<Option<i64>, _>("id")?.is_some();
            Ok(FeedRow {
                cursor: Cursor(cursor),
                item: ItemId(row.try_get("changed_id")?),
                folder: row.try_get::<Option<i64>, _>("in_folder")?.map(ItemId),
                old_folder: row.try_get::<Option<i64>, _>("from_folder")?.map(ItemId),
                kind: ChangeKind::of_word(&row.try_get::<String, _>("change_kind")?, cursor)?,
                now: if exists { Some(shown(row)?) } else { None },
            })
        })
        .collect()
}

/// The items of a space's changes in `(after, last]` and everything above them, each with its folder: all of one moment.
pub async fn ancestors(
    db: &mut Connection,
    space: SpaceId,
    after: Cursor,
    last: Cursor,
) -> Result<Vec<(ItemId, Option<ItemId>)>, StoreError> {
    // UNION, not UNION ALL: a folder above a thousand items is climbed once.
    let rows = sqlx::query(
        "WITH RECURSIVE up (id, parent_id) AS (
             SELECT id, parent_id FROM items WHERE id IN
                 (SELECT item_id FROM changes WHERE space_id = $1 AND cursor > $2 AND cursor <= $3)
             UNION
             SELECT items.id, items.parent_id FROM items JOIN up ON items.id = up.parent_id)
         SELECT id, parent_id FROM up",
    )
    .bind(space.0)
    .bind(after.0)
    .bind(last.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((ItemId(row.try_get(0)?), row.try_get::<Option<i64>, _>(1)?.map(ItemId)))).collect()
}

/// As [`ancestors`], with the folders the items were in at the time.
pub async fn ancestors_and_folders(
    db: &mut Connection,
    space: SpaceId,
    after: Cursor,
    last: Cursor,
) -> Result<Vec<(ItemId, Option<ItemId>)>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE up (id, parent_id) AS (
             SELECT id, parent_id FROM items WHERE id IN
                 (SELECT item_id FROM changes WHERE space_id = $1 AND cursor > $2 AND cursor <= $3
                  UNION SELECT folder_id FROM changes WHERE space_id = $1 AND cursor > $2 AND cursor <= $3
                  UNION SELECT old_folder_id FROM changes WHERE space_id = $1 AND cursor > $2 AND cursor <= $3)
             UNION
             SELECT items.id, items.parent_id FROM items JOIN up ON items.id = up.parent_id)
         SELECT id, parent_id FROM up",
    )
    .bind(space.0)
    .bind(after.0)
    .bind(last.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((ItemId(row.try_get(0)?), row.try_get::<Option<i64>, _>(1)?.map(ItemId)))).collect()
}

/// Up to `limit` changes of all spaces after a position, oldest first: where each was, to know whom to wake.
pub async fn places_after(
    db: &mut Connection,
    after: Cursor,
    limit: i64,
) -> Result<Vec<(Cursor, SpaceId)>, StoreError> {
    let rows = sqlx::query("SELECT cursor, space_id FROM changes WHERE cursor > $1 ORDER BY cursor LIMIT $2")
        .bind(after.0)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok((Cursor(row.try_get(0)?), SpaceId(row.try_get(1)?)))).collect()
}

/// The folders of a space that were moved in `(after, last]`.
pub async fn moved_folders(
    db: &mut Connection,
    space: SpaceId,
    after: Cursor,
    last: Cursor,
) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT changes.item_id FROM changes JOIN items ON items.id = changes.item_id
         WHERE changes.space_id = $1 AND changes.cursor > $2 AND changes.cursor <= $3
           AND changes.kind = 'moved' AND items.kind = 'folder' ORDER BY changes.item_id",
    )
    .bind(space.0)
    .bind(after.0)
    .bind(last.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// Whether an item is another one, or lies below it.
pub async fn lies_within(db: &mut Connection, item: ItemId, top: ItemId) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "WITH RECURSIVE up (id, parent_id) AS (
             SELECT id, parent_id FROM items WHERE id = $1
             UNION
             SELECT items.id, items.parent_id FROM items JOIN up ON items.id = up.parent_id)
         SELECT id FROM up WHERE id = $2",
    )
    .bind(item.0)
    .bind(top.0)
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

/// Folders whose children [`children_of`] reads at once.
pub const FOLDERS_AT_ONCE: usize = 50;

/// Up to `limit` children of the folders, by folder and name.
pub async fn children_of(db: &mut Connection, folders: &[ItemId], limit: i64) -> Result<Vec<Shown>, StoreError> {
    // Always as many places, the rest filled with an id nothing has: one statement, prepared once.
    const SQL: &str = "SELECT items.*, NULLIF(versions.sha256, '') AS sha256
         FROM items LEFT JOIN versions ON versions.id = items.version_id
         WHERE items.parent_id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
             $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39,
             $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50)
         ORDER BY items.parent_id, items.name LIMIT $51";
    let mut query = sqlx::query(SQL);
    for place in 0..FOLDERS_AT_ONCE {
        query = query.bind(folders.get(place).map_or(0, |folder| folder.0));
    }
    query.bind(limit).fetch_all(db).await?.iter().map(shown).collect()
}

/// Up to `limit` children of a folder with a name after `after`, by name.
pub async fn children_after(
    db: &mut Connection,
    folder: ItemId,
    after: &str,
    limit: i64,
) -> Result<Vec<Shown>, StoreError> {
    let rows = sqlx::query(
        "SELECT items.*, NULLIF(versions.sha256, '') AS sha256
         FROM items LEFT JOIN versions ON versions.id = items.version_id
         WHERE items.parent_id = $1 AND items.name > $2 ORDER BY items.name LIMIT $3",
    )
    .bind(folder.0)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(shown).collect()
}

/// An item with the digest of what it shows.
pub async fn shown_by_id(db: &mut Connection, id: ItemId) -> Result<Option<Shown>, StoreError> {
    let row = sqlx::query(
        "SELECT items.*, NULLIF(versions.sha256, '') AS sha256
         FROM items LEFT JOIN versions ON versions.id = items.version_id WHERE items.id = $1",
    )
    .bind(id.0)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(shown).transpose()
}
