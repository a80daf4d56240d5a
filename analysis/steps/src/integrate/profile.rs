//! Integrates a slope profile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::{Profile, ProfileKind};

use super::Rule;
use crate::StepError;
use crate::lagrange::cubic_between;

/// Which constant the heights get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Zero {
    /// The mean of the heights over the points is zero.
    #[default]
    Mean,
    /// The first height is zero.
    Start,
}

/// Integrates a slope profile (microradian times mm is nm). Points need not be equidistant; across a gap the slopes are
/// interpolated like anywhere else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntegrateProfile {
    /// How slopes between two points are imagined: `cubic` (default) or `linear` (trapezoids).
    pub rule: Rule,
    /// Which constant the heights get: zero `mean` (default) or zero at the `start`.
    pub zero: Zero,
}

impl IntegrateProfile {
    /// The height profile. Its `sigma` is empty: the uncertainty of an integral is not the same at each point.
    ///
    /// # Errors
    /// [`StepError::Kind`] for a profile of heights.
    pub fn apply(&self, profile: &Profile) -> Result<Profile, StepError> {
        if profile.kind != ProfileKind::SlopeUrad {
            return Err(StepError::Kind { step: "integrate-profile", expected: "slopes", found: "heights" });
        }
        let (x, s) = (&profile.x_mm, &profile.values);
        let mut height = 0.0;
        let mut heights = vec![0.0];
        for i in 1..profile.len() {
            height += match self.rule {
                Rule::Linear => (s[i - 1] + s[i]) / 2.0 * (x[i] - x[i - 1]),
                Rule::Cubic => cubic(x, s, i - 1),
            };
            heights.push(height);
        }
        if self.zero == Zero::Mean {
            let mean = heights.iter().sum::<f64>() / heights.len() as f64;
            for height in &mut heights {
                *height -= mean;
            }
        }
        Ok(Profile { values: heights, kind: ProfileKind::HeightNm, sigma: None, ..profile.clone() })
    }
}

/// The integral from point i to the next of the polynomial through the four nearest points (all, if there are fewer).
fn cubic(x: &[f64], s: &[f64], i: usize) -> f64 {
    let (middle, half) = ((x[i] + x[i + 1]) / 2.0, (x[i + 1] - x[i]) / 2.0);
    // Two Gauss points integrate a cubic exactly.
    let offset = half / 3f64.sqrt();
    half * (cubic_between(x, s, i, middle - offset) + cubic_between(x, s, i, middle + offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slopes(x: &[f64], slope: impl Fn(f64) -> f64) -> Profile {
        Profile::new(x, &x.iter().map(|x| slope(*x)).collect::<Vec<_>>(), ProfileKind::SlopeUrad).unwrap()
    }

    #[test]
    fn cubic_slopes_integrate_exactly_on_uneven_points() {
        let x: Vec<f64> = (0..25).map(|k| 0.5 * k as f64 + 0.1 * (3.0 * k as f64).sin()).collect();
        let profile = slopes(&x, |x| 1.0 - 2.0 * x + 0.3 * x * x - 0.04 * x * x * x);
        let height = |x: f64| x - x * x + 0.1 * x * x * x - 0.01 * x * x * x * x;
        let from_start = IntegrateProfile { zero: Zero::Start, ..IntegrateProfile::default() }.apply(&profile).unwrap();
        for (x, h) in from_start.x_mm.iter().zip(&from_start.values) {
            assert!((h - (height(*x) - height(from_start.x_mm[0]))).abs() < 1e-10, "{x}");
        }
        let zero_mean = IntegrateProfile::default().apply(&profile).unwrap();
        assert!(zero_mean.values.iter().sum::<f64>().abs() < 1e-10);
        assert_eq!(zero_mean.kind, ProfileKind::HeightNm);
        assert!(IntegrateProfile::default().apply(&zero_mean).is_err());
    }

    #[test]
    fn trapezoids_are_second_order_and_cubics_fourth() {
        let error = |rule, n: usize| {
            let x: Vec<f64> = (0..=n).map(|k| 10.0 * k as f64 / n as f64).collect();
            let found = IntegrateProfile { rule, zero: Zero::Start }.apply(&slopes(&x, f64::cos)).unwrap();
            found.values.iter().zip(&x).map(|(h, x)| (h - x.sin()).abs()).fold(0.0, f64::max)
        };
        for (rule, order) in [(Rule::Linear, 2), (Rule::Cubic, 4)] {
            let ratio = error(rule, 100) / error(rule, 200);
            assert!((ratio / 2f64.powi(order) - 1.0).abs() < 0.15, "{rule:?} {ratio}");
        }
        // One interval only.
        let two = slopes(&[0.0, 2.0], |x| x);
        assert_eq!(IntegrateProfile { zero: Zero::Start, rule: Rule::Cubic }.apply(&two).unwrap().values[1], 2.0);
    }
}
