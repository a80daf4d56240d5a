//! Going back to an earlier version: a new version on the same bytes, which are not copied.

use crate::guard::{self, Guarded};
use crate::tree::{Act, refuse_creators, spot};
use crate::uploads::{Place, Recorded, show_recorded};
use crate::{Action, Conditions, Domain, Error, Item, Location, Principal, Version};
use stitchbox_schema::{ItemId, VersionId};
use stitchbox_store::versions;

impl Domain {
    /// One version of the file with this id. [`Error::NotFound`] if the file is gone or has no such version.
    pub async fn version_of_file(
        &self,
        principal: &Principal,
        file: ItemId,
        version: VersionId,
    ) -> Result<(Item, Version), Error> {
        let item = self.item_by_id(principal, file).await?.item;
        let version = versions::by_id(&mut *self.store.read().await?, version).await?;
        let version = version.filter(|version| version.item == item.id).ok_or(Error::NotFound)?;
        Ok((item, version))
    }

    /// Lets the file at a place show what one of its earlier versions shows, time included.
    pub async fn restore_version(
        &self,
        principal: &Principal,
        at: &Location,
        version: VersionId,
        conditions: &Conditions,
    ) -> Result<Item, Error> {
        let (principal, at, conditions) = (principal.clone(), at.clone(), conditions.clone());
        let (now, ids) = (self.now(), self.ids.clone());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                refuse_creators(&principal)?;
                let spot = spot(tx, &principal, &at, now).await?;
                let item = spot.existing()?;
                let old = versions::by_id(tx, version).await?.filter(|old| old.item == item.id);
                let old = old.ok_or(Error::NotFound)?;
                spot.membership.check(Action::Write, item)?;
                guard::check(tx, &principal, now, &conditions, &[Guarded::item_at(&at, item)]).await?;
                guard::quota(tx, &spot.membership, old.size - item.size).await?;
                let place = Place { folder: &spot.folder, name: spot.name.as_str(), existing: Some(item) };
                let Version { blob, size, sha256, checksum, content, mtime, .. } = old;
                let bytes = Recorded { blob, size, sha256, checksum, content };
                let act = Act { actor: principal.actor(), run: None, at: now };
                Ok(show_recorded(tx, &ids, place, bytes, mtime, act).await?.item)
            })
        });
        let item = work.await?;
        self.announce();
        Ok(item)
    }
}
