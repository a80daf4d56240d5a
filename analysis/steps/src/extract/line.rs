//! A profile between any two points of a map.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Length;

use super::band::{Mean, Points};
use super::{Errors, Extracted};
use crate::StepError;
use crate::frame::{parameter_error, pixel_size, same_shape, within};
use crate::geometry::at_point;

/// A profile along the straight line between two points, interpolated with cubic convolution, and averaged over a band
/// around it. Places outside of the map or beside invalid pixels are missing. Positions count from the first point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// First point, x and y from the centre of the map.
    pub from: [Length; 2],
    /// Last point, x and y from the centre of the map.
    pub to: [Length; 2],
    /// Distance of the places along the line. Default: the smaller pixel size.
    #[serde(default)]
    pub spacing: Option<Length>,
    /// Width of the band, filled with parallel lines at most one (smaller) pixel apart. Default 0 mm: one line.
    #[serde(default = "zero")]
    pub width: Length,
    /// Part of the band that must be valid at a place, 0 to 1. Default 0.5.
    #[serde(default = "half")]
    pub min_valid: f64,
    /// How the errors of averaged places go together: `independent` (default) or `common`.
    #[serde(default)]
    pub errors: Errors,
}

fn zero() -> Length {
    Length::new(0.0)
}

fn half() -> f64 {
    0.5
}

const STEP: &str = "line";
/// More places along the line than this, or more of them in all its parallels, are a mistake in the recipe.
const MOST_ALONG: f64 = 1e7;
const MOST_PLACES: f64 = 1e8;

