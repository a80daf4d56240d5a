//! From the solution to the maps: heights, residuals, overlap count, noise and uncertainty.

use std::path::Path;

use rayon::prelude::*;

use crate::StitchError;
use crate::cholesky::dot;
use crate::conjugate::State;
use crate::line::{BLOCK, Quantity, blocks};
use crate::normal::Normal;
use crate::pass::HeightRows;
use crate::plane::{Plane, TASK_ROWS};
use crate::watch::Watch;

/// Maps and sums of squares that belong to one solution, row-major.
pub(crate) struct Assembled {
    pub height: Plane,
    pub residual: Plane,
    /// Sum over overlaps of the variance that the reference adds, in units of the noise variance, times (w / sum of w)^2.
    pub spread: Plane,
    /// Per sub-aperture: sum of squared residuals (times weight) and number of pixels, where at least two overlap.
    pub squares: Vec<(f64, usize)>,
    /// Map pixels where at least two overlap.
    pub overlapping: usize,
}

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
    folder: Option<&Path>,
    watch: &Watch,
) -> Result<Assembled, StitchError> {
    let grid = normal.grid;
    let columns = grid.map.1;
    let n = grid.plates.len();
    let mut height = Plane::new(grid.map, folder, "height")?;
    let mut residual = Plane::new(grid.map, folder, "residual")?;
    let mut spread = Plane::new(grid.map, folder, "uncertainty")?;
    let mut of_plates = vec![(0.0, 0usize); n];
    for batch in height.batches() {
        let (mut heights, mut residuals, mut spreads) =
            (height.blank(&batch), residual.blank(&batch), spread.blank(&batch));
        let mut squares = vec![(0.0, 0usize); batch.len().div_ceil(TASK_ROWS) * n];
        heights
            .par_chunks_mut(TASK_ROWS * columns)
            .zip(residuals.par_chunks_mut(TASK_ROWS * columns))
            .zip(spreads.par_chunks_mut(TASK_ROWS * columns))
            .zip(squares.par_chunks_mut(n))
            .enumerate()
            .for_each(|(task, (((height, residual), spread), squares))| {
                if watch.stopped() {
                    return;
                }
                let lines =
                    height.chunks_mut(columns).zip(residual.chunks_mut(columns)).zip(spread.chunks_mut(columns));
                for (i, ((height, residual), spread)) in lines.enumerate() {
                    let out = Rows { height, residual, spread };
                    fill_row(normal, state, reference_variance, batch.start + task * TASK_ROWS + i, out, squares);
                }
            });
        watch.still()?;
        grid.readable()?;
        height.give(&batch, heights)?;
        residual.give(&batch, residuals)?;
        spread.give(&batch, spreads)?;
        for task in squares.chunks_exact(n) {
            for (total, part) in of_plates.iter_mut().zip(task) {
                *total = (total.0 + part.0, total.1 + part.1);
            }
        }
    }
    let overlapping = normal.count.iter().filter(|n| **n >= 2).count();
    Ok(Assembled { height, residual, spread, squares: of_plates, overlapping })
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
    let (mut inverses, mut rows, mut buffer) = (Vec::new(), HeightRows::default(), [0.0; BLOCK]);
    let inverses = normal.inverse_row(row, &mut inverses);
    let counts = &normal.count[row * grid.map.1..(row + 1) * grid.map.1];
    normal.mean_row_keeping(row, Quantity::Corrected, state, out.height, &mut rows);
    let weighted = grid.is_weighted();
    let here = grid.plates.iter().enumerate().filter_map(|(k, plate)| Some((k, plate, plate.row_at_map(row)?)));
    for (at, (k, plate, own)) in here.enumerate() {
        let heights = rows.get(at, plate, own);
        let line = normal.line_of(Some(heights), (k, own), &state.reference, &state.correctors[k]);
        let variance = &reference_variance[(plate.camera.0 + own) * grid.camera.1 + plate.camera.1..];
        for &(start, end) in normal.used[k].row(own) {
            for (from, to) in blocks(start, end) {
                let values = &mut buffer[..to - from];
                line.fill(from, values);
                let columns = plate.map.1 + from..plate.map.1 + to;
                let of_map = out.height[columns.clone()].iter().zip(&mut out.residual[columns.clone()]);
                let of_map = of_map.zip(&mut out.spread[columns.clone()]).zip(&variance[from..to]);
                if weighted {
                    let mut sum = 0.0;
                    let pairs = values.iter().zip(of_map).zip(&inverses[columns.clone()]);
                    for (i, ((value, (((height, residual), spread), variance)), inverse)) in pairs.enumerate() {
                        let weight = plate.weight(own, from + i);
                        let e = value - height;
                        // Times the inverse once more at the end of the row.
                        *spread += variance * (weight * weight) * inverse;
                        *residual += weight * (e * e);
                        sum += weight * (e * e);
                    }
                    squares[k].0 += sum;
                } else {
                    for (value, (((height, residual), spread), variance)) in values.iter_mut().zip(of_map) {
                        let e = *value - height;
                        *spread += variance;
                        *residual += e * e;
                        *value = e;
                    }
                    squares[k].0 += dot(values, values);
                }
                squares[k].1 += counts[columns].iter().filter(|count| **count > 1).count();
            }
        }
    }
    for ((spread, residual), (inverse, count)) in
        out.spread.iter_mut().zip(out.residual).zip(inverses.iter().zip(counts))
    {
        *spread *= if weighted { *inverse } else { inverse * inverse };
        // A value alone is its own mean, but for rounding where it has a weight.
        *residual = if *count > 1 { (*residual * inverse).sqrt() } else { 0.0 };
    }
}
