//! Ctrl-C while computing: the computation is asked to end, and is ended if it does not listen in time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static CAME: AtomicBool = AtomicBool::new(false);

/// A computation that was asked to end has this long.
const GRACE: Duration = Duration::from_millis(1500);

/// Listens from now on. If that is not possible Ctrl-C ends the program at once, as without.
pub(crate) fn listen() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    std::thread::spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            CAME.store(true, Ordering::Relaxed);
            // Results appear whole or not at all, and checkpoints are replaced in one go: nothing is left half-written.
            let again = tokio::signal::ctrl_c();
            let _ = tokio::time::timeout(GRACE, again).await;
            eprintln!("stitchbox: interrupted");
            std::process::exit(1);
        });
    });
}

/// Ctrl-C was pressed.
pub(crate) fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}
