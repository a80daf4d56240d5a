//! Content on its way: small files in batches, large ones a few at a time, downloads beside them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::carry_out::{Doing, PORTION};
use super::{Engine, SyncError, patiently};
use crate::chunks::LARGE;
use crate::digest::Sha256;
use crate::local::Stamp;
use crate::place::{PlaceError, Replaced, part_beside, put, stamp_at, vacate};
use crate::plan::{Action, Deed, Place};
use crate::remote::{Chunk, Expected, ItemId, LocalFile, Progress, Remote, RemoteError, RemoteItem, UploadTarget};
use crate::report::{Event, Observer};
use crate::transfer::{BATCH_BYTES, BATCH_FILES, SMALL};

/// An upload ready to go.
struct Outgoing {
    at: usize,
    folder: Option<ItemId>,
    name: Box<str>,
    target: UploadTarget,
    source: LocalFile,
}

/// A download ready to go.
struct Incoming {
    at: usize,
    item: RemoteItem,
    path: String,
    target: PathBuf,
    replaced: Option<Replaced>,
    /// The local content, where there is one.
    content: Option<Sha256>,
}

/// What came of the transfer of action number `at`.
struct Arrival {
    at: usize,
    outcome: Outcome,
}

enum Outcome {
    Sent(RemoteItem, Vec<Chunk>),
    Fetched { stamp: Stamp, sha256: Sha256, chunks: Vec<Chunk>, kept: bool },
    FailedThere(RemoteError),
    FailedHere(PlaceError),
}

struct Counter(Arc<dyn Observer>);

