//! The permission letters as this protocol shows them; [`Membership::letters`] decides.

use stitchbox_domain::{Item, Membership};

/// What a client is shown for a folder that only shows others.
pub(crate) const READ_ONLY: &str = "G";

/// The letters of an item.
pub(crate) fn letters(membership: &Membership, item: &Item) -> String {
    membership.letters(item)
}

/// Whether it is the root of a space that is not the person's own.
pub(crate) fn is_mount_root(membership: &Membership, item: &Item) -> bool {
    membership.is_mount_root(item)
}
