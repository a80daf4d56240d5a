//! Intensity frames: cut to the window of the heights, because instruments store the whole camera beside a smaller map.

use ndarray::Array2;
use stitchbox_surface::DetectorWindow;

/// Where intensity frames lie in the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Camera column of the first column.
    pub(crate) column: i64,
    /// Camera row of the first row.
    pub(crate) row: i64,
    /// Columns.
    pub(crate) columns: usize,
    /// Rows.
    pub(crate) rows: usize,
}

/// The intensity of each pixel of a map: `value(row, column)` of the frame where it covers the pixel and has a value,
/// `0.0` elsewhere. `None` where frame and map share no pixel, or where there is no memory.
pub(crate) fn onto_map(
    frame: Frame,
    window: DetectorWindow,
    (rows, columns): (usize, usize),
    value: impl Fn(usize, usize) -> Option<f64>,
) -> Option<Array2<f32>> {
    // What the map's pixel 0, 0 is called in the frame.
    let offset = |map: i64, frame: i64| i128::from(map) - i128::from(frame);
    let (down, right) = (offset(window.row, frame.row), offset(window.column, frame.column));
    let place = |index: usize, offset: i128, count: usize| {
        usize::try_from(index as i128 + offset).ok().filter(|place| *place < count)
    };
    let mut covered = false;
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(rows.checked_mul(columns)?).ok()?;
    for row in 0..rows {
        let frame_row = place(row, down, frame.rows);
        for column in 0..columns {
            let at = frame_row.zip(place(column, right, frame.columns));
            covered |= at.is_some();
            let found = at.and_then(|(row, column)| value(row, column));
            pixels.push(found.filter(|v| v.is_finite() && *v > 0.0).unwrap_or(0.0) as f32);
        }
    }
    covered.then(|| Array2::from_shape_vec((rows, columns), pixels).ok()).flatten()
}

/// The mean of what was measured, for one pixel over several frames.
pub(crate) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_frame_is_cut_to_the_window_and_its_gaps_are_zero() {
        let frame = Frame { column: 10, row: 20, columns: 3, rows: 2 };
        let value = |row: usize, column: usize| (column != 1).then(|| (100 * row + column) as f64);
        let window = DetectorWindow { column: 11, row: 19 };
        let found = onto_map(frame, window, (2, 3), value).unwrap();
        assert_eq!(found, array![[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]]);
        assert_eq!(onto_map(frame, DetectorWindow { column: 13, row: 20 }, (2, 3), value), None);
        assert_eq!(onto_map(frame, DetectorWindow { column: i64::MIN, row: i64::MAX }, (2, 3), value), None);
    }

    #[test]
    fn the_mean_leaves_out_what_was_not_measured() {
        assert_eq!(mean([Some(1.0), None, Some(4.0)].into_iter()), Some(2.5));
        assert_eq!(mean([None, None].into_iter()), None);
    }
}
