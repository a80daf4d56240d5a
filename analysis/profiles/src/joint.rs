//! Global stitching: offsets (and tilts) of all profiles, the instrument's error along the scan, and the mirror, found
//! together by weighted least squares.
//!
//! The mirror is eliminated in closed form; what is left is a dense system of some hundred unknowns, solved by a
//! pivoted Cholesky factor.

use rayon::prelude::*;
use stitchbox_stitch::Warning;

use crate::ProfilesError;
use crate::declared::{non_observable, warn};
use crate::gauge::{Gauge, normal};
use crate::sampled::Sampled;
use crate::semidefinite::Semidefinite;
use crate::stitching::{Draft, PlacedProfile, ProfileReference, StitchedProfile};

/// Unknowns beside the mirror at most.
const MOST_UNKNOWNS: usize = 4000;
/// Points times unknowns up to which the uncertainty is computed.
const MOST_COVARIANCE: usize = 10_000_000;
/// A node whose diagonal is smaller than this part of the largest has no equation.
pub(crate) const UNSEEN: f64 = 1e-10;

/// The equations without the mirror.
struct Equations {
    size: usize,
    matrix: Vec<f64>,
    right: Vec<f64>,
}

/// What a datum's unknowns are, with their factors.
pub(crate) struct Unknowns<'a> {
    pub sampled: &'a Sampled,
    series: &'a [PlacedProfile],
    /// Unknowns of one profile: the constant, or constant and tilt.
    of_one: usize,
    /// The first unknown of the reference, if there is one.
    reference: Option<usize>,
    /// Where tilts turn, mm, and their unit.
    pub middle: f64,
    pub half: f64,
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
    warn(&mut warnings, (&equations.matrix, size), &factor, &gauge, of_one, (divisor, sampled.step));
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
