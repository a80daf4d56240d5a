//! The continuous mode: a pass whenever something changes here (the file system tells) or on the server (a long poll tells).

use std::path::Path;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::{Engine, SyncError};
use crate::names::{OWN_FOLDER, PART_PREFIX};
use crate::remote::{Cursor, Feed, Remote, RemoteError};
use crate::report::{Event, Report};

/// Changes that come within this are one.
const SETTLES: Duration = Duration::from_millis(400);
/// Even if changes never end, a pass comes after this.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait of one poll.
const POLL: Duration = Duration::from_secs(55);
/// A pass without any reason: what no one told of is found.
const ANYWAY: Duration = Duration::from_secs(600);

impl<R: Remote> Engine<R> {
    /// Passes until `stop` is cancelled. Each is told as [`Event::Passed`]; the last report is returned. While the server cannot be
    /// reached it goes on trying.
    ///
    /// # Errors
    /// [`SyncError`] that waiting does not mend.
    pub async fn watch(&mut self, stop: CancellationToken) -> Result<Report, SyncError> {
        let (tell, mut told) = unbounded_channel();
        // without a watcher (no inotify watches left) the pass that comes anyway finds changes, only later
        let watcher = watch_folder(&self.settings.root, tell);
        if let Err(error) = &watcher {
            tracing::warn!(%error, "changes of the local folder are not told by the system; it is looked at every minute");
        }
        let anyway = if watcher.is_ok() { ANYWAY } else { Duration::from_secs(60) };
        let mut pause = Duration::from_secs(1);
        let mut last = Report::default();
        while !stop.is_cancelled() {
            let passed = tokio::select! {
                () = stop.cancelled() => break,
                passed = self.sync_once() => passed,
            };
            let wait = match passed {
                Ok(report) => {
                    pause = Duration::from_secs(1);
                    let soon = report.waiting > 0;
                    if !report.unchanged {
                        self.observer.event(Event::Passed { report: report.clone() });
                    }
                    last = report;
                    if soon { self.settings.quiet.max(Duration::from_secs(1)) } else { anyway }
                }
                Err(error) if error.is_passing() => {
                    self.state = None;
                    pause = (pause * 2).min(Duration::from_secs(60));
                    self.observer.event(Event::Offline { reason: error.to_string(), pause: pause.as_secs() });
                    pause
                }
                Err(error) => return Err(error),
            };
            let cursor = self.journal.marks().await?.cursor;
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
                () = changed_here(&mut told) => {}
                () = changed_there(self.remote.as_ref(), cursor) => {}
            }
        }
        Ok(last)
    }
}

fn watch_folder(
    root: &Path,
    tell: tokio::sync::mpsc::UnboundedSender<()>,
) -> notify::Result<notify::RecommendedWatcher> {
    let own = root.join(OWN_FOLDER);
    let ours = move |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.starts_with(&own) || name.starts_with(PART_PREFIX)
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let counts = match &event {
            Ok(event) if event.need_rescan() => true,
            Ok(event) => !event.kind.is_access() && event.paths.iter().any(|path| !ours(path)),
            Err(_) => true,
        };
        if counts {
            let _ = tell.send(());
        }
    })?;
    watcher.watch(root, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Returns when something changed and then nothing more for a moment.
async fn changed_here(told: &mut UnboundedReceiver<()>) {
    if told.recv().await.is_none() {
        return std::future::pending().await;
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match tokio::time::timeout(SETTLES, told.recv()).await {
            Ok(Some(())) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// Returns when the server has news.
async fn changed_there<R: Remote>(remote: &R, cursor: Option<Cursor>) {
    let Some(cursor) = cursor else { return std::future::pending().await };
    let mut pause = Duration::from_secs(1);
    loop {
        let asked = Instant::now();
        match remote.changes(Some(&cursor), POLL).await {
            Ok(Feed::Changes { items, cursor: next, .. }) if items.is_empty() && next == cursor => {
                pause = Duration::from_secs(1);
                // a server that does not wait is not asked without end
                if asked.elapsed() < Duration::from_secs(1) {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
            Ok(_) => return,
            Err(RemoteError::Unauthorized) => return,
            Err(_) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
        }
    }
}
