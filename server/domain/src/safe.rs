//! Whether the source of a file may be deleted: an instrument's disk is emptied on the strength of this answer.
//!
//! Every version was durable before it was shown (invariant 1), wherever its bytes are: as a row of the database, whose
//! commit was flushed; as a file, which was flushed with its folder; as an object the store has acknowledged; or as
//! ranges of such. What is asked here is whether that still holds: the version is recorded, its blob is recorded with
//! the same size and SHA-256, and the bytes are there, as many as recorded. With `verify` they are read and hashed once
//! more. And nothing may be on its way into the folder, for then somebody is still sending.
//!
//! What this server cannot know it does not promise: that its disk is not the only one (backups), that PostgreSQL was
//! not told to commit without flushing, or that a client did not keep back a file it never began to send.

use crate::read::resolve;
use crate::uploads::hex;
use crate::{Action, Domain, Error, Item, Location, Principal};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest as _, Sha256};
use stitchbox_blob::BlobError;
use stitchbox_schema::{BlobId, ItemId};
use stitchbox_store::safety::{self, Recorded, RecordedVersion};
use stitchbox_store::{items, segments};

/// Children of a folder looked at at once.
const PAGE: i64 = 500;
/// Blobs asked for at the same time.
const AT_ONCE: usize = 16;

/// Why the source must not be deleted yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// An upload is under way.
    #[error("\"{0}\" is still being uploaded; ask again when it is complete")]
    Arriving(String),
    /// The database does not say where the bytes are.
    #[error("the server has no record of the bytes of this file; keep the source and tell the administrator")]
    NotRecorded,
    /// The bytes lie at another site.
    #[error("this file lies at the site that shares it with you, which this server cannot answer for; keep the source")]
    AtPeer,
    /// Version and blob say different things.
    #[error("the records of this file contradict each other; keep the source and tell the administrator")]
    Contradicted,
    /// The bytes are gone.
    #[error(
        "the bytes of this file are missing from the server; keep the source, upload it again, and tell the administrator"
    )]
    Missing,
    /// Fewer or more bytes than recorded, or others.
    #[error(
        "the bytes of this file are damaged on the server; keep the source, upload it again, and tell the administrator"
    )]
    Damaged,
    /// The store did not answer.
    #[error("the bytes of this file could not be looked at ({0}); ask again later")]
    Unreadable(String),
    /// Something below is not safe.
    #[error("{count} of {files} files are not safe, the first of them {path}: {why}")]
    Below {
        /// How many.
        count: u64,
        /// Of how many.
        files: u64,
        /// Path of the first in the space.
        path: String,
        /// What is wrong with it.
        why: Box<Unsafe>,
    },
}

/// What was found of one file.
#[derive(Debug, Clone)]
pub struct FileSafety {
    /// Path in the space, starting with `/`.
    pub path: String,
    /// SHA-256 of the content as recorded, hexadecimal.
    pub sha256: Option<String>,
    /// Bytes as recorded.
    pub size: i64,
    /// Why it is not safe, if it is not.
    pub problem: Option<Unsafe>,
}

/// The answer for the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is not safe, if it is not.
    pub problem: Option<Unsafe>,
    /// Files looked at.
    pub files: u64,
}

/// A look at a file, or at every file of a tree, page by page.
#[derive(Debug)]
pub struct SafetyCheck {
    domain: Domain,
    top: Item,
    path: String,
    /// The top itself, if it is a file that was not looked at yet.
    alone: Option<(String, Recorded)>,
    /// Folders still to be read, each from a name on, with their paths.
    pending: Vec<(ItemId, String, String)>,
    verify: bool,
    files: u64,
    wrong: u64,
    first: Option<(String, Unsafe)>,
}

impl Domain {
    /// Begins to look whether the source of what lies at a place may be deleted; `verify` hashes every byte again.
    pub async fn check_safety(&self, principal: &Principal, at: &Location, verify: bool) -> Result<SafetyCheck, Error> {
        let mut db = self.store.read().await?;
        let membership = crate::access::enter_at(&mut db, principal, at, self.now()).await?;
        let item = resolve(&mut db, membership.space.root, &at.path).await?;
        membership.check(Action::Read, &item)?;
        drop(db);
        let path = if at.path.is_root() { String::new() } else { at.path.to_string() };
        self.safety_of(item, path, verify).await
    }

    /// Whether the source of an item may be deleted; every byte is there, but none is read.
    pub async fn is_safe(&self, item: &Item) -> Result<bool, Error> {
        let (names, _) = items::path(&mut *self.store.read().await?, item.id).await?;
        let path = names.iter().fold(String::new(), |path, name| path + "/" + name);
        let mut check = self.safety_of(item.clone(), path, false).await?;
        while let Some(page) = check.next().await? {
            if page.iter().any(|file| file.problem.is_some()) {
                return Ok(false);
            }
        }
        Ok(check.verdict().await?.problem.is_none())
    }

    async fn safety_of(&self, top: Item, path: String, verify: bool) -> Result<SafetyCheck, Error> {
        let (mut alone, mut pending) = (None, Vec::new());
        if top.is_folder() {
            pending.push((top.id, String::new(), path.clone()));
        } else {
            let recorded = safety::of_item(&mut *self.store.read().await?, top.id).await?;
            alone = Some((path.clone(), recorded.ok_or(Error::NotFound)?));
        }
        Ok(SafetyCheck { domain: self.clone(), top, path, alone, pending, verify, files: 0, wrong: 0, first: None })
    }
}

