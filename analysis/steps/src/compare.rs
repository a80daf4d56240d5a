//! Compares two maps of one surface: brings them onto one grid, registers, removes what may differ, and says whether
//! the rest is more than their uncertainties allow.

use ndarray::{Array2, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::Length;
use stitchbox_surface::{HeightMap, PixelSize};

use crate::extent::Extent;
use crate::register::{Found, Pair};
use crate::statistics::Moments;
use crate::taps::Resampling;
use crate::{StepError, SurfaceTerm, Term};

/// Compares two maps: their difference, and `E_n = |a - b| / sqrt(Ua² + Ub²)` with the expanded uncertainties `U = k u`.
///
/// The maps are laid centre on centre. Where the pixel sizes differ, the finer map is averaged onto the grid of the
/// coarser one; otherwise the grid is that of the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// Shapes fitted to the difference and removed, because one of the two measurements does not determine them.
    /// Default: piston, tilt-x, tilt-y.
    pub remove: Vec<SurfaceTerm>,
    /// Whether the second map is moved onto the first. Default: `none`.
    pub register: Register,
    /// How far it may be moved each way. Default: 5 pixels of the common grid.
    pub max_shift: Option<Length>,
    /// The coverage factor k of the expanded uncertainty. Default: 2.
    pub coverage_factor: f64,
}

/// How the second map is moved onto the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Register {
    /// Not at all: the centres lie on one another.
    #[default]
    None,
    /// By whole pixels; nothing is interpolated.
    Whole,
    /// To a fraction of a pixel.
    SubPixel,
}

impl Default for Compare {
    fn default() -> Self {
        let remove = vec![SurfaceTerm::Piston, SurfaceTerm::TiltX, SurfaceTerm::TiltY];
        Self { remove, register: Register::None, max_shift: None, coverage_factor: 2.0 }
    }
}

/// What [`Compare`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// First minus second, on the common grid, without the terms removed; valid where both are.
    pub difference: HeightMap,
    /// `E_n` on the common grid, 0 where the difference is not valid; `None` unless both maps have an
    /// uncertainty.
    pub e_n: Option<Array2<f64>>,
    /// The part of the valid pixels where `E_n` is at most 1: 0.95 or so for honest uncertainties with k = 2.
    pub within: Option<f64>,
    /// Where the second map lies beside the first; `None` where they were not registered.
    pub shift: Option<Shift>,
    /// The terms removed from the difference.
    pub removed: Vec<Term>,
    /// Root mean square of the difference about its mean, nm.
    pub rms_nm: f64,
    /// Largest minus smallest difference, nm.
    pub pv_nm: f64,
    /// Number of pixels compared.
    pub count: usize,
    /// Whether one of the maps was averaged onto the larger pixels of the other.
    pub resampled: Resampled,
}

/// Which of two maps was brought onto the grid of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampled {
    /// The pixels are of one size.
    Neither,
    /// The first, which is finer.
    First,
    /// The second, which is finer.
    Second,
}

/// What lies at (x, y) in the first map lies at (x, y) + shift in the second, both from the centre of their map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Along x in pixels of the common grid.
    pub x_px: f64,
    /// Along y in pixels of the common grid.
    pub y_px: f64,
    /// Along x, mm; `None` without pixel size.
    pub x_mm: Option<f64>,
    /// Along y, mm; `None` without pixel size.
    pub y_mm: Option<f64>,
    /// Standard uncertainty along x for white noise, pixels; 0 for whole pixels.
    pub uncertainty_x_px: f64,
    /// Standard uncertainty along y for white noise, pixels; 0 for whole pixels.
    pub uncertainty_y_px: f64,
}

const STEP: &str = "compare";

