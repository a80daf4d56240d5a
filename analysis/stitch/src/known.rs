//! A reference that was measured before, brought into the camera frame of the series.

use crate::error::in_mm;
use crate::grid::Grid;
use crate::layout::agree;
use crate::{KnownReference, StitchError};

/// A given reference on the camera frame, row-major.
pub(crate) struct Known {
    /// Heights, nm; zero where invalid.
    pub heights: Vec<f64>,
    /// Where it was measured.
    pub valid: Vec<bool>,
}

/// Cuts the part that the detector windows span: both stand in the same camera, so the two windows tell where.
pub(crate) fn known_reference(grid: &Grid, known: &KnownReference) -> Result<Known, StitchError> {
    let (map, window) = (&known.map, known.window);
    if let Some(pixel) = map.pixel().filter(|pixel| !agree(grid.pixel, *pixel)) {
        return Err(StitchError::ReferencePixels { reference: in_mm(&pixel), series: in_mm(&grid.pixel) });
    }
    let (rows, columns) = map.shape();
    let fits = |origin: i64, window: i64, length: usize, whole: usize| {
        let offset = usize::try_from(origin.checked_sub(window)?).ok()?;
        (offset.checked_add(length)? <= whole).then_some(offset)
    };
    let row = fits(grid.camera_origin.0, window.row, grid.camera.0, rows);
    let column = fits(grid.camera_origin.1, window.column, grid.camera.1, columns);
    let (Some(row0), Some(column0)) = (row, column) else {
        return Err(StitchError::ReferenceShape {
            reference: [rows, columns],
            reference_at: [window.row, window.column],
            camera: [grid.camera.0, grid.camera.1],
            camera_at: [grid.camera_origin.0, grid.camera_origin.1],
        });
    };
    let pixels = || (0..grid.camera.0).flat_map(|row| (0..grid.camera.1).map(move |column| (row, column)));
    let at = |(row, column): (usize, usize)| [row + row0, column + column0];
    Ok(Known {
        heights: pixels().map(|pixel| map.heights_nm()[at(pixel)]).collect(),
        valid: pixels().map(|pixel| map.valid()[at(pixel)]).collect(),
    })
}

/// Masks in every sub-aperture what the reference does not know.
pub(crate) fn mask(grid: &mut Grid, known: &Known) {
    let columns = grid.camera.1;
    for plate in &mut grid.plates {
        let (row0, column0) = plate.camera;
        let mut unknown = Vec::new();
        for row in 0..plate.shape.0 {
            let line = &known.valid[(row0 + row) * columns + column0..][..plate.shape.1];
            unknown.extend(line.iter().enumerate().filter(|(_, v)| !**v).map(|(c, _)| (row as u32, c as u32)));
        }
        plate.runs = plate.runs.without(&unknown);
    }
}
