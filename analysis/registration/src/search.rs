//! Which pairs are compared, in which order, until the series hangs together.

use std::collections::BTreeSet;

use rayon::prelude::*;
use stitchbox_stitch::Progress;
use stitchbox_surface::SubAperture;

use crate::camera::Camera;
use crate::climb::climb;
use crate::closure::{CLEAR, CLOSES_PX, Groups, judge};
use crate::correlation::Correlation;
use crate::places::places;
use crate::roughness::{FEWEST, Fixed, FixedSums, REACH, Roughness};
use crate::{Pair, Registered, Registration, RegistrationError, RegistrationWarning};

/// Pairs, or maps, that are worked on before progress is told.
const BATCH: usize = 16;
/// Binned pixels at the first look.
const COARSE: usize = 16_000;
/// The shorter side has at least this many binned pixels.
const SHORTEST: usize = 24;
/// Further pairs that are tried for each sub-aperture of a series that falls apart.
const TRIES: usize = 40;
/// Sub-apertures need this many valid binned pixels.
const FEWEST_PIXELS: usize = 64;
/// Part of a map that has to be shared for a pair that is to confirm others.
const CONFIRMS: f64 = 0.3;

/// One registration.
pub(crate) struct Search<'a> {
    series: &'a [SubAperture],
    options: &'a Registration,
    progress: &'a dyn Progress,
    camera: Camera,
    factor: usize,
    coarse: Vec<Roughness>,
    /// What is fixed in the camera, at full resolution.
    fixed: Option<Fixed>,
    correlation: Correlation,
    tried: BTreeSet<(usize, usize)>,
    found: Vec<Pair>,
    same_place: Vec<(usize, usize)>,
}

impl<'a> Search<'a> {
    /// Takes the roughness of every sub-aperture.
    pub fn new(
        series: &'a [SubAperture],
        options: &'a Registration,
        progress: &'a dyn Progress,
    ) -> Result<Self, RegistrationError> {
        if series.len() < 2 {
            return Err(RegistrationError::TooFew { count: series.len() });
        }
        if !(0.05..=0.95).contains(&options.min_overlap) {
            return Err(RegistrationError::MinOverlap { given: options.min_overlap });
        }
        let camera = Camera::of(series)?;
        let mut factor = 1;
        while camera.rows * camera.columns > COARSE * factor * factor
            && camera.rows.min(camera.columns) >= 2 * SHORTEST * factor
        {
            factor *= 2;
        }
        let shape = (camera.rows.div_ceil(factor), camera.columns.div_ceil(factor));
        let reference = series.len() >= FEWEST;
        let mut search = Self {
            series,
            options,
            progress,
            camera,
            factor,
            coarse: Vec::new(),
            fixed: None,
            correlation: Correlation::new(shape, options.min_overlap, options.two_dimensional, reference),
            tried: BTreeSet::new(),
            found: Vec::new(),
            same_place: Vec::new(),
        };
        search.take_roughness(shape, reference)?;
        Ok(search)
    }

    fn take_roughness(&mut self, shape: (usize, usize), reference: bool) -> Result<(), RegistrationError> {
        let mut sums = FixedSums::new(shape);
        let mut full_sums =
            (reference && self.factor > 1).then(|| FixedSums::new((self.camera.rows, self.camera.columns)));
        for (batch, subs) in self.series.chunks(BATCH).enumerate() {
            self.tell(0.2 * (batch * BATCH) as f64 / self.series.len() as f64, "roughness")?;
            // Added in the order of the series, whatever thread is first.
            self.coarse.par_extend(subs.par_iter().map(|sub| Roughness::of(sub, &self.camera, self.factor, REACH)));
            if let Some(sums) = &mut full_sums {
                for two in subs.chunks(2) {
                    let full: Vec<Roughness> = two.par_iter().map(|sub| self.full_of(sub)).collect();
                    full.iter().for_each(|rough| sums.add(rough));
                }
            }
        }
        for (rough, sub) in self.coarse.iter().zip(self.series) {
            if rough.count() < FEWEST_PIXELS {
                let valid = sub.map.valid_count();
                return Err(RegistrationError::TooFewPixels { file: sub.name.clone(), valid });
            }
            sums.add(rough);
        }
        if reference {
            let fixed = sums.mean();
            self.coarse.par_iter_mut().for_each(|rough| rough.without(&fixed));
        }
        self.fixed = full_sums.map(FixedSums::mean);
        Ok(())
    }

