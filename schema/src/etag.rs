//! ETags: opaque strong validators. A file's follows its version, a folder's the last change anywhere below it.

use crate::{Cursor, ItemId, VersionId};
use std::fmt;

/// A strong ETag; displays with its quotes, as it stands in headers and in `getetag` alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(String);

impl ETag {
    /// The ETag of a file: it changes with the content and survives a move.
    #[must_use]
    pub fn of_version(version: VersionId) -> Self {
        Self(format!("v{:x}", version.0))
    }

    /// The ETag of a folder: it changes with anything below.
    #[must_use]
    pub fn of_folder(folder: ItemId, last_change: Cursor) -> Self {
        Self(format!("f{:x}.{:x}", folder.0, last_change.0))
    }

    /// The ETag of a place that only shows others (the root of a user's mount): made of theirs, in order.
    #[must_use]
    pub fn combined<'a>(parts: impl IntoIterator<Item = &'a ETag>) -> Self {
        // FNV-1a, 64 bit: an ETag needs difference, not secrecy, and must not depend on a process-wide seed.
        let mut state: u64 = 0xcbf2_9ce4_8422_2325;
        for part in parts {
            for byte in part.0.bytes().chain([b'/']) {
                state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self(format!("c{state:x}"))
    }

    /// Reads an ETag as it stands in a header, with its quotes; `None` for a weak one and for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let opaque = text.strip_prefix('"')?.strip_suffix('"')?;
        (!opaque.contains('"')).then(|| Self(opaque.to_owned()))
    }

    /// The version of the file whose ETag this is; `None` for a folder's or somebody else's.
    #[must_use]
    pub fn version(&self) -> Option<VersionId> {
        let id = i64::from_str_radix(self.0.strip_prefix('v')?, 16).ok()?;
        (Self::of_version(VersionId(id)) == *self && id > 0).then_some(VersionId(id))
    }

    /// The opaque text without quotes.
    #[must_use]
    pub fn opaque(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_combined_etag_changes_with_every_part_and_their_order() {
        let (a, b) = (ETag::of_version(VersionId(1)), ETag::of_folder(ItemId(2), Cursor(3)));
        let ab = ETag::combined([&a, &b]);
        assert_ne!(ab, ETag::combined([&b, &a]));
        assert_ne!(ab, ETag::combined([&a]));
        assert_eq!(ab, ETag::combined([&a, &b]));
        assert_eq!(a.to_string(), "\"v1\"");
    }
}
