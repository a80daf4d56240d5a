//! The cache of peers' files: bounded, the longest unused go first. What something of ours refers to is no cache any more.

use crate::{Domain, Error, Item};
use stitchbox_store::{Tx, remote, versions};

/// Files let go in one transaction.
const AT_ONCE: i64 = 20;

impl Domain {
    /// Lets go what is too much in the cache. Returns how many files that were.
    pub async fn evict(&self) -> Result<usize, Error> {
        let most = i64::try_from(self.received_settings().cache_bytes).unwrap_or(i64::MAX);
        let mut let_go = 0;
        loop {
            let mut db = self.store.read().await?;
            let mut too_much = remote::cached_bytes(&mut db).await?.saturating_sub(most);
            if too_much <= 0 {
                return Ok(let_go);
            }
            let mut unused = Vec::new();
            for (blob, size) in remote::least_used(&mut db, AT_ONCE).await? {
                if too_much > 0 {
                    too_much -= size;
                    unused.push(blob);
                }
            }
            drop(db);
            if unused.is_empty() {
                return Ok(let_go);
            }
            let_go += unused.len();
            let work = self.transact(move |tx| {
                Box::pin(async move {
                    let mut gone = Vec::new();
                    for blob in unused {
                        gone.extend(remote::uncache(tx, blob).await?);
                    }
                    Ok(gone)
                })
            });
            for blob in work.await? {
                self.blobs.delete(blob).await?;
            }
        }
    }

    /// Brings everything here that is shown in a tree of a received space, to be copied.
    pub(crate) async fn fetch_tree(&self, top: &Item) -> Result<(), Error> {
        let missing = remote::elsewhere_in_tree(&mut *self.store.read().await?, top.id).await?;
        let mut wanted = Vec::with_capacity(missing.len());
        for id in missing {
            wanted.extend(versions::by_id(&mut *self.store.read().await?, id).await?);
        }
        self.fetch_inputs(&wanted).await.map(drop)
    }
}

/// What is shown in a tree belongs to our own files from now on; all of it must be here.
pub(crate) async fn adopt(tx: &mut Tx, top: &Item) -> Result<(), Error> {
    if !remote::elsewhere_in_tree(tx, top.id).await?.is_empty() {
        return Err(Error::StaleAtPeer);
    }
    Ok(remote::adopt_tree(tx, top.id).await?)
}
