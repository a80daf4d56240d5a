//! The stitch itself: place, solve, look for outliers, fix the gauge, assemble.

use ndarray::Array2;
use rayon::prelude::*;
use stitchbox_surface::HeightMap;

use crate::assemble::{Assembled, assemble};
use crate::cholesky::PivotedCholesky;
use crate::conjugate::{Ended, State, Unknown, solve};
use crate::corrector_matrix::{CorrectorInverse, active};
use crate::gauge;
use crate::grid::Grid;
use crate::known::known_reference;
use crate::normal::Normal;
use crate::observable::Observable;
use crate::robust::{Rejected, outliers};
use crate::runs::Runs;
use crate::smooth::Smooth;
use crate::watch::Watch;
use crate::{Corrector, Options, Placed, Progress, Reference, StitchError, Stitched, Terms, Warning};

/// Passes of the robust loop at most.
const ROBUST_PASSES: usize = 3;
/// With (nearly) equal steps the reference is pulled to the smooth one like so many measurements of a pixel.
const PRIOR_WEIGHT: f64 = 1.0;
/// Part of a sub-aperture above which rejection is worth a warning.
const MANY_REJECTED: f64 = 0.05;

/// Stitches a series into one map.
///
/// Heights of all overlapping pixels enter one weighted least-squares problem, see the crate's documentation for model
/// and conventions. The result is the same to the last bit for any number of threads.
///
/// # Errors
/// Whatever makes the series impossible to stitch as it is; [`StitchError`] has a sentence for each case.
pub fn stitch(series: &[Placed], options: &Options, progress: &dyn Progress) -> Result<Stitched, StitchError> {
    Watch::step(progress, 0.0, 0.0, "placing the sub-apertures")?;
    let mut grid = Grid::new(series)?;
    let mut state =
        State { reference: vec![0.0; grid.camera.0 * grid.camera.1], correctors: vec![[0.0; 3]; grid.plates.len()] };
    if let Reference::Known(map) = &options.reference {
        state.reference = known_reference(&mut grid, map)?;
        if let Some(k) = grid.plates.iter().position(|p| p.runs.count() == 0) {
            return Err(StitchError::NoValidPixels { file: series[k].sub_aperture.name.clone() });
        }
    }
    grid.check_overlap(series)?;
    let mut engine = Engine::new(&grid, options, progress);
    engine.note_resampling(series);
    fit_planes(&grid, options.terms, &mut state);
    let kept = engine.run(&mut state)?;
    engine.finish(series, state, kept)
}

struct Engine<'a> {
    grid: &'a Grid<'a>,
    options: &'a Options,
    progress: &'a dyn Progress,
    observable: Observable,
    mode: Mode,
    smooth: Option<Smooth>,
    scale: Option<f64>,
    iterations: usize,
    /// Correctors that the last solve could determine.
    rank: usize,
    warnings: Vec<Warning>,
}

/// The problem as it was solved last.
struct Kept<'a> {
    normal: Normal<'a>,
    rejected: Rejected,
    /// See [`assemble`].
    contradiction: f64,
}

/// What is solved for beside the correctors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Held,
    Pixels,
    Smooth,
    /// Smooth first, then pixel-wise with a pull towards it.
    Prior,
}

