//! The stitch itself: place, solve, look for outliers, solve again. `conclude` makes the result of it.

use std::sync::Arc;

use rayon::prelude::*;

use crate::additive::{Additive, Shift};
use crate::conjugate::{Ended, Goal, State, Unknown, solve};
use crate::corrector_matrix::CorrectorInverse;
use crate::fringes::Jumps;
use crate::gauge;
use crate::grid::Grid;
use crate::normal::Normal;
use crate::observable::Observable;
use crate::pose::Pose;
use crate::refine::stitch_refined;
use crate::robust::{Rejected, outliers};
use crate::rounds::stitch_at;
use crate::runs::Runs;
use crate::smooth::Smooth;
use crate::watch::Watch;
use crate::{Options, Placed, Progress, Reference, Refine, StitchError, Stitched, Warning};

/// Passes of the robust loop at most.
const ROBUST_PASSES: usize = 3;

/// Part of every sub-aperture that may be rejected before the preconditioner is built anew.
const FEW_REJECTED: f64 = 0.02;

/// Stitches a series into one map.
///
/// Heights of all overlapping pixels enter one weighted least-squares problem, see the crate's documentation for model
/// and conventions. The result is the same to the last bit for any number of threads.
///
/// # Errors
/// Whatever makes the series impossible to stitch as it is; [`StitchError`] has a sentence for each case.
pub fn stitch(series: &[Placed], options: &Options, progress: &dyn Progress) -> Result<Stitched, StitchError> {
    match options.refine {
        Refine::None => stitch_at(series, options, &Pose::given(series), progress),
        Refine::Offsets | Refine::OffsetsAndRotation => stitch_refined(series, options, progress),
    }
}

/// One series under way.
pub(crate) struct Engine<'a> {
    pub grid: &'a Grid<'a>,
    pub options: &'a Options,
    pub progress: &'a dyn Progress,
    pub observable: Observable,
    pub mode: Mode,
    pub smooth: Option<Smooth>,
    /// Maps fixed in the camera: the state holds as many.
    pub additive: Additive,
    /// Correction of the data for places between whole pixels.
    pub shift: Option<Arc<Shift>>,
    /// How far solves go, the same for all of a series.
    pub goal: Goal,
    pub iterations: usize,
    /// Correctors that the last solve could determine.
    pub rank: usize,
    /// Sub-apertures that hold one it could not determine.
    pub undetermined: Vec<usize>,
    pub warnings: Vec<Warning>,
}

/// The problem as it was solved last.
pub(crate) struct Kept<'a> {
    pub normal: Normal<'a>,
    pub rejected: Rejected,
    /// Map pixels whose values contradict each other.
    pub contradicted: usize,
    /// Fringe-order errors among the rejected.
    pub jumps: Vec<Jumps>,
}

/// What is solved for beside the correctors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Held,
    Pixels,
    Smooth,
    /// Smooth first, then pixel-wise with a pull towards it.
    Prior,
}

impl<'a> Engine<'a> {
    /// Nothing is solved yet; warns of what positions and terms leave open.
    pub fn new(grid: &'a Grid<'a>, options: &'a Options, progress: &'a dyn Progress) -> Self {
        let unknown = matches!(options.reference, Reference::Pixelwise | Reference::Smooth);
        let observable = Observable::new(grid, options.terms, unknown);
        let mut warnings = Vec::new();
        let mut warn = |code: &str, message: String| warnings.push(Warning { code: code.into(), message });
        let mut mode = match options.reference {
            Reference::None | Reference::Known(_) => Mode::Held,
            Reference::Pixelwise => Mode::Pixels,
            Reference::Smooth => Mode::Smooth,
        };
        if unknown && observable.nothing_moves() {
            warn(
                "nothing-moves",
                "all sub-apertures lie at the same position, so the reference cannot be told from the mirror; it is taken as zero".into(),
            );
            mode = Mode::Held;
        } else if mode == Mode::Pixels {
            if let Some(multiples) = observable.divisor() {
                warn(
                    "equal-steps",
                    format!(
                        "all steps between sub-apertures are {multiples}, so content of the reference that repeats with that \
                         cannot be seen; it is assumed zero beyond the smooth terms. Vary the steps by 5 pixels or more, and \
                         so that they share no divisor, to avoid this"
                    ),
                );
                mode = Mode::Prior;
            }
            if let Some((period, axis)) = observable.nearly_equal {
                warn(
                    "nearly-equal-steps",
                    format!(
                        "the steps along {axis} are nearly multiples of {period:.2} px, so content of the reference that repeats with it \
                         is hardly seen; it is drawn slightly towards zero beyond the smooth terms. Vary the steps by 5 pixels or more to avoid this"
                    ),
                );
                mode = Mode::Prior;
            }
        }
        let goal = Goal::new(grid, options.tolerance);
        let smooth = matches!(mode, Mode::Smooth | Mode::Prior).then(|| Smooth::new(grid, observable.moves));
        Self {
            grid,
            options,
            progress,
            observable,
            mode,
            smooth,
            additive: Additive::reference(grid.plates.len()),
            shift: None,
            goal,
            iterations: 0,
            rank: 0,
            undetermined: Vec::new(),
            warnings,
        }
    }

    /// Solves and makes the result.
    pub fn stitch(mut self, series: &[Placed], mut state: State) -> Result<Stitched, StitchError> {
        let kept = self.run(&mut state)?;
        self.finish(series, state, kept)
    }

