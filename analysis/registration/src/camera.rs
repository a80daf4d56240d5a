//! The camera frame that all sub-apertures of a series share, so that what is fixed in the detector can be seen as such.

use stitchbox_surface::SubAperture;

use crate::RegistrationError;

/// The smallest rectangle of camera pixels that holds all detector windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Camera {
    /// Camera column and row of its corner.
    corner: (i64, i64),
    pub rows: usize,
    pub columns: usize,
}

/// Windows may cover together this many times the pixels of the largest map.
const MOST: u64 = 16;

impl Camera {
    pub fn of(series: &[SubAperture]) -> Result<Self, RegistrationError> {
        let (mut low, mut high) = ((i64::MAX, i64::MAX), (i64::MIN, i64::MIN));
        let mut largest = 1u64;
        for sub in series {
            let (rows, columns) = sub.map.shape();
            largest = largest.max((rows * columns) as u64);
            low = (low.0.min(sub.window.column), low.1.min(sub.window.row));
            high = (
                high.0.max(sub.window.column.saturating_add(columns as i64)),
                high.1.max(sub.window.row.saturating_add(rows as i64)),
            );
            let (columns, rows) = (high.0.abs_diff(low.0), high.1.abs_diff(low.1));
            if rows.saturating_mul(columns) > largest.saturating_mul(MOST) {
                return Err(RegistrationError::WindowsApart { file: sub.name.clone(), rows, columns });
            }
        }
        let (columns, rows) = (high.0.abs_diff(low.0) as usize, high.1.abs_diff(low.1) as usize);
        Ok(Self { corner: low, rows, columns })
    }

    /// Column and row of a sub-aperture's first pixel in this frame.
    pub fn place(&self, sub: &SubAperture) -> (usize, usize) {
        (sub.window.column.abs_diff(self.corner.0) as usize, sub.window.row.abs_diff(self.corner.1) as usize)
    }
}
