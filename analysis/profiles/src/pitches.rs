//! Self-calibration from several pitches: one mirror, measured at several tilts (and shifts), tells its own slopes and the
//! error of the instrument as a function of the measured angle.
//!
//! Model: `m_k(x) = s(x) + t_k + e(s(x) + t_k)` (NSP multi-pitch, Opt. Express 28, 23060 (2020), as summed up in
//! `shared/facts/stitching.md`, section 5). Gauss-Newton; in each step the slopes are eliminated in closed form
//! (variable projection), so that pitches and spline coefficients alone are solved for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_stitch::{NonObservable, Warning};
use stitchbox_surface::quantity::{Angle, Length};
use stitchbox_surface::{Profile, ProfileKind};

use crate::ProfilesError;
use crate::angle_error::AngleError;
use crate::resample::Interpolation;
use crate::sampled::Sampled;
use crate::semidefinite::Semidefinite;
use crate::stitching::PlacedProfile;
use crate::variable_projection::{Data, State};

/// Intervals of the spline where no spacing is given.
const INTERVALS: f64 = 64.0;
/// Unknowns beside the slopes at most.
const MOST_UNKNOWNS: usize = 4000;
/// Points times unknowns up to which the uncertainty is computed.
const MOST_COVARIANCE: usize = 10_000_000;
/// Gauss-Newton steps at most, and the change (microradian) at which they end.
const MOST_STEPS: usize = 30;
const SETTLED_URAD: f64 = 1e-7;
/// Combinations of the unknowns that the conventions hold and not the data: constant and line of the error, mean pitch.
const OPEN: usize = 3;
/// Pitches whose differences are multiples of the smallest to within this part of it count as equal steps.
const EQUAL: f64 = 0.03;

/// How the instrument is calibrated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultiPitch {
    /// Largest distance of the knots of the instrument's error, along the measured angle. Finer follows shorter periods (about three
    /// knots for each), coarser is steadier. Default: a 64th of the range of angles.
    pub knot_spacing: Option<Angle>,
    /// Step of the slope profile. Default: the median step of the first profile.
    pub step: Option<Length>,
    /// How values between the points of a profile are found. Default `cubic`.
    pub interpolation: Interpolation,
}

/// Slopes of the mirror and the error of the instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfCalibrated {
    /// Slopes of the mirror, microradian, where at least two profiles meet.
    pub profile: Profile,
    /// Standard uncertainty (k = 1) of each slope, microradian, with that of pitches and instrument error; without what is
    /// declared in `non_observable`. `None` where nothing is left over to tell the noise from.
    pub uncertainty: Option<Vec<f64>>,
    /// The instrument's error over the true angle `s + t`: what it reads too much, microradian.
    pub error: AngleError,
    /// Pitch of each profile, microradian, with mean zero, in the order of the series.
    pub pitches_urad: Vec<f64>,
    /// Rms of (measured - model), microradian.
    pub residual_rms: f64,
    /// Noise of one measured slope, degrees of freedom counted, microradian.
    pub noise: Option<f64>,
    /// Gauss-Newton steps.
    pub steps: usize,
    /// What these data cannot determine, and what was done about each.
    pub non_observable: Vec<NonObservable>,
    /// What to know about the result.
    pub warnings: Vec<Warning>,
}

