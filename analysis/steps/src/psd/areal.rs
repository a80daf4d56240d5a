//! The two-dimensional density of a map.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::Frequency;
use stitchbox_surface::{HeightMap, PixelSize};

use super::detrend::fit;
use super::{Detrend, Window, cells};
use crate::StepError;
use crate::fourier::{Complex, Fourier, Scratch};
use crate::frame::{pixel_size, within};

/// Power spectral density in two dimensions, two-sided:
/// `density = dx dy / sum(w^2) |sum w h exp(-2 pi i (fx x + fy y))|^2`. The window is the product of one along x and one
/// along y; invalid pixels inside have weight zero, so that of a density that falls steeply part leaks to high
/// frequencies: fill small holes first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArealPsd {
    /// Weights along either direction. Default `hann`.
    pub window: Window,
    /// What is removed before: `none`, `mean`, `linear` (a plane, default) or `quadratic`.
    pub detrend: Detrend,
    /// Part of the rectangle around the valid pixels that must be valid, 0 to 1. Default 0.9.
    pub min_valid: f64,
}

impl Default for ArealPsd {
    fn default() -> Self {
        Self { window: Window::Hann, detrend: Detrend::Linear, min_valid: 0.9 }
    }
}

/// A two-sided density over the half plane `fx >= 0`; the other half is its mirror image through the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct ArealSpectrum {
    /// Frequencies along x, 1/mm, ascending from 0: the columns of the density.
    pub x_per_mm: Vec<f64>,
    /// Frequencies along y, 1/mm, ascending through 0: the rows of the density.
    pub y_per_mm: Vec<f64>,
    /// Density, nm^2 mm^2.
    pub density: Array2<f64>,
    /// Distance of the frequencies along x and y, 1/mm.
    pub distance_per_mm: (f64, f64),
    /// For each column, how many columns of the whole plane it stands for (1 or 2).
    copies: Vec<f64>,
}

/// The density over the distance from the origin, averaged over all directions.
#[derive(Debug, Clone, PartialEq)]
pub struct RadialSpectrum {
    /// Mean frequency of each ring, 1/mm.
    pub frequency_per_mm: Vec<f64>,
    /// Mean (two-sided, two-dimensional) density in the ring, nm^2 mm^2.
    pub density: Vec<f64>,
    /// Cells of the whole plane in the ring.
    pub cells: Vec<usize>,
}

const STEP: &str = "areal-psd";
const SHORTEST: usize = 4;
/// Columns transformed together, so that memory is read in whole cache lines.
const BLOCK: usize = 8;

impl ArealPsd {
    /// The density of the rectangle around the valid pixels.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`], [`StepError::Parameter`], [`StepError::TooFew`] where less than `min_valid` of the
    /// rectangle is valid, or it is narrower than 4 pixels.
    pub fn apply(&self, map: &HeightMap) -> Result<ArealSpectrum, StepError> {
        let pixel = pixel_size(map, STEP)?;
        self.window.check(STEP)?;
        within(STEP, "min_valid", self.min_valid, 0.0..=1.0, "it must be between 0 and 1")?;
        let [top, bottom, left, right] = rectangle(map.valid());
        for (what, found) in [("valid rows", bottom - top), ("valid columns", right - left)] {
            if found < SHORTEST {
                return Err(StepError::TooFew { step: STEP, what, found, needed: SHORTEST });
            }
        }
        let (mut heights, mut valid) = (map.heights_nm().view(), map.valid().view());
        for (axis, range) in [(Axis(0), top..bottom), (Axis(1), left..right)] {
            heights.slice_axis_inplace(axis, range.clone().into());
            valid.slice_axis_inplace(axis, range.into());
        }
        let needed = ((self.min_valid * valid.len() as f64).ceil() as usize).max(1);
        let found = map.valid_count();
        if found < needed {
            return Err(StepError::TooFew { step: STEP, what: "valid pixels in the rectangle", found, needed });
        }
        let trend = trend(heights, valid, self.detrend);
        let (rows, columns) = heights.dim();
        let (along_x, along_y) = (self.window.weights(columns), self.window.weights(rows));
        let weight = |row: usize, column: usize| {
            if valid[[row, column]] { along_x[column] * along_y[row] } else { 0.0 }
        };
        let squares: Vec<f64> = (0..rows)
            .into_par_iter()
            .map(|row| (0..columns).map(|column| weight(row, column) * weight(row, column)).sum::<f64>())
            .collect();
        let squares: f64 = squares.iter().sum();
        if squares <= 0.0 {
            let what = "valid pixels where the window has weight";
            return Err(StepError::TooFew { step: STEP, what, found: 0, needed: 1 });
        }
        let scale = pixel.x_mm * pixel.y_mm / squares;
        let value = |row: usize, column: usize| weight(row, column) * (heights[[row, column]] - trend.at(row, column));
        Ok(spectrum(transformed(rows, columns, value), columns, pixel, scale))
    }
}

