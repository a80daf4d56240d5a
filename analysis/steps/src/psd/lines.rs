//! The mean density of the lines of a map, and the density of a profile (Welch's periodogram with one segment).

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView1, Axis as ArrayAxis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::{HeightMap, Profile, ProfileKind};

use super::{DensityUnit, Detrend, Gaps, Spectrum, Window, cells, grid};
use crate::fourier::{Complex, Fourier, Scratch};
use crate::frame::{pixel_size, within};
use crate::{Axis, StepError};

/// Power spectral density in one dimension: the mean over the lines of a map, or that of a profile. One-sided;
/// `density[k] = 2 d / sum(w^2) |sum_j w_j h_j exp(-2 pi i j k / n)|^2` with the distance d of the points (without the
/// factor 2 at frequency 0 and at Nyquist).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Psd {
    /// Direction of the lines of a map: `x` (default) or `y`. Not used for profiles.
    pub along: Axis,
    /// Weights along each line. Default `hann`.
    pub window: Window,
    /// What is removed from each line before: `none`, `mean`, `linear` (default) or `quadratic`.
    pub detrend: Detrend,
    /// What is done with invalid points: `interpolate` (default), `weight` (zero) or `skip` the line.
    pub gaps: Gaps,
    /// Part of a line that must be valid, 0 to 1; lines with less are left out. Default 0.9.
    pub min_valid: f64,
}

impl Default for Psd {
    fn default() -> Self {
        Self { along: Axis::X, window: Window::Hann, detrend: Detrend::Linear, gaps: Gaps::Interpolate, min_valid: 0.9 }
    }
}

const STEP: &str = "psd";
/// Shortest line that has a spectrum.
const SHORTEST: usize = 4;
/// Lines whose sum is made by one thread; fixed, so that the order of summation is.
const BLOCK: usize = 32;

impl Psd {
    /// The mean density of the lines, from the first to the last column (row) with any valid pixel.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`], [`StepError::Parameter`], [`StepError::TooFew`] where no line is left.
    pub fn apply(&self, map: &HeightMap) -> Result<Spectrum, StepError> {
        let pixel = pixel_size(map, STEP)?;
        self.check()?;
        let (axis, across, spacing_mm) = match self.along {
            Axis::X => (ArrayAxis(1), ArrayAxis(0), pixel.x_mm),
            Axis::Y => (ArrayAxis(0), ArrayAxis(1), pixel.y_mm),
        };
        let (from, to) = extent(map.valid(), axis);
        if to - from < SHORTEST {
            return Err(StepError::TooFew {
                step: STEP,
                what: "valid points in a line",
                found: to - from,
                needed: SHORTEST,
            });
        }
        let (mut heights, mut valid) = (map.heights_nm().view(), map.valid().view());
        heights.slice_axis_inplace(axis, (from..to).into());
        valid.slice_axis_inplace(axis, (from..to).into());
        let plan = Plan::new(self, to - from, spacing_mm);
        let sums: Vec<Sum> = heights
            .axis_chunks_iter(across, BLOCK)
            .into_par_iter()
            .zip(valid.axis_chunks_iter(across, BLOCK))
            .map(|(heights, valid)| plan.sum(heights.axis_iter(across).zip(valid.axis_iter(across))))
            .collect();
        plan.finish(sums, DensityUnit::Nm2Mm)
    }

    /// The density of a profile of heights or slopes. Its points must lie on an equidistant grid (to a tenth of their
    /// distance); missing ones are gaps.
    ///
    /// # Errors
    /// [`StepError::NotEquidistant`], [`StepError::Parameter`], [`StepError::TooFew`].
    pub fn apply_to_profile(&self, profile: &Profile) -> Result<Spectrum, StepError> {
        self.check()?;
        let line = grid::gridded(profile, STEP)?;
        let found = line.values.len();
        if found < SHORTEST {
            return Err(StepError::TooFew { step: STEP, what: "points", found, needed: SHORTEST });
        }
        let plan = Plan::new(self, found, line.spacing_mm);
        let (values, valid) = (ArrayView1::from(&line.values), ArrayView1::from(&line.valid));
        let unit = match profile.kind {
            ProfileKind::HeightNm => DensityUnit::Nm2Mm,
            ProfileKind::SlopeUrad => DensityUnit::Urad2Mm,
        };
        plan.finish(vec![plan.sum(std::iter::once((values, valid)))], unit)
    }

    fn check(&self) -> Result<(), StepError> {
        self.window.check(STEP)?;
        within(STEP, "min_valid", self.min_valid, 0.0..=1.0, "it must be between 0 and 1").map(drop)
    }
}

/// First place along an axis with a valid pixel, and the one behind the last.
fn extent(valid: &Array2<bool>, axis: ArrayAxis) -> (usize, usize) {
    let mut any = vec![false; valid.len_of(axis)];
    let across = ArrayAxis(1 - axis.index());
    for line in valid.axis_iter(across) {
        for (any, ok) in any.iter_mut().zip(line) {
            *any |= ok;
        }
    }
    let first = any.iter().position(|any| *any).unwrap_or(0);
    (first, any.iter().rposition(|any| *any).map_or(first, |last| last + 1))
}

/// Everything about lines of one length.
struct Plan<'a> {
    psd: &'a Psd,
    fourier: Fourier,
    window: Vec<f64>,
    spacing_mm: f64,
}

