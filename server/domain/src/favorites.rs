//! Marks a person sets on items for herself. They change nothing that others see, so no ETag moves and nothing is
//! journalled.

use crate::access::enter_at;
use crate::read::resolve;
use crate::tree::refuse_creators;
use crate::{Action, Domain, Error, Found, Item, Location, Principal};
use stitchbox_schema::ItemId;
use stitchbox_store::favorites;

/// Most marked items told at once.
const MOST_TOLD: i64 = 1000;

impl Domain {
    /// Marks an item, or takes the mark away. Whoever may read it may.
    pub async fn set_favorite(&self, principal: &Principal, at: &Location, marked: bool) -> Result<(), Error> {
        let (principal, at, now) = (principal.clone(), at.clone(), self.now());
        self.transact(move |tx| {
            Box::pin(async move {
                refuse_creators(&principal)?;
                let membership = enter_at(tx, &principal, &at, now).await?;
                let item = resolve(tx, membership.space.root, &at.path).await?;
                membership.check(Action::Read, &item)?;
                match marked {
                    true => favorites::set(tx, principal.user, item.id).await?,
                    false => favorites::remove(tx, principal.user, item.id).await?,
                }
                Ok(())
            })
        })
        .await
    }

    /// What the person marked of a folder: the folder itself and its children.
    pub async fn favorites_in(&self, principal: &Principal, folder: &Item) -> Result<Vec<ItemId>, Error> {
        Ok(favorites::in_folder(&mut *self.store.read().await?, principal.user, folder.id).await?)
    }

    /// The items the person marked and may (still) read, at most a thousand, with the paths in their spaces.
    pub async fn favorites(&self, principal: &Principal) -> Result<Vec<Found>, Error> {
        let marked = favorites::of_user(&mut *self.store.read().await?, principal.user, MOST_TOLD).await?;
        let mut found = Vec::new();
        for item in marked {
            match self.item_by_id(principal, item).await {
                Ok(item) => found.push(item),
                Err(Error::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(found)
    }
}