/// Rows and columns around the valid pixels, half-open: top, bottom, left, right.
fn rectangle(valid: &Array2<bool>) -> [usize; 4] {
    let (rows, columns) = valid.dim();
    let (mut top, mut bottom, mut left, mut right) = (rows, 0, columns, 0);
    for (row, line) in valid.rows().into_iter().enumerate() {
        if let Some(first) = line.iter().position(|ok| *ok) {
            (top, bottom) = (top.min(row), row + 1);
            left = left.min(first);
            right = right.max(line.iter().rposition(|ok| *ok).map_or(0, |last| last + 1));
        }
    }
    [top.min(bottom), bottom, left.min(right), right]
}

/// A quadratic surface in coordinates from -1 to 1.
struct Trend {
    shape: (usize, usize),
    terms: [f64; 6],
}

impl Trend {
    fn basis(&self, row: usize, column: usize) -> [f64; 6] {
        let place = |k: usize, n: usize| (2.0 * k as f64 - (n as f64 - 1.0)) / (n as f64 - 1.0).max(1.0);
        let (x, y) = (place(column, self.shape.1), place(row, self.shape.0));
        [1.0, x, y, x * x - 1.0 / 3.0, x * y, y * y - 1.0 / 3.0]
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.terms.iter().zip(self.basis(row, column)).map(|(a, b)| a * b).sum()
    }
}

fn trend(heights: ArrayView2<'_, f64>, valid: ArrayView2<'_, bool>, detrend: Detrend) -> Trend {
    let mut trend = Trend { shape: heights.dim(), terms: [0.0; 6] };
    if detrend == Detrend::None {
        return trend;
    }
    let Some(first) = heights.iter().zip(valid).find(|(_, ok)| **ok).map(|(h, _)| *h) else { return trend };
    let points = || {
        heights
            .indexed_iter()
            .zip(valid)
            .filter(|(_, ok)| **ok)
            .map(|(((row, column), h), _)| (trend.basis(row, column), h - first))
    };
    let fitted = match detrend {
        Detrend::None => None,
        Detrend::Mean => fit(points().map(|(_, h)| ([1.0], h))).map(|[a]| [a, 0.0, 0.0, 0.0, 0.0, 0.0]),
        Detrend::Linear => {
            fit(points().map(|([a, b, c, ..], h)| ([a, b, c], h))).map(|[a, b, c]| [a, b, c, 0.0, 0.0, 0.0])
        }
        Detrend::Quadratic => fit(points()),
    };
    trend.terms = fitted.unwrap_or([0.0; 6]);
    trend.terms[0] += first;
    trend
}

/// The transform of real values for `fx >= 0`.
fn transformed(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64 + Sync) -> Array2<Complex> {
    let half = columns / 2 + 1;
    let mut found = Array2::from_elem((rows, half), Complex::default());
    let (along_x, along_y) = (Fourier::new(columns), Fourier::new(rows));
    // Two rows at a time as one complex line, taken apart by symmetry.
    found.axis_chunks_iter_mut(Axis(0), 2).into_par_iter().enumerate().for_each_init(
        || (vec![Complex::default(); columns], Scratch::default()),
        |(line, scratch), (index, mut pair)| {
            let row = 2 * index;
            let two = pair.nrows() == 2;
            for (column, place) in line.iter_mut().enumerate() {
                *place = Complex::new(value(row, column), if two { value(row + 1, column) } else { 0.0 });
            }
            along_x.forward(line, scratch);
            for k in 0..half {
                let (here, mirrored) = (line[k], line[(columns - k) % columns].conjugate());
                pair[[0, k]] = (here + mirrored).scaled(0.5);
                if two {
                    pair[[1, k]] = (here - mirrored).turned().scaled(0.5);
                }
            }
        },
    );
    found.axis_chunks_iter_mut(Axis(1), BLOCK).into_par_iter().for_each_init(
        || (vec![Complex::default(); rows * BLOCK], Scratch::default()),
        |(lines, scratch), mut block| {
            for (row, values) in block.rows().into_iter().enumerate() {
                for (column, value) in values.iter().enumerate() {
                    lines[column * rows + row] = *value;
                }
            }
            for line in lines.chunks_exact_mut(rows).take(block.ncols()) {
                along_y.forward(line, scratch);
            }
            for (row, mut values) in block.rows_mut().into_iter().enumerate() {
                for (column, value) in values.iter_mut().enumerate() {
                    *value = lines[column * rows + row];
                }
            }
        },
    );
    found
}

