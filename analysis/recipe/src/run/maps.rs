//! A series of height maps: read, place, stitch, report.

use std::time::Instant;

use stitchbox_registration::{Registration, register};
use stitchbox_report::{OutputFile, write_all};
use stitchbox_stitch::{Placed, StitchError, Stitched, Warning, stitch};
use stitchbox_surface::{PixelSize, SubAperture};

use super::complaint::no_result;
use super::record::{Measured, camera_origin, parameters, record};
use super::{Job, Part, READ_UNTIL, RunOutput, SOLVE_UNTIL, cross, enough, overview, solver, steps, streamed};
use crate::Completeness;
use crate::failure::{FailureKind, RunFailure};
use crate::memory::{estimate_bytes, may_exceed, too_large};
use crate::positions::{Source, Told, places};
use crate::read;
use crate::recipe::PositionSource;

/// Runs the recipe on maps: in memory, or through the scratch folder if they do not fit.
pub(super) fn run(job: &Job<'_>) -> Result<RunOutput, RunFailure> {
    if job.context.scratch.is_none() {
        return in_memory(job);
    }
    let sizes = job.sorted.series().into_iter().map(read::size);
    if job.context.memory_limit.is_some_and(|limit| may_exceed(sizes, limit)) {
        return streamed::run(job, true);
    }
    match in_memory(job) {
        Err(failure) if failure.kind == FailureKind::TooLarge => streamed::run(job, false),
        done => done,
    }
}

pub(super) fn in_memory(job: &Job<'_>) -> Result<RunOutput, RunFailure> {
    let Job { recipe, context, progress, .. } = *job;
    let maps = read::series::<SubAperture>(&job.sorted, context)?;
    enough(&job.sorted, recipe, job.recipe_text.is_some())?;
    let maps = steps::before(job, maps)?;
    let (series, source) = placed(job, maps)?;
    let options = solver::options(job, &series)?;
    fits(series.len(), estimate_bytes(&series, &options), context.memory_limit)?;
    progress.at(READ_UNTIL, "stitching");
    let begun = Instant::now();
    let mut stitched = stitch(&series, &options, &Part { whole: progress, from: READ_UNTIL, to: SOLVE_UNTIL })
        .map_err(|error| no_result(&error))?;
    let solve_seconds = begun.elapsed().as_secs_f64();
    let more = cross::check(job, &series, &mut stitched)?;
    report(job, &series, source, stitched, more, solve_seconds)
}

/// The files of a result. Of the series everything but the pixels is looked at; `more` are further files.
pub(super) fn report(
    job: &Job<'_>,
    series: &[Placed],
    source: Source,
    mut stitched: Stitched,
    mut more: Vec<OutputFile>,
    solve_seconds: f64,
) -> Result<RunOutput, RunFailure> {
    let Job { recipe, context, progress, .. } = *job;
    stitched.warnings.extend(notes(job, series));
    progress.at(SOLVE_UNTIL, "reporting");
    if progress.cancelled() {
        return Err(no_result(&StitchError::Cancelled));
    }
    more.extend(steps::after(job, &stitched)?);
    let measured: Vec<Measured> = series.iter().map(|placed| measured(&placed.sub_aperture, source)).collect();
    let parameters = parameters(recipe, series);
    let record = record(&job.sorted, recipe, job.recipe_text, context, &measured, parameters, camera_origin(series));
    let (files, summary) = write_all(&stitched, &record, more)
        .map_err(|error| RunFailure::new(FailureKind::Internal, format!("{error}.")))?;
    progress.at(1.0, "done");
    let overview = overview(&summary)?;
    Ok(RunOutput { files, digest: summary.digest.clone(), overview, summary: Some(summary), solve_seconds })
}

fn measured(sub_aperture: &SubAperture, source: Source) -> Measured {
    Measured::new(&sub_aperture.name, &sub_aperture.instrument, source)
}

/// The series at its places.
pub(super) fn placed(job: &Job<'_>, maps: Vec<SubAperture>) -> Result<(Vec<Placed>, Source), RunFailure> {
    let rule = &job.recipe.positions;
    let (places, source) = match rule.from {
        PositionSource::Files => {
            let told: Vec<Told<'_>> = maps.iter().map(Told::from).collect();
            places(&told, rule, job.sorted.positions)?
        }
        PositionSource::Registration => (registered(job, &maps)?, Source::Registration),
    };
    let with_pixel = |mut map: SubAperture| {
        if let Some(pixel) = rule.pixel() {
            map.map = map.map.with_pixel(Some(pixel));
        }
        map
    };
    let series = maps.into_iter().map(with_pixel).zip(places);
    Ok((series.map(|(sub_aperture, (x_mm, y_mm))| Placed { sub_aperture, x_mm, y_mm }).collect(), source))
}

/// The places that the overlaps alone tell, mm; without a pixel size the solver refuses the series by itself.
fn registered(job: &Job<'_>, maps: &[SubAperture]) -> Result<Vec<(f64, f64)>, RunFailure> {
    let part = Part { whole: job.progress, from: 0.0, to: READ_UNTIL };
    let found = register(maps, &Registration::default(), &part).map_err(|error| {
        if job.progress.cancelled() {
            return no_result(&StitchError::Cancelled);
        }
        RunFailure::new(
            FailureKind::NoPositions,
            format!("The positions could not be found from the overlaps: {error}."),
        )
    })?;
    let of_file = maps.first().and_then(|map| map.map.pixel());
    let pixel = job.recipe.positions.pixel().or(of_file).unwrap_or(PixelSize { x_mm: 1.0, y_mm: 1.0 });
    Ok(found.x_px.iter().zip(&found.y_px).map(|(x, y)| (x * pixel.x_mm, y * pixel.y_mm)).collect())
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
    if recipe.positions.from == PositionSource::Registration {
        notes.push(Warning {
            code: "registered-from-data".to_owned(),
            message:
                "The positions were found from the overlaps alone; positions in the files or lists were not looked at."
                    .to_owned(),
        });
    }
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
