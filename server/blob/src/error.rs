//! What can go wrong with bytes.

use stitchbox_schema::BlobId;

/// Trouble of the blob store.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob: the metadata refers to bytes that are gone.
    #[error("blob {0} is missing from the blob store")]
    Missing(BlobId),
    /// The blob ended before the bytes that were asked for.
    #[error("blob {id} ends {missing} bytes too early: it was damaged outside of this program")]
    Short {
        /// Which blob.
        id: BlobId,
        /// How many bytes were not there.
        missing: u64,
    },
    /// The disk is full.
    #[error("the disk of the blob store is full; free space or extend it")]
    Full,
    /// The file system failed.
    #[error("the blob store failed while {doing}: {source}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The object store failed.
    #[error("the object store failed while {doing}: {source}")]
    Remote {
        /// What was attempted.
        doing: &'static str,
        /// opendal's reason.
        source: opendal::Error,
    },
}

impl BlobError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { doing, source },
        }
    }

    pub(crate) fn remote(doing: &'static str) -> impl FnOnce(opendal::Error) -> Self {
        move |source| Self::Remote { doing, source }
    }
}
