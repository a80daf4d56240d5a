//! Drive items: the tree.

use crate::versions::{self, Version};
use crate::{Connection, Rights, StoreError, Tx, placeholders};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use std::fmt::Write as _;
use std::sync::LazyLock;
use stitchbox_schema::{Cursor, ETag, ItemId, ItemName, RunId, SpaceId, Timestamp, VersionId};

/// File or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// Has a version and no children.
    File,
    /// Has children and no version.
    Folder,
}

impl ItemKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
        }
    }
}

/// A drive item as stored.
#[derive(Debug, Clone)]
pub struct Item {
    /// Survives rename and move.
    pub id: ItemId,
    /// The space it lies in.
    pub space: SpaceId,
    /// Its folder; none for the root of a space and for an item in the trash.
    pub parent: Option<ItemId>,
    /// Its name; empty for the root of a space.
    pub name: String,
    /// File or folder.
    pub kind: ItemKind,
    /// The version a file shows.
    pub version: Option<VersionId>,
    /// Bytes: of the version, or of everything below.
    pub size: i64,
    /// Modification time.
    pub mtime: Timestamp,
    /// The last change at or below it.
    pub last_change: Cursor,
    /// The run that wrote it: set for derived items.
    pub run: Option<RunId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What the peer it is received from allows, if it said so.
    pub rights: Option<Rights>,
}

impl Item {
    /// The item's ETag, equal wherever it is shown.
    #[must_use]
    pub fn etag(&self) -> ETag {
        match self.version {
            Some(version) => ETag::of_version(version),
            None => ETag::of_folder(self.id, self.last_change),
        }
    }

    /// Whether it is a folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.kind == ItemKind::Folder
    }
}

pub(crate) fn kind(word: &str, row: i64) -> Result<ItemKind, StoreError> {
    match word {
        "file" => Ok(ItemKind::File),
        "folder" => Ok(ItemKind::Folder),
        _ => Err(StoreError::Inconsistent { table: "items", column: "kind", row }),
    }
}

pub(crate) fn item(row: &AnyRow) -> Result<Item, StoreError> {
    let id: i64 = row.try_get("id")?;
    let kind = kind(row.try_get("kind")?, id)?;
    Ok(Item {
        id: ItemId(id),
        space: SpaceId(row.try_get("space_id")?),
        parent: row.try_get::<Option<i64>, _>("parent_id")?.map(ItemId),
        name: row.try_get("name")?,
        kind,
        version: row.try_get::<Option<i64>, _>("version_id")?.map(VersionId),
        size: row.try_get("size")?,
        mtime: Timestamp(row.try_get("mtime_ns")?),
        last_change: Cursor(row.try_get("last_change")?),
        run: row.try_get::<Option<i64>, _>("run_id")?.map(RunId),
        created_at: Timestamp(row.try_get("created_at")?),
        rights: row.try_get::<Option<i64>, _>("rights")?.map(Rights::of_bits),
    })
}

