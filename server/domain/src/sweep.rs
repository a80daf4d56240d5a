//! Clearing away what crashes and broken uploads left: late, and only what nobody can refer to.

use crate::{Domain, Error, Ids};
use futures::TryStreamExt;
use std::time::Duration;
use stitchbox_store::{locks, sessions, uploads, versions};

/// A blob nobody refers to is left alone for this long: its commit may be under way on another server.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads and upload sessions that were abandoned.
    pub uploads: usize,
    /// Blobs nobody refers to.
    pub blobs: usize,
}

impl Domain {
    /// Removes abandoned uploads and upload sessions with their bytes, and ended locks.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        let now = self.now();
        let work = self.transact(move |tx| {
            Box::pin(async move {
                locks::remove_expired(tx, now).await?;
                let abandoned = uploads::remove_abandoned(tx, now).await?;
                let (sessions, chunks) = sessions::remove_expired(tx, now).await?;
                Ok((abandoned, sessions, chunks))
            })
        });
        let (abandoned, sessions, chunks) = work.await?;
        // Without its row an upload cannot commit any more, so its bytes are nobody's, published or not.
        for blob in abandoned.iter().chain(&chunks) {
            self.blobs.delete(*blob).await?;
        }
        Ok(Swept { uploads: abandoned.len() + sessions, blobs: 0 })
    }

    /// Goes through the whole blob store for blobs that no version and no upload refers to: what a crash between
    /// publishing and committing left. Slow on a large store; once a day is enough.
    pub async fn sweep_blobs(&self) -> Result<Swept, Error> {
        let now = self.now();
        let mut swept = Swept::default();
        let mut published = self.blobs.list().await?;
        while let Some(blob) = published.try_next().await? {
            if Ids::made_at(blob.0).after(GRACE) >= now
                || versions::is_expected(&mut *self.store.read().await?, blob).await?
            {
                continue;
            }
            self.blobs.delete(blob).await?;
            swept.blobs += 1;
        }
        Ok(swept)
    }
}
