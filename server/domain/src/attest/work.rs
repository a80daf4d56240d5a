//! A repetition under way: leased by one worker at a time, ended once.

use super::receive;
use super::request::result_folder;
use super::sign::Statement;
use crate::federation::Postbox;
use crate::{Domain, Error, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;
use stitchbox_provenance::{
    ATTESTATION_TYPE, Agreement, Attestation, Engines, MAX_PICTURE_BYTES, Pair, Picture, Repeated, Verdict,
};
use stitchbox_schema::documents::RerunState;
use stitchbox_schema::{JobId, SpaceKind, Timestamp};
use stitchbox_store::attest::{self, Rerun};
use stitchbox_store::jobs::{self, JobKind};
use stitchbox_store::{Connection, Tx, items, spaces, versions};

/// A repetition that this worker holds.
#[derive(Debug, Clone)]
pub struct LeasedRerun {
    /// The repetition.
    pub rerun: Rerun,
    /// The files of the series' folder as it is now, by name.
    pub series: Vec<(String, Version)>,
    /// The files of the folder with the results, by name.
    pub results: Vec<(String, Version)>,
    job: JobId,
    worker: String,
}

/// What a repetition brought.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was repeated.
    pub of: Repeated,
    /// With which engines.
    pub engine: Engines,
    /// The result digests.
    pub result_digest: Pair,
    /// How it came out.
    pub verdict: Verdict,
    /// The numbers behind it.
    pub numbers: Option<Agreement>,
    /// The difference map.
    pub picture: Option<Picture>,
}

/// How a repetition ends.
#[derive(Debug, Clone)]
pub enum RerunEnding {
    /// With a verdict.
    Done(Box<Outcome>),
    /// It cannot be repeated as it is: an input is not what the crate says, the engine is another.
    Refused(String),
    /// Something went wrong here; trying again helps or does not.
    Failed {
        /// What.
        message: String,
        /// Whether trying again must fail again.
        permanent: bool,
    },
}

/// Whether the worker still held it.
type Held = bool;

enum Taken {
    Nothing,
    Settled,
    Rerun(Box<LeasedRerun>),
}

impl Domain {
    /// Leases the repetition that waits longest. One whose workers died too often, or whose folder is gone, ends here.
    pub async fn lease_rerun(&self, worker: &str) -> Result<Option<LeasedRerun>, Error> {
        loop {
            let now = self.now();
            if !jobs::is_waiting(&mut *self.store.read().await?, JobKind::Rerun, now).await? {
                return Ok(None);
            }
            let (domain, worker) = (self.clone(), worker.to_owned());
            let taken = self.transact(move |tx| Box::pin(async move { domain.take_rerun(tx, &worker, now).await }));
            match taken.await? {
                Taken::Nothing => return Ok(None),
                Taken::Settled => {}
                Taken::Rerun(leased) => return Ok(Some(*leased)),
            }
        }
    }

    async fn take_rerun(&self, tx: &mut Tx, worker: &str, now: Timestamp) -> Result<Taken, Error> {
        let until = now.after(self.settings.lease);
        let Some(job) = jobs::lease(tx, JobKind::Rerun, worker, now, until).await? else { return Ok(Taken::Nothing) };
        let Some(rerun) = attest::rerun_by_id(tx, job.rerun()).await?.filter(|rerun| !rerun.state.is_over()) else {
            jobs::finish(tx, job.id, Some("the repetition has ended")).await?;
            return Ok(Taken::Settled);
        };
        let (_, lives) = items::path(tx, rerun.folder).await?;
        let results = if lives { result_folder(tx, rerun.folder).await? } else { None };
        let gone = if job.attempts > i64::from(self.settings.attempts) {
            Some(
                "It was begun too often and no worker finished it; tell the administrator, who finds the reason in the log.",
            )
        } else if results.is_none() {
            Some("The folder, or the crate in it, is not there any more.")
        } else {
            None
        };
        let (Some(results), None) = (results, gone) else {
            jobs::finish(tx, job.id, gone).await?;
            end(tx, Rerun { state: RerunState::Failed, message: gone.map(str::to_owned), ..rerun }, now).await?;
            return Ok(Taken::Settled);
        };
        let rerun = Rerun { state: RerunState::Fetching, attempts: job.attempts, started_at: Some(now), ..rerun };
        attest::update_rerun(tx, &rerun).await?;
        let series = versions::shown_in(tx, rerun.folder).await?;
        let results = versions::shown_in(tx, results.id).await?;
        Ok(Taken::Rerun(Box::new(LeasedRerun { rerun, series, results, job: job.id, worker: worker.to_owned() })))
    }

    /// Prolongs the lease and notes where it stands; false if somebody else has it.
    pub async fn keep_rerun(&self, leased: &LeasedRerun, state: RerunState) -> Result<Held, Error> {
        let (leased, until) = (leased.clone(), self.now().after(self.settings.lease));
        let work = self.transact(move |tx| {
            Box::pin(async move {
                if !jobs::prolong(tx, leased.job, &leased.worker, until).await? {
                    return Ok(false);
                }
                let Some(rerun) = wanted(tx, &leased).await? else { return Ok(false) };
                if rerun.state != state {
                    attest::update_rerun(tx, &Rerun { state, ..rerun }).await?;
                }
                Ok(true)
            })
        });
        work.await
    }

