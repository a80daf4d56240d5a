//! Stitching of overlapping profiles: what a caller gives and what he gets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_stitch::{NonObservable, Warning};
use stitchbox_surface::quantity::Length;
use stitchbox_surface::{Profile, ProfileKind};

use crate::resample::Interpolation;
use crate::sampled::Sampled;
use crate::semidefinite::fit;
use crate::{ProfilesError, chained, joint};

/// A profile and its place: mirror x = position in the profile + `x_mm`.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedProfile {
    /// The measured profile. Its own positions are those in the scan: what the instrument's error depends on.
    pub profile: Profile,
    /// How far the scan's zero lies from the mirror's, mm. Fractions of a step are kept: values between the points are
    /// interpolated.
    pub x_mm: f64,
}

/// How the offsets of the profiles are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileMethod {
    /// Each profile is set onto the one before it (in order of position) by the mean difference over what they share,
    /// for heights by the line through it. Errors add up along the chain.
    Chained,
    /// All overlaps together, by weighted least squares.
    #[default]
    Global,
}

/// What is known of the instrument's error as a function of the position in the scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileReference {
    /// Taken as zero.
    #[default]
    None,
    /// Unknown, one value for each step of the scan, found together with the offsets. Global method only.
    Pixelwise,
}

/// How profiles are stitched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileStitching {
    /// How the offsets are found. Default `global`.
    pub method: ProfileMethod,
    /// The instrument's error along the scan. Default `none`.
    pub reference: ProfileReference,
    /// Whether every profile may carry a tilt besides its constant. Default: no for slopes, yes for heights.
    pub tilt: Option<bool>,
    /// Step of the stitched profile. Default: the median step of the first profile.
    pub step: Option<Length>,
    /// How values between the points of a profile are found. Default `cubic`.
    pub interpolation: Interpolation,
}

/// A stitched profile.
#[derive(Debug, Clone, PartialEq)]
pub struct StitchedProfile {
    /// The profile along the mirror, evenly spaced but for gaps. What is not observable was taken off by convention.
    /// `sigma` is the rms of `uncertainty`.
    pub profile: Profile,
    /// Standard uncertainty (k = 1) of each point from the noise, with that of offsets and reference, degrees of freedom
    /// counted; in the unit of the profile. It does not hold what is declared in `non_observable`. Interpolated values
    /// count as independent. `None` for the chained method, and where nothing is left over to tell the noise from.
    pub uncertainty: Option<Vec<f64>>,
    /// Profiles that met at each point.
    pub overlap: Vec<u16>,
    /// Rms over the profiles of (corrected profile - result) at each point; 0 where fewer than two met.
    pub residual: Vec<f64>,
    /// The instrument's error over the position in the scan, where it was asked for.
    pub reference: Option<Profile>,
    /// What each profile carried, in the order of the series.
    pub correctors: Vec<ProfileCorrector>,
    /// What these data cannot determine, and what was done about each.
    pub non_observable: Vec<NonObservable>,
    /// Noise of one value, in the unit of the profile. Where all profiles tell their sigma: the factor by which the noise
    /// is larger than these.
    pub noise: Option<f64>,
    /// What to know about the result.
    pub warnings: Vec<Warning>,
}

/// What one profile carries with respect to the stitched one: `constant + tilt x`, x in mm from the middle of all scans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileCorrector {
    /// File name.
    pub name: String,
    /// Its place as given, mm.
    pub x_mm: f64,
    /// Constant, in the unit of the profile.
    pub constant: f64,
    /// Tilt, in that unit for each mm.
    pub tilt_per_mm: f64,
    /// Rms of (corrected profile - result) where another overlaps, in the unit of the profile.
    pub residual_rms: f64,
}

