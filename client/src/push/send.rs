//! Sending the files of one stage: what is there already is not sent, small files go together, large ones several at a time.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use reqwest::Url;
use stitchbox_remote::{Connection, Expected, Known, Outgoing, Place, Small, WireError, below};
use stitchbox_sync::transfer::{BATCH_BYTES, BATCH_FILES, SMALL};

use crate::exit::Failure;
use crate::progress::Progress;
use crate::push::plan::LocalFile;
use crate::there::{There, Tree};

/// Batches on their way at the same time.
const BATCHES: usize = 3;

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    AlreadyThere,
    Failed(String),
}

/// Where the files of one push go.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub connection: &'a Connection,
    pub place: &'a Place,
    /// What is there.
    pub tree: &'a Tree,
    pub progress: &'a Progress,
    /// Files on their way at the same time.
    pub parallel: usize,
    /// Whether stored files are fetched again to be compared.
    pub reads_back: bool,
    /// Whether the server takes small files together.
    pub takes_batches: bool,
}

/// The names of the files that a push would send.
pub(super) async fn would_send(files: &[LocalFile], tree: &Tree) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for file in files {
        let there = tree.items.get(&file.name());
        let same_size = there.is_some_and(|there| there.size == Some(file.bytes) && there.sha256.is_some());
        let same = same_size
            && Outgoing::of(&file.path).await.is_ok_and(|here| Some(here.sha256) == there.and_then(|t| t.sha256));
        if !same {
            names.push(file.name());
        }
    }
    Ok(names)
}

