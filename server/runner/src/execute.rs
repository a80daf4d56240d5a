//! One attempt: the pinned versions into a scratch folder, the analysis on a thread of its own, the outputs back.

use crate::watch::Watch;
use crate::worker::WorkerOptions;
use futures::TryStreamExt;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use stitchbox_domain::runs::Leased;
use stitchbox_domain::uploads::Draft;
use stitchbox_domain::{Domain, Error, Version};
use stitchbox_recipe::{
    Clock, FailureKind, InputFile, OutputFile, Progress, Recipe, RecipeOrigin, RunContext, RunFailure, RunOutput,
    UnixTime,
};
use stitchbox_schema::Timestamp;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

/// What the analysis brought.
pub(crate) enum Computed {
    /// Outputs in memory.
    Files { files: Vec<OutputFile>, digest: String },
    /// None.
    Ended(Ended),
}

/// How an attempt ended.
pub(crate) enum Ended {
    /// There are results, and they are durable.
    Done { drafts: Vec<Draft>, digest: String },
    /// There is nothing to stitch, and nothing wrong.
    Nothing { message: String },
    /// No results; trying again helps or does not.
    Failed { message: String, permanent: bool },
    /// It was asked to stop.
    Cancelled,
}

pub(crate) async fn execute(domain: &Domain, options: &WorkerOptions, leased: &Leased, watch: Arc<Watch>) -> Computed {
    let (scratch, inputs) = match bring_inputs(domain, options, leased, &watch).await {
        Ok(Some(brought)) => brought,
        Ok(None) => return Computed::Ended(Ended::Cancelled),
        Err(message) => return Computed::Ended(Ended::Failed { message, permanent: false }),
    };
    let text = leased.run.recipe.clone();
    let mut context = context(domain, options, leased);
    // It goes with the inputs when the attempt ends.
    context.scratch = Some(scratch.path().join("scratch"));
    let computed = tokio::task::spawn_blocking(move || {
        // The folder lives as long as the computation, even when nobody waits for it any more.
        let _scratch = scratch;
        // A panic is our defect, not the file's: it must end this run with a sentence, not the worker.
        std::panic::catch_unwind(AssertUnwindSafe(|| compute(&inputs, text.as_deref(), &context, &watch)))
    });
    match computed.await {
        Ok(Ok(Ok(output))) => Computed::Files { files: output.files, digest: output.digest },
        Ok(Ok(Err(failure))) => Computed::Ended(failed(failure)),
        Ok(Err(_)) | Err(_) => Computed::Ended(Ended::Failed { message: PANICKED.to_owned(), permanent: true }),
    }
}

pub(crate) const PANICKED: &str = "The analysis stopped with an internal error. This is a defect of Stitchbox, not of your files: \
                        please report it with the series. Nothing was changed.";

fn compute(
    inputs: &[InputFile],
    text: Option<&str>,
    context: &RunContext,
    watch: &Watch,
) -> Result<RunOutput, RunFailure> {
    // The text was read without complaint when the run was made; a newer program may read it otherwise.
    let recipe = match text.map(Recipe::parse) {
        None => Recipe::default(),
        Some(Ok(recipe)) => recipe,
        Some(Err(error)) => {
            return Err(RunFailure { kind: FailureKind::BadRecipe, message: error.to_string(), permanent: true });
        }
    };
    stitchbox_recipe::run(inputs, &recipe, text, context, watch)
}

fn failed(failure: RunFailure) -> Ended {
    match failure.kind {
        FailureKind::Cancelled => Ended::Cancelled,
        FailureKind::TooFew => Ended::Nothing { message: failure.message },
        FailureKind::BadFiles
        | FailureKind::BadRecipe
        | FailureKind::NoPositions
        | FailureKind::BadSeries
        | FailureKind::TooLarge
        | FailureKind::Storage
        | FailureKind::Internal => Ended::Failed { message: failure.message, permanent: failure.permanent },
    }
}

fn context(domain: &Domain, options: &WorkerOptions, leased: &Leased) -> RunContext {
    let title = if leased.title.is_empty() { "series" } else { &leased.title };
    let mut context = RunContext::new(title, "stitchboxd", &options.software, moment(domain.now()));
    context.run = Some(leased.run.id.to_string());
    context.site = domain.site_address();
    context.source.clone_from(&leased.source);
    context.memory_limit = Some(options.memory_limit);
    let clock = domain.clone();
    context.clock = Some(Clock::new(move || moment(clock.now())));
    if leased.recipe.is_none() {
        context.recipe_origin = RecipeOrigin::Elsewhere("the default recipe of the space".to_owned());
    }
    context
}

pub(crate) fn moment(Timestamp(nanoseconds): Timestamp) -> UnixTime {
    UnixTime {
        seconds: nanoseconds.div_euclid(1_000_000_000),
        nanoseconds: u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0),
    }
}

/// Copies the pinned versions into a folder that vanishes with the attempt; `None` if the run is not wanted any more.
async fn bring_inputs(
    domain: &Domain,
    options: &WorkerOptions,
    leased: &Leased,
    watch: &Watch,
) -> Result<Option<(TempDir, Vec<InputFile>)>, String> {
    let bring = async {
        tokio::fs::create_dir_all(&options.scratch).await?;
        let folder =
            tempfile::Builder::new().prefix(&format!("run-{}-", leased.run.id)).tempdir_in(&options.scratch)?;
        let mut inputs = Vec::with_capacity(leased.inputs.len());
        for (number, input) in leased.inputs.iter().chain(&leased.recipe).enumerate() {
            if watch.cancelled() {
                return Ok(None);
            }
            // Named by number: a name of 255 bytes or with odd characters is no trouble of the scratch folder.
            let path = folder.path().join(format!("{number:05}"));
            bring_one(domain, &input.name, &input.version, &path).await?;
            inputs.push(InputFile {
                name: input.name.clone(),
                path,
                sha256: input.version.sha256.clone(),
                version: Some(input.version.id.to_string()),
            });
        }
        Ok::<_, std::io::Error>(Some((folder, inputs)))
    };
    bring.await.map_err(|error| format!("The files of the series could not be read from the store: {error}."))
}

/// Copies the bytes of a version into a file.
pub(crate) async fn bring_one(domain: &Domain, name: &str, version: &Version, path: &Path) -> std::io::Result<()> {
    let size = u64::try_from(version.size).unwrap_or(0);
    let trouble = |error: Error| std::io::Error::other(format!("{name}: {error}"));
    let mut stream = domain.open(version, 0..size).await.map_err(trouble)?;
    let mut file = tokio::fs::File::create(path).await?;
    while let Some(bytes) = stream.try_next().await? {
        file.write_all(&bytes).await?;
    }
    file.flush().await
}
