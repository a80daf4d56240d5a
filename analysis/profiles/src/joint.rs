//! Global stitching: offsets (and tilts) of all profiles, the instrument's error along the scan, and the mirror, found
//! together by weighted least squares.
//!
//! The mirror is eliminated in closed form; what is left is a dense system of some hundred unknowns, solved by a
//! pivoted Cholesky factor.

use rayon::prelude::*;
use stitchbox_stitch::{NonObservable, Warning};
use stitchbox_surface::ProfileKind;

use crate::ProfilesError;
use crate::sampled::Sampled;
use crate::semidefinite::{Semidefinite, fit};
use crate::stitching::{Draft, PlacedProfile, ProfileReference, StitchedProfile};

/// Unknowns beside the mirror at most.
const MOST_UNKNOWNS: usize = 4000;
/// Points times unknowns up to which the uncertainty is computed.
const MOST_COVARIANCE: usize = 50_000_000;
/// A node whose diagonal is smaller than this part of the largest has no equation.
const UNSEEN: f64 = 1e-10;

/// The equations without the mirror.
struct Equations {
    size: usize,
    matrix: Vec<f64>,
    right: Vec<f64>,
}

/// What a datum's unknowns are, with their factors.
struct Unknowns<'a> {
    sampled: &'a Sampled,
    series: &'a [PlacedProfile],
    /// Unknowns of one profile: the constant, or constant and tilt.
    of_one: usize,
    /// The first unknown of the reference, if there is one.
    reference: Option<usize>,
    /// Where tilts turn, mm, and their unit.
    middle: f64,
    half: f64,
}

impl Unknowns<'_> {
    fn at(&self, k: usize, point: usize, mut on: impl FnMut(usize, f64)) {
        on(k * self.of_one, 1.0);
        if self.of_one > 1 {
            on(k * self.of_one + 1, (self.sampled.x(point) - self.series[k].x_mm - self.middle) / self.half);
        }
        if let Some(first) = self.reference {
            for (node, weight) in self.sampled.scans[k].nodes(point) {
                if weight > 0.0 {
                    on(first + node, weight);
                }
            }
        }
    }

    fn equations(&self, size: usize) -> Equations {
        let mut e = Equations { size, matrix: vec![0.0; size * size], right: vec![0.0; size] };
        for point in 0..self.sampled.len {
            let here: Vec<(usize, f64, f64)> = (self.sampled.scans.iter().enumerate())
                .filter_map(|(k, scan)| Some((k, scan.weight, scan.at(point)?)))
                .collect();
            if here.len() < 2 {
                continue;
            }
            let total: f64 = here.iter().map(|(_, w, _)| w).sum();
            let mean = here.iter().map(|(_, w, y)| w * y).sum::<f64>() / total;
            let mut sums: Vec<(usize, f64)> = Vec::with_capacity(4 * here.len());
            for &(k, w, y) in &here {
                let mut own: Vec<(usize, f64)> = Vec::with_capacity(4);
                self.at(k, point, |i, factor| own.push((i, factor)));
                for &(i, a) in &own {
                    e.right[i] += w * a * (y - mean);
                    for &(j, b) in &own {
                        e.matrix[i * size + j] += w * a * b;
                    }
                    sums.push((i, w * a));
                }
            }
            for &(i, a) in &sums {
                for &(j, b) in &sums {
                    e.matrix[i * size + j] -= a * b / total;
                }
            }
        }
        e
    }
}

