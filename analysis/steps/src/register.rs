//! How far one map lies beside another: whole pixels by search, the fraction by least squares.

use ndarray::Array2;
use rayon::prelude::*;
use stitchbox_surface::HeightMap;

use crate::extent::Extent;
use crate::least_squares::Triangle;
use crate::taps::Resampling;
use crate::{StepError, SurfaceTerm};

/// Two maps on one grid.
pub(crate) struct Pair<'a> {
    pub fixed: &'a HeightMap,
    pub moving: &'a HeightMap,
    /// Grid of the fixed map; larger pixels than the moving map's, or the same.
    pub grid: Extent,
    pub moving_extent: Extent,
    /// What may differ between the maps besides the shift.
    pub terms: &'a [SurfaceTerm],
}

/// A shift in pixels of the grid: `fixed(x)` looks like `moving(x + shift)`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Found {
    pub shift: (f64, f64),
    /// Standard uncertainties; zero for whole pixels.
    pub uncertainty: (f64, f64),
}

/// A map for the search: heights and mask.
struct Level {
    heights: Array2<f64>,
    valid: Array2<bool>,
}

/// Pixels of the coarsest level of the search.
const COARSE: usize = 40_000;

/// Differences of two heights that the search may look at: a minute or so.
const MOST_DIFFERENCES: f64 = 1e11;

const STEP: &str = "compare";

impl Level {
    /// 2 x 2 pixels as one, valid if all four are.
    fn halved(&self) -> Self {
        let (rows, columns) = self.heights.dim();
        let shape = (rows / 2, columns / 2);
        let four =
            |r: usize, c: usize| [[2 * r, 2 * c], [2 * r, 2 * c + 1], [2 * r + 1, 2 * c], [2 * r + 1, 2 * c + 1]];
        let valid = Array2::from_shape_fn(shape, |(r, c)| four(r, c).iter().all(|at| self.valid[*at]));
        let heights =
            Array2::from_shape_fn(shape, |(r, c)| four(r, c).iter().map(|at| self.heights[*at]).sum::<f64>() / 4.0);
        Self { heights, valid }
    }
}