impl Compare {
    /// Compares `a` with `b`; `ua` and `ub` are standard uncertainties (nm) in the shape of their map.
    ///
    /// # Errors
    /// [`StepError::Shapes`] where the shapes of maps without pixel size, or of a map and its uncertainty, differ;
    /// [`StepError::NothingLeft`] where the maps do not overlap; [`StepError::Parameter`] for a factor or shift that is not
    /// positive, or an uncertainty that is not positive at a valid pixel; [`StepError::NotDetermined`] and
    /// [`StepError::NotConverged`] where the maps have too little in common to be registered.
    pub fn apply(
        &self,
        a: &HeightMap,
        ua: Option<&Array2<f64>>,
        b: &HeightMap,
        ub: Option<&Array2<f64>>,
    ) -> Result<Compared, StepError> {
        if !self.coverage_factor.is_finite() || self.coverage_factor <= 0.0 {
            let (value, why) = (self.coverage_factor.to_string(), "it is greater than zero");
            return Err(StepError::Parameter { step: STEP, parameter: "coverage_factor", value, why });
        }
        check_uncertainty(a, ua)?;
        check_uncertainty(b, ub)?;
        let (ea, eb) = extents(a, b)?;
        let resampled = finer(ea, eb);
        let first_moves = resampled == Resampled::First;
        let (fixed, moving) = if first_moves { (b, a) } else { (a, b) };
        let (grid, moving_extent) = if first_moves { (eb, ea) } else { (ea, eb) };
        let terms = SurfaceTerm::once(&self.remove);
        let pair = Pair { fixed, moving, grid, moving_extent, terms: &terms };
        let found = self.registered(&pair)?;
        let shift = found.map_or((0.0, 0.0), |found| (found.shift.0 * grid.pixel_x, found.shift.1 * grid.pixel_y));
        let resampling = Resampling::new(grid, moving_extent, shift);
        let (moved, mut valid) = resampling.heights(moving);
        let sign = if first_moves { -1.0 } else { 1.0 };
        let mut difference = Array2::zeros(moved.dim());
        Zip::from(&mut difference).and(fixed.heights_nm()).and(&moved).par_for_each(|d, f, m| *d = sign * (f - m));
        Zip::from(&mut valid).and(fixed.valid()).for_each(|v, f| *v &= *f);
        if !valid.iter().any(|v| *v) {
            return Err(StepError::NothingLeft { step: STEP });
        }
        let pixel = (grid.unit == "mm").then_some(PixelSize { x_mm: grid.pixel_x, y_mm: grid.pixel_y });
        let mut difference = HeightMap::new(difference, valid, pixel)?;
        let mut removed = Vec::new();
        if !terms.is_empty() {
            let (basis, terms) = SurfaceTerm::all(grid, &terms);
            let without = crate::remove::linear(&difference, basis, &terms, difference.valid(), None)?;
            (difference, removed) = (without.map, without.fit.terms);
        }
        let (u_fixed, u_moving) = if first_moves { (ub, ua) } else { (ua, ub) };
        let u_moved = u_moving.map(|u| resampling.uncertainties(u, moving.valid()));
        let both = u_fixed.zip(u_moved.as_ref());
        let e_n = both.map(|(fixed, moved)| self.normalised(&difference, fixed, moved));
        self.describe(difference, e_n, removed, found.map(|f| stated(f, grid, sign)), resampled)
    }

    fn registered(&self, pair: &Pair<'_>) -> Result<Option<Found>, StepError> {
        if self.register == Register::None {
            return Ok(None);
        }
        let most = match self.max_shift {
            None => 5,
            Some(length) if length.mm() > 0.0 && pair.grid.unit == "mm" => {
                (length.mm() / pair.grid.pixel_x.min(pair.grid.pixel_y)).ceil().min(1e9) as usize
            }
            Some(_) if pair.grid.unit != "mm" => return Err(StepError::NoPixelSize { step: STEP }),
            Some(length) => {
                let (value, why) = (length.to_string(), "it is greater than zero");
                return Err(StepError::Parameter { step: STEP, parameter: "max_shift", value, why });
            }
        };
        let farthest = pair.grid.rows.max(pair.grid.columns) / 2;
        if self.max_shift.is_some() && most > farthest {
            let (value, why) = (format!("{most} pixels"), "it is at most half of the longer side of the map");
            return Err(StepError::Parameter { step: STEP, parameter: "max_shift", value, why });
        }
        let whole = pair.whole(most)?;
        if self.register == Register::Whole {
            return Ok(Some(whole));
        }
        let fine = pair.refine(whole)?;
        let (x, y) = fine.shift;
        if x.abs().max(y.abs()) > most as f64 + 0.5 {
            let (value, why) = (format!("{most} pixels"), "the maps lie farther apart than that");
            return Err(StepError::Parameter { step: STEP, parameter: "max_shift", value, why });
        }
        Ok(Some(fine))
    }

