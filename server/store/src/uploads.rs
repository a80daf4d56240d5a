//! Upload sessions: a row for every body under way that will become a file in the blob store.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use stitchbox_schema::{BlobId, ItemId, RunId, SpaceId, Timestamp, UploadId, UserId};

/// An upload under way.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Id.
    pub id: UploadId,
    /// Space it goes to.
    pub space: SpaceId,
    /// Folder it goes to.
    pub folder: ItemId,
    /// Name it will have.
    pub name: String,
    /// Blob it will become.
    pub blob: BlobId,
    /// Who sends it, if a person does.
    pub user: Option<UserId>,
    /// The run that writes it, if one does.
    pub run: Option<RunId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it counts as abandoned unless prolonged.
    pub expires_at: Timestamp,
}

/// Records that an upload began.
pub async fn insert(tx: &mut Tx, upload: &Upload) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO uploads (id, space_id, folder_id, name, blob_id, user_id, run_id, started_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(upload.id.0)
    .bind(upload.space.0)
    .bind(upload.folder.0)
    .bind(&upload.name)
    .bind(upload.blob.0)
    .bind(upload.user.map(|user| user.0))
    .bind(upload.run.map(|run| run.0))
    .bind(upload.started_at.0)
    .bind(upload.expires_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Says that an upload is still alive; false if it was given up and must not go on.
pub async fn prolong(tx: &mut Tx, id: UploadId, expires_at: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE uploads SET expires_at = $2 WHERE id = $1")
        .bind(id.0)
        .bind(expires_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends an upload, committed or aborted. Whether it was still there: the row is the right to commit, because without it
/// a sweep may take the bytes for rubbish.
pub async fn remove(tx: &mut Tx, id: UploadId) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM uploads WHERE id = $1").bind(id.0).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

/// Whether somebody's upload into this folder is under way; what a run writes does not count, and a session counts as
/// long as it expires after `session_alive`.
pub async fn is_open_in(
    db: &mut Connection,
    folder: ItemId,
    now: Timestamp,
    session_alive: Timestamp,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT id FROM uploads WHERE folder_id = $1 AND expires_at > $2 AND run_id IS NULL
         UNION ALL
         SELECT id FROM upload_sessions WHERE folder_id = $1 AND expires_at > $3 AND item_id IS NULL LIMIT 1",
    )
    .bind(folder.0)
    .bind(now.0)
    .bind(session_alive.0)
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

/// Removes the abandoned ones and returns their blobs, whose bytes may be swept.
pub async fn remove_abandoned(tx: &mut Tx, now: Timestamp) -> Result<Vec<BlobId>, StoreError> {
    let rows = sqlx::query("DELETE FROM uploads WHERE expires_at <= $1 RETURNING blob_id")
        .bind(now.0)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok(BlobId(row.try_get(0)?))).collect()
}
