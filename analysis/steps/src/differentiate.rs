//! Heights to slopes: nm over mm, which is microradian.

use ndarray::{Array2, ArrayView1, Axis, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::{HeightMap, Profile, ProfileKind};

use crate::frame::{pixel_size, within};
use crate::{SlopeMaps, StepError};

/// What is done where one of the two neighbours is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SlopeEdges {
    /// The slope of the parabola through the pixel and two on the other side (of the straight line, where there is
    /// only one).
    #[default]
    OneSided,
    /// The slope is invalid there.
    Invalid,
}

/// Slopes of a height map or profile by central differences: `(h(i + step) - h(i - step)) / (2 step pixel)`. A wave of
/// n pixels comes out smaller by `sin(a) / a` with `a = 2 pi step / n`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Differentiate {
    /// Distance of the two neighbours from the pixel, 1 to 10000 pixels. Not used for profiles (1). Default 1.
    pub step: usize,
    /// Borders and holes: `one-sided` (default) or `invalid`.
    pub edges: SlopeEdges,
}

impl Default for Differentiate {
    fn default() -> Self {
        Self { step: 1, edges: SlopeEdges::OneSided }
    }
}

impl Differentiate {
    /// Slopes along x and y. A slope is valid only where the height is.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`], [`StepError::PixelSizeNotPositive`], [`StepError::Parameter`].
    pub fn apply(&self, map: &HeightMap) -> Result<SlopeMaps, StepError> {
        let pixel = pixel_size(map, "differentiate")?;
        within("differentiate", "step", self.step as f64, 1.0..=1e4, "it must be from 1 to 10000 pixels")?;
        let x = self.along(map, Axis(1), pixel.x_mm);
        let y = self.along(map, Axis(0), pixel.y_mm);
        SlopeMaps::new(x, y, pixel)
    }

    /// Slopes of a height profile, by the parabola through each point and its two neighbours (points need not be
    /// equidistant); at the ends by that through the last three points. The result has as many points, or two fewer
    /// with `edges = "invalid"`.
    ///
    /// # Errors
    /// [`StepError::Kind`] for a profile of slopes; [`StepError::Profile`] where fewer than two points remain.
    pub fn apply_to_profile(&self, profile: &Profile) -> Result<Profile, StepError> {
        if profile.kind != ProfileKind::HeightNm {
            return Err(StepError::Kind { step: "differentiate", expected: "heights", found: "slopes" });
        }
        let (x, h, n) = (&profile.x_mm, &profile.values, profile.len());
        let slope = |i: usize| {
            if n < 3 {
                return (h[n - 1] - h[0]) / (x[n - 1] - x[0]);
            }
            let first = i.saturating_sub(1).min(n - 3);
            // Newton's form of the parabola through three points, differentiated at x[i].
            let one = (h[first + 1] - h[first]) / (x[first + 1] - x[first]);
            let two = (h[first + 2] - h[first + 1]) / (x[first + 2] - x[first + 1]);
            let bend = (two - one) / (x[first + 2] - x[first]);
            one + bend * ((x[i] - x[first]) + (x[i] - x[first + 1]))
        };
        let inside = match self.edges {
            SlopeEdges::OneSided => 0..n,
            SlopeEdges::Invalid => 1.min(n)..n.saturating_sub(1).max(1.min(n)),
        };
        let slopes: Vec<f64> = inside.clone().map(slope).collect();
        let mut found = Profile::new(&x[inside], &slopes, ProfileKind::SlopeUrad)?;
        found.name.clone_from(&profile.name);
        found.y_mm = profile.y_mm;
        found.instrument = profile.instrument.clone();
        Ok(found)
    }

    fn along(&self, map: &HeightMap, axis: Axis, pixel_mm: f64) -> (Array2<f64>, Array2<bool>) {
        let mut slopes = Array2::zeros(map.shape());
        let mut valid = Array2::from_elem(map.shape(), false);
        let scale = 1.0 / (self.step as f64 * pixel_mm);
        // Row by row in both directions, so that memory is read in order.
        Zip::indexed(&mut slopes).and(&mut valid).par_for_each(|(row, column), slope, good| {
            let found = if axis == Axis(1) {
                self.difference(map.heights_nm().row(row), map.valid().row(row), column)
            } else {
                self.difference(map.heights_nm().column(column), map.valid().column(column), row)
            };
            if let Some(difference) = found {
                (*slope, *good) = (difference * scale, true);
            }
        });
        (slopes, valid)
    }

