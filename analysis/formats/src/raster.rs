//! Height maps out of stored numbers: admitted before anything is allocated, then filled row by row.

use ndarray::Array2;
use stitchbox_surface::{HeightMap, PixelSize};

use crate::{FormatError, Limits};

/// `rows * columns` as a count, if the limits admit such a map and `found` bytes can hold it with `least_bytes` for
/// each height.
pub(crate) fn admit(
    rows: u64,
    columns: u64,
    least_bytes: u64,
    found: u64,
    limits: &Limits,
) -> Result<usize, FormatError> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    if rows == 0 || columns == 0 {
        return Err(FormatError::NoHeights { columns: count(columns), rows: count(rows) });
    }
    let too_large = FormatError::MapTooLarge { columns, rows, limit: limits.max_pixels };
    let pixels = limits.admit(rows, columns).ok_or(too_large)?;
    let needed = (pixels as u64).saturating_mul(least_bytes);
    if needed > found {
        return Err(FormatError::HeightsTruncated { columns, rows, needed, found });
    }
    Ok(pixels)
}

/// The map of the heights (nm) that come row by row; `None` was not measured, and so is what does not come. The shape
/// must have been admitted.
pub(crate) fn fill(
    rows: usize,
    columns: usize,
    heights_nm: impl Iterator<Item = Option<f64>>,
    pixel: Option<PixelSize>,
) -> Result<HeightMap, FormatError> {
    let pixels = rows.saturating_mul(columns);
    let out_of_memory = |_| FormatError::OutOfMemory { columns: columns as u64, rows: rows as u64 };
    let (mut heights, mut valid) = (Vec::new(), Vec::new());
    heights.try_reserve_exact(pixels).map_err(out_of_memory)?;
    valid.try_reserve_exact(pixels).map_err(out_of_memory)?;
    for height in heights_nm.chain(std::iter::repeat(None)).take(pixels) {
        heights.push(height.unwrap_or(0.0));
        valid.push(height.is_some());
    }
    let shape = |_| FormatError::NotAMatrix { dimensions: 2 };
    let heights = Array2::from_shape_vec((rows, columns), heights).map_err(shape)?;
    let valid = Array2::from_shape_vec((rows, columns), valid).map_err(shape)?;
    HeightMap::new(heights, valid, pixel).map_err(|_| FormatError::NotAMatrix { dimensions: 2 })
}

/// A pixel size in mm of which both sides are positive numbers; `None` means "not calibrated".
pub(crate) fn pixel_mm(x_mm: f64, y_mm: f64) -> Option<PixelSize> {
    let positive = |mm: f64| mm.is_finite() && mm > 0.0;
    (positive(x_mm) && positive(y_mm)).then_some(PixelSize { x_mm, y_mm })
}
