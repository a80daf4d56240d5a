//! The files of a share by the peer's WebDAV: [`RemoteDav`] in the words of [`PeerFiles`].

use super::open_lock;
use super::peer::{Expected, Outgoing, PeerFiles, PeerTrouble, RemoteEntry, RemoteFolder, Written};
use crate::federation::NoPeer;
use crate::seal::Sealed;
use crate::{BlobStream, Domain, Error, ItemPath};
use futures::StreamExt;
use futures::future::BoxFuture;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stitchbox_federation::address::Host;
use stitchbox_federation::dav::{self, Access, Depth, Expect, Fetch, RemoteDav, Source, Upload};
use stitchbox_federation::http::ByteStream;
use stitchbox_federation::peer_error::PeerError;
use stitchbox_federation::secret::Secret;
use stitchbox_schema::Timestamp;
use stitchbox_store::received::{self, ReceivedShare};
use stitchbox_store::received_offers;

/// Larger files are sent so that they can be resumed, where the peer can.
const RESUMED_FROM: u64 = 4 << 20;
/// How long a way to a share is used before what the peer says about itself is read again.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// A way to a share that is open: with what it was made from.
#[derive(Debug, Clone)]
pub(super) struct Way {
    sealed: String,
    uri: String,
    made: Instant,
    dav: RemoteDav,
}

impl Domain {
    /// The files of a share at its peer. One way for each share: at some peers every new token ends the one before.
    pub(super) async fn files_by_dav(&self, share: &ReceivedShare) -> Result<Arc<dyn PeerFiles>, PeerTrouble> {
        let own = |error: Error| PeerTrouble::Refused(format!("this server could not do its part: {error}"));
        let mut db = self.store.read().await.map_err(|error| own(error.into()))?;
        let known = received_offers::by_space(&mut db, share.space).await.map_err(|error| own(error.into()))?;
        drop(db);
        let known = known.ok_or(PeerTrouble::Missing)?;
        let kept = open_lock(&self.received.ways).get(&share.space).cloned();
        let fresh = |way: &Way| way.sealed == known.secret_sealed && way.uri == share.uri && way.made.elapsed() < KEPT;
        if let Some(way) = kept.filter(fresh) {
            self.remember_access(share, &way.dav).await;
            return Ok(Arc::new(DavFiles(way.dav)));
        }
        let secret = self.seal.open(Sealed::ReceivedSecret, share.space.0, &known.secret_sealed);
        let secret = secret.map_err(|error| PeerTrouble::Refused(error.to_string()))?;
        let host = Host::parse(&share.peer).map_err(|error| PeerTrouble::Refused(error.to_string()))?;
        let peer = self.peer(&host).await.map_err(|error| match error {
            NoPeer::Peer(error) => trouble(error),
            NoPeer::Own(error) => own(error),
        })?;
        let client = self.ocm_client().await.map_err(own)?;
        let made_of = dav::ReceivedShare {
            secret: Secret::new(secret),
            uri: Some(share.uri.clone()).filter(|uri| !uri.is_empty()),
            must_exchange_token: share.must_exchange,
            worked: Access::parse(&share.access),
        };
        let dav = RemoteDav::new(client, peer, made_of).map_err(trouble)?;
        let way = Way { sealed: known.secret_sealed.clone(), uri: share.uri.clone(), made: Instant::now(), dav };
        let mut ways = open_lock(&self.received.ways);
        if ways.len() >= super::MOST_REMEMBERED {
            ways.clear();
        }
        // Somebody may have been faster: then theirs is used.
        let used = ways.entry(share.space).or_insert_with(|| way.clone());
        if !fresh(used) {
            *used = way;
        }
        Ok(Arc::new(DavFiles(used.dav.clone())))
    }

    /// Which way worked is kept, so that the next start of the program does not try the others first.
    async fn remember_access(&self, share: &ReceivedShare, dav: &RemoteDav) {
        let Some(worked) = dav.worked().filter(|worked| worked.as_str() != share.access) else { return };
        let space = share.space;
        let work = self
            .transact(move |tx| Box::pin(async move { Ok(received::set_access(tx, space, worked.as_str()).await?) }));
        if let Err(error) = work.await {
            tracing::debug!(%error, "which way to a share worked was not written down");
        }
    }
}

