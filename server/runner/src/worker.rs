//! A worker: leases one run after the other, computes it, keeps the lease meanwhile.

use crate::execute::{Computed, Ended, PANICKED, execute};
use crate::guard::guarded;
use crate::rerun::work_on_rerun;
use crate::watch::Watch;
use crate::{AFTER_TROUBLE, LOOK_AGAIN};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stitchbox_domain::attest::LeasedRerun;
use stitchbox_domain::runs::{Leased, Results};
use stitchbox_domain::{Domain, Error};
use stitchbox_provenance::{CRATE_NAME, SIGNATURE_NAME};
use stitchbox_recipe::OutputFile;
use tokio_util::sync::CancellationToken;

/// Longest time between two signs of life, and between two steps of progress that members see.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Unique among all workers on this store: host, process, number.
    pub name: String,
    /// Folder for the files of a run while it is computed.
    pub scratch: PathBuf,
    /// Program and version, for the provenance.
    pub software: String,
    /// Memory one run may take, bytes; height maps that need more are stitched through the scratch folder, other series are
    /// refused with a sentence.
    pub memory_limit: u64,
}

/// Works until asked to stop; a run under way is then given back to the queue.
pub async fn run_worker(domain: Domain, options: WorkerOptions, stop: CancellationToken) {
    // Neither kind of work keeps the other waiting for longer than one of its own takes.
    let mut rerun_first = false;
    while !stop.is_cancelled() {
        // Registered before the look, so that a run made in between is not slept through.
        let woken = domain.run_changed().notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let wait = match lease(&domain, &options.name, rerun_first).await {
            Ok(Some(work)) => {
                rerun_first = matches!(work, Work::Run(_));
                match work {
                    Work::Run(leased) => work_on(&domain, &options, *leased, &stop).await,
                    Work::Rerun(leased) => work_on_rerun(&domain, &options, *leased, &stop).await,
                }
                continue;
            }
            Ok(None) => LOOK_AGAIN,
            Err(error) => {
                tracing::error!(%error, "no run could be leased; trying again");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = woken => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What a worker has leased.
enum Work {
    Run(Box<Leased>),
    Rerun(Box<LeasedRerun>),
}

async fn lease(domain: &Domain, worker: &str, rerun_first: bool) -> Result<Option<Work>, Error> {
    for rerun in [rerun_first, !rerun_first] {
        let work = if rerun {
            domain.lease_rerun(worker).await?.map(|leased| Work::Rerun(Box::new(leased)))
        } else {
            domain.lease_run(worker).await?.map(|leased| Work::Run(Box::new(leased)))
        };
        if work.is_some() {
            return Ok(work);
        }
    }
    Ok(None)
}

async fn work_on(domain: &Domain, options: &WorkerOptions, leased: Leased, stop: &CancellationToken) {
    let begun = Instant::now();
    let (run, attempt) = (leased.run.id, leased.run.attempts);
    tracing::info!(%run, attempt, inputs = leased.inputs.len(), "run begins");
    let watch = Arc::new(Watch::default());
    let computation = guarded(async {
        match execute(domain, options, &leased, watch.clone()).await {
            Computed::Files { files, digest } => store_outputs(domain, &leased, files, digest).await,
            Computed::Ended(ended) => ended,
        }
    });
    let computation =
        async { computation.await.unwrap_or_else(|_| Ended::Failed { message: PANICKED.to_owned(), permanent: true }) };
    let ended = keep_alive(domain, &leased, &watch, stop, computation).await;
    let seconds = begun.elapsed().as_secs_f64();
    metrics::histogram!("stitchbox_run_seconds").record(seconds);
    let outcome = settle(domain, &leased, ended, stop.is_cancelled()).await;
    match outcome {
        Ok((true, how)) => tracing::info!(%run, attempt, seconds, how, "run ended"),
        Ok((false, _)) => tracing::info!(%run, attempt, "the run was not wanted any more, or is another worker's"),
        // The lease runs out and somebody tries again.
        Err(error) => tracing::error!(%run, attempt, %error, "the end of the run could not be written"),
    }
}

/// Makes the outputs durable, still under the lease: a slow store must not cost a good run.
async fn store_outputs(domain: &Domain, leased: &Leased, files: Vec<OutputFile>, digest: String) -> Ended {
    let mut files = files;
    if let Some(metadata) = files.iter().find(|file| file.name == CRATE_NAME) {
        match domain.sign_crate(&metadata.bytes, leased.run.id, &digest).await {
            Ok(bytes) => files.push(OutputFile { name: SIGNATURE_NAME.to_owned(), bytes }),
            Err(error) => {
                let message = format!("The crate of the result could not be signed: {error}.");
                return Ended::Failed { message, permanent: false };
            }
        }
    }
    let mut drafts = Vec::with_capacity(files.len());
    for file in files {
        match domain.draft(&leased.run, &file.name, file.bytes.into()).await {
            Ok(draft) => drafts.push(draft),
            Err(error) => {
                let message = format!("The results could not be stored: {error}.");
                return Ended::Failed { message, permanent: false };
            }
        }
    }
    Ended::Done { drafts, digest }
}

/// Runs the computation, prolonging the lease beside it. Stops it if the run is not wanted any more.
async fn keep_alive(
    domain: &Domain,
    leased: &Leased,
    watch: &Watch,
    stop: &CancellationToken,
    computation: impl Future<Output = Ended>,
) -> Ended {
    tokio::pin!(computation);
    let beat = SIGN_OF_LIFE.min(domain.settings().lease / 3);
    loop {
        tokio::select! {
            ended = &mut computation => return ended,
            () = stop.cancelled() => {
                watch.cancel();
                return computation.await;
            }
            () = tokio::time::sleep(beat) => {
                let (progress, step) = watch.latest();
                match domain.keep_lease(leased, progress, &step).await {
                    Ok(true) => {}
                    Ok(false) => watch.cancel(),
                    Err(error) => tracing::warn!(%error, "no sign of life could be given; trying again"),
                }
            }
        }
    }
}

async fn settle(domain: &Domain, leased: &Leased, ended: Ended, stopping: bool) -> Result<(bool, &'static str), Error> {
    match ended {
        Ended::Cancelled if stopping => Ok((domain.release_run(leased).await?, "given back")),
        Ended::Cancelled => Ok((false, "cancelled")),
        Ended::Nothing { message } => {
            let results = Results { drafts: Vec::new(), digest: None, message: Some(message) };
            Ok((domain.finish_run(leased, results).await?, "nothing to stitch"))
        }
        Ended::Failed { message, permanent } => {
            tracing::info!(run = %leased.run.id, permanent, message, "run failed");
            Ok((domain.fail_run(leased, message, permanent).await?, "failed"))
        }
        Ended::Done { drafts, digest } => {
            let results = Results { drafts, digest: Some(digest), message: None };
            Ok((domain.finish_run(leased, results).await?, "done"))
        }
    }
}
