//! One run: read, place, stitch, report.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use stitchbox_report::{Input, InputRole, OutputFile, RecipeRecord, Record, Summary, UnixTime, write_all};
use stitchbox_stitch::{KnownReference, Options, Placed, Progress, Reference, StitchError, Warning, stitch};
use stitchbox_surface::SubAperture;

use crate::classify::RECIPE_NAME;
use crate::context::{Clock, ENGINE_VERSION, InputFile, RecipeOrigin, RunContext};
use crate::failure::{FailureKind, RunFailure};
use crate::identity::recipe_hash;
use crate::memory::{estimate_bytes, least_bytes, too_large};
use crate::positions::{Source, place};
use crate::read::{self, Sorted};
use crate::recipe::{Recipe, ReferenceChoice};

/// What a run made.
#[derive(Debug, Clone)]
pub struct RunOutput {
    /// Files for the folder `Stitched/`.
    pub files: Vec<OutputFile>,
    /// The numbers of the result.
    pub summary: Summary,
    /// Result digest.
    pub digest: String,
    /// Time from the inputs decoded in memory to the map in memory, seconds. In none of the files.
    pub solve_seconds: f64,
}

/// Share of the progress bar that reading takes, and where reporting begins.
const READ_UNTIL: f64 = 0.15;
const SOLVE_UNTIL: f64 = 0.85;

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
    enough(&sorted, recipe_text.is_some())?;
    let files = sorted.sub_apertures.len() + sorted.claimed.len();
    fits(files, least_bytes(sorted.sub_apertures.iter().map(|file| read::size(file))), context)?;
    let maps = read::sub_apertures(&sorted, context)?;
    enough(&sorted, recipe_text.is_some())?;
    let known = recipe.reference_file().map(|name| reference(&sorted, name, context)).transpose()?;
    let placed = place(maps, &recipe.positions, sorted.positions)?;
    let (series, sources): (Vec<Placed>, Vec<Source>) = placed.into_iter().unzip();
    let options = Options {
        terms: recipe.stitch.solver_terms(),
        reference: match (recipe.stitch.reference, known) {
            (ReferenceChoice::None, _) => Reference::None,
            (ReferenceChoice::Smooth, _) => Reference::Smooth,
            (ReferenceChoice::File, Some(known)) => {
                // what the recipe says of the pixels holds for every file
                let map = match recipe.positions.pixel() {
                    Some(pixel) => known.map.with_pixel(Some(pixel)),
                    None => known.map,
                };
                Reference::Known(KnownReference { map, window: known.window })
            }
            (ReferenceChoice::File | ReferenceChoice::Pixelwise, _) => Reference::Pixelwise,
        },
        robust: recipe.stitch.robust,
    };
    fits(series.len(), estimate_bytes(&series, &options), context)?;
    progress.at(READ_UNTIL, "stitching");
    let begun = Instant::now();
    let mut stitched = stitch(&series, &options, &Part { whole: progress, from: READ_UNTIL, to: SOLVE_UNTIL })
        .map_err(|error| no_result(&error))?;
    let solve_seconds = begun.elapsed().as_secs_f64();
    stitched.warnings.extend(notes(&sorted, recipe, &series));
    progress.at(SOLVE_UNTIL, "reporting");
    if progress.cancelled() {
        return Err(no_result(&StitchError::Cancelled));
    }
    let record = record(&sorted, recipe, recipe_text, context, &series, &sources);
    let (files, summary) =
        write_all(&stitched, &record).map_err(|error| RunFailure::new(FailureKind::Internal, format!("{error}.")))?;
    progress.at(1.0, "done");
    Ok(RunOutput { files, digest: summary.digest.clone(), summary, solve_seconds })
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

