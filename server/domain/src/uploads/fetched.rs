//! The bytes of a peer on their way into the cache: through the same door as every other body, so that only complete
//! bytes of the right length are ever seen.

use super::checksum::Checksum;
use super::commit::{redeem, settle};
use super::incoming::{Bounds, Incoming, Received, Whither};
use crate::{Domain, Error, Version};
use ::bytes::Bytes;
use stitchbox_formats::Content;
use stitchbox_schema::{BlobId, ItemId, SpaceId};
use stitchbox_store::{remote, versions};

/// What is to be fetched.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The blob that lies at the peer.
    pub blob: BlobId,
    /// The space and file it belongs to.
    pub space: SpaceId,
    pub item: ItemId,
    /// Its size, bytes.
    pub size: u64,
    /// SHA-256 as the peer tells it; empty if it does not.
    pub sha256: String,
}

/// Bytes of a peer on their way. Dropped at any moment they leave nothing behind.
#[derive(Debug)]
pub(crate) struct Fetched {
    domain: Domain,
    wanted: Wanted,
    incoming: Incoming,
}

impl Fetched {
    /// Makes ready for the bytes.
    pub(crate) async fn begin(domain: &Domain, wanted: Wanted) -> Result<Self, Error> {
        let whither = Whither { space: wanted.space, folder: wanted.item, name: String::new(), actor: None, run: None };
        let bounds = Bounds { announced: Some(wanted.size), ..Bounds::default() };
        let incoming = Incoming::begin(domain, whither, bounds, None).await?;
        Ok(Self { domain: domain.clone(), wanted, incoming })
    }

    /// How many bytes are here.
    pub(crate) fn received(&self) -> u64 {
        self.incoming.received()
    }

    /// Takes the next bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.incoming.write(bytes).await
    }

    /// Verifies, makes durable, and lets the blob be read from here.
    pub(crate) async fn finish(self) -> Result<(), Error> {
        let Self { domain, wanted, incoming } = self;
        let told = (!wanted.sha256.is_empty()).then(|| Checksum::parse(&format!("SHA256:{}", wanted.sha256)));
        let Received { blob, head, announcement } = incoming.finish(None).await?;
        let in_store = blob.body.is_none().then_some(blob.id);
        let session = announcement.as_ref().and_then(|announcement| announcement.id);
        let verified = match told {
            Some(Ok(_)) if blob.sha256 != wanted.sha256 => Err(Error::ChecksumMismatch {
                algorithm: "SHA256",
                expected: wanted.sha256.clone(),
                found: blob.sha256.clone(),
            }),
            _ => Ok(()),
        };
        let content = Content::of(&head).as_str().to_owned();
        let now = domain.now();
        let work = async {
            verified?;
            let work = domain.transact(move |tx| {
                Box::pin(async move {
                    redeem(tx, session).await?;
                    versions::insert_blob(tx, &blob).await?;
                    // Somebody else was faster, or nobody needs it any more.
                    if !remote::cache(tx, wanted.blob, blob.id, wanted.size, now).await? {
                        return Err(Error::Collision);
                    }
                    Ok(remote::learn(tx, wanted.blob, &blob.sha256, &content).await?)
                })
            });
            work.await
        };
        let done = work.await;
        if let (Ok(()), Some(announcement)) = (&done, announcement) {
            announcement.forget();
        }
        if let (Err(_), Some(blob)) = (&done, in_store) {
            // As after a refused upload.
            return settle(&domain, done, Some(blob)).await;
        }
        done
    }
}

/// What fetching a version would bring.
pub(crate) fn wanted(version: &Version, space: SpaceId) -> Wanted {
    Wanted {
        blob: version.blob,
        space,
        item: version.item,
        size: super::unsigned(version.size),
        sha256: version.sha256.clone(),
    }
}
