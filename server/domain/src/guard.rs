//! What must hold before anything is changed: conditions of the request, locks, quota. Always inside the transaction.

use crate::read::resolve;
use crate::{Conditions, Error, Item, Location, Membership, Principal, StateCondition, StateTest, covers};
use stitchbox_schema::{ETag, Timestamp};
use stitchbox_store::locks::{self, Lock};
use stitchbox_store::{Connection, Tx, accounts, items, spaces};

/// A place that a request would change.
pub(crate) struct Guarded<'a> {
    at: &'a Location,
    etag: Option<ETag>,
    /// Everything below changes too.
    whole_tree: bool,
    /// The name appears in its folder or vanishes from it, so a lock on the folder counts.
    membership_changes: bool,
}

impl<'a> Guarded<'a> {
    /// Something new appears here.
    pub(crate) fn new_at(at: &'a Location) -> Self {
        Self { at, etag: None, whole_tree: false, membership_changes: true }
    }

    /// What is here changes in place.
    pub(crate) fn item_at(at: &'a Location, item: &Item) -> Self {
        Self { at, etag: Some(item.etag()), whole_tree: false, membership_changes: false }
    }

    /// What is here, if anything, moves, vanishes or is replaced with everything below.
    pub(crate) fn tree_at(at: &'a Location, item: Option<&Item>) -> Self {
        Self { at, etag: item.map(Item::etag), whole_tree: true, membership_changes: true }
    }

    fn is_touched_by(&self, lock: &Lock) -> bool {
        if lock.space != self.at.space {
            return false;
        }
        let path = self.at.path.to_string();
        if covers(lock, &path) {
            return true;
        }
        let folder = self.at.path.split_last().map(|(folder, _)| folder.to_string());
        let on_folder = self.membership_changes && folder.as_deref() == Some(lock.path.as_str());
        let below = self.whole_tree && is_below(&lock.path, &path);
        on_folder || below
    }
}

/// Whether `path` lies below `top`, both as `/a/b`.
fn is_below(path: &str, top: &str) -> bool {
    let top = top.trim_end_matches('/');
    path.len() > top.len() + 1 && path.starts_with(top) && path.as_bytes().get(top.len()) == Some(&b'/')
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
    if !conditions.entity_tags_hold(first.etag.as_ref()) {
        return Err(Error::PreconditionFailed);
    }
    let mut all_locks = Vec::new();
    for place in places {
        if !all_locks.iter().any(|lock: &Lock| lock.space == place.at.space) {
            all_locks.extend(locks::of_space(db, place.at.space, now).await?);
        }
    }
    state_lists_hold(db, conditions, first, &all_locks).await?;
    for lock in &all_locks {
        let shown = lock.user == principal.user && conditions.tokens().any(|token| token == lock.token);
        if !shown && places.iter().any(|place| place.is_touched_by(lock)) {
            // A shared lock of one's own is enough where others hold shared locks too (RFC 4918, 6.1).
            let own_shared = !lock.exclusive
                && all_locks.iter().any(|own| {
                    !own.exclusive
                        && own.user == principal.user
                        && own.path == lock.path
                        && conditions.tokens().any(|token| token == own.token)
                });
            if !own_shared {
                let holder = accounts::by_id(db, lock.user).await?.map_or_else(|| "somebody".to_owned(), |u| u.name);
                return Err(Error::Locked { path: lock.path.clone(), holder });
            }
        }
    }
    Ok(())
}

/// Evaluates the `If` header: one list must be true.
async fn state_lists_hold(
    db: &mut Connection,
    conditions: &Conditions,
    request: &Guarded<'_>,
    all_locks: &[Lock],
) -> Result<(), Error> {
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
    let used = items::by_id(db, membership.space.root).await?.map_or(0, |root| root.size);
    if used.saturating_add(needed) > quota {
        return Err(Error::QuotaExceeded { used, quota, needed });
    }
    Ok(())
}

/// Ends the locks on a place and below it, because what they protected is gone from there.
pub(crate) async fn forget_locks_below(tx: &mut Tx, at: &Location, now: Timestamp) -> Result<(), Error> {
    let top = at.path.to_string();
    for lock in locks::of_space(tx, at.space, now).await? {
        if lock.path == top || is_below(&lock.path, &top) {
            locks::remove(tx, &lock.token).await?;
        }
    }
    Ok(())
}
