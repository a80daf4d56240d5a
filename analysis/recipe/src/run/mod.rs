//! One run: read, place, stitch, report.

mod complaint;
mod cross;
mod maps;
mod other;
mod process;
mod profiles;
mod record;
mod slopes;
mod solver;
mod steps;
mod streamed;
mod survey;

pub use process::process;

use std::collections::BTreeSet;

use stitchbox_report::{OutputFile, Summary};
use stitchbox_stitch::{Progress, StitchError};

use crate::context::{InputFile, RunContext};
use crate::failure::{FailureKind, RunFailure};
use crate::memory::{least_bytes, too_large};
use crate::read::{self, Sorted};
use crate::recipe::{Recipe, SeriesKind};

/// What a run made.
#[derive(Debug, Clone)]
pub struct RunOutput {
    /// Files for the folder `Stitched/`.
    pub files: Vec<OutputFile>,
    /// The numbers of the result as `summary.json` has them.
    pub overview: serde_json::Value,
    /// The same, where the result is a stitched map.
    pub summary: Option<Summary>,
    /// Result digest.
    pub digest: String,
    /// Time from the inputs decoded in memory to the map in memory, seconds. In none of the files.
    pub solve_seconds: f64,
}

/// Share of the progress bar that reading takes, and where reporting begins.
const READ_UNTIL: f64 = 0.15;
const SOLVE_UNTIL: f64 = 0.85;

/// One run under way: what it was given, sorted.
pub(crate) struct Job<'a> {
    pub sorted: Sorted<'a>,
    pub recipe: &'a Recipe,
    pub recipe_text: Option<&'a str>,
    pub context: &'a RunContext,
    pub progress: &'a dyn Progress,
}

impl Job<'_> {
    /// A file that the recipe names.
    fn named(&self, name: &str) -> Option<&InputFile> {
        self.sorted.named.iter().find(|file| file.name == name).copied()
    }

    /// Nothing, unless the run was asked to stop.
    fn go_on(&self) -> Result<(), RunFailure> {
        if self.progress.cancelled() { Err(complaint::no_result(&StitchError::Cancelled)) } else { Ok(()) }
    }
}

/// Runs a recipe on the files of one folder. `recipe_text` is the text of `stitch.toml`, `None` for the default recipe;
/// the number of threads is that of the rayon pool it is called in, and changes no bit of the result.
///
/// # Errors
/// [`RunFailure`] with a message for the person who measured, naming the files.
pub fn run(
    inputs: &[InputFile],
    recipe: &Recipe,
    recipe_text: Option<&str>,
    context: &RunContext,
    progress: &dyn Progress,
) -> Result<RunOutput, RunFailure> {
    progress.at(0.0, "reading");
    let sorted = read::sort(inputs, recipe, &context.recipe_origin)?;
    enough(&sorted, recipe, recipe_text.is_some())?;
    let files = sorted.series();
    let (count, least) = (files.len(), least_bytes(files.iter().map(|file| read::size(file))));
    let job = Job { sorted, recipe, recipe_text, context, progress };
    job.go_on()?;
    steps::foresee(&job)?;
    let output = match recipe.series.kind {
        SeriesKind::Maps if context.memory_limit.is_some_and(|limit| least > limit) && context.scratch.is_some() => {
            streamed::run(&job, false)
        }
        _ if context.memory_limit.is_some_and(|limit| least > limit) => {
            Err(too_large(count, least, context.memory_limit.unwrap_or_default()))
        }
        SeriesKind::Maps => maps::run(&job),
        SeriesKind::Slopes => slopes::run(&job),
        SeriesKind::Profiles => profiles::run(&job),
    }?;
    each_name_once(&output.files)?;
    Ok(output)
}

/// Two files of one name would be one file in the folder.
fn each_name_once(files: &[OutputFile]) -> Result<(), RunFailure> {
    let mut seen = BTreeSet::new();
    match files.iter().find(|file| !seen.insert(file.name.as_str())) {
        Some(twice) => Err(RunFailure::new(
            FailureKind::Internal,
            format!("The run would write {} twice; please report it with the recipe.", twice.name),
        )),
        None => Ok(()),
    }
}

/// The part of the progress bar that one step fills.
struct Part<'a> {
    whole: &'a dyn Progress,
    from: f64,
    to: f64,
}

impl Progress for Part<'_> {
    fn at(&self, fraction: f64, step: &str) {
        self.whole.at(self.from + fraction.clamp(0.0, 1.0) * (self.to - self.from), step);
    }

    fn cancelled(&self) -> bool {
        self.whole.cancelled()
    }
}

fn enough(sorted: &Sorted<'_>, recipe: &Recipe, has_recipe: bool) -> Result<(), RunFailure> {
    let count = sorted.sub_apertures.len();
    // One file that the recipe names may hold a whole series.
    let named = count == 1 && !recipe.series.include.is_empty();
    if !sorted.claimed.is_empty() || count >= 2 || named {
        return Ok(());
    }
    let found = match sorted.sub_apertures.first() {
        Some(only) => format!("The folder holds one sub-aperture, {}; a map is stitched from two or more.", only.name),
        None => "The folder holds no file of a series: no map in a format that forms one by itself (MetroPro .dat, Zygo .datx, \
                 Wyko .opd, Digital Surf .sur, X3P, Zygo text), and none that the recipe includes.".to_owned(),
    };
    let kind = if has_recipe { FailureKind::BadSeries } else { FailureKind::TooFew };
    Err(RunFailure::new(kind, format!("{found} Add the missing files.")))
}

fn overview(summary: &impl serde::Serialize) -> Result<serde_json::Value, RunFailure> {
    serde_json::to_value(summary)
        .map_err(|error| RunFailure::new(FailureKind::Internal, format!("The summary could not be written: {error}.")))
}

/// A JSON document as a file of the result.
fn json_file(name: &str, value: &serde_json::Value) -> Result<OutputFile, RunFailure> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| RunFailure::new(FailureKind::Internal, format!("{name} could not be written: {error}.")))?;
    bytes.push(b'\n');
    Ok(OutputFile { name: name.to_owned(), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_twice_is_a_fault() {
        let file = |name: &str| OutputFile { name: name.to_owned(), bytes: Vec::new() };
        assert!(each_name_once(&[file("a"), file("b")]).is_ok());
        let failure = each_name_once(&[file("a"), file("b"), file("a")]).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Internal);
    }
}
