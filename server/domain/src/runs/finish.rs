//! How a run ends: results in one commit, or a reason in a file a person can read.

use super::lease::Leased;
use crate::series::act_of_run;
use crate::uploads::{Draft, Publication};
use crate::uploads::{discard_derived, draft_of_text, free_for_runs, publish, show_draft};
use crate::{Domain, Error, Ids, Item, Run, guard};
use std::time::Duration;
use stitchbox_schema::documents::RunState;
use stitchbox_schema::{ItemId, Timestamp};
use stitchbox_store::{Connection, Tx, items, jobs, runs, spaces};

/// Name of the folder with the results.
pub const OUTPUT_FOLDER: &str = "Stitched";
/// Name of the file with the reason of a failure.
pub const ERROR_FILE: &str = "Stitched.error.txt";

/// What a run brought.
#[derive(Debug)]
pub struct Results {
    /// The files for `Stitched/`.
    pub drafts: Vec<Draft>,
    /// SHA-256 over the result arrays; none where there was nothing to stitch.
    pub digest: Option<String>,
    /// A remark for the person.
    pub message: Option<String>,
}

/// Why a run ended without results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunReason {
    /// The analysis says so, in sentences for the person.
    Message(String),
    /// Its workers died or lost contact.
    WorkersDied {
        /// Attempts made.
        attempts: i64,
    },
}

impl std::fmt::Display for RunReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(message) => f.write_str(message),
            Self::WorkersDied { attempts } => write!(
                f,
                "The run was begun {attempts} times and no worker finished it: each was stopped or lost contact. \
                 Nothing is wrong with the files as far as is known; tell the administrator, who finds the reason in \
                 the log (often too little memory). Change or add any file of the series to run it again."
            ),
        }
    }
}

/// Whether an ending was written, or the run belonged to somebody else by then.
type Held = bool;

impl Domain {
    /// Shows the results, all in one commit. False if the run is not this worker's or not wanted any more; then
    /// nothing is shown.
    pub async fn finish_run(&self, leased: &Leased, results: Results) -> Result<Held, Error> {
        let (leased, ids, now) = (leased.clone(), self.ids.clone(), self.now());
        let held =
            self.transact(move |tx| Box::pin(async move { finish(tx, &ids, &leased, results, now).await })).await?;
        self.ended();
        Ok(held)
    }

    /// Ends the run without results. A passing trouble gives it back to the queue while attempts are left.
    pub async fn fail_run(&self, leased: &Leased, message: String, permanent: bool) -> Result<Held, Error> {
        let (leased, ids, now) = (leased.clone(), self.ids.clone(), self.now());
        let attempts_left = i64::from(self.settings.attempts) - leased.run.attempts;
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let Some(run) = wanted(tx, &leased).await? else { return Ok(false) };
                if permanent || attempts_left <= 0 {
                    jobs::finish(tx, leased.job, Some(&message)).await?;
                    complain(tx, &ids, run, &RunReason::Message(message), now).await?;
                } else {
                    jobs::retry(tx, leased.job, now.after(pause(run.attempts)), &message).await?;
                    let step = "waiting for another attempt".to_owned();
                    runs::update(tx, &Run { state: RunState::Queued, step, message: Some(message), ..run }).await?;
                }
                Ok(true)
            })
        });
        let held = work.await?;
        self.ended();
        Ok(held)
    }

    /// Gives the run back to the queue because this worker was asked to stop; the attempt does not count.
    pub async fn release_run(&self, leased: &Leased) -> Result<Held, Error> {
        let (leased, now) = (leased.clone(), self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let Some(run) = wanted(tx, &leased).await? else { return Ok(false) };
                jobs::release(tx, leased.job, now).await?;
                let (step, attempts) = ("waiting for a worker".to_owned(), run.attempts - 1);
                runs::update(tx, &Run { state: RunState::Queued, step, attempts, ..run }).await?;
                Ok(true)
            })
        });
        let held = work.await?;
        self.ended();
        Ok(held)
    }

    fn ended(&self) {
        self.announce();
        self.run_changed().notify_waiters();
    }
}

/// Pause before the next attempt: 1, 2, 4… s, at most a minute.
fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(6);
    Duration::from_secs(1 << doublings).min(Duration::from_secs(60))
}

/// The run as it stands, if this worker still holds it.
async fn wanted(db: &mut Connection, leased: &Leased) -> Result<Option<Run>, Error> {
    if !jobs::is_held(db, leased.job, &leased.worker).await? {
        return Ok(None);
    }
    let run = runs::by_id(db, leased.run.id).await?;
    Ok(run.filter(|run| run.state == RunState::Running))
}

