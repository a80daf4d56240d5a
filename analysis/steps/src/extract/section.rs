//! A profile along the rows or columns of a map, averaged over a band of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Length;

use super::band::{Mean, Points};
use super::{Errors, Extracted};
use crate::frame::{pixel_size, same_shape, within};
use crate::{Axis, StepError};

/// A profile along x at some y, or along y at some x: the mean over a band of whole rows or columns. Positions along
/// the profile count from the centre of the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// Direction of the profile: `x` (default) or `y`.
    pub along: Axis,
    /// Place of the band's middle across the profile, from the centre of the map. Default 0 mm.
    pub at: Length,
    /// Width of the band: all rows (columns) whose centres lie within half of it from the middle are averaged, but at
    /// least the nearest one. Default 0 mm: the nearest one.
    pub width: Length,
    /// Part of the band that must be valid at a place, 0 to 1. Default 0.5.
    pub min_valid: f64,
    /// How the errors of averaged pixels go together: `independent` (default) or `common`.
    pub errors: Errors,
}

impl Default for Section {
    fn default() -> Self {
        let zero = Length::new(0.0);
        Self { along: Axis::X, at: zero, width: zero, min_valid: 0.5, errors: Errors::Independent }
    }
}

const STEP: &str = "section";

impl Section {
    /// The profile. `uncertainty` is a map of standard uncertainties (nm) of the same shape; where a height is valid and
    /// its uncertainty is not, the height does not count.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`], [`StepError::OutsideOfMap`], [`StepError::Parameter`], [`StepError::Shapes`];
    /// [`StepError::Profile`] where fewer than two places remain.
    pub fn apply(&self, map: &HeightMap, uncertainty: Option<&HeightMap>) -> Result<Extracted, StepError> {
        let pixel = pixel_size(map, STEP)?;
        within(STEP, "min_valid", self.min_valid, 0.0..=1.0, "it must be between 0 and 1")?;
        within(STEP, "width", self.width.mm(), 0.0..=f64::MAX, "it must not be negative (mm)")?;
        if let Some(uncertainty) = uncertainty {
            same_shape(STEP, map.shape(), uncertainty.shape())?;
        }
        let (rows, columns) = map.shape();
        let (length, along_mm, across_count, across_mm) = match self.along {
            Axis::X => (columns, pixel.x_mm, rows, pixel.y_mm),
            Axis::Y => (rows, pixel.y_mm, columns, pixel.x_mm),
        };
        let band = self.band(across_count, across_mm)?;
        let needed = (self.min_valid * band.len() as f64).ceil() as usize;
        let mut points = Points::new(self.errors);
        for place in 0..length {
            let mut mean = Mean::default();
            for across in band.clone() {
                let at = if self.along == Axis::X { [across, place] } else { [place, across] };
                if map.valid()[at] && uncertainty.is_none_or(|u| u.valid()[at]) {
                    mean.add(map.heights_nm()[at], uncertainty.map_or(0.0, |u| u.heights_nm()[at]));
                }
            }
            points.push((place as f64 - (length as f64 - 1.0) / 2.0) * along_mm, &mean, needed);
        }
        let y_mm = (self.along == Axis::X).then_some(self.at.mm());
        points.finish(uncertainty.is_some(), y_mm)
    }

    /// Rows (columns) of the band.
    fn band(&self, count: usize, size_mm: f64) -> Result<std::ops::Range<usize>, StepError> {
        let centre = (count as f64 - 1.0) / 2.0;
        let middle = self.at.mm() / size_mm + centre;
        let last = count as f64 - 1.0;
        if !(middle >= -0.5 && middle <= last + 0.5) {
            let (first_mm, last_mm) = (-(centre + 0.5) * size_mm, (centre + 0.5) * size_mm);
            return Err(StepError::OutsideOfMap { step: STEP, what: "at", value_mm: self.at.mm(), first_mm, last_mm });
        }
        // A millionth of a pixel for the rounding of decimal numbers.
        let half = self.width.mm() / size_mm / 2.0 + 1e-6;
        let nearest = middle.round().clamp(0.0, last);
        let first = (middle - half).ceil().clamp(0.0, nearest);
        let end = (middle + half).floor().clamp(nearest, last);
        Ok(first as usize..end as usize + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use stitchbox_surface::PixelSize;

    const PIXEL: Option<PixelSize> = Some(PixelSize { x_mm: 0.5, y_mm: 0.2 });

    fn map() -> HeightMap {
        let nan = f64::NAN;
        HeightMap::from_heights_nm(array![[1.0, 2.0, 3.0, 4.0], [5.0, nan, 7.0, nan], [9.0, 10.0, 11.0, nan]], PIXEL)
    }

    #[test]
    fn a_band_of_rows_or_columns_is_averaged() {
        let wide = Section { width: Length::new(0.4), ..Section::default() };
        let found = wide.apply(&map(), None).unwrap();
        // The last column has one valid pixel of three: too few.
        assert_eq!(found.profile.x_mm, [-0.75, -0.25, 0.25]);
        assert_eq!((found.profile.values, found.counts), (vec![5.0, 6.0, 7.0], vec![3, 2, 3]));
        assert_eq!((found.profile.y_mm, found.uncertainty_nm), (Some(0.0), None));
        let one = Section { at: Length::new(0.13), ..Section::default() }.apply(&map(), None).unwrap();
        assert_eq!(one.profile.values, [9.0, 10.0, 11.0]);
        let down =
            Section { along: Axis::Y, at: Length::new(-0.75), ..Section::default() }.apply(&map(), None).unwrap();
        assert_eq!((down.profile.x_mm, down.profile.values), (vec![-0.2, 0.0, 0.2], vec![1.0, 5.0, 9.0]));
    }

    #[test]
    fn uncertainties_of_a_mean() {
        let u =
            HeightMap::from_heights_nm(array![[3.0, 3.0, 3.0, 3.0], [0.0, 3.0, 2.0, 3.0], [4.0, 4.0, 6.0, 4.0]], PIXEL);
        let wide = Section { width: Length::new(0.4), ..Section::default() };
        let found = wide.apply(&map(), Some(&u)).unwrap().uncertainty_nm.unwrap();
        let expected = [5.0 / 3.0, 5.0 / 2.0, 7.0 / 3.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        let common = Section { errors: Errors::Common, ..wide }.apply(&map(), Some(&u)).unwrap();
        assert_eq!(common.uncertainty_nm.unwrap(), [7.0 / 3.0, 3.5, 11.0 / 3.0]);
    }

    #[test]
    fn places_outside_are_refused() {
        let outside = Section { at: Length::new(0.31), ..Section::default() };
        assert!(matches!(outside.apply(&map(), None), Err(StepError::OutsideOfMap { .. })));
        let narrow = HeightMap::from_heights_nm(array![[1.0]], PIXEL);
        assert!(matches!(Section::default().apply(&narrow, None), Err(StepError::Profile(_))));
        assert!(Section::default().apply(&map(), Some(&narrow)).is_err());
        assert!(Section { width: Length::new(f64::NAN), ..Section::default() }.apply(&map(), None).is_err());
    }
}
