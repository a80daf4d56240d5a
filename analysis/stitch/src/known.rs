//! A reference that was measured before, brought into the camera frame of the series.

use stitchbox_surface::HeightMap;

use crate::StitchError;
use crate::grid::Grid;

/// A given reference on the camera frame, row-major.
pub(crate) struct Known {
    /// Heights, nm; zero where invalid.
    pub heights: Vec<f64>,
    /// Where it was measured.
    pub valid: Vec<bool>,
}

/// Cuts the part that the detector windows span.
pub(crate) fn known_reference(grid: &Grid, map: &HeightMap) -> Result<Known, StitchError> {
    let (rows, columns) = map.shape();
    let (row0, column0) = grid.camera_origin;
    let fits = |origin: i64, length: usize, whole: usize| {
        usize::try_from(origin).ok().filter(|o| o.checked_add(length).is_some_and(|end| end <= whole))
    };
    let offset = if (rows, columns) == grid.camera {
        (0, 0)
    } else {
        match (fits(row0, grid.camera.0, rows), fits(column0, grid.camera.1, columns)) {
            (Some(row), Some(column)) => (row, column),
            _ => {
                let camera = [grid.camera.0, grid.camera.1];
                return Err(StitchError::ReferenceShape { reference: [rows, columns], camera });
            }
        }
    };
    let pixels = || (0..grid.camera.0).flat_map(|row| (0..grid.camera.1).map(move |column| (row, column)));
    let at = |(row, column): (usize, usize)| [row + offset.0, column + offset.1];
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
