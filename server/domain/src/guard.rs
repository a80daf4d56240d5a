//! What must hold before anything is changed: conditions of the request, locks, quota. Always inside the transaction.

use crate::lock_scope::{covers, lies_below};
use crate::read::resolve;
use crate::{Conditions, Error, Item, Location, Membership, Principal, StateCondition, StateTest};
use stitchbox_schema::{ETag, Timestamp};
use stitchbox_store::locks::{self, Lock};
use stitchbox_store::{Connection, Tx, accounts, items, sessions, spaces};

/// A place that a request would change.
pub(crate) struct Guarded<'a> {
    at: &'a Location,
    etag: Option<ETag>,
    modified: Option<Timestamp>,
    /// Not changed at all, but the request speaks of it.
    only_read: bool,
    /// Everything below changes too.
    whole_tree: bool,
    /// The name appears in its folder or vanishes from it, so a lock on the folder counts.
    membership_changes: bool,
}

impl<'a> Guarded<'a> {
    /// Something new appears here.
    pub(crate) fn new_at(at: &'a Location) -> Self {
        Self { at, etag: None, modified: None, only_read: false, whole_tree: false, membership_changes: true }
    }

    /// What is here changes in place.
    pub(crate) fn item_at(at: &'a Location, item: &Item) -> Self {
        let (etag, modified) = (Some(item.etag()), Some(item.mtime));
        Self { at, etag, modified, only_read: false, whole_tree: false, membership_changes: false }
    }

    /// What is here is the request's resource and stays as it is: the source of a copy.
    pub(crate) fn read_at(at: &'a Location, item: &Item) -> Self {
        Self { only_read: true, ..Self::item_at(at, item) }
    }

    /// What is here, if anything, moves, vanishes or is replaced with everything below.
    pub(crate) fn tree_at(at: &'a Location, item: Option<&Item>) -> Self {
        let (etag, modified) = (item.map(Item::etag), item.map(|item| item.mtime));
        Self { at, etag, modified, only_read: false, whole_tree: true, membership_changes: true }
    }

    fn is_touched_by(&self, lock: &Lock) -> bool {
        if self.only_read || lock.space != self.at.space {
            return false;
        }
        let path = self.at.path.to_string();
        if covers(lock, &path) {
            return true;
        }
        let folder = self.at.path.split_last().map(|(folder, _)| folder.to_string());
        let on_folder = self.membership_changes && folder.as_deref() == Some(lock.path.as_str());
        let below = self.whole_tree && lies_below(&lock.path, &path);
        on_folder || below
    }
}

/// Tests conditions and locks for every place a request would change. The entity-tag headers speak of the first.
pub(crate) async fn check(
    db: &mut Connection,
    principal: &Principal,
    now: Timestamp,
    conditions: &Conditions,
    places: &[Guarded<'_>],
) -> Result<(), Error> {
    let Some(first) = places.first() else { return Ok(()) };
    let mut all_locks = Vec::new();
    for place in places {
        if !all_locks.iter().any(|lock: &Lock| lock.space == place.at.space) {
            all_locks.extend(locks::of_space(db, place.at.space, now).await?);
        }
    }
    conditions_hold(db, conditions, first, &all_locks).await?;
    for lock in &all_locks {
        let named = lock.of_person || conditions.tokens().any(|token| token == lock.token);
        let shown = named && principal.holds(lock);
        if !shown && places.iter().any(|place| place.is_touched_by(lock)) {
            // A shared lock of one's own is enough where others hold shared locks too (RFC 4918, 6.1).
            let own_shared = !lock.exclusive
                && all_locks.iter().any(|own| {
                    !own.exclusive
                        && principal.holds(own)
                        && own.path == lock.path
                        && places.iter().any(|place| place.is_touched_by(own))
                        && conditions.tokens().any(|token| token == own.token)
                });
            if !own_shared {
                return Err(locked(db, lock).await?);
            }
        }
    }
    Ok(())
}

/// The refusal that names lock and holder.
pub(crate) async fn locked(db: &mut Connection, lock: &Lock) -> Result<Error, Error> {
    let holder = accounts::by_id(db, lock.user).await?.map_or_else(|| "somebody".to_owned(), |user| user.name);
    Ok(Error::Locked { path: lock.path.clone(), holder })
}

/// Evaluates the headers of entity tags and time, and the `If` header: one list must be true. All speak of the request's resource.
pub(crate) async fn conditions_hold(
    db: &mut Connection,
    conditions: &Conditions,
    request: &Guarded<'_>,
    all_locks: &[Lock],
) -> Result<(), Error> {
    if !conditions.entity_tags_hold(request.etag.as_ref()) || !conditions.time_holds(request.modified) {
        return Err(Error::PreconditionFailed);
    }
    if conditions.state_lists.is_empty() {
        return Ok(());
    }
    for list in &conditions.state_lists {
        let holds = match &list.resource {
            None => list_holds(&list.conditions, Some((request.at, request.etag.as_ref())), all_locks),
            Some(None) => list_holds(&list.conditions, None, all_locks),
            Some(Some(other)) => {
                let etag = etag_at(db, other).await?;
                list_holds(&list.conditions, Some((other, etag.as_ref())), all_locks)
            }
        };
        if holds {
            return Ok(());
        }
    }
    Err(Error::PreconditionFailed)
}

fn list_holds(conditions: &[StateCondition], resource: Option<(&Location, Option<&ETag>)>, all_locks: &[Lock]) -> bool {
    conditions.iter().all(|condition| {
        let is_true = match (&condition.test, resource) {
            (_, None) => false,
            (StateTest::ETag(opaque), Some((_, etag))) => etag.is_some_and(|etag| etag.opaque() == opaque),
            (StateTest::Token(token), Some((at, _))) => {
                let path = at.path.to_string();
                all_locks.iter().any(|lock| lock.token == *token && lock.space == at.space && covers(lock, &path))
            }
        };
        is_true != condition.negated
    })
}

async fn etag_at(db: &mut Connection, at: &Location) -> Result<Option<ETag>, Error> {
    let Some(space) = spaces::by_id(db, at.space).await? else { return Ok(None) };
    match resolve(db, space.root, &at.path).await {
        Ok(item) => Ok(Some(item.etag())),
        Err(Error::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Whether a space can take this many bytes more.
pub(crate) async fn quota(db: &mut Connection, membership: &Membership, needed: i64) -> Result<(), Error> {
    let Some(quota) = membership.space.quota else { return Ok(()) };
    if needed <= 0 {
        return Ok(());
    }
    let shown = items::by_id(db, membership.space.root).await?.map_or(0, |root| root.size);
    let used = shown.saturating_add(sessions::waiting_in(db, membership.space.id).await?);
    if used.saturating_add(needed) > quota {
        return Err(Error::QuotaExceeded { used, quota, needed });
    }
    Ok(())
}

/// Ends the locks on a place and below it, because what they protected is gone from there.
pub(crate) async fn forget_locks_below(tx: &mut Tx, at: &Location, now: Timestamp) -> Result<(), Error> {
    let top = at.path.to_string();
    for lock in locks::of_space(tx, at.space, now).await? {
        if lock.path == top || lies_below(&lock.path, &top) {
            locks::remove(tx, &lock.token).await?;
        }
    }
    Ok(())
}
