//! Comparing a received space with its peer, at a cost that goes with what changed.
//!
//! The root is asked for its ETag; if it moved, folders are listed whose ETag is not the one up to which everything below
//! is here. A folder's ETag is written down after everything below it was applied, so a comparison may end anywhere and
//! the next one goes on. Where folders have no ETag, or one that was seen not to move with what lies below, everything is
//! listed, at a slower pace. That is tried out by listing everything once in a while.

use super::apply::{Applied, Below, apply};
use super::breaker::{LONG, SHORT, jittered, refusal};
use super::open_lock;
use super::peer::{PeerFiles, PeerTrouble};
use super::single::SingleFile;
use super::state::GONE_WORDS;
use crate::{Domain, Error, Item, ItemPath};
use futures::future::BoxFuture;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stitchbox_schema::SpaceId;
use stitchbox_store::received::{self, ReceivedShare, ReceivedState};
use stitchbox_store::{items, remote, spaces};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Listings asked of one peer at the same time.
const AT_ONCE: usize = 4;
/// How often a listing is asked for anew because we changed something meanwhile.
const TRIES: usize = 4;
/// Deeper folders are not followed: a peer could show a folder in itself.
const DEEPEST: usize = 60;
/// Most items of one share.
const MOST_ITEMS: usize = 500_000;
/// Most listings of one comparison.
const MOST_LISTINGS: usize = 50_000;
/// Everything is listed this often on the first day, to see whether the peer's ETags can be gone by.
const FIRST_WALK: Duration = Duration::from_secs(60 * 60);
/// And this often later.
const NEXT_WALK: Duration = Duration::from_secs(24 * 60 * 60);
/// Listing everything may take this part of the time.
const WALK_PART: u32 = 20;
/// Longest pause while a peer fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);
/// Names told to people.
const NAMES_TOLD: usize = 20;

/// What a comparison did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Requests to the peer.
    pub requests: usize,
    /// Items made, replaced or removed here.
    pub changed: usize,
    /// Whether every folder was listed.
    pub walked: bool,
    /// What could not be taken over.
    pub skipped: Vec<String>,
}

/// Why a comparison ended early.
enum End {
    Peer(PeerTrouble),
    Ours(Error),
}

impl From<PeerTrouble> for End {
    fn from(trouble: PeerTrouble) -> Self {
        Self::Peer(trouble)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

/// A comparison under way.
struct Walk {
    domain: Domain,
    share: ReceivedShare,
    files: Arc<dyn PeerFiles>,
    places: Semaphore,
    /// Every folder is listed.
    full: bool,
    requests: AtomicUsize,
    changed: AtomicUsize,
    items: AtomicUsize,
    /// Something changed below a folder whose ETag had not.
    unfollowed: AtomicBool,
    skipped: Mutex<Vec<String>>,
}

/// A space being compared by this process.
struct Turn<'a>(&'a Domain, SpaceId);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        open_lock(&self.0.received.walking).remove(&self.1);
    }
}

impl Domain {
    /// Compares a received space with its peer and takes over what changed. Does nothing if that is being done.
    pub async fn refresh(&self, space: SpaceId) -> Result<Refreshed, Error> {
        if !open_lock(&self.received.walking).insert(space) {
            return Ok(Refreshed::default());
        }
        let _turn = Turn(self, space);
        let share = received::by_space(&mut *self.store.read().await?, space).await?;
        let share = share.filter(|share| share.state == ReceivedState::Accepted).ok_or(Error::NotFound)?;
        let begun = std::time::Instant::now();
        match self.compare(&share).await {
            Ok((refreshed, follows)) => {
                self.note_seen(&share, &refreshed, follows, begun.elapsed()).await?;
                Ok(refreshed)
            }
            Err(End::Ours(error)) => {
                let words = match &error {
                    Error::PeerUnavailable { reason, .. } => reason.clone(),
                    other => other.to_string(),
                };
                self.note_not_seen(&share, words).await?;
                Err(error)
            }
            Err(End::Peer(trouble)) => {
                let words = match &trouble {
                    PeerTrouble::Denied(_) | PeerTrouble::Missing => format!("{trouble}; {GONE_WORDS}"),
                    other => other.to_string(),
                };
                self.note_not_seen(&share, words).await?;
                Err(refusal(&share, trouble))
            }
        }
    }

