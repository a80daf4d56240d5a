//! The stitch itself: place, solve, look for outliers, solve again. `conclude` makes the result of it.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::additive::{Additive, Shift};
use crate::conjugate::{Ended, Goal, State, Unknown, solve};
use crate::corrector_matrix::CorrectorInverse;
use crate::fringes::Jumps;
use crate::gauge;
use crate::grid::Grid;
use crate::journal::Journal;
use crate::loose::Loose;
use crate::memory::estimate_source_bytes;
use crate::normal::Normal;
use crate::observable::Observable;
use crate::pose::Pose;
use crate::refine::stitch_refined;
use crate::robust::{Rejected, outliers};
use crate::rounds::{begun, stitch_at};
use crate::runs::Runs;
use crate::smooth::Smooth;
use crate::tiles::StitchedTiles;
use crate::watch::Watch;
use crate::{Drift, Options, Placed, Progress, Reference, Refine, Source, StitchError, Stitched, Warning, intake};

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

/// Stitches a series that need not fit into memory.
///
/// If the estimate ([`estimate_source_bytes`]) exceeds the bound in [`Options::scratch`], heights go to a file in its folder as they are
/// read, passes over the data read them from there, and the maps of the result are written there too. About every 20 s of
/// solving a checkpoint is kept: a second call with the same series, options and folder goes on from there. The result is that of
/// [`stitch`], to the last bit, but that positions are taken as whole pixels (with a warning) and no drift is looked for.
///
/// # Errors
/// As [`stitch`]; besides, [`StitchError::Unreadable`] and [`StitchError::Scratch`], and [`StitchError::NotInMemory`] for options that need
/// all of the series at once: intensity weights, refined positions, retrace errors, a corrected drift.
pub fn stitch_source(
    source: &dyn Source,
    options: &Options,
    progress: &dyn Progress,
) -> Result<StitchedTiles, StitchError> {
    one_by_one(options)?;
    let beyond = options.scratch.as_ref().filter(|scratch| estimate_source_bytes(source, options) > scratch.bytes);
    let watch = Watch::step(progress, 0.0, 0.05, "reading the sub-apertures")?;
    let (mut grid, fingerprint, rounded) = intake::read(source, options, beyond.map(|b| b.folder.as_path()), &watch)?;
    let state = begun(&mut grid, options)?;
    let mut engine = Engine::new(&grid, options, progress);
    if rounded > 0 {
        let message = format!(
            "{rounded} of {} sub-apertures lie between whole pixels; a series beyond memory is stitched with positions rounded",
            grid.series.len()
        );
        engine.warn("positions-rounded", message);
    }
    if let Some(beyond) = beyond {
        engine.folder = Some(&beyond.folder);
        engine.journal = Some(Journal::new(&beyond.folder, fingerprint));
    }
    engine.stitch(state)
}

