//! The sweep: now and then, what crashes and broken uploads left.

use std::time::Duration;
use stitchbox_domain::Domain;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(10 * 60);

/// Sweeps until asked to stop.
pub async fn run_sweeper(domain: Domain, stop: CancellationToken) {
    loop {
        match domain.sweep().await {
            Ok(swept) if swept.uploads + swept.blobs > 0 => {
                tracing::info!(uploads = swept.uploads, blobs = swept.blobs, "swept");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the sweep did not finish; it is repeated"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
