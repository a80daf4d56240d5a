//! Repeating the run of a folder: every input fetched and checked against the crate, the same recipe, the results compared.

use crate::execute::{PANICKED, bring_one, moment};
use crate::guard::guarded;
use crate::watch::Watch;
use crate::worker::WorkerOptions;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stitchbox_domain::attest::{LeasedRerun, Outcome, RerunEnding};
use stitchbox_domain::{Domain, Version};
use stitchbox_provenance::{
    CRATE_NAME, CrateFile, Engines, MAX_CRATE_BYTES, Pair, RESULT_NAME, Repeated, RunCrate, Verdict, compare,
    engine_differs, fingerprint_of_file,
};
use stitchbox_recipe::{
    ENGINE_VERSION, InputFile, Progress, RECIPE_NAME, Recipe, RecipeOrigin, RunContext, RunOutput, recipe_among,
    recipe_hash,
};
use stitchbox_schema::documents::RerunState;
use tokio_util::sync::CancellationToken;

/// Time between two signs of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// Largest `height.h5` of theirs that is compared, bytes.
const MAX_RESULT_BYTES: u64 = 4 << 30;
/// And how many times as large as ours it may be, where that is more than [`SMALL_RESULT_BYTES`]: a stranger's file must
/// not take more memory than the run did.
const MOST_TIMES_OURS: u64 = 16;
const SMALL_RESULT_BYTES: u64 = 64 << 20;

/// Why it ends before there is a verdict.
enum Stop {
    /// The worker was asked to.
    Asked,
    /// An end of its own.
    End(RerunEnding),
}

impl Stop {
    fn refused(message: impl Into<String>) -> Self {
        Self::End(RerunEnding::Refused(message.into()))
    }

    /// Trying again may help.
    fn failed(message: impl Into<String>) -> Self {
        Self::End(RerunEnding::Failed { message: message.into(), permanent: false })
    }

    /// A defect of ours: trying again does not help.
    fn panicked() -> Self {
        Self::End(RerunEnding::Failed { message: PANICKED.to_owned(), permanent: true })
    }
}

/// Does a leased repetition to its end, or gives it back when asked to stop.
pub(crate) async fn work_on_rerun(
    domain: &Domain,
    options: &WorkerOptions,
    leased: LeasedRerun,
    stop: &CancellationToken,
) {
    let begun = Instant::now();
    let id = leased.rerun.id;
    tracing::info!(rerun = %id, attempt = leased.rerun.attempts, "repetition begins");
    let watch = Arc::new(Watch::default());
    let stage = Stage::default();
    let ended = {
        let work = async {
            guarded(repeat(domain, options, &leased, watch.clone(), &stage))
                .await
                .unwrap_or_else(|_| Err(Stop::panicked()))
        };
        keep_alive(domain, &leased, &watch, &stage, stop, work).await
    };
    let written = match ended {
        Ok(outcome) => domain.finish_rerun(&leased, RerunEnding::Done(Box::new(outcome))).await,
        Err(Stop::End(ending)) => {
            tracing::info!(rerun = %id, ?ending, "no verdict");
            domain.finish_rerun(&leased, ending).await
        }
        Err(Stop::Asked) if stop.is_cancelled() => domain.release_rerun(&leased).await,
        Err(Stop::Asked) => Ok(false),
    };
    let seconds = begun.elapsed().as_secs_f64();
    match written {
        Ok(true) => tracing::info!(rerun = %id, seconds, "repetition ended"),
        Ok(false) => tracing::info!(rerun = %id, "the repetition is another worker's"),
        // The lease runs out and somebody tries again.
        Err(error) => tracing::error!(rerun = %id, %error, "the end of the repetition could not be written"),
    }
}

/// What is being done now, for those who watch.
#[derive(Debug)]
struct Stage(Mutex<RerunState>);

impl Default for Stage {
    fn default() -> Self {
        Self(Mutex::new(RerunState::Fetching))
    }
}

