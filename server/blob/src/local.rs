//! The local folder. Files are opened directly here, because opendal does not flush the folder after its rename, and a
//! name that is not durable is a lost file.

use crate::key::{self, Key};
use crate::{BUFFER_BYTES, BlobError};
use bytes::Bytes;
use futures::Stream;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use stitchbox_schema::BlobId;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

const STAGING: &str = "staging";

/// Makes the folders of the store, durably, so that later only files are new.
pub(crate) fn prepare(root: &Path) -> Result<(), BlobError> {
    let make = || -> io::Result<()> {
        std::fs::create_dir_all(root.join(STAGING))?;
        for byte in 0..=key::LAST_FOLDER {
            std::fs::create_dir_all(root.join(key::folder(byte)))?;
        }
        for folder in [root.join("blobs"), root.to_path_buf()] {
            sync_folder(&folder)?;
        }
        Ok(())
    };
    make().map_err(BlobError::io("preparing the folder"))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// A blob being written below `staging/`.
#[derive(Debug)]
pub(crate) struct LocalStaged {
    root: PathBuf,
    id: BlobId,
    staging: PathBuf,
    file: File,
    published: bool,
}

impl LocalStaged {
    pub(crate) async fn create(root: &Path, id: BlobId) -> Result<Self, BlobError> {
        let staging = root.join(STAGING).join(Key::of(id).file());
        let mut file = File::create_new(&staging).await.map_err(BlobError::io("creating a staged blob"))?;
        file.set_max_buf_size(BUFFER_BYTES);
        Ok(Self { root: root.to_path_buf(), id, staging, file, published: false })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.file.write_all(bytes).await.map_err(BlobError::io("writing a staged blob"))
    }

    /// Flushes the file, gives it its name, flushes the folder.
    pub(crate) async fn publish(mut self) -> Result<(), BlobError> {
        let outcome = async {
            // `sync_all` waits for writes under way but does not report their failure; `flush` does.
            self.file.flush().await?;
            self.file.sync_all().await?;
            let (from, to) = (self.staging.clone(), self.root.join(Key::of(self.id).path()));
            let folder = self.root.join(Key::of(self.id).folder());
            let name = move || {
                std::fs::rename(from, to)?;
                sync_folder(&folder)
            };
            tokio::task::spawn_blocking(name).await.map_err(io::Error::other)?
        }
        .await;
        self.published = outcome.is_ok();
        outcome.map_err(BlobError::io("publishing a blob"))
    }
}

impl Drop for LocalStaged {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        // The body broke off, or whoever published went away: after the rename there is nothing left to remove here. A
        // crash leaves the file to the sweep at the next start. Unlinking gigabytes takes a while, so not on this thread.
        let staging = std::mem::take(&mut self.staging);
        let unlink = move || drop(std::fs::remove_file(staging));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(unlink)),
            Err(_) => unlink(),
        }
    }
}

pub(crate) async fn read(
    root: &Path,
    id: BlobId,
    range: Range<u64>,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, BlobError> {
    let mut file = File::open(root.join(Key::of(id).path())).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BlobError::Missing(id),
        _ => BlobError::io("opening a blob")(error),
    })?;
    file.set_max_buf_size(BUFFER_BYTES);
    if range.start > 0 {
        file.seek(io::SeekFrom::Start(range.start)).await.map_err(BlobError::io("reading a blob"))?;
    }
    let length = range.end.saturating_sub(range.start);
    let buffer = usize::try_from(length).unwrap_or(BUFFER_BYTES).clamp(1, BUFFER_BYTES);
    Ok(ReaderStream::with_capacity(file.take(length), buffer))
}

/// Removes what an earlier life of the program left in `staging/`. Returns how many files.
pub(crate) fn sweep_staging(root: &Path) -> Result<usize, BlobError> {
    let sweep = || -> io::Result<usize> {
        let mut swept = 0;
        for entry in std::fs::read_dir(root.join(STAGING))? {
            std::fs::remove_file(entry?.path())?;
            swept += 1;
        }
        Ok(swept)
    };
    sweep().map_err(BlobError::io("sweeping the staging folder"))
}
