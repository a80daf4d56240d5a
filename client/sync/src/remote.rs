//! The server as synchronisation sees it: the trait [`Remote`], what goes through it, and how it fails.
//!
//! Paths here are relative to the synced folder, separated by `/`, without a slash at either end; the folder itself is `""`.
//! Nothing here knows HTTP. An implementation decides by itself how bytes travel (bulk, one request, chunks, differences).

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// The server's id of an item (`oc:fileid` as a string); it survives rename, move and overwrite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub Box<str>);

/// An ETag with its quotes, as the server gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(pub Box<str>);

/// A position in the space's journal of changes; opaque to the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub Box<str>);

impl From<&str> for ItemId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Etag {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Cursor {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// File or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// The permission letters of an item (`RGDNVW`, `RGDNVCK`; facts/sync.md section 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(pub Box<str>);

impl Permissions {
    /// Whether `letter` is there. An empty set means "not said" and allows everything: the server has the last word.
    pub fn allows(&self, letter: char) -> bool {
        self.0.is_empty() || self.0.contains(letter)
    }
}

/// One item as the server has it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteItem {
    /// Its id.
    pub id: ItemId,
    /// The folder it is in; `None` for the root of a space.
    pub parent: Option<ItemId>,
    /// Its name.
    pub name: Box<str>,
    /// File or folder.
    pub kind: Kind,
    /// Its ETag (a folder's changes with anything below it).
    pub etag: Etag,
    /// Bytes (of a folder: whatever the server says, not used).
    pub size: u64,
    /// Modification time, nanoseconds since 1970 (UTC), may be negative.
    pub mtime_ns: i64,
    /// SHA-256 of the content; `None` for folders, and where the server does not know it.
    pub sha256: Option<Sha256>,
    /// Id of the content's version, for those who want to name it.
    pub version: Option<Box<str>>,
    /// Written by a run: content and name are read-only.
    pub derived: bool,
    /// What the user may do with it.
    pub permissions: Permissions,
    /// In a feed: it appeared with everything below it, which must be listed by [`Remote::tree`].
    pub deep: bool,
}

/// One entry of the feed: the state of an item now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedItem {
    /// It is there, like this.
    Present(RemoteItem),
    /// It was deleted or has left the space.
    Gone(ItemId),
}

/// The answer to [`Remote::changes`].
#[derive(Clone, Debug)]
pub enum Feed {
    /// What changed since the cursor asked for (of the whole space: the caller leaves out what is not below its folder).
    Changes {
        /// One entry an item.
        items: Vec<FeedItem>,
        /// Ask from here next time.
        cursor: Cursor,
        /// There is more at once.
        more: bool,
        /// `oc:data-fingerprint`, where the answer carries it: another value than before = the server was restored from a backup.
        fingerprint: Option<Box<str>>,
    },
    /// The journal no longer reaches back that far: list the tree again.
    TooOld,
}

/// The answer to [`Remote::tree`].
pub struct Tree {
    /// The state listed is at least as new as this.
    pub cursor: Cursor,
    /// As in [`Feed::Changes`].
    pub fingerprint: Option<Box<str>>,
    /// The folder asked for itself first, then everything below it, parents before children. The stream ends with an error when
    /// the listing was cut (an implementation checks the closing line).
    pub items: BoxStream<'static, Result<RemoteItem, RemoteError>>,
}

/// What is expected at the target of an upload; the server refuses ([`RemoteError::Changed`] / [`RemoteError::Exists`]) when it is otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing is there (`If-None-Match: *`).
    Absent,
    /// This ETag is there (`If-Match`).
    Etag(Etag),
}

/// Where an upload goes.
#[derive(Clone, Debug)]
pub struct UploadTarget {
    /// Path of the file below the synced folder; its folder exists.
    pub path: String,
    /// What is there now.
    pub expected: Expected,
}

/// A piece of a file cut where its content says so (FastCDC; [`crate::chunks`] has the parameters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
    /// SHA-256 of the piece.
    pub sha256: Sha256,
}

/// A local file to upload.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// Where it is on this computer.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Modification time to store with it, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// SHA-256 of the content as it was hashed. The implementation sends it (`OC-Checksum`), so that a file changed since is refused
    /// ([`RemoteError::Damaged`]) and never stored as something nobody has seen.
    pub sha256: Sha256,
    /// The pieces of this content; empty for files below [`crate::chunks::LARGE`].
    pub chunks: Vec<Chunk>,
    /// The pieces of the version at the target ([`Expected::Etag`]); empty when unknown. A piece in both need not be sent.
    pub old_chunks: Vec<Chunk>,
}

/// What a finished download was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// ETag of the bytes received.
    pub etag: Etag,
    /// Bytes in the file.
    pub size: u64,
    /// SHA-256 of the whole file, computed by the client over what it wrote (for a resumed one too).
    pub sha256: Sha256,
    /// Modification time the server gives, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// The pieces of the content; empty for files below [`crate::chunks::LARGE`] or when they were not computed.
    pub chunks: Vec<Chunk>,
}

/// Told while bytes travel. Calls come from several tasks at once and must be cheap.
pub trait Progress: Send + Sync {
    /// So many bytes more went over the wire, or were found to be there already (resumed, same piece).
    fn bytes(&self, more: u64);
}