pub(crate) fn stitch(
    series: &[PlacedProfile],
    sampled: &Sampled,
    tilt: bool,
    reference: ProfileReference,
) -> Result<StitchedProfile, ProfilesError> {
    let unknown = reference == ProfileReference::Pixelwise;
    let divisor = sampled.divisor();
    if unknown && divisor == 0 {
        return Err(ProfilesError::NothingMoves);
    }
    let of_one = 1 + usize::from(tilt);
    let correctors = of_one * series.len();
    let size = correctors + if unknown { sampled.nodes } else { 0 };
    if size > MOST_UNKNOWNS {
        return Err(ProfilesError::TooLarge { what: "the number of unknowns", count: size, most: MOST_UNKNOWNS });
    }
    let draft = Draft { series, sampled, correctors: Vec::new(), reference: Vec::new(), seen: Vec::new() };
    let half = ((sampled.nodes as f64 - 3.0) * sampled.step / 2.0).max(sampled.step);
    let first = unknown.then_some(correctors);
    let unknowns = Unknowns { sampled, series, of_one, reference: first, middle: draft.middle(), half };
    let equations = unknowns.equations(size);
    let factor = Semidefinite::new(&equations.matrix, size);
    let mut solution = factor.solve(&equations.right);
    let mut draft = draft;
    let mut gauge = None;
    if unknown {
        let largest = (0..size).map(|i| equations.matrix[i * size + i]).fold(0.0, f64::max);
        let seen = |node: usize| equations.matrix[(correctors + node) * (size + 1)] > UNSEEN * largest;
        draft.seen = (0..sampled.nodes).map(seen).collect();
        draft.reference = solution.split_off(correctors);
        let of = Gauge::new(&unknowns, &draft.seen, tilt, divisor);
        of.apply(&mut draft.reference);
        solution = equations.with_reference(correctors, &draft.reference);
        gauge = Some(of);
    }
    let tilt_of = |c: &[f64]| c.get(1).map_or(0.0, |t| t / half);
    draft.correctors = solution.chunks(of_one).map(|c| [c[0], tilt_of(c)]).collect();
    draft.take_off(tilt);
    let mean = draft.mean();
    let mut warnings = Vec::new();
    warn(&mut warnings, &equations, &factor, &gauge, of_one, (divisor, sampled.step));
    let unreferenced = sampled.counts().iter().zip(&mean).filter(|(n, mean)| **n > 0 && mean.is_none()).count();
    if unreferenced > 0 {
        let message = format!(
            "{unreferenced} points were left out: only one profile reaches them, with a part of its scan that overlaps \
             nowhere, so the instrument's error is not known there"
        );
        warnings.push(Warning { code: "reference-unknown".into(), message });
    }
    let valid: Vec<usize> = (0..sampled.len).filter(|point| mean[*point].is_some()).collect();
    let small = valid.len().saturating_mul(size) <= MOST_COVARIANCE;
    let variances = small.then(|| variances(&unknowns, &draft, &gauge, &factor, &valid, (size, tilt)));
    if !small {
        let message = "the profile has too many points for an uncertainty; use a larger step to get one".into();
        warnings.push(Warning { code: "no-uncertainty".into(), message });
    }
    let (mut stitched, (squares, values, points)) = draft.finish(warnings)?;
    let freedom = values.checked_sub(points + factor.rank()).filter(|f| *f > 0);
    stitched.noise = freedom.map(|f| (squares / f as f64).sqrt());
    if let (Some(noise), Some(variances)) = (stitched.noise, variances) {
        let uncertainty: Vec<f64> = variances.iter().map(|v| noise * v.max(0.0).sqrt()).collect();
        let mean_square = uncertainty.iter().map(|u| u * u).sum::<f64>() / uncertainty.len().max(1) as f64;
        stitched.profile.sigma = Some(mean_square.sqrt());
        stitched.uncertainty = Some(uncertainty);
    }
    stitched.non_observable = non_observable(&stitched, tilt, reference, divisor, sampled.step);
    Ok(stitched)
}

impl Equations {
    /// The correctors that belong to a given reference.
    fn with_reference(&self, correctors: usize, reference: &[f64]) -> Vec<f64> {
        let row = |i: usize| &self.matrix[i * self.size..(i + 1) * self.size];
        let own: Vec<f64> = (0..correctors).flat_map(|i| row(i)[..correctors].iter().copied()).collect();
        let known = |i: usize| row(i)[correctors..].iter().zip(reference).map(|(a, r)| a * r).sum::<f64>();
        let right: Vec<f64> = (0..correctors).map(|i| self.right[i] - known(i)).collect();
        Semidefinite::new(&own, correctors).solve(&right)
    }
}

/// The shapes of the reference that the mirror can imitate. By convention the reference has none of them (least squares
/// over the nodes seen), so all of it is in the profile.
struct Gauge {
    /// The shapes at every node; unseen nodes have zeros.
    rows: Vec<Vec<f64>>,
    /// Polynomial shapes, the constant included; the others repeat with the divisor of the steps.
    polynomials: usize,
    /// Phase of grid point 0 in node steps.
    phase: usize,
    divisor: usize,
    seen: usize,
    /// Shapes that are independent over the nodes seen.
    rank: usize,
}

