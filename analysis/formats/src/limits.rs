//! How large a file and a map the readers accept, whatever a header says.

/// Bounds on what one file may ask of the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of pixels of one map, invalid ones included.
    pub max_pixels: usize,
    /// Largest file that is looked at, bytes.
    pub max_file_bytes: u64,
}

impl Default for Limits {
    /// 64 megapixels (four times the largest interferometer camera) and 1 GiB.
    fn default() -> Self {
        Self { max_pixels: 64 << 20, max_file_bytes: 1 << 30 }
    }
}

impl Limits {
    /// `rows * columns` if that is a map this limit admits.
    pub(crate) fn admit(&self, rows: u64, columns: u64) -> Option<usize> {
        let pixels = usize::try_from(rows.checked_mul(columns)?).ok()?;
        (pixels <= self.max_pixels).then_some(pixels)
    }
}
