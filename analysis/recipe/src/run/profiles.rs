//! A series of profiles: averaged, stitched, or used to calibrate their instrument.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use stitchbox_formats::{write_dabam, write_nexus_profile};
use stitchbox_profiles::{AngleError, PlacedProfile, ProfilesError, average_scans, calibrate_pitches, stitch_profiles};
use stitchbox_report::OutputFile;
use stitchbox_surface::{Profile, ProfileKind};

use super::record::{Measured, record};
use super::steps::{self, Subject, export};
use super::{Job, RunOutput, other};
use crate::classify::matches;
use crate::context::ENGINE_VERSION;
use crate::digest::{Array, digest};
use crate::failure::{FailureKind, RunFailure};
use crate::positions::{Source, Told, places};
use crate::read;
use crate::recipe::ProfilesTask;

/// What any of the tasks gives.
struct Made {
    profile: Profile,
    uncertainty: Option<Vec<f64>>,
    /// What is particular to the task, for the summary.
    found: Value,
    /// Further tables.
    files: Vec<OutputFile>,
}

/// Runs the recipe on profiles.
pub(super) fn run(job: &Job<'_>) -> Result<RunOutput, RunFailure> {
    let profiles = read::series::<Profile>(&job.sorted, job.context)?;
    job.progress.at(super::READ_UNTIL, "profiles");
    job.go_on()?;
    let count = profiles.len();
    let (places, source) = places_of(job, &profiles)?;
    let measured: Vec<Measured> = profiles.iter().map(|p| Measured::new(&p.name, &p.instrument, source)).collect();
    let begun = Instant::now();
    let rule = &job.recipe.profiles;
    let placed = || -> Vec<PlacedProfile> {
        profiles.iter().zip(&places).map(|(p, x)| PlacedProfile { profile: p.clone(), x_mm: *x }).collect()
    };
    let made = match rule.task {
        ProfilesTask::Average => average(job, &profiles),
        ProfilesTask::Stitch => stitch(job, &placed()),
        ProfilesTask::Calibrate => calibrate(job, &placed()),
    };
    let made = made.map_err(|error| {
        RunFailure::new(FailureKind::BadSeries, format!("The profiles cannot be used together: {error}."))
    })?;
    let solve_seconds = begun.elapsed().as_secs_f64();
    let digest = digest_of(&made);
    let overview = json!({
        "schema": "stitchbox.profile/1",
        "title": job.context.title,
        "digest": digest,
        "engine": ENGINE_VERSION,
        "profiles": count,
        "task": rule.task,
        "points": made.profile.len(),
        "unit": unit(&made.profile),
        "found": made.found,
    });
    let files = files(job, made)?;
    let parameters = BTreeMap::from([("profiles".to_owned(), json!(rule)), ("sub_apertures".to_owned(), json!(count))]);
    let record = record(&job.sorted, job.recipe, job.recipe_text, job.context, &measured, parameters, [0, 0]);
    other::finish(job, &record, digest, overview, files, solve_seconds)
}

/// Shift along x of every profile: from the recipe or the list where there is one, else none.
fn places_of(job: &Job<'_>, profiles: &[Profile]) -> Result<(Vec<f64>, Source), RunFailure> {
    let rule = &job.recipe.positions;
    if rule.at.is_empty() && rule.file.is_none() && job.sorted.positions.is_none() {
        return Ok((vec![0.0; profiles.len()], Source::File));
    }
    let told: Vec<Told<'_>> =
        profiles.iter().map(|p| Told { name: &p.name, instrument: &p.instrument, position_mm: None }).collect();
    let (places, source) = places(&told, rule, job.sorted.positions)?;
    Ok((places.into_iter().map(|(x, _)| x).collect(), source))
}

fn average(job: &Job<'_>, profiles: &[Profile]) -> Result<Made, ProfilesError> {
    let rule = &job.recipe.profiles;
    let is_backward = |p: &&Profile| rule.backward.iter().any(|pattern| matches(pattern, &p.name));
    let backward: Vec<Profile> = profiles.iter().filter(is_backward).cloned().collect();
    let forward: Vec<Profile> = profiles.iter().filter(|p| !is_backward(p)).cloned().collect();
    let averaged = average_scans(&forward, &backward, &rule.average)?;
    let found = json!({
        "kept": averaged.kept,
        "excluded": averaged.excluded,
        "direction_rms": averaged.direction_rms,
        "warnings": averaged.warnings,
    });
    let uncertainty = Some(averaged.uncertainty).filter(|u| !u.is_empty());
    Ok(Made { profile: averaged.profile, uncertainty, found, files: Vec::new() })
}

