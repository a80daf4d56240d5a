//! The result digest, made again from `height.h5`.

use stitchbox_formats::{FormatError, Limits, NexusArray, read_nexus_arrays};
use stitchbox_stitch::Digester;

/// The file that holds the result of a series of height maps.
pub const RESULT_NAME: &str = "height.h5";
/// Arrays of the digest, in its order; the second may be missing.
const ARRAYS: [&str; 3] = ["height", "uncertainty", "overlap"];

/// Why there is no digest.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The file cannot be read.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// It has not the arrays of a result.
    #[error("it holds no {0}, so it is no result of ours")]
    Missing(&'static str),
}

/// Limits for results of ours, which may be larger than what a camera measures: what a file of this size can hold.
#[must_use]
pub fn result_limits(file_bytes: usize) -> Limits {
    let least = Limits::default();
    Limits { max_pixels: least.max_pixels.max(file_bytes), max_file_bytes: least.max_file_bytes.max(file_bytes as u64) }
}

/// Lower-case hex result digest of the content of a `height.h5`, defined as that of the map that was written into it: over
/// height, uncertainty (left out where there is none) and overlap.
///
/// # Errors
/// [`DigestError`] for anything that is no result of ours.
pub fn result_digest(bytes: &[u8], limits: &Limits) -> Result<String, DigestError> {
    let arrays = read_nexus_arrays(bytes, &ARRAYS, limits)?;
    let mut digester = Digester::default();
    for (name, array) in ARRAYS.into_iter().zip(arrays) {
        let Some(NexusArray { shape, unit, values }) = array else {
            if name == "uncertainty" {
                continue;
            }
            return Err(DigestError::Missing(name));
        };
        digester.begin(name, &unit, shape);
        digester.values(values.into_iter().map(|value| (value, !value.is_nan())));
    }
    Ok(digester.hex())
}
