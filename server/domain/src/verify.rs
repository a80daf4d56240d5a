//! Checking everything: every blob is hashed again, every row of the tree must fit the others.

use crate::uploads::hex;
use crate::{Domain, Error};
use futures::TryStreamExt;
use sha2::{Digest as _, Sha256};
use stitchbox_blob::BlobError;
use stitchbox_schema::{BlobId, ItemId};
use stitchbox_store::versions::BlobRecord;
use stitchbox_store::{items, spaces, tree_check, versions};

const PAGE: i64 = 1000;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes of a blob are gone.
    #[error("blob {blob} of {files} is missing: restore it from a backup of the blob folder")]
    BlobMissing {
        /// Which blob.
        blob: BlobId,
        /// The files that have a version on it.
        files: Files,
    },
    /// The bytes of a blob are not those that were committed.
    #[error(
        "blob {blob} of {files} is damaged: its SHA-256 is {found}, recorded is {recorded}; restore it from a backup"
    )]
    BlobDamaged {
        /// Which blob.
        blob: BlobId,
        /// The files that have a version on it.
        files: Files,
        /// As recorded.
        recorded: String,
        /// As it is.
        found: String,
    },
    /// The bytes of a blob cannot be read.
    #[error("blob {blob} of {files} cannot be read: {reason}")]
    BlobUnreadable {
        /// Which blob.
        blob: BlobId,
        /// The files that have a version on it.
        files: Files,
        /// Why.
        reason: String,
    },
    /// An item lies in a folder that does not exist, or in a file.
    #[error("item {0} lies in a folder that does not exist")]
    Orphan(ItemId),
    /// A file that shows no version, or another file's, or a folder that shows one.
    #[error("item {0} is a file that shows no version of its own, or a folder that shows one")]
    WrongVersion(ItemId),
    /// A size that is not the sum of its parts.
    #[error("item {item} says it holds {recorded} bytes and holds {found}")]
    WrongSize {
        /// The item.
        item: ItemId,
        /// As recorded.
        recorded: i64,
        /// As it is.
        found: i64,
    },
}

/// Paths of files, for people: `mirrors:/m1/sub_01.dat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(pub Vec<String>);

impl std::fmt::Display for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { f.write_str("no file") } else { f.write_str(&self.0.join(", ")) }
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Blobs hashed.
    pub blobs: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Items checked.
    pub items: u64,
    /// Problems reported.
    pub problems: u64,
}

/// What hashing a blob again brought.
enum Hashed {
    Digest(String),
    Missing,
    Unreadable(String),
}

impl Domain {
    /// Checks every blob and the whole tree; calls `report` for each problem. May run beside everything else: what is
    /// written meanwhile may or may not be looked at.
    pub async fn verify(&self, report: &mut (dyn FnMut(Problem) + Send)) -> Result<Summary, Error> {
        let mut summary = Summary::default();
        let mut count = 0;
        let mut report = |problem| {
            count += 1;
            report(problem);
        };
        self.verify_blobs(&mut summary, &mut report).await?;
        self.verify_tree(&mut summary, &mut report).await?;
        Ok(Summary { problems: count, ..summary })
    }

    async fn verify_blobs(&self, summary: &mut Summary, report: &mut (dyn FnMut(Problem) + Send)) -> Result<(), Error> {
        let mut last = BlobId(0);
        loop {
            let page = versions::blobs_page(&mut *self.store.read().await?, last, PAGE).await?;
            let Some(record) = page.last() else { return Ok(()) };
            last = record.id;
            for record in page {
                summary.blobs += 1;
                summary.bytes += u64::try_from(record.size).unwrap_or(0);
                if let Some(problem) = self.verify_blob(&record).await? {
                    report(problem);
                }
            }
        }
    }

    async fn verify_blob(&self, record: &BlobRecord) -> Result<Option<Problem>, Error> {
        let (blob, recorded) = (record.id, record.sha256.clone());
        match self.hash_again(record).await? {
            Hashed::Digest(found) if found == recorded => Ok(None),
            Hashed::Digest(found) => {
                Ok(Some(Problem::BlobDamaged { blob, files: self.files_of(blob).await?, recorded, found }))
            }
            Hashed::Missing => Ok(Some(Problem::BlobMissing { blob, files: self.files_of(blob).await? })),
            Hashed::Unreadable(reason) => {
                Ok(Some(Problem::BlobUnreadable { blob, files: self.files_of(blob).await?, reason }))
            }
        }
    }

    async fn hash_again(&self, record: &BlobRecord) -> Result<Hashed, Error> {
        let mut hash = Sha256::new();
        if record.small {
            let body = versions::body(&mut *self.store.read().await?, record.id).await?;
            let Some(body) = body else { return Ok(Hashed::Missing) };
            hash.update(&body);
            return Ok(Hashed::Digest(hex(&hash.finalize())));
        }
        let size = u64::try_from(record.size).unwrap_or(0);
        let mut stream = match self.blob_bytes(record.id, 0..size).await {
            Ok(stream) => stream,
            Err(Error::Blob(BlobError::Missing(_))) => return Ok(Hashed::Missing),
            Err(Error::Blob(error)) => return Ok(Hashed::Unreadable(error.to_string())),
            Err(error) => return Err(error),
        };
        loop {
            match stream.try_next().await {
                Ok(Some(bytes)) => hash.update(&bytes),
                Ok(None) => return Ok(Hashed::Digest(hex(&hash.finalize()))),
                Err(error) => return Ok(Hashed::Unreadable(error.to_string())),
            }
        }
    }

    async fn files_of(&self, blob: BlobId) -> Result<Files, Error> {
        let mut db = self.store.read().await?;
        let mut files = Vec::new();
        for id in versions::files_of_blob(&mut db, blob).await? {
            let Some(item) = items::by_id(&mut db, id).await? else { continue };
            let space = spaces::by_id(&mut db, item.space).await?.map(|space| space.name).unwrap_or_default();
            let (names, lives) = items::path(&mut db, id).await?;
            let place = if lives { "" } else { " (in the trash)" };
            files.push(format!("{space}:/{}{place}", names.join("/")));
        }
        Ok(Files(files))
    }

    async fn verify_tree(&self, summary: &mut Summary, report: &mut (dyn FnMut(Problem) + Send)) -> Result<(), Error> {
        let mut db = self.store.read().await?;
        summary.items = u64::try_from(tree_check::count(&mut db).await?).unwrap_or(0);
        tree_check::orphans(&mut db).await?.into_iter().map(Problem::Orphan).for_each(&mut *report);
        tree_check::wrong_versions(&mut db).await?.into_iter().map(Problem::WrongVersion).for_each(&mut *report);
        for (item, recorded, found) in tree_check::wrong_sizes(&mut db).await? {
            report(Problem::WrongSize { item, recorded, found });
        }
        Ok(())
    }
}