    pub fn warn(&mut self, code: &str, message: String) {
        self.warnings.push(Warning { code: code.into(), message });
    }

    /// Solves, and with the robust loop solves again without outliers.
    pub fn run(&mut self, state: &mut State) -> Result<Kept<'a>, StitchError> {
        let mut rejected: Rejected = vec![Vec::new(); self.grid.plates.len()];
        let measured = self.normal(&rejected);
        let mut prior = vec![0.0; if self.mode == Mode::Prior { state.reference.len() } else { 0 }];
        let first_end = if self.options.robust { 0.6 } else { 0.85 };
        let mut inverse = self.inverse(&measured, (0.05, first_end))?;
        self.solve_once(&measured, &inverse, state, &mut prior, (0.05, first_end))?;
        let (mut contradicted, mut jumps) = (0, Vec::new());
        let mut kept = None;
        for pass in 0..if self.options.robust { ROBUST_PASSES } else { 0 } {
            let from = first_end + 0.08 * pass as f64;
            Watch::step(self.progress, from, from, "looking for outliers")?;
            // Neighbours are compared too, so the reference must not carry what belongs to the map by convention.
            let mut settled = state.clone();
            if self.mode != Mode::Held {
                gauge::fix_reference(self.grid, &self.observable, self.options.terms, &measured.seen(), &mut settled);
            }
            let found = outliers(&measured, &settled);
            (contradicted, jumps) = (found.contradicted, found.jumps);
            if found.rejected == rejected {
                break;
            }
            rejected = found.rejected;
            // The problem of the pass before goes before the next is built: each holds a map.
            drop(kept.take());
            let normal = self.normal(&rejected);
            if !self.is_near(&measured, &normal, &rejected) {
                inverse = self.inverse(&normal, (from, from + 0.08))?;
            }
            self.solve_once(&normal, &inverse, state, &mut prior, (from, from + 0.08))?;
            kept = Some(normal);
        }
        Ok(Kept { normal: kept.unwrap_or(measured), rejected, contradicted, jumps })
    }

    /// The preconditioner of this problem.
    fn inverse(&mut self, normal: &Normal, (from, to): (f64, f64)) -> Result<CorrectorInverse, StitchError> {
        let watch = Watch::step(self.progress, from, to, "solving")?;
        let inverse = CorrectorInverse::new(normal, self.options.terms, &watch)?;
        self.rank = inverse.rank();
        self.undetermined = inverse.undetermined();
        Ok(inverse)
    }

    /// So little was rejected that the preconditioner of the problem as measured serves as well: it does not change the
    /// solution, and to factor it anew would cost more than the iteration or two that it saves.
    fn is_near(&self, measured: &Normal, normal: &Normal, rejected: &Rejected) -> bool {
        let few = |(own, used): (&Vec<_>, &Runs)| own.len() as f64 <= FEW_REJECTED * used.count() as f64;
        rejected.iter().zip(&measured.used).all(few) && self.grid.is_tied(&normal.used, self.options.terms)
    }

    /// The problem without the rejected pixels.
    fn normal(&self, rejected: &Rejected) -> Normal<'a> {
        let used: Vec<Runs> =
            self.grid.plates.par_iter().zip(rejected).map(|(plate, pixels)| plate.runs.without(pixels)).collect();
        let mut normal = Normal::new(self.grid, used, self.additive.clone());
        normal.shift.clone_from(&self.shift);
        normal
    }

    fn solve_once(
        &mut self,
        normal: &Normal,
        inverse: &CorrectorInverse,
        state: &mut State,
        prior: &mut [f64],
        (from, to): (f64, f64),
    ) -> Result<(), StitchError> {
        let watch = Watch::step(self.progress, from, to, "solving")?;
        let goal = &mut self.goal;
        let ended = match (self.mode, &self.smooth) {
            (Mode::Held, _) => vec![solve(normal, inverse, Unknown::Held, state, goal, &watch)?],
            (Mode::Smooth, Some(basis)) => vec![solve(normal, inverse, Unknown::Smooth(basis), state, goal, &watch)?],
            (Mode::Prior, Some(basis)) => {
                let mut smooth = State { reference: prior.to_vec(), correctors: state.correctors.clone() };
                let first = solve(normal, inverse, Unknown::Smooth(basis), &mut smooth, goal, &watch)?;
                prior.copy_from_slice(&smooth.reference);
                *state = smooth;
                let unknown = Unknown::Pixels { prior, weight: self.observable.prior_weight() };
                vec![first, solve(normal, inverse, unknown, state, goal, &watch)?]
            }
            (Mode::Pixels | Mode::Smooth | Mode::Prior, _) => {
                let unknown = Unknown::Pixels { prior: &[], weight: 0.0 };
                vec![solve(normal, inverse, unknown, state, goal, &watch)?]
            }
        };
        self.iterations += ended.iter().map(|e| e.iterations).sum::<usize>();
        if ended.iter().any(|e: &Ended| !e.converged) && !self.warnings.iter().any(|w| w.code == "not-converged") {
            self.warn(
                "not-converged",
                "the solver stopped before the last digits settled; the steps between sub-apertures vary too little \
                 to separate reference and mirror well"
                    .into(),
            );
        }
        Ok(())
    }
}
