//! The entity-tag headers `If-Match`, `If-None-Match` and `If-Range` (RFC 9110, 8.8.3 and 13.1).

use stitchbox_domain::EntityTags;
use stitchbox_schema::ETag;

/// One tag of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    /// `W/` stood before it.
    pub weak: bool,
    /// The text between the quotes.
    pub opaque: String,
}

/// The value of an entity-tag header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TagList {
    /// `*`
    Any,
    /// The tags named.
    Listed(Vec<Tag>),
}

impl TagList {
    /// Reads a header; `None` if it is not one.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let mut rest = header.trim();
        if rest == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return if tags.is_empty() { None } else { Some(Self::Listed(tags)) };
            }
            let (tag, after) = read_tag(rest)?;
            tags.push(tag);
            rest = after;
        }
    }

    /// For a write: weak tags never match (RFC 9110, 13.1.1).
    pub(crate) fn strong(self) -> EntityTags {
        match self {
            Self::Any => EntityTags::Any,
            Self::Listed(tags) => {
                EntityTags::Listed(tags.into_iter().filter(|tag| !tag.weak).map(|tag| tag.opaque).collect())
            }
        }
    }

    /// Weak comparison, for `If-None-Match` of a read: only the texts count.
    pub(crate) fn names(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| tag.opaque == etag.opaque()),
        }
    }
}

/// Reads one tag at the start of the text; gives it and what follows.
pub(crate) fn read_tag(text: &str) -> Option<(Tag, &str)> {
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
    Some((Tag { weak, opaque: opaque.to_owned() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_schema::VersionId;

    fn tag(weak: bool, opaque: &str) -> Tag {
        Tag { weak, opaque: opaque.to_owned() }
    }

    #[test]
    fn lists_are_read_with_commas_inside_tags() {
        assert_eq!(TagList::parse(" * "), Some(TagList::Any));
        assert_eq!(TagList::parse("\"a\""), Some(TagList::Listed(vec![tag(false, "a")])));
        assert_eq!(
            TagList::parse("\"a,b\" , W/\"c\",,\"\""),
            Some(TagList::Listed(vec![tag(false, "a,b"), tag(true, "c"), tag(false, "")]))
        );
        for wrong in ["", ",", "a", "\"a", "w/\"a\"", "\"a\" b"] {
            assert_eq!(TagList::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_weak_tag_guards_no_write_but_answers_a_read() {
        let list = TagList::parse("W/\"va\"").unwrap();
        assert!(list.names(&ETag::of_version(VersionId(10))));
        assert!(!list.names(&ETag::of_version(VersionId(11))));
        assert_eq!(list.strong(), EntityTags::Listed(vec![]));
    }
}
