//! The numbers of a height map dataset, scaled to nm, with the mask of what was measured.

use hdf5_reader::{Dataset, Datatype, H5Type};
use ndarray::Array2;
use stitchbox_surface::DetectorWindow;

use super::{attributes::Attributes, refusal, unit};
use crate::intensity::{Frame, onto_map};
use crate::{FormatError, Limits, metropro::INVALID_FROM};

/// A compressed dataset may announce at most this many times the bytes of the file: no filter that Zygo uses packs
/// tighter, and what announces more is not there.
pub(crate) const MOST_UNFOLDING: usize = 4096;

/// Heights in nm and their mask.
pub(super) fn read(
    dataset: &Dataset,
    of_map: &Attributes<'_>,
    nm_per_unit: f64,
    file_bytes: usize,
    limits: &Limits,
) -> Result<(Array2<f64>, Array2<bool>), FormatError> {
    let (rows, columns) = check_shape(dataset, file_bytes, limits)?;
    let no_data = of_map.number("No Data");
    let fringes = of_map.text("Unit").is_some_and(|unit| unit::is_fringes(&unit));
    let dimensions = |_| FormatError::NotAMatrix { dimensions: dataset.ndim() };

    let mut heights = numbers(dataset, rows as u64, columns as u64, fringes)?;
    let mut valid = Vec::new();
    valid.try_reserve_exact(heights.len()).map_err(|_| out_of_memory(rows as u64, columns as u64))?;
    for height in &mut heights {
        let measured = is_measured(*height, no_data);
        *height = if measured { *height * nm_per_unit } else { 0.0 };
        valid.push(measured);
    }
    let heights = Array2::from_shape_vec((rows, columns), heights).map_err(dimensions)?;
    let valid = Array2::from_shape_vec((rows, columns), valid).map_err(dimensions)?;
    Ok((heights, valid))
}

/// The intensity of each pixel of a map, where it is there and can be read: counts, `0.0` where not measured.
pub(super) fn intensity(
    dataset: &Dataset,
    window: DetectorWindow,
    shape: (usize, usize),
    file_bytes: usize,
    limits: &Limits,
) -> Option<Array2<f32>> {
    let attributes = Attributes::of_dataset(dataset).ok()?;
    let (rows, columns) = check_shape(dataset, file_bytes, limits).ok()?;
    let counts = numbers(dataset, rows as u64, columns as u64, false).ok()?;
    let no_data = attributes.number("No Data");
    let start = |field| attributes.field_number("Coordinates", field).map(|n| n as i64);
    // Without coordinates frames of the map's shape are the map's, others the whole camera.
    let (row, column) = if (rows, columns) == shape { (window.row, window.column) } else { (0, 0) };
    let frame =
        Frame { column: start("ColumnStart").unwrap_or(column), row: start("RowStart").unwrap_or(row), columns, rows };
    let value = |row: usize, column: usize| {
        counts.get(row * columns + column).copied().filter(|counts| is_measured(*counts, no_data))
    };
    onto_map(frame, window, shape, value)
}

/// Rows and columns, each at least 1, within the limits and within what the file can hold.
fn check_shape(dataset: &Dataset, file_bytes: usize, limits: &Limits) -> Result<(usize, usize), FormatError> {
    let &[rows, columns] = dataset.shape() else {
        return Err(FormatError::NotAMatrix { dimensions: dataset.ndim() });
    };
    if rows == 0 || columns == 0 {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        return Err(FormatError::NoHeights { columns: count(columns), rows: count(rows) });
    }
    let too_large = FormatError::MapTooLarge { columns, rows, limit: limits.max_pixels };
    limits.admit(rows, columns).ok_or(too_large)?;
    let needed = dataset.raw_byte_len().map_err(|e| refusal("measuring the height map", e))?;
    let unfolding = if dataset.chunks().is_some() { MOST_UNFOLDING } else { 1 };
    if needed > file_bytes.saturating_mul(unfolding) {
        let (needed, found) = (needed as u64, file_bytes as u64);
        return Err(FormatError::HeightsTruncated { columns, rows, needed, found });
    }
    Ok((rows as usize, columns as usize))
}

/// All values of the dataset as stored, row by row. Integers have no scale in fringes and are refused there.
pub(crate) fn numbers(dataset: &Dataset, rows: u64, columns: u64, fringes: bool) -> Result<Vec<f64>, FormatError> {
    match dataset.dtype() {
        Datatype::FloatingPoint { size: 8, .. } => values::<f64>(dataset, rows, columns, |v| v),
        Datatype::FloatingPoint { size: 4, .. } => values::<f32>(dataset, rows, columns, f64::from),
        Datatype::FixedPoint { .. } if fringes => Err(FormatError::NotNumbers { found: "whole fringes" }),
        Datatype::FixedPoint { size: 4, signed: true, .. } => values::<i32>(dataset, rows, columns, f64::from),
        Datatype::FixedPoint { size: 2, signed: true, .. } => values::<i16>(dataset, rows, columns, f64::from),
        Datatype::FixedPoint { size: 8, signed: true, .. } => values::<i64>(dataset, rows, columns, |v| v as f64),
        Datatype::FixedPoint { size: 4, signed: false, .. } => values::<u32>(dataset, rows, columns, f64::from),
        Datatype::FixedPoint { size: 2, signed: false, .. } => values::<u16>(dataset, rows, columns, f64::from),
        Datatype::FixedPoint { size: 1, signed: false, .. } => values::<u8>(dataset, rows, columns, f64::from),
        Datatype::String { .. } | Datatype::VarLen { .. } => Err(FormatError::NotNumbers { found: "text" }),
        Datatype::Compound { .. } => Err(FormatError::NotNumbers { found: "records" }),
        _ => Err(FormatError::NotNumbers { found: "an unknown kind of data" }),
    }
}

fn values<T: H5Type + Default>(
    dataset: &Dataset,
    rows: u64,
    columns: u64,
    to_f64: impl Fn(T) -> f64,
) -> Result<Vec<f64>, FormatError> {
    let pixels = (rows * columns) as usize;
    let mut stored: Vec<T> = Vec::new();
    let mut heights = Vec::new();
    stored.try_reserve_exact(pixels).map_err(|_| out_of_memory(rows, columns))?;
    heights.try_reserve_exact(pixels).map_err(|_| out_of_memory(rows, columns))?;
    stored.resize(pixels, T::default());
    dataset.read_into(&mut stored).map_err(|e| refusal("reading the heights", e))?;
    heights.extend(stored.into_iter().map(to_f64));
    Ok(heights)
}

/// A value at or beyond "No Data" was not measured. A file that does not tell it uses MetroPro's.
fn is_measured(value: f64, no_data: Option<f64>) -> bool {
    let no_data = no_data.filter(|n| n.is_finite()).unwrap_or(f64::from(INVALID_FROM));
    let absent = if no_data > 0.0 { value >= no_data } else { value == no_data };
    value.is_finite() && !absent
}

fn out_of_memory(rows: u64, columns: u64) -> FormatError {
    FormatError::OutOfMemory { columns, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_no_data_was_not_measured() {
        assert!(!is_measured(f64::MAX, Some(f64::MAX)));
        assert!(is_measured(1e307, Some(f64::MAX)));
        assert!(!is_measured(2_147_483_647.0, Some(2_147_483_640.0)));
        assert!(!is_measured(2_147_483_640.0, None));
        assert!(is_measured(-12.0, None));
        assert!(!is_measured(f64::NAN, None));
        assert!(!is_measured(-9999.0, Some(-9999.0)) && is_measured(3.0, Some(-9999.0)));
    }
}