impl Gauge {
    fn new(unknowns: &Unknowns, seen: &[bool], tilt: bool, divisor: usize) -> Self {
        let sampled = unknowns.sampled;
        let polynomials = 2 + usize::from(tilt);
        let repeating = divisor.saturating_sub(1);
        let row = |(node, seen): (usize, &bool)| {
            let mut row = vec![0.0; polynomials + repeating];
            if *seen {
                let u = (sampled.node0 + node as f64 * sampled.step - unknowns.middle) / unknowns.half;
                for (power, entry) in row.iter_mut().take(polynomials).enumerate() {
                    *entry = power_of(u, power);
                }
                if let Some(entry) = (node % divisor.max(1)).checked_sub(1).and_then(|i| row.get_mut(polynomials + i)) {
                    *entry = 1.0;
                }
            }
            row
        };
        let rows: Vec<Vec<f64>> = seen.iter().enumerate().map(row).collect();
        // Grid point p of the first scan is node p - first + node.
        let phase = sampled.scans.first().map_or(0, |s| {
            let g = divisor.max(1) as i64;
            (s.node as i64 - s.first as i64).rem_euclid(g) as usize
        });
        let rank = normal(&rows).1.rank();
        Self { rows, polynomials, phase, divisor, seen: seen.iter().filter(|s| **s).count(), rank }
    }

    fn apply(&self, reference: &mut [f64]) {
        let coefficients = fit(&self.rows, reference);
        for (value, row) in reference.iter_mut().zip(&self.rows) {
            *value -= row.iter().zip(&coefficients).map(|(a, c)| a * c).sum::<f64>();
        }
    }

    /// What one unit of each shape (but the constant) in the reference is on the mirror, at grid point `point`.
    fn on_mirror(&self, unknowns: &Unknowns, draft: &Draft, point: usize) -> Vec<f64> {
        let x = (unknowns.sampled.x(point) - draft.mirror_middle()) / unknowns.half;
        let mut shapes = vec![0.0; self.rows.first().map_or(0, Vec::len)];
        for (power, entry) in shapes.iter_mut().take(self.polynomials).enumerate().skip(1) {
            *entry = power_of(x, power);
        }
        let node = (point + self.phase) % self.divisor.max(1);
        if let Some(entry) = node.checked_sub(1).and_then(|i| shapes.get_mut(self.polynomials + i)) {
            *entry = 1.0;
        }
        shapes
    }
}

fn power_of(x: f64, power: usize) -> f64 {
    (0..power).fold(1.0, |product, _| product * x)
}

/// The normal matrix of a basis, and its factor.
fn normal(rows: &[Vec<f64>]) -> (usize, Semidefinite) {
    let n = rows.first().map_or(0, Vec::len);
    let mut matrix = vec![0.0; n * n];
    for row in rows {
        let own: Vec<(usize, f64)> = row.iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect();
        for &(i, a) in &own {
            for &(j, b) in &own {
                matrix[i * n + j] += a * b;
            }
        }
    }
    (n, Semidefinite::new(&matrix, n))
}

/// Variance of each valid point of the result, in units of that of one datum of weight 1: that of the mean and that of
/// the unknowns, after the conventions were applied.
fn variances(
    unknowns: &Unknowns,
    draft: &Draft,
    gauge: &Option<Gauge>,
    factor: &Semidefinite,
    valid: &[usize],
    (size, line): (usize, bool),
) -> Vec<f64> {
    let sampled = unknowns.sampled;
    // Coefficients of each shape for a unit of the reference at each node.
    let shapes: Vec<Vec<f64>> = gauge.as_ref().map_or(Vec::new(), |gauge| {
        let (_, factor) = normal(&gauge.rows);
        gauge.rows.iter().map(|row| factor.solve(row)).collect()
    });
    let mut weights = Vec::with_capacity(valid.len());
    let mut effects: Vec<Vec<f64>> = Vec::with_capacity(valid.len());
    for &point in valid {
        let mut effect = vec![0.0; size];
        let used: Vec<usize> = (0..sampled.scans.len()).filter(|k| draft.corrected(*k, point).is_some()).collect();
        let total: f64 = used.iter().map(|k| sampled.scans[*k].weight).sum();
        for &k in &used {
            unknowns.at(k, point, |i, factor| effect[i] -= sampled.scans[k].weight * factor / total);
        }
        if let (Some(gauge), Some(first)) = (gauge, unknowns.reference) {
            let here = gauge.on_mirror(unknowns, draft, point);
            for (entry, shape) in effect[first..].iter_mut().zip(&shapes) {
                *entry += shape.iter().zip(&here).map(|(c, b)| c * b).sum::<f64>();
            }
        }
        weights.push(1.0 / total);
        effects.push(effect);
    }
    // Orthonormal constant and line over the valid points.
    let n = valid.len() as f64;
    let mut basis = vec![vec![1.0 / n.sqrt(); valid.len()]];
    if line {
        let centre = valid.iter().map(|p| *p as f64).sum::<f64>() / n;
        let ramp: Vec<f64> = valid.iter().map(|p| *p as f64 - centre).collect();
        let length = ramp.iter().map(|v| v * v).sum::<f64>().sqrt();
        basis.push(ramp.iter().map(|v| v / length.max(f64::MIN_POSITIVE)).collect());
    }
    let mut data = weights.clone();
    for q in &basis {
        let mut part = vec![0.0; size];
        for (effect, q) in effects.iter().zip(q) {
            part.iter_mut().zip(effect).for_each(|(part, e)| *part += q * e);
        }
        for (effect, q) in effects.iter_mut().zip(q) {
            effect.iter_mut().zip(&part).for_each(|(e, part)| *e -= q * part);
        }
    }
    for (i, variance) in data.iter_mut().enumerate() {
        for a in &basis {
            *variance -= 2.0 * a[i] * a[i] * weights[i];
        }
    }
    for a in &basis {
        for b in &basis {
            let between: f64 = a.iter().zip(b).zip(&weights).map(|((a, b), w)| a * b * w).sum();
            for (i, variance) in data.iter_mut().enumerate() {
                *variance += a[i] * b[i] * between;
            }
        }
    }
    effects.par_iter().zip(&data).map(|(effect, data)| data + factor.variance(effect)).collect()
}

