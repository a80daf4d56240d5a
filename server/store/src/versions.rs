//! Versions and the blobs they point to. Neither ever changes once written.

use crate::items::Item;
use crate::{Connection, StoreError, Tx, placeholders};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use stitchbox_schema::{BlobId, ItemId, RunId, Timestamp, UserId, VersionId};

/// A blob to be recorded: bytes that are durable in the blob store, or small ones that come along.
#[derive(Debug, Clone)]
pub struct NewBlob {
    /// Id, also the name in the blob store.
    pub id: BlobId,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// The bytes themselves where they are too small for a file of their own.
    pub body: Option<Vec<u8>>,
    /// When.
    pub created_at: Timestamp,
}

/// A version as stored.
#[derive(Debug, Clone)]
pub struct Version {
    /// Id; also the file's ETag.
    pub id: VersionId,
    /// The file it belongs to.
    pub item: ItemId,
    /// Where its bytes are.
    pub blob: BlobId,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// The checksum the client gave and we verified, as `SHA1:hex`.
    pub checksum: Option<String>,
    /// The kind of content by its first bytes: a word of `analysis/formats`.
    pub content: String,
    /// Modification time given by the client, or the time of the commit.
    pub mtime: Timestamp,
    /// When it was committed.
    pub created_at: Timestamp,
    /// Who wrote it.
    pub author: Option<UserId>,
    /// The run that wrote it.
    pub run: Option<RunId>,
}

fn version(row: &AnyRow) -> Result<Version, StoreError> {
    Ok(Version {
        id: VersionId(row.try_get("id")?),
        item: ItemId(row.try_get("item_id")?),
        blob: BlobId(row.try_get("blob_id")?),
        size: row.try_get("size")?,
        sha256: row.try_get("sha256")?,
        checksum: row.try_get("checksum")?,
        content: row.try_get("content")?,
        mtime: Timestamp(row.try_get("mtime_ns")?),
        created_at: Timestamp(row.try_get("created_at")?),
        author: row.try_get::<Option<i64>, _>("author_id")?.map(UserId),
        run: row.try_get::<Option<i64>, _>("run_id")?.map(RunId),
    })
}

/// Columns of the version an item shows, beside the item's own.
pub(crate) const JOINED: &str = ", v.blob_id AS v_blob, v.size AS v_size, v.sha256 AS v_sha256, v.checksum AS v_checksum,
     v.content AS v_content, v.mtime_ns AS v_mtime, v.created_at AS v_created, v.author_id AS v_author, v.run_id AS v_run";
/// How they come to `{item}`.
pub(crate) const JOIN: &str = " LEFT JOIN versions AS v ON v.id = {item}.version_id";

/// The version an item shows, out of a row with [`JOINED`]; `None` for a folder.
pub(crate) fn joined(row: &AnyRow, item: &Item) -> Result<Option<Version>, StoreError> {
    let Some(id) = item.version else { return Ok(None) };
    let missing = StoreError::Inconsistent { table: "items", column: "version_id", row: item.id.0 };
    Ok(Some(Version {
        id,
        item: item.id,
        blob: BlobId(row.try_get::<Option<i64>, _>("v_blob")?.ok_or(missing)?),
        size: row.try_get("v_size")?,
        sha256: row.try_get("v_sha256")?,
        checksum: row.try_get("v_checksum")?,
        content: row.try_get("v_content")?,
        mtime: Timestamp(row.try_get("v_mtime")?),
        created_at: Timestamp(row.try_get("v_created")?),
        author: row.try_get::<Option<i64>, _>("v_author")?.map(UserId),
        run: row.try_get::<Option<i64>, _>("v_run")?.map(RunId),
    }))
}