fn stitch(job: &Job<'_>, placed: &[PlacedProfile]) -> Result<Made, ProfilesError> {
    let stitched = stitch_profiles(placed, &job.recipe.profiles.stitch)?;
    let found = json!({
        "noise": stitched.noise,
        "correctors": stitched.correctors,
        "non_observable": stitched.non_observable,
        "warnings": stitched.warnings,
    });
    let reference = stitched.reference.iter().map(|r| export::profile_csv("reference.csv", r, None));
    Ok(Made { found, files: reference.collect(), profile: stitched.profile, uncertainty: stitched.uncertainty })
}

fn calibrate(job: &Job<'_>, placed: &[PlacedProfile]) -> Result<Made, ProfilesError> {
    let calibrated = calibrate_pitches(placed, &job.recipe.profiles.calibrate)?;
    let found = json!({
        "noise": calibrated.noise,
        "residual_rms": calibrated.residual_rms,
        "pitches_urad": calibrated.pitches_urad,
        "non_observable": calibrated.non_observable,
        "warnings": calibrated.warnings,
    });
    let files = vec![error_csv(&calibrated.error)];
    Ok(Made { found, files, profile: calibrated.profile, uncertainty: calibrated.uncertainty })
}

/// `instrument_error.csv`: what the instrument reads too much, over the true angle.
fn error_csv(error: &AngleError) -> OutputFile {
    let intervals = 4 * error.coefficients_urad.len().saturating_sub(3).max(1);
    let (first, last) = (error.first_urad, error.last_urad());
    let mut text = "angle_urad,error_urad\n".to_owned();
    for i in 0..=intervals {
        let angle = first + (last - first) * i as f64 / intervals as f64;
        text.push_str(&format!("{angle},{}\n", error.at(angle)));
    }
    OutputFile { name: "instrument_error.csv".to_owned(), bytes: text.into_bytes() }
}

fn unit(profile: &Profile) -> &'static str {
    match profile.kind {
        ProfileKind::HeightNm => "nm",
        ProfileKind::SlopeUrad => "urad",
    }
}

fn digest_of(made: &Made) -> String {
    let columns = made.profile.len();
    let mut x = made.profile.x_mm.iter().copied().map(Some);
    let mut values = made.profile.values.iter().copied().map(Some);
    let mut uncertainty = made.uncertainty.iter().flatten().copied().map(Some);
    let unit = unit(&made.profile);
    let array = |name, unit, values| Array { name, unit, rows: 1, columns, values };
    let mut arrays =
        vec![array("x", "mm", &mut x as &mut dyn Iterator<Item = Option<f64>>), array("profile", unit, &mut values)];
    if made.uncertainty.is_some() {
        arrays.push(array("uncertainty", unit, &mut uncertainty));
    }
    digest(arrays)
}

/// `profile.csv`, `profile.h5`, `profile.dat` and `profile.txt` (DABAM), and what the task adds.
fn files(job: &Job<'_>, made: Made) -> Result<Vec<OutputFile>, RunFailure> {
    let h5 = write_nexus_profile(&made.profile, made.uncertainty.as_deref(), &export::nexus_record(job)).map_err(
        |error| RunFailure::new(FailureKind::Internal, format!("profile.h5 could not be written: {error}.")),
    )?;
    let dabam = write_dabam(&made.profile);
    let mut files = vec![export::profile_csv("profile.csv", &made.profile, made.uncertainty.as_deref())];
    for (name, bytes) in [("profile.h5", h5), ("profile.dat", dabam.data), ("profile.txt", dabam.description)] {
        files.push(OutputFile { name: name.to_owned(), bytes });
    }
    files.extend(made.files);
    files.extend(steps::chain(job, Subject::Profile { profile: made.profile, uncertainty: made.uncertainty })?);
    Ok(files)
}
