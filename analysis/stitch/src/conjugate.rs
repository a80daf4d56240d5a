//! Preconditioned conjugate gradients for the reference and the correctors together.
//!
//! The preconditioner is the exact inverse of the corrector block beside the diagonal (pixel-wise) or the Gram matrix
//! (smooth) of the reference. With the reference held it is the exact inverse, and one step solves (a few do, when
//! the block of the problem before its last outliers went serves again).

use rayon::prelude::*;

use crate::StitchError;
use crate::cholesky::{PivotedCholesky, dot};
use crate::corrector_matrix::CorrectorInverse;
use crate::grid::Grid;
use crate::normal::{Correctors, Gradient, Normal, Quantity};
use crate::smooth::Smooth;
use crate::watch::Watch;

/// Residuals fall to this fraction of those of the uncorrected data (in the norm of the preconditioner).
const TOLERANCE: f64 = 1e-10;
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
    /// Every camera pixel is free; `weight` pulls it towards `prior` like so many measurements.
    Pixels { prior: &'a [f64], weight: f64 },
    /// A sum of smooth terms.
    Smooth(&'a Smooth),
}

/// Reference (nm, camera frame, row-major) and correctors.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub reference: Vec<f64>,
    pub correctors: Correctors,
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
}

impl Goal {
    /// For these data.
    pub fn new(grid: &Grid) -> Self {
        let squares: Vec<f64> = grid.plates.par_iter().map(|plate| plate.square_sum()).collect();
        Self { first: None, rounding: (ROUNDINGS * f64::EPSILON).powi(2) * squares.iter().sum::<f64>() }
    }
}

/// Improves `state` to the least-squares solution.
pub(crate) fn solve(
    normal: &Normal,
    inverse: &CorrectorInverse,
    unknown: Unknown,
    state: &mut State,
    goal: &mut Goal,
    watch: &Watch,
) -> Result<Ended, StitchError> {
    let with_reference = !matches!(unknown, Unknown::Held);
    let blocks = Blocks::new(normal, inverse, unknown);
    let mut gradient = Gradient::zeros(normal.grid);
    let mut map = Vec::new();
    normal.gather(Quantity::Corrected, &state.reference, &state.correctors, with_reference, &mut map, &mut gradient);
    let mut left = Unknowns::zeros(&blocks, normal);
    blocks.restrict(&gradient.reference, &mut left.reference);
    blocks.pull(&state.reference, &mut left.reference);
    left.correctors.copy_from_slice(&gradient.correctors);

    let mut found = Unknowns::zeros(&blocks, normal);
    let mut z = Unknowns::zeros(&blocks, normal);
    blocks.precondition(&left, &mut z);
    let mut direction = z.clone();
    let mut image = Unknowns::zeros(&blocks, normal);
    let mut surface = vec![0.0; state.reference.len()];
    let mut rz = left.dot(&z);
    let first = *goal.first.get_or_insert(rz);
    let goal = (TOLERANCE * TOLERANCE * first).max(goal.rounding);
    let settled = SETTLED * SETTLED * first;
    let mut best = rz;
    let mut ended = Ended { iterations: 0, converged: rz <= goal };
    while !ended.converged && ended.iterations < MOST_ITERATIONS {
        watch.within(rz, first, goal)?;
        blocks.expand(&direction.reference, &mut surface);
        normal.gather(Quantity::Model, &surface, &direction.correctors, with_reference, &mut map, &mut gradient);
        blocks.restrict(&gradient.reference, &mut image.reference);
        blocks.stiffen(&direction.reference, &mut image.reference);
        image.correctors.copy_from_slice(&gradient.correctors);
        let curvature = direction.dot(&image);
        if !(curvature > 0.0 && curvature.is_finite()) {
            ended.converged = best <= settled;
            break;
        }
        let step = rz / curvature;
        found.add(step, &direction);
        left.add(-step, &image);
        blocks.precondition(&left, &mut z);
        let next = left.dot(&z);
        ended.iterations += 1;
        best = best.min(next);
        ended.converged = next <= goal || (best <= settled && next > RISE * best);
        direction.scale_and_add(next / rz, &z);
        rz = next;
    }
    blocks.expand(&found.reference, &mut surface);
    for (value, change) in state.reference.iter_mut().zip(&surface) {
        *value += change;
    }
    for (c, change) in state.correctors.iter_mut().zip(&found.correctors) {
        for (c, change) in c.iter_mut().zip(change) {
            *c += change;
        }
    }
    Ok(ended)
}

