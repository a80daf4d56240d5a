//! Solves in rounds: with positions between whole pixels, each round corrects the data with the map of the one before.

use crate::between;
use crate::conjugate::State;
use crate::engine::Engine;
use crate::grid::Grid;
use crate::robust::overlap_sigma;
use crate::watch::Part;
use crate::{Options, Placed, Progress, StitchError, Stitched};

/// Solves at most, after the first.
const MOST_ROUNDS: i32 = 5;
/// The map has settled when it changes by less than this part of the noise of one pixel.
const SETTLED: f64 = 0.3;

/// Stitches a series of which some sub-apertures lie between whole pixels.
pub(crate) fn stitch_between<'a>(
    mut grid: Grid<'a>,
    series: &[Placed],
    options: &'a Options,
    mut state: State,
    progress: &dyn Progress,
) -> Result<Stitched, StitchError> {
    // Solve with positions rounded, correct the data with the map that comes out, solve again: once for a smooth mirror
    // with fine roughness, more often where the first map was far off.
    let given: Vec<Vec<f64>> = grid.plates.iter().map(|plate| plate.heights.to_vec()).collect();
    let measured: Vec<&[f64]> = given.iter().map(Vec::as_slice).collect();
    let mut part = Part { progress, from: 0.0, to: 0.4 };
    let mut engine = Engine::new(&grid, options, &part);
    let mut kept = engine.run(&mut state)?;
    let mut map = between::map_of(&kept.normal, &state);
    let mut iterations = engine.iterations;
    for round in 1.. {
        let heights = between::carried(&kept.normal, &measured, &state, &map);
        let goal = engine.goal;
        drop((engine, kept));
        grid.replace_heights(heights);
        part = Part { progress, from: part.to, to: 1.0 - 0.6 * 0.5f64.powi(round) };
        engine = Engine::new(&grid, options, &part);
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
    engine.finish(series, state, kept)
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
