//! WebDAV locks (RFC 4918, sections 6 and 7): they end by themselves and belong to whoever took them.

use crate::access::enter_at;
use crate::guard::{self, Guarded};
use crate::lock_scope::{covers, lies_below};
use crate::read::resolve;
use crate::tree::{refuse_creators, spot};
use crate::uploads::{Intent, empty_file};
use crate::{Action, Conditions, Domain, Error, Excess, Item, ItemPath, Location, Membership, Principal, Refusal};
use std::time::Duration;
use stitchbox_schema::{Role, SpaceId, Timestamp};
use stitchbox_store::Tx;
use stitchbox_store::locks::{self, HeldLock, Lock};

/// Longest time a lock is granted for; clients refresh.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Longest text about the owner, bytes.
pub const MAX_OWNER_BYTES: usize = 4 * 1024;
/// Most locks one user holds in one space: every change of the space looks at all of them.
pub const MAX_LOCKS: usize = 1000;

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct LockRequest {
    /// Everything below, too.
    pub deep: bool,
    /// Exclusive or shared.
    pub exclusive: bool,
    /// What the client says about the owner, as XML.
    pub owner_xml: String,
    /// How long; ten minutes if `None`, at most a day.
    pub timeout: Option<Duration>,
    /// A fresh token, `urn:uuid:…`.
    pub token: String,
}

fn granted(now: Timestamp, asked: Option<Duration>) -> (i64, Timestamp) {
    let timeout = asked.unwrap_or(DEFAULT_TIMEOUT).clamp(Duration::from_secs(1), MAX_TIMEOUT);
    (i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX), now.after(timeout))
}

impl Domain {
    /// Takes a lock. Where nothing is, an empty file is made and locked (RFC 4918, 7.3); the flag says so.
    pub async fn lock(
        &self,
        principal: &Principal,
        at: &Location,
        request: LockRequest,
        conditions: &Conditions,
    ) -> Result<(Lock, bool), Error> {
        refuse_creators(principal)?;
        if request.owner_xml.len() > MAX_OWNER_BYTES {
            return Err(Excess::LockOwner.into());
        }
        let (principal, at, conditions) = (principal.clone(), at.clone(), conditions.clone());
        let (now, ids) = (self.now(), self.ids.clone());
        let made_there = self.make_empty_there(&principal, &at, &conditions).await?;
        let conditions = if made_there { conditions.only_tokens() } else { conditions };
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let (membership, existing) = lockable(tx, &principal, &at, now).await?;
                let (timeout_seconds, expires_at) = granted(now, request.timeout);
                let lock = Lock {
                    token: request.token,
                    space: membership.space.id,
                    path: at.path.to_string(),
                    deep: request.deep,
                    exclusive: request.exclusive,
                    user: principal.user,
                    share: principal.scope.share,
                    owner_xml: request.owner_xml,
                    timeout_seconds: Some(timeout_seconds),
                    expires_at,
                    of_person: false,
                    taken_at: now,
                };
                locks::remove_expired(tx, now).await?;
                refuse_conflict(tx, &lock, now).await?;
                match &existing {
                    Some(item) => {
                        let held = locks::of_space(tx, at.space, now).await?;
                        guard::conditions_hold(tx, &conditions, &Guarded::item_at(&at, item), &held).await?;
                    }
                    None => {
                        empty_file(tx, &ids, &principal, &at, &conditions, now).await?;
                    }
                }
                locks::insert(tx, &lock).await?;
                Ok((lock, existing.is_none()))
            })
        });
        let (lock, created) = work.await?;
        let created = created || made_there;
        if created {
            self.announce();
        }
        Ok((lock, created))
    }

    /// Where nothing is in a received space, the empty file is made at the peer first. Whether it was.
    async fn make_empty_there(
        &self,
        principal: &Principal,
        at: &Location,
        conditions: &Conditions,
    ) -> Result<bool, Error> {
        if !self.is_received(at.space).await? || !matches!(self.item(principal, at).await, Err(Error::NotFound)) {
            return Ok(false);
        }
        let intent = Intent { conditions: conditions.clone(), ..Intent::default() };
        self.put_whole(principal, at, intent, bytes::Bytes::new()).await.map(|_| true)
    }

    /// Prolongs a lock of one's own that holds at this place.
    pub async fn refresh_lock(
        &self,
        principal: &Principal,
        at: &Location,
        token: &str,
        timeout: Option<Duration>,
    ) -> Result<Lock, Error> {
        refuse_creators(principal)?;
        let (principal, at, token, now) = (principal.clone(), at.clone(), token.to_owned(), self.now());
        self.transact(move |tx| {
            Box::pin(async move {
                let membership = enter_at(tx, &principal, &at, now).await?;
                if membership.role < Role::Contributor {
                    return Err(Refusal::Role(membership.role).into());
                }
                let lock = own_lock(tx, &principal, &at, &token, now).await?;
                let (timeout_seconds, expires_at) = granted(now, timeout);
                locks::refresh(tx, &token, Some(timeout_seconds), expires_at).await?;
                Ok(Lock { timeout_seconds: Some(timeout_seconds), expires_at, ..lock })
            })
        })
        .await
    }

    /// Ends a lock that holds at this place: one's own, or, as a manager of the space, anybody's.
    pub async fn unlock(&self, principal: &Principal, at: &Location, token: &str) -> Result<(), Error> {
        refuse_creators(principal)?;
        let (principal, at, token, now) = (principal.clone(), at.clone(), token.to_owned(), self.now());
        self.transact(move |tx| {
            Box::pin(async move {
                let membership = enter_at(tx, &principal, &at, now).await?;
                let lock = lock_at(tx, &at, &token, now).await?;
                if !principal.holds(&lock) && membership.role < Role::Manager {
                    return Err(Error::NoSuchLock);
                }
                locks::remove(tx, &token).await?;
                Ok(())
            })
        })
        .await
    }

    /// The locks of a space that hold now, with the names of their holders.
    pub async fn locks_on(&self, space: SpaceId) -> Result<Vec<HeldLock>, Error> {
        Ok(locks::held(&mut *self.store.read().await?, space, self.now()).await?)
    }
}

