//! One step of Gauss and Newton for the places of all sub-apertures together, the map eliminated: a shift of sub-aperture k by
//! (dx, dy) px and a turn changes its data by `dx z_x + dy z_y + turn (x z_y - y z_x)`. What a plane imitates of that is left to the
//! correctors, which the next solve finds: only structure within the sub-aperture tells its place, and the long bends of the
//! chain, weakly tied, cannot pull at the positions.
//!
//! The residuals are compared with smoothed slopes of the stitched map. Those carry noise, not correlated with the residual of the
//! same pixel, and miss fine waves: how much of a true shift the comparison shows (its response) is told by their product with the
//! slopes over the whole band, the known share of noise taken off. A small response means that the data cannot tell the places.

use rayon::prelude::*;

use crate::between::Move;
use crate::cholesky::{PivotedCholesky, dot};
use crate::conjugate::State;
use crate::interpolation::REACH;
use crate::line::Quantity;
use crate::normal::Normal;
use crate::runs::common;
use crate::sheet::Sheet;
use crate::slopes::{DERIVATIVE, SMOOTHING, Slopes, noise_between};

/// Piston, pitch, roll, then dx, dy and the turn.
const TERMS: usize = 6;
const PLANE: usize = 3;
/// Products of pairs of pixels above which only every so many rows go into the matrix (never into the right side).
const MOST_PAIRS: usize = 8_000_000;
/// Of a direction with a smaller response nothing is told: there an error of the noise by some hundredths makes as much.
const LEAST_RESPONSE: f64 = 0.3;
/// No step is longer, px (a turn: at the edge of the camera).
const LONGEST: f64 = 1.0;

/// Unknowns of one sub-aperture that are looked for: dx (px), dy (px), turn (rad).
pub(crate) type Wanted = [bool; 3];

/// What one step found.
pub(crate) struct Step {
    /// dx (px), dy (px), turn (rad) of every sub-aperture; means are zero.
    pub moves: Vec<[f64; 3]>,
    /// Their standard uncertainties; infinite where the data cannot tell.
    pub sigma: Vec<[f64; 3]>,
}