/// Sum of the densities of some lines.
struct Sum {
    density: Vec<f64>,
    lines: usize,
    left_out: usize,
    alikeness: f64,
}

impl<'a> Plan<'a> {
    fn new(psd: &'a Psd, length: usize, spacing_mm: f64) -> Self {
        Self { psd, fourier: Fourier::new(length), window: psd.window.weights(length), spacing_mm }
    }

    /// Two lines at a time go through one complex transform.
    fn sum<'l>(&self, lines: impl Iterator<Item = (ArrayView1<'l, f64>, ArrayView1<'l, bool>)>) -> Sum {
        let n = self.fourier.len();
        let mut sum = Sum { density: vec![0.0; n / 2 + 1], lines: 0, left_out: 0, alikeness: 0.0 };
        let mut pair = vec![Complex::default(); n];
        let mut scratch = Scratch::default();
        let mut waiting = false;
        for (heights, valid) in lines {
            let Some((line, alikeness)) = self.weighted(heights, valid) else {
                sum.left_out += 1;
                continue;
            };
            sum.lines += 1;
            sum.alikeness += alikeness;
            for (place, value) in pair.iter_mut().zip(line) {
                *place = if waiting { Complex::new(place.re, value) } else { Complex::new(value, 0.0) };
            }
            if waiting {
                self.add(&mut pair, &mut sum.density, &mut scratch);
            }
            waiting = !waiting;
        }
        if waiting {
            self.add(&mut pair, &mut sum.density, &mut scratch);
        }
        sum
    }

    /// Adds the densities of the two real lines in a complex one.
    fn add(&self, pair: &mut [Complex], density: &mut [f64], scratch: &mut Scratch) {
        let n = pair.len();
        self.fourier.forward(pair, scratch);
        for (k, sum) in density.iter_mut().enumerate() {
            // |A|^2 + |B|^2 where the transform of a + i b is A + i B.
            let (here, mirrored) = (pair[k], pair[(n - k) % n]);
            let both = (here.power() + mirrored.power()) / 2.0;
            *sum += if k == 0 || 2 * k == n { both } else { 2.0 * both };
        }
    }

    /// A detrended line times its weights, scaled so that its squared transform is its density; and its alikeness.
    /// `None` where too little of it is valid.
    fn weighted(&self, heights: ArrayView1<'_, f64>, valid: ArrayView1<'_, bool>) -> Option<(Vec<f64>, f64)> {
        let n = heights.len();
        let mut ok = valid.to_vec();
        let count = ok.iter().filter(|ok| **ok).count();
        let needed = ((self.psd.min_valid * n as f64).ceil() as usize).max(SHORTEST);
        if count < needed || (self.psd.gaps == Gaps::Skip && count < n) {
            return None;
        }
        let mut line = heights.to_vec();
        self.psd.detrend.line(&mut line, &ok);
        if self.psd.gaps == Gaps::Interpolate {
            interpolate(&mut line, &ok);
            ok.fill(true);
        }
        let (mut squares, mut fourths) = (0.0, 0.0);
        for ((value, weight), ok) in line.iter_mut().zip(&self.window).zip(&ok) {
            let weight = if *ok { *weight } else { 0.0 };
            *value *= weight;
            squares += weight * weight;
            fourths += (weight * weight) * (weight * weight);
        }
        if squares <= 0.0 {
            return None;
        }
        let scale = (self.spacing_mm / squares).sqrt();
        for value in &mut line {
            *value *= scale;
        }
        Some((line, fourths * n as f64 / (squares * squares)))
    }

    fn finish(&self, sums: Vec<Sum>, unit: DensityUnit) -> Result<Spectrum, StepError> {
        let n = self.fourier.len();
        let mut total = Sum { density: vec![0.0; n / 2 + 1], lines: 0, left_out: 0, alikeness: 0.0 };
        for sum in sums {
            total.lines += sum.lines;
            total.left_out += sum.left_out;
            total.alikeness += sum.alikeness;
            for (density, part) in total.density.iter_mut().zip(sum.density) {
                *density += part;
            }
        }
        if total.lines == 0 {
            return Err(StepError::TooFew { step: STEP, what: "lines with enough valid points", found: 0, needed: 1 });
        }
        let lines = total.lines as f64;
        let (frequency_per_mm, distance_per_mm) = cells::frequencies(n, self.spacing_mm);
        Ok(Spectrum {
            frequency_per_mm,
            density: total.density.into_iter().map(|sum| sum / lines).collect(),
            unit,
            distance_per_mm,
            nyquist_per_mm: 0.5 / self.spacing_mm,
            lines: total.lines,
            left_out: total.left_out,
            alikeness: total.alikeness / lines,
        })
    }
}

/// Straight between valid neighbours, constant beyond the outermost.
fn interpolate(line: &mut [f64], valid: &[bool]) {
    let mut last: Option<usize> = None;
    for k in 0..line.len() {
        if !valid[k] {
            continue;
        }
        let gap = last.map_or(0, |last| last + 1)..k;
        for j in gap {
            line[j] = match last {
                Some(last) => line[last] + (line[k] - line[last]) * (j - last) as f64 / (k - last) as f64,
                None => line[k],
            };
        }
        last = Some(k);
    }
    if let Some(last) = last {
        let value = line[last];
        line[last + 1..].fill(value);
    }
}

#[cfg(test)]
mod tests;
