//! From the solution to the maps: heights, residuals, overlap count, noise and uncertainty.

use ndarray::Array2;
use rayon::prelude::*;

use crate::StitchError;
use crate::conjugate::State;
use crate::line::{BLOCK, Quantity, blocks};
use crate::normal::Normal;
use crate::watch::Watch;

/// Maps and sums of squares that belong to one solution, row-major.
pub(crate) struct Assembled {
    pub height: Vec<f64>,
    pub residual: Vec<f64>,
    /// Sum over overlaps of the variance that the reference adds, in units of the noise variance, times (w / sum of w)^2.
    pub spread: Vec<f64>,
    /// Per sub-aperture: sum of squared residuals (times weight) and number of pixels, where at least two overlap.
    pub squares: Vec<(f64, usize)>,
    /// Map pixels where at least two overlap.
    pub overlapping: usize,
}

/// Rows of the map that one task works on.
const ROWS: usize = 8;

/// Everything of some map rows.
struct Rows<'a> {
    height: &'a mut [f64],
    residual: &'a mut [f64],
    spread: &'a mut [f64],
}

/// Computes the maps. `reference_variance` is the variance of the reference at each camera pixel in units of the
/// noise variance (zero where it is given).
pub(crate) fn assemble(
    normal: &Normal,
    state: &State,
    reference_variance: &[f64],
    watch: &Watch,
) -> Result<Assembled, StitchError> {
    let grid = normal.grid;
    let (rows, columns) = grid.map;
    let n = grid.plates.len();
    let mut height = vec![0.0; rows * columns];
    let mut residual = vec![0.0; rows * columns];
    let mut spread = vec![0.0; rows * columns];
    let mut squares = vec![(0.0, 0usize); rows.div_ceil(ROWS) * n];
    height
        .par_chunks_mut(ROWS * columns)
        .zip(residual.par_chunks_mut(ROWS * columns))
        .zip(spread.par_chunks_mut(ROWS * columns))
        .zip(squares.par_chunks_mut(n))
        .enumerate()
        .for_each(|(task, (((height, residual), spread), squares))| {
            if watch.stopped() {
                return;
            }
            let lines = height.chunks_mut(columns).zip(residual.chunks_mut(columns)).zip(spread.chunks_mut(columns));
            for (i, ((height, residual), spread)) in lines.enumerate() {
                let out = Rows { height, residual, spread };
                fill_row(normal, state, reference_variance, task * ROWS + i, out, squares);
            }
        });
    watch.still()?;
    grid.readable()?;
    let mut of_plates = vec![(0.0, 0usize); n];
    for row in squares.chunks_exact(n) {
        for (total, part) in of_plates.iter_mut().zip(row) {
            *total = (total.0 + part.0, total.1 + part.1);
        }
    }
    let overlapping = normal.count.iter().filter(|n| **n >= 2).count();
    Ok(Assembled { height, residual, spread, squares: of_plates, overlapping })
}

/// An array of these rows and columns.
pub(crate) fn shaped<T>(shape: (usize, usize), values: Vec<T>) -> Result<Array2<T>, StitchError> {
    Array2::from_shape_vec(shape, values).map_err(|_| StitchError::Internal { step: "assembling the map" })
}

fn fill_row(
    normal: &Normal,
    state: &State,
    reference_variance: &[f64],
    row: usize,
    out: Rows,
    squares: &mut [(f64, usize)],
) {
    let grid = normal.grid;
    let (mut inverses, mut heights, mut buffer) = (Vec::new(), Vec::new(), [0.0; BLOCK]);
    let inverses = normal.inverse_row(row, &mut inverses);
    let counts = &normal.count[row * grid.map.1..(row + 1) * grid.map.1];
    normal.mean_row(row, Quantity::Corrected, state, out.height);
    for (k, plate) in grid.plates.iter().enumerate() {
        let Some(own) = plate.row_at_map(row) else { continue };
        let line = normal.line(Quantity::Corrected, (k, own), &state.reference, &state.correctors[k], &mut heights);
        let variance = &reference_variance[(plate.camera.0 + own) * grid.camera.1 + plate.camera.1..];
        for &(start, end) in normal.used[k].row(own) {
            for (from, to) in blocks(start, end) {
                let values = &mut buffer[..to - from];
                line.fill(from, values);
                let columns = plate.map.1 + from..plate.map.1 + to;
                let weighted = grid.is_weighted();
                let (mut sum, mut number) = (0.0, 0);
                let of_map = out.height[columns.clone()].iter().zip(&mut out.residual[columns.clone()]);
                let more = out.spread[columns.clone()].iter_mut().zip(&counts[columns.clone()]).zip(&inverses[columns]);
                for (i, (value, ((height, residual), ((spread, count), inverse)))) in
                    values.iter().zip(of_map.zip(more)).enumerate()
                {
                    let weight = if weighted { plate.weight(own, from + i) } else { 1.0 };
                    let part = weight * inverse;
                    *spread += variance[from + i] * (part * part);
                    if *count > 1 {
                        let e = value - height;
                        *residual += e * e * part;
                        sum += weight * (e * e);
                        number += 1;
                    }
                }
                squares[k].0 += sum;
                squares[k].1 += number;
            }
        }
    }
    for residual in out.residual {
        *residual = residual.sqrt();
    }
}
