//! A series of height maps: read, place, stitch, report.

use std::time::Instant;

use stitchbox_report::write_all;
use stitchbox_stitch::{Placed, StitchError, Warning, stitch};

use super::complaint::no_result;
use super::record::{Measured, camera_origin, parameters, record};
use super::{Job, Part, READ_UNTIL, RunOutput, SOLVE_UNTIL, cross, enough, solver, steps};
use crate::Completeness;
use crate::failure::{FailureKind, RunFailure};
use crate::memory::{estimate_bytes, too_large};
use crate::positions::{Source, place};
use crate::read;

/// Runs the recipe on maps.
pub(super) fn run(job: &Job<'_>) -> Result<RunOutput, RunFailure> {
    let Job { recipe, context, progress, .. } = *job;
    let maps = read::sub_apertures(&job.sorted, context)?;
    enough(&job.sorted, job.recipe_text.is_some())?;
    let maps = steps::before(job, maps)?;
    let placed = place(maps, &recipe.positions, job.sorted.positions)?;
    let (series, sources): (Vec<Placed>, Vec<Source>) = placed.into_iter().unzip();
    let options = solver::options(job, &series)?;
    fits(series.len(), estimate_bytes(&series, &options), context.memory_limit)?;
    progress.at(READ_UNTIL, "stitching");
    let begun = Instant::now();
    let mut stitched = stitch(&series, &options, &Part { whole: progress, from: READ_UNTIL, to: SOLVE_UNTIL })
        .map_err(|error| no_result(&error))?;
    let solve_seconds = begun.elapsed().as_secs_f64();
    stitched.warnings.extend(notes(job, &series));
    progress.at(SOLVE_UNTIL, "reporting");
    if progress.cancelled() {
        return Err(no_result(&StitchError::Cancelled));
    }
    let mut more = cross::check(job, &series, &stitched)?;
    more.extend(steps::after(job, &stitched)?);
    let measured: Vec<Measured> = series.iter().zip(sources).map(measured).collect();
    let parameters = parameters(recipe, &series);
    let record = record(&job.sorted, recipe, job.recipe_text, context, &measured, parameters, camera_origin(&series));
    let (files, summary) = write_all(&stitched, &record, more)
        .map_err(|error| RunFailure::new(FailureKind::Internal, format!("{error}.")))?;
    progress.at(1.0, "done");
    Ok(RunOutput { files, digest: summary.digest.clone(), summary, solve_seconds })
}

fn measured((placed, source): (&Placed, Source)) -> Measured {
    let instrument = &placed.sub_aperture.instrument;
    Measured { format: instrument.format.clone(), acquired_unix: instrument.acquired_unix, source }
}

fn fits(files: usize, needed: u64, limit: Option<u64>) -> Result<(), RunFailure> {
    match limit {
        Some(limit) if needed > limit => Err(too_large(files, needed, limit)),
        _ => Ok(()),
    }
}

/// Remarks that only the caller of the solver can make.
fn notes(job: &Job<'_>, series: &[Placed]) -> Vec<Warning> {
    let (sorted, recipe) = (&job.sorted, job.recipe);
    let mut notes = Vec::new();
    if let (Some(file), false) = (sorted.positions, recipe.positions.at.is_empty()) {
        notes.push(Warning {
            code: "positions-file-not-used".to_owned(),
            message: format!("{} was not used: stitch.toml gives the positions itself.", file.name),
        });
    }
    if let Some(Completeness::Expected(expected)) = recipe.series.completeness()
        && expected != series.len()
    {
        notes.push(Warning {
            code: "unexpected-count".to_owned(),
            message: format!("stitch.toml expects {expected} sub-apertures and {} were stitched.", series.len()),
        });
    }
    notes
}