fn enough(sorted: &Sorted<'_>, has_recipe: bool) -> Result<(), RunFailure> {
    let count = sorted.sub_apertures.len();
    if !sorted.claimed.is_empty() || count >= 2 {
        return Ok(());
    }
    let found = match sorted.sub_apertures.first() {
        Some(only) => format!("The folder holds one sub-aperture, {}; a map is stitched from two or more.", only.name),
        None => "The folder holds no sub-aperture in a format that is read (MetroPro .dat, Zygo .datx).".to_owned(),
    };
    let kind = if has_recipe { FailureKind::BadSeries } else { FailureKind::TooFew };
    Err(RunFailure::new(kind, format!("{found} Add the missing files.")))
}

fn reference(sorted: &Sorted<'_>, name: &str, context: &RunContext) -> Result<SubAperture, RunFailure> {
    match sorted.reference {
        Some(file) => read::reference(file, &context.limits),
        None => {
            let message = format!(
                "The recipe takes the reference from \"{name}\", but there is no such file in the folder. Add it, or choose \
                 another reference in stitch.toml."
            );
            Err(RunFailure::new(FailureKind::BadRecipe, message))
        }
    }
}

fn fits(files: usize, needed: u64, context: &RunContext) -> Result<(), RunFailure> {
    let Some(limit) = context.memory_limit else { return Ok(()) };
    if needed <= limit {
        return Ok(());
    }
    Err(too_large(files, needed, limit))
}

fn no_result(error: &StitchError) -> RunFailure {
    let kind = match error {
        StitchError::Cancelled => FailureKind::Cancelled,
        StitchError::ReferenceShape { .. } | StitchError::ReferencePixels { .. } => FailureKind::BadRecipe,
        StitchError::AbsurdPosition { .. } => FailureKind::NoPositions,
        StitchError::TooLarge { .. } => FailureKind::TooLarge,
        StitchError::Internal { .. } => FailureKind::Internal,
        StitchError::TooFew { .. }
        | StitchError::NoValidPixels { .. }
        | StitchError::NoLateralCalibration { .. }
        | StitchError::PixelSizesDiffer { .. }
        | StitchError::AbsurdWindow { .. }
        | StitchError::AbsurdHeight { .. }
        | StitchError::NoOverlap { .. } => FailureKind::BadSeries,
    };
    RunFailure::new(kind, sentence(error))
}

/// First letter upper-case, a full stop at the end.
fn sentence(error: &StitchError) -> String {
    let text = error.to_string();
    // a file name keeps its spelling
    let begins_with_name = match error {
        StitchError::NoValidPixels { file: name }
        | StitchError::NoLateralCalibration { file: name }
        | StitchError::AbsurdWindow { file: name, .. }
        | StitchError::AbsurdHeight { file: name, .. }
        | StitchError::PixelSizesDiffer { first: name, .. } => text.starts_with(name.as_str()),
        _ => false,
    };
    let mut characters = text.chars();
    let first: String = match characters.next() {
        Some(c) if !begins_with_name => c.to_uppercase().collect(),
        Some(c) => c.to_string(),
        None => String::new(),
    };
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}

/// Remarks that only the caller of the solver can make.
fn notes(sorted: &Sorted<'_>, recipe: &Recipe, series: &[Placed]) -> Vec<Warning> {
    let mut notes = Vec::new();
    if let (Some(file), false) = (sorted.positions, recipe.positions.at.is_empty()) {
        notes.push(Warning {
            code: "positions-file-not-used".to_owned(),
            message: format!("{} was not used: stitch.toml gives the positions itself.", file.name),
        });
    }
    if let Some(crate::Completeness::Expected(expected)) = recipe.series.completeness()
        && expected != series.len()
    {
        notes.push(Warning {
            code: "unexpected-count".to_owned(),
            message: format!("stitch.toml expects {expected} sub-apertures and {} were stitched.", series.len()),
        });
    }
    notes
}

