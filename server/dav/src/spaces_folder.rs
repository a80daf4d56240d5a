//! The folder `Spaces` in a user's files: it shows the project spaces and has nothing of its own.

use crate::entry::Entry;
use crate::permissions::READ_ONLY;
use crate::shares_folder;
use stitchbox_domain::{Domain, Error, Item, ItemPath, Location, Membership, Mounted, Principal, SPACES_FOLDER};
use stitchbox_schema::{ETag, SpaceKind, Timestamp};

/// A project space with its root.
pub(crate) type Root = (Membership, Item);

/// The roots of the project spaces the principal may read, by name.
pub(crate) async fn roots(domain: &Domain, principal: &Principal) -> Result<Vec<Root>, Error> {
    let mut roots = Vec::new();
    for membership in domain.spaces_of(principal).await? {
        if membership.space.kind != SpaceKind::Project {
            continue;
        }
        let root = Location::in_space(membership.space.id, ItemPath::default());
        match domain.item(principal, &root).await {
            Ok(found) => roots.push(found),
            // It ended in this moment, or may only be written to.
            Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(roots)
}

/// The folder itself.
pub(crate) fn entry<'a>(domain: &Domain, principal: &'a Principal, roots: &[Root]) -> Entry<'a> {
    let etags: Vec<ETag> = roots.iter().map(|(_, root)| root.etag()).collect();
    let latest = |time: fn(&Item) -> Timestamp| roots.iter().map(|(_, root)| time(root)).max().unwrap_or(Timestamp(0));
    Entry {
        permissions: READ_ONLY.to_owned(),
        size: roots.iter().map(|(_, root)| root.size).fold(0, i64::saturating_add),
        mtime: latest(|root| root.mtime),
        created_at: latest(|root| root.created_at),
        ..Entry::of_shown(SPACES_FOLDER, format!("spaces{}", domain.instance()), ETag::combined(&etags), principal)
    }
}

/// The ETag of the top of a user's files: it changes with the personal space, with every space shown below, and with what
/// is shared.
pub(crate) fn top_etag(personal: &Item, roots: &[Root], shares: &[Mounted]) -> ETag {
    let own = personal.etag();
    let mut others: Vec<ETag> = roots.iter().map(|(_, root)| root.etag()).collect();
    if !shares.is_empty() {
        others.push(shares_folder::etag(shares));
    }
    ETag::combined(std::iter::once(&own).chain(&others))
}