/// What a peer's trouble means for whoever wants something of its files.
fn trouble(error: PeerError) -> PeerTrouble {
    let words = error.to_string();
    match error {
        PeerError::Unreachable { .. } | PeerError::TimedOut { .. } => PeerTrouble::Unreachable(words),
        PeerError::Changed { .. } => PeerTrouble::Changed,
        PeerError::Refused { status, .. } => match status {
            401 | 403 => PeerTrouble::Denied(words),
            // 409: the folder above is gone.
            404 | 409 | 410 => PeerTrouble::Missing,
            405 => PeerTrouble::Exists,
            412 => PeerTrouble::Changed,
            423 => PeerTrouble::Locked(words),
            507 => PeerTrouble::Full(words),
            408 | 425 | 429 | 502 | 503 | 504 => PeerTrouble::Unreachable(words),
            500..=599 => PeerTrouble::Nonsense(words),
            _ => PeerTrouble::Refused(words),
        },
        PeerError::WrongLength { .. }
        | PeerError::Redirected { .. }
        | PeerError::TooLarge { .. }
        | PeerError::NotAPeer { .. }
        | PeerError::OutsideOrigin { .. }
        | PeerError::Malformed { .. }
        | PeerError::OwnSide { .. } => PeerTrouble::Nonsense(words),
        PeerError::RefusedTwice { .. }
        | PeerError::ForbiddenAddress { .. }
        | PeerError::CannotShare { .. }
        | PeerError::NotOffered { .. }
        | PeerError::NotSigned(_) => PeerTrouble::Refused(words),
    }
}

/// A share's files by WebDAV.
#[derive(Debug)]
struct DavFiles(RemoteDav);

/// Names joined by `/`, as the client wants them.
fn joined(path: &ItemPath) -> String {
    path.names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join("/")
}

fn entry_of(entry: dav::RemoteEntry) -> RemoteEntry {
    let strong = |etag: &String| !etag.starts_with("W/") && !etag.is_empty();
    RemoteEntry {
        sha256: entry.sha256(),
        name: entry.name,
        is_folder: entry.is_folder,
        etag: entry.etag.filter(strong),
        size: entry.size.unwrap_or(0),
        mtime: entry.mtime.map(Timestamp::from_unix_seconds),
        letters: entry.permissions,
    }
}

/// Whether the peer said what it is. A file without a size must not be taken for an empty one, nor for one that is gone.
fn is_clear(entry: &dav::RemoteEntry) -> bool {
    !entry.is_unclear && (entry.is_folder || entry.size.is_some())
}

fn expect_of(expected: &Expected) -> Expect {
    match expected {
        Expected::Nothing => Expect::Absent,
        Expected::ETag(etag) => Expect::Version(etag.clone()),
        Expected::Anything => Expect::Anything,
    }
}

/// A body for the client, from any place on.
struct Body(Outgoing);

impl Source for Body {
    fn open(&self, from: u64) -> BoxFuture<'_, io::Result<ByteStream>> {
        Box::pin(std::future::ready(Ok(self.0.from(from))))
    }
}

impl PeerFiles for DavFiles {
    fn look<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteEntry, PeerTrouble>> {
        Box::pin(async move {
            let mut found = self.0.list(&joined(path), Depth::Zero).await.map_err(trouble)?.into_iter();
            let entry = found.find(|entry| entry.name.is_empty()).filter(is_clear).map(entry_of);
            entry.ok_or_else(|| PeerTrouble::Nonsense("it did not list what it was asked for".to_owned()))
        })
    }

    fn list<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<RemoteFolder, PeerTrouble>> {
        Box::pin(async move {
            let (mut itself, mut children, mut left_out) = (None, Vec::new(), Vec::new());
            for entry in self.0.list(&joined(path), Depth::One).await.map_err(trouble)? {
                match (entry.name.is_empty(), is_clear(&entry)) {
                    (true, true) => itself = Some(entry_of(entry)),
                    (true, false) => {}
                    (false, true) => children.push(entry_of(entry)),
                    (false, false) => left_out.push(entry.name),
                }
            }
            match itself {
                Some(itself) if itself.is_folder => Ok(RemoteFolder { itself, children, left_out }),
                // It was a folder when its own folder was listed.
                Some(_) => Err(PeerTrouble::Missing),
                None => Err(PeerTrouble::Nonsense("it did not list what it was asked for".to_owned())),
            }
        })
    }

