//! Where things changed, of all spaces: what push messages are made of.

use crate::{Domain, Error};
use stitchbox_schema::{Cursor, ItemId, SpaceId};
use stitchbox_store::{changes, feed};

pub use stitchbox_store::changes::ChangeKind;

/// Changes read at once.
const BATCH: i64 = 1000;

/// A change, as far as its place goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceChanged {
    /// Position in the journal.
    pub cursor: Cursor,
    /// The space.
    pub space: SpaceId,
    /// The item that changed.
    pub item: ItemId,
    /// The folder that holds or held it.
    pub folder: Option<ItemId>,
    /// The folder it was in before a move.
    pub old_folder: Option<ItemId>,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// What happened.
    pub kind: ChangeKind,
}

impl Domain {
    /// The position of the last change.
    pub async fn journal_head(&self) -> Result<Cursor, Error> {
        Ok(changes::head(&mut *self.store.read().await?).await?)
    }

    /// Whether a change happened to something, or in something, that lies below an item: what who sees that item by a share
    /// may hear of.
    pub async fn is_within(&self, place: &PlaceChanged, top: ItemId) -> Result<bool, Error> {
        let mut db = self.store.read().await?;
        for item in [Some(place.item), place.folder, place.old_folder].into_iter().flatten() {
            if feed::lies_within(&mut db, item, top).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next changes after a position, oldest first, at most 1000.
    pub async fn places_changed_after(&self, position: Cursor) -> Result<Vec<PlaceChanged>, Error> {
        let found = changes::after(&mut *self.store.read().await?, position, BATCH).await?;
        let place = |change: changes::Change| PlaceChanged {
            cursor: change.cursor,
            space: change.space,
            item: change.item,
            folder: change.folder,
            old_folder: change.old_folder,
            is_folder: change.is_folder,
            kind: change.kind,
        };
        Ok(found.into_iter().map(place).collect())
    }
}