/// The item with this id, in the tree or in the trash.
pub async fn by_id(db: &mut Connection, id: ItemId) -> Result<Option<Item>, StoreError> {
    let row = sqlx::query("SELECT * FROM items WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(item).transpose()
}

/// The child of a folder with this name.
pub async fn child(db: &mut Connection, folder: ItemId, name: &str) -> Result<Option<Item>, StoreError> {
    let row = sqlx::query("SELECT * FROM items WHERE parent_id = $1 AND name = $2")
        .bind(folder.0)
        .bind(name)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(item).transpose()
}

/// Names followed by one statement; a longer path takes several.
const HOPS: usize = 8;

/// One statement for every number of names up to [`HOPS`]: each name is looked up in the index of its folder.
static BY_PATH: LazyLock<[String; HOPS]> = LazyLock::new(|| by_path("", ""));
/// The same with the version a file shows.
static SHOWN_BY_PATH: LazyLock<[String; HOPS]> = LazyLock::new(|| by_path(versions::JOINED, versions::JOIN));

/// `columns` follow those of the item; `{item}` in `join` is the item.
fn by_path(columns: &str, join: &str) -> [String; HOPS] {
    std::array::from_fn(|last| {
        let mut sql = format!("SELECT i{last}.*{columns} FROM items AS i0");
        for hop in 1..=last {
            let _ = write!(
                sql,
                " JOIN items AS i{hop} ON i{hop}.parent_id = i{}.id AND i{hop}.name = ${}",
                hop - 1,
                hop + 2
            );
        }
        sql += &join.replace("{item}", &format!("i{last}"));
        sql + " WHERE i0.parent_id = $1 AND i0.name = $2"
    })
}

/// The row that names lead to from a folder. There must be names.
async fn row_at_path(
    db: &mut Connection,
    folder: ItemId,
    names: &[ItemName],
    statements: &'static [String; HOPS],
) -> Result<Option<AnyRow>, StoreError> {
    let (mut reached, mut from) = (None, folder.0);
    for names in names.chunks(HOPS) {
        let Some(sql) = statements.get(names.len() - 1) else { return Ok(None) };
        let query = names.iter().fold(sqlx::query(sql.as_str()).bind(from), |query, name| query.bind(name.as_str()));
        let Some(row) = query.fetch_optional(&mut *db).await? else { return Ok(None) };
        from = row.try_get("id")?;
        reached = Some(row);
    }
    Ok(reached)
}

/// The item that names lead to from a folder; the folder itself if there are none.
pub async fn at_path(db: &mut Connection, folder: ItemId, names: &[ItemName]) -> Result<Option<Item>, StoreError> {
    if names.is_empty() {
        return by_id(db, folder).await;
    }
    row_at_path(db, folder, names, &BY_PATH).await?.as_ref().map(item).transpose()
}

/// As [`at_path`], with the version if it is a file.
pub async fn shown_at_path(
    db: &mut Connection,
    folder: ItemId,
    names: &[ItemName],
) -> Result<Option<(Item, Option<Version>)>, StoreError> {
    if names.is_empty() {
        return Ok(by_id(db, folder).await?.map(|item| (item, None)));
    }
    let Some(row) = row_at_path(db, folder, names, &SHOWN_BY_PATH).await? else { return Ok(None) };
    let item = item(&row)?;
    let version = versions::joined(&row, &item)?;
    Ok(Some((item, version)))
}

/// All children of a folder, by name.
pub async fn children(db: &mut Connection, folder: ItemId) -> Result<Vec<Item>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM items WHERE parent_id = $1 ORDER BY name").bind(folder.0).fetch_all(db).await?;
    rows.iter().map(item).collect()
}

/// Up to `limit` children of a folder whose name sorts after `after` (all from the start if `None`), by name.
pub async fn children_page(
    db: &mut Connection,
    folder: ItemId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Item>, StoreError> {
    let rows = sqlx::query("SELECT * FROM items WHERE parent_id = $1 AND name > $2 ORDER BY name LIMIT $3")
        .bind(folder.0)
        .bind(after.unwrap_or(""))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(item).collect()
}

/// The names from the top of the tree to the item, and whether the top is the root of a space (false: in the trash).
pub async fn path(db: &mut Connection, id: ItemId) -> Result<(Vec<String>, bool), StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE up (id, parent_id, name, depth) AS (
             SELECT id, parent_id, name, CAST(0 AS BIGINT) FROM items WHERE id = $1
             UNION ALL
             SELECT items.id, items.parent_id, items.name, up.depth + 1 FROM items JOIN up ON items.id = up.parent_id)
         SELECT name FROM up ORDER BY depth DESC",
    )
    .bind(id.0)
    .fetch_all(db)
    .await?;
    let mut names = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let live = names.first().is_some_and(String::is_empty);
    if live {
        names.remove(0);
    }
    Ok((names, live))
}

/// An item and everything below it: id, parent, kind, name, size; parents before their children.
pub async fn subtree(db: &mut Connection, top: ItemId) -> Result<Vec<Item>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id, depth) AS (
             SELECT id, CAST(0 AS BIGINT) FROM items WHERE id = $1
             UNION ALL
             SELECT items.id, down.depth + 1 FROM items JOIN down ON items.parent_id = down.id)
         SELECT items.* FROM items JOIN down ON items.id = down.id ORDER BY down.depth, items.id",
    )
    .bind(top.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(item).collect()
}

