//! The numbers for kinds of share.

use stitchbox_schema::sharing::{ShareDocument, ShareKind};

/// A user here.
pub(crate) const USER: u32 = 0;
/// A group here.
pub(crate) const GROUP: u32 = 1;
/// Whoever has the link.
pub(crate) const LINK: u32 = 3;
/// A link that is sent by mail; not here.
pub(crate) const MAIL: u32 = 4;
/// Somebody at a peer.
pub(crate) const FEDERATED: u32 = 6;
/// A group at a peer.
pub(crate) const FEDERATED_GROUP: u32 = 9;

/// The number of a share's kind.
pub(crate) fn of(share: &ShareDocument) -> u32 {
    match share.kind {
        ShareKind::User => USER,
        ShareKind::Group => GROUP,
        ShareKind::Link => LINK,
        ShareKind::Federated if share.delivery.as_ref().is_some_and(|delivery| delivery.is_group) => FEDERATED_GROUP,
        ShareKind::Federated => FEDERATED,
    }
}
