//! Preconditioned conjugate gradients for the reference and the correctors together.
//!
//! The preconditioner is the exact inverse of the corrector block beside the diagonal (pixel-wise) or the Gram matrix
//! (smooth) of the reference. With the reference held it is the exact inverse, and one step solves (a few do, when
//! the block of the problem before its last outliers went serves again).

use rayon::prelude::*;

use crate::StitchError;
use crate::blocks::{Blocks, Unknowns};
use crate::cholesky;
use crate::corrector_matrix::CorrectorInverse;
use crate::grid::{Grid, Plate};
use crate::journal::{Checkpoint, Journal};
use crate::line::Quantity;
use crate::normal::{Correctors, Normal, TERMS};
use crate::pass::{Gradient, Pass};
use crate::smooth::Smooth;
use crate::vectors::{add, dot};
use crate::watch::Watch;

/// Residuals fall at least to this fraction of those of the uncorrected data (in the norm of the preconditioner), if the
/// tolerance asks for no more: data without noise have no other measure.
const OF_THE_FIRST: f64 = 1e-10;
/// Below this fraction it counts as converged if rounding lets the residuals fall no further.
const SETTLED: f64 = 1e-8;
/// A rise of the residuals (squared) by this factor after that is rounding's doing.
const RISE: f64 = 100.0;
/// Roundings that every datum goes through, at most about so many times the last digit.
const ROUNDINGS: f64 = 16.0;
/// Most iterations of one solve.
const MOST_ITERATIONS: usize = 600;

/// How the reference enters a solve.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unknown<'a> {
    /// It stays as it is.
    Held,
    /// Every camera pixel of every additive map is free; `weight` pulls it towards `prior` like so many measurements.
    Pixels { prior: &'a [f64], weight: f64 },
    /// A sum of smooth terms.
    Smooth(&'a Smooth),
}

/// Additive maps (nm, camera frame, row-major, one behind the other, the reference first) and correctors.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub reference: Vec<f64>,
    pub correctors: Correctors,
}

impl State {
    /// Nothing found yet.
    pub fn zeros(grid: &Grid) -> Self {
        Self { reference: vec![0.0; grid.camera_pixels()], correctors: vec![[0.0; TERMS]; grid.plates.len()] }
    }
}

/// How a solve ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub iterations: usize,
    pub converged: bool,
}

/// How far a solve goes, the same for all solves of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Size of the residuals of the uncorrected data, once the first solve has seen them.
    first: Option<f64>,
    /// Size of the residuals that rounding alone makes: nothing below can be reached.
    rounding: f64,
    tolerance: f64,
}

impl Goal {
    /// For these data. A sample of the rows tells their size.
    pub fn new(grid: &Grid, tolerance: f64) -> Self {
        let squares: Vec<f64> = grid.plates.par_iter().map(of_sample).collect();
        Self { first: None, rounding: (ROUNDINGS * f64::EPSILON).powi(2) * squares.iter().sum::<f64>(), tolerance }
    }

    /// Where a solve ends whose residuals, squared and summed over the data, are `squares` by now.
    fn at(&self, squares: f64, first: f64) -> f64 {
        let tolerance = self.tolerance.abs();
        let of_first = tolerance.min(OF_THE_FIRST);
        (tolerance * tolerance * squares.max(0.0)).max(of_first * of_first * first).max(self.rounding)
    }
}

/// Sum of the squared heights of the valid pixels, nm^2, from a few dozen rows.
fn of_sample(plate: &Plate) -> f64 {
    const ROWS: usize = 32;
    let stride = (plate.shape.0 / ROWS).max(1);
    let mut buffer = Vec::new();
    let mut sum = 0.0;
    for row in (0..plate.shape.0).step_by(stride) {
        let heights = plate.row(row, &mut buffer);
        for (start, end) in plate.runs.row(row) {
            let run = &heights[*start as usize..*end as usize];
            sum += cholesky::dot(run, run);
        }
    }
    sum * plate.shape.0 as f64 / plate.shape.0.div_ceil(stride) as f64
}

