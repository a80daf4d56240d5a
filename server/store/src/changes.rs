//! The journal: one row for every visible change, and with it the ETags and sizes up to the root.

use crate::{Connection, StoreError, Tx, placeholders};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use stitchbox_schema::{Cursor, ItemId, RunId, SpaceId, Timestamp, UserId};

/// What happened to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A file or folder appeared: uploaded or made. What lies in such a folder has changes of its own.
    Created,
    /// Copied, or moved in from another space, with everything below.
    Arrived,
    /// A file shows another version.
    Updated,
    /// Moved or renamed, with everything below.
    Moved,
    /// Put into the trash, with everything below.
    Deleted,
    /// Taken out of the trash, with everything below.
    Restored,
    /// Properties or times changed, not the content.
    Touched,
}

impl ChangeKind {
    const ALL: [Self; 7] =
        [Self::Created, Self::Arrived, Self::Updated, Self::Moved, Self::Deleted, Self::Restored, Self::Touched];

    /// The word in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Arrived => "arrived",
            Self::Updated => "updated",
            Self::Moved => "moved",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Touched => "touched",
        }
    }

    /// Reads the word of a row back.
    pub(crate) fn of_word(word: &str, row: i64) -> Result<Self, StoreError> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        known.ok_or(StoreError::Inconsistent { table: "changes", column: "kind", row })
    }
}

/// A change to be written.
#[derive(Debug, Clone)]
pub struct NewChange<'a> {
    /// Space in which it is visible.
    pub space: SpaceId,
    /// The item that changed.
    pub item: ItemId,
    /// The folder that holds (or held, if deleted) the item.
    pub folder: ItemId,
    /// The folder it was in before a move.
    pub old_folder: Option<ItemId>,
    /// What happened.
    pub kind: ChangeKind,
    /// The item's name after the change.
    pub name: &'a str,
    /// The run that caused it, if one did: such changes trigger nothing.
    pub run: Option<RunId>,
    /// Who caused it.
    pub actor: Option<UserId>,
    /// When.
    pub at: Timestamp,
    /// What the change adds to the size of `folder` and everything above, bytes.
    pub size_delta: i64,
}

/// A row of the journal.
#[derive(Debug, Clone)]
pub struct Change {
    /// Position in the journal.
    pub cursor: Cursor,
    /// Space in which it is visible.
    pub space: SpaceId,
    /// The item that changed.
    pub item: ItemId,
    /// The folder that holds or held it.
    pub folder: Option<ItemId>,
    /// The folder it was in before a move.
    pub old_folder: Option<ItemId>,
    /// What happened.
    pub kind: ChangeKind,
    /// The item's name after the change.
    pub name: String,
    /// The run that caused it.
    pub run: Option<RunId>,
    /// When.
    pub at: Timestamp,
    /// Whether the item is a folder (it may have changed since, but not in this).
    pub is_folder: bool,
    /// The run whose output the item is now.
    pub output_of: Option<RunId>,
}

fn change(row: &AnyRow) -> Result<Change, StoreError> {
    let cursor: i64 = row.try_get("cursor")?;
    let word: String = row.try_get("kind")?;
    let kind = ChangeKind::of_word(&word, cursor)?;
    Ok(Change {
        cursor: Cursor(cursor),
        space: SpaceId(row.try_get("space_id")?),
        item: ItemId(row.try_get("item_id")?),
        folder: row.try_get::<Option<i64>, _>("folder_id")?.map(ItemId),
        old_folder: row.try_get::<Option<i64>, _>("old_folder_id")?.map(ItemId),
        kind,
        name: row.try_get("name")?,
        run: row.try_get::<Option<i64>, _>("run_id")?.map(RunId),
        at: Timestamp(row.try_get("at")?),
        is_folder: row.try_get::<Option<String>, _>("item_kind")?.as_deref() == Some("folder"),
        output_of: row.try_get::<Option<i64>, _>("item_run_id")?.map(RunId),
    })
}

/// Takes the next position of the journal. Positions become visible in order, one after the other, because the writers of
/// all processes are ordered (see [`crate::Store::write`]).
async fn next(tx: &mut Tx) -> Result<Cursor, StoreError> {
    let row =
        sqlx::query("UPDATE journal SET head = head + 1 WHERE id = 1 RETURNING head").fetch_one(&mut **tx).await?;
    Ok(Cursor(row.try_get(0)?))
}

