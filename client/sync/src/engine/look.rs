//! A look at both sides at once: the scan here, the news there; then the files whose content must be known are read.

use std::collections::HashSet;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{Engine, Look, Seen, SyncError};
use crate::engine::refresh::News;
use crate::hashing::{NotHashed, hash_all, open_for_writing};
use crate::local::Content;
use crate::plan::Problem;
use crate::reconcile::to_hash;
use crate::remote::Remote;
use crate::report::Event;
use crate::scan::{Scan, scan};

const HASHERS: usize = 4;

impl<R: Remote> Engine<R> {
    pub(super) async fn look(&mut self) -> Result<Look, SyncError> {
        let began = Instant::now();
        if !self.own_folder.is_dir() {
            return Err(if self.settings.root.is_dir() {
                SyncError::RootReplaced(self.settings.root.clone())
            } else {
                SyncError::RootMissing(self.settings.root.clone())
            });
        }
        let marks = self.journal.marks().await?;
        let (root, selection) = (self.settings.root.clone(), self.selection.clone());
        let scanning = tokio::task::spawn_blocking(move || {
            scan(&root, &selection).map(|scan| {
                let print = scan.tree.fingerprint();
                (scan, print)
            })
        });
        let news = self.ask_for_news(marks.cursor.as_ref(), marks.fingerprint.as_deref());
        let (scanned, news) = tokio::join!(scanning, news);
        let (mut scan, print) = scanned.map_err(|error| SyncError::Broken(error.to_string()))??;
        let news = news?;
        tracing::debug!(elapsed = ?began.elapsed(), entries = scan.tree.entries.len(), "scanned, news asked for");
        self.observer.event(Event::Scanned { files: scan.tree.files() });
        let mut quiet = print.to_vec();
        quiet.extend(format!("{:?}", (&self.settings.ignore, &self.settings.only, &self.settings.except)).bytes());
        if matches!(news, News::Nothing) && self.relist.is_empty() && marks.quiet.as_ref() == Some(&quiet) {
            return Ok(Look::Quiet);
        }
        let mut problems = std::mem::take(&mut scan.problems);
        problems.extend(self.take_in(news).await?);
        let mut seen = Seen { scan, quiet, problems, young: 0, open: 0 };
        self.read_content(&mut seen).await?;
        tracing::debug!(elapsed = ?began.elapsed(), "looked");
        Ok(Look::Seen(seen))
    }

    /// Hashes what reconcile needs to know; files just touched or open elsewhere stay for later.
    async fn read_content(&mut self, seen: &mut Seen) -> Result<(), SyncError> {
        let Some(state) = &self.state else { return Ok(()) };
        let wanted = to_hash(&seen.scan.tree, &state.mirror, &state.bases);
        if wanted.is_empty() {
            return Ok(());
        }
        let open = open_for_writing(&self.settings.root);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (now, quiet) = (now.as_nanos().cast_signed(), self.settings.quiet.as_nanos().cast_signed());
        let mut files = Vec::new();
        let mut indices = Vec::new();
        for index in wanted {
            let path = seen.scan.tree.path(index);
            let Some(entry) = seen.scan.tree.entries.get_mut(index as usize) else { continue };
            let age = now - i128::from(entry.stamp.mtime_ns);
            if let Some(known) = self.hashed.get(&entry.stamp) {
                entry.content = Content::Known(known.sha256);
            } else if (0..quiet).contains(&age) {
                entry.content = Content::Busy;
                seen.young += 1;
            } else if open.contains(&entry.stamp.inode) {
                entry.content = Content::Busy;
                seen.open += 1;
                seen.problems.push(Problem {
                    path,
                    why: "a program has it open for writing".to_owned(),
                    next: "It goes when the program closes it.".to_owned(),
                });
            } else {
                files.push((self.settings.root.join(&path), entry.stamp));
                indices.push(index);
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        let bytes = files.iter().map(|(_, stamp)| stamp.size).sum();
        self.observer.event(Event::Hashing { files: files.len(), bytes });
        let (files, answers) = tokio::task::spawn_blocking(move || {
            let answers = hash_all(&files, HASHERS);
            (files, answers)
        })
        .await
        .map_err(|error| SyncError::Broken(error.to_string()))?;
        for ((index, (_, stamp)), answer) in indices.into_iter().zip(files).zip(answers) {
            let path = seen.scan.tree.path(index);
            let Some(entry) = seen.scan.tree.entries.get_mut(index as usize) else { continue };
            entry.content = match answer {
                Ok(hashed) => {
                    let content = Content::Known(hashed.sha256);
                    self.hashed.insert(stamp, hashed);
                    content
                }
                Err(NotHashed::Changing | NotHashed::Gone) => {
                    seen.young += 1;
                    Content::Busy
                }
                Err(NotHashed::Unreadable(error)) => {
                    seen.problems.push(Problem {
                        path,
                        why: format!("it cannot be read: {error}"),
                        next: "It is left alone on both sides; make it readable.".to_owned(),
                    });
                    Content::Busy
                }
            };
        }
        self.forget_old_hashes(&seen.scan);
        Ok(())
    }

    fn forget_old_hashes(&mut self, scan: &Scan) {
        let present: HashSet<_> = scan.tree.entries.iter().map(|entry| entry.stamp).collect();
        self.hashed.retain(|stamp, _| present.contains(stamp));
    }
}
