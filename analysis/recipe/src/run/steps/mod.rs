//! The steps of a recipe, done: `[[before]]` on every sub-aperture, `[[after]]` on the stitched map.

mod after;
mod apply;
pub(super) mod export;
mod foresee;
mod found;

pub(super) use after::{after, chain};
pub(super) use apply::Subject;
pub(super) use foresee::foresee;

use rayon::prelude::*;
use stitchbox_steps::StepError;
use stitchbox_surface::{DetectorWindow, HeightMap, PixelSize, SubAperture};

use self::apply::apply;
use super::Job;
use crate::failure::{FailureKind, RunFailure, list};
use crate::read;
use crate::recipe::Step;

/// Maps of the folder that steps name, read once.
pub(super) struct Others(Vec<Other>);

struct Other {
    name: String,
    window: DetectorWindow,
    map: HeightMap,
    uncertainty: Option<HeightMap>,
}

impl Others {
    fn read(job: &Job<'_>, steps: &[Step]) -> Result<Self, RunFailure> {
        let mut maps: Vec<Other> = Vec::new();
        for name in steps.iter().filter_map(Step::file) {
            if maps.iter().any(|known| known.name == name) {
                continue;
            }
            let file = job.named(name).ok_or_else(|| missing(name))?;
            let (read, uncertainty) = read::map_and_uncertainty(file, &job.context.limits)?;
            // What the recipe says of the pixels holds for every file.
            let pixel = job.recipe.positions.pixel();
            let with = |map: HeightMap| if pixel.is_some() { map.with_pixel(pixel) } else { map };
            maps.push(Other {
                name: name.to_owned(),
                window: read.window,
                map: with(read.map),
                uncertainty: uncertainty.map(with),
            });
        }
        Ok(Self(maps))
    }

    fn other(&self, name: &str) -> Result<&Other, StepError> {
        self.0
            .iter()
            .find(|known| known.name == name)
            .ok_or(StepError::NothingLeft { step: "a step that reads another map" })
    }

    /// What keeps the maps from being laid pixel on pixel on a sub-aperture: another part of the camera.
    fn elsewhere_on_the_camera(&self, sub_aperture: &SubAperture) -> Option<String> {
        let own = sub_aperture.window;
        // A file that tells no window begins at 0, 0: it may be any part.
        let untold = DetectorWindow { column: 0, row: 0 };
        let other = self.0.iter().find(|other| other.window != own && other.window != untold)?;
        Some(format!(
            "{}: its detector window begins at column {}, row {} and that of {} at column {}, row {}, so their pixels are not \
             those of one camera pixel; measure {} in the same window",
            sub_aperture.name, own.column, own.row, other.name, other.window.column, other.window.row, other.name
        ))
    }
}

/// The steps of `[[before]]`, with the maps that they name.
pub(super) struct Before<'a> {
    steps: &'a [Step],
    others: Others,
    /// What the recipe says of the pixels holds for the lengths of its steps, too.
    pixel: Option<PixelSize>,
}

impl<'a> Before<'a> {
    /// Reads the maps.
    pub fn read(job: &Job<'a>) -> Result<Self, RunFailure> {
        let steps = &job.recipe.before;
        Ok(Self { steps, others: Others::read(job, steps)?, pixel: job.recipe.positions.pixel() })
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Does them on one sub-aperture; the complaint names it.
    pub fn apply(&self, sub_aperture: &mut SubAperture) -> Result<(), String> {
        if self.is_empty() {
            return Ok(());
        }
        if let Some(complaint) = self.others.elsewhere_on_the_camera(sub_aperture) {
            return Err(complaint);
        }
        let map = sub_aperture.map.clone();
        let mut subject = Subject::map(if self.pixel.is_some() { map.with_pixel(self.pixel) } else { map }, None);
        for (number, step) in self.steps.iter().enumerate() {
            apply(step, &mut subject, &self.others, &mut Vec::new())
                .map_err(|error| format!("{}: step {} of [[before]]: {error}", sub_aperture.name, number + 1))?;
        }
        if let Subject::Map { map, .. } = subject {
            sub_aperture.map = map;
        }
        Ok(())
    }
}

/// Does the steps of `[[before]]` on every sub-aperture.
pub(super) fn before(job: &Job<'_>, mut maps: Vec<SubAperture>) -> Result<Vec<SubAperture>, RunFailure> {
    let before = Before::read(job)?;
    let done = |map: &mut SubAperture| if job.progress.cancelled() { None } else { before.apply(map).err() };
    let complaints: Vec<String> = maps.par_iter_mut().filter_map(done).collect();
    job.go_on()?;
    if complaints.is_empty() { Ok(maps) } else { Err(not_done_before(&complaints)) }
}

/// Steps of `[[before]]` that could not be done.
pub(super) fn not_done_before(complaints: &[String]) -> RunFailure {
    let next = "Correct the step in stitch.toml, or take the files out of the folder.";
    RunFailure::new(FailureKind::BadRecipe, list("A step before stitching could not be done:", complaints, next))
}

/// A file that a step names and the folder has not.
fn missing(name: &str) -> RunFailure {
    let message = format!(
        "A step of the recipe takes the map \"{name}\", but there is no such file in the folder. Add it, or remove the step."
    );
    RunFailure::new(FailureKind::BadRecipe, message)
}

/// A step of `[[after]]` that could not be done.
fn refused(number: usize, step: &Step, error: &StepError) -> RunFailure {
    let message = format!(
        "Step {number} of [[after]] (\"{}\") could not be done: {error}. The map itself was stitched; correct or remove the step \
         in stitch.toml.",
        step.name()
    );
    RunFailure::new(FailureKind::BadRecipe, message)
}