/// Writes a change and moves ETag, size and time of its folder and of every folder above.
pub async fn append(tx: &mut Tx, change: &NewChange<'_>) -> Result<Cursor, StoreError> {
    let cursor = next(tx).await?;
    sqlx::query(
        "INSERT INTO changes (cursor, space_id, item_id, folder_id, old_folder_id, kind, name, run_id, actor_id, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(cursor.0)
    .bind(change.space.0)
    .bind(change.item.0)
    .bind(change.folder.0)
    .bind(change.old_folder.map(|folder| folder.0))
    .bind(change.kind.as_str())
    .bind(change.name)
    .bind(change.run.map(|run| run.0))
    .bind(change.actor.map(|user| user.0))
    .bind(change.at.0)
    .execute(&mut **tx)
    .await?;
    raise(tx, change.folder, cursor, change.size_delta, change.at).await?;
    Ok(cursor)
}

/// As [`append`] for many changes in one folder: few statements, whatever their number. Gives their positions.
pub async fn append_all(tx: &mut Tx, folder: ItemId, changes: &[NewChange<'_>]) -> Result<Vec<Cursor>, StoreError> {
    let Some(last) = changes.last() else { return Ok(Vec::new()) };
    let many = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let row = sqlx::query("UPDATE journal SET head = head + $1 WHERE id = 1 RETURNING head")
        .bind(many)
        .fetch_one(&mut **tx)
        .await?;
    let head: i64 = row.try_get(0)?;
    let cursors: Vec<Cursor> = (head - many + 1..=head).map(Cursor).collect();
    let numbered: Vec<(Cursor, &NewChange<'_>)> = cursors.iter().copied().zip(changes).collect();
    for some in numbered.chunks(placeholders::ROWS) {
        let sql = format!(
            "INSERT INTO changes (cursor, space_id, item_id, folder_id, old_folder_id, kind, name, run_id, actor_id, at)
             VALUES {}",
            placeholders::rows(some.len(), 10)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(placeholders::is_common(some.len()));
        for (cursor, change) in some {
            query = query
                .bind(cursor.0)
                .bind(change.space.0)
                .bind(change.item.0)
                .bind(folder.0)
                .bind(change.old_folder.map(|folder| folder.0))
                .bind(change.kind.as_str())
                .bind(change.name)
                .bind(change.run.map(|run| run.0))
                .bind(change.actor.map(|user| user.0))
                .bind(change.at.0);
        }
        query.execute(&mut **tx).await?;
    }
    let size_delta = changes.iter().map(|change| change.size_delta).sum();
    raise(tx, folder, Cursor(head), size_delta, last.at).await?;
    Ok(cursors)
}

/// Moves ETag, size and time of a folder and of every folder above it to those of a change already written.
pub async fn raise(
    tx: &mut Tx,
    folder: ItemId,
    cursor: Cursor,
    size_delta: i64,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "WITH RECURSIVE up (id, parent_id) AS (
             SELECT id, parent_id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id, items.parent_id FROM items JOIN up ON items.id = up.parent_id)
         UPDATE items SET last_change = $2, size = size + $3, mtime_ns = $4 WHERE id IN (SELECT id FROM up)",
    )
    .bind(folder.0)
    .bind(cursor.0)
    .bind(size_delta)
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Up to `limit` changes after a position, oldest first.
pub async fn after(db: &mut Connection, position: Cursor, limit: i64) -> Result<Vec<Change>, StoreError> {
    let rows = sqlx::query(
        "SELECT changes.*, items.kind AS item_kind, items.run_id AS item_run_id
         FROM changes LEFT JOIN items ON items.id = changes.item_id
         WHERE changes.cursor > $1 ORDER BY changes.cursor LIMIT $2",
    )
    .bind(position.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(change).collect()
}

/// The position of the last change.
pub async fn head(db: &mut Connection) -> Result<Cursor, StoreError> {
    Ok(Cursor(sqlx::query("SELECT head FROM journal WHERE id = 1").fetch_one(db).await?.try_get(0)?))
}
