//! The exact normal matrix of the sub-apertures' own terms with the map eliminated (dense), and its factor.
//!
//! Within a row the products of 1, u, v and power with the weights need three moments only, five with power. Those of two
//! sub-apertures come from running sums along the row of the first: the cost is that of the pixels once, and of the runs for every
//! pair. Where pixels have weights of their own, every pair is summed pixel by pixel.

use rayon::prelude::*;

use crate::cholesky::PivotedCholesky;
use crate::grid::Grid;
use crate::normal::{Normal, TERMS};
use crate::runs::common;
use crate::watch::Watch;
use crate::{StitchError, Terms};

/// Rows are summed in so many bands, whatever the number of threads.
const BANDS: usize = 16;

/// Products of the terms of two sub-apertures, row-major.
type Block = [f64; TERMS * TERMS];

/// Those of every pair k <= l that touches.
type Blocks = Vec<((usize, usize), Block)>;

/// Generalised inverse of the corrector matrix for the terms that are switched on.
#[derive(Debug, Clone)]
pub(crate) struct CorrectorInverse {
    /// (sub-aperture, term) of each unknown.
    unknowns: Vec<(usize, usize)>,
    /// The matrix itself, row-major.
    matrix: Vec<f64>,
    factor: PivotedCholesky,
}

/// Indices of the terms that are on, in the order piston, pitch, roll, power.
pub(crate) fn active(terms: Terms) -> Vec<usize> {
    let on = [terms.piston, terms.pitch, terms.roll, terms.curvature];
    on.iter().enumerate().filter(|(_, on)| **on).map(|(i, _)| i).collect()
}