fn spectrum(transform: Array2<Complex>, columns: usize, pixel: PixelSize, scale: f64) -> ArealSpectrum {
    let (rows, half) = transform.dim();
    let (x_per_mm, x_distance) = cells::frequencies(columns, pixel.x_mm);
    let y_distance = 1.0 / (rows as f64 * pixel.y_mm);
    // The first row holds the most negative frequency; of an even number that of Nyquist.
    let zero = rows / 2;
    let y_per_mm = (0..rows).map(|row| (row as f64 - zero as f64) * y_distance).collect();
    let density = Array2::from_shape_fn((rows, half), |(row, column)| {
        scale * transform[[(row + rows - zero) % rows, column]].power()
    });
    let copies = (0..half).map(|k| if k == 0 || 2 * k == columns { 1.0 } else { 2.0 }).collect();
    ArealSpectrum { x_per_mm, y_per_mm, density, distance_per_mm: (x_distance, y_distance), copies }
}

impl ArealSpectrum {
    /// Root mean square of the cells whose distance from the origin lies between two frequencies (`from` included, `to`
    /// not), nm.
    #[must_use]
    pub fn band_rms(&self, from: Frequency, to: Frequency) -> f64 {
        let band = from.per_mm()..to.per_mm();
        let mut sum = 0.0;
        for (fy, row) in self.y_per_mm.iter().zip(self.density.rows()) {
            let mut of_row = 0.0;
            for ((fx, density), copies) in self.x_per_mm.iter().zip(row).zip(&self.copies) {
                if band.contains(&libm::hypot(*fx, *fy)) {
                    of_row += density * copies;
                }
            }
            sum += of_row;
        }
        (sum * self.distance_per_mm.0 * self.distance_per_mm.1).sqrt()
    }

    /// Root mean square of all of it, nm: that of the detrended map, weighted with the squared window.
    #[must_use]
    pub fn rms(&self) -> f64 {
        self.band_rms(Frequency::new(0.0), Frequency::new(f64::INFINITY))
    }

    /// Mean over all directions, in rings as wide as the larger distance of the frequencies. The origin is the first
    /// ring; beyond the smaller Nyquist frequency rings are no longer whole.
    #[must_use]
    pub fn radial(&self) -> RadialSpectrum {
        let width = self.distance_per_mm.0.max(self.distance_per_mm.1);
        let ring = |fx: f64, fy: f64| (libm::hypot(fx, fy) / width).round() as usize;
        let corner = (self.x_per_mm.last().copied().unwrap_or(0.0), self.y_per_mm.first().copied().unwrap_or(0.0));
        let mut sums = vec![(0.0, 0.0, 0usize); ring(corner.0, corner.1) + 1];
        for (fy, row) in self.y_per_mm.iter().zip(self.density.rows()) {
            for ((fx, density), copies) in self.x_per_mm.iter().zip(row).zip(&self.copies) {
                if let Some(sum) = sums.get_mut(ring(*fx, *fy)) {
                    sum.0 += copies * libm::hypot(*fx, *fy);
                    sum.1 += copies * density;
                    sum.2 += *copies as usize;
                }
            }
        }
        sums.retain(|sum| sum.2 > 0);
        RadialSpectrum {
            frequency_per_mm: sums.iter().map(|(f, _, n)| f / *n as f64).collect(),
            density: sums.iter().map(|(_, s, n)| s / *n as f64).collect(),
            cells: sums.iter().map(|(_, _, n)| *n).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
