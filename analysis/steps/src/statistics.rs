//! Numbers that describe a map: areal roughness parameters (ISO 25178-2) and slope errors.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Length;

use crate::StepError;
use crate::frame::positive;

/// Describes a map or profile by numbers; the data stay as they are. Invalid pixels count nowhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Statistics {
    /// Distance between the two heights whose difference makes a slope; rounded to whole pixels, at least one. Default:
    /// one pixel, in a profile the next point.
    pub slope_step: Option<Length>,
}

/// Statistics of a map, over its valid pixels, about their mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MapStatistics {
    /// Number of valid pixels.
    pub count: usize,
    /// Mean height, nm.
    pub mean_nm: f64,
    /// Root mean square about the mean (Sq), nm.
    pub rms_nm: f64,
    /// Highest minus lowest height (Sz, PV), nm.
    pub pv_nm: f64,
    /// Mean absolute distance from the mean (Sa), nm.
    pub sa_nm: f64,
    /// Highest height above the mean (Sp), nm.
    pub sp_nm: f64,
    /// Lowest height below the mean, positive (Sv), nm.
    pub sv_nm: f64,
    /// Skewness (Ssk); 0 for a flat map.
    pub ssk: f64,
    /// Kurtosis (Sku), 3 for a normal distribution; 0 for a flat map.
    pub sku: f64,
    /// Slope along x; `None` without pixel size or without two valid pixels one step apart.
    pub slope_x: Option<SlopeStatistics>,
    /// Slope along y.
    pub slope_y: Option<SlopeStatistics>,
}

/// Statistics of slopes from differences of two heights, `(h(x + step) - h(x)) / step`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SlopeStatistics {
    /// Number of differences.
    pub count: usize,
    /// Distance between the two heights, mm.
    pub step_mm: f64,
    /// Mean slope, microradian.
    pub mean_urad: f64,
    /// Root mean square about the mean, microradian.
    pub rms_urad: f64,
    /// Largest minus smallest slope, microradian.
    pub pv_urad: f64,
}

/// Count, mean and moments about it: two passes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    pub count: usize,
    pub mean: f64,
    pub absolute: f64,
    pub second: f64,
    pub third: f64,
    pub fourth: f64,
    pub min: f64,
    pub max: f64,
}

impl Moments {
    /// Of several lists of values; each list is summed by itself, and the sums in their order. `None` without a value.
    pub fn of<I: Iterator<Item = f64>>(lists: usize, list: impl Fn(usize) -> I + Sync) -> Option<Self> {
        let sums: Vec<(usize, f64)> = (0..lists)
            .into_par_iter()
            .map(|k| list(k).fold((0, 0.0), |(n, sum), value| (n + 1, sum + value)))
            .collect();
        let (count, sum) = sums.iter().fold((0, 0.0), |(n, s), (m, t)| (n + m, s + t));
        if count == 0 {
            return None;
        }
        let n = count as f64;
        let rough = sum / n;
        // A large mean loses digits in the first sum: what is left of it is found in the second pass.
        let parts: Vec<Self> = (0..lists).into_par_iter().map(|k| Self::about(rough, list(k))).collect();
        let mut total = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, ..Self::default() };
        for part in parts {
            total.mean += part.mean;
            total.absolute += part.absolute;
            total.second += part.second;
            total.third += part.third;
            total.fourth += part.fourth;
            total.min = total.min.min(part.min);
            total.max = total.max.max(part.max);
        }
        let shift = total.mean / n;
        let (second, third, fourth) = (total.second / n, total.third / n, total.fourth / n);
        Some(Self {
            count,
            mean: rough + shift,
            absolute: total.absolute / n,
            second: (second - shift * shift).max(0.0),
            third: third - 3.0 * shift * second + 2.0 * shift * shift * shift,
            fourth: fourth - 4.0 * shift * third + 6.0 * shift * shift * second - 3.0 * shift * shift * shift * shift,
            ..total
        })
    }

    fn about(mean: f64, values: impl Iterator<Item = f64>) -> Self {
        let mut sums = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, ..Self::default() };
        for value in values {
            let d = value - mean;
            sums.mean += d;
            sums.absolute += d.abs();
            sums.second += d * d;
            sums.third += d * d * d;
            sums.fourth += d * d * d * d;
            sums.min = sums.min.min(value);
            sums.max = sums.max.max(value);
        }
        sums
    }

    pub fn rms(&self) -> f64 {
        self.second.sqrt()
    }

    pub fn skewness(&self) -> f64 {
        if self.second > 0.0 { self.third / (self.second * self.second.sqrt()) } else { 0.0 }
    }

    pub fn kurtosis(&self) -> f64 {
        if self.second > 0.0 { self.fourth / (self.second * self.second) } else { 0.0 }
    }
}

const STEP: &str = "statistics";