impl CorrectorInverse {
    /// Builds and factors the matrix; `watch` may end it.
    pub fn new(normal: &Normal, terms: Terms, watch: &Watch) -> Result<Self, StitchError> {
        let on = active(terms);
        let n = normal.grid.plates.len();
        let unknowns: Vec<(usize, usize)> = (0..n).flat_map(|k| on.iter().map(move |t| (k, *t))).collect();
        let size = unknowns.len();
        let mut matrix = vec![0.0; size * size];
        let blocks = blocks(normal, watch)?;
        for ((k, l), block) in blocks {
            for (i, ti) in on.iter().enumerate() {
                for (j, tj) in on.iter().enumerate() {
                    let (row, column) = (k * on.len() + i, l * on.len() + j);
                    matrix[row * size + column] = block[ti * TERMS + tj];
                    matrix[column * size + row] = block[ti * TERMS + tj];
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
    pub fn apply(&self, right: &[[f64; TERMS]], out: &mut [[f64; TERMS]]) {
        let packed: Vec<f64> = self.unknowns.iter().map(|(k, t)| right[*k][*t]).collect();
        let mut solved = vec![0.0; packed.len()];
        self.factor.solve(&packed, &mut solved);
        out.fill([0.0; TERMS]);
        for ((k, t), value) in self.unknowns.iter().zip(solved) {
            out[*k][*t] = value;
        }
    }
}

/// Blocks for every pair k <= l that touches.
fn blocks(normal: &Normal, watch: &Watch) -> Result<Blocks, StitchError> {
    // Without power three moments are enough.
    if normal.grid.curvature { of_moments::<5>(normal, watch) } else { of_moments::<3>(normal, watch) }
}

fn of_moments<const M: usize>(normal: &Normal, watch: &Watch) -> Result<Blocks, StitchError> {
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
    let bands: Vec<Vec<Block>> = (0..BANDS)
        .into_par_iter()
        .map(|band| {
            let mut sums = vec![[0.0; TERMS * TERMS]; pairs.len()];
            let (mut running, mut buffer) = (Vec::new(), Vec::new());
            for row in rows * band / BANDS..rows * (band + 1) / BANDS {
                if watch.stopped() {
                    break;
                }
                let inverses = normal.inverse_row(row, &mut buffer);
                // The pairs are in the order of k, and each begins with that of k and itself.
                for ((k, l), block) in pairs.iter().zip(&mut sums) {
                    let moments = if normal.grid.is_weighted() {
                        weighted_moments::<M>(normal, row, (*k, *l), inverses)
                    } else if k == l {
                        own_moments::<M>(normal, row, *k, inverses, &mut running)
                    } else {
                        pair_moments::<M>(normal, row, (*k, *l), &running)
                    };
                    if let Some(moments) = moments {
                        add_row(normal.grid, row, (*k, *l), &moments, block);
                    }
                }
            }
            sums
        })
        .collect();
    watch.at(0.0)?;
    let mut total = vec![[0.0; TERMS * TERMS]; pairs.len()];
    for band in bands {
        for (t, b) in total.as_flattened_mut().iter_mut().zip(band.as_flattened()) {
            *t += b;
        }
    }
    Ok(pairs.into_iter().zip(total).collect())
}

/// Powers of `u` times `weight`.
fn powers<const M: usize>(weight: f64, u: f64) -> [f64; M] {
    let mut power = weight;
    std::array::from_fn(|_| {
        let this = power;
        power *= u;
        this
    })
}

/// Sums of (1 - 1 / count) (1, u, u^2, ...) over the pixels of one row. Fills `running` with the running sums of
/// (1, u, u^2, ...) / count along the row, u being its own, |u| <= 1: sums that grow with the distance from the
/// map's edge would cost the digits that decide the rank.
fn own_moments<const M: usize>(
    normal: &Normal,
    row: usize,
    k: usize,
    inverses: &[f64],
    running: &mut Vec<[f64; M]>,
) -> Option<[f64; M]> {
    running.clear();
    let plate = &normal.grid.plates[k];
    let own = plate.row_at_map(row)?;
    let columns = plate.shape.1;
    let inverses = &inverses[plate.map.1..][..columns];
    let us = &normal.grid.u[plate.camera.1..][..columns];
    let mut sum = [0.0; M];
    running.push(sum);
    running.extend(inverses.iter().zip(us).map(|(inverse, u)| {
        for (sum, add) in sum.iter_mut().zip(powers::<M>(*inverse, *u)) {
            *sum += add;
        }
        sum
    }));
    let mut moments = [0.0f64; M];
    for &(start, end) in normal.used[k].row(own) {
        let columns = start as usize..end as usize;
        for (inverse, u) in inverses[columns.clone()].iter().zip(&us[columns]) {
            for (moment, add) in moments.iter_mut().zip(powers::<M>(1.0 - inverse, *u)) {
                *moment += add;
            }
        }
    }
    Some(moments)
}

/// Sums of -(1, u, u^2, ...) / count over the pixels of one row that two sub-apertures share, u being that of the first.
fn pair_moments<const M: usize>(
    normal: &Normal,
    row: usize,
    (k, l): (usize, usize),
    running: &[[f64; M]],
) -> Option<[f64; M]> {
    let (a, b) = (&normal.grid.plates[k], &normal.grid.plates[l]);
    let (own_a, own_b) = (a.row_at_map(row)?, b.row_at_map(row)?);
    let mut m = [0.0f64; M];
    common(normal.used[k].row(own_a), a.map.1, normal.used[l].row(own_b), b.map.1, |start, end| {
        let (start, end) = (&running[start - a.map.1], &running[end - a.map.1]);
        for (m, (start, end)) in m.iter_mut().zip(start.iter().zip(end)) {
            *m -= end - start;
        }
    });
    Some(m)
}

/// Sums of w_k (1 if k = l, else 0, - w_l / sum of w) (1, u, u^2, ...), pixel by pixel.
fn weighted_moments<const M: usize>(
    normal: &Normal,
    row: usize,
    (k, l): (usize, usize),
    inverses: &[f64],
) -> Option<[f64; M]> {
    let (a, b) = (&normal.grid.plates[k], &normal.grid.plates[l]);
    let (own_a, own_b) = (a.row_at_map(row)?, b.row_at_map(row)?);
    let own = if k == l { 1.0 } else { 0.0 };
    let mut m = [0.0f64; M];
    common(normal.used[k].row(own_a), a.map.1, normal.used[l].row(own_b), b.map.1, |start, end| {
        for (column, inverse) in (start..end).zip(&inverses[start..end]) {
            let (in_a, in_b) = (column - a.map.1, column - b.map.1);
            let weight = a.weight(own_a, in_a) * (own - b.weight(own_b, in_b) * inverse);
            let u = normal.grid.u[a.camera.1 + in_a];
            for (m, add) in m.iter_mut().zip(powers::<M>(weight, u)) {
                *m += add;
            }
        }
    });
    Some(m)
}

/// Adds the products of 1, u, v and power of the two sub-apertures in one map row to their block.
fn add_row<const M: usize>(grid: &Grid, row: usize, (k, l): (usize, usize), m: &[f64; M], block: &mut Block) {
    let (a, b) = (&grid.plates[k], &grid.plates[l]);
    // Columns from the one camera column to the other, of the same map column.
    let shift = (a.map.1 as f64 - a.camera.1 as f64) - (b.map.1 as f64 - b.camera.1 as f64);
    let shift = shift / grid.scale.0;
    let (va, vb) = (grid.v[a.camera.0 + row - a.map.0], grid.v[b.camera.0 + row - b.map.0]);
    // Along the row each term is a polynomial of u of the first: 1, u + shift of the second, ...
    let (su, sv) = grid.power;
    let of_a = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [va, 0.0, 0.0], [sv * va * va, 0.0, su]];
    let bent = [sv * vb * vb + su * shift * shift, 2.0 * su * shift, su];
    let of_b = [[1.0, 0.0, 0.0], [shift, 1.0, 0.0], [vb, 0.0, 0.0], bent];
    // Without power there are moments for the first three terms only.
    let terms = if M < 5 { 3 } else { TERMS };
    for (i, p) in of_a.iter().take(terms).enumerate() {
        for (j, q) in of_b.iter().take(terms).enumerate() {
            let mut product = 0.0;
            for (degree_p, p) in p.iter().enumerate().filter(|(_, p)| **p != 0.0) {
                for (degree_q, q) in q.iter().enumerate().filter(|(_, q)| **q != 0.0) {
                    product += p * q * m[degree_p + degree_q];
                }
            }
            block[i * TERMS + j] += product;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

    use super::*;
    use crate::additive::Additive;
    use crate::{Options, Placed, Weights};

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
    fn direct(normal: &Normal, (k, l): (usize, usize)) -> Block {
        let grid = normal.grid;
        let basis = |k: usize, row: usize, column: usize| {
            let plate = &grid.plates[k];
            let own = (row.checked_sub(plate.map.0)?, column.checked_sub(plate.map.1)?);
            let inside = own.0 < plate.shape.0
                && normal.used[k].row(own.0).iter().any(|(s, e)| (*s as usize..*e as usize).contains(&own.1));
            inside.then(|| {
                let (u, v) = (grid.u[plate.camera.1 + own.1], grid.v[plate.camera.0 + own.0]);
                let power = if grid.curvature { grid.power.0 * u * u + grid.power.1 * v * v } else { 0.0 };
                ([1.0, u, v, power], plate.weight(own.0, own.1))
            })
        };
        let mut block = [0.0; TERMS * TERMS];
        let mut buffer = Vec::new();
        let from = grid.plates[k].map.1;
        for row in 0..grid.map.0 {
            for column in from..from + grid.plates[k].shape.1 {
                let (Some((a, wa)), Some((b, wb))) = (basis(k, row, column), basis(l, row, column)) else { continue };
                let weight = wa * (f64::from(u8::from(k == l)) - wb * normal.inverse_row(row, &mut buffer)[column]);
                for i in 0..TERMS * TERMS {
                    block[i] += weight * a[i / TERMS] * b[i % TERMS];
                }
            }
        }
        block
    }

    #[test]
    fn far_from_the_edge_of_a_long_map_no_digit_is_lost() {
        for (count, curvature, weights) in [
            (40, false, Weights::Equal),
            (400, false, Weights::Equal),
            (40, true, Weights::Equal),
            (40, true, Weights::Intensity),
        ] {
            let mut series = chain(count);
            for (k, p) in series.iter_mut().enumerate() {
                let bright = |(row, column): (usize, usize)| 1.0 + ((row * 3 + column * 5 + k) % 7) as f32;
                p.sub_aperture.intensity = Some(Array2::from_shape_fn((5, 30), bright));
            }
            let all = Terms { piston: true, pitch: true, roll: true, curvature };
            let options = Options { terms: all, weights, ..Options::default() };
            let grid = Grid::new(&series, &options).unwrap();
            let used = grid.plates.iter().map(|p| p.runs.clone()).collect();
            let watch = Watch::step(&(), 0.0, 1.0, "solving").unwrap();
            let normal = Normal::new(&grid, used, Additive::reference(count), &watch).unwrap();
            for (pair, block) in blocks(&normal, &watch).unwrap() {
                let expected = direct(&normal, pair);
                for (found, expected) in block.iter().zip(expected) {
                    assert!((found - expected).abs() < 4e-12, "{pair:?}: {found} for {expected}");
                }
            }
            // With power that of the map is one more that the sub-apertures can imitate.
            let free = if curvature { 4 } else { 3 };
            assert_eq!(
                CorrectorInverse::new(&normal, all, &watch).unwrap().rank(),
                (3 + usize::from(curvature)) * count - free
            );
        }
    }
}
