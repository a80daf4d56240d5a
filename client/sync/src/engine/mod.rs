//! The engine: passes over both sides. One pass is some rounds of *look, compare, do*, until there is nothing more to do.

mod carry_out;
mod error;
mod look;
mod open;
mod refresh;
mod transfers;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use error::SyncError;

use crate::hashing::Hashed;
use crate::journal::Journal;
use crate::ledger::Write;
use crate::local::Stamp;
use crate::mirror::Mirror;
use crate::names::LocalNames;
use crate::plan::{Plan, Problem};
use crate::reconcile::{Bases, Begun, Rules, Sending, reconcile, recover};
use crate::remote::{ItemId, Remote, RemoteError};
use crate::report::{Event, Observer, Report};
use crate::scan::Scan;
use crate::select::Selection;
use crate::settings::Settings;

/// A pass ends after so many rounds even if others keep changing things.
const ROUNDS: usize = 20;
/// The longest pause between two tries to reach the server.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One synced folder. It holds the folder's lock while it lives.
pub struct Engine<R: Remote> {
    remote: Arc<R>,
    observer: Arc<dyn Observer>,
    settings: Settings,
    selection: Selection,
    names: LocalNames,
    journal: Journal,
    own_folder: PathBuf,
    _lock: File,
    /// Mirror and bases, once they were needed; kept equal to the journal's.
    state: Option<State>,
    /// Folders to list again, because the server said they hold something unseen.
    relist: BTreeSet<ItemId>,
    /// Content of files hashed, as long as their stamps stay.
    hashed: HashMap<Stamp, Hashed>,
}

#[derive(Debug, Default)]
struct State {
    mirror: Mirror,
    bases: Bases,
    /// Uploads begun; what was confirmed is taken out.
    sending: Sending,
    /// Steps begun whose end was not stored.
    begun: Vec<Begun>,
}

impl State {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::Base(id, base) => {
                if let Some(sha256) = base.sha256.filter(|_| !self.sending.is_empty()) {
                    self.sending.remove(&(base.parent.clone(), base.name.clone(), sha256));
                }
                self.bases.insert(id.clone(), base.clone());
            }
            Write::Forget(id) => drop(self.bases.remove(id)),
            Write::Mirror(item) => drop(self.mirror.items.insert(item.id.clone(), item.clone())),
            Write::MirrorGone(id) => drop(self.mirror.items.remove(id)),
            Write::Chunks(..) => {}
        }
    }
}

/// What a look at both sides found.
enum Look {
    /// Nothing changed since both sides were equal.
    Quiet,
    /// Compare.
    Seen(Seen),
}

struct Seen {
    scan: Scan,
    quiet: Vec<u8>,
    problems: Vec<Problem>,
    /// Files touched just now: they can go soon.
    young: usize,
    /// Files some program has open.
    open: usize,
}

impl<R: Remote> Engine<R> {
    /// One pass: makes both sides equal and says what was done.
    ///
    /// # Errors
    /// [`SyncError`]; what was done before it is in the journal, and the next pass goes on from there.
    pub async fn sync_once(&mut self) -> Result<Report, SyncError> {
        let passed = self.pass().await;
        if passed.is_err() {
            self.state = None; // the journal may have heard less than the picture in memory
        }
        passed
    }

    async fn pass(&mut self) -> Result<Report, SyncError> {
        let mut report = Report::default();
        let mut waited = false;
        self.purge_trash();
        for round in 1..=ROUNDS {
            report.rounds = round;
            let seen = match self.look().await? {
                Look::Quiet => {
                    report.unchanged = round == 1;
                    break;
                }
                Look::Seen(seen) => seen,
            };
            self.recover(&seen).await?;
            let plan = self.compare(&seen)?;
            report.files = seen.scan.tree.files();
            report.waiting = seen.young + seen.open;
            report.problems = seen.problems.clone();
            report.problems.extend(plan.problems.iter().cloned());
            if plan.is_empty() {
                if seen.young > 0 && !waited {
                    waited = true;
                    tokio::time::sleep(self.settings.quiet).await;
                    continue;
                }
                self.settle(&seen, &report).await?;
                break;
            }
            self.check_guard(&plan)?;
            let failures = self.carry_out(&plan, &seen.scan, &mut report).await?;
            let progress = plan.actions.is_empty() || failures.len() < plan.actions.len() || !self.relist.is_empty();
            report.problems.extend(failures);
            if !progress {
                if seen.young == 0 || waited {
                    break;
                }
                waited = true;
                tokio::time::sleep(self.settings.quiet).await;
            }
        }
        Ok(report)
    }