impl Stage {
    fn get(&self) -> RerunState {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: RerunState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

async fn keep_alive(
    domain: &Domain,
    leased: &LeasedRerun,
    watch: &Watch,
    stage: &Stage,
    stop: &CancellationToken,
    work: impl Future<Output = Result<Outcome, Stop>>,
) -> Result<Outcome, Stop> {
    tokio::pin!(work);
    let beat = SIGN_OF_LIFE.min(domain.settings().lease / 3);
    let mut asked = false;
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            () = stop.cancelled(), if !asked => {
                asked = true;
                watch.cancel();
                // A slow peer does not keep the program from stopping.
                if stage.get() == RerunState::Fetching {
                    return Err(Stop::Asked);
                }
            }
            () = tokio::time::sleep(beat) => match domain.keep_rerun(leased, stage.get()).await {
                Ok(true) => {}
                Ok(false) if stage.get() == RerunState::Fetching => return Err(Stop::Asked),
                Ok(false) => watch.cancel(),
                Err(error) => tracing::warn!(%error, "no sign of life could be given; trying again"),
            },
        }
    }
}

async fn repeat(
    domain: &Domain,
    options: &WorkerOptions,
    leased: &LeasedRerun,
    watch: Arc<Watch>,
    stage: &Stage,
) -> Result<Outcome, Stop> {
    let folder = scratch(options, leased).await?;
    let (run_crate, crate_sha256) = read_crate(domain, leased, folder.path()).await?;
    let engine = engines(&run_crate, leased.rerun.any_engine)?;
    let recipe = recipe(&run_crate)?;
    foresee(leased, &run_crate)?;
    let mut inputs = Vec::with_capacity(run_crate.inputs.len());
    for (number, file) in run_crate.inputs.iter().enumerate() {
        if watch.cancelled() {
            return Err(Stop::Asked);
        }
        let path = folder.path().join(format!("{number:05}"));
        let version = fetch(domain, &leased.series, file, &path).await?;
        inputs.push(InputFile {
            name: file.name.clone(),
            path,
            sha256: file.sha256.clone(),
            version: Some(version.id.to_string()),
        });
    }
    stage.set(RerunState::Running);
    let context = context(domain, options, &run_crate, folder.path());
    let output = compute(inputs, recipe, run_crate.recipe.clone(), context, watch).await?;
    stage.set(RerunState::Comparing);
    let of = Repeated {
        run: run_crate.run.clone(),
        title: run_crate.title.clone(),
        crate_sha256,
        inputs_digest: run_crate.inputs_digest(),
        inputs: run_crate.inputs.len(),
        recipe_sha256: run_crate.recipe_sha256.clone(),
    };
    let result_digest = Pair { theirs: run_crate.digest.clone(), ours: output.digest.clone() };
    let outcome = Outcome { of, engine, result_digest, verdict: Verdict::Identical, numbers: None, picture: None };
    if outcome.result_digest.theirs == outcome.result_digest.ours {
        return Ok(outcome);
    }
    differing(domain, leased, &run_crate, output, outcome, &folder.path().join("theirs")).await
}

async fn scratch(options: &WorkerOptions, leased: &LeasedRerun) -> Result<tempfile::TempDir, Stop> {
    let make = async {
        tokio::fs::create_dir_all(&options.scratch).await?;
        tempfile::Builder::new().prefix(&format!("rerun-{}-", leased.rerun.id)).tempdir_in(&options.scratch)
    };
    make.await.map_err(|error| Stop::failed(format!("No folder for the files could be made: {error}.")))
}

async fn read_crate(domain: &Domain, leased: &LeasedRerun, folder: &Path) -> Result<(RunCrate, String), Stop> {
    let missing = || Stop::refused(format!("{CRATE_NAME} is not there any more."));
    let version = version_of(&leased.results, CRATE_NAME).ok_or_else(missing)?;
    let unusable = |error| Stop::refused(format!("{CRATE_NAME} cannot be used: {error}."));
    let size = usize::try_from(version.size).unwrap_or(usize::MAX);
    if size > MAX_CRATE_BYTES {
        return Err(unusable(stitchbox_provenance::CrateError::TooLarge { bytes: size }));
    }
    let path = folder.join("crate");
    bring(domain, CRATE_NAME, version, &path).await?;
    let trouble = |error: std::io::Error| Stop::failed(format!("{CRATE_NAME} could not be read: {error}."));
    let bytes = tokio::fs::read(&path).await.map_err(trouble)?;
    let sha256 = fingerprint_of_file(&path).map_err(trouble)?.sha256;
    Ok((RunCrate::parse(&bytes).map_err(unusable)?, sha256))
}

