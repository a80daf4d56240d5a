//! The plain mean of corrected sub-apertures, and what each leaves over.

use ndarray::Array2;
use rayon::prelude::*;
use stitchbox_surface::HeightMap;

use crate::CrossCheckError;
use crate::layout::{Layout, Plate};
use crate::plane::Plane;

/// A map under way: sums and counts, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Mean {
    pub height: Vec<f64>,
    pub count: Vec<u16>,
}

/// The corrector of one row: height at the plate's column 0, and per column.
pub(crate) fn on_row(layout: &Layout, plate: &Plate, corrector: &Plane, row: usize) -> (f64, f64) {
    let (x0, y) = (layout.x(plate.map.1 as f64), layout.y((plate.map.0 + row) as f64));
    (corrector.piston + corrector.pitch * x0 + corrector.roll * y, corrector.pitch * layout.pixel.x_mm)
}

/// Mean of (sub-aperture + corrector + reference) at every map pixel; `reference` in the camera frame, or empty.
pub(crate) fn mean(layout: &Layout, correctors: &[Plane], reference: &[f64]) -> Mean {
    let columns = layout.map.1;
    let mut height = vec![0.0; layout.map.0 * columns];
    let mut count = vec![0u16; height.len()];
    height.par_chunks_mut(columns).zip(count.par_chunks_mut(columns)).enumerate().for_each(|(row, (height, count))| {
        for (plate, corrector) in layout.plates.iter().zip(correctors) {
            let Some(of_plate) = plate.row_at_map(row) else { continue };
            let (start, step) = on_row(layout, plate, corrector, of_plate);
            let (heights, valid) = plate.row(of_plate);
            let reference = reference_row(layout, plate, of_plate, reference);
            let place = plate.map.1..plate.map.1 + plate.shape.1;
            let sums = height[place.clone()].iter_mut().zip(&mut count[place]);
            for (column, ((sum, count), (h, valid))) in sums.zip(heights.iter().zip(valid)).enumerate() {
                if *valid {
                    *sum += h + start + step * column as f64 + reference.map_or(0.0, |r| r[column]);
                    *count = count.saturating_add(1);
                }
            }
        }
        for (sum, count) in height.iter_mut().zip(count) {
            if *count > 0 {
                *sum /= f64::from(*count);
            }
        }
    });
    Mean { height, count }
}

fn reference_row<'r>(layout: &Layout, plate: &Plate, row: usize, reference: &'r [f64]) -> Option<&'r [f64]> {
    let start = (plate.camera.0 + row) * layout.camera.1 + plate.camera.1;
    (!reference.is_empty()).then(|| &reference[start..start + plate.shape.1])
}

/// Rms of (map - corrected sub-aperture) over all valid pixels of each sub-aperture, nm; and over all together.
pub(crate) fn residuals(layout: &Layout, correctors: &[Plane], reference: &[f64], mean: &Mean) -> (Vec<f64>, f64) {
    let of = |(plate, corrector): (&Plate, &Plane)| {
        let mut squares = 0.0;
        for row in 0..plate.shape.0 {
            let (start, step) = on_row(layout, plate, corrector, row);
            let (heights, valid) = plate.row(row);
            let place = (plate.map.0 + row) * layout.map.1 + plate.map.1;
            let map = &mean.height[place..place + plate.shape.1];
            let reference = reference_row(layout, plate, row, reference);
            let mut of_row = 0.0;
            for (column, ((h, valid), map)) in heights.iter().zip(valid).zip(map).enumerate() {
                if *valid {
                    let left = map - (h + start + step * column as f64 + reference.map_or(0.0, |r| r[column]));
                    of_row += left * left;
                }
            }
            squares += of_row;
        }
        squares
    };
    let squares: Vec<f64> = layout.plates.par_iter().zip(correctors).map(of).collect();
    let counts = || layout.plates.iter().map(|p| p.count as f64);
    let total = squares.iter().sum::<f64>() / counts().sum::<f64>();
    (squares.iter().zip(counts()).map(|(s, n)| (s / n).sqrt()).collect(), total.sqrt())
}

/// The finished map.
pub(crate) fn height_map(layout: &Layout, mean: Mean) -> Result<(HeightMap, Array2<u16>), CrossCheckError> {
    let overlap = Array2::from_shape_vec(layout.map, mean.count).map_err(|_| CrossCheckError::Internal)?;
    let heights = Array2::from_shape_vec(layout.map, mean.height).map_err(|_| CrossCheckError::Internal)?;
    let valid = overlap.mapv(|n| n > 0);
    let map = HeightMap::new(heights, valid, Some(layout.pixel)).map_err(|_| CrossCheckError::Internal)?;
    Ok((map, overlap))
}
