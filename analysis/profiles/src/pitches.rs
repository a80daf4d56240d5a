//! Self-calibration from several pitches: one mirror, measured at several tilts (and shifts), tells its own slopes and the
//! error of the instrument as a function of the measured angle.
//!
//! Model: `m_k(x) = s(x) + t_k + e(s(x) + t_k)` (NSP multi-pitch, Opt. Express 28, 23060 (2020), as summed up in
//! `shared/facts/stitching.md`, section 5). Gauss-Newton; in each step the slopes are eliminated in closed form
//! (variable projection), so that pitches and spline coefficients alone are solved for.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_stitch::{NonObservable, Warning};
use stitchbox_surface::quantity::{Angle, Length};
use stitchbox_surface::{Profile, ProfileKind};

use crate::ProfilesError;
use crate::angle_error::AngleError;
use crate::resample::Interpolation;
use crate::sampled::Sampled;
use crate::semidefinite::{Semidefinite, fit};
use crate::stitching::PlacedProfile;

/// Intervals of the spline where no spacing is given.
const INTERVALS: f64 = 64.0;
/// Unknowns beside the slopes at most.
const MOST_UNKNOWNS: usize = 4000;
/// Points times unknowns up to which the uncertainty is computed.
const MOST_COVARIANCE: usize = 50_000_000;
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

/// A grid point, and (profile, slope) of at least two that meet there.
type Point = (usize, Vec<(usize, f64)>);

/// Measured slopes, point by point.
struct Data {
    points: Vec<Point>,
    profiles: usize,
}

impl Data {
    fn new(sampled: &Sampled) -> Self {
        let of = |point: usize| {
            let scans = sampled.scans.iter().enumerate();
            let here: Vec<(usize, f64)> = scans.filter_map(|(k, scan)| Some((k, scan.at(point)?))).collect();
            (here.len() >= 2).then_some((point, here))
        };
        Self { points: (0..sampled.len).filter_map(of).collect(), profiles: sampled.scans.len() }
    }

    fn slopes(&self) -> impl Iterator<Item = f64> {
        self.points.iter().flat_map(|(_, here)| here.iter().map(|(_, m)| *m))
    }
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

/// Slopes, pitches and error under way.
struct State {
    slopes: Vec<f64>,
    pitches: Vec<f64>,
    error: AngleError,
}

/// The linear problem around a state, without the slopes.
struct Linear {
    matrix: Vec<f64>,
    right: Vec<f64>,
}

impl State {
    /// Pitches from the differences of the profiles, slopes as the mean, no error: one linear step does that.
    fn first(data: &Data, error: AngleError) -> Self {
        let slopes = data.points.iter().map(|(_, here)| here.iter().map(|(_, m)| m).sum::<f64>() / here.len() as f64);
        let mut state = Self { slopes: slopes.collect(), pitches: vec![0.0; data.profiles], error };
        let size = data.profiles + state.error.coefficients_urad.len();
        let n = data.profiles;
        let Linear { matrix, right } = state.linear(data);
        let own: Vec<f64> = (0..n).flat_map(|i| matrix[i * size..i * size + n].iter().copied()).collect();
        state.pitches = Semidefinite::new(&own, n).solve(&right[..n]);
        state.centre();
        for ((_, here), slope) in data.points.iter().zip(&mut state.slopes) {
            *slope = here.iter().map(|(k, m)| m - state.pitches[*k]).sum::<f64>() / here.len() as f64;
        }
        state
    }

    /// Columns of one datum beside its slope: the pitch's factor (that of the slope too), and four coefficients.
    fn columns(&self, k: usize, slope: f64) -> (f64, Option<(usize, [f64; 4])>) {
        let angle = self.error.within(slope + self.pitches[k]);
        (1.0 + self.error.slope(angle), self.error.basis(angle).map(|(first, values, _)| (first, values)))
    }

    /// The normal equations of changes of the pitches and of the new coefficients; the slopes are projected out.
    fn linear(&self, data: &Data) -> Linear {
        let n = data.profiles;
        let size = n + self.error.coefficients_urad.len();
        let (mut matrix, mut right) = (vec![0.0; size * size], vec![0.0; size]);
        for ((_, here), slope) in data.points.iter().zip(&self.slopes) {
            let (mut length, mut along) = (0.0, 0.0);
            let mut sums: Vec<(usize, f64)> = Vec::with_capacity(5 * here.len());
            for &(k, measured) in here {
                let (factor, splines) = self.columns(k, *slope);
                let left = measured - slope - self.pitches[k];
                let mut own = vec![(k, factor)];
                if let Some((first, values)) = splines {
                    own.extend(values.iter().enumerate().map(|(i, b)| (n + first + i, *b)));
                }
                for &(i, a) in &own {
                    right[i] += a * left;
                    for &(j, b) in &own {
                        matrix[i * size + j] += a * b;
                    }
                }
                length += factor * factor;
                along += factor * left;
                sums.extend(own.iter().map(|(i, a)| (*i, factor * a)));
            }
            for &(i, a) in &sums {
                right[i] -= a * along / length;
                for &(j, b) in &sums {
                    matrix[i * size + j] -= a * b / length;
                }
            }
        }
        Linear { matrix, right }
    }

