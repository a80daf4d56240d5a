//! The trigger loop: journal to folders, folders to runs.

use crate::{AFTER_TROUBLE, LOOK_AGAIN};
use std::time::{Duration, Instant};
use stitchbox_domain::{Domain, Error};
use tokio_util::sync::CancellationToken;

/// Time between two looks: each takes note in a transaction of its own, which must not cost every upload a second flush.
/// The first change after a quiet time is looked at at once.
const APART: Duration = Duration::from_millis(400);
/// And so many times as long as a look took: a folder with ten thousand files is read whole, and while files keep coming
/// that must stay a small part of the work.
const LEISURE: u32 = 30;
/// But no longer than this.
const LONGEST: Duration = Duration::from_secs(2);

/// Follows the journal until asked to stop.
pub async fn run_triggers(domain: Domain, stop: CancellationToken) {
    let mut changed = domain.changed();
    while !stop.is_cancelled() {
        let begun = Instant::now();
        changed.mark_unchanged();
        let wait = match look(&domain).await {
            Ok(until_due) => until_due.min(LOOK_AGAIN),
            Err(error) => {
                tracing::error!(%error, "the trigger could not look at the changes; it tries again");
                AFTER_TROUBLE
            }
        };
        let looked = Instant::now();
        let pause = (LEISURE * looked.duration_since(begun)).clamp(APART, LONGEST);
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changed.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause.saturating_sub(looked.elapsed())) => {}
        }
    }
}

/// Does what is to be done now; returns the time until the next folder is due.
async fn look(domain: &Domain) -> Result<Duration, Error> {
    while domain.note_changes().await? {}
    let made = domain.evaluate_due().await?;
    if made > 0 {
        tracing::info!(runs = made, "series complete");
    }
    let until_due = domain.next_due().await?.map_or(i64::MAX, |due| due.0.saturating_sub(domain.now().0));
    Ok(Duration::from_nanos(u64::try_from(until_due).unwrap_or(0)))
}
