//! The numbers of a dataset of any dimension, as f64, admitted before they are read.

use hdf5_reader::Dataset;

use super::{FORMAT, Source};
use crate::FormatError;
use crate::datx::heights::{self, MOST_UNFOLDING};
use crate::datx::refusal;

/// All numbers in the order of the file, which the limits and the room left for this file must admit.
pub(super) fn all(source: &Source<'_>, dataset: &Dataset) -> Result<Vec<f64>, FormatError> {
    let shape = dataset.shape();
    let columns = shape.last().copied().unwrap_or(1);
    let product = |dimensions: &[u64]| dimensions.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
    let rows = product(shape.get(..shape.len().saturating_sub(1)).unwrap_or_default()).unwrap_or(u64::MAX);
    let too_large = FormatError::MapTooLarge { columns, rows, limit: source.limits.max_pixels };
    let pixels = source.limits.admit(rows, columns).ok_or(too_large)?;
    if pixels == 0 {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        return Err(FormatError::NoHeights { columns: count(columns), rows: count(rows) });
    }
    let needed = dataset.raw_byte_len().map_err(|e| refusal("measuring a dataset", e))?;
    let unfolding = if dataset.chunks().is_some() { MOST_UNFOLDING } else { 1 };
    if needed > source.bytes.saturating_mul(unfolding) {
        let (needed, found) = (needed as u64, source.bytes as u64);
        return Err(FormatError::HeightsTruncated { columns, rows, needed, found });
    }
    let room = source.room.get().checked_sub(pixels);
    source.room.set(room.ok_or(FormatError::MapTooLarge { columns, rows, limit: source.room.get() })?);
    heights::numbers(dataset, rows, columns, false)
}

/// The numbers of a small dataset: a scalar, or a list of up to a million.
pub(super) fn list(source: &Source<'_>, dataset: &Dataset) -> Option<Vec<f64>> {
    const MOST: u64 = 1 << 20;
    let count = dataset.shape().iter().try_fold(1u64, |n, d| n.checked_mul(*d))?;
    if count > MOST {
        return None;
    }
    all(source, dataset).ok()
}

/// First value and step of evenly spaced coordinates in their own unit. One coordinate has no step.
pub(super) fn axis(coordinates: &[f64], what: &str) -> Result<(f64, Option<f64>), FormatError> {
    const TOLERANCE: f64 = 1e-3;
    let uneven = || FormatError::unsupported(FORMAT, format!("unevenly spaced coordinates along {what}"), EVEN);
    let (Some(first), Some(last)) = (coordinates.first(), coordinates.last()) else { return Err(uneven()) };
    if coordinates.len() < 2 {
        return Ok((*first, None));
    }
    let step = (last - first) / (coordinates.len() - 1) as f64;
    let fits = |(k, x): (usize, &f64)| (x - first - k as f64 * step).abs() <= TOLERANCE * step.abs();
    let even = step.is_finite() && step != 0.0 && coordinates.iter().enumerate().all(fits);
    if even { Ok((*first, Some(step))) } else { Err(uneven()) }
}

const EVEN: &str = "save it on a regular grid";
