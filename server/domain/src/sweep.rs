//! Clearing away what crashes and broken uploads left: late, and only what nobody can refer to.

use crate::{Domain, Error};
use futures::TryStreamExt;
use std::time::Duration;
use stitchbox_schema::BlobId;
use stitchbox_store::{locks, uploads, versions};

/// A blob nobody refers to is left alone for this long: its commit may be under way on another server.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows of uploads that were abandoned.
    pub uploads: usize,
    /// Blobs nobody refers to.
    pub blobs: usize,
}

impl Domain {
    /// Removes abandoned uploads with their bytes, and ended locks.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        let now = self.now();
        let work = self.transact(move |tx| {
            Box::pin(async move {
                locks::remove_expired(tx, now).await?;
                Ok(uploads::remove_abandoned(tx, now).await?)
            })
        });
        let abandoned = work.await?;
        // Without its row an upload cannot commit any more, so its bytes are nobody's, published or not.
        for blob in &abandoned {
            self.blobs.delete(*blob).await?;
        }
        Ok(Swept { uploads: abandoned.len(), blobs: 0 })
    }

    /// Goes through the whole blob store for blobs that no version and no upload refers to: what a crash between
    /// publishing and committing left. Slow on a large store; once a day is enough.
    pub async fn sweep_blobs(&self) -> Result<Swept, Error> {
        let young = made_at(BlobId(self.ids.next(self.now()))).saturating_sub(GRACE);
        let mut swept = Swept::default();
        let mut published = self.blobs.list().await?;
        while let Some(blob) = published.try_next().await? {
            if made_at(blob) >= young || versions::is_expected(&mut *self.store.read().await?, blob).await? {
                continue;
            }
            self.blobs.delete(blob).await?;
            swept.blobs += 1;
        }
        Ok(swept)
    }
}

/// The time an id was made: its upper bits are milliseconds since 1970.
fn made_at(blob: BlobId) -> Duration {
    Duration::from_millis(u64::try_from(blob.0 >> crate::clock::RANDOM_BITS).unwrap_or(0))
}
