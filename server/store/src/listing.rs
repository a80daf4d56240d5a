//! The pages of a listing: what is read most, in as few columns as it takes.

use crate::items::{Item, kind};
use crate::{Connection, Rights, StoreError};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{Cursor, ItemId, RunId, SpaceId, Timestamp, VersionId};

/// An item as a listing tells it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The item.
    pub item: Item,
    /// Of the version a file shows, if they were asked for.
    pub sums: Option<Sums>,
}

/// Checksums of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// The checksum the client gave and we verified, as `SHA1:hex`.
    pub given: Option<String>,
    /// The kind of content by its first bytes: a word of `analysis/formats`.
    pub content: String,
}

/// The page of a listing, and the same with the checksums of files.
const LISTING: &str =
    "SELECT id, space_id, parent_id, name, kind, version_id, size, mtime_ns, last_change, run_id, created_at, rights
     FROM items WHERE parent_id = $1 AND name > $2 ORDER BY name LIMIT $3";
const LISTING_WITH_SUMS: &str =
    "SELECT items.id, items.space_id, items.parent_id, items.name, items.kind, items.version_id, items.size,
            items.mtime_ns, items.last_change, items.run_id, items.created_at, items.rights, versions.sha256,
            versions.checksum, versions.content
     FROM items LEFT JOIN versions ON versions.id = items.version_id
     WHERE items.parent_id = $1 AND items.name > $2 ORDER BY items.name LIMIT $3";

/// Up to `limit` children of a folder whose name sorts after `after` (all from the start if `None`), by name; with the
/// checksums of files if they are wanted.
pub async fn page(
    db: &mut Connection,
    folder: ItemId,
    after: Option<&str>,
    limit: i64,
    with_sums: bool,
) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query(if with_sums { LISTING_WITH_SUMS } else { LISTING })
        .bind(folder.0)
        .bind(after.unwrap_or(""))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| listed(row, with_sums)).collect()
}

/// By position: a listing has ten thousand rows.
fn listed(row: &AnyRow, with_sums: bool) -> Result<Listed, StoreError> {
    let id: i64 = row.try_get(0)?;
    let item = Item {
        id: ItemId(id),
        space: SpaceId(row.try_get(1)?),
        parent: row.try_get::<Option<i64>, _>(2)?.map(ItemId),
        name: row.try_get(3)?,
        kind: kind(row.try_get(4)?, id)?,
        version: row.try_get::<Option<i64>, _>(5)?.map(VersionId),
        size: row.try_get(6)?,
        mtime: Timestamp(row.try_get(7)?),
        last_change: Cursor(row.try_get(8)?),
        run: row.try_get::<Option<i64>, _>(9)?.map(RunId),
        created_at: Timestamp(row.try_get(10)?),
        rights: row.try_get::<Option<i64>, _>(11)?.map(Rights::of_bits),
    };
    let sha256: Option<String> = if with_sums { row.try_get(12)? } else { None };
    let sums = match sha256 {
        Some(sha256) => Some(Sums { sha256, given: row.try_get(13)?, content: row.try_get(14)? }),
        None => None,
    };
    Ok(Listed { item, sums })
}