/// Calibrates from at least three slope profiles of one mirror at different pitches; equal weights.
///
/// # Errors
/// Fewer than three profiles, heights, profiles that do not overlap, or too many unknowns.
pub fn calibrate_pitches(series: &[PlacedProfile], options: &MultiPitch) -> Result<SelfCalibrated, ProfilesError> {
    if let Some(p) = series.iter().find(|p| p.profile.kind != ProfileKind::SlopeUrad) {
        return Err(ProfilesError::NotSlopes { name: p.profile.name.clone() });
    }
    let what = ("self-calibration", 3);
    let sampled = Sampled::new(series, what, options.step.map(Length::mm), options.interpolation)?;
    sampled.check_tied(series, 2)?;
    let data = Data::new(&sampled);
    let mut state = State::first(&data, spline(&data, options)?);
    let size = series.len() + state.error.coefficients_urad.len();
    if size > MOST_UNKNOWNS {
        return Err(ProfilesError::TooLarge { what: "the number of unknowns", count: size, most: MOST_UNKNOWNS });
    }
    let mut steps = 0;
    let mut settled = false;
    while steps < MOST_STEPS && !settled {
        settled = state.step(&data) < SETTLED_URAD;
        steps += 1;
    }
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| warnings.push(Warning { code: code.into(), message });
    if !settled {
        warn("not-converged", format!("{MOST_STEPS} steps did not settle the solution; use a larger knot spacing"));
    }
    if equal_steps(&state.pitches) {
        let message = "the pitches differ by multiples of one step, so an error of the instrument that repeats with that cannot be \
                       told from the mirror; choose pitches that share no divisor";
        warn("equal-pitches", message.into());
    }
    let linear = state.held(&data);
    let factor = Semidefinite::new(&linear.matrix, size);
    let squares = state.squares(&data);
    let values: usize = data.points.iter().map(|p| p.1.len()).sum();
    let freedom = (values + OPEN).checked_sub(data.points.len() + factor.rank()).filter(|f| *f > 0);
    let noise = freedom.map(|f| (squares / f as f64).sqrt());
    let small = data.points.len().saturating_mul(size) <= MOST_COVARIANCE;
    let uncertainty = noise.filter(|_| small).map(|noise| {
        let variances = state.variances(&data, &linear, &factor);
        variances.iter().map(|v| noise * v.max(0.0).sqrt()).collect::<Vec<f64>>()
    });
    let x_mm: Vec<f64> = data.points.iter().map(|p| sampled.x(p.0)).collect();
    let mut profile = Profile::new(&x_mm, &state.slopes, ProfileKind::SlopeUrad)
        .map_err(|_| ProfilesError::Internal { step: "assembling the slopes" })?;
    profile.name = "self-calibrated".into();
    profile.sigma = uncertainty.as_ref().map(|u| (u.iter().map(|u| u * u).sum::<f64>() / u.len().max(1) as f64).sqrt());
    Ok(SelfCalibrated {
        profile,
        uncertainty,
        error: state.error,
        pitches_urad: state.pitches,
        residual_rms: (squares / values.max(1) as f64).sqrt(),
        noise,
        steps,
        non_observable: non_observable(),
        warnings,
    })
}

/// A spline over all measured angles.
fn spline(data: &Data, options: &MultiPitch) -> Result<AngleError, ProfilesError> {
    let low = data.slopes().fold(f64::INFINITY, f64::min);
    let high = data.slopes().fold(f64::NEG_INFINITY, f64::max);
    let range = high - low;
    if !(range.is_finite() && range > 0.0) {
        let must = "above zero: all slopes are the same, so nothing tells the error of the instrument";
        return Err(ProfilesError::BadNumber { what: "the range of the measured slopes", value: range, must });
    }
    let spacing = options.knot_spacing.map_or(range / INTERVALS, Angle::urad);
    if !(spacing.is_finite() && spacing > 0.0) {
        return Err(ProfilesError::BadNumber { what: "knot_spacing", value: spacing, must: "an angle above zero" });
    }
    let intervals = (range / spacing).ceil().max(1.0);
    if intervals > MOST_UNKNOWNS as f64 {
        let count = intervals.min(1e18) as usize;
        return Err(ProfilesError::TooLarge { what: "the number of knots", count, most: MOST_UNKNOWNS });
    }
    Ok(AngleError::zero(low, range / intervals, intervals as usize))
}

/// All differences of the pitches are multiples of the smallest.
fn equal_steps(pitches: &[f64]) -> bool {
    let mut sorted = pitches.to_vec();
    sorted.sort_by(f64::total_cmp);
    let largest = sorted.last().copied().unwrap_or(0.0) - sorted.first().copied().unwrap_or(0.0);
    let steps: Vec<f64> =
        sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 1e-3 * largest).collect();
    let smallest = steps.iter().copied().fold(f64::INFINITY, f64::min);
    steps.iter().all(|step| (step / smallest - (step / smallest).round()).abs() < EQUAL)
}

fn non_observable() -> Vec<NonObservable> {
    let of = |term: &str, why: &str| NonObservable { term: term.into(), why: why.into() };
    vec![
        of(
            "1",
            "a tilt of the mirror looks like a constant error and like a pitch of all profiles: by convention the error has no \
             constant and the pitches have the mean zero",
        ),
        of(
            "s",
            "an error that grows in proportion to the angle looks like slopes (and pitches) larger by that factor, on a curved \
             mirror like another curvature: by convention the error has no linear part (least squares over its B-spline \
             coefficients), so all of it is in the slopes. A known angle, for instance of one pitch, fixes it",
        ),
    ]
}
