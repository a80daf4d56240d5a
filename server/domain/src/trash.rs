//! What was deleted, and bringing it back.

use crate::access::enter;
use crate::guard::{self, Guarded};
use crate::tree::Act;
use crate::{Action, Conditions, Domain, Error, Item, ItemPath, Location, Principal, RESERVED_NAMES};
use stitchbox_schema::{ItemId, ItemName, SpaceId, SpaceKind};
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

    /// Puts a deleted item back where it lay; under the root of the space if its folder is gone, under another name if
    /// its own is taken.
    pub async fn restore(&self, principal: &Principal, item: ItemId) -> Result<Item, Error> {
        let (principal, now) = (principal.clone(), self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let entry = trash::by_item(tx, item).await?.ok_or(Error::NotFound)?;
                let membership = enter(tx, &principal, entry.space).await?;
                if membership.scope.create_only {
                    return Err(Error::NotFound);
                }
                let item = items::by_id(tx, item).await?.ok_or(Error::NotFound)?;
                let folder = living_folder(tx, &entry, membership.space.root).await?;
                // A derived item comes back as one; only its folder need be open to the person.
                let open = Item { run: None, ..folder.clone() };
                membership.check(Action::Create, &open)?;
                guard::quota(tx, &membership, item.size).await?;
                let taken: &[&str] = match folder.parent.is_none() && membership.space.kind == SpaceKind::Personal {
                    true => &RESERVED_NAMES,
                    false => &[],
                };
                let name = free_name(tx, &folder, &item.name, taken).await?;
                let (names, _) = items::path(tx, folder.id).await?;
                let path = ItemPath::from_segments(names.iter().map(String::as_str).chain([name.as_str()]))?;
                let at = Location { space: entry.space, path };
                guard::check(tx, &principal, now, &Conditions::default(), &[Guarded::new_at(&at)]).await?;
                let item = Item { parent: Some(folder.id), name, ..item };
                trash::remove(tx, item.id).await?;
                items::place(tx, item.id, item.parent, &item.name).await?;
                let act = Act { actor: Some(principal.user), run: None, at: now };
                act.append(tx, ChangeKind::Restored, &item, folder.id, item.size).await?;
                Ok(item)
            })
        });
        let item = work.await?;
        self.announce();
        Ok(item)
    }
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