/// No one is watching.
impl Progress for () {
    fn bytes(&self, _more: u64) {}
}

/// A folder of a space on a server.
///
/// Dropping a future cancels it; what was sent may still arrive. Calls are made concurrently. An implementation retries nothing that
/// [`RemoteError::is_passing`] covers (the engine does, with growing pauses), except pieces within one upload.
pub trait Remote: Send + Sync + 'static {
    /// What changed in the space since `cursor`; waits up to `wait` for something to happen (zero: answers at once).
    /// Without a cursor: the present one and no items.
    fn changes(
        &self,
        cursor: Option<&Cursor>,
        wait: Duration,
    ) -> impl Future<Output = Result<Feed, RemoteError>> + Send;

    /// Lists a folder with everything below it; `None` is the synced folder.
    fn tree(&self, folder: Option<&ItemId>) -> impl Future<Output = Result<Tree, RemoteError>> + Send;

    /// Fetches the content of `item`, which is at `path`, into the file `into` (made if missing). Bytes already in it are the beginning
    /// of the same version (the caller names the file after id and ETag): only the rest is fetched. The whole is compared with
    /// `item.sha256` where that is known; a difference is [`RemoteError::Damaged`] and the file is emptied. An ETag other than
    /// `item.etag` is [`RemoteError::Changed`]. The file is written, not fsynced.
    fn download(
        &self,
        item: &RemoteItem,
        path: &str,
        into: &Path,
        progress: &dyn Progress,
    ) -> impl Future<Output = Result<Downloaded, RemoteError>> + Send;

    /// Uploads one file.
    fn upload(
        &self,
        target: UploadTarget,
        source: LocalFile,
        progress: &dyn Progress,
    ) -> impl Future<Output = Result<RemoteItem, RemoteError>> + Send;

    /// Uploads many small files (together at most [`crate::transfer::BATCH_BYTES`] bytes and [`crate::transfer::BATCH_FILES`] files), with one
    /// answer each in the same order. A failure of the whole request is the failure of each.
    fn upload_small(
        &self,
        files: Vec<(UploadTarget, LocalFile)>,
        progress: &dyn Progress,
    ) -> impl Future<Output = Vec<Result<RemoteItem, RemoteError>>> + Send;

    /// Makes a folder; its parent exists. [`RemoteError::Exists`] when the name is taken.
    fn make_folder(&self, path: &str) -> impl Future<Output = Result<RemoteItem, RemoteError>> + Send;

    /// Renames or moves an item. Nothing is overwritten ([`RemoteError::Exists`]). `expected`: only if it has this ETag.
    fn relocate(
        &self,
        from: &str,
        to: &str,
        expected: Option<&Etag>,
    ) -> impl Future<Output = Result<RemoteItem, RemoteError>> + Send;

    /// Deletes an item (into the server's trash) if it has this ETag; for a folder this proves that nothing unseen is below it.
    /// [`RemoteError::Gone`] when it is not there.
    fn delete(&self, path: &str, expected: &Etag) -> impl Future<Output = Result<(), RemoteError>> + Send;
}

/// Why the server did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RemoteError {
    /// Another ETag than expected (412).
    #[error("it changed on the server in the meantime; it is looked at again in the next round")]
    Changed,
    /// Not there (404), or its folder is not (409).
    #[error("it is no longer on the server; it is looked at again in the next round")]
    Gone,
    /// The name is taken (412 for `If-None-Match: *` and `Overwrite: F`, 405 for a folder).
    #[error("the name is taken on the server; it is looked at again in the next round")]
    Exists,
    /// Not allowed (403).
    #[error("the server does not allow it: {reason}")]
    Forbidden {
        /// The server's words.
        reason: String,
    },
    /// Locked by somebody (423).
    #[error("somebody has locked it on the server; it is tried again later")]
    Locked,
    /// Quota or disk (507).
    #[error("there is no room left on the server; free some, then it goes on by itself")]
    NoSpace,
    /// A name the server does not take (400 with a name's reason).
    #[error("the server does not take this name: {reason}")]
    NameRefused {
        /// The server's words.
        reason: String,
    },
    /// Not reachable, time-out, 429, 502, 503, 504, or the connection broke.
    #[error("the server cannot be reached: {reason}")]
    Offline {
        /// What happened.
        reason: String,
        /// The server's wish (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// 401.
    #[error("the server does not accept the credentials; run `stitchbox login` again")]
    Unauthorized,
    /// The bytes are not those the checksum says.
    #[error("the bytes that arrived are not the bytes that were announced; it is tried again")]
    Damaged,
    /// A local file could not be read or written during a transfer.
    #[error("{path}: {reason}", path = path.display())]
    LocalFile {
        /// Which.
        path: PathBuf,
        /// The system's words.
        reason: String,
        /// The local disk is full.
        full: bool,
    },
    /// Anything else.
    #[error("the server answered {status}: {text}")]
    Other {
        /// HTTP status.
        status: u16,
        /// Its words.
        text: String,
    },
}

impl RemoteError {
    /// Whether the same request may succeed by waiting.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Offline { .. })
    }

    /// Whether everything else will fail in the same way, so that the pass ends here.
    pub fn ends_the_pass(&self) -> bool {
        matches!(self, Self::Unauthorized)
    }
}
