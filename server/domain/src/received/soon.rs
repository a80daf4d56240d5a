//! When received spaces are compared with their peers: by interval, soon after somebody looked, and when the peer says so.

use super::{MOST_REMEMBERED, open_lock};
use crate::{Domain, Error};
use std::time::Duration;
use stitchbox_schema::{SpaceId, Timestamp};
use stitchbox_store::received::{self, ReceivedShare};

/// A look at a space counts at most this often.
const LOOKS: Duration = Duration::from_secs(5);
/// How long a process may be silent about a space it compares before another one does it.
const LEASE: Duration = Duration::from_secs(150);

impl Domain {
    /// Somebody looks at a received space: it is compared soon. Takes no time and asks nobody.
    pub(crate) fn looked_at(&self, space: SpaceId) {
        let now = self.now();
        let mut looked_at = open_lock(&self.received.looked_at);
        if looked_at.get(&space).is_some_and(|last| last.after(LOOKS) > now) {
            return;
        }
        if looked_at.len() >= MOST_REMEMBERED {
            looked_at.clear();
        }
        looked_at.insert(space, now);
        drop(looked_at);
        open_lock(&self.received.wanted).insert(space);
        self.received.wake.notify_one();
    }

    /// Compares a space as soon as its peer may be asked: it is known to have changed, or was just accepted.
    pub async fn refresh_soon(&self, space: SpaceId) -> Result<(), Error> {
        let now = self.now();
        self.transact(move |tx| Box::pin(async move { Ok(received::hasten(tx, space, now).await?) })).await?;
        self.received.wake.notify_one();
        Ok(())
    }

    /// Wakes when a space of this process is to be compared before its time.
    pub async fn refresh_wanted(&self) {
        self.received.wake.notified().await;
    }

    /// The spaces that are to be compared now, each given to the caller for a while: `(space, peer)`. And when the next
    /// one is due.
    pub async fn take_due_refreshes(&self, most: i64) -> Result<(Vec<(SpaceId, String)>, Option<Timestamp>), Error> {
        let wanted: Vec<SpaceId> = open_lock(&self.received.wanted).drain().collect();
        let now = self.now();
        for space in wanted {
            let share = received::by_space(&mut *self.store.read().await?, space).await?;
            // A peer that failed is not asked more often because somebody looks.
            let stale =
                |share: &ReceivedShare| share.failures == 0 && share.seen_at.is_none_or(|at| at.after(LOOKS) <= now);
            if share.as_ref().is_some_and(stale) {
                self.transact(move |tx| Box::pin(async move { Ok(received::hasten(tx, space, now).await?) })).await?;
            }
        }
        let due = received::due(&mut *self.store.read().await?, now, most).await?;
        let mut taken = Vec::with_capacity(due.len());
        for share in due {
            let space = share.space;
            let until = now.after(LEASE);
            let got =
                self.transact(move |tx| Box::pin(async move { Ok(received::take(tx, space, now, until).await?) }));
            if got.await? {
                taken.push((space, share.peer));
            }
        }
        let next = received::next_due(&mut *self.store.read().await?).await?;
        Ok((taken, next))
    }

    /// Keeps a space that takes long to compare from being given to somebody else.
    pub(super) async fn keep_refresh(&self, space: SpaceId) -> Result<(), Error> {
        let until = self.now().after(LEASE);
        self.transact(move |tx| Box::pin(async move { Ok(received::set_refresh_at(tx, space, until).await?) })).await
    }
}
