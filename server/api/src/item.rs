//! Items as the feed and the tree tell them.

use stitchbox_domain::{FeedEntry, Membership, Shown};
use stitchbox_schema::documents::{ItemDocument, PresentDocument};

/// An entry of the feed.
pub(crate) fn of_entry(membership: &Membership, entry: FeedEntry) -> ItemDocument {
    match entry.now {
        Some(shown) => {
            let told = present(membership, shown);
            ItemDocument::Present(Box::new(PresentDocument { deep: entry.deep, made: entry.made, ..told }))
        }
        None => ItemDocument::Gone { id: entry.id },
    }
}

/// A line of the tree.
pub(crate) fn of_shown(membership: &Membership, shown: Shown) -> ItemDocument {
    ItemDocument::Present(Box::new(present(membership, shown)))
}

fn present(membership: &Membership, Shown { item, sha256 }: Shown) -> PresentDocument {
    PresentDocument {
        id: item.id,
        kind: if item.is_folder() { "folder" } else { "file" },
        // What lies above the top is none of who sees a part of the space.
        parent: item.parent.filter(|_| item.id != membership.top()),
        etag: item.etag().to_string(),
        size: item.size,
        mtime_ns: item.mtime.0.to_string(),
        sha256,
        version: item.version,
        derived: item.run.is_some(),
        permissions: membership.letters(&item),
        deep: false,
        made: false,
        name: item.name,
    }
}
