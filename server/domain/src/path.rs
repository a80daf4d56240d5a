//! Paths inside a space.

use std::fmt;
use stitchbox_schema::{ItemName, NameError, ShareId, SpaceId};

/// The names from the root of a space to an item; none for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ItemPath(Vec<ItemName>);

impl ItemPath {
    /// Checks every name of a path already cut at its slashes. Empty pieces (doubled or trailing slashes) are skipped;
    /// `.` and `..` are refused, never interpreted.
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Self, NameError> {
        segments.into_iter().filter(|s| !s.is_empty()).map(ItemName::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Reads `/a/b`.
    pub fn parse(path: &str) -> Result<Self, NameError> {
        Self::from_segments(path.split('/'))
    }

    /// The names, outermost first.
    #[must_use]
    pub fn names(&self) -> &[ItemName] {
        &self.0
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last name and the path of the folder that holds it; `None` for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &ItemName)> {
        let (last, folder) = self.0.split_last()?;
        Some((Self(folder.to_vec()), last))
    }

    /// This path, one name deeper.
    #[must_use]
    pub fn join(&self, name: ItemName) -> Self {
        let mut names = self.0.clone();
        names.push(name);
        Self(names)
    }

    /// This path with another one behind it.
    #[must_use]
    pub fn append(&self, below: Self) -> Self {
        let mut names = self.0.clone();
        names.extend(below.0);
        Self(names)
    }

    /// What is left of this path below `top`; `None` if it lies elsewhere.
    #[must_use]
    pub fn below(&self, top: &Self) -> Option<Self> {
        self.0.strip_prefix(top.0.as_slice()).map(|rest| Self(rest.to_vec()))
    }

    /// Whether `other` is this path or lies below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

/// `/a/b`; `/` for the root.
impl fmt::Display for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

/// A place in a space, whether or not something is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The space.
    pub space: SpaceId,
    /// The share by which the asking person sees the place; none for a member of the space.
    pub via: Option<ShareId>,
    /// The path in the space, whatever share it is seen by.
    pub path: ItemPath,
}

impl Location {
    /// A place in a space, as its members see it.
    #[must_use]
    pub fn in_space(space: SpaceId, path: ItemPath) -> Self {
        Self { space, via: None, path }
    }

    /// Another path of the same space, seen by the same share.
    #[must_use]
    pub fn at(&self, path: ItemPath) -> Self {
        Self { path, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_forgiven_and_dots_are_not() {
        assert_eq!(ItemPath::parse("//a///b/").unwrap().to_string(), "/a/b");
        assert_eq!(ItemPath::parse("").unwrap().to_string(), "/");
        assert!(ItemPath::parse("/a/../b").is_err());
        assert!(ItemPath::parse("/a/./b").is_err());
    }

    #[test]
    fn containment_goes_by_whole_names() {
        let path = |text| ItemPath::parse(text).unwrap();
        assert!(path("/a").contains(&path("/a/b")));
        assert!(path("/a").contains(&path("/a")));
        assert!(!path("/a").contains(&path("/ab")));
        assert!(path("/").contains(&path("/ab")));
    }
}
