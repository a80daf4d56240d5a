//! Object stores through opendal. A conditional put cannot be relied on (one of four servers ignored it silently), so
//! names are ids that are never used twice, and the metadata store is the judge.

use crate::BlobError;
use crate::key::Key;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use opendal::{Operator, Writer};
use std::io;
use std::ops::Range;
use stitchbox_schema::BlobId;

/// Size of one part of a multipart upload. S3 allows 10,000 parts, so this carries files up to 156 GiB.
const PART_BYTES: usize = 16 * 1024 * 1024;
/// Bytes asked for at once while reading: each request costs a round trip.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// A blob being sent. Nothing is visible before the upload is completed.
pub(crate) struct RemoteStaged {
    writer: Option<Writer>,
}

impl RemoteStaged {
    pub(crate) async fn create(operator: &Operator, id: BlobId) -> Result<Self, BlobError> {
        let writer = operator
            .writer_with(&Key::of(id).path())
            .chunk(PART_BYTES)
            .await
            .map_err(BlobError::remote("starting an upload"))?;
        Ok(Self { writer: Some(writer) })
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        match &mut self.writer {
            Some(writer) => writer.write(bytes).await.map_err(BlobError::remote("sending a blob")),
            None => Ok(()),
        }
    }

    pub(crate) async fn publish(mut self) -> Result<(), BlobError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.close().await.map_err(BlobError::remote("completing an upload"))?;
        // Until here a caller that goes away drops the writer, which aborts the upload.
        self.writer = None;
        Ok(())
    }
}

impl Drop for RemoteStaged {
    fn drop(&mut self) {
        if let (Some(mut writer), Ok(runtime)) = (self.writer.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, "an abandoned upload could not be aborted; the store's lifecycle rule must");
                }
            });
        }
    }
}

pub(crate) async fn read(
    operator: &Operator,
    id: BlobId,
    range: Range<u64>,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, BlobError> {
    let path = Key::of(id).path();
    let missing = |error: opendal::Error| match error.kind() {
        opendal::ErrorKind::NotFound => BlobError::Missing(id),
        _ => BlobError::remote("reading a blob")(error),
    };
    // A reader is lazy: without this a missing blob would only show in the middle of an answer.
    operator.stat(&path).await.map_err(missing)?;
    let reader = operator.reader_with(&path).chunk(READ_BYTES).await.map_err(missing)?;
    let stream = reader.into_bytes_stream(range).await.map_err(missing)?;
    Ok(stream.map(|item| item.map_err(io::Error::other)))
}
