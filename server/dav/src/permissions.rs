//! The permission letters as this protocol shows them; [`Membership::letters`] decides.

use stitchbox_domain::{Item, Membership};
use stitchbox_schema::SpaceKind;

/// What a client is shown for a folder that only shows others.
pub(crate) const READ_ONLY: &str = "G";

/// The letters of an item.
pub(crate) fn letters(membership: &Membership, item: &Item) -> String {
    membership.letters(item)
}

/// Whether a client is to take it for the top of something that does not belong to its user: the root of a space that is
/// not the person's own, or what is shared with the person.
pub(crate) fn is_mount_root(membership: &Membership, item: &Item) -> bool {
    let is_entry = membership.via.as_ref().is_some_and(|via| via.is_mounted() && via.top == item.id);
    is_entry || membership.is_mount_root(item)
}

/// Nextcloud's word for whose the files are: what lies in a project is somebody else's as well.
pub(crate) fn mount_type(membership: &Membership) -> &'static str {
    match (&membership.via, membership.space.kind) {
        (Some(via), _) if via.is_mounted() => "shared",
        (Some(_), _) | (None, SpaceKind::Personal) => "",
        (None, SpaceKind::Project) => "group",
        (None, SpaceKind::Received) => "external",
    }
}