    async fn compare(&self, share: &ReceivedShare) -> Result<(Refreshed, bool), End> {
        self.refuse_if_down(share).await?;
        let raw = self.raw_files(share).await?;
        let top = ItemPath::default();
        let looked = self.ask(share, SHORT, raw.look(&top)).await?;
        let is_file = !looked.is_folder;
        if is_file != share.is_file {
            let space = share.space;
            let work =
                self.transact(move |tx| Box::pin(async move { Ok(received::set_is_file(tx, space, is_file).await?) }));
            work.await?;
        }
        let files = if is_file { Arc::new(SingleFile::new(raw, &share.name)) } else { raw };
        let (root, known, count) = self.here(share.space).await?;
        // More often at first: what is found then holds for long.
        let is_new = share.created_at.after(NEXT_WALK) > self.now();
        let pause = if is_new { FIRST_WALK } else { NEXT_WALK };
        let due = share.walked_at.is_none_or(|at| at.after(pause) <= self.now());
        let full = due || !share.follows || looked.etag.is_none();
        if !full && looked.etag.as_deref() == Some(known.as_str()) {
            return Ok((Refreshed { requests: 1, ..Refreshed::default() }, share.follows));
        }
        let walk = Arc::new(Walk {
            domain: self.clone(),
            share: share.clone(),
            files,
            places: Semaphore::new(AT_ONCE),
            full,
            requests: AtomicUsize::new(1),
            changed: AtomicUsize::new(0),
            items: AtomicUsize::new(count),
            unfollowed: AtomicBool::new(false),
            skipped: Mutex::default(),
        });
        let below = Below { item: root, path: top, told: looked.etag.clone(), known };
        walk.clone().folder(below).await?;
        let skipped = std::mem::take(&mut *open_lock(&walk.skipped));
        let refreshed = Refreshed {
            requests: walk.requests.load(Ordering::Relaxed),
            changed: walk.changed.load(Ordering::Relaxed),
            walked: full,
            skipped,
        };
        let follows = share.follows && looked.etag.is_some() && !walk.unfollowed.load(Ordering::Relaxed);
        Ok((refreshed, follows))
    }

    /// The root of a space, the ETag up to which it is here, and how many items it has.
    async fn here(&self, space: SpaceId) -> Result<(Item, String, usize), Error> {
        let mut db = self.store.read().await?;
        let root = spaces::by_id(&mut db, space).await?.ok_or(Error::NotFound)?.root;
        let root = items::by_id(&mut db, root).await?.ok_or(Error::NotFound)?;
        let known = remote::by_item(&mut db, root.id).await?.map(|remote| remote.etag).unwrap_or_default();
        let count = usize::try_from(remote::count(&mut db, space).await?).unwrap_or(0);
        Ok((root, known, count))
    }

    async fn note_seen(
        &self,
        share: &ReceivedShare,
        refreshed: &Refreshed,
        follows: bool,
        took: Duration,
    ) -> Result<(), Error> {
        let mut interval = self.received_settings().refresh;
        if !follows && refreshed.walked {
            interval = interval.max(took * WALK_PART);
        }
        let now = self.now();
        let (space, next) = (share.space, jittered(now, interval, share.space.0));
        let walked = refreshed.walked || !refreshed.skipped.is_empty();
        let skipped = refreshed.skipped.iter().take(NAMES_TOLD).cloned().collect::<Vec<_>>().join("\n");
        let took = i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
        let walked_at = if refreshed.walked { now } else { share.walked_at.unwrap_or(now) };
        let was_silent = share.failures > 0;
        self.transact(move |tx| {
            Box::pin(async move {
                if walked {
                    received::walked(tx, space, walked_at, took, follows, &skipped).await?;
                }
                Ok(received::seen(tx, space, now, next).await?)
            })
        })
        .await?;
        if was_silent {
            tracing::info!(peer = %share.peer, space = %share.space, "a received space is in reach again");
        }
        Ok(())
    }

    async fn note_not_seen(&self, share: &ReceivedShare, words: String) -> Result<(), Error> {
        let doublings = u32::try_from(share.failures.clamp(0, 10)).unwrap_or(10);
        let pause = self.received_settings().refresh.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let (space, next) = (share.space, jittered(self.now(), pause, share.space.0));
        if share.failures == 0 {
            tracing::warn!(peer = %share.peer, space = %share.space, reason = %words, "a received space could not be compared");
        }
        self.transact(move |tx| Box::pin(async move { Ok(received::failed(tx, space, &words, next).await?) })).await
    }
}

