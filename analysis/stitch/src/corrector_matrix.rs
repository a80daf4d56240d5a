//! The exact normal matrix of piston, pitch and roll with the map eliminated (3N x 3N, dense), and its factor.
//!
//! Within a row the products of 1, u, v with the weights need three moments only. Those of two sub-apertures come from
//! running sums along the row of the first: the cost is that of the pixels once, and of the runs for every pair.

use rayon::prelude::*;

use crate::cholesky::PivotedCholesky;
use crate::grid::Grid;
use crate::normal::Normal;
use crate::runs::common;
use crate::watch::Watch;
use crate::{StitchError, Terms};

/// Rows are summed in so many bands, whatever the number of threads.
const BANDS: usize = 32;

/// Generalised inverse of the corrector matrix for the terms that are switched on.
#[derive(Debug, Clone)]
pub(crate) struct CorrectorInverse {
    /// (sub-aperture, term) of each unknown.
    unknowns: Vec<(usize, usize)>,
    /// The matrix itself, row-major.
    matrix: Vec<f64>,
    factor: PivotedCholesky,
}

/// Indices of the terms that are on, in the order piston, pitch, roll.
pub(crate) fn active(terms: Terms) -> Vec<usize> {
    [terms.piston, terms.pitch, terms.roll].iter().enumerate().filter(|(_, on)| **on).map(|(i, _)| i).collect()
}

impl CorrectorInverse {
    /// Builds and factors the matrix; `watch` may end it.
    pub fn new(normal: &Normal, terms: Terms, watch: &Watch) -> Result<Self, StitchError> {
        let on = active(terms);
        let n = normal.grid.plates.len();
        let unknowns: Vec<(usize, usize)> = (0..n).flat_map(|k| on.iter().map(move |t| (k, *t))).collect();
        let size = unknowns.len();
        let mut matrix = vec![0.0; size * size];
        let blocks = blocks(normal);
        watch.at(0.0)?;
        for ((k, l), block) in blocks {
            for (i, ti) in on.iter().enumerate() {
                for (j, tj) in on.iter().enumerate() {
                    let (row, column) = (k * on.len() + i, l * on.len() + j);
                    matrix[row * size + column] = block[ti * 3 + tj];
                    matrix[column * size + row] = block[ti * 3 + tj];
                }
            }
        }
        let factor = PivotedCholesky::polled(&matrix, size, &mut || watch.at(0.0))?;
        Ok(Self { unknowns, matrix, factor })
    }

    /// Sub-apertures with a term that these data do not determine: at least one of each part of the series that is
    /// tied together.
    pub fn undetermined(&self) -> Vec<usize> {
        let mut plates: Vec<usize> = self.factor.dropped().iter().map(|i| self.unknowns[*i].0).collect();
        plates.dedup();
        plates
    }

    /// (sub-aperture, term) of each unknown, in the order of the matrix.
    pub fn unknowns(&self) -> &[(usize, usize)] {
        &self.unknowns
    }

    /// The matrix itself, row-major.
    pub fn matrix(&self) -> &[f64] {
        &self.matrix
    }

