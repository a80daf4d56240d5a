//! Where a blob lies: the only way to name a file or object of the store.

use stitchbox_schema::BlobId;

/// The highest number of a folder; the lowest is 0.
pub(crate) const LAST_FOLDER: u8 = u8::MAX;

/// Name of a published blob: `blobs/7f/0123456789abcdef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    id: BlobId,
}

impl Key {
    /// The key of a blob.
    #[must_use]
    pub fn of(id: BlobId) -> Self {
        Self { id }
    }

    /// Folder of the blob: the lowest bytes of the parts of its id (time, process, sequence) folded together, because
    /// each part alone may stand still.
    #[must_use]
    pub fn folder(&self) -> String {
        let folded = self.id.0 ^ (self.id.0 >> 12) ^ (self.id.0 >> 22);
        folder(folded.to_le_bytes()[0])
    }

    /// Path below the root of the store.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder(), self.file())
    }

    /// Name of the file.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{:016x}", self.id.0)
    }

    /// Reads a path of the store back; `None` if no blob is called so.
    #[must_use]
    pub fn parse(path: &str) -> Option<BlobId> {
        let name = path.rsplit('/').next()?;
        let id = BlobId(i64::from_str_radix(name, 16).ok()?);
        (Self::of(id).path() == path).then_some(id)
    }
}

pub(crate) fn folder(byte: u8) -> String {
    format!("blobs/{byte:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_back_and_a_foreign_one_is_not() {
        let key = Key::of(BlobId(0x0123_4567_89ab_cdef));
        assert_eq!(key.path(), "blobs/75/0123456789abcdef");
        assert_eq!(Key::parse(&key.path()), Some(BlobId(0x0123_4567_89ab_cdef)));
        for foreign in ["blobs/00/0123456789abcdef", "blobs/75/", "x", "blobs/75/0123456789ABCDEF"] {
            assert_eq!(Key::parse(foreign), None, "{foreign}");
        }
    }
}
