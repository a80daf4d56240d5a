//! The steps of a recipe on one map or profile, without stitching.

use stitchbox_formats::Measurement;
use stitchbox_report::OutputFile;
use stitchbox_steps::SlopeMaps;
use stitchbox_stitch::Progress;

use super::steps::{Subject, chain};
use super::{Job, each_name_once};
use crate::context::{InputFile, RunContext};
use crate::failure::{FailureKind, RunFailure};
use crate::read::{self, Sorted};
use crate::recipe::Recipe;

/// Does the steps of `[[after]]` on a file and returns what they leave, as after a stitch: `steps.json`, `processed…`, and what
/// single steps write. `named` are the files that steps of the recipe name.
///
/// # Errors
/// [`RunFailure`] with a message for the person who asked, naming the file or the step.
pub fn process(
    file: &InputFile,
    named: &[InputFile],
    recipe: &Recipe,
    context: &RunContext,
    progress: &dyn Progress,
) -> Result<Vec<OutputFile>, RunFailure> {
    progress.at(0.0, "reading");
    let (measurement, uncertainty) = read::measurement(file, &context.limits)?;
    let subject = match measurement {
        Measurement::Map(map) => {
            let pixel = recipe.positions.pixel();
            let with = |map: stitchbox_surface::HeightMap| if pixel.is_some() { map.with_pixel(pixel) } else { map };
            Subject::map(with(map.map), uncertainty.map(with)).at(map.position_mm)
        }
        Measurement::Profile(profile) => Subject::Profile { profile, uncertainty: None },
        Measurement::Slopes(slopes) => Subject::Slopes(SlopeMaps::from_sub_aperture(&slopes).map_err(|error| {
            RunFailure::new(FailureKind::BadFiles, format!("{} cannot be used: {error}.", file.name))
        })?),
    };
    let sorted = Sorted {
        sub_apertures: vec![file],
        claimed: Vec::new(),
        positions: None,
        named: named.iter().collect(),
        recipe: None,
        ignored: Vec::new(),
    };
    let files = chain(&Job { sorted, recipe, recipe_text: None, context, progress }, subject)?;
    each_name_once(&files)?;
    progress.at(1.0, "done");
    Ok(files)
}
