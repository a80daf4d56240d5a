//! Changing the tree: make, remove, move. One transaction each; bytes are never copied.

use crate::access::enter_at;
use crate::guard::{self, Guarded};
use crate::properties::touched;
use crate::read::resolve;
use crate::received;
use crate::{Action, Conditions, Domain, Error, Item, ItemKind, Location, Membership, Principal, Refusal};
use stitchbox_schema::{Cursor, ItemId, ItemName, RunId, SpaceKind, Timestamp, UserId};
use stitchbox_store::changes::{self, ChangeKind, NewChange};
use stitchbox_store::trash::Trashed;
use stitchbox_store::{Connection, Tx, items, runs, trash};

/// How a moved item arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// Whether it may take the place of what is there.
    pub overwrite: bool,
    /// The modification time it gets in the same transaction; none leaves it as it is.
    pub mtime: Option<Timestamp>,
}

/// What a move or copy did.
#[derive(Debug, Clone)]
pub struct Relocated {
    /// The item at the destination.
    pub item: Item,
    /// Whether something was there before; it is in the trash now.
    pub replaced: bool,
}

/// A place in an open transaction: the folder that holds it, the name, and what is there.
pub(crate) struct Spot {
    pub membership: Membership,
    pub folder: Item,
    pub name: ItemName,
    pub item: Option<Item>,
}

/// Looks up a place that is not a root. [`Error::ParentMissing`] if there is no folder to hold it.
pub(crate) async fn spot(
    db: &mut Connection,
    principal: &Principal,
    at: &Location,
    now: Timestamp,
) -> Result<Spot, Error> {
    let membership = enter_at(db, principal, at, now).await?;
    let (folder, name) = at.path.split_last().ok_or(Refusal::Root)?;
    let name = name.clone();
    let folder = resolve(db, membership.space.root, &folder).await.map_err(|error| match error {
        Error::NotFound => Error::ParentMissing,
        other => other,
    })?;
    if !folder.is_folder() {
        return Err(Error::ParentMissing);
    }
    let item = items::child(db, folder.id, name.as_str()).await?;
    Ok(Spot { membership, folder, name, item })
}

impl Spot {
    /// The item, or [`Error::NotFound`].
    pub(crate) fn existing(&self) -> Result<&Item, Error> {
        self.item.as_ref().ok_or(Error::NotFound)
    }

    /// Whether the name may be used for something new here.
    pub(crate) fn check_new_name(&self) -> Result<(), Error> {
        let top_of_personal = self.membership.space.kind == SpaceKind::Personal && self.folder.parent.is_none();
        if top_of_personal && crate::RESERVED_NAMES.contains(&self.name.as_str()) {
            return Err(Refusal::ReservedName.into());
        }
        Ok(())
    }
}

/// Who does what when: what every change row needs.
#[derive(Clone, Copy)]
pub(crate) struct Act {
    pub actor: Option<UserId>,
    pub run: Option<RunId>,
    pub at: Timestamp,
}

impl Act {
    /// Appends a change of an item in a folder.
    pub(crate) async fn append(
        self,
        tx: &mut Tx,
        kind: ChangeKind,
        item: &Item,
        folder: ItemId,
        size_delta: i64,
    ) -> Result<Cursor, Error> {
        let change = NewChange {
            space: item.space,
            item: item.id,
            folder,
            old_folder: None,
            kind,
            name: &item.name,
            run: self.run,
            actor: self.actor,
            at: self.at,
            size_delta,
        };
        Ok(changes::append(tx, &change).await?)
    }
}

impl Domain {
    /// Makes a folder.
    pub async fn make_folder(
        &self,
        principal: &Principal,
        at: &Location,
        conditions: &Conditions,
    ) -> Result<Item, Error> {
        let (principal, at, conditions) = (principal.clone(), at.clone(), conditions.clone());
        let (now, id) = (self.now(), ItemId(self.ids.next(self.now())));
        let there = self.is_received(at.space).await?;
        if there {
            check_new_folder(&mut *self.store.read().await?, &principal, &at, &conditions, now).await?;
            self.make_folder_there(at.space, &at.path).await?;
        }
        let work = self.transact(move |tx| {
            Box::pin(async move {
                if there {
                    received::remember_change(tx, at.space).await?;
                    // It may have been listed before this transaction came.
                    if let Some(listed) = spot(tx, &principal, &at, now).await?.item.filter(Item::is_folder) {
                        return Ok(listed);
                    }
                }
                let spot = check_new_folder(tx, &principal, &at, &conditions, now).await?;
                let act = Act { actor: principal.actor(), run: None, at: now };
                new_folder(tx, id, &spot.folder, spot.name.as_str(), act).await
            })
        });
        let item = work.await?;
        self.announce();
        Ok(item)
    }

