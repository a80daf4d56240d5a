//! Uploads in pieces: sessions and their chunks.

use crate::{Connection, StoreError, Tx, segments};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{BlobId, ItemId, ShareId, SpaceId, Timestamp, UploadId, UserId, VersionId};

/// Where a session's file will go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The space.
    pub space: SpaceId,
    /// The share by which it is seen.
    pub via: Option<ShareId>,
    /// The folder, as far as it exists.
    pub folder: ItemId,
    /// The path in the space: `/a/b`.
    pub path: String,
}

/// What the end of a session made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The file.
    pub item: ItemId,
    /// Its version.
    pub version: VersionId,
    /// Whether the file was new.
    pub created: bool,
}

/// An upload in pieces.
#[derive(Debug, Clone)]
pub struct UploadSession {
    /// Id.
    pub id: UploadId,
    /// Whose.
    pub user: UserId,
    /// The word for the protocol.
    pub protocol: String,
    /// What the client calls it; unique for user and protocol.
    pub name: String,
    /// Where it goes, if known.
    pub destination: Option<Destination>,
    /// Missing folders above the destination are made.
    pub make_folders: bool,
    /// Announced size of the file, bytes.
    pub size: Option<i64>,
    /// Modification time the file gets.
    pub mtime: Option<Timestamp>,
    /// Checksum of the whole, as `SHA1:hex`.
    pub checksum: Option<String>,
    /// What must hold at the end, as the domain wrote it.
    pub conditions: Option<String>,
    /// It only gives its bytes to others.
    pub partial: bool,
    /// Bytes of its chunks, without those other versions share.
    pub received: i64,
    /// What its end made; none while it is open.
    pub ending: Option<Ending>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it counts as abandoned, or, after its end, as forgotten.
    pub expires_at: Timestamp,
}

fn session(row: &AnyRow) -> Result<UploadSession, StoreError> {
    let destination = match row.try_get::<Option<i64>, _>("space_id")? {
        Some(space) => Some(Destination {
            space: SpaceId(space),
            via: row.try_get::<Option<i64>, _>("share_id")?.map(ShareId),
            folder: ItemId(row.try_get::<Option<i64>, _>("folder_id")?.unwrap_or(0)),
            path: row.try_get::<Option<String>, _>("path")?.unwrap_or_default(),
        }),
        None => None,
    };
    let ending = match row.try_get::<Option<i64>, _>("item_id")? {
        Some(item) => Some(Ending {
            item: ItemId(item),
            version: VersionId(row.try_get::<Option<i64>, _>("version_id")?.unwrap_or(0)),
            created: row.try_get::<Option<i64>, _>("was_created")? == Some(1),
        }),
        None => None,
    };
    Ok(UploadSession {
        id: UploadId(row.try_get("id")?),
        user: UserId(row.try_get("user_id")?),
        protocol: row.try_get("protocol")?,
        name: row.try_get("name")?,
        destination,
        make_folders: row.try_get::<i64, _>("make_folders")? == 1,
        size: row.try_get("size")?,
        mtime: row.try_get::<Option<i64>, _>("mtime_ns")?.map(Timestamp),
        checksum: row.try_get("checksum")?,
        conditions: row.try_get("conditions")?,
        partial: row.try_get::<i64, _>("partial")? == 1,
        received: row.try_get("received")?,
        ending,
        created_at: Timestamp(row.try_get("created_at")?),
        expires_at: Timestamp(row.try_get("expires_at")?),
    })
}

