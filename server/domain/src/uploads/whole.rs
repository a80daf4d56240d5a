//! The digests of a file that comes in pieces, computed along while the pieces come in order.
//!
//! Only a short cut: they are kept in memory, and the end of the session computes from the stored bytes whatever is
//! missing, or everything after a restart. Each state belongs to an exact list of pieces; it is used for that list only.

use super::checksum::{Checksum, Digests};
use super::{Chunk, UploadSession, unsigned};
use crate::{Domain, Error};
use futures::TryStreamExt;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use stitchbox_schema::{BlobId, UploadId};
use stitchbox_store::sessions;

/// Sessions whose state is remembered.
const REMEMBERED: usize = 1024;

/// The range of a blob that a piece of the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub blob: BlobId,
    pub offset: u64,
    pub length: u64,
}

impl Piece {
    pub(super) fn of(chunk: &Chunk) -> Self {
        Self { blob: chunk.blob, offset: unsigned(chunk.source_offset), length: unsigned(chunk.size) }
    }
}

/// The digests of the first pieces of a file. Its size does not grow with their number.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    /// How many pieces.
    pub pieces: usize,
    pub digests: Digests,
    /// A digest over which pieces they are.
    trail: Sha256,
    bytes: u64,
    last_place: Option<u64>,
    number: u64,
}

/// Says exactly which pieces digests belong to: which beginning, and how many pieces since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    number: u64,
    pieces: usize,
}

impl Whole {
    pub(super) fn new(digests: Digests) -> Self {
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        Self { pieces: 0, digests, trail: Sha256::new(), bytes: 0, last_place: None, number }
    }

    /// How far this has come. Two states that have reached the same are the same.
    pub(super) fn reached(&self) -> Reached {
        Reached { number: self.number, pieces: self.pieces }
    }

    /// Whether a chunk at this place seems to continue what was computed. A wrong guess costs time, never correctness.
    pub(super) fn continues_with(&self, place: u64, file_offset: Option<u64>) -> bool {
        match (file_offset, self.last_place) {
            (Some(offset), _) => offset == self.bytes,
            (None, None) => place <= 1,
            (None, Some(last)) => place == last + 1 || place == self.bytes,
        }
    }

    /// Takes over the digests with one more piece in them.
    pub(super) fn advance(&mut self, chunk: &Chunk, digests: Digests) {
        let piece = Piece::of(chunk);
        self.bytes += piece.length;
        self.last_place = Some(unsigned(chunk.place));
        self.pieces += 1;
        note(&mut self.trail, piece);
        self.digests = digests;
    }

    /// Whether the digests are those of the first of these chunks.
    pub(super) fn begins(&self, chunks: &[Chunk]) -> bool {
        let Some(first) = chunks.get(..self.pieces) else { return false };
        let mut trail = Sha256::new();
        first.iter().for_each(|chunk| note(&mut trail, Piece::of(chunk)));
        trail.finalize() == self.trail.clone().finalize()
    }
}

fn note(trail: &mut Sha256, piece: Piece) {
    trail.update(piece.blob.0.to_le_bytes());
    trail.update(piece.offset.to_le_bytes());
    trail.update(piece.length.to_le_bytes());
}

/// The states of all sessions of this process.
#[derive(Debug, Default)]
pub(crate) struct Wholes(Mutex<HashMap<UploadId, Arc<tokio::sync::Mutex<Whole>>>>);

impl Wholes {
    pub(super) fn of(&self, session: &UploadSession) -> Arc<tokio::sync::Mutex<Whole>> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= REMEMBERED && !states.contains_key(&session.id) {
            // Ids sort by time: the oldest session is the least likely to go on.
            if let Some(oldest) = states.keys().min_by_key(|id| id.0).copied() {
                states.remove(&oldest);
            }
        }
        let begin = || {
            let announced = session.checksum.as_deref().and_then(|text| Checksum::parse(text).ok());
            let told_at_the_end = announced.is_none() && session.protocol == super::Protocol::Chunks.word();
            let digests = if told_at_the_end { Digests::guessing() } else { Digests::new(announced.as_ref()) };
            Arc::new(tokio::sync::Mutex::new(Whole::new(digests)))
        };
        states.entry(session.id).or_insert_with(begin).clone()
    }

    pub(super) fn forget(&self, id: UploadId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

impl Domain {
    /// Adds a stored piece to digests.
    pub(super) async fn digest_piece(&self, piece: Piece, mut digests: Digests) -> Result<Digests, Error> {
        let mut stream = self.blob_bytes(piece.blob, piece.offset..piece.offset + piece.length).await?;
        while let Some(bytes) = stream.try_next().await.map_err(|_| Error::BodyBroken)? {
            digests.update(&bytes);
        }
        Ok(digests)
    }

    /// Computes on over chunks that came before their turn, as far as they follow each other. They were written a
    /// moment ago, so they are read from memory.
    pub(super) fn catch_up(&self, session: &UploadSession) {
        let (domain, session) = (self.clone(), session.clone());
        tokio::spawn(async move {
            let state = domain.wholes.of(&session);
            let Ok(mut whole) = state.try_lock() else { return };
            if let Err(error) = domain.catch_up_with(&session, &mut whole).await {
                tracing::debug!(%error, "the digest of an upload is left to its end");
            }
        });
    }

    async fn catch_up_with(&self, session: &UploadSession, whole: &mut Whole) -> Result<(), Error> {
        loop {
            let after = whole.last_place.map_or(-1, super::signed);
            let next = sessions::chunk_after(&mut *self.store.read().await?, session.id, after).await?;
            let Some(chunk) = next else { return Ok(()) };
            if !whole.continues_with(unsigned(chunk.place), chunk.file_offset.map(unsigned)) {
                return Ok(());
            }
            let digests = self.digest_piece(Piece::of(&chunk), whole.digests.clone()).await?;
            whole.advance(&chunk, digests);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_schema::Timestamp;

    fn chunk(place: i64, size: i64) -> Chunk {
        let blob = BlobId(place + 1);
        let name = place.to_string();
        Chunk { place, name, file_offset: None, blob, source_offset: 0, size, shared: false, created_at: Timestamp(0) }
    }

    #[test]
    fn numbers_from_zero_or_one_and_offsets_are_followed() {
        let mut whole = Whole::new(Digests::new(None));
        assert!(whole.continues_with(0, None) && whole.continues_with(1, None) && !whole.continues_with(2, None));
        assert!(whole.continues_with(7, Some(0)) && !whole.continues_with(0, Some(5)));
        whole.advance(&chunk(1, 100), Digests::new(None));
        assert!(whole.continues_with(2, None) && whole.continues_with(100, None) && !whole.continues_with(3, None));
        assert!(whole.continues_with(9, Some(100)) && !whole.continues_with(2, Some(99)));
    }

    #[test]
    fn digests_belong_to_exactly_these_pieces() {
        let mut whole = Whole::new(Digests::new(None));
        let chunks = [chunk(0, 100), chunk(1, 50), chunk(2, 7)];
        assert!(whole.begins(&[]) && whole.begins(&chunks));
        whole.advance(&chunks[0], Digests::new(None));
        whole.advance(&chunks[1], Digests::new(None));
        assert!(whole.begins(&chunks) && whole.begins(&chunks[..2]) && !whole.begins(&chunks[..1]));
        assert!(!whole.begins(&[chunk(0, 100), chunk(1, 51), chunk(2, 7)]));
        assert!(!whole.begins(&[chunk(1, 50), chunk(0, 100)]));
    }
}
