//! Paths below the root of a share: names in, URLs out; hrefs in, names out.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Url;

/// What stays as it is in a segment of a path: unreserved letters and what PHP and Go leave alone.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The URL of a path (names joined by `/`; empty is the share itself) below a base; `None` if a name is no name.
pub(super) fn url_below(base: &Url, path: &str, as_folder: bool) -> Option<Url> {
    let mut url = base.clone();
    let mut text = base.path().to_owned();
    if !path.is_empty() {
        for name in path.split('/') {
            if !is_name(name) {
                return None;
            }
            if !text.ends_with('/') {
                text.push('/');
            }
            text.extend(utf8_percent_encode(name, SEGMENT));
        }
    }
    if as_folder && !text.ends_with('/') {
        text.push('/');
    }
    url.set_path(&text);
    Some(url)
}

/// Folder and name of a path; `None` for the share itself.
pub(super) fn parent_and_name(path: &str) -> Option<(&str, &str)> {
    match path.rsplit_once('/') {
        Some((parent, name)) if !name.is_empty() => Some((parent, name)),
        None if !path.is_empty() => Some(("", path)),
        _ => None,
    }
}

/// The decoded names of a URL's path, without empty and `.` ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// Of an absolute path, percent-encoded; `None` with `..` or what is no UTF-8.
    pub(super) fn of(path: &str) -> Option<Self> {
        let mut names = Vec::new();
        for segment in path.split('/') {
            let name = percent_decode_str(segment).decode_utf8().ok()?;
            match name.as_ref() {
                "" | "." => {}
                ".." => return None,
                name => names.push(name.to_owned()),
            }
        }
        Some(Self(names))
    }

    /// What an href (absolute URL or path) is below this folder: empty for itself, a name for a member; `None` for all else.
    pub(super) fn member(&self, href: &str) -> Option<String> {
        let path = match href.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => href,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let Self(names) = Self::of(path)?;
        match names.strip_prefix(self.0.as_slice())? {
            [] => Some(String::new()),
            [name] if is_name(name) => Some(name.clone()),
            _ => None,
        }
    }
}

/// Whether a decoded text names one item.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains('/') && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base() -> Url {
        Url::parse("https://h.example/dav/ocm/77").unwrap()
    }

    #[test]
    fn a_path_is_encoded_below_the_base() {
        let url = |path, as_folder| url_below(&base(), path, as_folder).map(String::from);
        assert_eq!(url("", false).as_deref(), Some("https://h.example/dav/ocm/77"));
        assert_eq!(url("", true).as_deref(), Some("https://h.example/dav/ocm/77/"));
        assert_eq!(
            url("a b/ü?#%2e.txt", false).as_deref(),
            Some("https://h.example/dav/ocm/77/a%20b/%C3%BC%3F%23%252e.txt")
        );
        for path in ["..", "a/../b", "a//b", "/a", "a/", ".", "a\0"] {
            assert_eq!(url(path, false), None, "{path}");
        }
    }

    #[test]
    fn an_href_is_a_member_or_nothing() {
        let names = Names::of("/dav/ocm/77/a%20b").unwrap();
        for (href, expected) in [
            ("/dav/ocm/77/a%20b/", Some("")),
            ("/dav/ocm/77/./a b", Some("")),
            ("https://other/dav/ocm/77/a%20b/x%26y.dat", Some("x&y.dat")),
            ("/dav/ocm/77/a%20b/x/y", None),
            ("/dav/ocm/77/a%20b/..%2fx", None),
            ("/dav/ocm/77/a%20b/%2e%2e", None),
            ("/dav/ocm/77/a%20b/../c", None),
            ("/dav/ocm/77", None),
            ("/etc/passwd", None),
            ("/dav/ocm/77/a%20b/%ff", None),
            ("/dav/ocm/77/a%20b/x%00", None),
        ] {
            assert_eq!(names.member(href).as_deref(), expected, "{href}");
        }
    }

    proptest! {
        #[test]
        fn a_name_comes_back_from_its_url(name in "[^/\\p{Cc}]{1,40}") {
            prop_assume!(name != "." && name != "..");
            if let Some(url) = url_below(&base(), &name, false) {
                let names = Names::of(base().path()).unwrap();
                prop_assert_eq!(names.member(url.as_str()), Some(name.clone()));
                prop_assert_eq!(names.member(url.path()), Some(name));
            }
        }

        #[test]
        fn any_href_is_a_member_or_nothing(href in ".{0,80}") {
            if let Some(name) = Names::of("/a").unwrap().member(&href) {
                prop_assert!(name.is_empty() || is_name(&name));
            }
        }
    }
}
