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

use stitchbox_report::{OutputFile, Summary};
use stitchbox_stitch::Progress;

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
    let files = sorted.sub_apertures.len() + sorted.claimed.len();
    let least = least_bytes(sorted.sub_apertures.iter().map(|file| read::size(file)));
    let job = Job { sorted, recipe, recipe_text, context, progress };
    if let Some(limit) = context.memory_limit.filter(|limit| least > *limit) {
        let streams = recipe.series.kind == SeriesKind::Maps && context.scratch.is_some();
        return if streams { streamed::run(&job, false) } else { Err(too_large(files, least, limit)) };
    }
    match recipe.series.kind {
        SeriesKind::Maps => maps::run(&job),
        SeriesKind::Slopes => slopes::run(&job),
        SeriesKind::Profiles => profiles::run(&job),
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
