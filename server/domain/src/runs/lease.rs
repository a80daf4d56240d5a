//! Leasing a run: one worker at a time, for as long as it gives signs of life.

use super::finish::{RunReason, complain};
use crate::{Domain, Error, Run, Version};
use stitchbox_recipe::recipe_among;
use stitchbox_schema::documents::RunState;
use stitchbox_schema::{JobId, Timestamp};
use stitchbox_store::jobs::{self, Job, JobKind};
use stitchbox_store::runs::RunInput;
use stitchbox_store::{Tx, items, runs, versions};

/// A file of a leased run.
#[derive(Debug, Clone)]
pub struct LeasedInput {
    /// Name in the folder.
    pub name: String,
    /// The version the run is pinned to.
    pub version: Version,
}

/// A run that this worker holds.
#[derive(Debug, Clone)]
pub struct Leased {
    /// The run.
    pub run: Run,
    /// Name of the folder, for titles; the space's root has none.
    pub title: String,
    /// What it reads, without the recipe.
    pub inputs: Vec<LeasedInput>,
    /// The folder's own recipe, if it had one; its text stands in the run too.
    pub recipe: Option<LeasedInput>,
    /// Where its files are read, if not in the folder of the results: peer or space, and the path there.
    pub source: Option<String>,
    pub(crate) job: JobId,
    pub(crate) worker: String,
}

/// What a look into the queue brought.
enum Taken {
    Nothing,
    /// A job that needed no worker; look again.
    Settled,
    Run(Box<Leased>),
}

impl Domain {
    /// Leases the run that waits longest. A run whose workers died too often ends here as failed.
    pub async fn lease_run(&self, worker: &str) -> Result<Option<Leased>, Error> {
        loop {
            let now = self.now();
            if !jobs::is_waiting(&mut *self.store.read().await?, JobKind::Run, now).await? {
                return Ok(None);
            }
            let (domain, worker) = (self.clone(), worker.to_owned());
            let taken = self.transact(move |tx| Box::pin(async move { domain.take(tx, &worker, now).await })).await?;
            self.run_changed().notify_waiters();
            match taken {
                Taken::Nothing => return Ok(None),
                Taken::Settled => {}
                Taken::Run(leased) => return Ok(Some(*leased)),
            }
        }
    }

    async fn take(&self, tx: &mut Tx, worker: &str, now: Timestamp) -> Result<Taken, Error> {
        let until = now.after(self.settings.lease);
        let Some(job) = jobs::lease(tx, JobKind::Run, worker, now, until).await? else { return Ok(Taken::Nothing) };
        let run = runs::by_id(tx, job.run()).await?;
        let Some(run) = run.filter(|run| matches!(run.state, RunState::Queued | RunState::Running)) else {
            jobs::finish(tx, job.id, Some("the run is not wanted any more")).await?;
            return Ok(Taken::Settled);
        };
        if job.attempts > i64::from(self.settings.attempts) {
            jobs::finish(tx, job.id, Some("too many attempts")).await?;
            let attempts = job.attempts - 1;
            complain(tx, &self.ids, run, &RunReason::WorkersDied { attempts }, now).await?;
            return Ok(Taken::Settled);
        }
        let run = Run {
            state: RunState::Running,
            attempts: job.attempts,
            started_at: Some(now),
            progress: 0.0,
            step: "starting".to_owned(),
            ..run
        };
        runs::update(tx, &run).await?;
        Ok(Taken::Run(Box::new(leased(tx, run, &job, worker).await?)))
    }

    /// Prolongs the lease and notes progress; false if the run is not wanted any more or somebody else has it.
    pub async fn keep_lease(&self, leased: &Leased, progress: f64, step: &str) -> Result<bool, Error> {
        let (job, worker, id) = (leased.job, leased.worker.clone(), leased.run.id);
        let (until, step) = (self.now().after(self.settings.lease), step.to_owned());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                if !jobs::prolong(tx, job, &worker, until).await? {
                    return Ok(false);
                }
                let Some(run) = runs::by_id(tx, id).await? else { return Ok(false) };
                if run.state != RunState::Running {
                    return Ok(false);
                }
                runs::update(tx, &Run { progress, step, ..run }).await?;
                Ok(true)
            })
        });
        let wanted = work.await?;
        self.run_changed().notify_waiters();
        Ok(wanted)
    }
}

async fn leased(tx: &mut Tx, run: Run, job: &Job, worker: &str) -> Result<Leased, Error> {
    let mut inputs = Vec::new();
    for RunInput { name, version, .. } in runs::inputs(tx, run.id).await? {
        let version = versions::by_id(tx, version).await?.ok_or(Error::NotFound)?;
        inputs.push(LeasedInput { name, version });
    }
    let own = recipe_among(inputs.iter().map(|input| input.name.as_str())).map(str::to_owned);
    let recipe = inputs.extract_if(.., |input| own.as_ref() == Some(&input.name)).next();
    let title = items::by_id(tx, run.folder).await?.map(|folder| folder.name).unwrap_or_default();
    let source = super::source(tx, run.source).await?;
    Ok(Leased { run, title, inputs, recipe, source, job: job.id, worker: worker.to_owned() })
}
