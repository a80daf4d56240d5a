//! Puts a profile onto equidistant points.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::Profile;
use stitchbox_surface::quantity::Length;

use crate::StepError;
use crate::frame::within;
use crate::lagrange::cubic_between;

/// Puts a profile onto equidistant points by the cubic through the four nearest ones. The first point stays where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResampleProfile {
    /// Distance of the new points.
    pub spacing: Length,
    /// Where two points are further apart than this, nothing is put between them. Default: no limit.
    #[serde(default)]
    pub widest_gap: Option<Length>,
}

const STEP: &str = "resample-profile";
/// No profile has more points.
const MOST_POINTS: f64 = 1e7;

impl ResampleProfile {
    /// The profile on its new points, heights or slopes alike. Its `sigma` is empty: interpolated values are not
    /// independent.
    ///
    /// # Errors
    /// [`StepError::Parameter`], [`StepError::TooManyPixels`]; [`StepError::Profile`] where fewer than two points remain.
    pub fn apply(&self, profile: &Profile) -> Result<Profile, StepError> {
        let positive = f64::MIN_POSITIVE..=f64::MAX;
        let spacing = within(STEP, "spacing", self.spacing.mm(), positive, "it must be a positive length (mm)")?;
        let widest = self.widest_gap.map_or(f64::INFINITY, Length::mm);
        // Decimal positions carry rounding errors.
        let widest =
            within(STEP, "widest_gap", widest, 0.0..=f64::INFINITY, "it must not be negative (mm)")? * (1.0 + 1e-9);
        let x = &profile.x_mm;
        let (first, last) = (x.first().copied().unwrap_or(0.0), x.last().copied().unwrap_or(0.0));
        let points = ((last - first) / spacing + 1e-9).floor() + 1.0;
        if points > MOST_POINTS {
            return Err(StepError::TooManyPixels { step: STEP, pixels: points, most: MOST_POINTS });
        }
        let (mut positions, mut values) = (vec![], vec![]);
        let mut before = 0;
        for k in 0..points as usize {
            let at = (first + k as f64 * spacing).min(last);
            while before + 2 < x.len() && x[before + 1] <= at {
                before += 1;
            }
            if x[before + 1] - x[before] <= widest || at == x[before] {
                positions.push(at);
                values.push(cubic_between(x, &profile.values, before, at));
            }
        }
        let mut found = Profile::new(&positions, &values, profile.kind)?;
        found.name.clone_from(&profile.name);
        found.y_mm = profile.y_mm;
        found.instrument = profile.instrument.clone();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_surface::ProfileKind;

    fn to(mm: f64) -> ResampleProfile {
        ResampleProfile { spacing: Length::new(mm), widest_gap: None }
    }

    #[test]
    fn cubics_are_reproduced_from_uneven_points() {
        let x: Vec<f64> = (0..40).map(|k| 0.5 * k as f64 + 0.15 * (2.0 * k as f64).sin()).collect();
        let cubic = |x: f64| 3.0 - x + 0.2 * x * x - 0.01 * x * x * x;
        let values: Vec<f64> = x.iter().map(|x| cubic(*x)).collect();
        let profile = Profile::new(&x, &values, ProfileKind::SlopeUrad).unwrap();
        let even = to(0.25).apply(&profile).unwrap();
        assert_eq!((even.kind, even.x_mm[0]), (ProfileKind::SlopeUrad, 0.0));
        assert_eq!(even.len(), ((x[39] / 0.25).floor() as usize) + 1);
        for (k, (x, value)) in even.x_mm.iter().zip(&even.values).enumerate() {
            assert!((x - 0.25 * k as f64).abs() < 1e-12 && (value - cubic(*x)).abs() < 1e-10, "{x}");
        }
    }

    #[test]
    fn wide_gaps_stay_and_absurd_spacings_are_refused() {
        let profile =
            Profile::new(&[0.0, 1.0, 2.0, 5.0, 6.0], &[0.0, 1.0, 2.0, 5.0, 6.0], ProfileKind::HeightNm).unwrap();
        let gap = ResampleProfile { widest_gap: Some(Length::new(1.0)), ..to(0.5) }.apply(&profile).unwrap();
        assert_eq!(gap.x_mm, [0.0, 0.5, 1.0, 1.5, 2.0, 5.0, 5.5, 6.0]);
        assert!(gap.values.iter().zip(&gap.x_mm).all(|(h, x)| (h - x).abs() < 1e-12));
        assert!(matches!(to(1e-12).apply(&profile), Err(StepError::TooManyPixels { .. })));
        assert!(to(0.0).apply(&profile).is_err() && to(10.0).apply(&profile).is_err());
    }
}
