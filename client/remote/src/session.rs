//! Upload sessions: a large file in chunks that may be sent in any order, some at a time, and again after a restart.
//!
//! The name of a session follows from the target and the content, so a client that was killed finds its own again and
//! sends only what is missing. Chunks are named by their offset (as ownCloud does), the whole is verified by its SHA-256.

use std::collections::HashMap;

use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::Url;
use sha2::{Digest as _, Sha256};

use crate::address::child;
use crate::connection::{Connection, PATIENCE};
use crate::dav::{Expected, Stored};
use crate::delta::{OldVersion, Piece, all_sent, taken_where_known};
use crate::failure::WireError;
use crate::heard::Heard;
use crate::outgoing::{Outgoing, mtime_header};
use crate::pulse::Pulse;
use crate::section::Section;

/// Chunks on their way at the same time.
const PARALLEL: usize = 3;
/// How long the server may take to put the chunks together: it may have to read them all.
const ASSEMBLY: std::time::Duration = PATIENCE.saturating_mul(15);
/// Times a session that the server lost is begun anew.
const BEGINNINGS: u32 = 3;

impl Connection {
    pub(crate) async fn store_in_chunks(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        expected: &Expected,
        old: Option<&OldVersion>,
        heard: &Heard,
    ) -> Result<Stored, WireError> {
        let uploads = child(self.server(), ["remote.php", "dav", "uploads", &self.user().await?]);
        let session = Session { connection: self, url, outgoing, expected, address: uploads };
        let pieces = session.plan(old);
        let address = child(&session.address, [session.name(&pieces).as_str()]);
        let session = Session { address, ..session };
        let mut beginning = 1;
        loop {
            match session.run(&pieces, old, heard).await {
                // the server forgot the session
                Err(error) if matches!(error.status(), Some(404 | 410)) && beginning < BEGINNINGS => {
                    // unless the end was reached and only its answer lost
                    if let Some(stored) = self.has_already(url, outgoing).await {
                        return Ok(stored);
                    }
                    beginning += 1;
                }
                Err(error) if is_over(&error) => {
                    session.drop_chunks().await;
                    return Err(error);
                }
                other => return other,
            }
        }
    }
}

/// Whether what was sent is of no use for another attempt.
fn is_over(error: &WireError) -> bool {
    matches!(error, WireError::SourceChanged { .. }) || matches!(error.status(), Some(400 | 403 | 412 | 422))
}

#[derive(Clone)]
struct Session<'a> {
    connection: &'a Connection,
    url: &'a Url,
    outgoing: &'a Outgoing,
    expected: &'a Expected,
    address: Url,
}

impl Session<'_> {
    fn plan(&self, old: Option<&OldVersion>) -> Vec<Piece> {
        let covers =
            |old: &&OldVersion| old.new_chunks.iter().map(|c| u64::from(c.length)).sum::<u64>() == self.outgoing.size;
        match old.filter(covers) {
            Some(old) => taken_where_known(&old.new_chunks, &old.chunks),
            None => all_sent(self.outgoing.size),
        }
    }

    /// The same for the same target, content and cut, and for nothing else.
    fn name(&self, pieces: &[Piece]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.url.as_str().as_bytes());
        hash.update([0]);
        hash.update(self.outgoing.sha256.0);
        for piece in pieces {
            hash.update(piece.offset.to_le_bytes());
            hash.update(piece.taken_from.unwrap_or(u64::MAX).to_le_bytes());
        }
        let digest = stitchbox_sync::digest::Sha256(hash.finalize().into()).to_string();
        format!("sb-{}", digest.get(..32).unwrap_or_default())
    }

    async fn run(&self, pieces: &[Piece], old: Option<&OldVersion>, heard: &Heard) -> Result<Stored, WireError> {
        let there = self.begin().await?;
        let missing = pieces.iter().filter(|piece| {
            let known = there.get(&piece.offset) == Some(&piece.length);
            if known {
                heard.again().moved(piece.length);
            }
            !known
        });
        let missing: Vec<Piece> = missing.copied().collect();
        futures::stream::iter(missing)
            .map(|piece| self.send(piece, old, heard.again()))
            .buffer_unordered(PARALLEL)
            .try_for_each(|()| async { Ok(()) })
            .await?;
        self.finish().await
    }

    /// Makes the session, or finds what it has: length by offset.
    async fn begin(&self) -> Result<HashMap<u64, u64>, WireError> {
        let made = self
            .connection
            .retrying(|_| async {
                let request = self.connection.request("MKCOL", &self.address);
                let request = request
                    .header("Destination", self.url.path())
                    .header("OC-Total-Length", self.outgoing.size)
                    .header("OC-Checksum", self.outgoing.checksum_header());
                self.connection.answer(request).await.map(drop)
            })
            .await;
        match made {
            Ok(()) => Ok(HashMap::new()),
            Err(error) if error.status() == Some(405) => {
                let chunks = self.connection.list(&self.address).await?.unwrap_or_default();
                Ok(chunks.iter().filter_map(|chunk| Some((chunk.name.parse().ok()?, chunk.size?))).collect())
            }
            Err(error) => Err(error),
        }
    }

    async fn send(&self, piece: Piece, old: Option<&OldVersion>, heard: Heard) -> Result<(), WireError> {
        if let (Some(from), Some(old)) = (piece.taken_from, old) {
            match self.take(piece, from, old).await {
                Ok(()) => {
                    heard.moved(piece.length);
                    return Ok(());
                }
                // the old version is gone: then its bytes are sent after all
                Err(error) if error.status() == Some(412) => {}
                Err(error) => return Err(error),
            }
        }
        let section = Section { path: self.outgoing.path.clone(), offset: piece.offset, length: piece.length };
        self.connection
            .persisting(|_| async { section.send(self.connection, self.put(piece), &heard.again()).await.map(drop) })
            .await
    }

    /// Has the server take a range of the version it has.
    async fn take(&self, piece: Piece, from: u64, old: &OldVersion) -> Result<(), WireError> {
        let last = from + piece.length - 1;
        self.connection
            .persisting(|_| async {
                let request = self
                    .put(piece)
                    .header("Content-Length", 0)
                    .header("Stitchbox-Source-Version", &old.etag)
                    .header("Stitchbox-Source-Range", format!("bytes={from}-{last}"));
                self.connection.answer(request).await.map(drop)
            })
            .await
    }

    fn put(&self, piece: Piece) -> reqwest::RequestBuilder {
        let name = format!("{:016}", piece.offset);
        let url = child(&self.address, [name.as_str()]);
        self.connection.request("PUT", &url).header("OC-Chunk-Offset", piece.offset)
    }

    async fn finish(&self) -> Result<Stored, WireError> {
        let finished = child(&self.address, [".file"]);
        self.connection
            .retrying(|_| async {
                let request = self
                    .connection
                    .request("MOVE", &finished)
                    .header("Destination", self.url.as_str())
                    .header("OC-Total-Length", self.outgoing.size)
                    .header("OC-Checksum", self.outgoing.checksum_header());
                let request = match self.outgoing.mtime_ns {
                    Some(ns) => request.header("X-OC-Mtime", mtime_header(ns, true)),
                    None => request,
                };
                let request = self.expected.apply(request);
                let answer = self.connection.answer_within(request, ASSEMBLY, &Pulse::default()).await?;
                Ok(Stored::of(answer.headers()))
            })
            .await
    }

    async fn drop_chunks(&self) {
        // what stays behind the server removes after a day
        let _ = self.connection.delete(&self.address, &Expected::Anything).await;
    }
}
