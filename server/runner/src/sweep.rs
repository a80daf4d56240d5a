//! The sweep: what crashes and broken uploads left. Rows every few minutes, the whole blob store once a day.

use std::time::{Duration, Instant};
use stitchbox_domain::{Domain, Error};
use tokio_util::sync::CancellationToken;

const ROWS_EVERY: Duration = Duration::from_secs(5 * 60);
const BLOBS_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Sweeps until asked to stop.
pub async fn run_sweeper(domain: Domain, stop: CancellationToken) {
    let mut blobs_swept: Option<Instant> = None;
    loop {
        let with_blobs = blobs_swept.is_none_or(|last| last.elapsed() >= BLOBS_EVERY);
        match sweep(&domain, with_blobs).await {
            Ok(()) if with_blobs => blobs_swept = Some(Instant::now()),
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the sweep did not finish; it is repeated"),
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