impl Pair<'_> {
    fn moved(&self, shift: (f64, f64)) -> Level {
        let mm = (shift.0 * self.grid.pixel_x, shift.1 * self.grid.pixel_y);
        let (heights, valid) = Resampling::new(self.grid, self.moving_extent, mm).heights(self.moving);
        Level { heights, valid }
    }

    /// The shift by whole pixels, up to a number of them each way, for which the maps differ least.
    pub fn whole(&self, most: usize) -> Result<Found, StepError> {
        let level = |(heights, valid): (Array2<f64>, Array2<bool>)| Level { heights, valid };
        let mut fixed = vec![self.detrended(level((self.fixed.heights_nm().clone(), self.fixed.valid().clone())))?];
        let mut moving = vec![self.detrended(self.moved((0.0, 0.0)))?];
        // Beyond its own size a map meets nothing.
        let (rows, columns) = fixed[0].heights.dim();
        let reaches = (most.min(columns.saturating_sub(1)), most.min(rows.saturating_sub(1)));
        let mut reach = reaches;
        while let (Some(a), Some(b)) = (fixed.last(), moving.last()) {
            let (rows, columns) = a.heights.dim();
            if rows * columns <= COARSE || rows.min(columns) < 64 || reach.0.max(reach.1) < 2 {
                break;
            }
            let (a, b) = (a.halved(), b.halved());
            fixed.push(a);
            moving.push(b);
            reach = (reach.0.div_ceil(2), reach.1.div_ceil(2));
        }
        let pixels = fixed.last().map_or(0, |level| level.heights.len());
        if (2 * reach.0 + 3) as f64 * (2 * reach.1 + 3) as f64 * pixels as f64 > MOST_DIFFERENCES {
            let (value, why) = (format!("{most} pixels"), "that many shifts of so large a map take too long to try");
            return Err(StepError::Parameter { step: STEP, parameter: "max_shift", value, why });
        }
        let mut best = (0isize, 0isize);
        let mut window = (reach.0 as isize + 1, reach.1 as isize + 1);
        for (level, (a, b)) in fixed.iter().zip(&moving).enumerate().rev() {
            if level == 0 {
                window = if fixed.len() == 1 { (reaches.0 as isize, reaches.1 as isize) } else { (2, 2) };
            }
            best = search(a, b, best, window).ok_or(StepError::NothingLeft { step: STEP })?;
            if level > 0 {
                best = (best.0 * 2, best.1 * 2);
                window = (2, 2);
            }
        }
        let within = |best: isize, reach: usize| best.clamp(-(reach as isize), reach as isize) as f64;
        let shift = (within(best.0, reaches.0), within(best.1, reaches.1));
        Ok(Found { shift, uncertainty: (0.0, 0.0) })
    }

    /// Without the terms that may differ, which would otherwise draw the search, and without the mean, which would cost
    /// it digits.
    fn detrended(&self, level: Level) -> Result<Level, StepError> {
        let count = level.valid.iter().filter(|v| **v).count();
        if count == 0 {
            return Ok(level);
        }
        if self.terms.is_empty() {
            let Level { mut heights, valid } = level;
            let valid_heights = heights.iter().zip(&valid).filter(|(_, v)| **v);
            let mean = valid_heights.map(|(h, _)| h).sum::<f64>() / count as f64;
            heights -= mean;
            return Ok(Level { heights, valid });
        }
        let (basis, terms) = SurfaceTerm::all(self.grid, self.terms);
        let map = HeightMap::new(level.heights, level.valid.clone(), None)?;
        let removed = crate::remove::linear(&map, basis, &terms, &level.valid, None)?;
        let (heights, valid, _) = removed.map.into_parts();
        Ok(Level { heights, valid })
    }

    /// Refines a shift to a fraction of a pixel: shift and terms together, by Gauss and Newton.
    pub fn refine(&self, start: Found) -> Result<Found, StepError> {
        let mut shift = start.shift;
        for _ in 0..20 {
            let moved = self.moved(shift);
            let triangle = self.normal(&moved);
            let n = self.terms.len() + 2;
            if triangle.rows() <= n {
                return Err(StepError::TooFewPoints { step: STEP, points: triangle.rows(), terms: n });
            }
            let solution = triangle.solve().map_err(|d| {
                let names = self.terms.iter().map(|term| term.name()).chain(["the shift along x", "the shift along y"]);
                let term = names.into_iter().nth(d.0).unwrap_or("the shift").to_owned();
                StepError::NotDetermined { step: STEP, term }
            })?;
            // More than a pixel at once is beyond what the gradients tell.
            let (dx, dy) = (solution.values[n - 2].clamp(-1.0, 1.0), solution.values[n - 1].clamp(-1.0, 1.0));
            shift = (shift.0 + dx, shift.1 + dy);
            if dx.abs().max(dy.abs()) < 1e-5 {
                let variance = solution.residual_square / (triangle.rows() - n) as f64;
                let spread = |k: usize| (variance * solution.inverse[k * n + k]).max(0.0).sqrt();
                return Ok(Found { shift, uncertainty: (spread(n - 2), spread(n - 1)) });
            }
        }
        Err(StepError::NotConverged { step: STEP, iterations: 20 })
    }

    /// Rows: terms, gradient along x, gradient along y (per pixel), and the difference fixed minus moved.
    fn normal(&self, moved: &Level) -> Triangle {
        let n = self.terms.len() + 2;
        let half = self.grid.half().0.max(self.grid.half().1);
        let (rows, columns) = moved.heights.dim();
        let parts: Vec<Triangle> = self
            .grid
            .row_chunks()
            .into_par_iter()
            .map(|chunk| {
                let mut triangle = Triangle::new(n);
                for row in chunk.filter(|row| *row > 0 && row + 1 < rows) {
                    let mut lists = vec![Vec::with_capacity(columns); n + 1];
                    let y = self.grid.y(row) / half;
                    for column in 1..columns.saturating_sub(1) {
                        let at = [row, column];
                        let around = [[row, column - 1], [row, column + 1], [row - 1, column], [row + 1, column]];
                        if !self.fixed.valid()[at] || !moved.valid[at] || around.iter().any(|a| !moved.valid[*a]) {
                            continue;
                        }
                        let x = self.grid.x(column) / half;
                        for (list, term) in lists.iter_mut().zip(self.terms) {
                            list.push(term.at(x, y));
                        }
                        let [left, right, above, below] = around.map(|a| moved.heights[a]);
                        lists[n - 2].push((right - left) / 2.0);
                        lists[n - 1].push((below - above) / 2.0);
                        lists[n].push(self.fixed.heights_nm()[at] - moved.heights[at]);
                    }
                    triangle.absorb(&mut lists);
                }
                triangle
            })
            .collect();
        let mut whole = Triangle::new(n);
        for part in parts {
            whole.merge(&part);
        }
        whole
    }
}

/// The best shift within a window around a first guess: smallest mean square of the differences about their mean, over at
/// least half as many pixels as the best overlap has. Of equals the shortest, then the first.
fn search(
    fixed: &Level,
    moving: &Level,
    about: (isize, isize),
    (wide, high): (isize, isize),
) -> Option<(isize, isize)> {
    let candidates: Vec<(isize, isize)> =
        (-high..=high).flat_map(|dy| (-wide..=wide).map(move |dx| (about.0 + dx, about.1 + dy))).collect();
    let costs: Vec<(f64, usize)> = candidates.par_iter().map(|shift| cost(fixed, moving, *shift)).collect();
    let most = costs.iter().map(|(_, count)| *count).max()?;
    candidates
        .iter()
        .zip(&costs)
        .filter(|(_, (_, count))| *count > 0 && count * 2 >= most)
        .min_by(|((ax, ay), (a, _)), ((bx, by), (b, _))| {
            a.total_cmp(b).then((ax * ax + ay * ay).cmp(&(bx * bx + by * by)))
        })
        .map(|(shift, _)| *shift)
}

fn cost(fixed: &Level, moving: &Level, (dx, dy): (isize, isize)) -> (f64, usize) {
    let (rows, columns) = fixed.heights.dim();
    let (mut count, mut sum, mut square) = (0usize, 0.0f64, 0.0f64);
    for row in 0..rows {
        let Some(there) = row.checked_add_signed(dy).filter(|r| *r < rows) else { continue };
        let from = usize::try_from(-dx).unwrap_or(0);
        let to = columns.saturating_sub(usize::try_from(dx).unwrap_or(0));
        for column in from..to {
            let other = column.wrapping_add_signed(dx);
            if fixed.valid[[row, column]] && moving.valid[[there, other]] {
                let d = fixed.heights[[row, column]] - moving.heights[[there, other]];
                count += 1;
                sum += d;
                square += d * d;
            }
        }
    }
    let n = count.max(1) as f64;
    (square / n - (sum / n) * (sum / n), count)
}