/// Records that a session began.
pub async fn insert(tx: &mut Tx, session: &UploadSession) -> Result<(), StoreError> {
    let destination = session.destination.as_ref();
    let ending = session.ending.as_ref();
    sqlx::query(
        "INSERT INTO upload_sessions
             (id, user_id, protocol, name, space_id, folder_id, path, make_folders, size, mtime_ns, checksum, conditions,
              partial, received, item_id, version_id, was_created, created_at, expires_at,
              share_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
    )
    .bind(session.id.0)
    .bind(session.user.0)
    .bind(&session.protocol)
    .bind(&session.name)
    .bind(destination.map(|to| to.space.0))
    .bind(destination.map(|to| to.folder.0))
    .bind(destination.map(|to| to.path.as_str()))
    .bind(i64::from(session.make_folders))
    .bind(session.size)
    .bind(session.mtime.map(|mtime| mtime.0))
    .bind(session.checksum.as_deref())
    .bind(session.conditions.as_deref())
    .bind(i64::from(session.partial))
    .bind(session.received)
    .bind(ending.map(|ending| ending.item.0))
    .bind(ending.map(|ending| ending.version.0))
    .bind(ending.map(|ending| i64::from(ending.created)))
    .bind(session.created_at.0)
    .bind(session.expires_at.0)
    .bind(destination.and_then(|to| to.via).map(|share| share.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The session with this id.
pub async fn by_id(db: &mut Connection, id: UploadId) -> Result<Option<UploadSession>, StoreError> {
    let row = sqlx::query("SELECT * FROM upload_sessions WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(session).transpose()
}

/// A user's session by the client's name for it.
pub async fn by_name(
    db: &mut Connection,
    user: UserId,
    protocol: &str,
    name: &str,
) -> Result<Option<UploadSession>, StoreError> {
    let row = sqlx::query("SELECT * FROM upload_sessions WHERE user_id = $1 AND protocol = $2 AND name = $3")
        .bind(user.0)
        .bind(protocol)
        .bind(name)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(session).transpose()
}

/// A user's open sessions of a protocol, by name.
pub async fn open_of(db: &mut Connection, user: UserId, protocol: &str) -> Result<Vec<UploadSession>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM upload_sessions WHERE user_id = $1 AND protocol = $2 AND item_id IS NULL ORDER BY name",
    )
    .bind(user.0)
    .bind(protocol)
    .fetch_all(db)
    .await?;
    rows.iter().map(session).collect()
}

/// How many sessions a user has open.
pub async fn count_open(db: &mut Connection, user: UserId) -> Result<i64, StoreError> {
    let row =
        sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM upload_sessions WHERE user_id = $1 AND item_id IS NULL")
            .bind(user.0)
            .fetch_one(db)
            .await?;
    Ok(row.try_get(0)?)
}

/// Bytes waiting in the open sessions of a space.
pub async fn waiting_in(db: &mut Connection, space: SpaceId) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(received), 0) AS BIGINT) FROM upload_sessions WHERE space_id = $1 AND item_id IS NULL",
    )
    .bind(space.0)
    .fetch_one(db)
    .await?;
    Ok(row.try_get(0)?)
}

/// Bytes waiting in a user's open sessions of which nobody said yet where they go.
pub async fn waiting_nowhere(db: &mut Connection, user: UserId) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(received), 0) AS BIGINT) FROM upload_sessions
         WHERE user_id = $1 AND space_id IS NULL AND item_id IS NULL",
    )
    .bind(user.0)
    .fetch_one(db)
    .await?;
    Ok(row.try_get(0)?)
}

