//! The result digest of what is no stitched map: slopes and profiles.

use sha2::{Digest, Sha256};

/// The one NaN that stands for what is not known.
const CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// One array of a result.
pub(crate) struct Array<'a> {
    pub name: &'a str,
    pub unit: &'a str,
    pub rows: usize,
    pub columns: usize,
    /// Row by row; `None` where a value is not known.
    pub values: &'a mut dyn Iterator<Item = Option<f64>>,
}

/// Lower-case hex SHA-256 over the arrays, in the way of `Stitched::digest`: for each, its name, a zero byte, rows and columns
/// as little-endian u64, unit, a zero byte, then the values as little-endian f64 with one canonical NaN.
pub(crate) fn digest<'a>(arrays: impl IntoIterator<Item = Array<'a>>) -> String {
    let mut hash = Sha256::new();
    for array in arrays {
        hash.update(array.name.as_bytes());
        hash.update([0]);
        hash.update((array.rows as u64).to_le_bytes());
        hash.update((array.columns as u64).to_le_bytes());
        hash.update(array.unit.as_bytes());
        hash.update([0]);
        for value in array.values {
            let bits = value.filter(|value| !value.is_nan()).map_or(CANONICAL_NAN, f64::to_bits);
            hash.update(bits.to_le_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
