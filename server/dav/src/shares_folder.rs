//! The folder `Shares` in a user's files: it shows what is shared with her, each under a name she may change.

use crate::entry::Entry;
use crate::mount::Base;
use crate::permissions::READ_ONLY;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stitchbox_domain::{Domain, Item, Mounted, Principal, SHARES_FOLDER};
use stitchbox_schema::{ETag, Timestamp};

/// The folder itself.
pub(crate) fn entry<'a>(domain: &Domain, principal: &'a Principal, shown: &[Mounted]) -> Entry<'a> {
    let latest = |time: fn(&Item) -> Timestamp| shown.iter().map(|one| time(&one.item)).max().unwrap_or(Timestamp(0));
    Entry {
        permissions: READ_ONLY.to_owned(),
        size: shown.iter().map(|one| one.item.size).fold(0, i64::saturating_add),
        mtime: latest(|item| item.mtime),
        created_at: latest(|item| item.created_at),
        ..Entry::of_shown(SHARES_FOLDER, format!("shares{}", domain.instance()), etag(shown), principal)
    }
}

/// It changes with anything below, with the names of the entries and with what may be done there.
pub(crate) fn etag(shown: &[Mounted]) -> ETag {
    let parts = shown.iter().flat_map(|one| {
        let words = format!("{} {}", one.name, one.membership.letters(&one.item));
        let named = ETag::parse(&format!("\"{}\"", utf8_percent_encode(&words, NON_ALPHANUMERIC)));
        [Some(one.item.etag()), named]
    });
    let parts: Vec<ETag> = parts.flatten().collect();
    ETag::combined(&parts)
}

/// The URL that shows one, below that of the folder.
pub(crate) fn base_of(folder: &str, one: &Mounted) -> Base {
    let mut url = folder.to_owned();
    crate::mount::push_segment(&mut url, &one.name);
    Base::new(url, one.top.path.names().len())
}
