//! A series of profiles on one grid of the mirror, evenly spaced.

use crate::ProfilesError;
use crate::resample::{Interpolation, check, usual_step, value_at};
use crate::stitching::PlacedProfile;

/// Points of the mirror grid at most.
const MOST_POINTS: usize = 1 << 20;
/// Samples (profiles times points) at most.
const MOST_SAMPLES: usize = 1 << 26;
/// Parts of a step that count as a whole one.
const WHOLE: f64 = 0.02;

/// One profile on the grid.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Grid point of its first sample.
    pub first: usize,
    /// A value for each grid point from there, where there is one.
    pub values: Vec<Option<f64>>,
    /// Weight of one datum: 1 / sigma^2 where all profiles tell it, else 1.
    pub weight: f64,
    /// Node (position in the scan, in steps) of its first sample, and the part of a step beyond.
    pub node: usize,
    pub fraction: f64,
}

impl Scan {
    /// Grid point and value of all samples.
    pub fn samples(&self) -> impl Iterator<Item = (usize, f64)> {
        self.values.iter().enumerate().filter_map(|(i, value)| value.map(|value| (self.first + i, value)))
    }

    /// Its value on a grid point.
    pub fn at(&self, point: usize) -> Option<f64> {
        self.values.get(point.checked_sub(self.first)?).copied().flatten()
    }

    /// The nodes of the instrument's error that a grid point meets, with their weights.
    pub fn nodes(&self, point: usize) -> [(usize, f64); 2] {
        let node = self.node + point - self.first;
        if self.fraction > 0.0 {
            [(node, 1.0 - self.fraction), (node + 1, self.fraction)]
        } else {
            [(node, 1.0), (node, 0.0)]
        }
    }
}

/// The series on the grid.
#[derive(Debug)]
pub(crate) struct Sampled {
    /// Mirror x of grid point 0, mm.
    pub x0: f64,
    /// Distance of grid points, mm.
    pub step: f64,
    /// Grid points.
    pub len: usize,
    pub scans: Vec<Scan>,
    /// Position in the scan of node 0, mm, and the number of nodes.
    pub node0: f64,
    pub nodes: usize,
    /// Profiles that had to be interpolated.
    pub interpolated: usize,
}