impl SafetyCheck {
    /// The next files, perhaps none; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<FileSafety>>, Error> {
        let mut found = Vec::new();
        if let Some(alone) = self.alone.take() {
            found.push(alone);
        } else if let Some((folder, after, path)) = self.pending.pop() {
            let page = safety::page(&mut *self.domain.store.read().await?, folder, &after, PAGE).await?;
            if let Some(last) = page.last().filter(|_| page.len() as i64 == PAGE) {
                self.pending.push((folder, last.name.clone(), path.clone()));
            }
            for child in page {
                let path = format!("{path}/{}", child.name);
                if child.is_folder {
                    self.pending.push((child.id, String::new(), path));
                } else {
                    found.push((path, child));
                }
            }
        } else {
            return Ok(None);
        }
        let (domain, verify) = (&self.domain, self.verify);
        let looks = found.into_iter().map(|(path, file)| async move { look(domain, path, file, verify).await });
        // In order; some at once, because an object store takes its time.
        let files: Vec<FileSafety> = futures::stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        for file in &files {
            self.files += 1;
            if let Some(problem) = &file.problem {
                self.wrong += 1;
                self.first.get_or_insert_with(|| (file.path.clone(), problem.clone()));
            }
        }
        Ok(Some(files))
    }

    /// The answer for the whole, to be asked for at the end.
    pub async fn verdict(self) -> Result<Verdict, Error> {
        let (mut db, now) = (self.domain.store.read().await?, self.domain.now());
        let arriving = match self.top.parent {
            _ if self.top.is_folder() => safety::arriving_within(&mut db, self.top.id, now).await?,
            Some(folder) => safety::is_arriving(&mut db, folder, &self.top.name, &self.path, now)
                .await?
                .then(|| self.top.name.clone()),
            None => None,
        };
        let below = self.first.map(|(path, why)| match self.top.is_folder() {
            true => Unsafe::Below { count: self.wrong, files: self.files, path, why: Box::new(why) },
            false => why,
        });
        Ok(Verdict { problem: below.or(arriving.map(Unsafe::Arriving)), files: self.files })
    }
}

async fn look(domain: &Domain, path: String, file: Recorded, verify: bool) -> Result<FileSafety, Error> {
    let Some(version) = file.version else {
        return Ok(FileSafety { path, sha256: None, size: 0, problem: Some(Unsafe::NotRecorded) });
    };
    let problem = problem_of(domain, &version, verify).await?;
    Ok(FileSafety { path, sha256: Some(version.sha256), size: version.size, problem })
}

async fn problem_of(domain: &Domain, version: &RecordedVersion, verify: bool) -> Result<Option<Unsafe>, Error> {
    let Some(blob @ (_, sha256, size)) = &version.blob else { return Ok(Some(Unsafe::NotRecorded)) };
    if version.at_peer {
        return Ok(Some(Unsafe::AtPeer));
    }
    if (sha256, *size) != (&version.sha256, version.size) {
        return Ok(Some(Unsafe::Contradicted));
    }
    match version.body {
        Some(body) if body != version.size => return Ok(Some(Unsafe::Damaged)),
        Some(_) if !verify => return Ok(None),
        _ => {}
    }
    match read_back(domain, version, blob.0, verify).await {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(Unsafe::Damaged)),
        Err(Error::Blob(BlobError::Missing(_))) => Ok(Some(Unsafe::Missing)),
        Err(Error::Blob(error)) => Ok(Some(Unsafe::Unreadable(error.to_string()))),
        Err(other) => Err(other),
    }
}

/// Reads the bytes and compares their hash; or, without `verify`, the last byte of each piece they are in, which tells
/// whether the others are there, because files and objects are written from the start.
async fn read_back(domain: &Domain, version: &RecordedVersion, blob: BlobId, verify: bool) -> Result<bool, Error> {
    let size = u64::try_from(version.size).unwrap_or(0);
    if verify {
        let mut hash = Sha256::new();
        let mut stream = domain.blob_bytes(blob, 0..size).await?;
        loop {
            match stream.try_next().await {
                Ok(Some(bytes)) => hash.update(&bytes),
                Ok(None) => return Ok(hex(&hash.finalize()) == version.sha256),
                Err(_) => return Ok(false),
            }
        }
    }
    if size == 0 {
        // An empty blob is a row; without one it is an empty file, which nobody needs.
        return Ok(true);
    }
    let place = segments::locate(&mut *domain.store.read().await?, blob, &(0..size)).await?;
    match place {
        segments::Bytes::Row(body) => Ok(body.len() as u64 == size),
        segments::Bytes::Stored => ends_with_a_byte(domain, blob, size).await,
        segments::Bytes::AtPeer => Err(BlobError::Missing(blob).into()),
        segments::Bytes::Segments(segments) | segments::Bytes::Cached(segments, _) => {
            if segments.iter().map(|segment| segment.length).sum::<u64>() != size {
                return Ok(false);
            }
            for segment in segments.iter().filter(|segment| segment.length > 0) {
                if !ends_with_a_byte(domain, segment.source, segment.offset + segment.length).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

async fn ends_with_a_byte(domain: &Domain, blob: BlobId, end: u64) -> Result<bool, Error> {
    let mut stream = domain.blob_bytes(blob, end.saturating_sub(1)..end).await?;
    let mut read = 0;
    loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => read += bytes.len(),
            Ok(None) => return Ok(read == 1),
            Err(_) => return Ok(false),
        }
    }
}