    /// One Gauss-Newton step with the conventions applied; the largest change of a slope or pitch, microradian.
    fn step(&mut self, data: &Data) -> f64 {
        let n = data.profiles;
        let linear = self.held(data);
        let solution = Semidefinite::new(&linear.matrix, linear.right.len()).solve(&linear.right);
        let (turns, coefficients) = solution.split_at(n);
        let mut slopes = Vec::with_capacity(self.slopes.len());
        for ((_, here), slope) in data.points.iter().zip(&self.slopes) {
            let (mut length, mut along) = (0.0, 0.0);
            for &(k, measured) in here {
                let (factor, splines) = self.columns(k, *slope);
                let error: f64 = splines
                    .map_or(0.0, |(first, values)| coefficients[first..].iter().zip(values).map(|(c, b)| c * b).sum());
                along += factor * (measured - slope - self.pitches[k] - factor * turns[k] - error);
                length += factor * factor;
            }
            slopes.push(slope + along / length);
        }
        let before = std::mem::replace(&mut self.slopes, slopes);
        let pitches = self.pitches.iter().zip(turns).map(|(t, d)| t + d).collect();
        let pitches_before = std::mem::replace(&mut self.pitches, pitches);
        self.error.coefficients_urad = coefficients.to_vec();
        self.centre();
        let change = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        change(&before, &self.slopes).max(change(&pitches_before, &self.pitches))
    }

    /// The linear problem with what is open held by the conventions: no line in the coefficients, and the mean pitch
    /// zero. The data do not resist, so this bends nothing; without it the steps would wander along what is open, for
    /// the linear problem is not quite blind to it.
    fn held(&self, data: &Data) -> Linear {
        let n = data.profiles;
        let mut linear = self.linear(data);
        let size = linear.right.len();
        let strength = (0..size).map(|i| linear.matrix[i * (size + 1)]).fold(0.0, f64::max);
        let rows = self.line_rows(&linear);
        let used = rows.iter().map(|row| row[0]).sum::<f64>().max(1.0);
        let centre = rows.iter().map(|row| row[1]).sum::<f64>() / used;
        let constant: Vec<f64> = rows.iter().map(|row| row[0]).collect();
        let ramp: Vec<f64> = rows.iter().map(|row| row[1] - centre * row[0]).collect();
        for shape in [constant, ramp] {
            let square = shape.iter().map(|v| v * v).sum::<f64>().max(f64::MIN_POSITIVE);
            for (i, a) in shape.iter().enumerate() {
                for (j, b) in shape.iter().enumerate() {
                    linear.matrix[(n + i) * size + n + j] += strength * a * b / square;
                }
            }
        }
        let sum: f64 = self.pitches.iter().sum();
        for i in 0..n {
            linear.right[i] -= strength * sum / n as f64;
            linear.matrix[i * size..i * size + n].iter_mut().for_each(|entry| *entry += strength / n as f64);
        }
        linear
    }

    /// The line through the coefficients as a fit: 1 and the place of the coefficient counted in knots; zero where it has no
    /// data or stands outside the angles measured, where little of it is seen.
    fn line_rows(&self, linear: &Linear) -> Vec<Vec<f64>> {
        let size = linear.right.len();
        let count = self.error.coefficients_urad.len();
        let has_data = |i: usize| i > 0 && i + 1 < count && linear.matrix[(size - count + i) * (size + 1)] > 0.0;
        (0..count).map(|i| if has_data(i) { vec![1.0, i as f64] } else { vec![0.0, 0.0] }).collect()
    }

    /// Pitches get the mean zero; the slopes keep the angles.
    fn centre(&mut self) {
        let mean = self.pitches.iter().sum::<f64>() / self.pitches.len().max(1) as f64;
        self.pitches.iter_mut().for_each(|t| *t -= mean);
        self.slopes.iter_mut().for_each(|s| *s += mean);
    }

    fn squares(&self, data: &Data) -> f64 {
        let of = |((_, here), slope): (&Point, &f64)| {
            let left = |(k, m): &(usize, f64)| {
                let angle = slope + self.pitches[*k];
                m - angle - self.error.at(self.error.within(angle))
            };
            here.iter().map(|datum| left(datum) * left(datum)).sum::<f64>()
        };
        data.points.iter().zip(&self.slopes).map(of).sum()
    }

    /// Variance of each slope in units of that of one datum, with the conventions.
    fn variances(&self, data: &Data, linear: &Linear, factor: &Semidefinite) -> Vec<f64> {
        let n = data.profiles;
        let size = linear.right.len();
        let rows = self.line_rows(linear);
        // How the line answers to each coefficient: the columns of its pseudo-inverse.
        let unit = |i: usize| {
            let mut one = vec![0.0; rows.len()];
            one[i] = 1.0;
            fit(&rows, &one)
        };
        let answers: Vec<Vec<f64>> = (0..rows.len()).into_par_iter().map(unit).collect();
        let of = |((_, here), slope): (&Point, &f64)| {
            let mut effect = vec![0.0; size];
            let mut length = 0.0;
            for &(k, _) in here {
                let (factor, _) = self.columns(k, *slope);
                length += factor * factor;
            }
            for &(k, _) in here {
                let (factor, splines) = self.columns(k, *slope);
                effect[k] -= factor * factor / length;
                if let Some((first, values)) = splines {
                    for (i, b) in values.iter().enumerate() {
                        effect[n + first + i] -= factor * b / length;
                    }
                }
            }
            // The line at this slope, in knots from the first coefficient; and the mean pitch.
            let place = (slope - self.error.stand(0)) / self.error.spacing_urad;
            for (entry, answer) in effect[n..].iter_mut().zip(&answers) {
                *entry += answer[0] + answer[1] * place;
            }
            effect[..n].iter_mut().for_each(|entry| *entry += 1.0 / n as f64);
            1.0 / length + factor.variance(&effect)
        };
        data.points.par_iter().zip(&self.slopes).map(of).collect()
    }
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