impl Line {
    /// The profile. `uncertainty` is a map of standard uncertainties (nm) of the same shape, interpolated like the
    /// heights; where it is invalid, the place does not count.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`], [`StepError::Parameter`], [`StepError::Shapes`], [`StepError::TooManyPixels`];
    /// [`StepError::Profile`] where fewer than two places remain.
    pub fn apply(&self, map: &HeightMap, uncertainty: Option<&HeightMap>) -> Result<Extracted, StepError> {
        let pixel = pixel_size(map, STEP)?;
        within(STEP, "min_valid", self.min_valid, 0.0..=1.0, "it must be between 0 and 1")?;
        let width = within(STEP, "width", self.width.mm(), 0.0..=f64::MAX, "it must not be negative (mm)")?;
        if let Some(uncertainty) = uncertainty {
            same_shape(STEP, map.shape(), uncertainty.shape())?;
        }
        let smaller = pixel.x_mm.min(pixel.y_mm);
        let spacing = self.spacing.map_or(smaller, Length::mm);
        within(STEP, "spacing", spacing, f64::MIN_POSITIVE..=f64::MAX, "it must be a positive length (mm)")?;
        let [x, y] = self.from.map(Length::mm);
        let (run_x, run_y) = (self.to[0].mm() - x, self.to[1].mm() - y);
        let length = libm::hypot(run_x, run_y);
        if !(length.is_finite() && length >= spacing) {
            return Err(parameter_error(STEP, "to", length, "the points must be at least one spacing apart (mm)"));
        }
        let (along_x, along_y) = (run_x / length, run_y / length);
        let (places, lines) = ((length / spacing + 1e-9).floor() + 1.0, (width / smaller - 1e-9).ceil().max(0.0) + 1.0);
        if places > MOST_ALONG {
            return Err(StepError::TooManyPixels { step: STEP, pixels: places, most: MOST_ALONG });
        }
        if places * lines > MOST_PLACES {
            return Err(StepError::TooManyPixels { step: STEP, pixels: places * lines, most: MOST_PLACES });
        }
        let needed = (self.min_valid * lines).ceil() as usize;
        let (rows, columns) = map.shape();
        let (u0, v0) = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
        let mut points = Points::new(self.errors);
        for place in 0..places as usize {
            let position = place as f64 * spacing;
            let mut mean = Mean::default();
            for line in 0..lines as usize {
                let aside = if lines > 1.0 { width * (line as f64 / (lines - 1.0) - 0.5) } else { 0.0 };
                let u = (x + position * along_x - aside * along_y) / pixel.x_mm + u0;
                let v = (y + position * along_y + aside * along_x) / pixel.y_mm + v0;
                let of = |map: &HeightMap| at_point(map.heights_nm().view(), map.valid().view(), u, v);
                let error = uncertainty.map_or(Some(0.0), of);
                if let (Some(height), Some(error)) = (of(map), error) {
                    mean.add(height, error);
                }
            }
            points.push(position, &mean, needed);
        }
        points.finish(uncertainty.is_some(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use stitchbox_surface::PixelSize;

    fn line(from: [f64; 2], to: [f64; 2]) -> Line {
        let (from, to) = (from.map(Length::new), to.map(Length::new));
        Line { from, to, spacing: None, width: zero(), min_valid: 0.5, errors: Errors::Independent }
    }

    #[test]
    fn a_quadratic_surface_along_any_line() {
        let pixel = PixelSize { x_mm: 0.1, y_mm: 0.2 };
        let surface = |x: f64, y: f64| 3.0 + x - 2.0 * y + 0.5 * x * x - 0.3 * x * y + y * y;
        let mut heights =
            Array2::from_shape_fn((21, 81), |(r, c)| surface((c as f64 - 40.0) * 0.1, (r as f64 - 10.0) * 0.2));
        heights[[10, 40]] = f64::NAN;
        let map = HeightMap::from_heights_nm(heights, Some(pixel));
        let oblique = line([-3.0, -1.5], [3.0, 1.5]);
        let found = oblique.apply(&map, None).unwrap();
        let (cos, sin) = (2.0 / 5f64.sqrt(), 1.0 / 5f64.sqrt());
        for (s, h) in found.profile.x_mm.iter().zip(&found.profile.values) {
            assert!((h - surface(-3.0 + s * cos, -1.5 + s * sin)).abs() < 1e-10, "{s}");
        }
        // 6.708 mm in steps of 0.1 mm; around the hole some are missing.
        let places = found.profile.len();
        assert!((64..67).contains(&places), "{places}");
        // A band across a plane has the plane's value on its middle line; its uncertainty falls with the root of n.
        let plane = HeightMap::from_heights_nm(
            Array2::from_shape_fn((21, 81), |(r, c)| 2.0 * (c as f64 - 40.0) * 0.1 + 5.0 * (r as f64 - 10.0) * 0.2),
            Some(pixel),
        );
        let u = HeightMap::from_heights_nm(Array2::from_elem((21, 81), 0.6), Some(pixel));
        let band = Line { width: Length::new(0.8), ..line([-2.0, 0.0], [2.0, 0.0]) }.apply(&plane, Some(&u)).unwrap();
        assert!(band.profile.values.iter().zip(&band.profile.x_mm).all(|(h, s)| (h - 2.0 * (s - 2.0)).abs() < 1e-10));
        assert!(band.uncertainty_nm.unwrap().iter().all(|u| (u - 0.2).abs() < 1e-12));
        assert!(band.counts.iter().all(|n| *n == 9));
    }

    #[test]
    fn lines_without_length_and_without_map_are_refused() {
        let map = HeightMap::from_heights_nm(Array2::zeros((5, 5)), Some(PixelSize { x_mm: 0.1, y_mm: 0.1 }));
        assert!(matches!(line([0.0; 2], [0.0; 2]).apply(&map, None), Err(StepError::Parameter { .. })));
        assert!(matches!(line([0.0; 2], [f64::NAN; 2]).apply(&map, None), Err(StepError::Parameter { .. })));
        assert!(matches!(line([50.0; 2], [60.0; 2]).apply(&map, None), Err(StepError::Profile(_))));
        assert!(matches!(line([0.0; 2], [1e12; 2]).apply(&map, None), Err(StepError::TooManyPixels { .. })));
    }
}
