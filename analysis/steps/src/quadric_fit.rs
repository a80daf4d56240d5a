//! Fits circles and conics in their pose to maps and profiles.

use ndarray::Array2;
use rayon::prelude::*;
use stitchbox_surface::ProfileKind;

use crate::StepError;
use crate::extent::Extent;
use crate::fit::{Fit, Term};
use crate::least_squares::Triangle;
use crate::levenberg::{Minimum, NoMinimum, minimise};
use crate::quadric::{Family, Figure, POSE, Placed, Pose};

/// mm in nm, and tangents in microradian.
const SCALE: f64 = 1e6;

/// A parameter of figure or pose, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    pub name: &'static str,
    pub unit: &'static str,
    pub meaning: Meaning,
}

/// How the number inside becomes the one reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// One over it.
    Inverse,
    /// Minus one over it.
    MinusInverse,
    /// mm to nm, radian to microradian.
    Million,
    /// 1/mm to 1/m.
    Thousand,
    /// As it is.
    Same,
}

impl Meaning {
    /// The reported number and its derivative with respect to the one inside.
    fn of(self, inside: f64) -> (f64, f64) {
        match self {
            Self::Inverse => (1.0 / inside, -1.0 / (inside * inside)),
            Self::MinusInverse => (-1.0 / inside, 1.0 / (inside * inside)),
            Self::Million => (inside * 1e6, 1e6),
            Self::Thousand => (inside * 1e3, 1e3),
            Self::Same => (inside, 1.0),
        }
    }
}

/// What is to be fitted.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// For messages.
    pub step: &'static str,
    pub shape: &'static str,
    pub figure: Figure,
    pub family: Family,
    pub pose: Pose,
    /// Indices into the parameters of the figure, then x0, y0, piston, tilt, roll, yaw; those of the pose first, so that
    /// the shape is blamed when it cannot be told from the pose.
    pub free: Vec<usize>,
    /// All parameters in their order; those with an empty name are not reported.
    pub names: Vec<Named>,
}

/// A shape found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub placed: Placed,
    pub fit: Fit,
}

impl Problem {
    /// Figure and pose with the free parameters set.
    fn with(&self, values: &[f64]) -> Option<(Figure, Pose)> {
        let (mut figure, mut pose) = (self.figure, self.pose);
        let n = figure.parameters();
        for (index, value) in self.free.iter().zip(values) {
            match (&mut figure, *index) {
                (Figure::Conic { u, .. }, 0) => *u = *value,
                (Figure::Conic { v, .. }, 1) => *v = *value,
                (Figure::Conic { theta, .. }, 2) => *theta = *value,
                (Figure::Circle { curvature }, 0) => *curvature = *value,
                (_, index) => match index - n {
                    0 => pose.x0 = *value,
                    1 => pose.y0 = *value,
                    2 => pose.piston = *value,
                    3 => pose.tilt = *value,
                    4 => pose.roll = *value,
                    _ => pose.yaw = *value,
                },
            }
        }
        // A focus does not pass through infinity: an ellipse stays an ellipse.
        let sensible = match (figure, self.figure) {
            (Figure::Conic { u, v, theta }, Figure::Conic { u: u0, v: v0, .. }) => {
                u * u0 > 0.0 && v * v0 > 0.0 && u + v != 0.0 && theta > 0.0 && theta < 1.57
            }
            _ => true,
        };
        let finite = values.iter().all(|v| v.is_finite());
        let turned = pose.tilt.abs() < 1.0 && pose.roll.abs() < 1.0 && pose.yaw.abs() < 1.0;
        (sensible && finite && turned).then_some((figure, pose))
    }

    fn placed(&self, values: &[f64]) -> Option<Placed> {
        self.with(values).map(|(figure, pose)| Placed::new(figure, self.family, pose))
    }

    fn all(figure: Figure, pose: Pose) -> Vec<f64> {
        let mut list = match figure {
            Figure::Conic { u, v, theta } => vec![u, v, theta],
            Figure::Circle { curvature } => vec![curvature],
        };
        list.extend([pose.x0, pose.y0, pose.piston, pose.tilt, pose.roll, pose.yaw]);
        list
    }

    fn start(&self) -> Vec<f64> {
        let all = Self::all(self.figure, self.pose);
        self.free.iter().map(|index| all[*index]).collect()
    }

    fn check_points(&self, points: usize) -> Result<(), StepError> {
        if points > self.free.len() {
            return Ok(());
        }
        Err(StepError::TooFewPoints { step: self.step, points, terms: self.free.len() })
    }

    fn failure(&self, failure: NoMinimum, reach: f64) -> StepError {
        let step = self.step;
        match failure {
            NoMinimum::Start => StepError::BeyondShape { step, shape: self.shape, x_mm: reach },
            NoMinimum::Passes(iterations) => StepError::NotConverged { step, iterations },
            NoMinimum::Dependent(k) => {
                let name = self.free.get(k).and_then(|index| self.names.get(*index)).map_or("", |n| n.name);
                StepError::NotDetermined { step, term: name.to_owned() }
            }
        }
    }