async fn finish(tx: &mut Tx, ids: &Ids, leased: &Leased, results: Results, now: Timestamp) -> Result<Held, Error> {
    let Some(run) = wanted(tx, leased).await? else { return Ok(false) };
    jobs::finish(tx, leased.job, None).await?;
    let Some(series) = living_folder(tx, run.folder).await? else {
        let step = "the folder was removed".to_owned();
        runs::update(tx, &Run { state: RunState::Superseded, step, finished_at: Some(now), ..run }).await?;
        return Ok(true);
    };
    if let Some(full) = no_room(tx, &series, &results.drafts).await? {
        complain(tx, ids, run, &RunReason::Message(full), now).await?;
        return Ok(true);
    }
    let act = act_of_run(run.id, now);
    remove_complaint(tx, &series, run.id, now).await?;
    let names: Vec<String> = results.drafts.iter().map(|draft| draft.name().to_owned()).collect();
    let (mut outputs, mut message) = (Vec::new(), results.message);
    if !names.is_empty() {
        let publication = Publication { folder_name: OUTPUT_FOLDER, drafts: results.drafts };
        let folder = publish(tx, ids, &series, publication, act).await?;
        if folder != OUTPUT_FOLDER {
            let elsewhere =
                format!("The folder {OUTPUT_FOLDER} is your own and was left alone; the results are in \"{folder}\".");
            message = Some(message.map_or(elsewhere.clone(), |said| format!("{said} {elsewhere}")));
        }
        outputs = names.iter().map(|name| format!("{folder}/{name}")).collect();
    }
    for earlier in runs::earlier_done(tx, &run).await? {
        let step = "its results were replaced by a later run".to_owned();
        runs::update(tx, &Run { state: RunState::Superseded, step, ..earlier }).await?;
    }
    let done = Run {
        state: RunState::Done,
        progress: 1.0,
        step: "done".to_owned(),
        message,
        digest: results.digest,
        outputs,
        finished_at: Some(now),
        ..run
    };
    runs::update(tx, &done).await?;
    Ok(true)
}

async fn living_folder(db: &mut Connection, id: ItemId) -> Result<Option<Item>, Error> {
    let (_, lives) = items::path(db, id).await?;
    Ok(if lives { items::by_id(db, id).await? } else { None })
}

/// Why the results do not fit into the space, if they do not.
async fn no_room(db: &mut Connection, series: &Item, drafts: &[Draft]) -> Result<Option<String>, Error> {
    let Some(space) = spaces::by_id(db, series.space).await? else { return Ok(None) };
    let membership =
        crate::Membership { space, role: stitchbox_schema::Role::Editor, scope: crate::Scope::default(), via: None };
    let needed: i64 = drafts.iter().map(Draft::size).sum();
    // What the runs before wrote is replaced and counts no more.
    let folder = free_for_runs(db, series.id, OUTPUT_FOLDER, "").await?;
    let replaced = items::child(db, series.id, &folder).await?.map_or(0, |folder| folder.size);
    match guard::quota(db, &membership, needed.saturating_sub(replaced)).await {
        Ok(()) => Ok(None),
        Err(full @ Error::QuotaExceeded { .. }) => Ok(Some(format!("The results cannot be stored: {full}."))),
        Err(other) => Err(other),
    }
}

/// Ends a run as failed, with the reason beside the series.
pub(crate) async fn complain(
    tx: &mut Tx,
    ids: &Ids,
    run: Run,
    reason: &RunReason,
    now: Timestamp,
) -> Result<(), Error> {
    let text = reason.to_string();
    let mut outputs = Vec::new();
    if let Some(series) = living_folder(tx, run.folder).await? {
        let (stem, extension) = ERROR_FILE.rsplit_once('.').unwrap_or((ERROR_FILE, ""));
        let name = free_for_runs(tx, series.id, stem, &format!(".{extension}")).await?;
        let draft = draft_of_text(ids, &name, &format!("{text}\n"), now)?;
        show_draft(tx, ids, &series, &name, draft, act_of_run(run.id, now)).await?;
        outputs.push(name);
    }
    let failed = Run {
        state: RunState::Failed,
        step: "failed".to_owned(),
        message: Some(text),
        outputs,
        finished_at: Some(now),
        ..run
    };
    runs::update(tx, &failed).await?;
    Ok(())
}

/// The complaint of an earlier run goes with the next success.
async fn remove_complaint(
    tx: &mut Tx,
    series: &Item,
    run: stitchbox_schema::RunId,
    now: Timestamp,
) -> Result<(), Error> {
    let (stem, extension) = ERROR_FILE.rsplit_once('.').unwrap_or((ERROR_FILE, ""));
    for child in items::children(tx, series.id).await? {
        let named_so = child.name.starts_with(stem) && child.name.ends_with(extension);
        if child.run.is_some() && !child.is_folder() && named_so {
            discard_derived(tx, series, &child, act_of_run(run, now)).await?;
        }
    }
    Ok(())
}

/// The unfinished runs of a folder give way to a new one; their workers notice at the next sign of life.
pub(crate) async fn supersede(tx: &mut Tx, folder: ItemId, now: Timestamp) -> Result<(), Error> {
    for run in runs::unfinished_of_folder(tx, folder).await? {
        jobs::finish_of_run(tx, run.id, "superseded").await?;
        let step = "superseded by a later run".to_owned();
        runs::update(tx, &Run { state: RunState::Superseded, step, finished_at: Some(now), ..run }).await?;
    }
    Ok(())
}