    fn normalised(&self, difference: &HeightMap, fixed: &Array2<f64>, moved: &Array2<f64>) -> Array2<f64> {
        let mut e_n = Array2::zeros(difference.shape());
        for ((row, column), value) in e_n.indexed_iter_mut() {
            let at = [row, column];
            if difference.valid()[at] {
                let expanded = self.coverage_factor * (fixed[at] * fixed[at] + moved[at] * moved[at]).sqrt();
                *value = difference.heights_nm()[at].abs() / expanded;
            }
        }
        e_n
    }

    fn describe(
        &self,
        difference: HeightMap,
        e_n: Option<Array2<f64>>,
        removed: Vec<Term>,
        shift: Option<Shift>,
        resampled: Resampled,
    ) -> Result<Compared, StepError> {
        let rows = difference.shape().0;
        let line = |row: usize| {
            let heights = difference.heights_nm().row(row);
            heights.into_iter().zip(difference.valid().row(row)).filter(|(_, v)| **v).map(|(h, _)| *h)
        };
        let moments = Moments::of(rows, line).ok_or(StepError::NothingLeft { step: STEP })?;
        let within = e_n.as_ref().map(|e_n| {
            let inside = e_n.iter().zip(difference.valid()).filter(|(e, v)| **v && **e <= 1.0).count();
            inside as f64 / moments.count as f64
        });
        let (rms_nm, pv_nm, count) = (moments.rms(), moments.max - moments.min, moments.count);
        Ok(Compared { difference, e_n, within, shift, removed, rms_nm, pv_nm, count, resampled })
    }
}

/// The shift of the second map beside the first; what was found is that of the moving one beside the fixed one.
fn stated(found: Found, grid: Extent, sign: f64) -> Shift {
    let (x_px, y_px) = (sign * found.shift.0, sign * found.shift.1);
    let mm = grid.unit == "mm";
    Shift {
        x_px,
        y_px,
        x_mm: mm.then_some(x_px * grid.pixel_x),
        y_mm: mm.then_some(y_px * grid.pixel_y),
        uncertainty_x_px: found.uncertainty.0,
        uncertainty_y_px: found.uncertainty.1,
    }
}

/// Both in mm, or both in pixels if one has no pixel size; then the shapes must be alike.
fn extents(a: &HeightMap, b: &HeightMap) -> Result<(Extent, Extent), StepError> {
    if a.pixel().is_some() && b.pixel().is_some() {
        return Ok((Extent::of(a, STEP)?, Extent::of(b, STEP)?));
    }
    let ((r1, c1), (r2, c2)) = (a.shape(), b.shape());
    if (r1, c1) != (r2, c2) {
        return Err(StepError::Shapes { step: STEP, first: [r1, c1], second: [r2, c2] });
    }
    let extent = Extent::of(if a.pixel().is_some() { a } else { b }, STEP)?;
    Ok((extent, extent))
}

/// Which map has the smaller pixels; of two with the same area and another shape, the second is brought onto the first.
fn finer(a: Extent, b: Extent) -> Resampled {
    let (x, y) = (a.pixel_x / b.pixel_x, a.pixel_y / b.pixel_y);
    if (x - 1.0).abs() < 1e-6 && (y - 1.0).abs() < 1e-6 {
        Resampled::Neither
    } else if x * y < 1.0 - 2e-6 {
        Resampled::First
    } else {
        Resampled::Second
    }
}

fn check_uncertainty(map: &HeightMap, u: Option<&Array2<f64>>) -> Result<(), StepError> {
    let Some(u) = u else { return Ok(()) };
    let ((r1, c1), (r2, c2)) = (map.shape(), u.dim());
    if (r1, c1) != (r2, c2) {
        return Err(StepError::Shapes { step: STEP, first: [r1, c1], second: [r2, c2] });
    }
    let wrong = u.iter().zip(map.valid()).find(|(u, valid)| **valid && !(u.is_finite() && **u > 0.0));
    if let Some((value, _)) = wrong {
        let (value, why) = (format!("{value} nm"), "it is greater than zero wherever the map is valid");
        return Err(StepError::Parameter { step: STEP, parameter: "uncertainty", value, why });
    }
    Ok(())
}