/// Stitches profiles of one kind.
///
/// Model: `value_k(u) = z(u + x_k) + r(u) + c_k (+ t_k u)`, u the position in the scan. With weights 1/sigma^2 where all
/// profiles tell their sigma, else equal ones.
///
/// # Errors
/// Fewer than two profiles, kinds that differ, overlaps that do not tie all together, an unknown reference with the
/// chained method or with nothing moved, a result of fewer than two points, or more unknowns than can be solved for.
pub fn stitch_profiles(series: &[PlacedProfile], options: &ProfileStitching) -> Result<StitchedProfile, ProfilesError> {
    let step = options.step.map(Length::mm);
    let sampled = Sampled::new(series, ("stitching", 2), step, options.interpolation)?;
    let kind = series.first().map_or(ProfileKind::SlopeUrad, |p| p.profile.kind);
    let tilt = options.tilt.unwrap_or(kind == ProfileKind::HeightNm);
    sampled.check_tied(series, if tilt { 3 } else { 1 })?;
    match options.method {
        ProfileMethod::Chained if options.reference == ProfileReference::Pixelwise => Err(ProfilesError::BadNumber {
            what: "the number of unknown references in a chain",
            value: 1.0,
            must: "zero: only the global method can find one",
        }),
        ProfileMethod::Chained => chained::stitch(series, &sampled, tilt),
        ProfileMethod::Global => joint::stitch(series, &sampled, tilt, options.reference),
    }
}

/// The parts that both methods share: corrected mean, residuals, and the words about them.
pub(crate) struct Draft<'a> {
    pub series: &'a [PlacedProfile],
    pub sampled: &'a Sampled,
    /// Constant and tilt (for each mm) of each profile.
    pub correctors: Vec<[f64; 2]>,
    /// Error at each node, or empty.
    pub reference: Vec<f64>,
    /// Nodes whose error is known.
    pub seen: Vec<bool>,
}

