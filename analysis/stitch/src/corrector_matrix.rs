//! The exact normal matrix of piston, pitch and roll with the map eliminated (3N x 3N, dense), and its factor.
//!
//! Within a row the products of 1, u, v with the weights need three moments only, and those come from running sums
//! along the map row: the cost is that of the runs, not of the pixels.

use rayon::prelude::*;

use crate::Terms;
use crate::cholesky::PivotedCholesky;
use crate::normal::Normal;
use crate::runs::common;

/// Rows are summed in so many bands, whatever the number of threads.
const BANDS: usize = 32;

/// Generalised inverse of the corrector matrix for the terms that are switched on.
#[derive(Debug, Clone)]
pub(crate) struct CorrectorInverse {
    /// (sub-aperture, term) of each unknown.
    unknowns: Vec<(usize, usize)>,
    factor: PivotedCholesky,
}

/// Indices of the terms that are on, in the order piston, pitch, roll.
pub(crate) fn active(terms: Terms) -> Vec<usize> {
    [terms.piston, terms.pitch, terms.roll].iter().enumerate().filter(|(_, on)| **on).map(|(i, _)| i).collect()
}

impl CorrectorInverse {
    pub fn new(normal: &Normal, terms: Terms) -> Self {
        let on = active(terms);
        let n = normal.grid.plates.len();
        let unknowns: Vec<(usize, usize)> = (0..n).flat_map(|k| on.iter().map(move |t| (k, *t))).collect();
        let size = unknowns.len();
        let mut matrix = vec![0.0; size * size];
        for ((k, l), block) in blocks(normal) {
            for (i, ti) in on.iter().enumerate() {
                for (j, tj) in on.iter().enumerate() {
                    let (row, column) = (k * on.len() + i, l * on.len() + j);
                    matrix[row * size + column] = block[ti * 3 + tj];
                    matrix[column * size + row] = block[ti * 3 + tj];
                }
            }
        }
        Self { unknowns, factor: PivotedCholesky::new(&matrix, size) }
    }

    /// Number of unknowns that the data determine with the reference held.
    pub fn rank(&self) -> usize {
        self.factor.rank()
    }

    /// `out = M^- right`; terms that are off come out as zero.
    pub fn apply(&self, right: &[[f64; 3]], out: &mut [[f64; 3]]) {
        let packed: Vec<f64> = self.unknowns.iter().map(|(k, t)| right[*k][*t]).collect();
        let mut solved = vec![0.0; packed.len()];
        self.factor.solve(&packed, &mut solved);
        out.fill([0.0; 3]);
        for ((k, t), value) in self.unknowns.iter().zip(solved) {
            out[*k][*t] = value;
        }
    }
}

/// 3 x 3 blocks, row-major, for every pair k <= l that touches.
fn blocks(normal: &Normal) -> Vec<((usize, usize), [f64; 9])> {
    let plates = &normal.grid.plates;
    let meet = |a: usize, a_len: usize, b: usize, b_len: usize| a < b + b_len && b < a + a_len;
    let pairs: Vec<(usize, usize)> = (0..plates.len())
        .flat_map(|k| (k..plates.len()).map(move |l| (k, l)))
        .filter(|(k, l)| {
            let (a, b) = (&plates[*k], &plates[*l]);
            meet(a.map.0, a.shape.0, b.map.0, b.shape.0) && meet(a.map.1, a.shape.1, b.map.1, b.shape.1)
        })
        .collect();
    let rows = normal.grid.map.0;
    let bands: Vec<Vec<[f64; 9]>> = (0..BANDS)
        .into_par_iter()
        .map(|band| {
            let mut sums = vec![[0.0; 9]; pairs.len()];
            let mut running = RunningSums::default();
            for row in rows * band / BANDS..rows * (band + 1) / BANDS {
                running.fill(normal, row);
                for ((k, l), block) in pairs.iter().zip(&mut sums) {
                    add_row(normal, row, (*k, *l), &running, block);
                }
            }
            sums
        })
        .collect();
    let mut total = vec![[0.0; 9]; pairs.len()];
    for band in bands {
        for (t, b) in total.iter_mut().zip(band) {
            for (t, b) in t.iter_mut().zip(b) {
                *t += b;
            }
        }
    }
    pairs.into_iter().zip(total).collect()
}

/// Running sums along a map row of 1, x, x^2 (x in units of u), plain and weighted with 1 / count.
#[derive(Default)]
struct RunningSums {
    weighted: Vec<[f64; 3]>,
    plain: Vec<[f64; 3]>,
}

impl RunningSums {
    fn fill(&mut self, normal: &Normal, row: usize) {
        let unit = normal.grid.scale.0;
        let plain_is_known = self.plain.len() == normal.grid.map.1 + 1;
        self.weighted.clear();
        self.weighted.push([0.0; 3]);
        let mut sum = [0.0; 3];
        for (column, inverse) in normal.inverse_row(row).iter().enumerate() {
            let x = column as f64 / unit;
            sum = [sum[0] + inverse, sum[1] + inverse * x, sum[2] + inverse * x * x];
            self.weighted.push(sum);
        }
        if !plain_is_known {
            self.plain = vec![[0.0; 3]];
            let mut sum = [0.0; 3];
            for column in 0..normal.grid.map.1 {
                let x = column as f64 / unit;
                sum = [sum[0] + 1.0, sum[1] + x, sum[2] + x * x];
                self.plain.push(sum);
            }
        }
    }
}

/// Adds `[k = l] B_k B_l - B_k B_l / count` of one map row.
fn add_row(normal: &Normal, row: usize, (k, l): (usize, usize), running: &RunningSums, block: &mut [f64; 9]) {
    let grid = normal.grid;
    let (a, b) = (&grid.plates[k], &grid.plates[l]);
    let (Some(own_a), Some(own_b)) = (a.row_at_map(row), b.row_at_map(row)) else { return };
    let mut m = [0.0f64; 3];
    common(normal.used[k].row(own_a), a.map.1, normal.used[l].row(own_b), b.map.1, |start, end| {
        for (i, m) in m.iter_mut().enumerate() {
            *m -= running.weighted[end][i] - running.weighted[start][i];
            if k == l {
                *m += running.plain[end][i] - running.plain[start][i];
            }
        }
    });
    // u = x - offset for each of the two.
    let offset = |p: &crate::grid::Plate| p.map.1 as f64 / grid.scale.0 - grid.u[p.camera.1];
    let (oa, ob) = (offset(a), offset(b));
    let (va, vb) = (grid.v[a.camera.0 + own_a], grid.v[b.camera.0 + own_b]);
    let (ua, ub) = (m[1] - oa * m[0], m[1] - ob * m[0]);
    let uu = m[2] - (oa + ob) * m[1] + oa * ob * m[0];
    let add = [m[0], ub, vb * m[0], ua, uu, vb * ua, va * m[0], va * ub, va * vb * m[0]];
    for (total, value) in block.iter_mut().zip(add) {
        *total += value;
    }
}
