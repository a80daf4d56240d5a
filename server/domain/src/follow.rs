//! Waking those who wait for changes of a space: one look at the journal for all of them, however many they are.
//!
//! Every waiter may look; one does, as long as it waits, and wakes the others whose space changed. When it leaves,
//! another takes over. So a process reads the journal once per change of its own, and every two seconds for those of
//! other processes, and not at all while nobody waits.

use crate::{Domain, Error};
use std::collections::HashMap;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};
use stitchbox_schema::{Cursor, SpaceId};
use stitchbox_store::feed;
use tokio::sync::{Mutex, watch};

/// How often to look for what other processes changed.
pub const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Pause between two looks: a busy server is looked at fifty times a second, not five thousand times.
const BREATH: Duration = Duration::from_millis(20);
/// Changes read at once.
const BATCH: i64 = 5000;
/// After this long without anybody looking, all are woken instead of everything being read that happened since.
const TOO_LONG_AGO: Duration = Duration::from_secs(30);

/// Who waits for what, and how far the journal was looked at.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    looked: Mutex<Option<Looked>>,
    spaces: StdMutex<HashMap<SpaceId, watch::Sender<Cursor>>>,
}

#[derive(Debug, Clone, Copy)]
struct Looked {
    position: Cursor,
    at: Instant,
}

impl Followers {
    fn subscribe(&self, space: SpaceId) -> watch::Receiver<Cursor> {
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        spaces.retain(|_, sender| sender.receiver_count() > 0);
        spaces.entry(space).or_insert_with(|| watch::Sender::new(Cursor(0))).subscribe()
    }

    fn wake(&self, changed: impl Iterator<Item = (SpaceId, Cursor)>) {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        for (space, cursor) in changed {
            if let Some(sender) = spaces.get(&space) {
                sender.send_replace(cursor);
            }
        }
    }

    fn wake_all(&self, cursor: Cursor) {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in spaces.values() {
            sender.send_replace(cursor);
        }
    }
}

/// Somebody who waits for changes of one space.
#[derive(Debug)]
pub struct Follower {
    domain: Domain,
    news: watch::Receiver<Cursor>,
}

impl Domain {
    /// Begins to follow a space. What changes from now on wakes [`Follower::news`]: so follow first, then look.
    #[must_use]
    pub fn follow(&self, space: SpaceId) -> Follower {
        Follower { domain: self.clone(), news: self.followers.subscribe(space) }
    }
}

impl Follower {
    /// Returns when the space changed since the last return, or since it is followed: at once for changes of this
    /// process, within two seconds for those of others. May return without a change. Dropping it loses nothing.
    pub async fn news(&mut self) -> Result<(), Error> {
        let Self { domain, news } = self;
        tokio::select! {
            // The sender lives as long as a receiver does.
            _ = news.changed() => Ok(()),
            failed = look_for_all(domain) => failed,
        }
    }
}

/// Looks at the journal for everybody, as soon as nobody else does. Returns only with an error.
async fn look_for_all(domain: &Domain) -> Result<(), Error> {
    let followers = &domain.followers;
    let mut looked = followers.looked.lock().await;
    let mut changed = domain.changed();
    loop {
        // Before the look, so that a change during it is seen by the next.
        changed.mark_unchanged();
        let now = Instant::now();
        let position = match *looked {
            Some(last) if now.duration_since(last.at) < TOO_LONG_AGO => wake_changed(domain, last.position).await?,
            _ => {
                let head = feed::reach(&mut *domain.store.read().await?).await?.head;
                followers.wake_all(head);
                head
            }
        };
        *looked = Some(Looked { position, at: now });
        tokio::time::sleep(BREATH).await;
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Wakes the followers of all spaces with changes after a position; returns the position reached.
async fn wake_changed(domain: &Domain, mut position: Cursor) -> Result<Cursor, Error> {
    loop {
        let places = feed::places_after(&mut *domain.store.read().await?, position, BATCH).await?;
        let Some((last, _)) = places.last() else { return Ok(position) };
        position = *last;
        let newest: HashMap<SpaceId, Cursor> = places.iter().map(|(cursor, space)| (*space, *cursor)).collect();
        domain.followers.wake(newest.into_iter());
        if (places.len() as i64) < BATCH {
            return Ok(position);
        }
    }
}