    /// Height difference per step at one pixel.
    fn difference(&self, heights: ArrayView1<'_, f64>, valid: ArrayView1<'_, bool>, i: usize) -> Option<f64> {
        let at = |index: Option<usize>| index.filter(|k| valid.get(*k) == Some(&true)).map(|k| heights[k]);
        let here = at(Some(i))?;
        let (before, behind) = (at(i.checked_sub(self.step)), at(i.checked_add(self.step)));
        if let (Some(before), Some(behind)) = (before, behind) {
            return Some((behind - before) / 2.0);
        }
        if self.edges == SlopeEdges::Invalid {
            return None;
        }
        let (near, far, sign) = match (before, behind) {
            (_, Some(behind)) => (behind, at(i.checked_add(2 * self.step)), 1.0),
            (Some(before), None) => (before, at(i.checked_sub(2 * self.step)), -1.0),
            (None, None) => return None,
        };
        let difference = match far {
            Some(far) => (4.0 * (near - here) - (far - here)) / 2.0,
            None => near - here,
        };
        Some(sign * difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_surface::PixelSize;

    const PIXEL: PixelSize = PixelSize { x_mm: 0.1, y_mm: 0.25 };

    #[test]
    fn quadratics_have_exact_slopes_up_to_borders_and_holes() {
        let place = |r: usize, c: usize| (c as f64 * PIXEL.x_mm, r as f64 * PIXEL.y_mm);
        let mut heights = Array2::from_shape_fn((24, 20), |(r, c)| {
            let (x, y) = place(r, c);
            5.0 + 3.0 * x - 2.0 * y + 7.0 * x * x - x * y + 4.0 * y * y
        });
        heights[[11, 9]] = f64::NAN;
        let map = HeightMap::from_heights_nm(heights, Some(PIXEL));
        for step in [1, 2] {
            let slopes = Differentiate { step, ..Differentiate::default() }.apply(&map).unwrap();
            for ((r, c), ok) in map.valid().indexed_iter() {
                let (x, y) = place(r, c);
                assert!(!ok || slopes.x_valid()[[r, c]] && slopes.y_valid()[[r, c]]);
                if *ok {
                    assert!((slopes.x_urad()[[r, c]] - (3.0 + 14.0 * x - y)).abs() < 1e-10, "{step} {r} {c}");
                    assert!((slopes.y_urad()[[r, c]] - (-2.0 - x + 8.0 * y)).abs() < 1e-10, "{step} {r} {c}");
                }
            }
            assert!(!slopes.x_valid()[[11, 9]] && !slopes.y_valid()[[11, 9]]);
        }
        let inside = Differentiate { edges: SlopeEdges::Invalid, step: 1 }.apply(&map).unwrap();
        let x_valid = inside.x_valid().iter().filter(|ok| **ok).count();
        assert_eq!(x_valid, 24 * 18 - 3);
        assert!(Differentiate { step: 0, ..Differentiate::default() }.apply(&map).is_err());
    }

    #[test]
    fn profiles_need_not_be_equidistant() {
        let x: Vec<f64> = (0..30).map(|k| k as f64 + 0.3 * (k as f64).sin()).collect();
        let h: Vec<f64> = x.iter().map(|x| 4.0 - 2.0 * x + 0.5 * x * x).collect();
        let profile = Profile::new(&x, &h, ProfileKind::HeightNm).unwrap();
        let slopes = Differentiate::default().apply_to_profile(&profile).unwrap();
        assert_eq!((slopes.kind, slopes.len()), (ProfileKind::SlopeUrad, 30));
        for (x, s) in slopes.x_mm.iter().zip(&slopes.values) {
            assert!((s - (x - 2.0)).abs() < 1e-11);
        }
        let inside = Differentiate { edges: SlopeEdges::Invalid, step: 1 };
        assert_eq!(inside.apply_to_profile(&profile).unwrap().x_mm, x[1..29]);
        assert!(matches!(Differentiate::default().apply_to_profile(&slopes), Err(StepError::Kind { .. })));
        let two = Profile::new(&[0.0, 2.0], &[1.0, 5.0], ProfileKind::HeightNm).unwrap();
        assert_eq!(Differentiate::default().apply_to_profile(&two).unwrap().values, [2.0, 2.0]);
        assert!(inside.apply_to_profile(&two).is_err());
    }
}
