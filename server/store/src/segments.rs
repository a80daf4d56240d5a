//! Where the bytes of a blob are: in a row, in the blob store, or in ranges of other blobs. And when they may go.

use crate::{Connection, StoreError, Tx, placeholders};
use sqlx::{AssertSqlSafe, Row};
use std::ops::Range;
use stitchbox_schema::{BlobId, Timestamp};

/// A range of another blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The blob that has the bytes; itself not put together from others.
    pub source: BlobId,
    /// Where the range begins there, bytes.
    pub offset: u64,
    /// Its length, bytes; never 0.
    pub length: u64,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// All of a small blob.
    Row(Vec<u8>),
    /// The wanted range of a blob that is put together, in order.
    Segments(Vec<Segment>),
    /// As [`Bytes::Segments`], of a blob whose bytes lie at a peer, too; and when they were last asked for.
    Cached(Vec<Segment>, Timestamp),
    /// At a peer alone.
    AtPeer,
    /// A file or object of the blob store.
    Stored,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Where the bytes of a range of a blob are. One statement: what is read most, is read often.
pub async fn locate(db: &mut Connection, blob: BlobId, range: &Range<u64>) -> Result<Bytes, StoreError> {
    let rows = sqlx::query(
        "SELECT body, CAST(0 AS BIGINT) AS position, CAST(0 AS BIGINT) AS source, CAST(0 AS BIGINT) AS start,
                CAST(0 AS BIGINT) AS length
         FROM blob_bodies WHERE blob_id = $1
         UNION ALL
         SELECT NULL, position, source_id, source_offset, length
         FROM blob_segments WHERE blob_id = $1 AND position < $2 AND position + length > $3
         UNION ALL
         SELECT NULL, CAST(-1 AS BIGINT), CAST(0 AS BIGINT), used_at, CAST(0 AS BIGINT)
         FROM remote_blobs WHERE blob_id = $1
         ORDER BY position",
    )
    .bind(blob.0)
    .bind(signed(range.end))
    .bind(signed(range.start))
    .fetch_all(db)
    .await?;
    let mut segments = Vec::with_capacity(rows.len());
    let mut at_peer = None;
    for row in &rows {
        if let Some(body) = row.try_get::<Option<Vec<u8>>, _>("body")? {
            return Ok(Bytes::Row(body));
        }
        if row.try_get::<i64, _>("position")? < 0 {
            at_peer = Some(Timestamp(row.try_get("start")?));
            continue;
        }
        let number = |column: &str| Ok::<_, StoreError>(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0));
        let (position, length) = (number("position")?, number("length")?);
        let (start, end) = (range.start.max(position), range.end.min(position + length));
        let source = BlobId(row.try_get("source")?);
        if start < end {
            segments.push(Segment { source, offset: number("start")? + (start - position), length: end - start });
        }
    }
    Ok(match (segments.is_empty(), at_peer) {
        (true, Some(_)) => Bytes::AtPeer,
        (true, None) => Bytes::Stored,
        (false, Some(used_at)) => Bytes::Cached(segments, used_at),
        (false, None) => Bytes::Segments(segments),
    })
}

/// Records what a blob is put together from, in order from its first byte.
pub async fn insert(tx: &mut Tx, blob: BlobId, segments: &[Segment]) -> Result<(), StoreError> {
    let mut position = 0;
    for segments in segments.chunks(placeholders::ROWS) {
        let sql = format!(
            "INSERT INTO blob_segments (blob_id, position, source_id, source_offset, length) VALUES {}",
            placeholders::rows(segments.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for segment in segments {
            query = query
                .bind(blob.0)
                .bind(signed(position))
                .bind(segment.source.0)
                .bind(signed(segment.offset))
                .bind(signed(segment.length));
            position += segment.length;
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Removes the record of a blob that no version, chunk or other blob refers to and whose time after its last version is
/// over, and those of its sources that nobody
/// else refers to. Gives the blobs whose files in the blob store may now go; does nothing to a blob still in use.
pub async fn release(tx: &mut Tx, blob: BlobId) -> Result<Vec<BlobId>, StoreError> {
    let mut gone = Vec::new();
    let mut candidates = vec![blob];
    while let Some(blob) = candidates.pop() {
        if is_used(tx, blob).await? {
            continue;
        }
        let sources = sqlx::query("SELECT DISTINCT source_id FROM blob_segments WHERE blob_id = $1")
            .bind(blob.0)
            .fetch_all(&mut **tx)
            .await?;
        for row in &sources {
            candidates.push(BlobId(row.try_get(0)?));
        }
        delete(tx, "DELETE FROM blob_segments WHERE blob_id = $1", blob).await?;
        delete(tx, "DELETE FROM remote_blobs WHERE blob_id = $1", blob).await?;
        let bodies = delete(tx, "DELETE FROM blob_bodies WHERE blob_id = $1", blob).await?;
        let records = delete(tx, "DELETE FROM blobs WHERE id = $1", blob).await?;
        if bodies == 0 && sources.is_empty() && records > 0 {
            gone.push(blob);
        }
    }
    Ok(gone)
}

async fn is_used(db: &mut Connection, blob: BlobId) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM (
             SELECT blob_id FROM versions WHERE blob_id = $1
             UNION ALL SELECT source_id FROM blob_segments WHERE source_id = $1
             UNION ALL SELECT blob_id FROM upload_chunks WHERE blob_id = $1
             UNION ALL SELECT blob_id FROM dropped_blobs WHERE blob_id = $1) AS used",
    )
    .bind(blob.0)
    .fetch_one(db)
    .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

async fn delete(tx: &mut Tx, sql: &'static str, blob: BlobId) -> Result<u64, StoreError> {
    Ok(sqlx::query(sql).bind(blob.0).execute(&mut **tx).await?.rows_affected())
}
