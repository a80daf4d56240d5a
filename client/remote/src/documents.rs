//! The documents of the JSON interface that describe items, as they come over the wire.

use serde::Deserialize;
use stitchbox_sync::digest::Sha256;
use stitchbox_sync::remote::{FeedItem, ItemId, Kind, Permissions, RemoteItem};

use crate::failure::WireError;

/// An item in the feed or in a listing of a tree.
#[derive(Debug, Deserialize)]
pub(crate) struct ItemDocument {
    id: Box<str>,
    state: State,
    kind: Option<Kind>,
    parent: Option<ItemId>,
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    etag: Box<str>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    mtime_ns: Option<Box<str>>,
    sha256: Option<Sha256>,
    version: Option<Box<str>>,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    permissions: Box<str>,
    #[serde(default)]
    deep: bool,
    #[serde(default)]
    made: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Present,
    Gone,
}

impl ItemDocument {
    /// Whether the folder was plainly made since: what is in it has entries of its own.
    pub(crate) fn is_made(&self) -> bool {
        self.made
    }

    /// The entry of a feed.
    pub(crate) fn entry(self) -> Result<FeedItem, WireError> {
        match self.state {
            State::Gone => Ok(FeedItem::Gone(ItemId(self.id))),
            State::Present => self.item().map(FeedItem::Present),
        }
    }

    /// The item.
    pub(crate) fn item(self) -> Result<RemoteItem, WireError> {
        let malformed = || WireError::Malformed("an item without a kind or a time");
        Ok(RemoteItem {
            id: ItemId(self.id),
            parent: self.parent,
            name: self.name,
            kind: self.kind.ok_or_else(malformed)?,
            etag: stitchbox_sync::remote::Etag(self.etag),
            size: self.size,
            mtime_ns: self.mtime_ns.map_or(Ok(0), |text| text.parse()).map_err(|_| malformed())?,
            sha256: self.sha256,
            version: self.version,
            derived: self.derived,
            permissions: Permissions(self.permissions),
            deep: self.deep,
        })
    }
}