    fn read<'a>(
        &'a self,
        path: &'a ItemPath,
        range: Range<u64>,
        size: u64,
        etag: Option<&'a str>,
    ) -> BoxFuture<'a, Result<BlobStream, PeerTrouble>> {
        Box::pin(async move {
            let length = Some(range.end.saturating_sub(range.start));
            let fetch = Fetch { from: range.start, length, etag, size: Some(size) };
            let fetched = self.0.get(&joined(path), fetch).await.map_err(trouble)?;
            Ok(fetched.into_stream().map(|piece| piece.map_err(io::Error::other)).boxed())
        })
    }

    fn write<'a>(
        &'a self,
        path: &'a ItemPath,
        body: Outgoing,
        mtime: Option<Timestamp>,
        expected: &'a Expected,
    ) -> BoxFuture<'a, Result<Written, PeerTrouble>> {
        Box::pin(async move {
            let upload = Upload {
                length: body.size(),
                expect: expect_of(expected),
                mtime: mtime.map(Timestamp::unix_seconds),
                sha256: body.sha256().map(str::to_owned),
                begun: None,
            };
            let path = joined(path);
            let stored = if body.size() >= RESUMED_FROM {
                self.0.upload_resumable(&path, &Body(body), &upload, |_| {}).await
            } else {
                self.0.put(&path, body.from(0), &upload).await
            };
            let stored = stored.map_err(trouble)?;
            Ok(Written { etag: stored.etag.filter(|etag| !etag.starts_with("W/")) })
        })
    }

    fn make_folder<'a>(&'a self, path: &'a ItemPath) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(async move { self.0.mkcol(&joined(path)).await.map(drop).map_err(trouble) })
    }

    fn remove<'a>(&'a self, path: &'a ItemPath, expected: &'a Expected) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(async move { self.0.delete(&joined(path), &expect_of(expected)).await.map_err(trouble) })
    }

    fn relocate<'a>(
        &'a self,
        from: &'a ItemPath,
        to: &'a ItemPath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<(), PeerTrouble>> {
        Box::pin(async move { self.0.relocate(&joined(from), &joined(to), overwrite).await.map(drop).map_err(trouble) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> PeerTrouble {
        let host = "nc.example".to_owned();
        trouble(PeerError::Refused { host, status, words: "no".to_owned(), retry_after: None })
    }

    #[test]
    fn only_what_says_that_nobody_is_there_opens_the_breaker() {
        for status in [408, 429, 502, 503, 504] {
            assert!(matches!(refused(status), PeerTrouble::Unreachable(_)), "{status}");
        }
        // One broken file is no reason to leave the others alone.
        assert!(matches!(refused(500), PeerTrouble::Nonsense(_)));
        for status in [401, 403] {
            assert!(matches!(refused(status), PeerTrouble::Denied(_)), "{status}");
        }
        assert_eq!(refused(404), PeerTrouble::Missing);
        assert_eq!(refused(412), PeerTrouble::Changed);
        assert!(matches!(refused(507), PeerTrouble::Full(words) if words.contains("507")));
        assert!(matches!(refused(415), PeerTrouble::Refused(_)));
    }

    #[test]
    fn a_file_without_a_size_is_no_empty_file() {
        let entry =
            |is_folder, size, is_unclear| dav::RemoteEntry { is_folder, size, is_unclear, ..Default::default() };
        assert!(is_clear(&entry(false, Some(0), false)) && is_clear(&entry(true, None, false)));
        assert!(!is_clear(&entry(false, None, false)) && !is_clear(&entry(true, Some(1), true)));
    }

    #[test]
    fn a_weak_etag_promises_too_little() {
        let entry = |etag: &str| entry_of(dav::RemoteEntry { etag: Some(etag.to_owned()), ..Default::default() });
        assert_eq!(entry("W/\"1\"").etag, None);
        assert_eq!(entry("\"1\"").etag.as_deref(), Some("\"1\""));
    }
}