fn engines(run_crate: &RunCrate, any: bool) -> Result<Engines, Stop> {
    let differs = engine_differs(&run_crate.engine, ENGINE_VERSION);
    if differs && !any {
        return Err(Stop::refused(format!(
            "The result was made by the engine {}; here runs {ENGINE_VERSION}, which may give another result for the same \
             files. Ask again with any engine (--any-engine) to compare all the same; the attestation will say so.",
            run_crate.engine
        )));
    }
    Ok(Engines { theirs: run_crate.engine.clone(), ours: ENGINE_VERSION.to_owned(), differs })
}

fn recipe(run_crate: &RunCrate) -> Result<Recipe, Stop> {
    match run_crate.recipe.as_deref().map(Recipe::parse) {
        Some(Ok(recipe)) => Ok(recipe),
        Some(Err(error)) => Err(Stop::refused(format!("The recipe in the crate cannot be read: {error}."))),
        None if recipe_hash(None) != run_crate.recipe_sha256 => Err(Stop::refused(
            "The result was made by the built-in recipe of its engine, and that of the engine here is another.",
        )),
        None => Ok(Recipe::default()),
    }
}

/// What can be refused before a byte is fetched.
fn foresee(leased: &LeasedRerun, run_crate: &RunCrate) -> Result<(), Stop> {
    for file in &run_crate.inputs {
        let version = version_of(&leased.series, &file.name).ok_or_else(|| {
            Stop::refused(format!(
                "{} is not in the folder, and the result was made with it. Nothing was run.",
                file.name
            ))
        })?;
        if u64::try_from(version.size) != Ok(file.bytes) {
            return Err(Stop::refused(format!(
                "{} has {} bytes here and had {} when the result was made: it is not the same file. Nothing was run.",
                file.name, version.size, file.bytes
            )));
        }
    }
    Ok(())
}

fn version_of<'a>(files: &'a [(String, Version)], name: &str) -> Option<&'a Version> {
    files.iter().find(|(other, _)| other == name).map(|(_, version)| version)
}

/// Fetches a file and refuses it if it is not the one of the crate.
async fn fetch<'a>(
    domain: &Domain,
    files: &'a [(String, Version)],
    file: &CrateFile,
    path: &Path,
) -> Result<&'a Version, Stop> {
    let version = version_of(files, &file.name)
        .ok_or_else(|| Stop::refused(format!("{} is not in the folder any more. Nothing was run.", file.name)))?;
    bring(domain, &file.name, version, path).await?;
    let (of, path) = (file.name.clone(), path.to_owned());
    let found = tokio::task::spawn_blocking(move || fingerprint_of_file(&path)).await;
    let found = found.map_err(std::io::Error::other).and_then(|found| found);
    let found = found.map_err(|error| Stop::failed(format!("{of} could not be read: {error}.")))?;
    if found.sha256 != file.sha256 || found.bytes != file.bytes {
        return Err(Stop::refused(format!(
            "{} is not the file the result was made with: its SHA-256 is {} here and {} in the crate. Nothing was run.",
            file.name, found.sha256, file.sha256
        )));
    }
    Ok(version)
}

async fn bring(domain: &Domain, name: &str, version: &Version, path: &Path) -> Result<(), Stop> {
    bring_one(domain, name, version, path)
        .await
        .map_err(|error| Stop::failed(format!("The file could not be fetched: {error}.")))
}