/// Improves the places, given the heights as measured, the map at the present places and the noise of one pixel.
pub(crate) fn step(
    normal: &Normal,
    measured: &[&[f64]],
    state: &State,
    map: &[f64],
    noise_nm: f64,
    wanted: Wanted,
) -> Step {
    let grid = normal.grid;
    let n = grid.plates.len();
    let sheet = Sheet::new(map, grid.map.1, |i| normal.count[i] > 0);
    let problem = Problem {
        normal,
        slopes: Slopes::smoothed(&sheet, grid.map),
        whole: Slopes::whole(&sheet, grid.map),
        columns: grid.map.1,
    };
    let on: Vec<usize> = (0..3).filter(|i| wanted[*i]).collect();
    let (blocks, own) = problem.blocks();
    let right: Vec<[f64; TERMS]> =
        (0..n).into_par_iter().map(|k| problem.right(k, measured[k], state, &sheet)).collect();

    let planes: Vec<Planes> = blocks.iter().filter(|((k, l), _)| k == l).map(|(_, block)| planes_of(block)).collect();
    let response = response(&own, noise_nm);
    let size = n * on.len();
    let mut matrix = vec![0.0; size * size];
    for ((k, l), block) in &blocks {
        for (i, ti) in on.iter().enumerate() {
            for (j, tj) in on.iter().enumerate() {
                let (row, column) = (k * on.len() + i, l * on.len() + j);
                let value = without_planes(block, (&planes[*k][*ti], *ti), (&planes[*l][*tj], *tj));
                matrix[row * size + column] = value;
                matrix[column * size + row] = value;
            }
        }
    }
    let scale: Vec<f64> =
        (0..size).map(|i| matrix[i * size + i]).map(|d| if d > 0.0 { 1.0 / d.sqrt() } else { 0.0 }).collect();
    for (row, line) in matrix.chunks_exact_mut(size).enumerate() {
        for (value, of_column) in line.iter_mut().zip(&scale) {
            *value *= scale[row] * of_column;
        }
    }
    let factor = PivotedCholesky::new(&matrix, size);
    drop(matrix);
    let solve = |right: &[f64], without: &[Vec<f64>]| {
        let mut scaled: Vec<f64> = right.iter().zip(&scale).map(|(r, s)| r * s).collect();
        for free in without {
            let part = dot(&scaled, free);
            scaled.iter_mut().zip(free).for_each(|(r, f)| *r -= part * f);
        }
        let mut x = vec![0.0; size];
        factor.solve(&scaled, &mut x);
        x.iter_mut().zip(&scale).for_each(|(x, s)| *x *= s);
        x
    };
    let of_plate = |(right, planes): (&[f64; TERMS], &Planes)| {
        let about = |t: usize| (0..PLANE).map(|j| planes[t][j] * right[j]).sum::<f64>();
        on.iter().map(|t| right[PLANE + t] - about(*t)).collect::<Vec<f64>>()
    };
    let packed: Vec<f64> = right.iter().zip(&planes).flat_map(of_plate).collect();
    let places: Vec<(f64, f64)> = grid.plates.iter().map(|p| (p.step.0 as f64, p.step.1 as f64)).collect();
    let shifts = |x: &[f64]| -> Vec<[f64; 3]> {
        let mut of = vec![[0.0; 3]; n];
        for (k, own) in x.chunks_exact(on.len()).enumerate() {
            for (t, value) in on.iter().zip(own) {
                of[k][*t] = *value;
            }
        }
        centred(of, &places, wanted)
    };
    let mut moves = shifts(&solve(&packed, &free(&on, &scale, &places)));
    // Columns of the covariance, one for each wanted unknown, brought into the gauge from both sides.
    let unknowns: Vec<(usize, usize)> =
        (0..n).flat_map(|k| (0..3).filter(|i| wanted[*i]).map(move |i| (k, i))).collect();
    let columns: Vec<Vec<[f64; 3]>> = unknowns
        .par_iter()
        .map(|(k, i)| {
            let mut unit = vec![0.0; size];
            if let Some(place) = on.iter().position(|t| t == i) {
                unit[k * on.len() + place] = 1.0;
            }
            shifts(&solve(&unit, &[]))
        })
        .collect();
    let mut sigma = vec![[0.0; 3]; n];
    for (k, i) in &unknowns {
        // The row of unknown (k, i) over all columns, centred likewise.
        let mut row = vec![[0.0; 3]; n];
        for ((l, j), column) in unknowns.iter().zip(&columns) {
            row[*l][*j] = column[*k][*i];
        }
        let variance = centred(row, &places, wanted)[*k][*i];
        sigma[*k][*i] = if response[*i] > LEAST_RESPONSE {
            noise_nm * variance.max(0.0).sqrt() / response[*i]
        } else {
            f64::INFINITY
        };
    }
    let reach = grid.scale.0.max(grid.scale.1);
    for own in &mut moves {
        for (i, value) in own.iter_mut().enumerate() {
            let longest = if i < 2 { LONGEST } else { LONGEST / reach };
            *value = (*value / response[i].max(LEAST_RESPONSE)).clamp(-longest, longest);
        }
    }
    Step { moves, sigma }
}

/// Directions that change no datum (shifts and turn of the mirror as a whole), orthonormal, in the scaled unknowns: what rounding and
/// rims leave of them on the right side says nothing.
fn free(on: &[usize], scale: &[f64], places: &[(f64, f64)]) -> Vec<Vec<f64>> {
    let mut found: Vec<Vec<f64>> = Vec::new();
    for which in on {
        let of_whole = |(x, y): (f64, f64)| match which {
            0 => [1.0, 0.0, 0.0],
            1 => [0.0, 1.0, 0.0],
            _ => [-y, x, 1.0],
        };
        let mut direction: Vec<f64> = places.iter().flat_map(|place| on.iter().map(|t| of_whole(*place)[*t])).collect();
        for (value, s) in direction.iter_mut().zip(scale) {
            *value = if *s > 0.0 { *value / s } else { 0.0 };
        }
        for other in &found {
            let part = dot(&direction, other);
            direction.iter_mut().zip(other).for_each(|(d, o)| *d -= part * o);
        }
        let length = dot(&direction, &direction).sqrt();
        if length > 0.0 {
            direction.iter_mut().for_each(|d| *d /= length);
            found.push(direction);
        }
    }
    found
}

