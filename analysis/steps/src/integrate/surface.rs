//! Integrates slope maps by least squares over all neighbouring pixels (Southwell 1980; with cubic interpolation as in
//! Huang et al. 2015), with any mask, weights and pixel sizes.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;

use super::Rule;
use super::edges::{Differences, Edges};
use super::islands::{Islands, Labels};
use super::poisson::Poisson;
use crate::frame::{parameter_error, same_shape};
use crate::{SlopeMaps, StepError};

/// Heights from slopes along x and y: those whose differences between neighbours agree best, in the sense of least
/// squares, with the slopes between them. Pixels without valid slopes are invalid; nothing is interpolated over them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntegrateSlopes {
    /// How slopes between two pixels are imagined: `cubic` (default) or `linear`.
    pub rule: Rule,
    /// Groups of pixels that no slope connects: `keep-largest` (default) or `level-each`.
    pub islands: Islands,
}

/// Heights and how well the slopes agree with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Integrated {
    /// Heights, nm; the mean of each island is zero.
    pub map: HeightMap,
    /// Root mean square of what the slopes along x (between pixels) differ from those of the heights, microradian: noise,
    /// and whatever in the slopes is the gradient of no surface.
    pub residual_x_urad: f64,
    /// The same along y.
    pub residual_y_urad: f64,
    /// Groups of pixels that no slope connects, before any was left out.
    pub islands: usize,
    /// Iterations of the solver.
    pub iterations: usize,
}

/// Energy of the error relative to that of the solution at which the iteration ends.
const ACCURACY: f64 = 1e-10;
/// Never needed more than some 60 on masks with thousands of holes; strongly varying weights need more.
const MOST_ITERATIONS: usize = 1000;
const STEP: &str = "integrate-slopes";

impl IntegrateSlopes {
    /// Heights from slopes that are all equally good.
    ///
    /// # Errors
    /// [`StepError::TooFew`] where no two neighbours have slopes, [`StepError::NotConverged`].
    pub fn apply(&self, slopes: &SlopeMaps) -> Result<Integrated, StepError> {
        self.integrate(slopes, None)
    }

    /// The same with a weight for each pixel: the inverse variance of its slopes, in any unit; 0 leaves it out.
    ///
    /// # Errors
    /// Those of [`Self::apply`]; [`StepError::Shapes`]; [`StepError::Parameter`] for weights that are negative, not
    /// finite or differ by more than a factor of 1e12.
    pub fn apply_weighted(&self, slopes: &SlopeMaps, weights: &Array2<f64>) -> Result<Integrated, StepError> {
        same_shape(STEP, slopes.shape(), weights.dim())?;
        let largest = weights.iter().copied().fold(0.0, f64::max);
        if let Some(bad) = weights.iter().find(|w| !(w.is_finite() && (**w == 0.0 || **w >= largest * 1e-12))) {
            let why = "weights must be 0 or positive, and within a factor of 1e12 of each other";
            return Err(parameter_error(STEP, "weights", *bad, why));
        }
        self.integrate(slopes, Some(&weights.mapv(|w| w / largest)))
    }

    fn integrate(&self, slopes: &SlopeMaps, weights: Option<&Array2<f64>>) -> Result<Integrated, StepError> {
        let (rows, columns) = slopes.shape();
        let mut edges = Edges::new(slopes, weights);
        let labels = Labels::of(&edges);
        let Some(largest) = labels.largest() else {
            return Err(StepError::TooFew { step: STEP, what: "neighbours with valid slopes", found: 0, needed: 2 });
        };
        let keep_all = self.islands == Islands::LevelEach;
        let label = |row: usize, column: usize| labels.labels[row * columns + column];
        let kept = |row: usize, column: usize| {
            let found = label(row, column);
            found != 0 && (keep_all || found == largest)
        };
        edges.keep(kept);
        let differences = Differences::new(slopes, self.rule);
        let right = right_side(&edges, &differences);
        let whole = weights.is_none() && slopes.x_valid().iter().all(|ok| *ok) && slopes.y_valid().iter().all(|ok| *ok);
        let pixel = slopes.pixel();
        let smaller = pixel.x_mm.min(pixel.y_mm);
        let ratio = |size: f64| (smaller / size) * (smaller / size);
        let poisson = Poisson::new((rows, columns), (ratio(pixel.x_mm), ratio(pixel.y_mm)), whole);
        let (mut heights, iterations) = solve(&edges, right, &poisson)?;
        level(&mut heights, &labels);
        let valid = Array2::from_shape_fn((rows, columns), |(row, column)| kept(row, column));
        let (x, y) = residuals(&edges, &differences, &heights);
        Ok(Integrated {
            map: HeightMap::new(heights, valid, Some(pixel))?,
            residual_x_urad: x / pixel.x_mm,
            residual_y_urad: y / pixel.y_mm,
            islands: labels.sizes.len(),
            iterations,
        })
    }
}

