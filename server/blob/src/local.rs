//! The local folder. Files are opened directly here, because opendal does not flush the folder after its rename, and a
//! name that is not durable is a lost file.
//!
//! Bytes move in large pieces between the file and the buffers of the connection, without a copy between. Writing and
//! reading on happen on threads that may block, one piece behind or ahead of the network; the first piece of a file is
//! read where it is asked for, since most answers need no other and the change of threads would cost more than it.

use crate::key::{self, Key};
use crate::{BUFFER_BYTES, BlobError};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use stitchbox_schema::BlobId;
use tokio::task::{JoinHandle, spawn_blocking};

const STAGING: &str = "staging";
/// Most bytes read on the thread that asks.
const FIRST_BYTES: usize = 128 * 1024;
/// Pieces smaller than this are put together: some clients send single bytes, and each piece has its cost in memory.
const COPIED_BYTES: usize = 4096;
/// Bytes after which what was written is sent on to the disk while more arrives, so that the flush at the end is short.
const FLUSHED_BYTES: usize = 64 * 1024 * 1024;

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
    File::open(folder)?.sync_all()
}

/// A blob being written below `staging/`.
#[derive(Debug)]
pub(crate) struct LocalStaged {
    root: PathBuf,
    id: BlobId,
    staging: PathBuf,
    disk: Disk,
    /// Taken from the network and not yet given to the disk.
    gathered: Vec<Bytes>,
    /// Small pieces that come after those.
    tail: BytesMut,
    gathered_bytes: usize,
    published: bool,
}

/// The file, here or with the thread that writes a piece.
#[derive(Debug)]
enum Disk {
    Idle(Output),
    Busy(JoinHandle<io::Result<Output>>),
    /// A write failed or its caller went away in the middle: nothing more is possible.
    Broken,
}

#[derive(Debug)]
struct Output {
    file: File,
    unflushed: usize,
    /// Flushes on a thread of its own what was written before.
    flush: Option<std::thread::JoinHandle<io::Result<()>>>,
}

impl Output {
    fn write(mut self, pieces: &[Bytes]) -> io::Result<Self> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            let written = self.file.write_vectored(left)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unflushed += written;
            IoSlice::advance_slices(&mut left, written);
        }
        if self.unflushed >= FLUSHED_BYTES {
            self.end_flush()?;
            self.unflushed = 0;
            let file = self.file.try_clone()?;
            self.flush = Some(std::thread::Builder::new().name("flush".to_owned()).spawn(move || file.sync_data())?);
        }
        Ok(self)
    }

    fn end_flush(&mut self) -> io::Result<()> {
        let Some(flush) = self.flush.take() else { return Ok(()) };
        flush.join().map_err(|_| io::Error::other("the thread that flushes broke"))?
    }
}