/// Piston, pitch and roll that imitate dx, dy and the turn of one plate best.
type Planes = [[f64; PLANE]; 3];

fn planes_of(block: &[f64; TERMS * TERMS]) -> Planes {
    let plane: Vec<f64> = (0..PLANE * PLANE).map(|i| block[i / PLANE * TERMS + i % PLANE]).collect();
    let factor = PivotedCholesky::new(&plane, PLANE);
    let mut planes = [[0.0; PLANE]; 3];
    for (i, fitted) in planes.iter_mut().enumerate() {
        let with: Vec<f64> = (0..PLANE).map(|j| block[j * TERMS + PLANE + i]).collect();
        factor.solve(&with, fitted);
    }
    planes
}

/// The product of two moves of two plates, each without the plane that imitates it.
fn without_planes(
    block: &[f64; TERMS * TERMS],
    (plane_a, a): (&[f64; PLANE], usize),
    (plane_b, b): (&[f64; PLANE], usize),
) -> f64 {
    let at = |i: usize, j: usize| block[i * TERMS + j];
    let mut value = at(PLANE + a, PLANE + b);
    for i in 0..PLANE {
        value -= plane_a[i] * at(i, PLANE + b) + plane_b[i] * at(PLANE + a, i);
        for (j, of_b) in plane_b.iter().enumerate() {
            value += plane_a[i] * of_b * at(i, j);
        }
    }
    value
}

/// Takes off what only moves or turns the mirror as a whole: means of dx, dy and turn become zero.
fn centred(mut of: Vec<[f64; 3]>, places: &[(f64, f64)], wanted: Wanted) -> Vec<[f64; 3]> {
    let n = of.len().max(1) as f64;
    if wanted[2] {
        let turn = of.iter().map(|o| o[2]).sum::<f64>() / n;
        for (own, (x, y)) in of.iter_mut().zip(places) {
            own[0] += turn * y;
            own[1] -= turn * x;
            own[2] -= turn;
        }
    }
    for i in 0..2 {
        let mean = of.iter().map(|o| o[i]).sum::<f64>() / n;
        of.iter_mut().for_each(|o| o[i] -= mean);
    }
    for own in &mut of {
        for (value, _) in own.iter_mut().zip(wanted).filter(|(_, wanted)| !wanted) {
            *value = 0.0;
        }
    }
    of
}

/// For dx, dy and the turn: what the comparison with smoothed slopes shows of a shift by one, beyond what pistons, pitches and rolls
/// imitate.
fn response(own: &[Own], noise_nm: f64) -> [f64; 3] {
    let (mut squares, mut products) = ([0.0; 2], [0.0; 2]);
    for Own { noise, gram } in own {
        let plane: Vec<f64> = (0..PLANE * PLANE).map(|i| gram[i / PLANE][i % PLANE]).collect();
        let factor = PivotedCholesky::new(&plane, PLANE);
        for i in 0..2 {
            let (smoothed, whole) = (PLANE + i, PLANE + 2 + i);
            let with: Vec<f64> = (0..PLANE).map(|j| gram[j][smoothed]).collect();
            let mut fitted = vec![0.0; PLANE];
            factor.solve(&with, &mut fitted);
            let beyond =
                |other: usize| gram[smoothed][other] - (0..PLANE).map(|j| fitted[j] * gram[j][other]).sum::<f64>();
            squares[i] += beyond(smoothed);
            products[i] += beyond(whole) - noise * noise_nm * noise_nm * noise_between();
        }
    }
    let of = |i: usize| if squares[i] > 0.0 { (products[i] / squares[i]).max(0.0) } else { 0.0 };
    [of(0), of(1), 0.5 * (of(0) + of(1))]
}

