//! Doing what a plan says: structure first, then transfers, then deletions. A step that fails is a problem of its own and stops no other,
//! unless the server cannot be reached at all.

use std::path::PathBuf;
use std::time::SystemTime;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::{Engine, SyncError, patiently};
use crate::ledger::{Ledger, Write};
use crate::place::{self, PlaceError, Trash};
use crate::plan::{Action, Deed, Place, Plan, Problem};
use crate::reconcile::Begun;
use crate::remote::{Kind, Remote, RemoteError};
use crate::report::{Event, Report};
use crate::scan::Scan;

/// Journal writes are stored in portions of about so many.
pub(super) const PORTION: usize = 400;
/// Requests that move no content under way at once.
const SMALL_REQUESTS: usize = 8;

/// A plan being carried out.
pub(super) struct Doing<'a> {
    pub plan: &'a Plan,
    pub scan: &'a Scan,
    pub ledger: Ledger,
    pub report: &'a mut Report,
    pub failures: Vec<Problem>,
    pub writes: Vec<Write>,
    /// Folders in which names were changed; fsynced before the journal hears of it.
    pub touched: std::collections::HashSet<PathBuf>,
    /// The server could not be reached or does not know us: the pass ends.
    pub over: Option<RemoteError>,
    /// Steps the journal was told of before they were done.
    pub begun: Vec<Begun>,
}

impl<R: Remote> Engine<R> {
    /// Carries a plan out; returns what failed.
    pub(super) async fn carry_out(
        &mut self,
        plan: &Plan,
        scan: &Scan,
        report: &mut Report,
    ) -> Result<Vec<Problem>, SyncError> {
        let mut doing = Doing {
            plan,
            scan,
            ledger: Ledger::new(plan),
            report,
            failures: Vec::new(),
            writes: plan.forgotten.iter().cloned().map(Write::Forget).collect(),
            touched: std::collections::HashSet::new(),
            over: None,
            begun: Vec::new(),
        };
        self.flush(&mut doing).await?;
        let mut rest = &plan.actions[..];
        while let Some(first) = rest.first() {
            let class = Class::of(&first.deed);
            let end = rest.iter().position(|action| Class::of(&action.deed) != class).unwrap_or(rest.len());
            let (run, later) = rest.split_at(end);
            self.remember_begun(run, &mut doing).await?;
            match class {
                Class::Here => self.do_here(run, &mut doing),
                Class::Moves => self.move_there(run, &mut doing).await,
                Class::Folders => self.make_folders(run, &mut doing).await,
                Class::Transfers => self.transfer(run, &mut doing).await?,
                Class::Deletions => self.delete_there(run, &mut doing).await,
            }
            self.flush(&mut doing).await?;
            if let Some(error) = doing.over.take() {
                return Err(error.into());
            }
            rest = later;
        }
        let agreed: Vec<Write> = plan.agreed.iter().filter_map(|node| doing.ledger.agree(*node)).collect();
        doing.writes.extend(agreed);
        self.flush(&mut doing).await?;
        if !doing.begun.is_empty() {
            self.journal.set_begun(&[]).await?;
        }
        Ok(doing.failures)
    }

    /// Writes down what is about to be done, before it is: should the journal never hear the end of it, it can be recognised.
    async fn remember_begun(&mut self, actions: &[Action], doing: &mut Doing<'_>) -> Result<(), SyncError> {
        let before = doing.begun.len();
        for action in actions {
            let (Deed::LocalFolder(to) | Deed::LocalMove(to) | Deed::RemoteMove(to) | Deed::Download { to, .. }) =
                &action.deed
            else {
                continue;
            };
            let (node, folder) = (doing.ledger.node(action.node), doing.ledger.node(to.parent));
            let item = node.and_then(|node| node.item.as_ref());
            let parent = folder.and_then(|folder| folder.item.as_ref()).map(|item| item.id.clone());
            // a folder in a folder that is yet to be made has no path but the plan's
            let planned = || doing.plan.step(action).map(|step| step.to.unwrap_or(step.path));
            let path = doing.ledger.local_path(to).or_else(planned);
            if let (Some(item), Some(path), Some(parent)) = (item, path, parent) {
                let brings = matches!(action.deed, Deed::Download { .. });
                doing.begun.push(Begun {
                    id: item.id.clone(),
                    path,
                    parent,
                    name: to.name.clone(),
                    kind: item.kind,
                    etag: item.etag.clone(),
                    sha256: item.sha256.filter(|_| brings),
                });
            }
        }
        if doing.begun.len() > before {
            self.journal.set_begun(&doing.begun).await?;
        }
        Ok(())
    }