    /// Its factor.
    pub fn factor(&self) -> &PivotedCholesky {
        &self.factor
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
            let mut running = Vec::new();
            for row in rows * band / BANDS..rows * (band + 1) / BANDS {
                // The pairs are in the order of k.
                let mut filled = None;
                for ((k, l), block) in pairs.iter().zip(&mut sums) {
                    if filled != Some(*k) {
                        fill_running(normal, row, *k, &mut running);
                        filled = Some(*k);
                    }
                    let moments = if k == l {
                        own_moments(normal, row, *k)
                    } else {
                        pair_moments(normal, row, (*k, *l), &running)
                    };
                    if let Some(moments) = moments {
                        add_row(normal.grid, row, (*k, *l), moments, block);
                    }
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

/// Running sums of (1, u, u^2) / count along one row of sub-aperture `k`, u being its own, |u| <= 1: sums that grow
/// with the distance from the map's edge would cost the digits that decide the rank.
fn fill_running(normal: &Normal, row: usize, k: usize, running: &mut Vec<[f64; 3]>) {
    running.clear();
    let plate = &normal.grid.plates[k];
    if plate.row_at_map(row).is_none() {
        return;
    }
    let columns = plate.shape.1;
    let inverses = &normal.inverse_row(row)[plate.map.1..][..columns];
    let mut sum = [0.0; 3];
    running.push(sum);
    for (inverse, u) in inverses.iter().zip(&normal.grid.u[plate.camera.1..][..columns]) {
        sum = [sum[0] + inverse, sum[1] + inverse * u, sum[2] + inverse * u * u];
        running.push(sum);
    }
}

/// Sums of (1 - 1 / count) (1, u, u^2) over the pixels of one row.
fn own_moments(normal: &Normal, row: usize, k: usize) -> Option<[f64; 3]> {
    let plate = &normal.grid.plates[k];
    let own = plate.row_at_map(row)?;
    let inverses = &normal.inverse_row(row)[plate.map.1..];
    let mut m = [0.0f64; 3];
    for &(start, end) in normal.used[k].row(own) {
        let columns = start as usize..end as usize;
        for (inverse, u) in inverses[columns.clone()].iter().zip(&normal.grid.u[plate.camera.1..][columns]) {
            let weight = 1.0 - inverse;
            m = [m[0] + weight, m[1] + weight * u, m[2] + weight * u * u];
        }
    }
    Some(m)
}

/// Sums of -(1, u, u^2) / count over the pixels of one row that two sub-apertures share, u being that of the first.
fn pair_moments(normal: &Normal, row: usize, (k, l): (usize, usize), running: &[[f64; 3]]) -> Option<[f64; 3]> {
    let (a, b) = (&normal.grid.plates[k], &normal.grid.plates[l]);
    let (own_a, own_b) = (a.row_at_map(row)?, b.row_at_map(row)?);
    let mut m = [0.0f64; 3];
    common(normal.used[k].row(own_a), a.map.1, normal.used[l].row(own_b), b.map.1, |start, end| {
        let (start, end) = (&running[start - a.map.1], &running[end - a.map.1]);
        for (m, (start, end)) in m.iter_mut().zip(start.iter().zip(end)) {
            *m -= end - start;
        }
    });
    Some(m)
}

/// Adds the products of 1, u, v of the two sub-apertures in one map row to their block.
fn add_row(grid: &Grid, row: usize, (k, l): (usize, usize), m: [f64; 3], block: &mut [f64; 9]) {
    let (a, b) = (&grid.plates[k], &grid.plates[l]);
    // Columns from the one camera column to the other, of the same map column.
    let shift = (a.map.1 as f64 - a.camera.1 as f64) - (b.map.1 as f64 - b.camera.1 as f64);
    let shift = shift / grid.scale.0;
    let (va, vb) = (grid.v[a.camera.0 + row - a.map.0], grid.v[b.camera.0 + row - b.map.0]);
    let (ua, ub, uu) = (m[1], m[1] + shift * m[0], m[2] + shift * m[1]);
    let add = [m[0], ub, vb * m[0], ua, uu, vb * ua, va * m[0], va * ub, va * vb * m[0]];
    for (total, value) in block.iter_mut().zip(add) {
        *total += value;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

    use super::*;
    use crate::Placed;

    /// Sub-apertures of 5 x 30 pixels in steps of 6 to 9, with holes and with windows that wander.
    fn chain(count: usize) -> Vec<Placed> {
        let mut x = 0;
        (0..count)
            .map(|k| {
                let heights = Array2::from_shape_fn((5, 30), |(row, column)| {
                    if (row * 31 + column * 7 + k * 13) % 29 == 0 { f64::NAN } else { 0.0 }
                });
                x += 6 + k * k % 4;
                let place = |x: usize| x as f64 * 0.1;
                Placed {
                    sub_aperture: SubAperture {
                        name: format!("{k}"),
                        map: HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.1, y_mm: 0.1 })),
                        window: DetectorWindow { column: (k % 3) as i64, row: (k % 2) as i64 },
                        position_mm: None,
                        intensity: None,
                        instrument: Instrument::default(),
                    },
                    x_mm: place(x),
                    y_mm: place(0),
                }
            })
            .collect()
    }

    /// The block of one pair, pixel by pixel.
    fn direct(normal: &Normal, (k, l): (usize, usize)) -> [f64; 9] {
        let grid = normal.grid;
        let basis = |k: usize, row: usize, column: usize| {
            let plate = &grid.plates[k];
            let own = (row.checked_sub(plate.map.0)?, column.checked_sub(plate.map.1)?);
            let inside = own.0 < plate.shape.0
                && normal.used[k].row(own.0).iter().any(|(s, e)| (*s as usize..*e as usize).contains(&own.1));
            inside.then(|| [1.0, grid.u[plate.camera.1 + own.1], grid.v[plate.camera.0 + own.0]])
        };
        let mut block = [0.0; 9];
        let from = grid.plates[k].map.1;
        for row in 0..grid.map.0 {
            for column in from..from + grid.plates[k].shape.1 {
                let (Some(a), Some(b)) = (basis(k, row, column), basis(l, row, column)) else { continue };
                let weight = f64::from(u8::from(k == l)) - normal.inverse_row(row)[column];
                for i in 0..9 {
                    block[i] += weight * a[i / 3] * b[i % 3];
                }
            }
        }
        block
    }

    #[test]
    fn far_from_the_edge_of_a_long_map_no_digit_is_lost() {
        for count in [40, 400] {
            let series = chain(count);
            let grid = Grid::new(&series).unwrap();
            let normal = Normal::new(&grid, grid.plates.iter().map(|p| p.runs.clone()).collect());
            for (pair, block) in blocks(&normal) {
                let expected = direct(&normal, pair);
                for (found, expected) in block.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-12, "{pair:?}: {found} for {expected}");
                }
            }
            let all = Terms { piston: true, pitch: true, roll: true };
            let watch = Watch::step(&(), 0.0, 1.0, "solving").unwrap();
            assert_eq!(CorrectorInverse::new(&normal, all, &watch).unwrap().rank(), 3 * count - 3);
        }
    }
}
