//! How files travel: what is small, how many go together.

/// Files up to this size travel in batches (bytes).
pub const SMALL: u64 = 256 << 10;
/// A batch carries at most so many bytes.
pub const BATCH_BYTES: u64 = 8 << 20;
/// A batch carries at most so many files.
pub const BATCH_FILES: usize = 250;