    /// Puts an item, with everything below it, into the trash.
    pub async fn remove(&self, principal: &Principal, at: &Location, conditions: &Conditions) -> Result<(), Error> {
        let (principal, at, conditions) = (principal.clone(), at.clone(), conditions.clone());
        let now = self.now();
        let there = self.is_received(at.space).await?;
        if there {
            let spot = check_removal(&mut *self.store.read().await?, &principal, &at, &conditions, now).await?;
            self.remove_there(&at, spot.existing()?).await?;
        }
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let conditions = if there { conditions.only_tokens() } else { conditions };
                let spot = match check_removal(tx, &principal, &at, &conditions, now).await {
                    // That it is gone may have been seen before this transaction came.
                    Err(Error::NotFound) if there => return Ok(()),
                    found => found?,
                };
                let item = spot.existing()?;
                let act = Act { actor: principal.actor(), run: None, at: now };
                discard(tx, &at, &spot.folder, item, act).await?;
                if there {
                    received::remember_removal(tx, item).await?;
                }
                guard::forget_locks_below(tx, &at, now).await
            })
        });
        work.await?;
        self.announce();
        Ok(())
    }

    /// Moves or renames an item, within a space or between two. What lies at the destination goes to the trash in the
    /// same transaction.
    pub async fn relocate(
        &self,
        principal: &Principal,
        from: &Location,
        to: &Location,
        arrival: Arrival,
        conditions: &Conditions,
    ) -> Result<Relocated, Error> {
        let Arrival { overwrite, mtime } = arrival;
        let (principal, from, to, conditions) = (principal.clone(), from.clone(), to.clone(), conditions.clone());
        let now = self.now();
        let there = self.is_received(from.space).await?;
        if from.space != to.space && (there || self.is_received(to.space).await?) {
            return Err(Refusal::AcrossPeers.into());
        }
        if there {
            let mut db = self.store.read().await?;
            check_relocation(&mut db, &principal, &from, &to, overwrite, &conditions, now).await?;
            drop(db);
            self.relocate_there(from.space, &from.path, &to.path, overwrite).await?;
        }
        let work = self.transact(move |tx| {
            Box::pin(async move {
                // What became of the two places meanwhile is the peer's word already.
                let (conditions, overwrite) =
                    if there { (conditions.only_tokens(), true) } else { (conditions, overwrite) };
                if there {
                    received::remember_change(tx, from.space).await?;
                }
                let checked = check_relocation(tx, &principal, &from, &to, overwrite, &conditions, now).await;
                let (source, item, target) = match checked {
                    // The move was listed before this transaction came.
                    Err(Error::NotFound) if there => {
                        let item = spot(tx, &principal, &to, now).await?.existing()?.clone();
                        return Ok(Relocated { item, replaced: false });
                    }
                    checked => checked?,
                };
                if from.space != to.space {
                    guard::quota(tx, &target.membership, item.size - target.item.as_ref().map_or(0, |i| i.size))
                        .await?;
                }
                let act = Act { actor: principal.actor(), run: None, at: now };
                if let Some(old) = &target.item {
                    discard(tx, &to, &target.folder, old, act).await?;
                    if there {
                        received::remember_removal(tx, old).await?;
                    }
                }
                guard::forget_locks_below(tx, &from, now).await?;
                let mut item = put_in_place(tx, item, &source.folder, &target, act).await?;
                if let Some(mtime) = mtime {
                    let cursor = touched(tx, &principal, &item, now).await?;
                    items::set_mtime(tx, item.id, mtime).await?;
                    item.mtime = mtime;
                    if item.is_folder() {
                        item.last_change = cursor;
                    }
                }
                Ok(Relocated { item, replaced: target.item.is_some() })
            })
        });
        let relocated = work.await?;
        self.announce();
        Ok(relocated)
    }
}