impl<'a> Engine<'a> {
    fn new(grid: &'a Grid<'a>, options: &'a Options, progress: &'a dyn Progress) -> Self {
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
            if observable.periodic() {
                warn(
                    "equal-steps",
                    "all steps between sub-apertures are multiples of one length, so content of the reference that repeats with it \
                     cannot be seen; it is assumed zero beyond the smooth terms. Vary the steps by 5 pixels or more to avoid this"
                        .into(),
                );
                mode = Mode::Prior;
            } else if let Some((period, axis)) = observable.nearly_equal {
                warn(
                    "nearly-equal-steps",
                    format!(
                        "the steps along {axis} are nearly multiples of {period:.2} px, so content of the reference that repeats with it \
                         is hardly seen; it is pulled towards zero beyond the smooth terms. Vary the steps by 5 pixels or more to avoid this"
                    ),
                );
                mode = Mode::Prior;
            }
        }
        let smooth = matches!(mode, Mode::Smooth | Mode::Prior).then(|| Smooth::new(grid, observable.moves));
        Self { grid, options, progress, observable, mode, smooth, scale: None, iterations: 0, rank: 0, warnings }
    }

    fn warn(&mut self, code: &str, message: String) {
        self.warnings.push(Warning { code: code.into(), message });
    }

    fn note_resampling(&mut self, series: &[Placed]) {
        let moved: Vec<&str> = self
            .grid
            .plates
            .iter()
            .zip(series)
            .filter(|(plate, _)| plate.fraction != (0.0, 0.0))
            .map(|(_, placed)| placed.sub_aperture.name.as_str())
            .collect();
        if !moved.is_empty() {
            let message = format!(
                "{} of {} sub-apertures lie between whole pixels and were resampled (cubic convolution, masks grown): {}",
                moved.len(),
                self.grid.plates.len(),
                moved.join(", ")
            );
            self.warn("resampled", message);
        }
    }

    /// Solves, and with the robust loop solves again without outliers.
    fn run(&mut self, state: &mut State) -> Result<Kept<'a>, StitchError> {
        let mut rejected: Rejected = vec![Vec::new(); self.grid.plates.len()];
        let measured = self.normal(&rejected);
        let mut prior = vec![0.0; if self.mode == Mode::Prior { state.reference.len() } else { 0 }];
        let first_end = if self.options.robust { 0.6 } else { 0.85 };
        self.solve_once(&measured, state, &mut prior, (0.05, first_end))?;
        let mut contradiction = f64::INFINITY;
        let mut kept = None;
        for pass in 0..if self.options.robust { ROBUST_PASSES } else { 0 } {
            let from = first_end + 0.08 * pass as f64;
            Watch::step(self.progress, from, from, "looking for outliers")?;
            let found = outliers(&measured, state);
            contradiction = found.contradiction;
            if found.rejected == rejected {
                break;
            }
            rejected = found.rejected;
            // The problem of the pass before goes before the next is built: each holds a map.
            drop(kept.take());
            let normal = self.normal(&rejected);
            self.solve_once(&normal, state, &mut prior, (from, from + 0.08))?;
            kept = Some(normal);
        }
        Ok(Kept { normal: kept.unwrap_or(measured), rejected, contradiction })
    }

    /// The problem without the rejected pixels.
    fn normal(&self, rejected: &Rejected) -> Normal<'a> {
        let used: Vec<Runs> =
            self.grid.plates.par_iter().zip(rejected).map(|(plate, pixels)| plate.runs.without(pixels)).collect();
        Normal::new(self.grid, used)
    }

    fn solve_once(
        &mut self,
        normal: &Normal,
        state: &mut State,
        prior: &mut [f64],
        (from, to): (f64, f64),
    ) -> Result<(), StitchError> {
        let inverse = CorrectorInverse::new(normal, self.options.terms);
        self.rank = inverse.rank();
        let watch = Watch::step(self.progress, from, to, "solving")?;
        let scale = &mut self.scale;
        let ended = match (self.mode, &self.smooth) {
            (Mode::Held, _) => vec![solve(normal, &inverse, Unknown::Held, state, scale, &watch)?],
            (Mode::Smooth, Some(basis)) => vec![solve(normal, &inverse, Unknown::Smooth(basis), state, scale, &watch)?],
            (Mode::Prior, Some(basis)) => {
                let mut smooth = State { reference: prior.to_vec(), correctors: state.correctors.clone() };
                let first = solve(normal, &inverse, Unknown::Smooth(basis), &mut smooth, scale, &watch)?;
                prior.copy_from_slice(&smooth.reference);
                *state = smooth;
                let unknown = Unknown::Pixels { prior, weight: PRIOR_WEIGHT };
                vec![first, solve(normal, &inverse, unknown, state, scale, &watch)?]
            }
            (Mode::Pixels | Mode::Smooth | Mode::Prior, _) => {
                let unknown = Unknown::Pixels { prior: &[], weight: 0.0 };
                vec![solve(normal, &inverse, unknown, state, scale, &watch)?]
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

    fn finish(mut self, series: &[Placed], mut state: State, kept: Kept) -> Result<Stitched, StitchError> {
        Watch::step(self.progress, 0.87, 0.87, "assembling the map")?;
        let Kept { normal, rejected, contradiction } = kept;
        let terms = self.options.terms;
        let mut fixed = 0;
        let seen = normal.seen();
        if self.mode != Mode::Held {
            fixed = gauge::fix_reference(self.grid, &self.observable, terms, &seen, &mut state);
        }
        gauge::fix_map(&normal, &self.observable, terms, &mut state);
        let pixelwise = matches!(self.mode, Mode::Pixels | Mode::Prior);
        let variance: Vec<f64> =
            normal.diagonal.iter().map(|d| if pixelwise && *d > 0.0 { 1.0 / d } else { 0.0 }).collect();
        let assembled = assemble(&normal, &state, &variance, contradiction);
        let noise_nm = self.noise(&normal, &assembled, &seen, fixed);
        self.warn_of_rejections(series, &rejected, assembled.contradicted);
        let of_one = active(terms).len();
        if self.rank + of_one < of_one * series.len() {
            self.warn(
                "weak-overlap",
                "some sub-apertures overlap the others so little that their piston, pitch or roll is not determined"
                    .into(),
            );
        }
        let uncertainty_nm = noise_nm.map(|s| uncertainty(&normal, &assembled, s));
        let reference = self.reference_map(&state, &seen);
        let correctors = self.correctors(series, &state, &assembled, &rejected);
        let pixel = Some(self.grid.pixel);
        let overlap = Array2::from_shape_vec(self.grid.map, normal.count).unwrap_or_default();
        let mut height = HeightMap::from_heights_nm(assembled.height, pixel);
        if height.valid() != &assembled.valid {
            let (heights, _, pixel) = height.into_parts();
            height = HeightMap::new(heights, assembled.valid, pixel)
                .unwrap_or_else(|_| HeightMap::from_heights_nm(Array2::zeros((0, 0)), pixel));
        }
        self.progress.at(1.0, "done");
        Ok(Stitched {
            height,
            uncertainty_nm,
            overlap,
            residual_nm: assembled.residual,
            reference,
            x0_mm: self.grid.origin_mm.0,
            y0_mm: self.grid.origin_mm.1,
            correctors,
            non_observable: self.observable.non_observable(),
            warnings: self.warnings,
            noise_nm,
            iterations: self.iterations,
        })
    }

    /// Noise of one pixel, from the residuals and the degrees of freedom left.
    fn noise(&self, normal: &Normal, assembled: &Assembled, seen: &[bool], fixed: usize) -> Option<f64> {
        let squares: f64 = assembled.squares.iter().map(|s| s.0).sum();
        let data: usize = assembled.squares.iter().map(|s| s.1).sum();
        let reference = match self.mode {
            Mode::Held => 0,
            Mode::Smooth => self.smooth.as_ref().map_or(0, Smooth::len),
            Mode::Pixels | Mode::Prior => {
                let free: Vec<bool> = normal.diagonal.iter().zip(seen).map(|(d, s)| *s && *d > 0.0).collect();
                let pixels = free.iter().filter(|f| **f).count();
                pixels.saturating_sub(self.observable.free_cosets(self.grid.camera, &free) + fixed)
            }
        };
        let freedom = data.checked_sub(assembled.overlapping + self.rank + reference).filter(|f| *f > 0)?;
        Some((squares / freedom as f64).sqrt())
    }

    fn warn_of_rejections(&mut self, series: &[Placed], rejected: &Rejected, contradicted: usize) {
        let total: usize = rejected.iter().map(Vec::len).sum();
        let mut many = Vec::new();
        for ((placed, pixels), plate) in series.iter().zip(rejected).zip(&self.grid.plates) {
            let part = pixels.len() as f64 / plate.runs.count().max(1) as f64;
            if part > MANY_REJECTED {
                many.push(format!("{} ({:.0} %)", placed.sub_aperture.name, 100.0 * part));
            }
        }
        if !many.is_empty() {
            let message = format!(
                "many pixels of {} contradict the others and were left out; look at the residual map: a wrong position, \
                 fringe-order errors or a bad measurement look like this",
                many.join(", ")
            );
            self.warn("many-rejected", message);
        } else if total > 0 {
            self.warn("outliers-rejected", format!("{total} pixels contradict the others and were left out"));
        }
        if contradicted > 0 {
            let message = format!(
                "at {contradicted} map pixels only two sub-apertures overlap and contradict each other; nobody can tell which is \
                 wrong, so their mean is kept: see the residual map"
            );
            self.warn("contradictions", message);
        }
    }

    fn reference_map(&self, state: &State, seen: &[bool]) -> Option<HeightMap> {
        if matches!(self.options.reference, Reference::None) {
            return None;
        }
        let heights = Array2::from_shape_vec(self.grid.camera, state.reference.clone()).ok()?;
        let valid = Array2::from_shape_vec(self.grid.camera, seen.to_vec()).ok()?;
        HeightMap::new(heights, valid, Some(self.grid.pixel)).ok()
    }

    fn correctors(
        &self,
        series: &[Placed],
        state: &State,
        assembled: &Assembled,
        rejected: &Rejected,
    ) -> Vec<Corrector> {
        let grid = self.grid;
        let of = |(k, placed): (usize, &Placed)| {
            let c = state.correctors[k];
            let (squares, count) = assembled.squares[k];
            Corrector {
                name: placed.sub_aperture.name.clone(),
                x_mm: placed.x_mm,
                y_mm: placed.y_mm,
                piston_nm: c[0],
                pitch_nm_per_mm: c[1] / (grid.scale.0 * grid.pixel.x_mm),
                roll_nm_per_mm: c[2] / (grid.scale.1 * grid.pixel.y_mm),
                residual_rms_nm: if count > 0 { (squares / count as f64).sqrt() } else { 0.0 },
                rejected: rejected[k].len(),
            }
        };
        series.iter().enumerate().map(of).collect()
    }
}

/// `s sqrt(1/n + 1/n^2 sum of the reference's variance)`.
fn uncertainty(normal: &Normal, assembled: &Assembled, noise_nm: f64) -> Array2<f64> {
    let mut uncertainty = assembled.spread.clone();
    for (value, n) in uncertainty.iter_mut().zip(&normal.count) {
        *value = if *n == 0 { 0.0 } else { noise_nm * (1.0 / f64::from(*n) + *value).sqrt() };
    }
    uncertainty
}

/// Starts every corrector at the least-squares plane of its sub-aperture, as far as the terms allow.
fn fit_planes(grid: &Grid, terms: Terms, state: &mut State) {
    let on = active(terms);
    let planes: Vec<[f64; 3]> = grid
        .plates
        .par_iter()
        .map(|plate| {
            let mut sums = [0.0; 12];
            for row in 0..plate.shape.0 {
                let v = grid.v[plate.camera.0 + row];
                let reference = &state.reference[(plate.camera.0 + row) * grid.camera.1 + plate.camera.1..];
                let (mut e, mut eu, mut n, mut nu, mut nuu) = (0.0, 0.0, 0.0, 0.0, 0.0);
                for &(start, end) in plate.runs.row(row) {
                    for column in start as usize..end as usize {
                        let u = grid.u[plate.camera.1 + column];
                        let height = plate.row(row)[column] - reference[column];
                        e += height;
                        eu += height * u;
                        n += 1.0;
                        nu += u;
                        nuu += u * u;
                    }
                }
                let add = [n, nu, n * v, nu, nuu, nu * v, n * v, nu * v, n * v * v, e, eu, e * v];
                for (sum, value) in sums.iter_mut().zip(add) {
                    *sum += value;
                }
            }
            let matrix: Vec<f64> = on.iter().flat_map(|i| on.iter().map(move |j| sums[i * 3 + j])).collect();
            let right: Vec<f64> = on.iter().map(|i| sums[9 + i]).collect();
            let mut fitted = vec![0.0; on.len()];
            PivotedCholesky::new(&matrix, on.len()).solve(&right, &mut fitted);
            let mut plane = [0.0; 3];
            for (i, value) in on.iter().zip(fitted) {
                plane[*i] = value;
            }
            plane
        })
        .collect();
    state.correctors = planes;
}