fn record(
    sorted: &Sorted<'_>,
    recipe: &Recipe,
    recipe_text: Option<&str>,
    context: &RunContext,
    series: &[Placed],
    sources: &[Source],
) -> Record {
    let plain = |file: &InputFile, role: InputRole| Input {
        name: file.name.clone(),
        role,
        version: file.version.clone(),
        sha256: file.sha256.clone(),
        format: None,
        acquired_at: None,
        position_from: None,
    };
    let mut inputs: Vec<Input> = Vec::new();
    for (file, (placed, source)) in sorted.sub_apertures.iter().zip(series.iter().zip(sources)) {
        let instrument = &placed.sub_aperture.instrument;
        inputs.push(Input {
            format: Some(instrument.format.clone()),
            acquired_at: instrument.acquired_unix.map(|seconds| UnixTime { seconds, nanoseconds: 0 }),
            position_from: Some(source.as_str(sorted.positions.map(|f| f.name.as_str()))),
            ..plain(file, InputRole::SubAperture)
        });
    }
    let positions_used = sources.contains(&Source::List);
    inputs.extend(sorted.positions.filter(|_| positions_used).map(|file| plain(file, InputRole::Positions)));
    inputs.extend(sorted.reference.map(|file| plain(file, InputRole::Reference)));
    inputs.extend(sorted.recipe.filter(|_| recipe_text.is_some()).map(|file| plain(file, InputRole::Recipe)));
    Record {
        title: context.title.clone(),
        run: context.run.clone(),
        inputs,
        ignored: sorted.ignored.clone(),
        recipe: RecipeRecord {
            text: recipe_text.map(str::to_owned),
            origin: match (recipe_text, &context.recipe_origin) {
                (None, _) => None,
                (Some(_), RecipeOrigin::Elsewhere(origin)) => Some(origin.clone()),
                (Some(_), RecipeOrigin::Folder) => {
                    Some(sorted.recipe.map_or(RECIPE_NAME, |file| file.name.as_str()).to_owned())
                }
            },
            sha256: recipe_hash(recipe_text),
            resolved: recipe.resolved_toml(),
        },
        parameters: parameters(recipe, series),
        engine: ENGINE_VERSION.to_owned(),
        software: context.software.clone(),
        agent: context.agent.clone(),
        site: context.site.clone(),
        camera_origin: camera_origin(series),
        started_at: context.started_at,
        ended_at: context.clock.as_ref().map(Clock::now),
    }
}

/// Camera column and row where the frame that all detector windows span begins.
fn camera_origin(series: &[Placed]) -> [i64; 2] {
    let windows = || series.iter().map(|placed| placed.sub_aperture.window);
    let column = windows().map(|window| window.column).min();
    let row = windows().map(|window| window.row).min();
    [column.unwrap_or(0), row.unwrap_or(0)]
}

fn parameters(recipe: &Recipe, series: &[Placed]) -> BTreeMap<String, Value> {
    let mut parameters = BTreeMap::new();
    let terms = recipe.stitch.solver_terms();
    let names = [("piston", terms.piston), ("pitch", terms.pitch), ("roll", terms.roll)];
    let names: Vec<&str> = names.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    let reference = match recipe.stitch.reference {
        ReferenceChoice::None => "none".to_owned(),
        ReferenceChoice::Pixelwise => "pixelwise".to_owned(),
        ReferenceChoice::Smooth => "smooth".to_owned(),
        ReferenceChoice::File => format!("file {}", recipe.reference_file().unwrap_or_default()),
    };
    parameters.insert("terms".to_owned(), json!(names.join(", ")));
    parameters.insert("reference".to_owned(), json!(reference));
    parameters.insert("robust".to_owned(), json!(recipe.stitch.robust));
    parameters.insert("sub_apertures".to_owned(), json!(series.len()));
    if let Some(pixel) = series.first().and_then(|p| p.sub_aperture.map.pixel()) {
        parameters.insert("pixel_x_mm".to_owned(), json!(pixel.x_mm));
        parameters.insert("pixel_y_mm".to_owned(), json!(pixel.y_mm));
        let origin = if recipe.positions.pixel().is_some() { "recipe" } else { "files" };
        parameters.insert("pixel_from".to_owned(), json!(origin));
    }
    if let Some(wavelength) = series.iter().find_map(|p| p.sub_aperture.instrument.wavelength_nm) {
        parameters.insert("wavelength_nm".to_owned(), json!(wavelength));
    }
    parameters
}
