//! The `If` header of WebDAV (RFC 4918, 10.4): text to lists. Whether they hold is decided in the domain.

use crate::entity_tags::read_tag;
use stitchbox_domain::{StateCondition, StateTest};

/// One parenthesised list as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenList {
    /// The URL or absolute path before it, if the list is tagged.
    pub resource: Option<String>,
    /// Its conditions, at least one.
    pub conditions: Vec<StateCondition>,
}

/// Reads the header; `None` if it does not follow the grammar.
pub(crate) fn parse(header: &str) -> Option<Vec<WrittenList>> {
    let mut rest = header.trim();
    let mut lists = Vec::new();
    let mut resource: Option<String> = None;
    let mut tag_waits_for_list = false;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('(') {
            let (conditions, after) = conditions(inner)?;
            lists.push(WrittenList { resource: resource.clone(), conditions });
            tag_waits_for_list = false;
            rest = after.trim_start();
        } else if let Some(inner) = rest.strip_prefix('<') {
            // Tagged lists may not follow untagged ones, and a tag needs at least one list.
            if tag_waits_for_list || (resource.is_none() && !lists.is_empty()) {
                return None;
            }
            let (url, after) = inner.split_once('>')?;
            resource = Some(url.to_owned());
            tag_waits_for_list = true;
            rest = after.trim_start();
        } else {
            return None;
        }
    }
    if lists.is_empty() || tag_waits_for_list { None } else { Some(lists) }
}

fn conditions(text: &str) -> Option<(Vec<StateCondition>, &str)> {
    let mut rest = text.trim_start();
    let mut conditions = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return if conditions.is_empty() { None } else { Some((conditions, after)) };
        }
        let negated = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
        if negated {
            rest = rest[3..].trim_start();
        }
        let (test, after) = if let Some(inner) = rest.strip_prefix('<') {
            let (token, after) = inner.split_once('>')?;
            (StateTest::Token(token.to_owned()), after)
        } else {
            let (tag, after) = read_tag(rest.strip_prefix('[')?.trim_start())?;
            // A weak tag equals no ETag of ours; kept as written, it matches none.
            let text = if tag.weak { format!("W/\"{}\"", tag.opaque) } else { tag.opaque };
            (StateTest::ETag(text), after.trim_start().strip_prefix(']')?)
        };
        conditions.push(StateCondition { negated, test });
        rest = after.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(negated: bool, text: &str) -> StateCondition {
        StateCondition { negated, test: StateTest::Token(text.to_owned()) }
    }

    fn etag(text: &str) -> StateCondition {
        StateCondition { negated: false, test: StateTest::ETag(text.to_owned()) }
    }

    #[test]
    fn untagged_lists() {
        let lists = parse("(<urn:uuid:1> [\"a b\"]) (Not <DAV:no-lock>)").unwrap();
        assert_eq!(
            lists,
            vec![
                WrittenList { resource: None, conditions: vec![token(false, "urn:uuid:1"), etag("a b")] },
                WrittenList { resource: None, conditions: vec![token(true, "DAV:no-lock")] },
            ]
        );
    }

    #[test]
    fn tagged_lists_keep_their_resource_until_the_next() {
        let lists = parse("</a> (<urn:1>)([W/\"x\"]) <http://h/b>(not<urn:2>)").unwrap();
        let resources: Vec<_> = lists.iter().map(|list| list.resource.as_deref()).collect();
        assert_eq!(resources, [Some("/a"), Some("/a"), Some("http://h/b")]);
        assert_eq!(lists[1].conditions, vec![etag("W/\"x\"")]);
        assert_eq!(lists[2].conditions, vec![token(true, "urn:2")]);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for wrong in [
            "",
            "()",
            "(",
            "(<a>",
            "(<a)",
            "<a>",
            "<a> <b> (<c>)",
            "(<a>) <b> (<c>)",
            "([a])",
            "([\"a\")",
            "x",
            "(Not)",
            "(<a>) x",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