    /// Stores the journal's writes, after the names they speak of are durable.
    pub(super) async fn flush(&mut self, doing: &mut Doing<'_>) -> Result<(), SyncError> {
        let touched = std::mem::take(&mut doing.touched);
        if !touched.is_empty() {
            let synced = tokio::task::spawn_blocking(move || {
                touched.iter().for_each(|folder| place::sync_folder(Some(folder)));
            });
            synced.await.map_err(|error| SyncError::Broken(error.to_string()))?;
        }
        let writes = std::mem::take(&mut doing.writes);
        for portion in writes.chunks(PORTION * 4) {
            self.store(portion).await?;
        }
        Ok(())
    }

    fn do_here(&mut self, actions: &[Action], doing: &mut Doing<'_>) {
        let trash = Trash { root: self.settings.root.clone(), bin: self.bin() };
        for action in actions {
            let Some(node) = doing.ledger.node(action.node).cloned() else { continue };
            let local = node.local.as_ref().and_then(|place| doing.ledger.local_path(place));
            let outcome = match &action.deed {
                Deed::LocalFolder(to) => {
                    let Some(path) = doing.ledger.local_path(to) else { continue };
                    let path = self.settings.root.join(path);
                    place::make_folder(&path).map(|stamp| {
                        doing.touched.extend(path.parent().map(PathBuf::from));
                        doing.report.folders += 1;
                        doing.ledger.folder_here(action.node, to, stamp)
                    })
                }
                Deed::LocalMove(to) => {
                    let (Some(from), Some(path)) = (local, doing.ledger.local_path(to)) else { continue };
                    let (from, path) = (self.settings.root.join(from), self.settings.root.join(path));
                    place::relocate(&from, &path, node.stamp.inode).map(|()| {
                        doing.report.moved += 1;
                        doing.ledger.moved_here(action.node, to)
                    })
                }
                Deed::Trash => {
                    let (Some(path), Some(entry)) = (local, node.entry) else { continue };
                    trash.take(&path, entry, &doing.scan.tree, &doing.scan.selection).map(|()| {
                        doing.report.deleted_here += 1;
                        doing.ledger.trashed(action.node)
                    })
                }
                _ => continue,
            };
            match outcome {
                Ok(writes) => {
                    doing.writes.extend(writes);
                    self.told(action, doing);
                }
                Err(error) => self.failed_here(action, &error, doing),
            }
        }
    }

    /// The folder of this pass in the local trash.
    fn bin(&self) -> Option<PathBuf> {
        self.settings.trash?;
        let now = time::OffsetDateTime::from(SystemTime::now());
        let name = format!("{} {:02}", super::minute(now.into()), now.second());
        Some(self.own_folder.join("trash").join(name))
    }

    async fn move_there(&mut self, actions: &[Action], doing: &mut Doing<'_>) {
        for action in actions {
            let Deed::RemoteMove(to) = &action.deed else { continue };
            let Some(node) = doing.ledger.node(action.node).cloned() else { continue };
            let from = node.remote.as_ref().and_then(|place| doing.ledger.remote_path(place));
            let (Some(from), Some(path)) = (from, doing.ledger.remote_path(to)) else { continue };
            // a folder's ETag says nothing about the folder's place
            let expected = node.item.as_ref().filter(|_| node.kind == Kind::File).map(|item| &item.etag);
            match self.patiently(|| self.remote.relocate(&from, &path, expected)).await {
                Ok(item) => {
                    doing.report.moved += 1;
                    doing.writes.extend(doing.ledger.moved_there(action.node, to, item));
                    self.told(action, doing);
                }
                Err(error) => self.failed_there(action, error, doing),
            }
            if doing.over.is_some() {
                return;
            }
        }
    }

