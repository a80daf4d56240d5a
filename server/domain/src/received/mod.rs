//! Spaces received from peers: an ordinary tree in our database, compared with the peer's in the background.
//!
//! No listing ever waits for a peer. Bytes come through when they are asked for and stay for a while ([`open`], [`cache`]);
//! our users' changes are made at the peer first and then here ([`write`]). What a peer says is never believed further
//! than it can be checked: names, sizes, depth and numbers are bounded, and a peer that does not answer is left alone for
//! a while by everybody ([`breaker`]).

mod apply;
mod breaker;
mod cache;
mod dav;
mod open;
mod peer;
mod plan;
mod refresh;
mod shares;
mod single;
mod soon;
mod state;
mod write;

pub(crate) use cache::adopt;
pub use peer::{Expected, Outgoing, PeerFiles, PeerTrouble, Peers, RemoteEntry, RemoteFolder, Written};
pub use refresh::Refreshed;
pub use shares::ReceivedSpace;
pub use state::PeerState;
pub use stitchbox_store::received::{ReceivedShare, ReceivedState};
pub(crate) use write::{Pushed, remember_change, remember_file, remember_removal};

use crate::{Domain, Error};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stitchbox_schema::{BlobId, SpaceId, SpaceKind, Timestamp};
use stitchbox_store::spaces;
use tokio::sync::Notify;

/// What an administrator sets about received spaces.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedSettings {
    /// Most bytes of peers that are kept here.
    pub cache_bytes: u64,
    /// How often a received space is compared with the peer's, where nothing says that it changed.
    pub refresh: Duration,
}

impl Default for ReceivedSettings {
    fn default() -> Self {
        Self { cache_bytes: 20 << 30, refresh: Duration::from_secs(30) }
    }
}

/// What this process remembers about received spaces; all of it may be forgotten.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Another way to peers than WebDAV, for tests.
    peers: Option<(Arc<dyn Peers>, ReceivedSettings)>,
    /// Ways to shares.
    ways: Mutex<HashMap<SpaceId, dav::Way>>,
    /// Which spaces are received ones: a space never changes its kind.
    kinds: Mutex<HashMap<SpaceId, bool>>,
    /// Spaces somebody looked at, to be compared soon.
    wanted: Mutex<HashSet<SpaceId>>,
    wake: Notify,
    /// When somebody's look last counted.
    looked_at: Mutex<HashMap<SpaceId, Timestamp>>,
    /// Spaces being compared by this process.
    walking: Mutex<HashSet<SpaceId>>,
    /// Blobs that are being fetched into the cache.
    fetching: Mutex<HashSet<BlobId>>,
}

/// Most spaces remembered in a map.
const MOST_REMEMBERED: usize = 10_000;

fn open_lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Domain {
    /// Gives the rules another way to peers than that of the federation: a peer in memory, for tests.
    #[must_use]
    pub fn with_peers(mut self, peers: Arc<dyn Peers>, settings: ReceivedSettings) -> Self {
        self.received = Arc::new(Received { peers: Some((peers, settings)), ..Received::default() });
        self
    }

    /// What the administrator set about received spaces.
    pub(crate) fn received_settings(&self) -> ReceivedSettings {
        match (&self.received.peers, self.federation()) {
            (Some((_, settings)), _) => *settings,
            (None, Some(federation)) => {
                let settings = federation.settings();
                ReceivedSettings { cache_bytes: settings.cache_bytes, refresh: settings.refresh }
            }
            (None, None) => ReceivedSettings::default(),
        }
    }

    /// Whether a space is a received one.
    pub(crate) async fn is_received(&self, space: SpaceId) -> Result<bool, Error> {
        if let Some(known) = open_lock(&self.received.kinds).get(&space) {
            return Ok(*known);
        }
        let found = spaces::by_id(&mut *self.store.read().await?, space).await?;
        let Some(found) = found else { return Ok(false) };
        let mut kinds = open_lock(&self.received.kinds);
        if kinds.len() >= MOST_REMEMBERED {
            kinds.clear();
        }
        Ok(*kinds.entry(space).or_insert(found.kind == SpaceKind::Received))
    }
}