    fn full_of(&self, sub: &SubAperture) -> Roughness {
        Roughness::of(sub, &self.camera, 1, REACH * self.factor)
    }

    fn tell(&self, fraction: f64, step: &str) -> Result<(), RegistrationError> {
        self.progress.at(fraction, step);
        if self.progress.cancelled() { Err(RegistrationError::Cancelled) } else { Ok(()) }
    }

    /// The shift of one pair where it is clear.
    fn shift(&self, first: usize, second: usize) -> Option<(Pair, bool)> {
        if self.progress.cancelled() {
            return None;
        }
        let (a, b) = (self.coarse.get(first)?, self.coarse.get(second)?);
        let peak = self.correlation.peak(a, b)?;
        if peak.ratio < CLEAR {
            return None;
        }
        let start = (peak.x * self.factor as isize, peak.y * self.factor as isize);
        let two = self.options.two_dimensional;
        let climbed = if self.factor == 1 {
            climb(a, b, start, 1, two)?
        } else {
            let full = |k: usize| {
                let mut rough = self.full_of(self.series.get(k)?);
                if let Some(fixed) = &self.fixed {
                    rough.without(fixed);
                }
                Some(rough)
            };
            climb(&full(first)?, &full(second)?, start, self.factor, two)?
        };
        let pair =
            Pair { first, second, x_px: climbed.x, y_px: climbed.y, score: climbed.score, peak_ratio: peak.ratio };
        Some((pair, peak.at_zero))
    }

    /// Compares pairs not yet tried, all at once.
    fn compare(&mut self, pairs: &[(usize, usize)]) {
        let new: Vec<(usize, usize)> = pairs.iter().copied().filter(|pair| self.tried.insert(*pair)).collect();
        let shifts: Vec<_> = new.par_iter().map(|(first, second)| self.shift(*first, *second)).collect();
        for (pair, at_zero) in shifts.into_iter().flatten() {
            if at_zero {
                self.same_place.push((pair.first, pair.second));
            }
            self.found.push(pair);
        }
    }

    /// The groups along all pairs that can be believed so far.
    fn groups(&self) -> Groups {
        let judged = judge(&self.found, self.series.len());
        let accepted = self.found.iter().zip(&judged).filter(|(_, j)| j.accepted).map(|(pair, _)| pair);
        Groups::along(accepted, self.series.len())
    }

    /// Neighbours first, then what ties the parts together, then the places.
    pub fn run(mut self) -> Result<Registered, RegistrationError> {
        let n = self.series.len();
        let near: Vec<(usize, usize)> =
            (0..n).flat_map(|k| [(k, k + 1), (k, k + 2)]).filter(|(_, other)| *other < n).collect();
        for (done, batch) in near.chunks(BATCH).enumerate() {
            self.tell(0.2 + 0.5 * (done * BATCH) as f64 / near.len() as f64, "neighbours")?;
            self.compare(batch);
        }
        let still: Vec<(usize, usize)> = self.same_place.iter().copied().filter(|(a, b)| a + 1 == *b).collect();
        if let Some((first, second)) = still.first()
            && 2 * still.len() > n
        {
            let (first, second) = (self.name(*first), self.name(*second));
            return Err(RegistrationError::NothingMoves { pairs: still.len(), first, second });
        }
        let mut groups = self.groups();
        if groups.count > 1 {
            groups = self.tie_together(groups)?;
        }
        self.tell(0.95, "places")?;
        // A cancel within the last batch has been heard by now: it does not pass for a refusal.
        if groups.count > 1 {
            return Err(self.not_tied(&groups));
        }
        self.solve()
    }

    /// Tries pairs of different groups, the nearest in the series first, and confirms what it finds.
    fn tie_together(&mut self, mut groups: Groups) -> Result<Groups, RegistrationError> {
        let n = self.series.len();
        let (mut left, most) = (n.saturating_mul(TRIES), n.saturating_mul(TRIES));
        for stride in 3..n {
            let mut waiting: Vec<(usize, usize)> = (0..n - stride).map(|k| (k, k + stride)).collect();
            while groups.count > 1 && !waiting.is_empty() {
                waiting.retain(|(a, b)| groups.of[*a] != groups.of[*b]);
                let batch: Vec<(usize, usize)> = waiting.drain(..waiting.len().min(BATCH).min(left)).collect();
                if batch.is_empty() {
                    break;
                }
                left -= batch.len();
                self.tell(0.7 + 0.2 * (most - left) as f64 / most as f64, "further pairs")?;
                self.compare(&batch);
                groups = self.groups();
            }
            if left == 0 || groups.count == 1 {
                break;
            }
        }
        // What ties rows together so far may be few: the overlaps that follow from it are looked at too.
        for _ in 0..2 {
            for batch in self.confirming(&groups).chunks(BATCH) {
                self.tell(0.9, "confirmation")?;
                self.compare(batch);
            }
            groups = self.groups();
        }
        Ok(groups)
    }

