//! The solver's options as the recipe and the files it names give them.

use stitchbox_stitch::{KnownReference, Options, Placed, Reference, Weights};
use stitchbox_surface::SubAperture;

use super::Job;
use crate::failure::{FailureKind, RunFailure};
use crate::read;
use crate::recipe::{ReferenceChoice, WeightChoice};

/// How this series is to be solved.
pub(super) fn options(job: &Job<'_>, _series: &[Placed]) -> Result<Options, RunFailure> {
    let rule = &job.recipe.stitch;
    Ok(Options {
        terms: rule.solver_terms(),
        reference: reference(job)?,
        robust: rule.robust,
        weights: match rule.weights {
            WeightChoice::Equal => Weights::Equal,
            WeightChoice::Intensity => Weights::Intensity,
        },
        ..Options::default()
    })
}

fn reference(job: &Job<'_>) -> Result<Reference, RunFailure> {
    let known = match job.recipe.stitch.reference {
        ReferenceChoice::None => return Ok(Reference::None),
        ReferenceChoice::Pixelwise => return Ok(Reference::Pixelwise),
        ReferenceChoice::Smooth => return Ok(Reference::Smooth),
        ReferenceChoice::File => known(job, job.recipe.reference_file().unwrap_or_default())?,
    };
    // what the recipe says of the pixels holds for every file
    let map = match job.recipe.positions.pixel() {
        Some(pixel) => known.map.with_pixel(Some(pixel)),
        None => known.map,
    };
    Ok(Reference::Known(KnownReference { map, window: known.window }))
}

fn known(job: &Job<'_>, name: &str) -> Result<SubAperture, RunFailure> {
    match job.named(name) {
        Some(file) => read::reference(file, &job.context.limits),
        None => {
            let message = format!(
                "The recipe takes the reference from \"{name}\", but there is no such file in the folder. Add it, or choose \
                 another reference in stitch.toml."
            );
            Err(RunFailure::new(FailureKind::BadRecipe, message))
        }
    }
}