    /// Folders of one depth are made at once.
    async fn make_folders(&mut self, actions: &[Action], doing: &mut Doing<'_>) {
        let mut rest: Vec<(&Action, &Place)> = actions
            .iter()
            .filter_map(|action| match &action.deed {
                Deed::RemoteFolder(to) => Some((action, to)),
                _ => None,
            })
            .collect();
        while !rest.is_empty() && doing.over.is_none() {
            let (now, later): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(_, to)| doing.ledger.remote_path(to).is_some());
            if now.is_empty() {
                return; // the folders around them could not be made, which is said already
            }
            let mut requests = Vec::new();
            for (at, (_, to)) in now.iter().enumerate() {
                let Some(path) = doing.ledger.remote_path(to) else { continue };
                let (remote, observer, retries) = (self.remote.clone(), self.observer.clone(), self.settings.retries);
                let request = async move { (at, patiently(retries, &observer, || remote.make_folder(&path)).await) };
                requests.push(request.boxed());
            }
            for (at, made) in several(requests).await {
                let Some((action, to)) = now.get(at).copied() else { continue };
                match made {
                    Ok(item) => {
                        doing.report.folders += 1;
                        doing.writes.extend(doing.ledger.folder_there(action.node, to, item));
                        self.told(action, doing);
                    }
                    Err(error) => self.failed_there(action, error, doing),
                }
            }
            rest = later;
        }
    }

    async fn delete_there(&mut self, actions: &[Action], doing: &mut Doing<'_>) {
        let mut requests = Vec::new();
        for (at, action) in actions.iter().enumerate() {
            let Some(node) = doing.ledger.node(action.node) else { continue };
            let path = node.remote.as_ref().and_then(|place| doing.ledger.remote_path(place));
            let (Some(path), Some(item)) = (path, node.item.clone()) else { continue };
            let (remote, observer, retries) = (self.remote.clone(), self.observer.clone(), self.settings.retries);
            let request = async move {
                let deleted = patiently(retries, &observer, || remote.delete(&path, &item.etag)).await;
                (at, (item, deleted))
            };
            requests.push(request.boxed());
        }
        for (at, (item, deleted)) in several(requests).await {
            let Some(action) = actions.get(at) else { continue };
            match deleted {
                Ok(()) | Err(RemoteError::Gone) => {
                    doing.report.deleted_there += 1;
                    doing.writes.extend(doing.ledger.deleted_there(action.node));
                    self.told(action, doing);
                }
                Err(error) => {
                    // something unseen may be below: look before deleting
                    if matches!(error, RemoteError::Changed) && item.kind == Kind::Folder {
                        self.relist.insert(item.id);
                    }
                    self.failed_there(action, error, doing);
                }
            }
        }
    }

    pub(super) fn told(&self, action: &Action, doing: &Doing<'_>) {
        if let Some(step) = doing.plan.step(action) {
            self.observer.event(Event::Done { step });
        }
    }

    pub(super) fn failed_here(&self, action: &Action, error: &PlaceError, doing: &mut Doing<'_>) {
        let next = match error {
            PlaceError::Changed => "It is compared again.",
            PlaceError::Full => "It is tried again in the next pass.",
            PlaceError::Refused(_) => "It is tried again in the next pass; look at the permissions of the folder.",
        };
        self.failed(action, error.to_string(), next, doing);
    }

    pub(super) fn failed_there(&self, action: &Action, error: RemoteError, doing: &mut Doing<'_>) {
        let next = match &error {
            RemoteError::Changed | RemoteError::Gone | RemoteError::Exists => "It is compared again.",
            RemoteError::NameRefused { .. } => "It stays on this computer only; rename it.",
            RemoteError::Forbidden { .. } => "It stays as it is on both sides.",
            _ => "It is tried again in the next pass.",
        };
        self.failed(action, error.to_string(), next, doing);
        if error.is_passing() || error.ends_the_pass() {
            doing.over = Some(error);
        }
    }

    fn failed(&self, action: &Action, why: String, next: &str, doing: &mut Doing<'_>) {
        let path = doing.plan.step(action).map(|step| step.path).unwrap_or_default();
        let problem = Problem { path, why, next: next.to_owned() };
        self.observer.event(Event::Failed { problem: problem.clone() });
        doing.failures.push(problem);
    }
}

/// Makes requests, some at once; answers come with the requests' numbers in any order.
async fn several<T: Send>(requests: Vec<BoxFuture<'static, (usize, T)>>) -> Vec<(usize, T)> {
    futures::stream::iter(requests).buffer_unordered(SMALL_REQUESTS).collect().await
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Here,
    Moves,
    Folders,
    Transfers,
    Deletions,
}

impl Class {
    fn of(deed: &Deed) -> Self {
        match deed {
            Deed::LocalFolder(_) | Deed::LocalMove(_) | Deed::Trash => Self::Here,
            Deed::RemoteMove(_) => Self::Moves,
            Deed::RemoteFolder(_) => Self::Folders,
            Deed::Upload { .. } | Deed::Download { .. } => Self::Transfers,
            Deed::RemoteDelete => Self::Deletions,
        }
    }
}
