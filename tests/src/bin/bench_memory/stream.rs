//! An endless pattern of bytes that never repeats, cheap to make twice: a random block stamped with its number.

use std::io::Read;

use stitchbox_tests::Random;

const BLOCK: usize = 1 << 16;

/// The first `size` bytes of the pattern, as a stream.
pub struct Pattern {
    block: Vec<u8>,
    at: u64,
    size: u64,
}

impl Pattern {
    /// A stream of `size` bytes.
    pub fn new(size: u64) -> Pattern {
        Pattern { block: Random::new(2).bytes(BLOCK), at: 0, size }
    }
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let within = (self.at % BLOCK as u64) as usize;
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let count = buffer.len().min(BLOCK - within).min(left);
        self.block[..8].copy_from_slice(&(self.at / BLOCK as u64).to_le_bytes());
        buffer[..count].copy_from_slice(&self.block[within..within + count]);
        self.at += count as u64;
        Ok(count)
    }
}