/// The item to lock, or `None` where an empty file has to be made.
async fn lockable(
    tx: &mut Tx,
    principal: &Principal,
    at: &Location,
    now: Timestamp,
) -> Result<(Membership, Option<Item>), Error> {
    if at.path.is_root() {
        let membership = enter_at(tx, principal, at, now).await?;
        let root = resolve(tx, membership.space.root, &ItemPath::default()).await?;
        membership.check(Action::Create, &root)?;
        return Ok((membership, Some(root)));
    }
    let spot = spot(tx, principal, at, now).await?;
    match &spot.item {
        Some(item) => spot.membership.check(Action::Write, item)?,
        None => {
            spot.membership.check(Action::Create, &spot.folder)?;
            spot.check_new_name()?;
        }
    }
    Ok((spot.membership, spot.item))
}

/// [`Error::Locked`] for a lock in the way, [`Error::TooMuch`] if the user has too many already.
pub(crate) async fn refuse_conflict(tx: &mut Tx, new: &Lock, now: Timestamp) -> Result<(), Error> {
    let all = locks::of_space(tx, new.space, now).await?;
    if all.iter().filter(|held| (held.user, held.share) == (new.user, new.share)).count() >= MAX_LOCKS {
        return Err(Excess::Locks.into());
    }
    for held in all {
        // What a person locked is open to her programs, which lock as they are used to.
        if held.of_person && (held.user, held.share) == (new.user, new.share) {
            continue;
        }
        let overlap = covers(&held, &new.path) || new.deep && lies_below(&held.path, &new.path);
        if overlap && (held.exclusive || new.exclusive) {
            return Err(guard::locked(tx, &held).await?);
        }
    }
    Ok(())
}

async fn own_lock(
    tx: &mut Tx,
    principal: &Principal,
    at: &Location,
    token: &str,
    now: Timestamp,
) -> Result<Lock, Error> {
    let lock = lock_at(tx, at, token, now).await?;
    if principal.holds(&lock) { Ok(lock) } else { Err(Error::NoSuchLock) }
}

async fn lock_at(tx: &mut Tx, at: &Location, token: &str, now: Timestamp) -> Result<Lock, Error> {
    let path = at.path.to_string();
    let held = locks::of_space(tx, at.space, now).await?;
    held.into_iter().find(|lock| lock.token == token && covers(lock, &path)).ok_or(Error::NoSuchLock)
}
