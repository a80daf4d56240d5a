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
        for byte in 0..=key::FOLDERS {
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
    file: Option<File>,
}

impl LocalStaged {
    pub(crate) async fn create(root: &Path, id: BlobId) -> Result<Self, BlobError> {
        let staging = root.join(STAGING).join(Key::of(id).file());
        let mut file = File::create_new(&staging).await.map_err(BlobError::io("creating a staged blob"))?;
        file.set_max_buf_size(BUFFER_BYTES);
        Ok(Self { root: root.to_path_buf(), id, staging, file: Some(file) })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).await.map_err(BlobError::io("writing a staged blob")),
            None => Ok(()),
        }
    }

    /// Flushes the file, gives it its name, flushes the folder.
    pub(crate) async fn publish(mut self) -> Result<(), BlobError> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let outcome = async {
            file.flush().await?;
            let file = file.into_std().await;
            let (from, to) = (self.staging.clone(), self.root.join(Key::of(self.id).path()));
            let folder = self.root.join(Key::of(self.id).folder());
            tokio::task::spawn_blocking(move || {
                file.sync_all()?;
                std::fs::rename(from, to)?;
                sync_folder(&folder)
            })
            .await
            .map_err(io::Error::other)?
        }
        .await;
        if outcome.is_err() {
            let _ = std::fs::remove_file(&self.staging);
        }
        outcome.map_err(BlobError::io("publishing a blob"))
    }
}

impl Drop for LocalStaged {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Not published: the body broke off. A crash here leaves the file to the sweep at the next start.
            let _ = std::fs::remove_file(&self.staging);
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