/// Records a blob, with its body if it is small.
pub async fn insert_blob(tx: &mut Tx, blob: &NewBlob) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO blobs (id, size, sha256, created_at) VALUES ($1, $2, $3, $4)")
        .bind(blob.id.0)
        .bind(blob.size)
        .bind(&blob.sha256)
        .bind(blob.created_at.0)
        .execute(&mut **tx)
        .await?;
    if let Some(body) = &blob.body {
        sqlx::query("INSERT INTO blob_bodies (blob_id, body) VALUES ($1, $2)")
            .bind(blob.id.0)
            .bind(body.as_slice())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Records many blobs whose bytes are somewhere else: `(id, size, SHA-256 or empty)`.
pub async fn insert_bare_blobs(
    tx: &mut Tx,
    blobs: &[(BlobId, i64, String)],
    created_at: Timestamp,
) -> Result<(), StoreError> {
    for blobs in blobs.chunks(placeholders::ROWS) {
        let sql =
            format!("INSERT INTO blobs (id, size, sha256, created_at) VALUES {}", placeholders::rows(blobs.len(), 4));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(placeholders::is_common(blobs.len()));
        for (id, size, sha256) in blobs {
            query = query.bind(id.0).bind(size).bind(sha256).bind(created_at.0);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Records a version.
pub async fn insert(tx: &mut Tx, version: &Version) -> Result<(), StoreError> {
    insert_all(tx, std::slice::from_ref(version)).await
}

/// Records many versions.
pub async fn insert_all(tx: &mut Tx, versions: &[Version]) -> Result<(), StoreError> {
    for versions in versions.chunks(placeholders::ROWS) {
        let sql = format!(
            "INSERT INTO versions
                 (id, item_id, blob_id, size, sha256, checksum, content, mtime_ns, created_at, author_id, run_id)
             VALUES {}",
            placeholders::rows(versions.len(), 11)
        );
        // Only the number of rows varies.
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(placeholders::is_common(versions.len()));
        for version in versions {
            query = query
                .bind(version.id.0)
                .bind(version.item.0)
                .bind(version.blob.0)
                .bind(version.size)
                .bind(&version.sha256)
                .bind(version.checksum.as_deref())
                .bind(&version.content)
                .bind(version.mtime.0)
                .bind(version.created_at.0)
                .bind(version.author.map(|user| user.0))
                .bind(version.run.map(|run| run.0));
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// The versions shown by all files of a tree, its top included.
pub async fn shown_in_tree(db: &mut Connection, top: ItemId) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         SELECT versions.* FROM down JOIN items ON items.id = down.id JOIN versions ON versions.id = items.version_id",
    )
    .bind(top.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(version).collect()
}

/// The version with this id.
pub async fn by_id(db: &mut Connection, id: VersionId) -> Result<Option<Version>, StoreError> {
    let row = sqlx::query("SELECT * FROM versions WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(version).transpose()
}

/// All versions of a file, newest first.
pub async fn of_item(db: &mut Connection, item: ItemId) -> Result<Vec<Version>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM versions WHERE item_id = $1 ORDER BY id DESC").bind(item.0).fetch_all(db).await?;
    rows.iter().map(version).collect()
}

/// The versions shown now by the files of a folder, each with its file's name.
pub async fn shown_in(db: &mut Connection, folder: ItemId) -> Result<Vec<(String, Version)>, StoreError> {
    let rows = sqlx::query(
        "SELECT versions.*, items.name AS file_name FROM items JOIN versions ON versions.id = items.version_id
         WHERE items.parent_id = $1 ORDER BY items.name",
    )
    .bind(folder.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("file_name")?, version(row)?))).collect()
}

/// The body of a small blob; `None` if its bytes are in the blob store.
pub async fn body(db: &mut Connection, blob: BlobId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT body FROM blob_bodies WHERE blob_id = $1").bind(blob.0).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// What is recorded of a blob.
#[derive(Debug, Clone)]
pub struct BlobRecord {
    /// Id.
    pub id: BlobId,
    /// Bytes.
    pub size: i64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Whether its bytes are in the database.
    pub small: bool,
}

/// Blobs by id, a page at a time, but for those whose bytes lie at a peer alone: for verifying and sweeping.
pub async fn blobs_page(db: &mut Connection, after: BlobId, limit: i64) -> Result<Vec<BlobRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT blobs.id, blobs.size, blobs.sha256, blob_bodies.blob_id AS small
         FROM blobs LEFT JOIN blob_bodies ON blob_bodies.blob_id = blobs.id
         WHERE blobs.id > $1 AND NOT EXISTS (
             SELECT 1 FROM remote_blobs WHERE remote_blobs.blob_id = blobs.id AND remote_blobs.cached_at IS NULL)
         ORDER BY blobs.id LIMIT $2",
    )
    .bind(after.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(BlobRecord {
                id: BlobId(row.try_get("id")?),
                size: row.try_get("size")?,
                sha256: row.try_get("sha256")?,
                small: row.try_get::<Option<i64>, _>("small")?.is_some(),
            })
        })
        .collect()
}

/// Whether a blob of this id is recorded, or will be by an upload under way.
pub async fn is_expected(db: &mut Connection, blob: BlobId) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM
             (SELECT id FROM blobs WHERE id = $1 UNION ALL SELECT blob_id FROM uploads WHERE blob_id = $1) AS known",
    )
    .bind(blob.0)
    .fetch_one(db)
    .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

/// The files that have a version on this blob, or on one put together from it.
pub async fn files_of_blob(db: &mut Connection, blob: BlobId) -> Result<Vec<ItemId>, StoreError> {
    let rows = sqlx::query(
        "SELECT item_id FROM versions WHERE blob_id = $1
         UNION
         SELECT item_id FROM versions JOIN blob_segments ON blob_segments.blob_id = versions.blob_id
         WHERE blob_segments.source_id = $1 ORDER BY item_id",
    )
    .bind(blob.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
}
