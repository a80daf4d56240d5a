//! The outbox: says to peers what waits to be said, and tells other Stitchboxes what moved.
//!
//! Rows are leased, so any number of these may run in any number of processes, and may be killed at any moment: what was
//! not recorded is said again when its lease ends.

use crate::guard::guarded;
use crate::{AFTER_TROUBLE, LOOK_AGAIN};
use futures::stream::{self, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use stitchbox_domain::Domain;
use stitchbox_domain::federation::{Backoff, Delivery};
use tokio_util::sync::CancellationToken;

/// Calls under way at once; to one peer there is never more than one.
const AT_ONCE: usize = 8;
/// A peer is told of changes of a share at most once in this time.
const TELL_AGAIN: Duration = Duration::from_secs(2);
/// Peers told of changes at once.
const TOLD_AT_ONCE: usize = 16;

/// Says what is due until `stop`. Does nothing without federation.
pub async fn run_outbox(domain: Domain, name: String, backoff: Backoff, stop: CancellationToken) {
    if domain.federation().is_none() {
        return;
    }
    let backoff = Arc::new(backoff);
    let senders = (1..=AT_ONCE).map(|number| {
        send(domain.clone(), format!("{name}/outbox{number}"), backoff.clone(), stop.clone(), number == 1)
    });
    futures::future::join_all(senders).await;
}

/// One sender. The first looks for what other processes put into the outbox; the others follow when there is work.
async fn send(domain: Domain, name: String, backoff: Arc<Backoff>, stop: CancellationToken, is_first: bool) {
    let Some(site) = domain.federation().cloned() else { return };
    while !stop.is_cancelled() {
        let pause = match send_one(&domain, &name, &backoff, &stop).await {
            Ok(true) => {
                // There may be more than one can say.
                site.outbox().notify_one();
                continue;
            }
            Ok(false) if is_first => LOOK_AGAIN,
            Ok(false) => LOOK_AGAIN * 20,
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be worked on");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = site.outbox().notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn send_one(
    domain: &Domain,
    name: &str,
    backoff: &Backoff,
    stop: &CancellationToken,
) -> Result<bool, stitchbox_domain::Error> {
    let Some(leased) = domain.lease_outgoing(name).await? else { return Ok(false) };
    let delivery = tokio::select! {
        // The lease ends by itself, and another process says it.
        () = stop.cancelled() => return Ok(false),
        // What one peer answers must not end the calls to all others.
        delivery = guarded(domain.say(&leased)) => match delivery {
            Ok(delivery) => delivery?,
            Err(_) => Delivery::internal_error(),
        },
    };
    domain.record_delivery(leased, delivery, backoff).await?;
    Ok(true)
}

/// Tells peers that are Stitchboxes what moved, until `stop`. Does nothing without federation.
pub async fn run_moved(domain: Domain, stop: CancellationToken) {
    if domain.federation().is_none() {
        return;
    }
    let mut changed = domain.changed();
    while !stop.is_cancelled() {
        match domain.moved_shares().await {
            Ok(moved) => {
                stream::iter(&moved)
                    .for_each_concurrent(TOLD_AT_ONCE, |moved| async {
                        if let Err(error) = domain.tell_moved(moved).await {
                            tracing::warn!(%error, "a peer could not be told of a change");
                        }
                    })
                    .await;
            }
            Err(error) => tracing::warn!(%error, "what moved could not be read"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TELL_AGAIN) => {}
        }
        // Other processes' changes are seen after a while, too.
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changed.changed() => {}
            () = tokio::time::sleep(TELL_AGAIN) => {}
        }
    }
}