impl<'a> Destination<'a> {
    /// Sends files that do not wait for one another; the results come in no order.
    pub(super) async fn send(self, files: Vec<&'a LocalFile>) -> Vec<(&'a LocalFile, Outcome)> {
        let mut outcomes = Vec::with_capacity(files.len());
        let mut ready = Vec::new();
        let looked = files.into_iter().map(|file| async move { (file, Outgoing::of(&file.path).await) });
        let mut looked = futures::stream::iter(looked).buffered(self.parallel);
        while let Some((file, outgoing)) = looked.next().await {
            match outgoing {
                Ok(outgoing) if self.is_there(file, &outgoing) => {
                    self.progress.skip(file.bytes);
                    outcomes.push((file, Outcome::AlreadyThere));
                }
                Ok(outgoing) => ready.push((file, outgoing)),
                Err(error) => outcomes.push((file, Outcome::Failed(error.to_string()))),
            }
        }
        if let Err(error) = self.make_folders(&ready).await {
            let why = format!("its folder could not be made: {error}");
            outcomes.extend(ready.into_iter().map(|(file, _)| (file, Outcome::Failed(why.clone()))));
            return outcomes;
        }
        let (small, large): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|(_, outgoing)| self.takes_batches && outgoing.size <= SMALL);
        let batches = futures::stream::iter(batches(small)).map(|batch| self.send_batch(batch));
        let sent: Vec<Vec<_>> = batches.buffer_unordered(BATCHES).collect().await;
        outcomes.extend(sent.into_iter().flatten());
        let singles = futures::stream::iter(large).map(|(file, outgoing)| async move {
            let outcome = self.send_one(file, &outgoing).await;
            (file, outcome)
        });
        outcomes.extend(singles.buffer_unordered(self.parallel).collect::<Vec<_>>().await);
        outcomes
    }

    /// Whether the server says it has exactly this content under this name already. Not enough for a server that may
    /// keep a checksum unread.
    fn is_there(self, file: &LocalFile, outgoing: &Outgoing) -> bool {
        let there = self.tree.items.get(&file.name());
        there.is_some_and(|t| t.size == Some(outgoing.size) && t.sha256 == Some(outgoing.sha256)) && !self.reads_back
    }

    fn expected(self, file: &LocalFile) -> Expected {
        match self.tree.items.get(&file.name()) {
            None => Expected::Absent,
            Some(There { etag: Some(etag), .. }) => Expected::Etag(etag.clone()),
            Some(There { etag: None, .. }) => Expected::Anything,
        }
    }

    /// The folders that are not there yet, those above first.
    async fn make_folders(self, files: &[(&LocalFile, Outgoing)]) -> Result<(), WireError> {
        let mut folders = BTreeSet::new();
        for (file, _) in files {
            let names = file.folder();
            folders.extend((1..=names.len()).filter_map(|depth| names.get(..depth).map(|names| names.join("/"))));
        }
        for folder in folders.into_iter().filter(|folder| !self.tree.items.contains_key(folder)) {
            match self.connection.make_folder(&self.url(&folder)).await {
                Ok(_) => {}
                // made meanwhile, or by the stage before
                Err(error) if error.status() == Some(405) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn send_batch(self, batch: Vec<(&'a LocalFile, Outgoing)>) -> Vec<(&'a LocalFile, Outcome)> {
        let small: Vec<Small> = batch
            .iter()
            .map(|(file, outgoing)| Small {
                path: file.name(),
                expected: self.expected(file),
                outgoing: outgoing.clone(),
            })
            .collect();
        match self.connection.store_small(&self.place.address, &small, &self.progress.heard()).await {
            Ok(results) => {
                let mut outcomes = Vec::with_capacity(batch.len());
                for ((file, outgoing), result) in batch.into_iter().zip(results) {
                    let outcome = match result {
                        Ok(_) => self.confirmed(file, &outgoing).await,
                        Err(error) => Outcome::Failed(error.to_string()),
                    };
                    outcomes.push((file, outcome));
                }
                outcomes
            }
            // no batches here: one by one
            Err(error) if matches!(error.status(), Some(404 | 405 | 415 | 501)) => {
                let singles = futures::stream::iter(batch).map(|(file, outgoing)| async move {
                    let outcome = self.send_one(file, &outgoing).await;
                    (file, outcome)
                });
                singles.buffer_unordered(self.parallel).collect().await
            }
            Err(error) => batch.into_iter().map(|(file, _)| (file, Outcome::Failed(error.to_string()))).collect(),
        }
    }

    async fn send_one(self, file: &LocalFile, outgoing: &Outgoing) -> Outcome {
        let (url, expected) = (self.url(&file.name()), self.expected(file));
        match self.connection.store(&url, outgoing, &expected, None, &self.progress.heard()).await {
            Ok(_) => self.confirmed(file, outgoing).await,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    /// Reads a file back where its content is not known to be right.
    async fn confirmed(self, file: &LocalFile, outgoing: &Outgoing) -> Outcome {
        if !self.reads_back {
            return Outcome::Stored;
        }
        let Ok(folder) = tempfile::tempdir() else {
            return Outcome::Failed("it was sent, but there is no room here to read it back to".to_owned());
        };
        let into = folder.path().join("read-back");
        let fetched =
            self.connection.fetch(&self.url(&file.name()), &into, &Known::default(), &Default::default()).await;
        match fetched {
            Ok(fetched) if fetched.sha256 == outgoing.sha256 => Outcome::Stored,
            Ok(_) => Outcome::Failed("its content on the server differs from the one here".to_owned()),
            Err(error) => Outcome::Failed(format!("it was sent, but could not be read back: {error}")),
        }
    }

    fn url(self, path: &str) -> Url {
        below(&self.place.address, path)
    }
}

/// Small files together, within the bounds of a batch.
fn batches(files: Vec<(&LocalFile, Outgoing)>) -> Vec<Vec<(&LocalFile, Outgoing)>> {
    let mut batches: Vec<Vec<_>> = Vec::new();
    let mut bytes = 0;
    for (file, outgoing) in files {
        let fits =
            batches.last().is_some_and(|batch| batch.len() < BATCH_FILES && bytes + outgoing.size <= BATCH_BYTES);
        if !fits {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += outgoing.size;
        if let Some(batch) = batches.last_mut() {
            batch.push((file, outgoing));
        }
    }
    batches
}