/// How many items a tree has, its top included; counting ends at `limit`.
pub async fn count_tree(db: &mut Connection, top: ItemId, limit: i64) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM down LIMIT $2) AS counted",
    )
    .bind(top.0)
    .bind(limit)
    .fetch_one(db)
    .await?;
    Ok(row.try_get(0)?)
}

/// Makes an item. Its `last_change` is corrected by [`set_last_change`] once the change is written.
pub async fn insert(tx: &mut Tx, item: &Item) -> Result<(), StoreError> {
    insert_all(tx, std::slice::from_ref(item)).await
}

/// Makes many items, parents before their children.
pub async fn insert_all(tx: &mut Tx, items: &[Item]) -> Result<(), StoreError> {
    for items in items.chunks(placeholders::ROWS) {
        let sql = format!(
            "INSERT INTO items
                 (id, space_id, parent_id, name, kind, version_id, size, mtime_ns, last_change, run_id, created_at, rights)
             VALUES {}",
            placeholders::rows(items.len(), 12)
        );
        // Only the number of rows varies.
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(placeholders::is_common(items.len()));
        for item in items {
            query = query
                .bind(item.id.0)
                .bind(item.space.0)
                .bind(item.parent.map(|parent| parent.0))
                .bind(&item.name)
                .bind(item.kind.as_str())
                .bind(item.version.map(|version| version.0))
                .bind(item.size)
                .bind(item.mtime.0)
                .bind(item.last_change.0)
                .bind(item.run.map(|run| run.0))
                .bind(item.created_at.0)
                .bind(item.rights.map(Rights::bits));
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Lets a file show another version.
pub async fn show_version(
    tx: &mut Tx,
    id: ItemId,
    version: VersionId,
    size: i64,
    mtime: Timestamp,
    run: Option<RunId>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE items SET version_id = $2, size = $3, mtime_ns = $4, run_id = $5 WHERE id = $1")
        .bind(id.0)
        .bind(version.0)
        .bind(size)
        .bind(mtime.0)
        .bind(run.map(|run| run.0))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Puts an item under a folder (or nowhere: into the trash) with a name. The caller accounts for sizes.
pub async fn place(tx: &mut Tx, id: ItemId, parent: Option<ItemId>, name: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE items SET parent_id = $2, name = $3 WHERE id = $1")
        .bind(id.0)
        .bind(parent.map(|parent| parent.0))
        .bind(name)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The folders of a tree, its top included.
pub async fn folders_of(db: &mut Connection, top: ItemId) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1 AND kind = 'folder'
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id WHERE items.kind = 'folder')
         SELECT id FROM down",
    )
    .bind(top.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}

/// Gives an item and everything below it to another space.
pub async fn set_space(tx: &mut Tx, top: ItemId, space: SpaceId) -> Result<(), StoreError> {
    sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         UPDATE items SET space_id = $2 WHERE id IN (SELECT id FROM down)",
    )
    .bind(top.0)
    .bind(space.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Sets the position of the last change of one item.
pub async fn set_last_change(tx: &mut Tx, id: ItemId, cursor: Cursor) -> Result<(), StoreError> {
    sqlx::query("UPDATE items SET last_change = $2 WHERE id = $1").bind(id.0).bind(cursor.0).execute(&mut **tx).await?;
    Ok(())
}

/// Sets the modification time of one item.
pub async fn set_mtime(tx: &mut Tx, id: ItemId, mtime: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE items SET mtime_ns = $2 WHERE id = $1").bind(id.0).bind(mtime.0).execute(&mut **tx).await?;
    Ok(())
}

/// Marks an item as written by a run, or as an ordinary item.
pub async fn set_run(tx: &mut Tx, id: ItemId, run: Option<RunId>) -> Result<(), StoreError> {
    sqlx::query("UPDATE items SET run_id = $2 WHERE id = $1")
        .bind(id.0)
        .bind(run.map(|run| run.0))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
