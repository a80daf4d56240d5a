//! A whole tree, page by page, folders before what lies in them: for clients that begin, or lost their place in the feed.
//!
//! Nothing stands still for a walk. What changes behind its back is told by the feed from the walk's cursor on, with one
//! gap: of a folder that moved from where the walk had not been to where it had been, the feed tells the folder alone,
//! and what lies in it would be missed. So at its end a walk goes through the folders that moved meanwhile, until none
//! did. An item may be told twice; the later word counts. No connection is held between pages, and memory is a few
//! pages for every level of the tree, however large it is.

use crate::feed::enter_to_follow;
use crate::read::resolve;
use crate::{Domain, Error, ItemPath, Membership, Part, Principal};
use stitchbox_schema::{Cursor, ItemId};
use stitchbox_store::feed::{self, FOLDERS_AT_ONCE, Shown};

/// Items in a page.
const PAGE: i64 = 1000;
/// A tree whose folders move in each of so many rounds is not told to an end.
const MOST_ROUNDS: u32 = 1000;

/// Where a walk begins.
#[derive(Debug, Clone)]
pub enum WalkTop {
    /// At an item.
    Item(ItemId),
    /// At a place.
    Path(ItemPath),
}

/// A walk through a tree.
#[derive(Debug)]
pub struct Walk {
    domain: Domain,
    principal: Principal,
    membership: Membership,
    top: Shown,
    cursor: Cursor,
    /// Whether the top itself was told.
    begun: bool,
    /// What is still to be read; the last first.
    pending: Vec<Pending>,
    /// Folders that moved up to here were gone through.
    caught_up: Cursor,
    rounds: u32,
}

#[derive(Debug)]
enum Pending {
    /// A folder with all its children.
    Folder(ItemId),
    /// A folder's children with names after this one.
    Rest(ItemId, String),
}

impl Domain {
    /// Begins a walk. [`Error::NotFound`] if there is no such item in the tree of the space.
    pub async fn walk(&self, principal: &Principal, part: impl Into<Part> + Send, top: WalkTop) -> Result<Walk, Error> {
        let mut db = self.store.read().await?;
        let membership = enter_to_follow(&mut db, principal, part.into(), self.now()).await?;
        // First of all: whatever is read is at least as new.
        let cursor = feed::reach(&mut db).await?.head;
        let id = match top {
            WalkTop::Item(id) if feed::lies_within(&mut db, id, membership.top()).await? => id,
            WalkTop::Item(_) => return Err(Error::NotFound),
            WalkTop::Path(path) => resolve(&mut db, membership.space.root, &membership.place(path).path).await?.id,
        };
        let top = feed::shown_by_id(&mut db, id).await?.ok_or(Error::NotFound)?;
        let pending = if top.item.is_folder() { vec![Pending::Folder(id)] } else { Vec::new() };
        let (domain, principal) = (self.clone(), principal.clone());
        Ok(Walk { domain, principal, membership, top, cursor, begun: false, pending, caught_up: cursor, rounds: 0 })
    }
}

impl Walk {
    /// From where the feed tells what changes during and after the walk.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// What the asking person may do in the space; asked anew for every page.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Where it began.
    #[must_use]
    pub fn top(&self) -> ItemId {
        self.top.item.id
    }

    /// The next page, which may be empty; none at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Shown>>, Error> {
        if !self.begun {
            self.begun = true;
            return Ok(Some(vec![self.top.clone()]));
        }
        let mut db = self.domain.store.read().await?;
        self.membership = {
            let (part, now) = (self.membership.part(), self.domain.now());
            enter_to_follow(&mut db, &self.principal, part, now).await?
        };
        let page = match self.pending.pop() {
            Some(Pending::Rest(folder, after)) => {
                let page = feed::children_after(&mut db, folder, &after, PAGE).await?;
                self.keep_rest(&page, Vec::new());
                page
            }
            Some(Pending::Folder(first)) => {
                let folders = self.take_folders(first);
                let page = feed::children_of(&mut db, &folders, PAGE).await?;
                self.keep_rest(&page, folders);
                page
            }
            None => {
                drop(db);
                return self.catch_up().await;
            }
        };
        let found = page.iter().filter(|shown| shown.item.is_folder());
        self.pending.extend(found.map(|shown| Pending::Folder(shown.item.id)));
        Ok(Some(page))
    }

    fn take_folders(&mut self, first: ItemId) -> Vec<ItemId> {
        let mut folders = vec![first];
        while let Some(Pending::Folder(next)) = self.pending.last()
            && folders.len() < FOLDERS_AT_ONCE
        {
            folders.push(*next);
            self.pending.pop();
        }
        folders
    }

    /// A full page may have ended within a folder; the ones after that were not reached at all.
    fn keep_rest(&mut self, page: &[Shown], folders: Vec<ItemId>) {
        let Some(last) = page.last().filter(|_| page.len() as i64 >= PAGE) else { return };
        let Some(within) = last.item.parent else { return };
        self.pending.extend(folders.into_iter().filter(|folder| *folder > within).map(Pending::Folder));
        self.pending.push(Pending::Rest(within, last.item.name.clone()));
    }

    /// The folders that moved since the walk was here last, to be gone through; none if none did.
    async fn catch_up(&mut self) -> Result<Option<Vec<Shown>>, Error> {
        let mut db = self.domain.store.read().await?;
        let reach = feed::reach(&mut db).await?;
        if reach.lowest > self.caught_up {
            return Err(Error::CursorTooOld);
        }
        let moved = feed::moved_folders(&mut db, self.membership.space.id, self.caught_up, reach.head).await?;
        if moved.is_empty() {
            return Ok(None);
        }
        self.caught_up = reach.head;
        self.rounds += 1;
        if self.rounds > MOST_ROUNDS {
            return Err(Error::PreconditionFailed);
        }
        let mut page = Vec::new();
        for folder in moved {
            if !feed::lies_within(&mut db, folder, self.top.item.id).await? {
                continue;
            }
            page.extend(feed::shown_by_id(&mut db, folder).await?);
            self.pending.push(Pending::Folder(folder));
        }
        Ok(Some(page))
    }
}
