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
    /// Removes abandoned uploads, ended locks, and blobs that no version and no upload refers to.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        let now = self.now();
        let work = self.transact(move |tx| {
            Box::pin(async move {
                locks::remove_expired(tx, now).await?;
                Ok(uploads::remove_abandoned(tx, now).await?)
            })
        });
        let mut swept = Swept { uploads: work.await?.len(), blobs: 0 };
        let mut published = self.blobs.list().await?;
        while let Some(blob) = published.try_next().await? {
            let expected = versions::is_expected(&mut *self.store.read().await?, blob).await?;
            if !expected && made_at(blob).saturating_add(GRACE) < made_at(BlobId(self.ids.next(now))) {
                self.blobs.delete(blob).await?;
                swept.blobs += 1;
            }
        }
        Ok(swept)
    }
}

/// The time an id was made: its upper bits are milliseconds since 1970.
fn made_at(blob: BlobId) -> Duration {
    Duration::from_millis(u64::try_from(blob.0 >> crate::clock::RANDOM_BITS).unwrap_or(0))
}
