//! What received spaces need of a peer's files, whatever protocol brings it.

use crate::{BlobStream, Domain, ItemPath};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use stitchbox_schema::{BlobId, Timestamp};
use stitchbox_store::received::ReceivedShare;

/// An item as a peer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEntry {
    /// Its name; empty for the top of the share.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its ETag as sent, quotes and all; none if there is none, or only a weak one.
    pub etag: Option<String>,
    /// Bytes of a file.
    pub size: u64,
    /// When it was changed.
    pub mtime: Option<Timestamp>,
    /// Permission letters (`oc:permissions`).
    pub letters: Option<String>,
    /// SHA-256 of a file, hexadecimal in lower case, if told.
    pub sha256: Option<String>,
}

/// A folder as a peer lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFolder {
    /// The folder, as the same answer tells it.
    pub itself: RemoteEntry,
    /// What lies in it.
    pub children: Vec<RemoteEntry>,
    /// Names that are there, of which the peer did not say now what they are: what is known of them stays.
    pub left_out: Vec<String>,
}

/// What a change at the peer asks for first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing is there.
    Nothing,
    /// What is there has this ETag.
    ETag(String),
    /// Something is there whose ETag is not known.
    Anything,
}

/// Why a peer did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerTrouble {
    /// No answer, one that broke off, or one that says the peer is not able to answer now (5xx).
    #[error("{0}")]
    Unreachable(String),
    /// An answer that makes no sense: HTML, another length, a redirection.
    #[error("{0}")]
    Nonsense(String),
    /// 401 or 403.
    #[error("{0}")]
    Denied(String),
    /// 404 or 410.
    #[error("the site says that there is nothing by this name")]
    Missing,
    /// 412, or another ETag than the expected one.
    #[error("it changed there in the meantime")]
    Changed,
    /// The name is taken (405 of MKCOL, 412 of a move that may not overwrite).
    #[error("there is already something by this name")]
    Exists,
    /// 507.
    #[error("{0}")]
    Full(String),
    /// 423.
    #[error("it is locked there: {0}")]
    Locked(String),
    /// Any other refusal, in the peer's own words.
    #[error("{0}")]
    Refused(String),
}

/// The bytes of a change, durable here, to be read as often as it takes.
#[derive(Debug, Clone)]
pub struct Outgoing {
    size: u64,
    sha256: Option<String>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Bytes),
    Pieces(Box<Domain>, Vec<(BlobId, Range<u64>)>),
}

impl Outgoing {
    /// A small body.
    #[must_use]
    pub fn memory(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, sha256: None, source: Source::Memory(bytes) }
    }

    /// Ranges of blobs, one after the other.
    pub(crate) fn pieces(domain: &Domain, pieces: Vec<(BlobId, Range<u64>)>) -> Self {
        let size = pieces.iter().map(|(_, range)| range.end.saturating_sub(range.start)).sum();
        Self { size, sha256: None, source: Source::Pieces(Box::new(domain.clone()), pieces) }
    }

    /// With the SHA-256 of the whole, for peers that check it.
    #[must_use]
    pub fn with_sha256(self, sha256: &str) -> Self {
        Self { sha256: Some(sha256.to_owned()), ..self }
    }

    /// SHA-256 of the whole, hexadecimal, if known.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// Bytes in all.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from an offset on.
    pub fn from(&self, offset: u64) -> BlobStream {
        match &self.source {
            Source::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                stream::once(std::future::ready(Ok(bytes.slice(start..)))).boxed()
            }
            Source::Pieces(domain, pieces) => {
                let mut skip = offset;
                let mut left = Vec::new();
                for (blob, range) in pieces {
                    let length = range.end.saturating_sub(range.start);
                    let skipped = skip.min(length);
                    skip -= skipped;
                    if skipped < length {
                        left.push((*blob, range.start + skipped..range.end));
                    }
                }
                let domain = domain.clone();
                let opened = stream::iter(left).then(move |(blob, range)| {
                    let domain = domain.clone();
                    async move { domain.blobs_here(blob, range).await.map_err(io::Error::other) }
                });
                futures::TryStreamExt::try_flatten(opened).boxed()
            }
        }
    }
}

/// A file that a peer took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Its ETag there, if the answer told it.
    pub etag: Option<String>,
}

/// The files of one share at its peer. Paths begin at the top of the share. Calls end within bounded time: with an error
/// if nothing comes for long.
pub trait PeerFiles: Debug + Send + Sync {
    /// One item.
    fn look<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteEntry, PeerTrouble>>;
    /// A folder with what lies in it.
    fn list<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteFolder, PeerTrouble>>;
    /// Bytes of a file, which must have this size and this ETag, if one is known. Exactly as many as asked for, or an error
    /// in the stream.
    fn read<'a>(
        &'a self,
        path: &'a ItemPath,
        range: Range<u64>,
        size: u64,
        etag: Option<&'a str>,
    ) -> BoxFuture<'a, Result<BlobStream, PeerTrouble>>;
    /// Makes or replaces a file.
    fn write<'a>(
        &'a self,
        path: &'a ItemPath,
        body: Outgoing,
        mtime: Option<Timestamp>,
        expected: &'a Expected,
    ) -> BoxFuture<'a, Result<Written, PeerTrouble>>;
    /// Makes a folder; [`PeerTrouble::Exists`] if the name is taken.
    fn make_folder<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<(), PeerTrouble>>;
    /// Removes an item with everything below.
    fn remove<'a>(&'a self, path: &'a ItemPath, expected: &'a Expected) -> BoxFuture<'a, Result<(), PeerTrouble>>;
    /// Moves or renames an item; [`PeerTrouble::Exists`] if something is there and may not be replaced.
    fn relocate<'a>(
        &'a self,
        from: &'a ItemPath,
        to: &'a ItemPath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<(), PeerTrouble>>;
}

/// The way to peers: secrets, tokens and connections are its own.
pub trait Peers: Debug + Send + Sync {
    /// The files of a share. May ask the peer for a token.
    fn files<'a>(&'a self, share: &'a ReceivedShare) -> BoxFuture<'a, Result<Arc<dyn PeerFiles>, PeerTrouble>>;
}
