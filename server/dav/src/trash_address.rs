//! Addresses of the trash: `/remote.php/dav/trashbin/USER/…` for everything a user may bring back, and oCIS's
//! `/dav/spaces/trash-bin/SPACE/…` for one space.

use crate::mount::{NoAddress, push_segment, segments};
use stitchbox_schema::ItemId;

const OF_USER: &str = "/remote.php/dav/trashbin/";
const OF_SPACE: [&str; 2] = ["/dav/spaces/trash-bin/", "/remote.php/dav/spaces/trash-bin/"];

/// Whose trash it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bin {
    /// That of all spaces of the named user.
    User(String),
    /// That of the space with this id or name.
    Space(String),
}

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The folder above: it shows `trash` and `restore`.
    Top,
    /// The folder of what was deleted.
    Entries,
    /// A deleted item, or what lies below it.
    Entry {
        item: ItemId,
        /// Names below the item.
        path: Vec<String>,
    },
    /// Where things are moved to come back to their old place.
    Restore,
}

/// An address of the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrashAddress {
    pub bin: Bin,
    pub part: Part,
    /// URL of the folder above the entries, without a slash at the end.
    pub top: String,
    /// URL of the folder of entries, without a slash at the end.
    pub entries: String,
}

impl TrashAddress {
    /// Reads the path of a URL.
    pub(crate) fn of(path: &str) -> Result<Self, NoAddress> {
        if let Some(rest) = path.strip_prefix(OF_USER) {
            return Self::of_user(segments(rest)?);
        }
        let (base, rest) =
            OF_SPACE.iter().find_map(|base| Some((base, path.strip_prefix(base)?))).ok_or(NoAddress::Outside)?;
        let mut names = segments(rest)?.into_iter();
        let space = names.next().ok_or(NoAddress::Outside)?;
        let mut entries = base.trim_end_matches('/').to_owned();
        push_segment(&mut entries, &space);
        let part = part_of_entries(names)?;
        Ok(Self { bin: Bin::Space(space), part, top: entries.clone(), entries })
    }

    fn of_user(names: Vec<String>) -> Result<Self, NoAddress> {
        let mut names = names.into_iter();
        let user = names.next().ok_or(NoAddress::Outside)?;
        let part = match names.next().as_deref() {
            None => Part::Top,
            Some("trash") => part_of_entries(names)?,
            Some("restore") => Part::Restore,
            Some(_) => return Err(NoAddress::Outside),
        };
        let mut top = OF_USER.trim_end_matches('/').to_owned();
        push_segment(&mut top, &user);
        let entries = format!("{top}/trash");
        Ok(Self { bin: Bin::User(user), part, top, entries })
    }

    /// URL of a deleted item, without a slash at the end.
    pub(crate) fn href_of(&self, item: ItemId, name: &str) -> String {
        let mut href = self.entries.clone();
        match &self.bin {
            Bin::User(_) => push_segment(&mut href, &format!("{name}.d{item}")),
            Bin::Space(_) => push_segment(&mut href, &item.to_string()),
        }
        href
    }
}

/// `NAME.dID`, as Nextcloud has `NAME.dTIME`, or the bare id: what stands before the last `.d` is for people.
fn part_of_entries(mut names: impl Iterator<Item = String>) -> Result<Part, NoAddress> {
    let Some(entry) = names.next() else { return Ok(Part::Entries) };
    let id = entry.rsplit_once(".d").map_or(entry.as_str(), |(_, id)| id);
    let item = id.parse().map_err(|_| NoAddress::Outside)?;
    Ok(Part::Entry { item, path: names.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_trash() {
        let part = |path: &str| TrashAddress::of(path).map(|address| address.part);
        assert_eq!(part("/remote.php/dav/trashbin/anna"), Ok(Part::Top));
        assert_eq!(part("/remote.php/dav/trashbin/anna/trash/"), Ok(Part::Entries));
        assert_eq!(part("/remote.php/dav/trashbin/anna/restore/x"), Ok(Part::Restore));
        assert_eq!(part("/remote.php/dav/trashbin/anna/else"), Err(NoAddress::Outside));
        assert_eq!(part("/remote.php/dav/trashbin/anna/trash/x"), Err(NoAddress::Outside));
        assert_eq!(part("/dav/spaces/trash-bin/KB"), Ok(Part::Entries));
        let inside = Part::Entry { item: ItemId(7), path: vec!["a b".to_owned()] };
        assert_eq!(part("/dav/spaces/trash-bin/KB/7/a%20b"), Ok(inside));
    }

    #[test]
    fn an_entry_is_found_by_the_address_it_is_shown_with() {
        for path in ["/remote.php/dav/trashbin/anna%40x/trash", "/remote.php/dav/spaces/trash-bin/K%20B"] {
            let address = TrashAddress::of(path).unwrap();
            for name in ["x.dat", "a.d12", "ü b"] {
                let again = TrashAddress::of(&address.href_of(ItemId(42), name)).unwrap();
                assert_eq!(again.part, Part::Entry { item: ItemId(42), path: Vec::new() });
                assert_eq!(again.entries, path);
            }
        }
    }
}
