//! The blob store over either place.

use crate::local::{self, LocalStaged};
use crate::remote::{self, RemoteStaged};
use crate::{BlobError, Key};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use opendal::Operator;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use stitchbox_schema::BlobId;

/// Bytes of a blob, in order. An error in the middle means the answer must be cut, never padded.
pub type BlobStream = BoxStream<'static, io::Result<Bytes>>;

/// Where the blobs are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobStore {
    operator: Operator,
    folder: Option<PathBuf>,
}

/// A blob on its way in. Dropped without [`Staged::publish`] it leaves nothing behind.
pub struct Staged(Place);

enum Place {
    Local(LocalStaged),
    Remote(RemoteStaged),
}

impl BlobStore {
    /// A folder on this machine, made if missing.
    pub fn local(folder: &Path) -> Result<Self, BlobError> {
        local::prepare(folder)?;
        let root = folder.to_string_lossy();
        let operator = Operator::new(opendal::services::Fs::default().root(&root))
            .map_err(BlobError::remote("opening the folder"))?;
        Ok(Self { operator, folder: Some(folder.to_path_buf()) })
    }

    /// Anything opendal can reach; the operator carries its own retries, limits and timeouts.
    #[must_use]
    pub fn remote(operator: Operator) -> Self {
        Self { operator, folder: None }
    }

    /// Begins a blob. The id must be new.
    pub async fn stage(&self, id: BlobId) -> Result<Staged, BlobError> {
        let place = match &self.folder {
            Some(folder) => Place::Local(LocalStaged::create(folder, id).await?),
            None => Place::Remote(RemoteStaged::create(&self.operator, id).await?),
        };
        Ok(Staged(place))
    }

    /// Streams `range` of a blob. Fails before the first byte if the blob is missing; ends with an error, never
    /// silently, if it is shorter than it should be.
    pub async fn read(&self, id: BlobId, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(futures::stream::empty().boxed());
        }
        let stream = match &self.folder {
            Some(folder) => local::read(folder, id, range).await?.boxed(),
            None => remote::read(&self.operator, id, range).await?.boxed(),
        };
        Ok(whole(stream, id, length))
    }

    /// Removes a blob; one that is not there is fine.
    pub async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        self.operator.delete(&Key::of(id).path()).await.map_err(BlobError::remote("deleting a blob"))
    }

    /// The ids of all published blobs, in no order.
    pub async fn list(&self) -> Result<BoxStream<'static, Result<BlobId, BlobError>>, BlobError> {
        let doing = "listing the blobs";
        let lister = self.operator.lister_with("blobs/").recursive(true).await.map_err(BlobError::remote(doing))?;
        Ok(lister
            .map_err(BlobError::remote_in(doing))
            .try_filter_map(|entry| std::future::ready(Ok(Key::parse(entry.path()))))
            .boxed())
    }

    /// Removes what an earlier life of the program left half-written; to be called before anything is staged.
    /// Returns the number of files removed.
    pub fn sweep_staging(&self) -> Result<usize, BlobError> {
        self.folder.as_deref().map_or(Ok(0), local::sweep_staging)
    }
}

impl BlobError {
    fn remote_in(doing: &'static str) -> impl Fn(opendal::Error) -> Self + Copy {
        move |source| Self::Remote { doing, source }
    }
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Staged")
    }
}

impl Staged {
    /// Appends bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        match &mut self.0 {
            Place::Local(staged) => staged.write(bytes).await,
            Place::Remote(staged) => staged.write(bytes).await,
        }
    }

    /// Makes the blob durable and visible under its id.
    pub async fn publish(self) -> Result<(), BlobError> {
        match self.0 {
            Place::Local(staged) => staged.publish().await,
            Place::Remote(staged) => staged.publish().await,
        }
    }
}

/// Turns a stream that ends early into one that ends with an error.
fn whole(stream: BlobStream, id: BlobId, length: u64) -> BlobStream {
    let state = (stream, length);
    futures::stream::unfold(Some(state), move |state| async move {
        let (mut stream, missing) = state?;
        match stream.next().await {
            Some(Ok(bytes)) => {
                let missing = missing.saturating_sub(bytes.len() as u64);
                Some((Ok(bytes), Some((stream, missing))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None if missing > 0 => Some((Err(io::Error::other(BlobError::Short { id, missing })), None)),
            None => None,
        }
    })
    .boxed()
}
