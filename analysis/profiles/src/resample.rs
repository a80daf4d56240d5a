//! Values of a profile between its points.

use stitchbox_surface::Profile;

use crate::ProfilesError;

/// How values between the points of a profile are found. Neither reaches beyond the ends or over a gap (a distance of
/// more than 1.5 usual steps).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// The straight line between two neighbours. Lowers the noise between the points, and so biases it.
    Linear,
    /// The cubic through the four nearest points, at an end or a gap four to one side; linear where there are fewer.
    #[default]
    Cubic,
}

/// A position this close to a point counts as that point, in steps.
const SAME: f64 = 1e-6;
/// Neighbours farther apart than this, in usual steps, have a gap between them.
const GAP: f64 = 1.5;

/// Refuses what [`Profile::new`] would not have made: the fields are open.
pub(crate) fn check(profile: &Profile) -> Result<(), ProfilesError> {
    let Profile { x_mm, values, .. } = profile;
    let ascending = x_mm.windows(2).all(|pair| pair[0] < pair[1]);
    let finite = x_mm.iter().chain(values).all(|v| v.is_finite());
    if x_mm.len() >= 2 && x_mm.len() == values.len() && ascending && finite {
        return Ok(());
    }
    Err(ProfilesError::NotAProfile { name: profile.name.clone() })
}

/// Median distance of neighbouring points, mm.
pub(crate) fn usual_step(profile: &Profile) -> f64 {
    let mut steps: Vec<f64> = profile.x_mm.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(1.0)
}

/// The value at `x` (mm, in the profile's own positions), if the profile has one there.
pub(crate) fn value_at(profile: &Profile, step: f64, interpolation: Interpolation, x: f64) -> Option<f64> {
    let (xs, ys) = (&profile.x_mm, &profile.values);
    let right = xs.partition_point(|p| *p < x);
    for near in [right.checked_sub(1), Some(right)].into_iter().flatten() {
        if xs.get(near).is_some_and(|p| (p - x).abs() <= SAME * step) {
            return ys.get(near).copied();
        }
    }
    let left = right.checked_sub(1)?;
    let (a, b) = (*xs.get(left)?, *xs.get(right)?);
    if b - a > GAP * step {
        return None;
    }
    let linear = ys[left] + (ys[right] - ys[left]) * (x - a) / (b - a);
    if interpolation == Interpolation::Linear {
        return Some(linear);
    }
    // The four nearest, or four to one side at an end or a gap.
    let four = |first: usize| {
        let stencil = xs.get(first..first + 4)?;
        let whole = stencil.windows(2).all(|pair| pair[1] - pair[0] <= GAP * step);
        whole.then(|| (stencil, &ys[first..first + 4]))
    };
    let firsts = [left.checked_sub(1), left.checked_sub(2), Some(left)];
    let Some((xs, ys)) = firsts.into_iter().flatten().find_map(four) else { return Some(linear) };
    let of = |i: usize| {
        let others = (0..4).filter(|j| *j != i);
        ys[i] * others.map(|j| (x - xs[j]) / (xs[i] - xs[j])).product::<f64>()
    };
    Some((0..4).map(of).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_surface::ProfileKind;

    fn cubic(x: f64) -> f64 {
        1.0 + x * (2.0 + x * (-0.5 + 0.1 * x))
    }

    #[test]
    fn a_cubic_is_met_exactly_and_gaps_stay_open() {
        let xs = [0.0, 1.0, 2.1, 3.0, 4.0, 7.0, 8.0];
        let ys: Vec<f64> = xs.iter().map(|x| cubic(*x)).collect();
        let profile = Profile::new(&xs, &ys, ProfileKind::SlopeUrad).unwrap();
        let at = |interpolation, x| value_at(&profile, usual_step(&profile), interpolation, x);
        for x in [0.3, 1.5, 2.7, 3.9] {
            assert!((at(Interpolation::Cubic, x).unwrap() - cubic(x)).abs() < 1e-12, "{x}");
        }
        assert_eq!(at(Interpolation::Linear, 0.5), Some((cubic(0.0) + cubic(1.0)) / 2.0));
        assert_eq!(at(Interpolation::Cubic, 2.1), Some(cubic(2.1)));
        for outside in [-0.1, 5.0, 8.1] {
            assert_eq!(at(Interpolation::Cubic, outside), None);
        }
        // One side of the gap has two points only: straight.
        assert_eq!(at(Interpolation::Cubic, 7.5), Some((cubic(7.0) + cubic(8.0)) / 2.0));
    }
}
