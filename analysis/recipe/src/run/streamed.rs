//! A series of height maps that exceeds the memory allowed: its files are read one after the other, and what does not fit goes
//! to the scratch folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use ndarray::Array2;
use stitchbox_stitch::{Described, Placed, Scratch, Source, StitchError, stitch_source};
use stitchbox_surface::{HeightMap, SubAperture};

use super::complaint::no_result;
use super::steps::{Before, not_done_before};
use super::survey::{Surveyed, survey};
use super::{Job, Part, READ_UNTIL, RunOutput, SOLVE_UNTIL, enough, maps, solver};
use crate::failure::{FailureKind, RunFailure};
use crate::identity::{recipe_hash, run_identity};
use crate::memory::{estimate_unread_bytes, streamed_bytes, too_large_to_stream};
use crate::read::{self, Complaint};
use crate::recipe::PositionSource;

/// Runs the recipe on maps that are never all in memory. The result is that of a run with enough memory, but that positions between
/// pixels are rounded (with a warning). With `or_in_memory` a series that turns out to fit is stitched in memory.
pub(super) fn run(job: &Job<'_>, or_in_memory: bool) -> Result<RunOutput, RunFailure> {
    let Job { recipe, context, progress, .. } = *job;
    if recipe.positions.from == PositionSource::Registration {
        let refused = || no_result(&StitchError::NotInMemory { what: "finding the positions from the overlaps" });
        return if or_in_memory { maps::in_memory(job) } else { Err(refused()) };
    }
    let before = Before::read(job)?;
    let surveyed = survey(job)?;
    enough(&job.sorted, recipe, job.recipe_text.is_some())?;
    let heads: Vec<SubAperture> = surveyed.iter().map(|of| of.head.sub_aperture.clone()).collect();
    // From here on the maps of the series have a pixel size and no pixels.
    let (series, source) = maps::placed(job, heads)?;
    let files = Files { job, before, surveyed, series: &series, refused: OnceLock::new() };
    let limit = context.memory_limit.unwrap_or(u64::MAX);
    let mut options = solver::options(job, &series)?;
    if or_in_memory && estimate_unread_bytes(&files, &options) <= limit {
        match maps::in_memory(job) {
            Err(failure) if failure.kind == FailureKind::TooLarge => {}
            done => return done,
        }
    }
    if !recipe.stitch.cross_check.is_empty() {
        return Err(no_result(&StitchError::NotInMemory { what: "a cross-check by older methods" }));
    }
    let largest = job.sorted.series().into_iter().map(read::size).max().unwrap_or(0);
    let needed = streamed_bytes(&files, largest);
    if needed > limit {
        return Err(too_large_to_stream(series.len(), needed, limit));
    }
    let scratch = Folder::take(job)?;
    // What could stay in memory while solving is wanted for the report afterwards.
    options.scratch = Some(Scratch { folder: scratch.path.clone(), bytes: 0 });
    progress.at(READ_UNTIL, "stitching");
    let begun = Instant::now();
    let stitched = stitch_source(&files, &options, &Part { whole: progress, from: READ_UNTIL, to: SOLVE_UNTIL })
        .and_then(|tiles| tiles.into_stitched())
        .map_err(|error| files.refused.get().cloned().unwrap_or_else(|| no_result(&error)))?;
    let solve_seconds = begun.elapsed().as_secs_f64();
    let output = maps::report(job, &series, source, stitched, Vec::new(), solve_seconds)?;
    scratch.remove();
    Ok(output)
}

/// The series in its files.
struct Files<'a> {
    job: &'a Job<'a>,
    before: Before<'a>,
    surveyed: Vec<Surveyed<'a>>,
    series: &'a [Placed],
    /// Why a file could not be read, in full.
    refused: OnceLock<RunFailure>,
}

impl Files<'_> {
    fn refuse(&self, k: usize, why: String, storage: bool) -> String {
        let complaint = format!("{}: {why}", self.surveyed[k].file.name);
        self.refused.get_or_init(|| read::refused(self.series.len(), &[complaint], storage));
        why
    }

    fn not_done(&self, complaint: String) -> String {
        self.refused.get_or_init(|| not_done_before(std::slice::from_ref(&complaint)));
        complaint
    }
}

impl Source for Files<'_> {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn describe(&self, k: usize) -> Described {
        let placed = &self.series[k];
        Described {
            name: placed.sub_aperture.name.clone(),
            shape: self.surveyed[k].head.shape,
            window: placed.sub_aperture.window,
            pixel: placed.sub_aperture.map.pixel(),
            x_mm: placed.x_mm,
            y_mm: placed.y_mm,
        }
    }

    fn read(&self, k: usize) -> Result<(HeightMap, Option<Array2<f32>>), String> {
        let of = &self.surveyed[k];
        let members = read::members::<SubAperture>(of.file, &self.job.context.limits).map_err(|c| match c {
            Complaint::Damaged(why) => self.refuse(k, why, false),
            Complaint::Storage(why) => self.refuse(k, why, true),
        })?;
        let changed = || self.refuse(k, "it changed while it was read".to_owned(), true);
        let mut own = members.into_iter().nth(of.number).ok_or_else(changed)?;
        if own.map.valid_count() == 0 {
            return Err(self.refuse(k, read::NO_PIXEL.to_owned(), false));
        }
        // What the head told was not verified then.
        let told = &of.head.sub_aperture;
        let as_told = own.map.shape() == of.head.shape
            && own.map.pixel() == told.map.pixel()
            && (own.window, own.position_mm, &own.instrument) == (told.window, told.position_mm, &told.instrument);
        if !as_told {
            return Err(changed());
        }
        self.before.apply(&mut own).map_err(|complaint| self.not_done(complaint))?;
        Ok((own.map.with_pixel(self.series[k].sub_aperture.map.pixel()), own.intensity))
    }
}

/// The part of the scratch folder that belongs to one series and recipe.
struct Folder {
    path: PathBuf,
    /// Held while the folder is in use.
    _lock: File,
}

impl Folder {
    /// Makes the folder, or takes over what an earlier run of the same series left.
    fn take(job: &Job<'_>) -> Result<Self, RunFailure> {
        let scratch = job.context.scratch.as_deref().unwrap_or(Path::new(""));
        let inputs = job.sorted.series();
        let inputs = inputs.iter().map(|file| (file.name.as_str(), file.sha256.as_str()));
        let path = scratch.join(format!("stitch-{:.16}", run_identity("", &recipe_hash(job.recipe_text), inputs)));
        let failed = |why: &dyn std::fmt::Display| {
            let message = format!("The scratch folder {} cannot be used: {why}.", scratch.display());
            RunFailure::new(FailureKind::Storage, message)
        };
        let lock = std::fs::create_dir_all(&path).and_then(|()| File::create(path.join("lock")));
        let lock = lock.map_err(|error| failed(&error))?;
        lock.try_lock().map_err(|_| failed(&"another run is stitching the same series through it"))?;
        Ok(Self { path, _lock: lock })
    }

    /// Takes all of it away.
    fn remove(self) {
        // Only disk space is lost if that fails.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