    /// Fits heights (nm) of a map at the pixels used.
    pub fn fit_map(&self, extent: Extent, heights: &Array2<f64>, used: &Array2<bool>) -> Result<Found, StepError> {
        let points = used.iter().filter(|u| **u).count();
        // A large map is fitted coarsely first: the passes over all of it are few.
        let stride = ((points as f64 / 150_000.0).sqrt() as usize).max(1);
        self.fit_map_from(stride, extent, heights, used, points)
    }

    /// Fits every so many pixels both ways first, then all.
    fn fit_map_from(
        &self,
        stride: usize,
        extent: Extent,
        heights: &Array2<f64>,
        used: &Array2<bool>,
        points: usize,
    ) -> Result<Found, StepError> {
        self.check_points(points)?;
        let largest = heights.iter().fold(0.0f64, |m, h| m.max(h.abs()));
        let rounding = largest * 1e-15;
        let reach = extent.half().0;
        let mut start = self.start();
        let mut passes = 0;
        for stride in if stride > 1 { vec![stride, 1] } else { vec![1] } {
            let pass = |values: &[f64]| self.map_pass(values, extent, heights, used, stride);
            match minimise(&start, rounding, pass) {
                Ok(minimum) if stride == 1 => {
                    return Ok(self.describe(minimum, passes, points, ProfileKind::HeightNm));
                }
                Ok(minimum) => {
                    start = minimum.parameters;
                    passes = minimum.passes;
                }
                // The pixels looked at may be just those that are invalid: all of them tell.
                Err(_) if stride > 1 => {}
                Err(failure) => return Err(self.failure(failure, reach)),
            }
        }
        Err(StepError::NotConverged { step: self.step, iterations: passes })
    }

    fn map_pass(
        &self,
        values: &[f64],
        extent: Extent,
        heights: &Array2<f64>,
        used: &Array2<bool>,
        stride: usize,
    ) -> Option<Triangle> {
        let placed = self.placed(values)?;
        let total = self.figure.parameters() + POSE;
        let parts: Vec<Option<Triangle>> = extent
            .row_chunks()
            .into_par_iter()
            .map(|rows| {
                let mut triangle = Triangle::new(self.free.len());
                let mut derivatives = vec![0.0; total];
                for row in rows.filter(|row| row % stride == 0) {
                    let mut columns = vec![Vec::with_capacity(extent.columns / stride + 1); self.free.len() + 1];
                    for (column, (height, used)) in heights.row(row).iter().zip(used.row(row)).enumerate() {
                        if !used || column % stride != 0 {
                            continue;
                        }
                        let model = placed.height_and_derivatives(extent.x(column), extent.y(row), &mut derivatives)?;
                        self.push(&mut columns, &derivatives, height - SCALE * model);
                    }
                    triangle.absorb(&mut columns);
                }
                Some(triangle)
            })
            .collect();
        let mut whole = Triangle::new(self.free.len());
        for part in parts {
            whole.merge(&part?);
        }
        whole.right_square().is_finite().then_some(whole)
    }

    fn push(&self, columns: &mut [Vec<f64>], derivatives: &[f64], residual: f64) {
        if let Some((right, left)) = columns.split_last_mut() {
            for (column, index) in left.iter_mut().zip(&self.free) {
                column.push(SCALE * derivatives[*index]);
            }
            right.push(residual);
        }
    }

    /// Fits heights (nm) or slopes (urad) at positions (mm).
    pub fn fit_profile(&self, x_mm: &[f64], values: &[f64], kind: ProfileKind) -> Result<Found, StepError> {
        self.check_points(values.len())?;
        let largest = values.iter().fold(0.0f64, |m, h| m.max(h.abs()));
        let reach = x_mm.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let pass = |parameters: &[f64]| {
            let placed = self.placed(parameters)?;
            let mut derivatives = vec![0.0; self.figure.parameters() + POSE];
            let mut columns = vec![Vec::with_capacity(values.len()); self.free.len() + 1];
            for (x, value) in x_mm.iter().zip(values) {
                let model = match kind {
                    ProfileKind::HeightNm => placed.height_and_derivatives(*x, 0.0, &mut derivatives)?,
                    ProfileKind::SlopeUrad => placed.slope_and_derivatives(*x, 0.0, &mut derivatives)?,
                };
                self.push(&mut columns, &derivatives, value - SCALE * model);
            }
            let mut triangle = Triangle::new(self.free.len());
            triangle.absorb(&mut columns);
            triangle.right_square().is_finite().then_some(triangle)
        };
        let minimum = minimise(&self.start(), largest * 1e-15, pass).map_err(|f| self.failure(f, reach))?;
        Ok(self.describe(minimum, 0, values.len(), kind))
    }