/// Says where a session goes.
pub async fn set_destination(tx: &mut Tx, id: UploadId, to: &Destination) -> Result<(), StoreError> {
    sqlx::query("UPDATE upload_sessions SET space_id = $2, folder_id = $3, path = $4, share_id = $5 WHERE id = $1")
        .bind(id.0)
        .bind(to.space.0)
        .bind(to.folder.0)
        .bind(&to.path)
        .bind(to.via.map(|share| share.0))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Lets a session go nowhere any more.
pub async fn forget_destination(tx: &mut Tx, id: UploadId) -> Result<(), StoreError> {
    sqlx::query("UPDATE upload_sessions SET space_id = NULL, folder_id = NULL, path = NULL WHERE id = $1")
        .bind(id.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Says how large the file will be.
pub async fn set_size(tx: &mut Tx, id: UploadId, size: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE upload_sessions SET size = $2 WHERE id = $1").bind(id.0).bind(size).execute(&mut **tx).await?;
    Ok(())
}

/// Adds to what was received and says that the session is alive.
pub async fn progress(tx: &mut Tx, id: UploadId, delta: i64, expires_at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE upload_sessions SET received = received + $2, expires_at = $3 WHERE id = $1")
        .bind(id.0)
        .bind(delta)
        .bind(expires_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes what the session's end made. Its chunks must be gone.
pub async fn end(
    tx: &mut Tx,
    id: UploadId,
    to: &Destination,
    ending: Ending,
    forgotten_at: Timestamp,
) -> Result<(), StoreError> {
    set_destination(tx, id, to).await?;
    sqlx::query(
        "UPDATE upload_sessions SET item_id = $2, version_id = $3, was_created = $4, expires_at = $5 WHERE id = $1",
    )
    .bind(id.0)
    .bind(ending.item.0)
    .bind(ending.version.0)
    .bind(i64::from(ending.created))
    .bind(forgotten_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A piece of an upload: a range of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Number or offset; chunks are put together in this order.
    pub place: i64,
    /// What the client calls it.
    pub name: String,
    /// Where it begins in the file, if the client said so, bytes.
    pub file_offset: Option<i64>,
    /// The blob its bytes are in.
    pub blob: BlobId,
    /// Where they begin there.
    pub source_offset: i64,
    /// Bytes.
    pub size: i64,
    /// They belong to an older version, too.
    pub shared: bool,
    /// When it came.
    pub created_at: Timestamp,
}

fn chunk(row: &AnyRow) -> Result<Chunk, StoreError> {
    Ok(Chunk {
        place: row.try_get("place")?,
        name: row.try_get("name")?,
        file_offset: row.try_get("file_offset")?,
        blob: BlobId(row.try_get("blob_id")?),
        source_offset: row.try_get("source_offset")?,
        size: row.try_get("size")?,
        shared: row.try_get::<i64, _>("shared")? == 1,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Records a chunk. Its place must be free.
pub async fn insert_chunk(tx: &mut Tx, id: UploadId, chunk: &Chunk) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO upload_chunks
             (session_id, place, name, file_offset, blob_id, source_offset, size, shared, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(id.0)
    .bind(chunk.place)
    .bind(&chunk.name)
    .bind(chunk.file_offset)
    .bind(chunk.blob.0)
    .bind(chunk.source_offset)
    .bind(chunk.size)
    .bind(i64::from(chunk.shared))
    .bind(chunk.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The chunk at a place.
pub async fn chunk_at(db: &mut Connection, id: UploadId, place: i64) -> Result<Option<Chunk>, StoreError> {
    let row = sqlx::query("SELECT * FROM upload_chunks WHERE session_id = $1 AND place = $2")
        .bind(id.0)
        .bind(place)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(chunk).transpose()
}

/// The next chunk after a place.
pub async fn chunk_after(db: &mut Connection, id: UploadId, place: i64) -> Result<Option<Chunk>, StoreError> {
    let row = sqlx::query("SELECT * FROM upload_chunks WHERE session_id = $1 AND place > $2 ORDER BY place LIMIT 1")
        .bind(id.0)
        .bind(place)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(chunk).transpose()
}

/// The chunks of a session in their order.
pub async fn chunks(db: &mut Connection, id: UploadId) -> Result<Vec<Chunk>, StoreError> {
    let rows = sqlx::query("SELECT * FROM upload_chunks WHERE session_id = $1 ORDER BY place")
        .bind(id.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(chunk).collect()
}

/// Removes a chunk; gives the blobs whose files may now go.
pub async fn remove_chunk(tx: &mut Tx, id: UploadId, chunk: &Chunk) -> Result<Vec<BlobId>, StoreError> {
    sqlx::query("DELETE FROM upload_chunks WHERE session_id = $1 AND place = $2")
        .bind(id.0)
        .bind(chunk.place)
        .execute(&mut **tx)
        .await?;
    segments::release(tx, chunk.blob).await
}

/// Removes all chunks of a session; gives their blobs, which the caller releases or keeps in use.
pub async fn take_chunks(tx: &mut Tx, id: UploadId) -> Result<Vec<BlobId>, StoreError> {
    let rows = sqlx::query("DELETE FROM upload_chunks WHERE session_id = $1 RETURNING blob_id")
        .bind(id.0)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok(BlobId(row.try_get(0)?))).collect()
}

/// Removes a session with its chunks; gives the blobs whose files may now go.
pub async fn remove(tx: &mut Tx, id: UploadId) -> Result<Vec<BlobId>, StoreError> {
    let mut gone = Vec::new();
    for blob in take_chunks(tx, id).await? {
        gone.extend(segments::release(tx, blob).await?);
    }
    sqlx::query("DELETE FROM upload_sessions WHERE id = $1").bind(id.0).execute(&mut **tx).await?;
    Ok(gone)
}

/// Removes the sessions nobody added to for long, and those that ended long ago. Gives their number and the blobs
/// whose files may now go.
pub async fn remove_expired(tx: &mut Tx, now: Timestamp) -> Result<(usize, Vec<BlobId>), StoreError> {
    let rows =
        sqlx::query("SELECT id FROM upload_sessions WHERE expires_at <= $1").bind(now.0).fetch_all(&mut **tx).await?;
    let mut gone = Vec::new();
    for row in &rows {
        gone.extend(remove(tx, UploadId(row.try_get(0)?)).await?);
    }
    Ok((rows.len(), gone))
}