/// Improves `state` to the least-squares solution.
pub(crate) fn solve(
    normal: &Normal,
    inverse: &CorrectorInverse,
    unknown: Unknown,
    state: &mut State,
    goal: &mut Goal,
    watch: &Watch,
    journal: &mut Option<Journal>,
) -> Result<Ended, StitchError> {
    let (done, under_way) = journal.as_mut().map_or((None, None), Journal::begin);
    if let Some(ended) = done.and_then(|done| recall(done, state, goal)) {
        return Ok(ended);
    }
    let with_reference = !matches!(unknown, Unknown::Held);
    let blocks = Blocks::new(normal, inverse, unknown);
    let mut gradient = Gradient::zeros(normal);
    let (reference, correctors) = (&state.reference, &state.correctors);
    let pass = Pass { quantity: Quantity::Corrected, reference, correctors, with_reference };
    normal.gather(pass, &mut gradient, watch)?;
    // Sum of the squared residuals of the data, which every iteration lowers by what it gains.
    let mut squares = gradient.squares;
    let mut left = Unknowns::zeros(&blocks, normal);
    blocks.restrict(&gradient.reference, &mut left.reference);
    blocks.pull(&state.reference, &mut left.reference);
    left.correctors.copy_from_slice(&gradient.correctors);

    let mut found = Unknowns::zeros(&blocks, normal);
    let mut z = Unknowns::zeros(&blocks, normal);
    blocks.precondition(&left, &mut z);
    let mut direction = z.clone();
    let mut surface = vec![0.0; if blocks.is_pixelwise() { 0 } else { state.reference.len() }];
    let mut image = vec![0.0; if blocks.is_pixelwise() { 0 } else { left.reference.len() }];
    let mut rz = left.dot(&z);
    let first = *goal.first.get_or_insert(rz);
    let settled = SETTLED * SETTLED * first;
    let mut best = rz;
    let mut ended = Ended { iterations: 0, converged: rz <= goal.at(squares, first) };
    if let Some(Checkpoint { words, vectors }) = under_way
        && let ([iterations, numbers @ ..], [f, fc, l, lc, d, dc]) = (&words[..], &vectors[..])
        && let [s, r, b] = numbers
    {
        let fits = [(&mut found, f, fc), (&mut left, l, lc), (&mut direction, d, dc)]
            .into_iter()
            .map(|(unknowns, reference, correctors)| unknowns.recall(reference, correctors))
            .fold(true, |all, one| all & one);
        if !fits {
            return Err(StitchError::Internal { step: "reading a checkpoint" });
        }
        (squares, rz, best) = (f64::from_bits(*s), f64::from_bits(*r), f64::from_bits(*b));
        ended.iterations = *iterations as usize;
    }
    while !ended.converged && ended.iterations < MOST_ITERATIONS {
        watch.within(rz, first, goal.at(squares, first))?;
        let reference = blocks.surface(&direction.reference, &mut surface);
        let correctors = &direction.correctors;
        let pass = Pass { quantity: Quantity::Model, reference, correctors, with_reference };
        normal.gather(pass, &mut gradient, watch)?;
        let image = if blocks.is_pixelwise() {
            &mut gradient.reference
        } else {
            blocks.restrict(&gradient.reference, &mut image);
            &mut image
        };
        blocks.stiffen(&direction.reference, image);
        let of_reference = dot(&direction.reference, image);
        let curvature = of_reference + dot(direction.correctors.as_flattened(), gradient.correctors.as_flattened());
        if !(curvature > 0.0 && curvature.is_finite()) {
            ended.converged = best <= settled;
            break;
        }
        let step = rz / curvature;
        found.add(step, &direction);
        add(&mut left.reference, -step, image);
        add(left.correctors.as_flattened_mut(), -step, gradient.correctors.as_flattened());
        blocks.precondition(&left, &mut z);
        let next = left.dot(&z);
        ended.iterations += 1;
        squares -= step * rz;
        best = best.min(next);
        ended.converged = next <= goal.at(squares, first) || (best <= settled && next > RISE * best);
        direction.scale_and_add(next / rz, &z);
        rz = next;
        if let Some(journal) = journal.as_mut().filter(|journal| journal.is_due() && !ended.converged) {
            let words = vec![ended.iterations as u64, squares.to_bits(), rz.to_bits(), best.to_bits()];
            let vectors = [&found, &left, &direction].into_iter().flat_map(Unknowns::vectors).collect();
            journal.keep(&Checkpoint { words, vectors })?;
        }
    }
    if with_reference {
        let change = blocks.surface(&found.reference, &mut surface);
        add(&mut state.reference, 1.0, change);
    }
    for (c, change) in state.correctors.iter_mut().zip(&found.correctors) {
        for (c, change) in c.iter_mut().zip(change) {
            *c += change;
        }
    }
    if let Some(journal) = journal {
        let words = vec![ended.iterations as u64, u64::from(ended.converged), first.to_bits()];
        let vectors = vec![state.reference.clone(), state.correctors.as_flattened().to_vec()];
        journal.finish(&Checkpoint { words, vectors })?;
    }
    Ok(ended)
}

/// The result of a solve that was done before; nothing if it does not fit.
fn recall(done: Checkpoint, state: &mut State, goal: &mut Goal) -> Option<Ended> {
    let ([iterations, converged, first], [reference, correctors]) = (&done.words[..], &done.vectors[..]) else {
        return None;
    };
    let own = state.correctors.as_flattened_mut();
    if reference.len() != state.reference.len() || correctors.len() != own.len() {
        return None;
    }
    state.reference.copy_from_slice(reference);
    own.copy_from_slice(correctors);
    goal.first.get_or_insert(f64::from_bits(*first));
    Some(Ended { iterations: *iterations as usize, converged: *converged != 0 })
}
