//! Folders that an upload needs above its place.

use super::Target;
use crate::access::enter_at;
use crate::guard::{self, Guarded};
use crate::tree::{Act, new_folder, spot};
use crate::{Action, Error, Ids, Item, ItemPath, Membership};
use stitchbox_schema::{ItemId, Timestamp};
use stitchbox_store::{Connection, Tx, items};

/// The last folder on the way to a place that exists.
pub(super) async fn nearest(db: &mut Connection, membership: &Membership, path: &ItemPath) -> Result<Item, Error> {
    let mut folder = items::by_id(db, membership.space.root).await?.ok_or(Error::NotFound)?;
    for name in path.names() {
        match items::child(db, folder.id, name.as_str()).await? {
            Some(item) if item.is_folder() => folder = item,
            _ => break,
        }
    }
    Ok(folder)
}

/// Makes the folders missing above the place of an upload.
pub(super) async fn make_missing(tx: &mut Tx, ids: &Ids, target: &Target, now: Timestamp) -> Result<(), Error> {
    let Target { principal, at, intent } = target;
    let Some((folder, _)) = at.path.split_last() else { return Ok(()) };
    let membership = enter_at(tx, principal, at, now).await?;
    // What lies above a shared folder is there, and none of the visitor's business.
    let above = membership.via.as_ref().map_or(0, crate::Via::above);
    let act = Act { actor: principal.actor(), run: None, at: now };
    let shown = intent.conditions.only_tokens();
    let mut path = ItemPath::default();
    for name in folder.names() {
        path = path.join(name.clone());
        if path.names().len() <= above {
            continue;
        }
        let place = at.at(path.clone());
        let spot = spot(tx, principal, &place, now).await?;
        match &spot.item {
            Some(item) if item.is_folder() => {}
            Some(_) => return Err(Error::ParentMissing),
            None => {
                spot.membership.check(Action::Create, &spot.folder)?;
                spot.check_new_name()?;
                guard::check(tx, principal, now, &shown, &[Guarded::new_at(&place)]).await?;
                new_folder(tx, ItemId(ids.next(now)), &spot.folder, spot.name.as_str(), act).await?;
            }
        }
    }
    Ok(())
}
