//! The steps of a recipe, done: `[[before]]` on every sub-aperture, `[[after]]` on the stitched map.

mod after;
mod apply;
pub(super) mod export;
mod found;

pub(super) use after::{after, chain};
pub(super) use apply::Subject;

use rayon::prelude::*;
use stitchbox_steps::StepError;
use stitchbox_surface::{HeightMap, PixelSize, SubAperture};

use self::apply::apply;
use super::Job;
use crate::failure::{FailureKind, RunFailure, list};
use crate::read;
use crate::recipe::Step;

/// Maps of the folder that steps name, read once.
pub(super) struct Others(Vec<Other>);

struct Other {
    name: String,
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
            let Some(file) = job.named(name) else {
                let message = format!(
                    "A step of the recipe takes the map \"{name}\", but there is no such file in the folder. Add it, or remove the step."
                );
                return Err(RunFailure::new(FailureKind::BadRecipe, message));
            };
            let (map, uncertainty) = read::map_and_uncertainty(file, &job.context.limits)?;
            maps.push(Other { name: name.to_owned(), map, uncertainty });
        }
        Ok(Self(maps))
    }

    fn other(&self, name: &str) -> Result<&Other, StepError> {
        self.0
            .iter()
            .find(|known| known.name == name)
            .ok_or(StepError::NothingLeft { step: "a step that reads another map" })
    }

    /// The heights of a file.
    fn map(&self, name: &str) -> Result<&HeightMap, StepError> {
        Ok(&self.other(name)?.map)
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
    let complaints: Vec<String> = maps.par_iter_mut().filter_map(|map| before.apply(map).err()).collect();
    if complaints.is_empty() { Ok(maps) } else { Err(not_done_before(&complaints)) }
}

/// Steps of `[[before]]` that could not be done.
pub(super) fn not_done_before(complaints: &[String]) -> RunFailure {
    let next = "Correct the step in stitch.toml, or take the files out of the folder.";
    RunFailure::new(FailureKind::BadRecipe, list("A step before stitching could not be done:", complaints, next))
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
