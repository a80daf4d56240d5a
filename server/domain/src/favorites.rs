//! Marks a person sets on items for herself. They change nothing that others see, so no ETag moves and nothing is
//! journalled.

use crate::access::enter_at;
use crate::read::resolve;
use crate::tree::refuse_creators;
use crate::{Action, Domain, Error, Found, Item, Location, Principal, Refusal};
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
                // Marks are a person's own; a visitor of a link is none.
                let Some(user) = principal.actor() else { return Err(Refusal::Role(membership.role).into()) };
                match marked {
                    true => favorites::set(tx, user, item.id).await?,
                    false => favorites::remove(tx, user, item.id).await?,
                }
                Ok(())
            })
        })
        .await
    }

    /// What the person marked of a folder: the folder itself and its children.
    pub async fn favorites_in(&self, principal: &Principal, folder: &Item) -> Result<Vec<ItemId>, Error> {
        let Some(user) = principal.actor() else { return Ok(Vec::new()) };
        Ok(favorites::in_folder(&mut *self.store.read().await?, user, folder.id).await?)
    }

    /// The items the person marked and may (still) read, at most a thousand, with the paths in their spaces.
    pub async fn favorites(&self, principal: &Principal) -> Result<Vec<Found>, Error> {
        let Some(user) = principal.actor() else { return Ok(Vec::new()) };
        let marked = favorites::of_user(&mut *self.store.read().await?, user, MOST_TOLD).await?;
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
