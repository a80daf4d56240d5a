//! What is recorded of the bytes of files, for the question whether their source may be deleted.

use crate::{Connection, StoreError};
use sqlx::Row;
use stitchbox_schema::{BlobId, ItemId, Timestamp, VersionId};

/// A child of a folder, with what is recorded of its bytes.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The item.
    pub id: ItemId,
    /// Its name.
    pub name: String,
    /// A folder has no bytes of its own.
    pub is_folder: bool,
    /// The version a file shows; none if there is no such row, which is damage.
    pub version: Option<RecordedVersion>,
}

/// What version and blob say of the same bytes.
#[derive(Debug, Clone)]
pub struct RecordedVersion {
    /// Which.
    pub id: VersionId,
    /// SHA-256 of the content by the version.
    pub sha256: String,
    /// Bytes by the version.
    pub size: i64,
    /// The blob, its SHA-256 and its bytes by the blob's own row; none if there is no such row.
    pub blob: Option<(BlobId, String, i64)>,
    /// The bytes lie at a peer; what is here of them may go at any time.
    pub at_peer: bool,
    /// Bytes of the body in the database, if it is there.
    pub body: Option<i64>,
}

const COLUMNS: &str = "items.id, items.name, items.kind, versions.id AS shown_id, versions.sha256 AS shown_sha256,
    versions.size AS shown_size, blobs.id AS blob_id, blobs.sha256 AS blob_sha256, blobs.size AS blob_size,
    CAST(length(blob_bodies.body) AS BIGINT) AS body_size, remote_blobs.blob_id AS peers_blob
    FROM items LEFT JOIN versions ON versions.id = items.version_id AND versions.item_id = items.id
               LEFT JOIN blobs ON blobs.id = versions.blob_id
               LEFT JOIN blob_bodies ON blob_bodies.blob_id = blobs.id
               LEFT JOIN remote_blobs ON remote_blobs.blob_id = blobs.id";

fn recorded(row: &sqlx::any::AnyRow) -> Result<Recorded, StoreError> {
    let version = match row.try_get::<Option<i64>, _>("shown_id")? {
        None => None,
        Some(id) => Some(RecordedVersion {
            id: VersionId(id),
            sha256: row.try_get("shown_sha256")?,
            size: row.try_get("shown_size")?,
            blob: match row.try_get::<Option<i64>, _>("blob_id")? {
                None => None,
                Some(blob) => Some((BlobId(blob), row.try_get("blob_sha256")?, row.try_get("blob_size")?)),
            },
            at_peer: row.try_get::<Option<i64>, _>("peers_blob")?.is_some(),
            body: row.try_get("body_size")?,
        }),
    };
    Ok(Recorded {
        id: ItemId(row.try_get("id")?),
        name: row.try_get("name")?,
        is_folder: row.try_get::<String, _>("kind")? == "folder",
        version,
    })
}

/// What is recorded of one item.
pub async fn of_item(db: &mut Connection, id: ItemId) -> Result<Option<Recorded>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE items.id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(recorded).transpose()
}

/// Up to `limit` children of a folder with a name after `after`, by name.
pub async fn page(db: &mut Connection, folder: ItemId, after: &str, limit: i64) -> Result<Vec<Recorded>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE items.parent_id = $1 AND items.name > $2 ORDER BY items.name LIMIT $3");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(folder.0).bind(after).bind(limit).fetch_all(db).await?;
    rows.iter().map(recorded).collect()
}

/// The name of a file that is being uploaded into a tree, if one is; what a run writes does not count.
pub async fn arriving_within(db: &mut Connection, top: ItemId, now: Timestamp) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1 AND kind = 'folder'
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id WHERE items.kind = 'folder')
         SELECT uploads.name FROM uploads JOIN down ON down.id = uploads.folder_id
         WHERE uploads.expires_at > $2 AND uploads.run_id IS NULL
         UNION ALL
         SELECT COALESCE(upload_sessions.path, upload_sessions.name)
         FROM upload_sessions JOIN down ON down.id = upload_sessions.folder_id
         WHERE upload_sessions.expires_at > $2 AND upload_sessions.item_id IS NULL LIMIT 1",
    )
    .bind(top.0)
    .bind(now.0)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Whether a file is being uploaded to this path, which is this name in this folder.
pub async fn is_arriving(
    db: &mut Connection,
    folder: ItemId,
    name: &str,
    path: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT id FROM uploads WHERE folder_id = $1 AND name = $2 AND expires_at > $4 AND run_id IS NULL
         UNION ALL
         SELECT id FROM upload_sessions WHERE folder_id = $1 AND path = $3 AND expires_at > $4 AND item_id IS NULL
         LIMIT 1",
    )
    .bind(folder.0)
    .bind(name)
    .bind(path)
    .bind(now.0)
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}
