//! Received spaces are compared with their peers: when their time has come, when somebody looked, when a peer says that
//! something changed. A slow peer keeps nobody else's waiting: few comparisons of one peer and some of all peers run at
//! the same time.

use crate::AFTER_TROUBLE;
use std::collections::HashMap;
use std::time::Duration;
use stitchbox_domain::Domain;
use stitchbox_schema::SpaceId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Comparisons at the same time.
const AT_ONCE: usize = 16;
/// Of one peer.
const OF_ONE_PEER: usize = 3;
/// Spaces taken from the database at a time: what waits here is not given to another process.
const TAKEN: i64 = 32;
/// How often other processes' wishes are looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Longest that one comparison may take; the next one goes on where it ended.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Compares received spaces until asked to stop.
pub async fn run_refreshes(domain: Domain, stop: CancellationToken) {
    let mut running: JoinSet<()> = JoinSet::new();
    let mut peers: HashMap<tokio::task::Id, String> = HashMap::new();
    let mut waiting: Vec<(SpaceId, String)> = Vec::new();
    while !stop.is_cancelled() {
        let mut pause = LOOK_AGAIN;
        if waiting.len() < AT_ONCE {
            match domain.take_due_refreshes(TAKEN).await {
                Ok((taken, _)) => waiting.extend(taken),
                Err(error) => {
                    tracing::error!(%error, "which received spaces are to be compared could not be read; it is tried again");
                    pause = AFTER_TROUBLE;
                }
            }
        }
        let mut still_waiting = Vec::new();
        for (space, peer) in waiting.drain(..) {
            let of_this = peers.values().filter(|other| **other == peer).count();
            if running.len() >= AT_ONCE || of_this >= OF_ONE_PEER {
                still_waiting.push((space, peer));
                continue;
            }
            let started = running.spawn(compare(domain.clone(), space, peer.clone()));
            peers.insert(started.id(), peer);
        }
        waiting = still_waiting;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = domain.refresh_wanted() => {}
            Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                let id = ended.map_or_else(|broken| broken.id(), |(id, ())| id);
                peers.remove(&id);
            }
        }
    }
}

async fn compare(domain: Domain, space: SpaceId, peer: String) {
    match tokio::time::timeout(LONGEST, domain.refresh(space)).await {
        Ok(Ok(done)) if done.changed > 0 => {
            tracing::debug!(%peer, %space, changed = done.changed, requests = done.requests, "a received space changed");
        }
        Ok(Ok(_)) => {}
        // Told to people with the space; here only for whoever looks for it.
        Ok(Err(error)) => tracing::debug!(%peer, %space, %error, "a received space was not compared"),
        Err(_) => tracing::warn!(%peer, %space, "comparing a received space takes very long; it goes on later"),
    }
}
