//! Seeing who has access to what.

use super::documents::document;
use super::rights::is_running;
use crate::access::enter_at;
use crate::read::resolve;
use crate::{Action, Domain, Error, Location, Principal};
use stitchbox_schema::sharing::{AccessDocument, MemberDocument, PersonDocument, ShareDocument};
use stitchbox_schema::{ShareId, Timestamp};
use stitchbox_store::shares::{self, Share};
use stitchbox_store::{Connection, spaces};

impl Domain {
    /// One share, for who may decide about it or whom it is for.
    pub async fn share_by_id(&self, principal: &Principal, id: ShareId) -> Result<ShareDocument, Error> {
        let now = self.now();
        let mut db = self.store.read().await?;
        let share = shares::by_id(&mut db, id).await?.ok_or(Error::NotFound)?;
        document(&mut db, principal, &share, now).await?.ok_or(Error::NotFound)
    }

    /// The shares of an item that the principal may know of: those of the item, and if so wished of the folders above it
    /// and of what lies below it.
    pub async fn shares_of_item(
        &self,
        principal: &Principal,
        at: &Location,
        with_above: bool,
        with_below: bool,
    ) -> Result<Vec<ShareDocument>, Error> {
        let now = self.now();
        let mut db = self.store.read().await?;
        let membership = enter_at(&mut db, principal, at, now).await?;
        let item = resolve(&mut db, membership.space.root, &at.path).await?;
        membership.check(Action::Read, &item)?;
        let mut found = Vec::new();
        if with_above {
            found.extend(shares::above_item(&mut db, membership.space.id, item.id).await?);
        }
        found.extend(shares::of_item(&mut db, item.id).await?.into_iter().filter(|share| share.space == item.space));
        if with_below {
            found.extend(shares::below_item(&mut db, membership.space.id, item.id).await?);
        }
        visible(&mut db, principal, found, now).await
    }

    /// Everybody who has access to an item, for who may read it: the members of its space (for members), and the shares the
    /// principal may know of.
    pub async fn access_to(&self, principal: &Principal, at: &Location) -> Result<AccessDocument, Error> {
        let now = self.now();
        let mut db = self.store.read().await?;
        let membership = enter_at(&mut db, principal, at, now).await?;
        let item = resolve(&mut db, membership.space.root, &at.path).await?;
        membership.check(Action::Read, &item)?;
        let mut members = Vec::new();
        if membership.via.is_none() {
            for (user, role) in spaces::members(&mut db, membership.space.id).await? {
                let person = PersonDocument { name: user.name, display_name: user.display_name };
                members.push(MemberDocument { person, role });
            }
        }
        let mut on_or_above = shares::above_item(&mut db, membership.space.id, item.id).await?;
        on_or_above.extend(shares::of_item(&mut db, item.id).await?);
        let below = shares::below_item(&mut db, membership.space.id, item.id).await?;
        Ok(AccessDocument {
            members,
            shares: visible(&mut db, principal, on_or_above, now).await?,
            below: visible(&mut db, principal, below, now).await?,
        })
    }

    /// What the principal shares, oldest first.
    pub async fn shares_by(&self, principal: &Principal) -> Result<Vec<ShareDocument>, Error> {
        if principal.scope.share.is_some() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut db = self.store.read().await?;
        let made = shares::by_grantor(&mut db, principal.user).await?;
        visible(&mut db, principal, made, now).await
    }

    /// What is shared with the principal, hidden ones too, oldest first; what has ended is not listed.
    pub async fn shares_with(&self, principal: &Principal) -> Result<Vec<ShareDocument>, Error> {
        if principal.scope.share.is_some() || principal.scope.create_only || principal.scope.space.is_some() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut db = self.store.read().await?;
        let mut got = shares::for_user(&mut db, principal.user).await?;
        got.retain(|share| is_running(share, now) && share.grantor != principal.user);
        visible(&mut db, principal, got, now).await
    }
}

async fn visible(
    db: &mut Connection,
    principal: &Principal,
    found: Vec<Share>,
    now: Timestamp,
) -> Result<Vec<ShareDocument>, Error> {
    let mut documents = Vec::new();
    for share in found {
        match document(db, principal, &share, now).await {
            Ok(Some(document)) => documents.push(document),
            Ok(None) | Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(documents)
}
