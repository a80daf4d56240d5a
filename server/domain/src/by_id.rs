//! Finding an item by its id alone: what private links and previews are asked with.

use crate::access::enter;
use crate::share_access::seen_by;
use crate::{Action, Domain, Error, Item, ItemPath, Location, Membership, Principal};
use stitchbox_schema::ItemId;
use stitchbox_store::items;

/// An item with its place.
#[derive(Debug, Clone)]
pub struct Found {
    /// What the asking person may do.
    pub membership: Membership,
    /// The item.
    pub item: Item,
    /// Where it is.
    pub at: Location,
}

impl Domain {
    /// The item with this id, if the principal may read it; what lies in the trash is not there.
    pub async fn item_by_id(&self, principal: &Principal, id: ItemId) -> Result<Found, Error> {
        let mut db = self.store.read().await?;
        let item = items::by_id(&mut db, id).await?.ok_or(Error::NotFound)?;
        let membership = match enter(&mut db, principal, item.space).await {
            Err(Error::NotFound) => seen_by(&mut db, principal, id, self.now()).await?.ok_or(Error::NotFound)?,
            entered => entered?,
        };
        membership.check(Action::Read, &item)?;
        let (names, is_live) = items::path(&mut db, id).await?;
        if !is_live {
            return Err(Error::NotFound);
        }
        let path = ItemPath::from_segments(names.iter().map(String::as_str)).map_err(|_| Error::NotFound)?;
        let via = membership.via.as_ref().map(|via| via.share);
        let at = Location { space: membership.space.id, via, path };
        Ok(Found { membership, item, at })
    }

    /// The id as clients see it, of an item that is known by its number alone; see [`Domain::oc_id`].
    #[must_use]
    pub fn oc_id_of(&self, item: ItemId) -> String {
        format!("{:08}{}", item.0, self.instance)
    }

    /// The id of an item out of what clients see as it: the number alone, or with the name of this installation.
    #[must_use]
    pub fn item_id_of(&self, text: &str) -> Option<ItemId> {
        text.strip_suffix(self.instance()).unwrap_or(text).parse().ok()
    }
}