/// Whether a folder may be made at a place.
async fn check_new_folder(
    db: &mut Connection,
    principal: &Principal,
    at: &Location,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<Spot, Error> {
    if at.path.is_root() {
        enter_at(db, principal, at, now).await?;
        return Err(Error::Exists);
    }
    let spot = spot(db, principal, at, now).await?;
    spot.membership.check(Action::Create, &spot.folder)?;
    if spot.item.is_some() {
        return Err(Error::Exists);
    }
    spot.check_new_name()?;
    guard::check(db, principal, now, conditions, &[Guarded::new_at(at)]).await?;
    Ok(spot)
}

/// Whether what is at a place may be removed.
async fn check_removal(
    db: &mut Connection,
    principal: &Principal,
    at: &Location,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<Spot, Error> {
    refuse_creators(principal)?;
    let spot = spot(db, principal, at, now).await.map_err(missing_parent_is_not_found)?;
    let item = spot.existing()?;
    spot.membership.check(Action::Delete, item)?;
    guard::check(db, principal, now, conditions, &[Guarded::tree_at(at, Some(item))]).await?;
    Ok(spot)
}

/// Whether what is at a place may be moved to another: where it lies, the item, and where it goes.
async fn check_relocation(
    db: &mut Connection,
    principal: &Principal,
    from: &Location,
    to: &Location,
    overwrite: bool,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<(Spot, Item, Spot), Error> {
    refuse_creators(principal)?;
    let source = spot(db, principal, from, now).await.map_err(missing_parent_is_not_found)?;
    let item = source.existing()?.clone();
    source.membership.check(Action::Move, &item)?;
    let target = arrive(db, principal, from, to, overwrite, now).await?;
    let guarded = [Guarded::tree_at(from, Some(&item)), Guarded::tree_at(to, target.item.as_ref())];
    guard::check(db, principal, now, conditions, &guarded).await?;
    Ok((source, item, target))
}

fn missing_parent_is_not_found(error: Error) -> Error {
    match error {
        Error::ParentMissing => Error::NotFound,
        other => other,
    }
}

/// A credential that may only create must not learn what exists: it is refused before anything is looked up.
pub(crate) fn refuse_creators(principal: &Principal) -> Result<(), Refusal> {
    if principal.scope.create_only { Err(Refusal::CreateOnly) } else { Ok(()) }
}

/// Checks the destination of a move or copy.
pub(crate) async fn arrive(
    db: &mut Connection,
    principal: &Principal,
    from: &Location,
    to: &Location,
    overwrite: bool,
    now: Timestamp,
) -> Result<Spot, Error> {
    let target = spot(db, principal, to, now).await?;
    let nested = from.path.contains(&to.path) || to.path.contains(&from.path);
    if from.space == to.space && nested {
        return Err(Error::IntoItself);
    }
    target.membership.check(Action::Create, &target.folder)?;
    target.check_new_name()?;
    if let Some(old) = &target.item {
        if !overwrite {
            return Err(Error::PreconditionFailed);
        }
        target.membership.check(Action::Delete, old)?;
        if old.run.is_some() {
            return Err(Refusal::Derived.into());
        }
    }
    Ok(target)
}

/// Makes a folder in a folder. Names are unique, so a race ends in [`Error::Exists`].
pub(crate) async fn new_folder(tx: &mut Tx, id: ItemId, folder: &Item, name: &str, act: Act) -> Result<Item, Error> {
    let mut item = Item {
        id,
        space: folder.space,
        parent: Some(folder.id),
        name: name.to_owned(),
        kind: ItemKind::Folder,
        version: None,
        size: 0,
        mtime: act.at,
        last_change: Cursor(0),
        run: act.run,
        created_at: act.at,
        rights: None,
    };
    items::insert(tx, &item).await?;
    item.last_change = act.append(tx, ChangeKind::Created, &item, folder.id, 0).await?;
    items::set_last_change(tx, item.id, item.last_change).await?;
    Ok(item)
}

/// Puts an item into the trash.
pub(crate) async fn discard(tx: &mut Tx, at: &Location, folder: &Item, item: &Item, act: Act) -> Result<(), Error> {
    let entry = Trashed {
        item: item.id,
        space: item.space,
        parent: folder.id,
        original_path: at.path.to_string(),
        deleted_at: act.at,
        deleted_by: act.actor,
    };
    trash::insert(tx, &entry).await?;
    items::place(tx, item.id, None, &item.name).await?;
    act.append(tx, ChangeKind::Deleted, item, folder.id, -item.size).await?;
    Ok(())
}

async fn put_in_place(tx: &mut Tx, item: Item, from: &Item, target: &Spot, act: Act) -> Result<Item, Error> {
    let moved = Item { parent: Some(target.folder.id), name: target.name.as_str().to_owned(), ..item.clone() };
    items::place(tx, moved.id, moved.parent, &moved.name).await?;
    if moved.space == target.folder.space {
        let change = NewChange {
            space: moved.space,
            item: moved.id,
            folder: target.folder.id,
            old_folder: Some(from.id),
            kind: ChangeKind::Moved,
            name: &moved.name,
            run: None,
            actor: act.actor,
            at: act.at,
            size_delta: moved.size,
        };
        let cursor = changes::append(tx, &change).await?;
        changes::raise(tx, from.id, cursor, -moved.size, act.at).await?;
        return Ok(moved);
    }
    // Between spaces it leaves the one and appears in the other; whoever reads one space's changes sees only its own.
    act.append(tx, ChangeKind::Deleted, &item, from.id, -item.size).await?;
    items::set_space(tx, moved.id, target.folder.space).await?;
    runs::set_space(tx, moved.id, target.folder.space).await?;
    let moved = Item { space: target.folder.space, ..moved };
    act.append(tx, ChangeKind::Arrived, &moved, target.folder.id, moved.size).await?;
    Ok(moved)
}
