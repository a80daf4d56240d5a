//! A reference that was measured before, brought into the camera frame of the series.

use stitchbox_surface::HeightMap;

use crate::StitchError;
use crate::grid::Grid;
use crate::runs::Runs;

/// Heights of the reference on the camera frame, nm. Masks its invalid pixels in every sub-aperture.
pub(crate) fn known_reference(grid: &mut Grid, map: &HeightMap) -> Result<Vec<f64>, StitchError> {
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
    let at = |row: usize, column: usize| [row + offset.0, column + offset.1];
    for plate in &mut grid.plates {
        let measured: Vec<Vec<bool>> = (0..plate.shape.0)
            .map(|row| {
                let mut valid = vec![false; plate.shape.1];
                for &(start, end) in plate.runs.row(row) {
                    valid[start as usize..end as usize].fill(true);
                }
                valid
            })
            .collect();
        let (r0, c0) = plate.camera;
        plate.runs = Runs::collect(plate.shape.0, plate.shape.1, |row, column| {
            measured[row][column] && map.valid()[at(r0 + row, c0 + column)]
        });
    }
    let pixels = (0..grid.camera.0).flat_map(|row| (0..grid.camera.1).map(move |column| (row, column)));
    Ok(pixels.map(|(row, column)| map.heights_nm()[at(row, column)]).collect())
}