    /// Gives it back to the queue because this worker was asked to stop; the attempt does not count.
    pub async fn release_rerun(&self, leased: &LeasedRerun) -> Result<Held, Error> {
        let (leased, now) = (leased.clone(), self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let Some(rerun) = wanted(tx, &leased).await? else { return Ok(false) };
                jobs::release(tx, leased.job, now).await?;
                let attempts = rerun.attempts - 1;
                attest::update_rerun(tx, &Rerun { state: RerunState::Queued, attempts, ..rerun }).await?;
                Ok(true)
            })
        });
        work.await
    }

    /// Ends a repetition. A verdict is signed; for a received folder it is on its way to the owner when this returns, for one
    /// of our own it stands beside the results.
    pub async fn finish_rerun(&self, leased: &LeasedRerun, ending: RerunEnding) -> Result<Held, Error> {
        let (now, mut signed) = (self.now(), None);
        if let RerunEnding::Done(outcome) = &ending {
            let attestation = self.attestation(outcome, now);
            let jws = self.sign(Statement::Attestation(&attestation)).await?;
            signed = Some((attestation, jws));
        }
        let (domain, leased, postbox) = (self.clone(), leased.clone(), self.postbox());
        let attempts_left = i64::from(self.settings.attempts) - leased.rerun.attempts;
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let Some(rerun) = wanted(tx, &leased).await? else { return Ok(false) };
                match (ending, signed) {
                    (RerunEnding::Done(outcome), Some((attestation, jws))) => {
                        jobs::finish(tx, leased.job, None).await?;
                        let rerun = told(rerun, &outcome, &jws);
                        domain.tell(tx, &postbox, &rerun, &attestation, &jws).await?;
                        end(tx, rerun, now).await?;
                    }
                    (RerunEnding::Done(_), None) => return Ok(false),
                    (RerunEnding::Failed { message, permanent: false }, _) if attempts_left > 0 => {
                        let pause = Duration::from_secs(2 << leased.rerun.attempts.clamp(0, 4));
                        jobs::retry(tx, leased.job, now.after(pause), &message).await?;
                        let message = Some(message);
                        attest::update_rerun(tx, &Rerun { state: RerunState::Queued, message, ..rerun }).await?;
                    }
                    (RerunEnding::Failed { message, .. }, _) => {
                        jobs::finish(tx, leased.job, Some(&message)).await?;
                        end(tx, Rerun { state: RerunState::Failed, message: Some(message), ..rerun }, now).await?;
                    }
                    (RerunEnding::Refused(message), _) => {
                        jobs::finish(tx, leased.job, Some(&message)).await?;
                        end(tx, Rerun { state: RerunState::Refused, message: Some(message), ..rerun }, now).await?;
                    }
                }
                Ok(true)
            })
        });
        let held = work.await?;
        self.announce();
        self.run_changed().notify_waiters();
        self.wake_outbox();
        Ok(held)
    }

    fn attestation(&self, outcome: &Outcome, now: Timestamp) -> Attestation {
        let picture = outcome.picture.as_ref().filter(|picture| picture.png.len() <= MAX_PICTURE_BYTES);
        Attestation {
            kind: ATTESTATION_TYPE.to_owned(),
            iss: self.origin().to_owned(),
            site: self.site_name(),
            iat: now.0.div_euclid(1_000_000_000),
            of: outcome.of.clone(),
            engine: outcome.engine.clone(),
            result_digest: outcome.result_digest.clone(),
            verdict: outcome.verdict,
            numbers: outcome.numbers.clone(),
            difference_png: picture.map(|picture| STANDARD.encode(&picture.png)),
        }
    }

    /// Sends the statement to the owner of a received folder, or takes it in where the folder is our own.
    async fn tell(
        &self,
        tx: &mut Tx,
        postbox: &Postbox,
        rerun: &Rerun,
        attestation: &Attestation,
        jws: &str,
    ) -> Result<(), Error> {
        let Some(space) = spaces::by_id(tx, rerun.space).await? else { return Ok(()) };
        if space.kind == SpaceKind::Received {
            return crate::federation::post_attestation(tx, postbox, space.id, jws).await;
        }
        // A folder that was copied from elsewhere speaks of a run that is not ours; the statement stays with the repetition.
        let Some(run) = receive::run_meant(tx, attestation).await? else { return Ok(()) };
        if run.folder == rerun.folder {
            receive::accept(tx, &self.ids, run, &self.site_name(), attestation, jws, postbox.now).await?;
        }
        Ok(())
    }
}

fn told(rerun: Rerun, outcome: &Outcome, jws: &str) -> Rerun {
    Rerun {
        state: RerunState::Done,
        message: outcome.numbers.as_ref().map(|numbers| numbers.remark.clone()),
        verdict: Some(outcome.verdict.as_str().to_owned()),
        their_digest: Some(outcome.result_digest.theirs.clone()),
        our_digest: Some(outcome.result_digest.ours.clone()),
        attestation: Some(jws.to_owned()),
        numbers: outcome.numbers.as_ref().and_then(|numbers| serde_json::to_string(numbers).ok()),
        ..rerun
    }
}

async fn end(tx: &mut Tx, rerun: Rerun, now: Timestamp) -> Result<(), Error> {
    Ok(attest::update_rerun(tx, &Rerun { finished_at: Some(now), ..rerun }).await?)
}

/// The repetition as it stands, if this worker still holds it.
async fn wanted(db: &mut Connection, leased: &LeasedRerun) -> Result<Option<Rerun>, Error> {
    if !jobs::is_held(db, leased.job, &leased.worker).await? {
        return Ok(None);
    }
    Ok(attest::rerun_by_id(db, leased.rerun.id).await?.filter(|rerun| !rerun.state.is_over()))
}