/// Parameters of the reference and the correctors.
#[derive(Debug, Clone)]
struct Unknowns {
    reference: Vec<f64>,
    correctors: Correctors,
}

impl Unknowns {
    fn zeros(blocks: &Blocks, normal: &Normal) -> Self {
        let length = match &blocks.reference {
            ReferenceBlock::Held => 0,
            ReferenceBlock::Pixels { inverse, .. } => inverse.len(),
            ReferenceBlock::Smooth { basis, .. } => basis.len(),
        };
        Self { reference: vec![0.0; length], correctors: vec![[0.0; 3]; normal.grid.plates.len()] }
    }

    fn dot(&self, other: &Self) -> f64 {
        dot(&self.reference, &other.reference) + dot(self.correctors.as_flattened(), other.correctors.as_flattened())
    }

    fn add(&mut self, factor: f64, other: &Self) {
        let pairs = self.reference.iter_mut().zip(&other.reference);
        let more = self.correctors.as_flattened_mut().iter_mut().zip(other.correctors.as_flattened());
        for (value, change) in pairs.chain(more) {
            *value += factor * change;
        }
    }

    fn scale_and_add(&mut self, factor: f64, other: &Self) {
        let pairs = self.reference.iter_mut().zip(&other.reference);
        let more = self.correctors.as_flattened_mut().iter_mut().zip(other.correctors.as_flattened());
        for (value, base) in pairs.chain(more) {
            *value = base + factor * *value;
        }
    }
}

/// Preconditioner and the maps between parameters and camera pixels.
struct Blocks<'a> {
    correctors: &'a CorrectorInverse,
    reference: ReferenceBlock<'a>,
}

enum ReferenceBlock<'a> {
    Held,
    Pixels { inverse: Vec<f64>, prior: &'a [f64], weight: f64 },
    Smooth { basis: &'a Smooth, gram: PivotedCholesky },
}

impl<'a> Blocks<'a> {
    fn new(normal: &Normal, correctors: &'a CorrectorInverse, unknown: Unknown<'a>) -> Self {
        let reference = match unknown {
            Unknown::Held => ReferenceBlock::Held,
            Unknown::Pixels { prior, weight } => {
                let inverse = |d: &f64| if *d > 0.0 { 1.0 / (d + weight) } else { 0.0 };
                ReferenceBlock::Pixels { inverse: normal.diagonal.iter().map(inverse).collect(), prior, weight }
            }
            Unknown::Smooth(basis) => ReferenceBlock::Smooth { basis, gram: basis.gram(&normal.diagonal) },
        };
        Self { correctors, reference }
    }

    fn precondition(&self, right: &Unknowns, out: &mut Unknowns) {
        match &self.reference {
            ReferenceBlock::Held => {}
            ReferenceBlock::Pixels { inverse, .. } => {
                for ((o, r), i) in out.reference.iter_mut().zip(&right.reference).zip(inverse) {
                    *o = r * i;
                }
            }
            ReferenceBlock::Smooth { gram, .. } => gram.solve(&right.reference, &mut out.reference),
        }
        self.correctors.apply(&right.correctors, &mut out.correctors);
    }

    /// Parameters to camera pixels.
    fn expand(&self, parameters: &[f64], surface: &mut [f64]) {
        match &self.reference {
            ReferenceBlock::Held => {}
            ReferenceBlock::Pixels { .. } => surface.copy_from_slice(parameters),
            ReferenceBlock::Smooth { basis, .. } => basis.expand(parameters, surface),
        }
    }

    /// The transpose of `expand`.
    fn restrict(&self, field: &[f64], products: &mut [f64]) {
        match &self.reference {
            ReferenceBlock::Held => {}
            ReferenceBlock::Pixels { .. } => products.copy_from_slice(field),
            ReferenceBlock::Smooth { basis, .. } => basis.restrict(field, products),
        }
    }

    /// Negative gradient of the pull towards the prior.
    fn pull(&self, reference: &[f64], left: &mut [f64]) {
        if let ReferenceBlock::Pixels { inverse, prior, weight } = &self.reference
            && *weight > 0.0
        {
            for (((l, r), p), i) in left.iter_mut().zip(reference).zip(*prior).zip(inverse) {
                *l -= if *i > 0.0 { weight * (r - p) } else { 0.0 };
            }
        }
    }

    /// The pull's part of the normal operator.
    fn stiffen(&self, direction: &[f64], image: &mut [f64]) {
        if let ReferenceBlock::Pixels { weight, .. } = &self.reference
            && *weight > 0.0
        {
            for (i, d) in image.iter_mut().zip(direction) {
                *i += weight * d;
            }
        }
    }
}
