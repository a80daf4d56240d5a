//! Looking: items, listings, contents, quota.

use crate::access::enter_at;
use crate::{Action, BlobStream, Domain, Error, Item, ItemPath, Listed, Location, Membership, Principal, Version};
use std::ops::Range;
use stitchbox_schema::{ItemId, SpaceKind};
use stitchbox_store::{Connection, StoreError, items, listing, versions};

/// A file with the version it shows.
#[derive(Debug, Clone)]
pub struct Content {
    /// What the asking person may do.
    pub membership: Membership,
    /// The file.
    pub item: Item,
    /// What it shows.
    pub version: Version,
}

/// How full a space is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes in live files.
    pub used: i64,
    /// Most bytes it may hold.
    pub limit: Option<i64>,
}

/// Follows a path from the root of a space.
pub(crate) async fn resolve(db: &mut Connection, root: ItemId, path: &ItemPath) -> Result<Item, Error> {
    items::at_path(db, root, path.names()).await?.ok_or(Error::NotFound)
}

impl Domain {
    /// The item at a place, if the principal may read it.
    pub async fn item(&self, principal: &Principal, at: &Location) -> Result<(Membership, Item), Error> {
        let mut db = self.store.read().await?;
        let membership = enter_at(&mut db, principal, at, self.now()).await?;
        let item = resolve(&mut db, membership.space.root, &at.path).await?;
        // Whoever may only bring files sees the folder they go into, and nothing of what is in it.
        if membership.is_drop() && item.id == membership.top() && item.is_folder() {
            return Ok((membership, Item { size: 0, ..item }));
        }
        membership.check(Action::Read, &item)?;
        self.note_look(&membership);
        Ok((membership, item))
    }

    /// All children of a folder, by name.
    pub async fn children(&self, membership: &Membership, folder: &Item) -> Result<Vec<Item>, Error> {
        if membership.is_drop() {
            return Ok(Vec::new());
        }
        membership.check(Action::Read, folder)?;
        Ok(items::children(&mut *self.store.read().await?, folder.id).await?)
    }

    /// Up to `limit` children with a name after `after`, by name: for listings that are streamed.
    pub async fn children_page(
        &self,
        membership: &Membership,
        folder: &Item,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Item>, Error> {
        if membership.is_drop() {
            return Ok(Vec::new());
        }
        membership.check(Action::Read, folder)?;
        self.note_look(membership);
        Ok(items::children_page(&mut *self.store.read().await?, folder.id, after, limit).await?)
    }

    /// The file at a place with the version it shows.
    pub async fn content(&self, principal: &Principal, at: &Location) -> Result<Content, Error> {
        let mut db = self.store.read().await?;
        let membership = enter_at(&mut db, principal, at, self.now()).await?;
        let shown = items::shown_at_path(&mut db, membership.space.root, at.path.names()).await?;
        let (item, version) = shown.ok_or(Error::NotFound)?;
        membership.check(Action::Read, &item)?;
        let version = version.ok_or(Error::IsFolder)?;
        self.note_look(&membership);
        Ok(Content { membership, item, version })
    }

    /// What is received from a peer and looked at is compared with it soon; nobody waits for that.
    fn note_look(&self, membership: &Membership) {
        if membership.space.kind == SpaceKind::Received {
            self.looked_at(membership.space.id);
        }
    }

    /// The bytes of a version, through from a peer if they lie there. The range must lie within its size.
    pub async fn open(&self, version: &Version, range: Range<u64>) -> Result<BlobStream, Error> {
        self.blob_bytes(version.blob, range).await
    }

    /// The version a file shows; `None` for a folder.
    pub async fn version_of(&self, item: &Item) -> Result<Option<Version>, Error> {
        version_of(&mut *self.store.read().await?, item).await
    }

    /// As [`Domain::children_page`], if so wished each file with the checksums of the version it shows.
    pub async fn listing_page(
        &self,
        membership: &Membership,
        folder: &Item,
        after: Option<&str>,
        limit: i64,
        with_sums: bool,
    ) -> Result<Vec<Listed>, Error> {
        if membership.is_drop() {
            return Ok(Vec::new());
        }
        membership.check(Action::Read, folder)?;
        self.note_look(membership);
        Ok(listing::page(&mut *self.store.read().await?, folder.id, after, limit, with_sums).await?)
    }

    /// All versions of a file, newest first.
    pub async fn versions(&self, principal: &Principal, at: &Location) -> Result<Vec<Version>, Error> {
        let content = self.content(principal, at).await?;
        self.versions_of(&content.item).await
    }

    /// All versions of a file that was looked up before, newest first.
    pub async fn versions_of(&self, item: &Item) -> Result<Vec<Version>, Error> {
        Ok(versions::of_item(&mut *self.store.read().await?, item.id).await?)
    }

    /// How full a space is. Whoever sees a part of it is told of that part, and how much more it may become.
    pub async fn quota(&self, membership: &Membership) -> Result<Quota, Error> {
        let mut db = self.store.read().await?;
        let root = items::by_id(&mut db, membership.space.root).await?.ok_or(Error::NotFound)?;
        let whole = Quota { used: root.size, limit: membership.space.quota };
        let Some(via) = &membership.via else { return Ok(whole) };
        let top = items::by_id(&mut db, via.top).await?.ok_or(Error::NotFound)?;
        let used = if via.upload_only { 0 } else { top.size };
        let free = |limit: i64| limit.saturating_sub(whole.used).max(0).saturating_add(used);
        Ok(Quota { used, limit: whole.limit.map(free) })
    }

    /// The item's id as clients see it: stable for its life, and of this installation alone.
    #[must_use]
    pub fn oc_id(&self, item: &Item) -> String {
        self.oc_id_of(item.id)
    }
}

async fn version_of(db: &mut Connection, item: &Item) -> Result<Option<Version>, Error> {
    let Some(id) = item.version else { return Ok(None) };
    let version = versions::by_id(db, id).await?;
    let missing = StoreError::Inconsistent { table: "items", column: "version_id", row: item.id.0 };
    Ok(Some(version.ok_or(missing)?))
}
