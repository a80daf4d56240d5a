//! The steps of a recipe on one map or profile, without stitching.

use std::collections::BTreeMap;

use stitchbox_formats::Measurement;
use stitchbox_report::{OutputFile, sha256_hex};
use stitchbox_steps::SlopeMaps;
use stitchbox_stitch::Progress;

use super::other::with_provenance;
use super::record::{Measured, record};
use super::steps::{Subject, chain};
use super::{Job, each_name_once};
use crate::context::{InputFile, RunContext};
use crate::failure::{FailureKind, RunFailure};
use crate::positions::Source;
use crate::read::{self, Sorted};
use crate::recipe::Recipe;

/// Does the steps of `[[after]]` on a file and returns what they leave, as after a stitch: `steps.json`, `processed…`, and what
/// single steps write, and `provenance.json`; nothing where the recipe asks for nothing. `recipe_text` is the text of the
/// recipe. `named` are the files that steps of the recipe name.
///
/// # Errors
/// [`RunFailure`] with a message for the person who asked, naming the file or the step.
pub fn process(
    file: &InputFile,
    named: &[InputFile],
    recipe: &Recipe,
    recipe_text: Option<&str>,
    context: &RunContext,
    progress: &dyn Progress,
) -> Result<Vec<OutputFile>, RunFailure> {
    progress.at(0.0, "reading");
    let (measurement, uncertainty) = read::measurement(file, &context.limits)?;
    let instrument = match &measurement {
        Measurement::Map(map) => &map.instrument,
        Measurement::Slopes(slopes) => &slopes.instrument,
        Measurement::Profile(profile) => &profile.instrument,
    };
    let measured = [Measured::new(&file.name, instrument, Source::File)];
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
    let job = Job { sorted, recipe, recipe_text, context, progress };
    let files = chain(&job, subject)?;
    if files.is_empty() {
        return Ok(files);
    }
    let record = record(&job.sorted, recipe, recipe_text, context, &measured, BTreeMap::new(), [0, 0]);
    // One number for all that was made: over the names and hashes of the files.
    let lines: String = files.iter().map(|file| format!("{} {}\n", sha256_hex(&file.bytes), file.name)).collect();
    let files = with_provenance(&record, &sha256_hex(lines.as_bytes()), files)?;
    each_name_once(&files)?;
    progress.at(1.0, "done");
    Ok(files)
}
