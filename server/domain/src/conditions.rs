//! Conditions a request may set (RFC 9110 section 13, RFC 4918 section 10.4), tested inside the transaction they guard.

use crate::Location;
use stitchbox_schema::{ETag, Timestamp};

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum EntityTags {
    /// `*`
    Any,
    /// Opaque texts of strong tags, without quotes. Weak tags never match a write and are left out by the parser.
    Listed(Vec<String>),
}

impl EntityTags {
    fn matches(&self, current: Option<&ETag>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Listed(tags), Some(etag)) => tags.iter().any(|tag| tag == etag.opaque()),
        }
    }
}

/// One test of an `If` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateTest {
    /// `<urn:uuid:…>`: this lock holds on the resource.
    Token(String),
    /// `["…"]`: the resource has this ETag (opaque text).
    ETag(String),
}

/// A test, possibly negated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCondition {
    /// `Not`
    pub negated: bool,
    /// What is tested.
    pub test: StateTest,
}

/// One parenthesised list of an `If` header: true if all its conditions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateList {
    /// The tagged resource; none if the list speaks of the request's own. A resource of another server, or one that
    /// is not a place in a space, is `Some(None)`.
    pub resource: Option<Option<Location>>,
    /// All must hold.
    pub conditions: Vec<StateCondition>,
}

/// Everything a request demands before it may change anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`
    pub if_match: Option<EntityTags>,
    /// `If-None-Match`
    pub if_none_match: Option<EntityTags>,
    /// `If-Unmodified-Since`, whole seconds; counts only without `If-Match` (RFC 9110, 13.1.4).
    pub if_unmodified_since: Option<Timestamp>,
    /// `If`: at least one list must be true. Empty: no such header.
    pub state_lists: Vec<StateList>,
}

impl Conditions {
    /// Whether the entity-tag headers allow the request, given what is at the place now.
    #[must_use]
    pub fn entity_tags_hold(&self, current: Option<&ETag>) -> bool {
        self.if_match.as_ref().is_none_or(|tags| tags.matches(current))
            && self.if_none_match.as_ref().is_none_or(|tags| !tags.matches(current))
    }

    /// The lock tokens of a request without what it demands of the item itself.
    #[must_use]
    pub(crate) fn only_tokens(&self) -> Self {
        // A negated token that no lock has always holds, so the list is true whatever the item is.
        let shown =
            self.tokens().map(|token| StateCondition { negated: true, test: StateTest::Token(token.to_owned()) });
        let lists = shown.map(|condition| StateList { resource: Some(None), conditions: vec![condition] });
        Self { state_lists: lists.collect(), ..Self::default() }
    }

    /// Whether `If-Unmodified-Since` allows the request, given the modification time of what is at the place now. Of
    /// nothing it demands nothing.
    #[must_use]
    pub fn time_holds(&self, modified: Option<Timestamp>) -> bool {
        match (self.if_unmodified_since, modified) {
            (Some(limit), Some(modified)) if self.if_match.is_none() => modified.unix_seconds() <= limit.unix_seconds(),
            _ => true,
        }
    }

    /// The lock tokens the request shows. Showing one is enough to prove the holder (RFC 4918, 6.4), in a negated
    /// condition too.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.state_lists.iter().flat_map(|list| &list.conditions).filter_map(|condition| match &condition.test {
            StateTest::Token(token) => Some(token.as_str()),
            StateTest::ETag(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_schema::VersionId;

    #[test]
    fn a_time_is_compared_by_whole_seconds_and_only_without_a_tag() {
        let limit = Timestamp::from_unix_seconds(1000);
        let since = Conditions { if_unmodified_since: Some(limit), ..Conditions::default() };
        assert!(since.time_holds(Some(Timestamp(limit.0 + 999_999_999))), "the header has no fractions");
        assert!(!since.time_holds(Some(Timestamp::from_unix_seconds(1001))));
        assert!(since.time_holds(None) && Conditions::default().time_holds(Some(limit)));
        let tagged = Conditions { if_match: Some(EntityTags::Any), ..since };
        assert!(tagged.time_holds(Some(Timestamp::from_unix_seconds(1001))));
    }

    #[test]
    fn entity_tags_decide_as_rfc_9110_says() {
        let etag = ETag::of_version(VersionId(10));
        let listed = |tag: &str| Some(EntityTags::Listed(vec![tag.to_owned()]));
        let conditions = |if_match, if_none_match| Conditions { if_match, if_none_match, ..Conditions::default() };
        assert!(conditions(None, None).entity_tags_hold(None));
        assert!(conditions(listed("va"), None).entity_tags_hold(Some(&etag)));
        assert!(!conditions(listed("vb"), None).entity_tags_hold(Some(&etag)));
        assert!(!conditions(Some(EntityTags::Any), None).entity_tags_hold(None));
        assert!(conditions(None, Some(EntityTags::Any)).entity_tags_hold(None));
        assert!(!conditions(None, Some(EntityTags::Any)).entity_tags_hold(Some(&etag)));
        assert!(!conditions(None, listed("va")).entity_tags_hold(Some(&etag)));
        assert!(conditions(None, listed("vb")).entity_tags_hold(Some(&etag)));
    }
}
