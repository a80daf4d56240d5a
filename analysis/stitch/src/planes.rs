//! Where the solver starts: the least-squares plane of every sub-aperture.

use rayon::prelude::*;

use crate::Terms;
use crate::cholesky::PivotedCholesky;
use crate::conjugate::State;
use crate::corrector_matrix::active;
use crate::grid::Grid;
use crate::normal::TERMS;

/// Rows of a sub-aperture that are looked at, at least: a start needs no more.
const ROWS: usize = 32;

/// Starts every corrector at the least-squares plane of its sub-aperture, as far as the terms allow.
pub(crate) fn fit_planes(grid: &Grid, terms: Terms, state: &mut State) {
    let on: Vec<usize> = active(terms).into_iter().filter(|term| *term < 3).collect();
    let planes: Vec<[f64; TERMS]> = grid
        .plates
        .par_iter()
        .map(|plate| {
            let mut sums = [0.0; 12];
            let mut buffer = Vec::new();
            let stride = (plate.shape.0 / ROWS).max(1);
            for row in (0..plate.shape.0).step_by(stride) {
                let values = plate.row(row, &mut buffer);
                let v = grid.v[plate.camera.0 + row];
                let reference = &state.reference[(plate.camera.0 + row) * grid.camera.1 + plate.camera.1..];
                let (mut e, mut eu, mut n, mut nu, mut nuu) = (0.0, 0.0, 0.0, 0.0, 0.0);
                for &(start, end) in plate.runs.row(row) {
                    let columns = start as usize..end as usize;
                    let heights = values[columns.clone()].iter().zip(&reference[columns.clone()]);
                    for ((height, reference), u) in heights.zip(&grid.u[plate.camera.1..][columns]) {
                        let height = height - reference;
                        e += height;
                        eu += height * u;
                        n += 1.0;
                        nu += u;
                        nuu += u * u;
                    }
                }
                let add = [n, nu, n * v, nu, nuu, nu * v, n * v, nu * v, n * v * v, e, eu, e * v];
                for (sum, value) in sums.iter_mut().zip(add) {
                    *sum += value;
                }
            }
            let matrix: Vec<f64> = on.iter().flat_map(|i| on.iter().map(move |j| sums[i * 3 + j])).collect();
            let right: Vec<f64> = on.iter().map(|i| sums[9 + i]).collect();
            let mut fitted = vec![0.0; on.len()];
            PivotedCholesky::new(&matrix, on.len()).solve(&right, &mut fitted);
            let mut plane = [0.0; TERMS];
            for (i, value) in on.iter().zip(fitted) {
                plane[*i] = value;
            }
            plane
        })
        .collect();
    state.correctors = planes;
}