impl Progress for Counter {
    fn bytes(&self, more: u64) {
        self.0.event(Event::Bytes { more });
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Lane {
    Batches,
    Large,
    Downloads,
}

impl<R: Remote> Engine<R> {
    pub(super) async fn transfer(&mut self, actions: &[Action], doing: &mut Doing<'_>) -> Result<(), SyncError> {
        let (mut small, mut large, mut incoming) = (Vec::new(), VecDeque::new(), VecDeque::new());
        for (at, action) in actions.iter().enumerate() {
            match &action.deed {
                Deed::Upload { to, replaces } => {
                    let Some(outgoing) = self.outgoing(at, action, to, *replaces, doing).await? else { continue };
                    if outgoing.source.size <= SMALL { small.push(outgoing) } else { large.push_back(outgoing) }
                }
                Deed::Download { to, replaces, keep_as } => {
                    incoming.extend(self.incoming(at, action, to, *replaces, keep_as.as_deref(), doing));
                }
                _ => {}
            }
        }
        self.remember_sending(&small, &large).await?;
        let mut batches = in_batches(small, self.settings.batches);
        let mut running: JoinSet<(Lane, Vec<Arrival>)> = JoinSet::new();
        let mut count = [0_usize; 3];
        let limit = [self.settings.batches, self.settings.large_uploads, self.settings.downloads].map(|n| n.max(1));
        loop {
            for lane in [Lane::Batches, Lane::Large, Lane::Downloads] {
                while doing.over.is_none() && count[lane as usize] < limit[lane as usize] {
                    let begun = match lane {
                        Lane::Batches => {
                            batches.pop_front().map(|batch| self.send_batch(batch, actions, &mut running, doing))
                        }
                        Lane::Large => large.pop_front().map(|one| self.send_large(one, actions, &mut running, doing)),
                        Lane::Downloads => {
                            incoming.pop_front().map(|one| self.fetch(one, actions, &mut running, doing))
                        }
                    };
                    if begun.is_none() {
                        break;
                    }
                    count[lane as usize] += 1;
                }
            }
            let Some(ended) = running.join_next().await else { break };
            let (lane, arrivals) = ended.map_err(|error| SyncError::Broken(error.to_string()))?;
            count[lane as usize] = count[lane as usize].saturating_sub(1);
            for arrival in arrivals {
                if let Outcome::FailedHere(PlaceError::Full)
                | Outcome::FailedThere(RemoteError::LocalFile { full: true, .. }) = &arrival.outcome
                {
                    incoming.clear(); // nothing more fits: the rest comes in another pass
                }
                if let Outcome::FailedThere(RemoteError::NoSpace) = &arrival.outcome {
                    batches.clear();
                    large.clear();
                }
                self.arrive(arrival, actions, doing);
            }
            if doing.writes.len() >= PORTION {
                self.flush(doing).await?;
            }
        }
        Ok(())
    }

    /// Writes down what is about to be sent, before it is: should the end of it never be heard, it is known as ours.
    async fn remember_sending(&mut self, small: &[Outgoing], large: &VecDeque<Outgoing>) -> Result<(), SyncError> {
        let Some(state) = self.state.as_mut().filter(|_| small.len() + large.len() > 0) else { return Ok(()) };
        for one in small.iter().chain(large) {
            if let Some(folder) = &one.folder {
                state.sending.insert((folder.clone(), one.name.clone(), one.source.sha256));
            }
        }
        Ok(self.journal.set_sending(&state.sending).await?)
    }

    async fn outgoing(
        &mut self,
        at: usize,
        action: &Action,
        to: &Place,
        replaces: bool,
        doing: &Doing<'_>,
    ) -> Result<Option<Outgoing>, SyncError> {
        let Some(node) = doing.ledger.node(action.node) else { return Ok(None) };
        let place = if replaces { node.remote.as_ref().unwrap_or(to) } else { to };
        let (path, local) =
            (doing.ledger.remote_path(place), node.local.as_ref().and_then(|place| doing.ledger.local_path(place)));
        let (Some(path), Some(local), Some(sha256)) = (path, local, node.sha256) else { return Ok(None) };
        let expected = match node.item.as_ref().filter(|_| replaces) {
            Some(item) => Expected::Etag(item.etag.clone()),
            None => Expected::Absent,
        };
        let mut old_chunks = Vec::new();
        if let Some(((id, base), true)) = node.base.as_ref().map(|base| (base, replaces && node.stamp.size >= LARGE))
            && let Some(old) = base.sha256
        {
            old_chunks = self.journal.chunks(id, &old).await?;
        }
        let chunks = self.hashed.get(&node.stamp).map(|hashed| hashed.chunks.clone()).unwrap_or_default();
        let source = LocalFile {
            path: self.settings.root.join(local),
            size: node.stamp.size,
            mtime_ns: node.stamp.mtime_ns,
            sha256,
            chunks,
            old_chunks,
        };
        let folder = doing.ledger.node(place.parent).and_then(|folder| folder.item.as_ref());
        let (folder, name) = (folder.map(|item| item.id.clone()), place.name.clone());
        Ok(Some(Outgoing { at, folder, name, target: UploadTarget { path, expected }, source }))
    }

    fn incoming(
        &self,
        at: usize,
        action: &Action,
        to: &Place,
        replaces: bool,
        keep_as: Option<&str>,
        doing: &Doing<'_>,
    ) -> Option<Incoming> {
        let node = doing.ledger.node(action.node)?;
        let item = node.item.clone()?;
        let place = if replaces { node.local.as_ref().unwrap_or(to) } else { to };
        let target = self.settings.root.join(doing.ledger.local_path(place)?);
        let replaced =
            replaces.then(|| Replaced { stamp: node.stamp, keep_as: keep_as.map(|name| target.with_file_name(name)) });
        let path = doing.ledger.remote_path(node.remote.as_ref()?)?;
        Some(Incoming { at, item, path, target, replaced, content: node.sha256.filter(|_| replaces) })
    }

    fn send_batch(
        &self,
        batch: Vec<Outgoing>,
        actions: &[Action],
        running: &mut JoinSet<(Lane, Vec<Arrival>)>,
        doing: &Doing<'_>,
    ) {
        for one in &batch {
            self.begun(one.at, actions, doing);
        }
        let (remote, observer, retries) = (self.remote.clone(), self.observer.clone(), self.settings.retries);
        running.spawn(async move {
            let (mut arrivals, mut files, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
            for one in batch {
                match unchanged(&one.source) {
                    true => {
                        numbers.push(one.at);
                        files.push((one.target, one.source));
                    }
                    false => arrivals.push(Arrival { at: one.at, outcome: Outcome::FailedHere(PlaceError::Changed) }),
                }
            }
            let counter = Counter(observer.clone());
            let sent = patiently(retries, &observer, || async {
                let answers = remote.upload_small(files.clone(), &counter).await;
                // the whole request failed: so did each, in the same way
                match answers.first() {
                    Some(Err(error)) if error.is_passing() => Err(error.clone()),
                    _ => Ok(answers),
                }
            })
            .await;
            let answers = match sent {
                Ok(answers) => answers,
                Err(error) => files.iter().map(|_| Err(error.clone())).collect(),
            };
            let mut answers = answers.into_iter();
            for (at, (_, source)) in numbers.into_iter().zip(files) {
                let missing = || Err(RemoteError::Other { status: 0, text: "no answer for this file".to_owned() });
                let outcome = match answers.next().unwrap_or_else(missing) {
                    Ok(item) => Outcome::Sent(item, source.chunks),
                    Err(error) => Outcome::FailedThere(error),
                };
                arrivals.push(Arrival { at, outcome });
            }
            (Lane::Batches, arrivals)
        });
    }

    fn send_large(
        &self,
        one: Outgoing,
        actions: &[Action],
        running: &mut JoinSet<(Lane, Vec<Arrival>)>,
        doing: &Doing<'_>,
    ) {
        self.begun(one.at, actions, doing);
        let (remote, observer, retries) = (self.remote.clone(), self.observer.clone(), self.settings.retries);
        running.spawn(async move {
            let counter = Counter(observer.clone());
            let outcome = if unchanged(&one.source) {
                let sent =
                    patiently(retries, &observer, || remote.upload(one.target.clone(), one.source.clone(), &counter))
                        .await;
                match sent {
                    Ok(item) => Outcome::Sent(item, one.source.chunks),
                    Err(error) => Outcome::FailedThere(error),
                }
            } else {
                Outcome::FailedHere(PlaceError::Changed)
            };
            (Lane::Large, vec![Arrival { at: one.at, outcome }])
        });
    }

    fn fetch(&self, one: Incoming, actions: &[Action], running: &mut JoinSet<(Lane, Vec<Arrival>)>, doing: &Doing<'_>) {
        self.begun(one.at, actions, doing);
        let (remote, observer, retries) = (self.remote.clone(), self.observer.clone(), self.settings.retries);
        running.spawn(async move {
            let counter = Counter(observer.clone());
            let temp = part_beside(&one.target, &format!("{}|{}", one.item.id, one.item.etag.0));
            vacate(&temp);
            let fetched =
                patiently(retries, &observer, || remote.download(&one.item, &one.path, &temp, &counter)).await;
            let outcome = match fetched {
                Err(error) => Outcome::FailedThere(error),
                Ok(fetched) => {
                    let (sha256, chunks, mtime_ns) = (fetched.sha256, fetched.chunks, fetched.mtime_ns);
                    let placed = tokio::task::spawn_blocking(move || match &one.replaced {
                        // the server had not told the digest, and the content turns out to be ours
                        Some(replaced) if one.content == Some(sha256) => {
                            let _ = std::fs::remove_file(&temp);
                            Ok((replaced.stamp, false))
                        }
                        replaced => {
                            let kept = replaced.as_ref().is_some_and(|replaced| replaced.keep_as.is_some());
                            put(&temp, &one.target, mtime_ns, replaced.as_ref()).map(|stamp| (stamp, kept))
                        }
                    });
                    match placed.await {
                        Ok(Ok((stamp, kept))) => Outcome::Fetched { stamp, sha256, chunks, kept },
                        Ok(Err(error)) => Outcome::FailedHere(error),
                        Err(error) => Outcome::FailedHere(PlaceError::Refused(std::io::Error::other(error))),
                    }
                }
            };
            (Lane::Downloads, vec![Arrival { at: one.at, outcome }])
        });
    }

    fn begun(&self, at: usize, actions: &[Action], doing: &Doing<'_>) {
        if let Some(step) = actions.get(at).and_then(|action| doing.plan.step(action)) {
            self.observer.event(Event::Begun { step });
        }
    }

    fn arrive(&mut self, arrival: Arrival, actions: &[Action], doing: &mut Doing<'_>) {
        let Some(action) = actions.get(arrival.at) else { return };
        let Some(node) = doing.ledger.node(action.node).cloned() else { return };
        match (arrival.outcome, &action.deed) {
            (Outcome::Sent(item, chunks), Deed::Upload { to, replaces }) => {
                doing.report.uploaded += 1;
                doing.report.uploaded_bytes += node.stamp.size;
                let place = if *replaces { node.remote.as_ref().unwrap_or(to) } else { to };
                doing.writes.extend(doing.ledger.uploaded(action.node, place, item, chunks));
            }
            (Outcome::Fetched { stamp, sha256, chunks, kept }, Deed::Download { to, replaces, keep_as }) => {
                doing.report.downloaded += 1;
                doing.report.downloaded_bytes += stamp.size;
                let place = if *replaces { node.local.as_ref().unwrap_or(to) } else { to };
                if let Some(path) = doing.ledger.local_path(place) {
                    doing.touched.extend(self.settings.root.join(&path).parent().map(PathBuf::from));
                    if let Some(copy) = keep_as.as_deref().filter(|_| kept) {
                        let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
                        doing.report.conflicts.push(format!("{folder}{copy}"));
                    }
                }
                doing.writes.extend(doing.ledger.downloaded(action.node, place, stamp, sha256, chunks));
            }
            (Outcome::FailedThere(error), _) => return self.failed_there(action, error, doing),
            (Outcome::FailedHere(error), _) => return self.failed_here(action, &error, doing),
            _ => return,
        }
        self.told(action, doing);
    }
}

/// Files of one plan in batches: full ones where there are many, evenly spread where there are few.
fn in_batches(files: Vec<Outgoing>, lanes: usize) -> VecDeque<Vec<Outgoing>> {
    let many = files.len().div_ceil(lanes.max(1)).clamp(1, BATCH_FILES);
    let mut batches = VecDeque::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for file in files {
        if batch.len() >= many || bytes + file.source.size > BATCH_BYTES && !batch.is_empty() {
            batches.push_back(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += file.source.size;
        batch.push(file);
    }
    if !batch.is_empty() {
        batches.push_back(batch);
    }
    batches
}

/// A last look before sending (the server checks the digest as well).
fn unchanged(source: &LocalFile) -> bool {
    stamp_at(&source.path).is_some_and(|stamp| stamp.size == source.size && stamp.mtime_ns == source.mtime_ns)
}