fn context(domain: &Domain, options: &WorkerOptions, run_crate: &RunCrate, folder: &Path) -> RunContext {
    let mut context = RunContext::new(&run_crate.title, "stitchboxd", &options.software, moment(domain.now()));
    context.memory_limit = Some(options.memory_limit);
    context.scratch = Some(folder.join("scratch"));
    if recipe_among(run_crate.inputs.iter().map(|file| file.name.as_str())).is_none() {
        context.recipe_origin = RecipeOrigin::Elsewhere(format!("the crate ({RECIPE_NAME} or a default)"));
    }
    context
}

async fn compute(
    inputs: Vec<InputFile>,
    recipe: Recipe,
    text: Option<String>,
    context: RunContext,
    watch: Arc<Watch>,
) -> Result<RunOutput, Stop> {
    let computed = tokio::task::spawn_blocking({
        let watch = watch.clone();
        move || {
            // A panic is our defect: it must end this repetition with a sentence, not the worker.
            let run = || stitchbox_recipe::run(&inputs, &recipe, text.as_deref(), &context, &*watch);
            std::panic::catch_unwind(AssertUnwindSafe(run))
        }
    });
    match computed.await {
        Ok(Ok(Ok(output))) => Ok(output),
        Ok(Ok(Err(_))) if watch.cancelled() => Err(Stop::Asked),
        Ok(Ok(Err(failure))) => {
            let message = format!("The recipe did not run here: {}", failure.message);
            Err(Stop::End(RerunEnding::Failed { message, permanent: failure.permanent }))
        }
        Ok(Err(_)) | Err(_) => Err(Stop::panicked()),
    }
}

/// The verdict where the digests differ.
async fn differing(
    domain: &Domain,
    leased: &LeasedRerun,
    run_crate: &RunCrate,
    output: RunOutput,
    outcome: Outcome,
    path: &Path,
) -> Result<Outcome, Stop> {
    let ours = output.files.into_iter().find(|file| file.name == RESULT_NAME).map(|file| file.bytes);
    let digests_only = |why: &str| {
        let numbers = Some(without_numbers(format!("{why}, so only the digests were compared")));
        Ok(Outcome { verdict: Verdict::Diverged, numbers, ..outcome.clone() })
    };
    let (Some(ours), Some(theirs)) = (ours, run_crate.output(RESULT_NAME)) else {
        return digests_only("the result is no height map");
    };
    let most = (ours.len() as u64).saturating_mul(MOST_TIMES_OURS).clamp(SMALL_RESULT_BYTES, MAX_RESULT_BYTES);
    if theirs.bytes > most {
        return digests_only("the result is far larger than that of the repetition");
    }
    let version = version_of(&leased.results, RESULT_NAME);
    if version.is_none_or(|version| u64::try_from(version.size) != Ok(theirs.bytes)) {
        return Err(Stop::refused(format!("{RESULT_NAME} of the result is not the file that the crate names.")));
    }
    fetch(domain, &leased.results, theirs, path).await?;
    let open: Vec<String> = output
        .summary
        .map(|summary| summary.non_observable.into_iter().map(|open| open.term).collect())
        .unwrap_or_default();
    let path = path.to_owned();
    let compared = tokio::task::spawn_blocking(move || {
        let theirs = std::fs::read(&path).map_err(|error| error.to_string())?;
        let limits = stitchbox_provenance::result_limits(theirs.len().max(ours.len()));
        compare(&theirs, &ours, &open, &limits).map_err(|error| error.to_string())
    });
    match compared.await {
        Ok(Ok((verdict, numbers, picture))) => Ok(Outcome { verdict, numbers: Some(numbers), picture, ..outcome }),
        Ok(Err(why)) => {
            let numbers = Some(without_numbers(format!("the results could not be compared: {why}")));
            Ok(Outcome { verdict: Verdict::Diverged, numbers, ..outcome })
        }
        Err(_) => Err(Stop::panicked()),
    }
}

fn without_numbers(remark: String) -> stitchbox_provenance::Agreement {
    stitchbox_provenance::Agreement {
        pixels: 0,
        common: 0.0,
        within: None,
        rms_nm: 0.0,
        pv_nm: 0.0,
        removed: Vec::new(),
        remark,
    }
}