/// Sums over one sub-aperture, away from the edges of the map, where slopes lean on what the map was continued with: noise of the map, and
/// products of 1, u, v, the smoothed slopes and those over the whole band.
#[derive(Clone, Copy, Default)]
struct Own {
    noise: f64,
    gram: [[f64; 7]; 7],
}

/// Farther from both ends of a map's row or column than a filter reaches, if it is long enough to have such pixels.
fn inside(at: usize, length: usize) -> bool {
    length < 4 * REACH || (REACH..length - REACH).contains(&at)
}

struct Problem<'a> {
    normal: &'a Normal<'a>,
    slopes: Slopes,
    whole: Slopes,
    columns: usize,
}

type Block = ((usize, usize), [f64; TERMS * TERMS]);

impl Problem<'_> {
    /// 1, u, v, slope along x, slope along y, and what a turn changes, of plate `k` at one map pixel.
    fn basis(&self, k: usize, row: usize, column: usize) -> [f64; TERMS] {
        let grid = self.normal.grid;
        let plate = &grid.plates[k];
        let (u, v) = (grid.u[plate.camera.1 + column - plate.map.1], grid.v[plate.camera.0 + row - plate.map.0]);
        let at = row * self.columns + column;
        let (x, y) = (f64::from(self.slopes.x[at]), f64::from(self.slopes.y[at]));
        [1.0, u, v, x, y, u * grid.scale.0 * y - v * grid.scale.1 * x]
    }

    /// Blocks of the normal matrix for all pairs k <= l that touch, and the sums of each plate.
    fn blocks(&self) -> (Vec<Block>, Vec<Own>) {
        let grid = self.normal.grid;
        let plates = &grid.plates;
        let meet = |a: usize, a_len: usize, b: usize, b_len: usize| a < b + b_len && b < a + a_len;
        let pairs: Vec<(usize, usize)> = (0..plates.len())
            .flat_map(|k| (k..plates.len()).map(move |l| (k, l)))
            .filter(|(k, l)| {
                let (a, b) = (&plates[*k], &plates[*l]);
                meet(a.map.0, a.shape.0, b.map.0, b.shape.0) && meet(a.map.1, a.shape.1, b.map.1, b.shape.1)
            })
            .collect();
        let common_pixels = |k: usize, l: usize| {
            let (a, b) = (&plates[k], &plates[l]);
            let along =
                |a: usize, a_len: usize, b: usize, b_len: usize| (a + a_len).min(b + b_len).saturating_sub(a.max(b));
            along(a.map.0, a.shape.0, b.map.0, b.shape.0) * along(a.map.1, a.shape.1, b.map.1, b.shape.1)
        };
        let all: usize = pairs.iter().map(|(k, l)| common_pixels(*k, *l)).sum();
        let stride = all.div_ceil(MOST_PAIRS).clamp(1, grid.map.0.div_ceil(16).max(1));
        let found: Vec<(Block, Own)> = pairs.into_par_iter().map(|pair| self.block(pair, stride)).collect();
        let own = found.iter().filter(|(((k, l), _), _)| k == l).map(|(_, own)| *own).collect();
        (found.into_iter().map(|(block, _)| block).collect(), own)
    }

    fn block(&self, (k, l): (usize, usize), stride: usize) -> (Block, Own) {
        let grid = self.normal.grid;
        let (a, b) = (&grid.plates[k], &grid.plates[l]);
        let mut block = [0.0; TERMS * TERMS];
        let mut sums = Own::default();
        let mut buffer = Vec::new();
        let own = f64::from(u8::from(k == l));
        let (mut rows, mut used) = (0usize, 0usize);
        for row in a.map.0.max(b.map.0)..(a.map.0 + a.shape.0).min(b.map.0 + b.shape.0) {
            rows += 1;
            if row % stride != 0 {
                continue;
            }
            used += 1;
            let inverse = self.normal.inverse_row(row, &mut buffer);
            let (own_a, own_b) = (row - a.map.0, row - b.map.0);
            let (in_a, in_b) = (self.normal.used[k].row(own_a), self.normal.used[l].row(own_b));
            common(in_a, a.map.1, in_b, b.map.1, |start, end| {
                for (column, inverse) in (start..end).zip(&inverse[start..end]) {
                    let (wa, wb) = (a.weight(own_a, column - a.map.1), b.weight(own_b, column - b.map.1));
                    let weight = wa * (own - wb * inverse);
                    let (of_a, of_b) = (self.basis(k, row, column), self.basis(l, row, column));
                    for (line, x) in block.chunks_exact_mut(TERMS).zip(of_a) {
                        let x = weight * x;
                        for (value, y) in line.iter_mut().zip(of_b) {
                            *value += x * y;
                        }
                    }
                    if k == l && inside(row, grid.map.0) && inside(column, grid.map.1) {
                        let at = row * self.columns + column;
                        sums.noise += weight * inverse;
                        let whole = [self.whole.x[at], self.whole.y[at]].map(f64::from);
                        let all = [of_a[0], of_a[1], of_a[2], of_a[3], of_a[4], whole[0], whole[1]];
                        for (line, x) in sums.gram.iter_mut().zip(all) {
                            for (value, y) in line.iter_mut().zip(all) {
                                *value += weight * x * y;
                            }
                        }
                    }
                }
            });
        }
        let whole = if used > 0 { rows as f64 / used as f64 } else { 0.0 };
        block.iter_mut().for_each(|value| *value *= whole);
        sums.noise *= whole;
        sums.gram.as_flattened_mut().iter_mut().for_each(|value| *value *= whole);
        (((k, l), block), sums)
    }

    /// Products of the residual of one plate with its basis, both at the places where it measured: only there is the noise of the
    /// slopes not correlated with the residual.
    fn right(&self, k: usize, measured: &[f64], state: &State, sheet: &Sheet) -> [f64; TERMS] {
        let normal = self.normal;
        let (grid, plate) = (normal.grid, &normal.grid.plates[k]);
        let by = Move::of(plate);
        let (wide, row0, column0) = (plate.shape.1 + 2, plate.map.0 as i64 - 1, plate.map.1 as i64 - 1);
        let (mut buffer, mut work) = (Vec::new(), Vec::new());
        // The interpolated map on three rows, one pixel wider than the plate on each side.
        let mut rows = [vec![0.0; wide], vec![0.0; wide], vec![0.0; wide]];
        by.fill(sheet, (row0, column0), &mut work, &mut rows[1]);
        by.fill(sheet, (row0 + 1, column0), &mut work, &mut rows[2]);
        let mut model = vec![0.0; plate.shape.1];
        let mut sums = [0.0; TERMS];
        for row in 0..plate.shape.0 {
            rows.rotate_left(1);
            by.fill(sheet, (row0 + row as i64 + 2, column0), &mut work, &mut rows[2]);
            let c = &state.correctors[k];
            normal.line(Quantity::Model, (k, row), &state.reference, c, &mut buffer).fill(0, &mut model);
            let measured = &measured[row * plate.shape.1..][..plate.shape.1];
            let y = grid.v[plate.camera.0 + row] * grid.scale.1;
            for &(start, end) in normal.used[k].row(row) {
                for column in start as usize..end as usize {
                    let near = |taps: (&[f64; 3], &[f64; 3])| -> f64 {
                        let across = |line: &Vec<f64>| -> f64 {
                            line[column..column + 3].iter().zip(taps.0).map(|(z, t)| z * t).sum()
                        };
                        rows.iter().zip(taps.1).map(|(line, t)| t * across(line)).sum()
                    };
                    let along_x = near((&DERIVATIVE, &SMOOTHING));
                    let along_y = near((&SMOOTHING, &DERIVATIVE));
                    let u = grid.u[plate.camera.1 + column];
                    let x = u * grid.scale.0;
                    let turned = plate.rotation * (x * along_y - y * along_x);
                    let e = measured[column] - model[column] - rows[1][column + 1] - turned;
                    let e = e * plate.weight(row, column);
                    let v = grid.v[plate.camera.0 + row];
                    let basis = [1.0, u, v, along_x, along_y, x * along_y - y * along_x];
                    for (sum, basis) in sums.iter_mut().zip(basis) {
                        *sum += e * basis;
                    }
                }
            }
        }
        sums
    }
}
