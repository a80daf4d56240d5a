//! The sweep: what crashes and broken uploads left, and what is past the time it is kept. Rows every few minutes, in
//! many short transactions; the whole blob store and the versions of every file once a day.

use std::time::{Duration, Instant};
use stitchbox_domain::{Domain, Error};
use stitchbox_schema::ItemId;
use tokio_util::sync::CancellationToken;

const ROWS_EVERY: Duration = Duration::from_secs(5 * 60);
const BLOBS_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Steps of one kind in one sweep: a server that is behind catches up in the next ones.
const STEPS: usize = 200;
/// Deleted items removed in one sweep.
const PURGED: usize = 20_000;
/// Rest between two steps, so that requests find their turn.
const REST: Duration = Duration::from_millis(5);

/// Sweeps until asked to stop.
pub async fn run_sweeper(domain: Domain, stop: CancellationToken) {
    let mut blobs_swept: Option<Instant> = None;
    let mut thinning = Thinning::default();
    loop {
        let with_blobs = blobs_swept.is_none_or(|last| last.elapsed() >= BLOBS_EVERY);
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = sweep(&domain, with_blobs) => swept,
        };
        match swept {
            Ok(()) if with_blobs => blobs_swept = Some(Instant::now()),
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the sweep did not finish; it is repeated"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            kept = let_go(&domain, &mut thinning) => if let Err(error) = kept {
                tracing::warn!(%error, "what is past its time was not removed completely; it is tried again");
            },
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ROWS_EVERY) => {}
        }
    }
}

async fn sweep(domain: &Domain, with_blobs: bool) -> Result<(), Error> {
    let uploads = domain.sweep().await?.uploads;
    let blobs = if with_blobs { domain.sweep_blobs().await?.blobs } else { 0 };
    if uploads + blobs > 0 {
        tracing::info!(uploads, blobs, "swept");
    }
    Ok(())
}

/// How far the daily walk through the versions of all files has come.
#[derive(Debug, Default)]
struct Thinning {
    after: Option<ItemId>,
    completed: Option<Instant>,
}

/// Removes what is past the time it is kept: a bounded number of steps of each kind.
async fn let_go(domain: &Domain, thinning: &mut Thinning) -> Result<(), Error> {
    let received = domain.end_expired_received().await?;
    let said = domain.sweep_federation().await?;
    if received > 0 || said > 0 {
        tracing::info!(received, said, "shares of peers that ran out are ended, old messages forgotten");
    }
    let deleted = domain.purge_trash(PURGED).await?;
    thin(domain, thinning).await?;
    let mut blobs = 0;
    for _ in 0..STEPS {
        let looked_at = domain.remove_dropped_blobs().await?;
        blobs += looked_at;
        if looked_at == 0 {
            break;
        }
        tokio::time::sleep(REST).await;
    }
    blobs += domain.evict().await?;
    let mut changes = 0;
    for _ in 0..STEPS {
        let cut = domain.cut_journal().await?;
        changes += cut;
        if cut == 0 {
            break;
        }
        tokio::time::sleep(REST).await;
    }
    for _ in 0..STEPS {
        if !domain.squeeze_journal().await? {
            break;
        }
        tokio::time::sleep(REST).await;
    }
    if deleted + blobs + changes > 0 {
        tracing::info!(deleted, blobs, changes, "what was past its time is removed");
    }
    Ok(())
}

async fn thin(domain: &Domain, thinning: &mut Thinning) -> Result<(), Error> {
    if thinning.after.is_none() && thinning.completed.is_some_and(|last| last.elapsed() < BLOBS_EVERY) {
        return Ok(());
    }
    for _ in 0..STEPS {
        thinning.after = domain.thin_versions(thinning.after.unwrap_or(ItemId(0))).await?;
        if thinning.after.is_none() {
            thinning.completed = Some(Instant::now());
            return Ok(());
        }
        tokio::time::sleep(REST).await;
    }
    Ok(())
}