impl LocalStaged {
    pub(crate) async fn create(root: &Path, id: BlobId) -> Result<Self, BlobError> {
        let staging = root.join(STAGING).join(Key::of(id).file());
        let path = staging.clone();
        let file = spawn_blocking(move || File::create_new(path)).await.map_err(io::Error::other);
        let file = file.flatten().map_err(BlobError::io("creating a staged blob"))?;
        let disk = Disk::Idle(Output { file, unflushed: 0, flush: None });
        let root = root.to_path_buf();
        Ok(Self {
            root,
            id,
            staging,
            disk,
            gathered: Vec::new(),
            tail: BytesMut::new(),
            gathered_bytes: 0,
            published: false,
        })
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.gathered_bytes += bytes.len();
        if bytes.len() < COPIED_BYTES {
            self.tail.extend_from_slice(&bytes);
        } else {
            self.end_tail();
            self.gathered.push(bytes);
        }
        if self.gathered_bytes >= BUFFER_BYTES {
            self.hand_over().await.map_err(BlobError::io("writing a staged blob"))?;
        }
        Ok(())
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.gathered.push(self.tail.split().freeze());
        }
    }

    fn take_gathered(&mut self) -> Vec<Bytes> {
        self.end_tail();
        std::mem::take(&mut self.gathered)
    }

    /// Gives what was gathered to the disk, once it has taken what it was given before.
    async fn hand_over(&mut self) -> io::Result<()> {
        let output = self.output().await?;
        let pieces = self.take_gathered();
        self.gathered_bytes = 0;
        self.disk = Disk::Busy(spawn_blocking(move || output.write(&pieces)));
        Ok(())
    }

    async fn output(&mut self) -> io::Result<Output> {
        if let Disk::Busy(writing) = &mut self.disk {
            // Waited for in place: a caller that goes away meanwhile leaves the handle where it is.
            let written = writing.await.map_err(io::Error::other).flatten();
            self.disk = written.map(Disk::Idle).inspect_err(|_| self.disk = Disk::Broken)?;
        }
        match std::mem::replace(&mut self.disk, Disk::Broken) {
            Disk::Idle(output) => Ok(output),
            Disk::Busy(_) | Disk::Broken => Err(io::Error::other("an earlier piece could not be written")),
        }
    }

    /// Flushes the file, gives it its name, flushes the folder.
    pub(crate) async fn publish(mut self) -> Result<(), BlobError> {
        let outcome = async {
            let output = self.output().await?;
            let pieces = self.take_gathered();
            let (from, to) = (self.staging.clone(), self.root.join(Key::of(self.id).path()));
            let folder = self.root.join(Key::of(self.id).folder());
            let name = move || {
                let mut output = output.write(&pieces)?;
                output.end_flush()?;
                output.file.sync_all()?;
                std::fs::rename(from, to)?;
                sync_folder(&folder)
            };
            spawn_blocking(name).await.map_err(io::Error::other)?
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

/// What is left to read of a file.
struct Input {
    file: File,
    left: u64,
}

impl Input {
    /// The next piece; shorter than asked for only at the end of the file.
    fn read(mut self, most: usize) -> io::Result<(Self, Bytes)> {
        let length = usize::try_from(self.left).unwrap_or(most).min(most);
        let mut piece = Vec::with_capacity(length);
        let read = (&mut self.file).take(length as u64).read_to_end(&mut piece)?;
        self.left = if read < length { 0 } else { self.left - read as u64 };
        Ok((self, piece.into()))
    }

    /// Reads on, on another thread.
    fn ahead(self) -> Option<JoinHandle<io::Result<(Self, Bytes)>>> {
        (self.left > 0).then(|| spawn_blocking(move || self.read(BUFFER_BYTES)))
    }
}

pub(crate) async fn read(
    root: &Path,
    id: BlobId,
    range: Range<u64>,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, BlobError> {
    let mut file = File::open(root.join(Key::of(id).path())).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BlobError::Missing(id),
        _ => BlobError::io("opening a blob")(error),
    })?;
    let doing = BlobError::io("reading a blob");
    if range.start > 0 {
        file.seek(SeekFrom::Start(range.start)).map_err(doing)?;
    }
    let input = Input { file, left: range.end.saturating_sub(range.start) };
    let (input, first) = input.read(FIRST_BYTES).map_err(BlobError::io("reading a blob"))?;
    let rest = stream::unfold(input.ahead(), |ahead| async move {
        match ahead?.await.map_err(io::Error::other).flatten() {
            Ok((input, piece)) => Some((Ok(piece), input.ahead())),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(stream::once(std::future::ready(Ok(first))).chain(rest))
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    #[tokio::test]
    async fn single_bytes_are_put_together_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path()).unwrap();
        let id = BlobId(7);
        let mut staged = LocalStaged::create(folder.path(), id).await.unwrap();
        let mut whole = Vec::new();
        for round in 0..3_u8 {
            for byte in 0..10_000_u32 {
                staged.write(Bytes::copy_from_slice(&[byte as u8])).await.unwrap();
                whole.push(byte as u8);
            }
            let large = vec![round; COPIED_BYTES];
            whole.extend_from_slice(&large);
            staged.write(large.into()).await.unwrap();
        }
        assert!(staged.gathered.len() <= 6, "{} pieces in memory", staged.gathered.len());
        staged.publish().await.unwrap();
        let read = read(folder.path(), id, 0..whole.len() as u64).await.unwrap();
        let pieces: Vec<Bytes> = read.try_collect().await.unwrap();
        assert!(pieces.concat() == whole);
    }
}