/// What the differences say about each pixel: the right side of the normal equations.
fn right_side(edges: &Edges, differences: &Differences) -> Array2<f64> {
    let mut right = Array2::zeros(edges.shape());
    Zip::indexed(&mut right).par_for_each(|(row, column), sum| {
        let x = |column: usize| f64::from(edges.x_weight(row, column)) * differences.x[[row, column]];
        let y = |row: usize| f64::from(edges.y_weight(row, column)) * differences.y[[row, column]];
        let from_left = if column > 0 { x(column - 1) } else { 0.0 };
        let from_above = if row > 0 { y(row - 1) } else { 0.0 };
        *sum = (from_left - x(column)) + (from_above - y(row));
    });
    right
}

/// Preconditioned conjugate gradients. Sums go row by row, so that the bits do not depend on the threads.
fn solve(edges: &Edges, mut residual: Array2<f64>, poisson: &Poisson) -> Result<(Array2<f64>, usize), StepError> {
    let mut heights = Array2::zeros(edges.shape());
    let mut room = poisson.array();
    let mut direction = Array2::zeros(edges.shape());
    let mut image = Array2::zeros(edges.shape());
    let mut size = precondition(edges, poisson, &residual, &mut room);
    let goal = size * ACCURACY * ACCURACY;
    let mut growth = 0.0;
    for iteration in 0..MOST_ITERATIONS {
        if size <= goal {
            return Ok((heights, iteration));
        }
        Zip::from(direction.rows_mut()).and(inside(&room, edges.shape()).rows()).par_for_each(|mut direction, z| {
            for (d, z) in direction.iter_mut().zip(z) {
                *d = z + growth * *d;
            }
        });
        let bend = laplacian(edges, &direction, &mut image);
        let step = size / bend;
        Zip::from(&mut heights).and(&direction).par_for_each(|h, d| *h += step * d);
        Zip::from(&mut residual).and(&image).par_for_each(|r, i| *r -= step * i);
        let before = size;
        size = precondition(edges, poisson, &residual, &mut room);
        growth = size / before;
    }
    Err(StepError::NotConverged { step: STEP, iterations: MOST_ITERATIONS })
}

/// The part of a preconditioner's array that is the map.
fn inside(room: &Array2<f64>, (rows, columns): (usize, usize)) -> ndarray::ArrayView2<'_, f64> {
    let mut view = room.view();
    view.slice_axis_inplace(Axis(0), (..rows).into());
    view.slice_axis_inplace(Axis(1), (..columns).into());
    view
}

/// Solves Poisson's equation for the residual into `room`; its product with the residual.
fn precondition(edges: &Edges, poisson: &Poisson, residual: &Array2<f64>, room: &mut Array2<f64>) -> f64 {
    let (rows, columns) = edges.shape();
    room.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut line)| {
        line.fill(0.0);
        if row < rows {
            for (value, r) in line.iter_mut().zip(residual.row(row)) {
                *value = *r;
            }
        }
    });
    poisson.solve(room);
    // Pixels without edges take no part: their residual stays zero, and their direction meets weights of zero.
    let view = inside(room, (rows, columns));
    let sums: Vec<f64> = (0..rows)
        .into_par_iter()
        .map(|row| view.row(row).iter().zip(residual.row(row)).map(|(z, r)| z * r).sum::<f64>())
        .collect();
    sums.iter().sum()
}

/// The left side of the normal equations; its product with the heights.
fn laplacian(edges: &Edges, heights: &Array2<f64>, image: &mut Array2<f64>) -> f64 {
    let sums: Vec<f64> = image
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .enumerate()
        .map(|(row, mut out)| {
            let Some(out) = out.as_slice_mut() else { return 0.0 };
            edges.laplacian_row(heights, row, out);
            out.iter().zip(heights.row(row)).map(|(a, b)| a * b).sum::<f64>()
        })
        .collect();
    sums.iter().sum()
}

/// Takes the mean of each island off.
fn level(heights: &mut Array2<f64>, labels: &Labels) {
    let mut sums = vec![0.0; labels.sizes.len() + 1];
    for (height, label) in heights.iter().zip(&labels.labels) {
        sums[*label as usize] += height;
    }
    for (sum, size) in sums.iter_mut().skip(1).zip(&labels.sizes) {
        *sum /= *size as f64;
    }
    for (height, label) in heights.iter_mut().zip(&labels.labels) {
        *height -= sums[*label as usize];
    }
}

/// Root mean squares of what the differences along x and y leave, nm.
fn residuals(edges: &Edges, differences: &Differences, heights: &Array2<f64>) -> (f64, f64) {
    let (rows, columns) = heights.dim();
    let (mut x, mut y) = ((0.0, 0usize), (0.0, 0usize));
    for row in 0..rows {
        for column in 0..columns {
            let here = heights[[row, column]];
            if edges.x_weight(row, column) > 0.0 {
                let left = heights[[row, column + 1]] - here - differences.x[[row, column]];
                x = (x.0 + left * left, x.1 + 1);
            }
            if edges.y_weight(row, column) > 0.0 {
                let left = heights[[row + 1, column]] - here - differences.y[[row, column]];
                y = (y.0 + left * left, y.1 + 1);
            }
        }
    }
    let root = |(sum, count): (f64, usize)| if count == 0 { 0.0 } else { (sum / count as f64).sqrt() };
    (root(x), root(y))
}

#[cfg(test)]
mod tests;