    /// What a pass would do; nothing is changed but the journal's picture of the server.
    ///
    /// # Errors
    /// [`SyncError`]
    pub async fn plan(&mut self) -> Result<Plan, SyncError> {
        match self.look().await? {
            Look::Quiet => Ok(Plan::default()),
            Look::Seen(seen) => {
                self.recover(&seen).await?;
                let mut plan = self.compare(&seen)?;
                plan.problems.splice(0..0, seen.problems);
                Ok(plan)
            }
        }
    }

    /// Ends it; the journal is closed properly.
    pub async fn close(self) {
        self.journal.close().await;
    }

    /// After a crash: what was done and not stored is stored now.
    async fn recover(&mut self, seen: &Seen) -> Result<(), SyncError> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let begun = std::mem::take(&mut state.begun);
        if begun.is_empty() {
            return Ok(());
        }
        let writes = recover(&seen.scan.tree, &state.mirror, &state.bases, &begun);
        tracing::info!(begun = begun.len(), recovered = writes.len(), "the last pass was broken off");
        self.store(&writes).await?;
        Ok(self.journal.set_begun(&[]).await?)
    }

    fn compare(&self, seen: &Seen) -> Result<Plan, SyncError> {
        let Some(state) = &self.state else { return Ok(Plan::default()) };
        let when = minute(SystemTime::now());
        let rules = Rules {
            when: &when,
            host: &self.settings.host,
            names: self.names,
            sending: &state.sending,
            skips: &|path, folder| seen.scan.selection.skips(path, folder),
        };
        let plan = reconcile(&seen.scan.tree, &state.mirror, &state.bases, &rules);
        let bytes = |step: &crate::plan::Step| step.bytes;
        let steps = plan.steps();
        self.observer.event(Event::Planned {
            steps: steps.len(),
            files: steps.iter().filter_map(bytes).count(),
            bytes: steps.iter().filter_map(bytes).sum(),
        });
        Ok(plan)
    }

    fn check_guard(&self, plan: &Plan) -> Result<(), SyncError> {
        let too_many = |count: usize| count > self.settings.guard && count * 2 > plan.known_files;
        let refuse = |count, side| Err(SyncError::MassDelete { count, of: plan.known_files, side });
        match plan {
            _ if self.settings.allow_mass_delete => Ok(()),
            _ if too_many(plan.trashed_files) => refuse(plan.trashed_files, "on this computer"),
            _ if too_many(plan.deleted_files) => refuse(plan.deleted_files, "on the server"),
            _ => Ok(()),
        }
    }

    /// Both sides are equal: leftovers go, and the next look may be short.
    async fn settle(&mut self, seen: &Seen, report: &Report) -> Result<(), SyncError> {
        for part in &seen.scan.leftovers {
            let _ = std::fs::remove_file(part);
        }
        self.hashed.clear();
        if let Some(state) = self.state.as_mut().filter(|state| !state.sending.is_empty()) {
            state.sending.clear();
            self.journal.set_sending(&state.sending).await?;
        }
        if report.is_complete() {
            self.journal.set_mark("quiet", Some(&seen.quiet)).await?;
        }
        Ok(())
    }

    /// Writes to the journal and to the picture of it in memory.
    async fn store(&mut self, writes: &[Write]) -> Result<(), SyncError> {
        if let Some(state) = &mut self.state {
            writes.iter().for_each(|write| state.apply(write));
        }
        Ok(self.journal.store(writes).await?)
    }

    async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<T, RemoteError>>,
    {
        patiently(self.settings.retries, &self.observer, call).await
    }
}

/// Repeats a request while the server cannot be reached, with growing pauses.
async fn patiently<T, F>(retries: u32, observer: &Arc<dyn Observer>, call: impl Fn() -> F) -> Result<T, RemoteError>
where
    F: Future<Output = Result<T, RemoteError>>,
{
    let mut pause = Duration::from_millis(500);
    for _ in 0..retries {
        match call().await {
            Err(RemoteError::Offline { reason, retry_after }) => {
                let wait = retry_after.unwrap_or(pause).min(LONGEST_PAUSE);
                observer.event(Event::Offline { reason, pause: wait.as_secs() });
                tokio::time::sleep(wait).await;
                pause *= 2;
            }
            other => return other,
        }
    }
    call().await
}

/// `2026-11-20 08-15` (UTC).
fn minute(now: SystemTime) -> String {
    let now = time::OffsetDateTime::from(now);
    format!("{:04}-{:02}-{:02} {:02}-{:02}", now.year(), u8::from(now.month()), now.day(), now.hour(), now.minute())
}
