//! From the solution to the maps: heights, residuals, overlap count, noise and uncertainty.

use ndarray::Array2;
use rayon::prelude::*;

use crate::StitchError;
use crate::conjugate::State;
use crate::normal::{Line, Normal, Quantity, blocks};

/// Maps and sums of squares that belong to one solution.
pub(crate) struct Assembled {
    pub height: Array2<f64>,
    pub valid: Array2<bool>,
    pub residual: Array2<f64>,
    /// What the variance of a pixel has beyond 1 / n, in units of the noise variance: sum over overlaps, times 1 / n^2, of
    /// the variance of the reference and of what resampling added to 1.
    pub spread: Array2<f64>,
    /// Per sub-aperture: sum of squared residuals and number of pixels, where at least two overlap.
    pub squares: Vec<(f64, usize)>,
    /// Map pixels where at least two overlap.
    pub overlapping: usize,
}

/// Everything of one map row.
struct Row<'a> {
    height: &'a mut [f64],
    valid: &'a mut [bool],
    residual: &'a mut [f64],
    spread: &'a mut [f64],
}

/// Computes the maps. `reference_variance` is the variance of the reference at each camera pixel in units of the
/// noise variance (zero where it is given); `gains` are the factors by which resampling changed the variance of the pixels of
/// each sub-aperture.
pub(crate) fn assemble(
    normal: &Normal,
    state: &State,
    reference_variance: &[f64],
    gains: &[f64],
) -> Result<Assembled, StitchError> {
    let grid = normal.grid;
    let (rows, columns) = grid.map;
    let n = grid.plates.len();
    let mut height = vec![0.0; rows * columns];
    let mut valid = vec![false; rows * columns];
    let mut residual = vec![0.0; rows * columns];
    let mut spread = vec![0.0; rows * columns];
    let mut squares = vec![(0.0, 0usize); rows * n];
    height
        .par_chunks_mut(columns)
        .zip(valid.par_chunks_mut(columns))
        .zip(residual.par_chunks_mut(columns))
        .zip(spread.par_chunks_mut(columns))
        .zip(squares.par_chunks_mut(n))
        .enumerate()
        .for_each(|(row, ((((height, valid), residual), spread), squares))| {
            let out = Row { height, valid, residual, spread };
            fill_row(normal, state, (reference_variance, gains), row, out, squares);
        });
    let mut of_plates = vec![(0.0, 0usize); n];
    for row in squares.chunks_exact(n) {
        for (total, part) in of_plates.iter_mut().zip(row) {
            *total = (total.0 + part.0, total.1 + part.1);
        }
    }
    let overlapping = normal.count.iter().filter(|n| **n >= 2).count();
    Ok(Assembled {
        height: shaped(grid.map, height)?,
        valid: shaped(grid.map, valid)?,
        residual: shaped(grid.map, residual)?,
        spread: shaped(grid.map, spread)?,
        squares: of_plates,
        overlapping,
    })
}

/// An array of these rows and columns.
pub(crate) fn shaped<T>(shape: (usize, usize), values: Vec<T>) -> Result<Array2<T>, StitchError> {
    Array2::from_shape_vec(shape, values).map_err(|_| StitchError::Internal { step: "assembling the map" })
}

fn fill_row(
    normal: &Normal,
    state: &State,
    (reference_variance, gains): (&[f64], &[f64]),
    row: usize,
    out: Row,
    squares: &mut [(f64, usize)],
) {
    let grid = normal.grid;
    let inverse = normal.inverse_row(row);
    normal.mean_row(row, Quantity::Corrected, &state.reference, &state.correctors, out.height);
    let mut buffer = vec![0.0; grid.camera.1];
    for (k, plate) in grid.plates.iter().enumerate() {
        let Some(own) = plate.row_at_map(row) else { continue };
        let line = Line::new(grid, plate, own, &state.reference, state.correctors[k]);
        let variance = &reference_variance[(plate.camera.0 + own) * grid.camera.1 + plate.camera.1..];
        for &(start, end) in normal.used[k].row(own) {
            for (from, to) in blocks(start, end) {
                let values = &mut buffer[..to - from];
                line.fill(Quantity::Corrected, from, values);
                for (i, value) in values.iter().enumerate() {
                    let column = plate.map.1 + from + i;
                    let inverse = inverse[column];
                    out.spread[column] += (gains[k] - 1.0 + variance[from + i]) * inverse * inverse;
                    if inverse < 1.0 {
                        let e = value - out.height[column];
                        out.residual[column] += e * e * inverse;
                        squares[k].0 += e * e;
                        squares[k].1 += 1;
                    }
                }
            }
        }
    }
    for ((valid, residual), inverse) in out.valid.iter_mut().zip(out.residual).zip(inverse) {
        *valid = *inverse > 0.0;
        *residual = residual.sqrt();
    }
}
