//! What of a large file the server has already: the plan of an upload made of pieces that are sent, and ranges of the
//! version before that are taken there.
//!
//! The chunks compared are cut by content (`stitchbox_sync::chunks`), so an insertion moves chunks without changing those
//! behind it.

use std::collections::HashMap;

use stitchbox_sync::remote::Chunk;

/// Bounds of what is sent in one request, bytes.
const LEAST_SENT: u64 = 8 << 20;
const MOST_SENT: u64 = 64 << 20;
/// Requests a session is aimed at.
const AIMED_PIECES: u64 = 64;
/// A range of the old version shorter than this is sent instead: asking costs a request, too.
const LEAST_TAKEN: u64 = 512 << 10;

/// A version the server has, and what it consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldVersion {
    /// Its ETag, with quotes.
    pub etag: String,
    /// Its chunks, as they were cut when it was stored.
    pub chunks: Vec<Chunk>,
    /// The chunks of the content that replaces it.
    pub new_chunks: Vec<Chunk>,
}

/// A part of the new content, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First byte in the new content.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// First byte in the old version; `None`: it is sent.
    pub taken_from: Option<u64>,
}

/// Bytes of one request for a file of `size`.
fn sent_at_once(size: u64) -> u64 {
    (size / AIMED_PIECES).clamp(LEAST_SENT, MOST_SENT)
}

/// The pieces of a file of which nothing is known.
pub(crate) fn all_sent(size: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    push_sent(&mut pieces, 0, size, sent_at_once(size));
    pieces
}

/// The pieces of a file whose chunks are `new`, where the server has `old`.
pub(crate) fn taken_where_known(new: &[Chunk], old: &[Chunk]) -> Vec<Piece> {
    let size = new.iter().map(|chunk| u64::from(chunk.length)).sum();
    let known: HashMap<_, u64> = old.iter().map(|chunk| ((chunk.sha256, chunk.length), chunk.offset)).collect();
    // neighbours with a common origin become one
    let mut runs: Vec<Piece> = Vec::new();
    for chunk in new {
        let taken_from = known.get(&(chunk.sha256, chunk.length)).copied();
        let next = Piece { offset: chunk.offset, length: chunk.length.into(), taken_from };
        match runs.last_mut() {
            Some(last) if follows(last, &next) => last.length += next.length,
            _ => runs.push(next),
        }
    }
    let mut pieces = Vec::new();
    let mut waiting: Option<(u64, u64)> = None;
    for run in runs {
        if run.taken_from.is_some() && run.length >= LEAST_TAKEN {
            if let Some((from, length)) = waiting.take() {
                push_sent(&mut pieces, from, length, sent_at_once(size));
            }
            pieces.push(run);
        } else {
            let (from, length) = waiting.unwrap_or((run.offset, 0));
            waiting = Some((from, length + run.length));
        }
    }
    if let Some((from, length)) = waiting {
        push_sent(&mut pieces, from, length, sent_at_once(size));
    }
    pieces
}

fn follows(last: &Piece, next: &Piece) -> bool {
    match (last.taken_from, next.taken_from) {
        (None, None) => true,
        (Some(from), Some(to)) => from + last.length == to,
        _ => false,
    }
}

fn push_sent(pieces: &mut Vec<Piece>, from: u64, length: u64, at_once: u64) {
    let mut offset = from;
    while offset < from + length {
        let length = at_once.min(from + length - offset);
        pieces.push(Piece { offset, length, taken_from: None });
        offset += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(step).take(bytes).collect()
    }

    fn chunks(bytes: &[u8]) -> Vec<Chunk> {
        let mut cutter = stitchbox_sync::chunks::Cutter::default();
        cutter.push(bytes);
        cutter.finish()
    }

    /// What the server would have: pieces sent from the new content, or taken from the old.
    fn assembled(pieces: &[Piece], new: &[u8], old: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        for piece in pieces {
            assert_eq!(piece.offset, content.len() as u64, "pieces have neither gaps nor overlaps");
            let (from, offset) = match piece.taken_from {
                Some(offset) => (old, offset),
                None => (new, piece.offset),
            };
            content.extend_from_slice(&from[offset as usize..(offset + piece.length) as usize]);
        }
        content
    }

    #[test]
    fn an_insertion_costs_a_few_chunks_and_the_whole_comes_out() {
        let old = noise(40 << 20, 7);
        let mut new = old.clone();
        new.splice(10_000_000..10_000_000, b"a line that was forgotten".iter().copied());
        let pieces = taken_where_known(&chunks(&new), &chunks(&old));
        assert!(assembled(&pieces, &new, &old) == new);
        let sent: u64 = pieces.iter().filter(|p| p.taken_from.is_none()).map(|p| p.length).sum();
        assert!(sent <= 8 << 20, "{sent} bytes are sent");
        assert!(sent > 0);
    }

    #[test]
    fn nothing_in_common_is_all_sent_in_bounded_pieces() {
        let (old, new) = (noise(20 << 20, 1), noise(30 << 20, 2));
        let pieces = taken_where_known(&chunks(&new), &chunks(&old));
        assert!(assembled(&pieces, &new, &old) == new);
        assert!(pieces.iter().all(|p| p.taken_from.is_none() && p.length <= LEAST_SENT));
        assert_eq!(pieces, all_sent(30 << 20));
    }

    #[test]
    fn pieces_of_a_huge_file_stay_within_bounds() {
        for size in [1, 16 << 20, (5 << 30) + 1, 1 << 40] {
            let pieces = all_sent(size);
            assert_eq!(pieces.iter().map(|p| p.length).sum::<u64>(), size);
            assert!(pieces.iter().all(|p| p.length <= MOST_SENT));
        }
    }
}