/// Refuses what cannot be done with sub-apertures that are read one after the other.
fn one_by_one(options: &Options) -> Result<(), StitchError> {
    let what = if options.refine != Refine::None {
        "refining the positions"
    } else if options.retrace {
        "looking for retrace errors"
    } else if options.drift == Drift::Correct {
        "correcting a drift"
    } else {
        return Ok(());
    };
    Err(StitchError::NotInMemory { what })
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
    /// Where maps of the result go that do not fit into memory, and checkpoints.
    pub folder: Option<&'a Path>,
    pub journal: Option<Journal>,
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
    /// The preconditioner of (nearly) this problem.
    pub inverse: CorrectorInverse,
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
            folder: None,
            journal: None,
            iterations: 0,
            rank: 0,
            undetermined: Vec::new(),
            warnings,
        }
    }

    /// Solves for one more map fixed in the camera for each of these sets of factors.
    pub fn with_maps(mut self, factors: &[Vec<f64>]) -> Self {
        for of_map in factors {
            self.additive = self.additive.with(of_map);
        }
        self
    }

    /// Solves and makes the result.
    pub fn stitch(mut self, mut state: State) -> Result<StitchedTiles, StitchError> {
        let kept = self.run(&mut state)?;
        self.finish(state, kept)
    }

    pub fn warn(&mut self, code: &str, message: String) {
        self.warnings.push(Warning { code: code.into(), message });
    }

    /// Solves, and with the robust loop solves again without outliers.
    pub fn run(&mut self, state: &mut State) -> Result<Kept<'a>, StitchError> {
        let mut rejected: Rejected = vec![Vec::new(); self.grid.plates.len()];
        let measured = self.normal(&rejected)?;
        self.mind_loose_pixels(&measured);
        let mut prior = vec![0.0; if self.mode == Mode::Prior { state.reference.len() } else { 0 }];
        let first_end = if self.options.robust { 0.6 } else { 0.85 };
        let mut inverse = self.inverse(&measured, (0.05, first_end))?;
        self.solve_once(&measured, &inverse, state, &mut prior, (0.05, first_end))?;
        let (mut contradicted, mut jumps) = (0, Vec::new());
        let mut kept = None;
        for pass in 0..if self.options.robust { ROBUST_PASSES } else { 0 } {
            let from = first_end + 0.08 * pass as f64;
            let watch = Watch::step(self.progress, from, from, "looking for outliers")?;
            // Neighbours are compared too, so the reference must not carry what belongs to the map by convention.
            let mut settled = state.clone();
            if self.mode != Mode::Held {
                gauge::fix_reference(self.grid, &self.observable, self.options.terms, &measured.seen(), &mut settled);
            }
            let found = outliers(&measured, &settled, &watch)?;
            (contradicted, jumps) = (found.contradicted, found.jumps);
            if found.rejected == rejected {
                break;
            }
            rejected = found.rejected;
            // The problem of the pass before goes before the next is built: each holds a map.
            drop(kept.take());
            let normal = self.normal(&rejected)?;
            if !self.is_near(&measured, &normal, &rejected) {
                inverse = self.inverse(&normal, (from, from + 0.08))?;
            }
            self.solve_once(&normal, &inverse, state, &mut prior, (from, from + 0.08))?;
            kept = Some(normal);
        }
        Ok(Kept { normal: kept.unwrap_or(measured), inverse, rejected, contradicted, jumps })
    }

    /// Where many camera pixels hang on each other only, the smooth reference is found first, as for equal steps.
    fn mind_loose_pixels(&mut self, measured: &Normal) {
        if self.mode == Mode::Pixels {
            let compared: Vec<bool> = measured.diagonal[..self.grid.camera_pixels()].iter().map(|d| *d > 0.0).collect();
            if Loose::new(self.grid, &self.observable, &measured.used, &compared).many() {
                self.mode = Mode::Prior;
                self.smooth = Some(Smooth::new(self.grid, self.observable.moves));
            }
        }
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
    fn normal(&self, rejected: &Rejected) -> Result<Normal<'a>, StitchError> {
        let used: Vec<Runs> =
            self.grid.plates.par_iter().zip(rejected).map(|(plate, pixels)| plate.runs.without(pixels)).collect();
        let mut normal = Normal::new(self.grid, used, self.additive.clone(), &Watch::quiet(self.progress))?;
        normal.shift.clone_from(&self.shift);
        Ok(normal)
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
        let (goal, journal) = (&mut self.goal, &mut self.journal);
        let ended = match (self.mode, &self.smooth) {
            (Mode::Held, _) => vec![solve(normal, inverse, Unknown::Held, state, goal, &watch, journal)?],
            (Mode::Smooth, Some(basis)) => {
                vec![solve(normal, inverse, Unknown::Smooth(basis), state, goal, &watch, journal)?]
            }
            (Mode::Prior, Some(basis)) => {
                let mut smooth = State { reference: prior.to_vec(), correctors: state.correctors.clone() };
                let first = solve(normal, inverse, Unknown::Smooth(basis), &mut smooth, goal, &watch, journal)?;
                prior.copy_from_slice(&smooth.reference);
                *state = smooth;
                let unknown = Unknown::Pixels { prior, weight: self.observable.prior_weight() };
                vec![first, solve(normal, inverse, unknown, state, goal, &watch, journal)?]
            }
            (Mode::Pixels | Mode::Smooth | Mode::Prior, _) => {
                let unknown = Unknown::Pixels { prior: &[], weight: 0.0 };
                vec![solve(normal, inverse, unknown, state, goal, &watch, journal)?]
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ndarray::Array2;
    use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

    use super::*;
    use crate::planes::fit_planes;

    struct EndsAfter(usize, AtomicUsize);

    impl Progress for EndsAfter {
        fn at(&self, _fraction: f64, _step: &str) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }

        fn cancelled(&self) -> bool {
            self.1.load(Ordering::Relaxed) >= self.0
        }
    }

    fn series() -> Vec<Placed> {
        let of = |(k, x): (usize, &usize)| {
            let heights = Array2::from_shape_fn((8, 60), |(row, column)| {
                let place = (x + column) as f64;
                20.0 * libm::sin(0.1 * place) + libm::sin((k * 977 + row * 61 + column * 7) as f64 * 12.9898)
            });
            Placed {
                sub_aperture: SubAperture {
                    name: format!("{k}"),
                    map: HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.1, y_mm: 0.1 })),
                    window: DetectorWindow { column: 0, row: 0 },
                    position_mm: None,
                    intensity: None,
                    instrument: Instrument::default(),
                },
                x_mm: *x as f64 * 0.1,
                y_mm: 0.0,
            }
        };
        [0, 13, 29, 41, 58, 75, 87].iter().enumerate().map(of).collect()
    }

    #[test]
    fn a_solve_ended_anywhere_goes_on_to_the_same_bits() {
        let folder = std::env::temp_dir().join(format!("stitchbox-resume-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let series = series();
        let options = Options { tolerance: 1e-12, ..Options::default() };
        let grid = Grid::new(&series, &options).unwrap();
        let run = |progress: &dyn Progress, journal: bool| {
            let mut state = State::zeros(&grid);
            fit_planes(&grid, options.terms, &mut state);
            let mut engine = Engine::new(&grid, &options, progress);
            engine.journal = journal.then(|| Journal::eager(&folder, 5));
            engine.stitch(state)
        };
        let expected = run(&(), false).unwrap();
        let listener = EndsAfter(usize::MAX, AtomicUsize::new(0));
        run(&listener, false).unwrap();
        let all = listener.1.load(Ordering::Relaxed);
        assert!(all > 20, "{all}");
        // Ended again and again, each time a little later than the time before could have come.
        let (mut ends, mut result) = (0, None);
        while result.is_none() {
            let progress = EndsAfter(7, AtomicUsize::new(0));
            match run(&progress, true) {
                Ok(tiles) => result = Some(tiles),
                Err(StitchError::Cancelled) => ends += 1,
                Err(other) => panic!("{other}"),
            }
            assert!(ends < 100);
        }
        assert!(ends > 3, "{ends}");
        let result = result.unwrap();
        assert_eq!(result.digest().unwrap(), expected.digest().unwrap());
        assert_eq!(result.iterations, expected.iterations);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
    }
}