impl Sampled {
    /// Puts at least `least` profiles of one kind on a grid that passes through the points of the first.
    pub fn new(
        series: &[PlacedProfile],
        (what, least): (&'static str, usize),
        step: Option<f64>,
        interpolation: Interpolation,
    ) -> Result<Self, ProfilesError> {
        let [first, ..] = series else { return Err(ProfilesError::TooFew { what, least, count: 0 }) };
        if series.len() < least {
            return Err(ProfilesError::TooFew { what, least, count: series.len() });
        }
        if let Some(other) = series.iter().find(|p| p.profile.kind != first.profile.kind) {
            let (first, second) = (first.profile.name.clone(), other.profile.name.clone());
            return Err(ProfilesError::KindsDiffer { first, second });
        }
        for p in series {
            check(&p.profile)?;
        }
        let step = step.unwrap_or_else(|| usual_step(&first.profile));
        if !(step.is_finite() && step > 0.0) {
            return Err(ProfilesError::BadNumber { what: "the step", value: step, must: "a length above zero" });
        }
        let mut ends = Vec::with_capacity(series.len());
        for p in series {
            let (Some(low), Some(high)) = (p.profile.x_mm.first(), p.profile.x_mm.last()) else { continue };
            if !((low + p.x_mm).is_finite() && (high + p.x_mm).is_finite()) {
                let (what, must) = ("a position", "a finite length");
                return Err(ProfilesError::BadNumber { what, value: p.x_mm, must });
            }
            ends.push((*low, *high));
        }
        let base = ends[0].0 + first.x_mm;
        let (mut low, mut high, mut node0, mut node_end) =
            (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY);
        for ((from, to), p) in ends.iter().zip(series) {
            low = low.min(from + p.x_mm);
            high = high.max(to + p.x_mm);
            node0 = node0.min(*from);
            node_end = node_end.max(*to);
        }
        // A hair of tolerance, so that rounding of positions costs no end point.
        let (from, to) = (((low - base) / step - 1e-6).ceil(), ((high - base) / step + 1e-6).floor());
        let most = |what, count: f64, most: usize| {
            let too_many = || ProfilesError::TooLarge { what, count: count.min(1e18) as usize, most };
            if count <= most as f64 { Ok(count as usize) } else { Err(too_many()) }
        };
        let len = most("the points of the profile", to - from + 1.0, MOST_POINTS)?;
        let nodes = most("the points of one scan", ((node_end - node0) / step).floor() + 3.0, MOST_POINTS)?;
        let x0 = base + from * step;
        let mut scans = Vec::with_capacity(series.len());
        let (mut interpolated, mut samples) = (0, 0usize);
        // A sigma whose weight is no number tells nothing.
        let usable = |sigma: &f64| *sigma > 0.0 && (1.0 / (sigma * sigma)).is_normal();
        let sigmas: Option<Vec<f64>> = series.iter().map(|p| p.profile.sigma.filter(usable)).collect();
        for (k, (p, (begin, end))) in series.iter().zip(&ends).enumerate() {
            let first = (((begin + p.x_mm - x0) / step - 1e-6).ceil().max(0.0)) as usize;
            let last = ((end + p.x_mm - x0) / step + 1e-6).floor().max(0.0) as usize;
            samples = samples.saturating_add(last.saturating_sub(first) + 1);
            if samples > MOST_SAMPLES {
                return Err(ProfilesError::TooLarge { what: "the samples", count: samples, most: MOST_SAMPLES });
            }
            let own_step = usual_step(&p.profile);
            let at = |g: usize| value_at(&p.profile, own_step, interpolation, x0 + g as f64 * step - p.x_mm);
            let values = (first..=last.min(len - 1)).map(at).collect();
            let place = (x0 + first as f64 * step - p.x_mm - node0) / step;
            let (whole, part) = (place.floor(), place - place.floor());
            let (node, fraction) = if part < WHOLE {
                (whole, 0.0)
            } else if part > 1.0 - WHOLE {
                (whole + 1.0, 0.0)
            } else {
                (whole, part)
            };
            interpolated += usize::from(fraction > 0.0);
            let weight = sigmas.as_ref().map_or(1.0, |s| 1.0 / (s[k] * s[k]));
            scans.push(Scan { first, values, weight, node: node.max(0.0) as usize, fraction });
        }
        Ok(Self { x0, step, len, scans, node0, nodes, interpolated })
    }

    /// Mirror x of a grid point, mm.
    pub fn x(&self, point: usize) -> f64 {
        self.x0 + point as f64 * self.step
    }

    /// Profiles that have a value at a grid point, for each point.
    pub fn counts(&self) -> Vec<u16> {
        let mut counts = vec![0u16; self.len];
        for scan in &self.scans {
            for (point, _) in scan.samples() {
                counts[point] = counts[point].saturating_add(1);
            }
        }
        counts
    }

    /// Refuses profiles that do not hang together by at least `least` common points.
    pub fn check_tied(&self, series: &[PlacedProfile], least: usize) -> Result<(), ProfilesError> {
        let mut tied = vec![false; self.scans.len()];
        let mut open = vec![0];
        tied[0] = true;
        while let Some(k) = open.pop() {
            for (other, tied) in tied.iter_mut().enumerate().filter(|(_, tied)| !**tied) {
                if self.common(k, other).count() >= least {
                    *tied = true;
                    open.push(other);
                }
            }
        }
        match tied.iter().position(|t| !t) {
            Some(k) => Err(ProfilesError::NoOverlap { name: series[k].profile.name.clone(), least }),
            None => Ok(()),
        }
    }

    /// Grid points with a value in both, and the two values.
    pub fn common(&self, a: usize, b: usize) -> impl Iterator<Item = (usize, f64, f64)> {
        let (a, b) = (&self.scans[a], &self.scans[b]);
        a.samples().filter_map(|(point, of_a)| b.at(point).map(|of_b| (point, of_a, of_b)))
    }

    /// The largest number of steps that all distances between scans are multiples of: 0 where nothing moves, 1 where one
    /// lies between steps.
    pub fn divisor(&self) -> usize {
        let place = |scan: &Scan| (scan.first as i64) - (scan.node as i64);
        let Some(first) = self.scans.first() else { return 0 };
        if self.scans.iter().any(|s| s.fraction != first.fraction) {
            return 1;
        }
        let gcd = |a: u64, b: u64| {
            let (mut a, mut b) = (a, b);
            while b > 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        self.scans.iter().map(|s| place(s).abs_diff(place(first))).fold(0, gcd) as usize
    }
}
