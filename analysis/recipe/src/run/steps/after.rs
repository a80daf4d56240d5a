//! `[[after]]`: the list of steps on the stitched map, and the files it leaves.

use serde_json::{Value, json};
use stitchbox_report::OutputFile;
use stitchbox_stitch::Stitched;
use stitchbox_surface::HeightMap;

use super::apply::{Subject, apply};
use super::{Others, export, refused};
use crate::failure::{FailureKind, RunFailure};
use crate::recipe::Step;
use crate::run::{Job, json_file};

/// Does the steps and returns their files: `steps.json`, one file for each end of a chain (the end of the list, and before
/// each `restart`), one for each profile on the way, and the formats that `[output]` asks for.
pub(in crate::run) fn after(job: &Job<'_>, stitched: &Stitched) -> Result<Vec<OutputFile>, RunFailure> {
    if job.recipe.after.is_empty() && job.recipe.output.formats.is_empty() {
        return Ok(Vec::new());
    }
    let subject = Subject::map(stitched.height.clone(), uncertainty(stitched)?);
    chain(job, subject.at(Some((stitched.x0_mm, stitched.y0_mm))))
}

/// The same, on any map or profile.
pub(in crate::run) fn chain(job: &Job<'_>, as_stitched: Subject) -> Result<Vec<OutputFile>, RunFailure> {
    let steps = &job.recipe.after;
    let others = Others::read(job, steps)?;
    let mut files = Vec::new();
    let mut found: Vec<Value> = Vec::with_capacity(steps.len());
    let mut subject = as_stitched.clone();
    let mut changed = false;
    let mut chains = 0;
    let several = steps.iter().any(|step| matches!(step, Step::Restart(_)));
    let mut end = |subject: &Subject, changed: bool, files: &mut Vec<OutputFile>| {
        if !changed {
            return Ok(());
        }
        chains += 1;
        let name = if several { format!("processed-{chains}") } else { "processed".to_owned() };
        files.extend(export::subject(job, subject, &name)?);
        Ok(())
    };
    for (index, step) in steps.iter().enumerate() {
        let number = index + 1;
        job.progress.at(crate::run::SOLVE_UNTIL, "steps after stitching");
        job.go_on()?;
        if let Step::Restart(_) = step {
            end(&subject, changed, &mut files)?;
            subject = as_stitched.clone();
            changed = false;
            found.push(json!({ "step": step, "number": number }));
            continue;
        }
        let mut made = Vec::new();
        let result = apply(step, &mut subject, &others, &mut made).map_err(|error| refused(number, step, &error))?;
        changed |= step.changes_its_subject();
        for made in made {
            files.extend(export::made(job, made, number)?);
        }
        if let (Step::Section(_) | Step::Line(_), Subject::Profile { profile, uncertainty }) = (step, &subject) {
            files.push(export::profile_csv(&format!("{number:02}-profile.csv"), profile, uncertainty.as_deref()));
        }
        found.push(json!({ "step": step, "number": number, "found": result }));
    }
    end(&subject, changed, &mut files)?;
    if !steps.is_empty() {
        files.push(json_file("steps.json", &json!({ "schema": "stitchbox.steps/1", "steps": found }))?);
    }
    if let Some(map) = [&subject, &as_stitched].into_iter().find_map(Subject::as_map) {
        files.extend(export::formats(job, map)?);
    }
    Ok(files)
}

/// The uncertainty as a map on the grid of the heights.
fn uncertainty(stitched: &Stitched) -> Result<Option<HeightMap>, RunFailure> {
    let Some(values) = &stitched.uncertainty_nm else { return Ok(None) };
    let map = HeightMap::new(values.clone(), stitched.height.valid().clone(), stitched.height.pixel());
    map.map(Some).map_err(|error| {
        RunFailure::new(FailureKind::Internal, format!("The uncertainty does not fit the map: {error}."))
    })
}
