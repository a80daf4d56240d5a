//! Going on: a round whenever something changed and is still again, and now and then in any case.

use std::path::Path;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use stitchbox_remote::{Connection, Place};
use tokio::sync::mpsc;

use crate::exit::Failure;
use crate::push::{Args, Done, round, tell};

/// How long nothing may happen before a round begins: an instrument writes in pieces.
const STILL: Duration = Duration::from_secs(2);
/// However much happens, a round begins after this.
const LATEST: Duration = Duration::from_secs(30);
/// A round without any sign, because signs may be lost (network drives give none).
const IN_ANY_CASE: Duration = Duration::from_secs(60);

/// Rounds until the program is ended. What does not arrive is tried again in the next.
pub(super) async fn go_on(args: &Args, connection: &Connection, place: &Place, done: &mut Done) -> Result<(), Failure> {
    let mut watched = Signs::of(&args.local);
    let signs = &mut watched.signs;
    loop {
        let _ = tokio::time::timeout(IN_ANY_CASE, signs.recv()).await;
        let _ = tokio::time::timeout(LATEST, async {
            while tokio::time::timeout(STILL, signs.recv()).await.is_ok_and(|sign| sign.is_some()) {}
        })
        .await;
        match round(args, connection, place, done).await {
            Ok(done) if done.stored.is_empty() && done.failed.is_empty() && done.released.is_empty() => {}
            Ok(done) => {
                if let Err(failure) = tell(args, &done) {
                    eprintln!("stitchbox: {failure}");
                }
            }
            Err(failure) => eprintln!("stitchbox: {failure}; tried again in a minute"),
        }
    }
}

/// Signs that something changed; without a watcher (no inotify left) there are none, and rounds come once a minute.
struct Signs {
    signs: mpsc::Receiver<()>,
    /// Kept, so that the receiver does not end where nobody watches.
    _sender: mpsc::Sender<()>,
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Signs {
    fn of(folder: &Path) -> Self {
        let (sender, signs) = mpsc::channel(1);
        let told = sender.clone();
        let watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| {
            // full: a sign is waiting already
            let _ = told.try_send(());
        });
        let watcher = watcher.and_then(|mut watcher| watcher.watch(folder, RecursiveMode::Recursive).map(|()| watcher));
        if let Err(error) = &watcher {
            eprintln!("note: changes are looked for once a minute ({error})");
        }
        Self { signs, _sender: sender, _watcher: watcher.ok() }
    }
}
