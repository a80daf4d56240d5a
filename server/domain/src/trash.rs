//! What was deleted, and bringing it back.

use crate::access::enter;
use crate::guard::{self, Guarded};
use crate::read::resolve;
use crate::tree::{Act, spot};
use crate::{Action, Conditions, Domain, Error, Item, ItemPath, Location, Membership, Principal, RESERVED_NAMES};
use stitchbox_schema::{ItemId, ItemName, SpaceId, SpaceKind, Timestamp};
use stitchbox_store::changes::ChangeKind;
use stitchbox_store::trash::{self, Trashed};
use stitchbox_store::{Connection, Tx, items};

/// Most `name (restored n)` that are tried where the name is taken.
const MAX_RESTORED_NAMES: u32 = 1000;

impl Domain {
    /// What was deleted from a space, latest first.
    pub async fn trash(&self, principal: &Principal, space: SpaceId) -> Result<Vec<(Trashed, Item)>, Error> {
        let mut db = self.store.read().await?;
        let membership = enter(&mut db, principal, space).await?;
        if membership.scope.create_only {
            return Err(Error::NotFound);
        }
        let mut found = Vec::new();
        for entry in trash::of_space(&mut db, space).await? {
            if let Some(item) = items::by_id(&mut db, entry.item).await? {
                found.push((entry, item));
            }
        }
        Ok(found)
    }

    /// Up to `limit` of what was deleted from a space after `after`, oldest first.
    pub async fn trash_page(
        &self,
        membership: &Membership,
        after: Option<(Timestamp, ItemId)>,
        limit: i64,
    ) -> Result<Vec<(Trashed, Item)>, Error> {
        // The trash is the members': what lies in it is shared with nobody any more.
        if membership.scope.create_only || membership.via.is_some() {
            return Err(Error::NotFound);
        }
        let mut db = self.store.read().await?;
        let mut found = Vec::new();
        for entry in trash::page(&mut db, membership.space.id, after, limit).await? {
            if let Some(item) = items::by_id(&mut db, entry.item).await? {
                found.push((entry, item));
            }
        }
        Ok(found)
    }

    /// A deleted item and what lies below it at `path`, which is the item itself if the path is empty.
    pub async fn trashed(
        &self,
        principal: &Principal,
        item: ItemId,
        path: &ItemPath,
    ) -> Result<(Membership, Trashed, Item), Error> {
        let mut db = self.store.read().await?;
        let entry = trash::by_item(&mut db, item).await?.ok_or(Error::NotFound)?;
        let membership = enter(&mut db, principal, entry.space).await?;
        if membership.scope.create_only {
            return Err(Error::NotFound);
        }
        let item = resolve(&mut db, item, path).await?;
        Ok((membership, entry, item))
    }

    /// Puts a deleted item back where it lay; under the root of the space if its folder is gone, under another name if
    /// its own is taken.
    pub async fn restore(&self, principal: &Principal, item: ItemId) -> Result<Item, Error> {
        self.restore_to(principal, item, None).await
    }

    /// Puts a deleted item back to a place in its space where nothing is, or, without one, as [`Domain::restore`].
    pub async fn restore_to(&self, principal: &Principal, item: ItemId, to: Option<&Location>) -> Result<Item, Error> {
        let (principal, to, now) = (principal.clone(), to.cloned(), self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let entry = trash::by_item(tx, item).await?.ok_or(Error::NotFound)?;
                let membership = enter(tx, &principal, entry.space).await?;
                if membership.scope.create_only {
                    return Err(Error::NotFound);
                }
                let item = items::by_id(tx, item).await?.ok_or(Error::NotFound)?;
                let (folder, at) = match to {
                    Some(to) => free_place(tx, &principal, &entry, to, now).await?,
                    None => old_place(tx, &membership, &entry, &item).await?,
                };
                // A derived item comes back as one; only its folder need be open to the person.
                let open = Item { run: None, ..folder.clone() };
                membership.check(Action::Create, &open)?;
                guard::quota(tx, &membership, item.size).await?;
                guard::check(tx, &principal, now, &Conditions::default(), &[Guarded::new_at(&at)]).await?;
                let name = at.path.names().last().map(ToString::to_string).unwrap_or_default();
                let item = Item { parent: Some(folder.id), name, ..item };
                trash::remove(tx, item.id).await?;
                items::place(tx, item.id, item.parent, &item.name).await?;
                let act = Act { actor: principal.actor(), run: None, at: now };
                act.append(tx, ChangeKind::Restored, &item, folder.id, item.size).await?;
                Ok(item)
            })
        });
        let item = work.await?;
        self.announce();
        Ok(item)
    }
}

/// The folder and place where a deleted item lay, or as near to it as is left.
async fn old_place(
    tx: &mut Tx,
    membership: &Membership,
    entry: &Trashed,
    item: &Item,
) -> Result<(Item, Location), Error> {
    let folder = living_folder(tx, entry, membership.space.root).await?;
    let taken: &[&str] = match folder.parent.is_none() && membership.space.kind == SpaceKind::Personal {
        true => &RESERVED_NAMES,
        false => &[],
    };
    let name = free_name(tx, &folder, &item.name, taken).await?;
    let (names, _) = items::path(tx, folder.id).await?;
    let path = ItemPath::from_segments(names.iter().map(String::as_str).chain([name.as_str()]))?;
    Ok((folder, Location::in_space(entry.space, path)))
}

/// The place somebody wants a deleted item at, and its folder: in the same space, and nothing may be there.
async fn free_place(
    tx: &mut Tx,
    principal: &Principal,
    entry: &Trashed,
    to: Location,
    now: Timestamp,
) -> Result<(Item, Location), Error> {
    if to.space != entry.space {
        return Err(Error::NotFound);
    }
    let spot = spot(tx, principal, &to, now).await?;
    if spot.item.is_some() {
        return Err(Error::PreconditionFailed);
    }
    spot.check_new_name()?;
    Ok((spot.folder, to))
}

async fn living_folder(db: &mut Connection, entry: &Trashed, root: ItemId) -> Result<Item, Error> {
    let (_, lives) = items::path(db, entry.parent).await?;
    let folder = items::by_id(db, if lives { entry.parent } else { root }).await?.ok_or(Error::NotFound)?;
    if folder.space == entry.space { Ok(folder) } else { items::by_id(db, root).await?.ok_or(Error::NotFound) }
}

/// The name itself, or `name (restored)` and so on where it is taken in the folder or stands for something else.
async fn free_name(tx: &mut Tx, folder: &Item, name: &str, taken: &[&str]) -> Result<String, Error> {
    if !taken.contains(&name) && items::child(tx, folder.id, name).await?.is_none() {
        return Ok(name.to_owned());
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    for count in 1..=MAX_RESTORED_NAMES {
        let suffix = if count == 1 { " (restored)".to_owned() } else { format!(" (restored {count})") };
        let candidate = format!("{stem}{suffix}{extension}");
        let fits = ItemName::parse(&candidate).is_ok();
        if fits && items::child(tx, folder.id, &candidate).await?.is_none() {
            return Ok(candidate);
        }
    }
    Err(Error::Exists)
}
