//! Walking the groups of an HDF5 file without trusting that it is a tree.

use hdf5_reader::{Dataset, group::Group};

use super::Source;
use crate::{FormatError, datx::attributes::Attributes};

/// Deepest group that is looked into; MINT's wavefronts are the fifth.
const MOST_DEPTH: usize = 8;
/// After so many members no further group is listed.
const MOST_MEMBERS: usize = 20_000;

/// A group with its name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) group: Group,
}

/// The names of the groups and datasets in a group, in natural order; none once too many were listed in this file.
fn names(source: &Source<'_>, group: &Group) -> (Vec<String>, Vec<String>) {
    if source.listed.get() > MOST_MEMBERS {
        return (Vec::new(), Vec::new());
    }
    let Ok((mut groups, mut datasets)) = group.member_names() else { return (Vec::new(), Vec::new()) };
    source.listed.set(source.listed.get() + 1 + groups.len() + datasets.len());
    groups.sort_by_cached_key(|name| natural(name));
    datasets.sort_by_cached_key(|name| natural(name));
    (groups, datasets)
}

/// The groups of one NeXus class in a group, in natural order (`scan_2` before `scan_10`).
pub(super) fn of_class(source: &Source<'_>, group: &Group, class: &str) -> Vec<Named> {
    let (groups, _) = names(source, group);
    let open = groups.into_iter().filter_map(|name| group.group(&name).ok().map(|group| Named { name, group }));
    open.filter(|named| is_class(&named.group, class)).collect()
}

/// Whether a group says it is of a NeXus class.
pub(super) fn is_class(group: &Group, class: &str) -> bool {
    text(group, "NX_class").is_some_and(|found| found == class)
}

/// The text in an attribute of a group.
pub(super) fn text(group: &Group, name: &str) -> Option<String> {
    Attributes::of_group(group.clone()).ok()?.text(name)
}

/// Visits the groups in natural order, each with its path and the names of its datasets, no deeper than the bound and
/// until too many members were listed: a group may hold itself under a thousand names.
pub(super) fn visit(
    source: &Source<'_>,
    root: Group,
    mut each: impl FnMut(&str, &Group, &[String]) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let mut open = vec![(String::new(), root, 0)];
    while let Some((path, group, depth)) = open.pop() {
        let (groups, datasets) = names(source, &group);
        each(&path, &group, &datasets)?;
        if depth < MOST_DEPTH {
            // The last that is pushed is visited first.
            let children =
                groups.into_iter().rev().filter_map(|name| group.group(&name).ok().map(|group| (name, group)));
            open.extend(children.map(|(name, group)| (join(&path, &name), group, depth + 1)));
        }
    }
    Ok(())
}

/// Path of a member.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// A dataset of the group.
pub(super) fn dataset(group: &Group, name: &str) -> Option<Dataset> {
    group.dataset(name).ok()
}

/// Digits count as numbers.
fn natural(name: &str) -> (Vec<(String, u64)>, String) {
    let mut parts = Vec::new();
    let mut rest = name.get(..200).unwrap_or(name);
    while !rest.is_empty() {
        let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at_checked(words).unwrap_or((rest, ""));
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let (number, next) = behind.split_at_checked(digits).unwrap_or((behind, ""));
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = next;
    }
    (parts, name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_ordered_as_numbers() {
        let mut names = vec!["scan_10", "scan_9", "scan_1", "a", "scan_09b"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["a", "scan_1", "scan_9", "scan_09b", "scan_10"]);
    }
}
