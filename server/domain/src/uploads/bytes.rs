//! The bytes of a blob, wherever they are: a row, a file of the blob store, or ranges of others put together.

use crate::{BlobStream, Domain, Error};
use ::bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use stitchbox_blob::BlobError;
use stitchbox_schema::BlobId;
use stitchbox_store::segments::{self, Segment};

impl Domain {
    /// Streams a range of a blob, which must lie within its size. Fails before the first byte if they are missing.
    pub(crate) async fn blob_bytes(&self, blob: BlobId, range: Range<u64>) -> Result<BlobStream, Error> {
        if range.start >= range.end {
            return Ok(stream::empty().boxed());
        }
        let place = segments::locate(&mut *self.store.read().await?, blob, &range).await?;
        match place {
            segments::Bytes::Row(body) => Ok(row(body, &range)),
            segments::Bytes::Stored => Ok(self.blobs.read(blob, range).await?),
            segments::Bytes::Segments(segments) => self.put_together(segments.into()).await,
            segments::Bytes::Cached(segments, used_at) => {
                self.note_use_of_cache(blob, used_at);
                match self.put_together(segments.into()).await {
                    // Let go between the question and the answer.
                    Err(Error::Blob(BlobError::Missing(_))) => self.bytes_there(blob, range).await,
                    opened => opened,
                }
            }
            segments::Bytes::AtPeer => self.bytes_there(blob, range).await,
        }
    }

    /// As [`Domain::blob_bytes`], of bytes that must be here.
    pub(crate) async fn blobs_here(&self, blob: BlobId, range: Range<u64>) -> Result<BlobStream, Error> {
        let place = segments::locate(&mut *self.store.read().await?, blob, &range).await?;
        match place {
            segments::Bytes::AtPeer => Err(BlobError::Missing(blob).into()),
            _ => self.blob_bytes(blob, range).await,
        }
    }

    /// The bytes of segments, one after the other. The first is opened here, the others when it is their turn.
    pub(super) async fn put_together(&self, mut segments: VecDeque<Segment>) -> Result<BlobStream, Error> {
        let Some(first) = segments.pop_front() else { return Ok(stream::empty().boxed()) };
        let first = self.segment(first).await?;
        let domain = self.clone();
        let rest = stream::iter(segments).then(move |segment| {
            let domain = domain.clone();
            async move { domain.segment(segment).await.map_err(io::Error::other) }
        });
        Ok(first.chain(rest.try_flatten()).boxed())
    }

    async fn segment(&self, segment: Segment) -> Result<BlobStream, Error> {
        let range = segment.offset..segment.offset.saturating_add(segment.length);
        let place = segments::locate(&mut *self.store.read().await?, segment.source, &range).await?;
        match place {
            segments::Bytes::Row(body) => Ok(row(body, &range)),
            // A source is never put together itself: whoever writes segments has flattened them.
            segments::Bytes::Stored
            | segments::Bytes::Segments(_)
            | segments::Bytes::Cached(..)
            | segments::Bytes::AtPeer => Ok(self.blobs.read(segment.source, range).await?),
        }
    }
}

/// A range of a body in a row; an error at the end if the body is shorter than that.
fn row(body: Vec<u8>, range: &Range<u64>) -> BlobStream {
    let bytes = Bytes::from(body);
    let end = usize::try_from(range.end).unwrap_or(usize::MAX);
    let start = usize::try_from(range.start).unwrap_or(usize::MAX);
    let slice = if end <= bytes.len() && start <= end {
        Ok(bytes.slice(start..end))
    } else {
        Err(io::Error::other("a row of the metadata store is shorter than recorded"))
    };
    stream::once(std::future::ready(slice)).boxed()
}
