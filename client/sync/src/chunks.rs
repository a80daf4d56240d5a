//! Cutting a large file where its content says so, so that an edited file shares most of its pieces with the version before.
//!
//! FastCDC (Xia et al., USENIX ATC 2016) in its 2020 form with normalised sizes. Client programs that compare chunk lists must cut
//! with these numbers.

use crate::digest::Sha256;
use crate::remote::Chunk;

/// Files from this size on are cut (bytes).
pub const LARGE: u64 = 16 << 20;
/// No piece is shorter, but the last (bytes).
pub const SHORTEST: u32 = 256 << 10;
/// Pieces are about this long (bytes).
pub const USUAL: u32 = 1 << 20;
/// No piece is longer (bytes).
pub const LONGEST: u32 = 4 << 20;

/// Cuts a stream of bytes given in any portions; holds at most two longest pieces in memory.
pub struct Cutter {
    waiting: Vec<u8>,
    start: u64,
    chunks: Vec<Chunk>,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { waiting: Vec::with_capacity(2 * LONGEST as usize), start: 0, chunks: Vec::new() }
    }
}

impl Cutter {
    /// The next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (2 * LONGEST as usize).saturating_sub(self.waiting.len()).max(1);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() >= 2 * LONGEST as usize {
                self.cut(LONGEST as usize);
            }
        }
    }

    /// The pieces, when all bytes were given.
    pub fn finish(mut self) -> Vec<Chunk> {
        self.cut(0);
        self.chunks
    }

    /// Takes pieces off the front while more than `keep` bytes remain: a cut depends on at most [`LONGEST`] bytes after its start.
    fn cut(&mut self, keep: usize) {
        let mut taken = 0;
        while self.waiting.len().saturating_sub(taken) > keep {
            let rest = self.waiting.get(taken..).unwrap_or_default();
            let first = fastcdc::v2020::FastCDC::new(rest, SHORTEST, USUAL, LONGEST).next();
            let length = first.map_or(rest.len(), |cut| cut.length);
            let piece = rest.get(..length).unwrap_or(rest);
            self.chunks.push(Chunk {
                offset: self.start,
                length: u32::try_from(piece.len()).unwrap_or(LONGEST),
                sha256: Sha256::of(piece),
            });
            self.start += piece.len() as u64;
            taken += piece.len().max(1);
        }
        self.waiting.drain(..taken.min(self.waiting.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize, mut seed: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes.extend_from_slice(&seed.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    fn cut(bytes: &[u8], portion: usize) -> Vec<Chunk> {
        let mut cutter = Cutter::default();
        bytes.chunks(portion).for_each(|part| cutter.push(part));
        cutter.finish()
    }

    #[test]
    fn pieces_cover_the_file_whatever_the_portions() {
        let bytes = noise((20 << 20) + 17, 1);
        let pieces = cut(&bytes, 1 << 20);
        assert_eq!(pieces, cut(&bytes, 77_777));
        let mut end = 0;
        for piece in &pieces {
            assert_eq!(piece.offset, end);
            end += u64::from(piece.length);
            let range = piece.offset as usize..end as usize;
            assert_eq!(piece.sha256, Sha256::of(&bytes[range]));
        }
        assert_eq!(end, bytes.len() as u64);
    }

    #[test]
    fn bytes_put_in_at_the_front_change_few_pieces() {
        let old = noise(24 << 20, 2);
        let mut new = b"some bytes more".to_vec();
        new.extend_from_slice(&old);
        let (old, new) = (cut(&old, 1 << 20), cut(&new, 1 << 20));
        let sent: u64 = new
            .iter()
            .filter(|piece| !old.iter().any(|other| other.sha256 == piece.sha256))
            .map(|piece| u64::from(piece.length))
            .sum();
        assert!(sent <= 2 * u64::from(LONGEST), "{sent} bytes of 24 MiB would be sent");
    }
}
