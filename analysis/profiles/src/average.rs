//! Forward and backward scans of one line become one profile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_stitch::Warning;
use stitchbox_surface::quantity::{Angle, Height};
use stitchbox_surface::{Profile, ProfileKind};

use crate::ProfilesError;
use crate::resample::{Interpolation, check, usual_step, value_at};
use crate::semidefinite::fit;

/// Points that all scans must share.
const LEAST_COMMON: usize = 3;

/// How scans are averaged (`shared/facts/stitching.md`, section 1.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Averaging {
    /// Scans of slopes whose rms from the mean of their direction is larger are left out, the worst first, each time with
    /// a new mean. Default "0.15 urad".
    pub slope_limit: Angle,
    /// The same for scans of heights. Default "5 nm".
    pub height_limit: Height,
    /// Degree of the polynomial taken off the difference to the mean before its rms is judged, 0 to 10: instruments drift
    /// in the mean and in its slope. Default 1.
    pub detrend_degree: u32,
    /// How values between the points of a scan are found. Default `cubic`.
    pub interpolation: Interpolation,
}

impl Default for Averaging {
    fn default() -> Self {
        Self {
            slope_limit: Angle::new(0.15),
            height_limit: Height::new(5.0),
            detrend_degree: 1,
            interpolation: Interpolation::default(),
        }
    }
}

/// The mean of scans.
#[derive(Debug, Clone, PartialEq)]
pub struct Averaged {
    /// The mean over the stretch that all scans share, on the points of the first scan. Its `sigma` is the rms of
    /// `uncertainty`.
    pub profile: Profile,
    /// Standard uncertainty of each point from the scatter of the kept scans, after their drift (the polynomial) was taken
    /// off, degrees of freedom counted; in the unit of the profile. Empty where too few scans were kept to tell.
    pub uncertainty: Vec<f64>,
    /// Scans that went into it.
    pub kept: usize,
    /// Scans that did not.
    pub excluded: Vec<ExcludedScan>,
    /// Rms of half the difference between the means of the two directions, without the polynomial; `None` with one
    /// direction.
    pub direction_rms: Option<f64>,
    /// What to know about the mean.
    pub warnings: Vec<Warning>,
}

/// A scan that disagrees with the others of its direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExcludedScan {
    /// File name.
    pub name: String,
    /// Its rms from the mean when it was left out, in the unit of the profile.
    pub rms: f64,
}

/// Averages the scans of one line: each direction by itself with the exclusion that [`Averaging`] describes, then the two
/// directions with equal weight. All scans are detrended only to be judged; the mean is that of the values as measured.
/// Of two scans left in a direction none is excluded, for nothing tells which is wrong; a warning says if they disagree.
///
/// # Errors
/// No scans at all, scans of different kinds or without a common stretch, or a degree that is too large.
pub fn average_scans(
    forward: &[Profile],
    backward: &[Profile],
    options: &Averaging,
) -> Result<Averaged, ProfilesError> {
    let all = || forward.iter().chain(backward);
    let Some(first) = all().next() else {
        return Err(ProfilesError::TooFew { what: "averaging", least: 1, count: 0 });
    };
    if let Some(other) = all().find(|scan| scan.kind != first.kind) {
        return Err(ProfilesError::KindsDiffer { first: first.name.clone(), second: other.name.clone() });
    }
    for scan in all() {
        check(scan)?;
    }
    let limit = match first.kind {
        ProfileKind::SlopeUrad => options.slope_limit.urad(),
        ProfileKind::HeightNm => options.height_limit.nm(),
    };
    if !(limit.is_finite() && limit > 0.0) {
        return Err(ProfilesError::BadNumber { what: "the limit of the rms", value: limit, must: "above zero" });
    }
    if options.detrend_degree > 10 {
        let value = f64::from(options.detrend_degree);
        return Err(ProfilesError::BadNumber { what: "detrend_degree", value, must: "at most 10" });
    }
    let (x_mm, values) = on_common_points(&all().collect::<Vec<_>>(), options.interpolation)?;
    let trend = Trend::new(&x_mm, options.detrend_degree);
    let mut directions = Vec::new();
    let mut report = Report { limit, ..Report::default() };
    let (ahead, back) = values.split_at(forward.len());
    for (scans, values) in [(forward, ahead), (backward, back)] {
        if !scans.is_empty() {
            directions.push(direction(scans, values, &trend, &mut report));
        }
    }
    let n = directions.len() as f64;
    let mean: Vec<f64> = (0..x_mm.len()).map(|i| directions.iter().map(|d| d[i]).sum::<f64>() / n).collect();
    let direction_rms = match directions.as_slice() {
        [a, b] => {
            let half: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a - b) / 2.0).collect();
            Some(rms(&trend.off(&half)))
        }
        _ => None,
    };
    // The polynomial takes its share of the scatter with it, evenly over the points.
    let (points, terms) = (x_mm.len() as f64, f64::from(options.detrend_degree) + 1.0);
    let uncertainty: Vec<f64> = if report.freedom > 0.0 && points > terms {
        let of_mean = report.of_mean(n) * points / (points - terms);
        report.squares.iter().map(|s| (s / report.freedom * of_mean).sqrt()).collect()
    } else {
        Vec::new()
    };
    let mut profile =
        Profile::new(&x_mm, &mean, first.kind).map_err(|_| ProfilesError::Internal { step: "averaging scans" })?;
    profile.name = first.name.clone();
    profile.y_mm = first.y_mm;
    profile.instrument = first.instrument.clone();
    profile.sigma = (!uncertainty.is_empty()).then(|| rms(&uncertainty));
    let kept = report.kept.iter().sum();
    Ok(Averaged { profile, uncertainty, kept, excluded: report.excluded, direction_rms, warnings: report.warnings })
}