impl Walk {
    /// Takes over a folder and everything below that changed. Whether all of it is here now.
    fn folder(self: Arc<Self>, folder: Below) -> BoxFuture<'static, Result<bool, End>> {
        Box::pin(async move {
            let listed = match self.list(&folder).await? {
                Some(listed) => listed,
                None => return Ok(false),
            };
            let (itself, applied) = listed;
            self.changed.fetch_add(applied.changed, Ordering::Relaxed);
            open_lock(&self.skipped).extend(applied.skipped);
            let unmoved = !folder.known.is_empty() && itself.as_deref() == Some(folder.known.as_str());
            let moved_below = applied
                .below
                .iter()
                .any(|below| !below.known.is_empty() && below.told.as_deref() != Some(below.known.as_str()));
            if unmoved && (applied.changed > 0 || moved_below) {
                self.unfollowed.store(true, Ordering::Relaxed);
            }
            let deep = folder.path.names().len() + 1 >= DEEPEST;
            let mut wanted = Vec::new();
            for below in applied.below {
                let here = !below.known.is_empty() && below.told.as_deref() == Some(below.known.as_str());
                if here && !self.full {
                    continue;
                }
                if deep {
                    open_lock(&self.skipped).push(format!("{}: folders are nested too deeply", below.path));
                    continue;
                }
                wanted.push(below);
            }
            // Each is a task of its own: a peer decides how deep folders are nested, and our stack is not as deep.
            let (mut wanted, mut walking, mut complete) = (wanted.into_iter(), JoinSet::new(), !applied.unclear);
            loop {
                while walking.len() < AT_ONCE
                    && let Some(below) = wanted.next()
                {
                    walking.spawn(self.clone().folder(below));
                }
                match walking.join_next().await {
                    None => break,
                    Some(Ok(done)) => complete &= done?,
                    Some(Err(error)) => {
                        tracing::error!(%error, "comparing a folder broke; this is a defect of the program");
                        return Err(PeerTrouble::Nonsense("a folder could not be compared".to_owned()).into());
                    }
                }
            }
            if complete && itself.as_deref().unwrap_or_default() != folder.known {
                let (id, etag) = (folder.item.id, itself.unwrap_or_default());
                let work =
                    self.domain.transact(move |tx| Box::pin(async move { Ok(remote::set_etag(tx, id, &etag).await?) }));
                work.await?;
            }
            Ok(complete)
        })
    }

    /// Lists and applies one folder: its ETag of that moment, and what was done. None if it is not there any more.
    async fn list(&self, folder: &Below) -> Result<Option<(Option<String>, Applied)>, End> {
        // Not held while lower folders are walked.
        let _place = self.places.acquire().await.map_err(|_| Error::Collision)?;
        for _ in 0..TRIES {
            if self.requests.fetch_add(1, Ordering::Relaxed) >= MOST_LISTINGS {
                let words = format!("it has more than {MOST_LISTINGS} folders that changed; the rest follows later");
                return Err(PeerTrouble::Nonsense(words).into());
            }
            if self.requests.load(Ordering::Relaxed).is_multiple_of(64) {
                self.domain.keep_refresh(self.share.space).await?;
            }
            let epoch = received::epoch(&mut *self.domain.store.read().await.map_err(Error::from)?, self.share.space)
                .await
                .map_err(Error::from)?
                .ok_or(Error::NotFound)?;
            let listing = match self.domain.ask(&self.share, LONG, self.files.list(&folder.path)).await {
                Ok(listing) => listing,
                // The share as such is judged by its root; below, a folder may be closed to us or just gone.
                Err(PeerTrouble::Missing) if !folder.path.is_root() => return Ok(None),
                Err(PeerTrouble::Denied(words)) if !folder.path.is_root() => {
                    open_lock(&self.skipped).push(format!("{}: {words}", folder.path));
                    return Ok(Some((folder.told.clone(), Applied::default())));
                }
                // One broken folder must not keep what changed in the others from being taken over.
                Err(PeerTrouble::Nonsense(words) | PeerTrouble::Refused(words)) if !folder.path.is_root() => {
                    open_lock(&self.skipped).push(format!("{}: {words}", folder.path));
                    return Ok(None);
                }
                Err(trouble) => return Err(trouble.into()),
            };
            let etag = listing.itself.etag.clone();
            let room = MOST_ITEMS.saturating_sub(self.items.load(Ordering::Relaxed));
            let applied = apply(&self.domain, &folder.item, &folder.path, listing, epoch, room).await?;
            if !applied.outdated {
                self.items.fetch_add(applied.changed, Ordering::Relaxed);
                return Ok(Some((etag, applied)));
            }
        }
        // Our own users write faster than the peer lists: later.
        Ok(None)
    }
}