fn warn(
    warnings: &mut Vec<Warning>,
    equations: &Equations,
    factor: &Semidefinite,
    gauge: &Option<Gauge>,
    of_one: usize,
    (divisor, step): (usize, f64),
) {
    if gauge.is_some() && divisor > 1 {
        let message = format!(
            "all shifts are multiples of {:.4} mm, so an error of the instrument that repeats with that cannot be seen; it is \
             assumed zero. Vary the shifts so that they share no divisor to avoid this",
            divisor as f64 * step
        );
        warnings.push(Warning { code: "equal-steps".into(), message });
    }
    // Free by nature: the shapes of the gauge, and the constant (and tilt) of all profiles together.
    let free = of_one + gauge.as_ref().map_or(0, |gauge| gauge.rank);
    let largest = (0..equations.size).map(|i| equations.matrix[i * (equations.size + 1)]).fold(0.0, f64::max);
    let met = (0..equations.size).filter(|i| equations.matrix[i * (equations.size + 1)] > UNSEEN * largest).count();
    if factor.rank() + free < met {
        let message = format!(
            "the overlaps leave {} more combinations of offsets and instrument error open than they should; the result holds \
             one choice of many there",
            met - free - factor.rank()
        );
        warnings.push(Warning { code: "weak-overlap".into(), message });
    }
    if gauge.as_ref().is_some_and(|gauge| gauge.seen == 0) {
        let message = "no part of the scan was seen twice, so the instrument's error is unknown everywhere".into();
        warnings.push(Warning { code: "reference-unknown".into(), message });
    }
}

/// The list for the result.
pub(crate) fn non_observable(
    stitched: &StitchedProfile,
    tilt: bool,
    reference: ProfileReference,
    divisor: usize,
    step: f64,
) -> Vec<NonObservable> {
    let slopes = stitched.profile.kind == ProfileKind::SlopeUrad;
    let unknown = reference == ProfileReference::Pixelwise;
    let mut list = Vec::new();
    let mut say = |term: &str, why: String| list.push(NonObservable { term: term.into(), why });
    let constant = if slopes { "a tilt of the mirror" } else { "a height of the mirror" };
    let line = if slopes { "a curvature of the mirror" } else { "a tilt of the mirror" };
    say("1", format!("{constant} looks like the offset of every profile: the mean over the profile is taken off"));
    let assumed = "by convention the instrument has none (least squares over the scan), so all of it is in the profile";
    match (tilt, unknown) {
        (false, false) => {}
        (true, _) => say(
            "x",
            format!(
                "{line} looks like the tilt of every profile: the least-squares line over the profile is taken off"
            ),
        ),
        (false, true) => say(
            "x",
            format!(
                "{line} looks like an error that grows along the scan and offsets that grow with the position; {assumed}"
            ),
        ),
    }
    if tilt && unknown {
        let what = "power of the instrument's error and tilts that grow with the position look the same";
        say("x^2", format!("{what}; {assumed}"));
    }
    if unknown && divisor > 1 {
        let what =
            "all shifts are multiples of it, so any shape that repeats with it may belong to instrument or mirror";
        say(&format!("period {:.4} mm", divisor as f64 * step), format!("{what}; {assumed}"));
    }
    list
}