/// What was noted over both directions.
#[derive(Default)]
struct Report {
    limit: f64,
    /// Squares of the detrended differences to the mean, summed over the kept scans, point by point.
    squares: Vec<f64>,
    /// Kept scans less the means.
    freedom: f64,
    kept: Vec<usize>,
    excluded: Vec<ExcludedScan>,
    warnings: Vec<Warning>,
}

impl Report {
    /// Variance of the mean of `n` directions with equal weight, in units of that of one scan.
    fn of_mean(&self, n: f64) -> f64 {
        self.kept.iter().map(|kept| 1.0 / *kept as f64).sum::<f64>() / (n * n)
    }
}

/// The mean of one direction.
fn direction(scans: &[Profile], values: &[Vec<f64>], trend: &Trend, report: &mut Report) -> Vec<f64> {
    let mut kept: Vec<usize> = (0..scans.len()).collect();
    loop {
        let n = kept.len() as f64;
        let points = values.first().map_or(0, Vec::len);
        let mean: Vec<f64> = (0..points).map(|i| kept.iter().map(|k| values[*k][i]).sum::<f64>() / n).collect();
        let apart = |k: &usize| trend.off(&values[*k].iter().zip(&mean).map(|(v, m)| v - m).collect::<Vec<_>>());
        let differences: Vec<Vec<f64>> = kept.iter().map(apart).collect();
        let (mut worst, mut largest) = (0, 0.0);
        for (at, difference) in differences.iter().enumerate() {
            if rms(difference) > largest {
                (worst, largest) = (at, rms(difference));
            }
        }
        if largest > report.limit && kept.len() > 2 {
            let name = scans[kept.remove(worst)].name.clone();
            report.excluded.push(ExcludedScan { name, rms: largest });
            continue;
        }
        if largest > report.limit {
            let message = format!(
                "the last two scans of one direction ({} and {}) differ from their mean by {largest:.3} rms, more than the limit \
                 {}; both were kept, for nothing tells which is wrong",
                scans[kept[0]].name, scans[kept[1]].name, report.limit
            );
            report.warnings.push(Warning { code: "scans-disagree".into(), message });
        }
        report.squares.resize(points, 0.0);
        for difference in &differences {
            for (sum, d) in report.squares.iter_mut().zip(difference) {
                *sum += d * d;
            }
        }
        report.freedom += n - 1.0;
        report.kept.push(kept.len());
        return mean;
    }
}

/// Polynomials over fixed points.
struct Trend {
    rows: Vec<Vec<f64>>,
}

impl Trend {
    fn new(x_mm: &[f64], degree: u32) -> Self {
        let (low, high) = (x_mm.first().copied().unwrap_or(0.0), x_mm.last().copied().unwrap_or(1.0));
        let unit = |x: f64| 2.0 * (x - low) / (high - low).max(f64::MIN_POSITIVE) - 1.0;
        let row = |x: &f64| {
            // Legendre polynomials by their recurrence.
            let (x, mut row) = (unit(*x), vec![1.0]);
            for n in 1..=degree as usize {
                let before = if n > 1 { row[n - 2] } else { 0.0 };
                let n = n as f64;
                let last = row[row.len() - 1];
                row.push(((2.0 * n - 1.0) * x * last - (n - 1.0) * before) / n);
            }
            row
        };
        Self { rows: x_mm.iter().map(row).collect() }
    }

    /// What the least-squares polynomial leaves.
    fn off(&self, values: &[f64]) -> Vec<f64> {
        let coefficients = fit(&self.rows, values);
        let of = |row: &Vec<f64>| row.iter().zip(&coefficients).map(|(a, b)| a * b).sum::<f64>();
        self.rows.iter().zip(values).map(|(row, value)| value - of(row)).collect()
    }
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// The points of the first scan at which all scans have a value, and those values.
fn on_common_points(
    scans: &[&Profile],
    interpolation: Interpolation,
) -> Result<(Vec<f64>, Vec<Vec<f64>>), ProfilesError> {
    let mut x_mm: Vec<f64> = scans.first().map_or(Vec::new(), |first| first.x_mm.clone());
    for scan in scans {
        let step = usual_step(scan);
        x_mm.retain(|x| value_at(scan, step, interpolation, *x).is_some());
        if x_mm.len() < LEAST_COMMON {
            return Err(ProfilesError::NoCommonStretch { name: scan.name.clone(), least: LEAST_COMMON });
        }
    }
    let of = |scan: &&Profile| {
        let step = usual_step(scan);
        x_mm.iter().filter_map(|x| value_at(scan, step, interpolation, *x)).collect()
    };
    let values = scans.iter().map(of).collect();
    Ok((x_mm, values))
}