    /// For every sub-aperture the two pairs not yet tried that should overlap most, by the places so far.
    fn confirming(&self, groups: &Groups) -> Vec<(usize, usize)> {
        let n = self.series.len();
        let part = |d: f64, length: usize| (1.0 - d.abs() / length.max(1) as f64).max(0.0);
        let mut pairs = BTreeSet::new();
        for a in 0..n {
            let mut others: Vec<(f64, usize)> = (0..n)
                .filter(|b| *b != a && groups.of[*b] == groups.of[a] && !self.tried.contains(&(a.min(*b), a.max(*b))))
                .map(|b| {
                    let (p, q) = (groups.places[a], groups.places[b]);
                    (part(p.0 - q.0, self.camera.columns) * part(p.1 - q.1, self.camera.rows), b)
                })
                .filter(|(overlap, _)| *overlap >= CONFIRMS.max(self.options.min_overlap))
                .collect();
            others.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
            pairs.extend(others.iter().take(2).map(|(_, b)| (a.min(*b), a.max(*b))));
        }
        pairs.into_iter().collect()
    }

    fn name(&self, k: usize) -> String {
        self.series.get(k).map(|sub| sub.name.clone()).unwrap_or_default()
    }

    fn not_tied(&self, groups: &Groups) -> RegistrationError {
        let n = self.series.len();
        if groups.count == n {
            return RegistrationError::Featureless { count: n, first: self.name(0), last: self.name(n - 1) };
        }
        let mut names = vec![Vec::new(); groups.count];
        for (k, group) in groups.of.iter().enumerate() {
            names[*group].push(self.name(k));
        }
        RegistrationError::NotTied { groups: names }
    }

    /// Least squares over what is believed; a pair that then still misses is left out if others confirm its ends.
    fn solve(mut self) -> Result<Registered, RegistrationError> {
        let n = self.series.len();
        self.found.sort_by_key(|pair| (pair.first, pair.second));
        let judged = judge(&self.found, n);
        let (mut pairs, mut out): (Vec<Pair>, Vec<Pair>) = (Vec::new(), Vec::new());
        for (pair, judged) in self.found.iter().zip(&judged) {
            if judged.accepted { pairs.push(*pair) } else { out.push(*pair) }
        }
        let guess = Groups::along(pairs.iter(), n).places;
        let (x, y) = places(&pairs, &guess);
        let miss = |pair: &Pair| {
            let along = x[pair.second] - x[pair.first] - pair.x_px;
            let down = y[pair.second] - y[pair.first] - pair.y_px;
            along.abs().max(down.abs())
        };
        if let Some(worst) = pairs.iter().max_by(|a, b| miss(a).total_cmp(&miss(b)))
            && miss(worst) > CLOSES_PX
        {
            let (first, second) = (self.name(worst.first), self.name(worst.second));
            return Err(RegistrationError::Contradiction { first, second, miss_px: miss(worst) });
        }
        let mut warnings = Vec::new();
        if n < FEWEST {
            warnings.push(RegistrationWarning::ReferenceKept { count: n });
        }
        for (first, second) in &self.same_place {
            warnings.push(RegistrationWarning::SamePlace { first: self.name(*first), second: self.name(*second) });
        }
        for pair in out.iter().filter(|pair| miss(pair) > CLOSES_PX) {
            let (first, second) = (self.name(pair.first), self.name(pair.second));
            warnings.push(RegistrationWarning::LeftOut { first, second, miss_px: miss(pair) });
        }
        for (k, pair) in pairs.iter().enumerate() {
            let others = pairs.iter().enumerate().filter(|(other, _)| *other != k).map(|(_, pair)| pair);
            if Groups::along(others, n).count > 1 {
                let (first, second) = (self.name(pair.first), self.name(pair.second));
                warnings.push(RegistrationWarning::SingleTie { first, second, peak_ratio: pair.peak_ratio });
            }
        }
        Ok(Registered { x_px: x, y_px: y, pairs, warnings })
    }
}