    fn describe(&self, minimum: Minimum, passes: usize, points: usize, kind: ProfileKind) -> Found {
        let (figure, pose) = self.with(&minimum.parameters).unwrap_or((self.figure, self.pose));
        let n = self.free.len();
        let square = minimum.solution.residual_square;
        let variance = square / points.saturating_sub(n).max(1) as f64;
        let inside = Self::all(figure, pose);
        let reported: Vec<usize> = (0..inside.len()).filter(|i| !self.names[*i].name.is_empty()).collect();
        let place = |index: usize| self.free.iter().position(|free| *free == index);
        let covariance = Array2::from_shape_fn((reported.len(), reported.len()), |(a, b)| {
            let (i, j) = (reported[a], reported[b]);
            let (Some(k), Some(l)) = (place(i), place(j)) else { return 0.0 };
            let slope = |index: usize| self.names[index].meaning.of(inside[index]).1;
            minimum.solution.inverse[k * n + l] * variance * slope(i) * slope(j)
        });
        let terms = reported
            .iter()
            .enumerate()
            .map(|(a, index)| Term {
                name: self.names[*index].name.to_owned(),
                value: self.names[*index].meaning.of(inside[*index]).0,
                unit: self.names[*index].unit.to_owned(),
                uncertainty: covariance[[a, a]].max(0.0).sqrt(),
                free: place(*index).is_some(),
            })
            .collect();
        let derived = self.radius(figure, &minimum, variance);
        let residual_unit = match kind {
            ProfileKind::HeightNm => "nm",
            ProfileKind::SlopeUrad => "urad",
        };
        let residual_rms = (square / points.max(1) as f64).sqrt();
        let iterations = passes + minimum.passes;
        let fit = Fit { terms, covariance, derived, residual_rms, residual_unit, points, iterations };
        Found { placed: Placed::new(figure, self.family, pose), fit }
    }

    /// Radius of curvature along the mirror at the pole, m: `1/R = sin(theta) (u + v) / 2` for a conic.
    fn radius(&self, figure: Figure, minimum: &Minimum, variance: f64) -> Vec<Term> {
        let (curvature, slopes) = match figure {
            Figure::Circle { curvature } => (curvature, vec![1.0]),
            Figure::Conic { u, v, theta } => {
                let s = libm::sin(theta) / 2.0;
                (s * (u + v), vec![s, s, libm::cos(theta) * (u + v) / 2.0])
            }
        };
        if curvature == 0.0 {
            return Vec::new();
        }
        let n = self.free.len();
        let mut spread = 0.0;
        for (k, i) in self.free.iter().enumerate() {
            for (l, j) in self.free.iter().enumerate() {
                let (Some(a), Some(b)) = (slopes.get(*i), slopes.get(*j)) else { continue };
                spread += a * b * minimum.solution.inverse[k * n + l] * variance;
            }
        }
        let (value, uncertainty) = (1e-3 / curvature, 1e-3 * spread.max(0.0).sqrt() / (curvature * curvature));
        let free = self.free.iter().any(|index| *index < slopes.len());
        vec![Term { name: "radius".to_owned(), value, unit: "m".to_owned(), uncertainty, free }]
    }
}

impl Found {
    /// Takes the shape from the heights (nm) wherever they are valid; where the shape has no surface they become invalid.
    pub fn subtract(&self, extent: Extent, heights: &mut Array2<f64>, valid: &mut Array2<bool>) {
        heights.outer_iter_mut().into_par_iter().zip(valid.outer_iter_mut()).enumerate().for_each(
            |(row, (mut line, mut mask))| {
                let y = extent.y(row);
                for (column, (height, valid)) in line.iter_mut().zip(mask.iter_mut()).enumerate() {
                    if !*valid {
                        continue;
                    }
                    match self.placed.height(extent.x(column), y) {
                        Some(z) => *height -= SCALE * z,
                        None => (*height, *valid) = (0.0, false),
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circle;

    #[test]
    fn a_fit_needs_no_pixel_of_its_coarse_first_look() {
        // No valid pixel in an even column: every second pixel sees nothing.
        let extent = Extent { rows: 20, columns: 40, pixel_x: 1.0, pixel_y: 1.0, unit: "mm" };
        let radius_mm = 5e3;
        let heights = Array2::from_shape_fn((20, 40), |(r, c)| {
            let (x, y) = (extent.x(c), extent.y(r));
            (radius_mm - (radius_mm * radius_mm - x * x - y * y).sqrt()) * 1e6
        });
        let used = Array2::from_shape_fn((20, 40), |(_, c)| c % 2 == 1);
        let sphere = circle::problem("a sphere", Family::Revolution, false, true);
        for stride in [1, 2] {
            let found = sphere.fit_map_from(stride, extent, &heights, &used, 400).unwrap();
            assert!((found.fit.term("radius").unwrap().value - 5.0).abs() < 1e-6, "{stride}");
        }
    }
}