impl Statistics {
    /// Describes a map.
    ///
    /// # Errors
    /// [`StepError::NothingLeft`] for a map without valid pixel, [`StepError::Parameter`] for a slope step that is not
    /// positive, [`StepError::NoPixelSize`] where a slope step is given and the map has no pixel size.
    pub fn apply(&self, map: &HeightMap) -> Result<MapStatistics, StepError> {
        let (rows, columns) = map.shape();
        let row_values = |row: usize| {
            map.heights_nm().row(row).into_iter().zip(map.valid().row(row)).filter(|(_, v)| **v).map(|(h, _)| *h)
        };
        let moments = Moments::of(rows, row_values).ok_or(StepError::NothingLeft { step: STEP })?;
        let (mut slope_x, mut slope_y) = (None, None);
        if let Some(pixel) = map.pixel() {
            let pixel = positive(pixel, STEP)?;
            let across = self.pixels(pixel.x_mm)?;
            let down = self.pixels(pixel.y_mm)?;
            slope_x = slopes(map, (0, across), rows, columns, across as f64 * pixel.x_mm);
            slope_y = slopes(map, (down, 0), rows, columns, down as f64 * pixel.y_mm);
        } else if self.slope_step.is_some() {
            return Err(StepError::NoPixelSize { step: STEP });
        }
        Ok(MapStatistics {
            count: moments.count,
            mean_nm: moments.mean,
            rms_nm: moments.rms(),
            pv_nm: moments.max - moments.min,
            sa_nm: moments.absolute,
            sp_nm: moments.max - moments.mean,
            sv_nm: moments.mean - moments.min,
            ssk: moments.skewness(),
            sku: moments.kurtosis(),
            slope_x,
            slope_y,
        })
    }

    /// The slope step in pixels of this size.
    pub(crate) fn pixels(&self, pixel_mm: f64) -> Result<usize, StepError> {
        let Some(step) = self.slope_step else { return Ok(1) };
        if step.mm() <= 0.0 {
            let (parameter, value, why) = ("slope_step", step.to_string(), "a step is greater than zero");
            return Err(StepError::Parameter { step: STEP, parameter, value, why });
        }
        Ok(((step.mm() / pixel_mm).round() as usize).max(1))
    }
}

fn slopes(map: &HeightMap, to: (usize, usize), rows: usize, columns: usize, step_mm: f64) -> Option<SlopeStatistics> {
    let (heights, valid) = (map.heights_nm(), map.valid());
    let differences = |row: usize| {
        (0..columns.saturating_sub(to.1)).filter_map(move |column| {
            let (here, there) = ([row, column], [row + to.0, column + to.1]);
            (valid[here] && valid[there]).then(|| (heights[there] - heights[here]) / step_mm)
        })
    };
    let moments = Moments::of(rows.saturating_sub(to.0), differences)?;
    Some(SlopeStatistics {
        count: moments.count,
        step_mm,
        mean_urad: moments.mean,
        rms_urad: moments.rms(),
        pv_urad: moments.max - moments.min,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use stitchbox_surface::PixelSize;

    #[test]
    fn a_sine_has_the_statistics_of_a_sine() {
        // 100 periods of 40 pixels; a large mean; one spike that is masked.
        let mut heights = Array2::from_shape_fn((8, 4000), |(_, c)| {
            1e7 + 5.0 * libm::sin(2.0 * std::f64::consts::PI * (c as f64 + 0.5) / 40.0)
        });
        for row in 0..8 {
            for column in 400..440 {
                heights[[row, column]] = f64::NAN;
            }
        }
        let map = HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.1, y_mm: 0.1 }));
        let s = Statistics::default().apply(&map).unwrap();
        assert_eq!(s.count, 8 * 3960);
        assert!((s.mean_nm - 1e7).abs() < 1e-6 && (s.rms_nm - 5.0 / 2f64.sqrt()).abs() < 1e-7);
        assert!((s.sa_nm - 10.0 / std::f64::consts::PI).abs() < 0.01 && (s.pv_nm - 10.0).abs() < 0.05);
        assert!(s.ssk.abs() < 1e-6 && (s.sku - 1.5).abs() < 1e-6);
        // Difference over one pixel: 2 A sin(pi/40) / step, rms over sqrt 2.
        let slope = 10.0 * libm::sin(std::f64::consts::PI / 40.0) / 0.1 / 2f64.sqrt();
        let x = s.slope_x.unwrap();
        assert!((x.rms_urad - slope).abs() < 2e-3 * slope && x.count == 8 * (3999 - 41), "{x:?}");
        assert!(s.slope_y.unwrap().rms_urad < 1e-6);
        let wide = Statistics { slope_step: Some(Length::new(1.96)) }.apply(&map).unwrap().slope_x.unwrap();
        assert!((wide.step_mm - 2.0).abs() < 1e-12, "half a period");
        assert!((wide.rms_urad - 10.0 / 2.0 / 2f64.sqrt()).abs() < 0.02 * wide.rms_urad);
    }

    #[test]
    fn moments_are_those_of_the_definition() {
        let values = [1.0, 2.0, 2.0, 7.0];
        let m = Moments::of(2, |k| values[2 * k..2 * k + 2].iter().copied()).unwrap();
        assert_eq!((m.count, m.mean, m.second), (4, 3.0, 5.5));
        assert!((m.skewness() - (-8.0 - 1.0 - 1.0 + 64.0) / 4.0 / 5.5f64.powf(1.5)).abs() < 1e-14);
        assert!((m.kurtosis() - (16.0 + 1.0 + 1.0 + 256.0) / 4.0 / 30.25).abs() < 1e-14);
        assert!((m.absolute - 2.0).abs() < 1e-15);
    }

    #[test]
    fn nothing_to_describe_and_steps_without_sense_are_refused() {
        let empty = HeightMap::from_heights_nm(Array2::from_elem((2, 2), f64::NAN), None);
        assert_eq!(Statistics::default().apply(&empty).unwrap_err(), StepError::NothingLeft { step: "statistics" });
        let flat = HeightMap::from_heights_nm(Array2::zeros((1, 1)), Some(PixelSize { x_mm: 1.0, y_mm: 1.0 }));
        let s = Statistics::default().apply(&flat).unwrap();
        assert_eq!((s.rms_nm, s.ssk, s.sku, s.slope_x), (0.0, 0.0, 0.0, None));
        assert!(Statistics { slope_step: Some(Length::new(0.0)) }.apply(&flat).is_err());
    }
}
