//! The ids of items as clients see them: stable for the item's life, and of this installation alone.

use crate::{Domain, Item};
use stitchbox_schema::ItemId;

impl Domain {
    /// The item's id as clients see it.
    #[must_use]
    pub fn oc_id(&self, item: &Item) -> String {
        self.oc_id_of(item.id)
    }

    /// The same of an item that is known by its number alone.
    #[must_use]
    pub fn oc_id_of(&self, item: ItemId) -> String {
        format!("{:08}{}", item.0, self.instance)
    }

    /// The item's number, out of what clients show: the number alone, or the whole id.
    #[must_use]
    pub fn item_id_of(&self, text: &str) -> Option<ItemId> {
        text.strip_suffix(self.instance()).unwrap_or(text).parse().ok()
    }
}
