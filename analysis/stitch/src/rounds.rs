//! Solves in rounds: with positions between whole pixels, each round corrects the data with the map of the one before.

use crate::angles;
use crate::between;
use crate::conjugate::State;
use crate::engine::{Engine, Mode};
use crate::grid::Grid;
use crate::known::{self, known_reference};
use crate::normal::Normal;
use crate::planes::fit_planes;
use crate::pose::Pose;
use crate::profile_rows;
use crate::robust::overlap_sigma;
use crate::watch::{Part, Watch};
use crate::{Drift, Options, Placed, Progress, Reference, StitchError, Stitched, systematic};

/// Solves at most, after the first.
const MOST_ROUNDS: i32 = 5;
/// The map has settled when it changes by less than this part of the noise of one pixel.
const SETTLED: f64 = 0.3;

/// Places a series, ready to be solved: masks of a known reference applied, overlap checked, correctors at the planes.
pub(crate) fn placed<'a>(
    series: &'a [Placed],
    options: &Options,
    poses: &[Pose],
) -> Result<(Grid<'a>, State), StitchError> {
    let mut grid = Grid::placed(series, options, poses)?;
    let state = begun(&mut grid, options)?;
    Ok((grid, state))
}

/// Where a solve begins: masks of a known reference applied, overlap and other measurements checked, correctors at the planes.
pub(crate) fn begun(grid: &mut Grid, options: &Options) -> Result<State, StitchError> {
    angles::check(&options.angles, &grid.series)?;
    profile_rows::check(&options.profiles)?;
    let mut state = State::zeros(grid);
    if let Reference::Known(map) = &options.reference {
        let known = known_reference(grid, map)?;
        state.reference.copy_from_slice(&known.heights);
        known::mask(grid, &known);
    }
    if let Some(k) = grid.plates.iter().position(|p| p.runs.count() == 0) {
        return Err(StitchError::NoValidPixels { file: grid.series[k].name.clone() });
    }
    grid.check_overlap(options.terms)?;
    fit_planes(grid, options.terms, &mut state);
    Ok(state)
}

/// Stitches a series that lies at these places.
pub(crate) fn stitch_at(
    series: &[Placed],
    options: &Options,
    poses: &[Pose],
    progress: &dyn Progress,
) -> Result<Stitched, StitchError> {
    Watch::step(progress, 0.0, 0.0, "placing the sub-apertures")?;
    let (mut grid, mut state) = placed(series, options, poses)?;
    let (factors, warnings) = systematic::factors(&grid, &state, series, options);
    let pixels = grid.camera_pixels();
    state.reference.resize((1 + factors.len()) * pixels, 0.0);
    if !grid.between_pixels() {
        let mut engine = Engine::new(&grid, options, progress).with_maps(&factors);
        let kept = engine.run(&mut state)?;
        engine.warnings.extend(warnings);
        note_drift(&mut engine, &kept.normal, &state, series);
        return engine.finish(state, kept)?.into_stitched();
    }
    // Solve with positions rounded, correct the data with the map that comes out, solve again: once for a smooth mirror
    // with fine roughness, more often where the first map was far off.
    let given: Vec<Vec<f64>> = grid.plates.iter().map(|plate| plate.heights.to_vec()).collect();
    let measured: Vec<&[f64]> = given.iter().map(Vec::as_slice).collect();
    let mut part = Part { progress, from: 0.0, to: 0.4 };
    let mut engine = Engine::new(&grid, options, &part).with_maps(&factors);
    let mut kept = engine.run(&mut state)?;
    let mut map = between::map_of(&kept.normal, &state);
    let mut iterations = engine.iterations;
    for round in 1.. {
        let heights = between::carried(&kept.normal, &measured, &state, &map);
        let goal = engine.goal;
        drop((engine, kept));
        grid.replace_heights(heights);
        part = Part { progress, from: part.to, to: 1.0 - 0.6 * 0.5f64.powi(round) };
        engine = Engine::new(&grid, options, &part).with_maps(&factors);
        engine.goal = goal;
        kept = engine.run(&mut state)?;
        iterations += engine.iterations;
        let next = between::map_of(&kept.normal, &state);
        let settled = between::rms_change(&kept.normal, &map, &next) < SETTLED * overlap_sigma(&kept.normal, &state);
        if settled || round == MOST_ROUNDS {
            break;
        }
        map = next;
    }
    engine.iterations = iterations;
    note_between(&mut engine, series);
    engine.warnings.extend(warnings);
    note_drift(&mut engine, &kept.normal, &state, series);
    engine.finish(state, kept)?.into_stitched()
}

fn note_drift(engine: &mut Engine, normal: &Normal, state: &State, series: &[Placed]) {
    let unknown = matches!(engine.mode, Mode::Pixels | Mode::Smooth | Mode::Prior);
    if engine.options.drift == Drift::Test && unknown {
        engine.warnings.extend(systematic::test_drift(normal, state, series));
    }
}

fn note_between(engine: &mut Engine, series: &[Placed]) {
    let moved: Vec<&str> = engine
        .grid
        .plates
        .iter()
        .zip(series)
        .filter(|(plate, _)| plate.fraction != (0.0, 0.0))
        .map(|(_, placed)| placed.sub_aperture.name.as_str())
        .collect();
    if !moved.is_empty() {
        let message = format!(
            "{} of {} sub-apertures lie between whole pixels and were interpolated within the model (masks and noise unchanged): {}",
            moved.len(),
            engine.grid.plates.len(),
            moved.join(", ")
        );
        engine.warn("between-pixels", message);
    }
}