impl Draft<'_> {
    /// Middle of all scans, mm: where tilts turn.
    pub fn middle(&self) -> f64 {
        self.sampled.node0 + (self.sampled.nodes as f64 - 3.0) * self.sampled.step / 2.0
    }

    /// Middle of the mirror grid, mm.
    pub fn mirror_middle(&self) -> f64 {
        self.sampled.x((self.sampled.len - 1) / 2)
    }

    /// Profile `k` at a grid point without corrector and reference; `None` where there is no value or no reference.
    pub fn corrected(&self, k: usize, point: usize) -> Option<f64> {
        let scan = &self.sampled.scans[k];
        let value = scan.at(point)?;
        let mut error = 0.0;
        if !self.reference.is_empty() {
            for (node, weight) in scan.nodes(point) {
                if weight > 0.0 {
                    if !self.seen[node] {
                        return None;
                    }
                    error += weight * self.reference[node];
                }
            }
        }
        let u = self.sampled.x(point) - self.series[k].x_mm - self.middle();
        Some(value - error - self.correctors[k][0] - self.correctors[k][1] * u)
    }

    /// The weighted mean of what is corrected, for each grid point.
    pub fn mean(&self) -> Vec<Option<f64>> {
        let of = |point: usize| {
            let (mut sum, mut weight) = (0.0, 0.0);
            for (k, scan) in self.sampled.scans.iter().enumerate() {
                if let Some(value) = self.corrected(k, point) {
                    sum += scan.weight * value;
                    weight += scan.weight;
                }
            }
            (weight > 0.0).then(|| sum / weight)
        };
        (0..self.sampled.len).map(of).collect()
    }

    /// Takes the mean off the result and, with `line`, the least-squares line: the profiles carry it instead.
    pub fn take_off(&mut self, line: bool) {
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (point, mean) in self.mean().into_iter().enumerate() {
            let Some(mean) = mean else { continue };
            let x = self.sampled.x(point) - self.mirror_middle();
            rows.push(if line { vec![1.0, x] } else { vec![1.0] });
            values.push(mean);
        }
        let c = fit(&rows, &values);
        let (constant, slope) = (c.first().copied().unwrap_or(0.0), c.get(1).copied().unwrap_or(0.0));
        let shift = self.middle() - self.mirror_middle();
        for (corrector, placed) in self.correctors.iter_mut().zip(self.series) {
            corrector[0] += constant + slope * (placed.x_mm + shift);
            corrector[1] += slope;
        }
    }

    /// Everything but uncertainty, noise and the words about what is not observable. Besides: the weighted sum of squared
    /// residuals where at least two meet, with the number of such values and points.
    pub fn finish(self, mut warnings: Vec<Warning>) -> Result<(StitchedProfile, (f64, usize, usize)), ProfilesError> {
        let sampled = self.sampled;
        let mean = self.mean();
        let mut residual = vec![0.0; sampled.len];
        let mut overlap = vec![0u16; sampled.len];
        let mut of_scan = vec![(0.0, 0usize); sampled.scans.len()];
        let (mut squares, mut values, mut points) = (0.0, 0, 0);
        for (point, mean) in mean.iter().enumerate() {
            let Some(mean) = mean else { continue };
            let left: Vec<(usize, f64)> =
                (0..sampled.scans.len()).filter_map(|k| Some((k, self.corrected(k, point)? - mean))).collect();
            overlap[point] = left.len().min(usize::from(u16::MAX)) as u16;
            if left.len() < 2 {
                continue;
            }
            points += 1;
            values += left.len();
            residual[point] = (left.iter().map(|(_, d)| d * d).sum::<f64>() / left.len() as f64).sqrt();
            for (k, d) in left {
                squares += sampled.scans[k].weight * d * d;
                of_scan[k].0 += d * d;
                of_scan[k].1 += 1;
            }
        }
        if sampled.interpolated > 0 {
            let message = format!(
                "{} of {} profiles lie between the points of the others and were interpolated",
                sampled.interpolated,
                sampled.scans.len()
            );
            warnings.push(Warning { code: "interpolated".into(), message });
        }
        let valid: Vec<usize> = (0..sampled.len).filter(|point| mean[*point].is_some()).collect();
        let x_mm: Vec<f64> = valid.iter().map(|point| sampled.x(*point)).collect();
        let heights: Vec<f64> = valid.iter().filter_map(|point| mean[*point]).collect();
        let internal = |_| ProfilesError::Internal { step: "assembling the profile" };
        let kind = self.series.first().map_or(ProfileKind::SlopeUrad, |p| p.profile.kind);
        if valid.len() < 2 {
            return Err(ProfilesError::TooShort { what: "the stitched profile", points: valid.len() });
        }
        let mut profile = Profile::new(&x_mm, &heights, kind).map_err(internal)?;
        profile.name = "stitched".into();
        let reference = if self.reference.is_empty() {
            None
        } else {
            let nodes: Vec<usize> = (0..self.reference.len()).filter(|i| self.seen[*i]).collect();
            if nodes.len() < 2 {
                return Err(ProfilesError::TooShort { what: "the instrument's error", points: nodes.len() });
            }
            let x: Vec<f64> = nodes.iter().map(|i| sampled.node0 + *i as f64 * sampled.step).collect();
            let r: Vec<f64> = nodes.iter().map(|i| self.reference[*i]).collect();
            Some(Profile::new(&x, &r, kind).map_err(internal)?)
        };
        let correctors = (self.series.iter().zip(&self.correctors).zip(of_scan))
            .map(|((p, c), (squares, count))| ProfileCorrector {
                name: p.profile.name.clone(),
                x_mm: p.x_mm,
                constant: c[0],
                tilt_per_mm: c[1],
                residual_rms: if count > 0 { (squares / count as f64).sqrt() } else { 0.0 },
            })
            .collect();
        let keep = |values: Vec<f64>| valid.iter().map(|point| values[*point]).collect();
        let stitched = StitchedProfile {
            profile,
            uncertainty: None,
            overlap: valid.iter().map(|point| overlap[*point]).collect(),
            residual: keep(residual),
            reference,
            correctors,
            non_observable: Vec::new(),
            noise: None,
            warnings,
        };
        Ok((stitched, (squares, values, points)))
    }
}
