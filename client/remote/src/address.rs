//! Addresses: of things inside a folder, and of a server within the WebDAV address of one of its folders.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::Url;

/// What stands unchanged in a path (RFC 3986, unreserved characters).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of something inside a folder; names are encoded, so no name can climb or hide a query.
pub fn child<'a>(folder: &Url, names: impl IntoIterator<Item = &'a str>) -> Url {
    let mut path = folder.path().trim_end_matches('/').to_owned();
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        path.push('/');
        path.extend(utf8_percent_encode(name, ENCODED));
    }
    with_path(folder, &path)
}

/// The address of `path` (names parted by `/`) below a folder.
pub fn below(folder: &Url, path: &str) -> Url {
    child(folder, path.split('/'))
}

/// The folder something lies in; `None` at the root of a server.
pub fn parent(url: &Url) -> Option<Url> {
    let path = url.path().trim_end_matches('/');
    let (above, _) = path.rsplit_once('/')?;
    (!above.is_empty()).then(|| with_path(url, above))
}

/// The last name of an address, decoded.
pub fn last_name(url: &Url) -> String {
    decoded(url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default())
}

/// Percent-encoding undone; bytes that are no UTF-8 become replacement characters.
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Which part of a server a WebDAV address shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// The personal space, with `Spaces/<name>` inside.
    Personal,
    /// One space, by id or name.
    Space(String),
    /// Something else; the address is all there is.
    Plain,
}

/// A WebDAV address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The server: what status.php, `ocs/` and `api/` stand below.
    pub server: Url,
    /// The part of it.
    pub tree: Tree,
    /// Names below the root of that part, parted by `/`, without one at either end.
    pub path: String,
    /// The address itself.
    pub address: Url,
}

impl Place {
    /// Takes an address apart by what ownCloud, Nextcloud and Stitchbox have in theirs.
    pub fn of(address: &Url) -> Self {
        let path = address.path();
        let at = |server: &str, tree: Tree, names: &[&str]| {
            let mut server = with_path(address, &format!("{server}/"));
            // credentials belong to the request, not to the address
            let _ = server.set_username("");
            let _ = server.set_password(None);
            let path = names.iter().map(|name| decoded(name)).collect::<Vec<_>>().join("/");
            Self { server, tree, path, address: address.clone() }
        };
        let names = |rest: &'_ str| rest.split('/').filter(|n| !n.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let in_space = |server: &str, rest: &str| {
            let names = names(rest);
            let (space, below) = names.split_first()?;
            let below: Vec<&str> = below.iter().map(String::as_str).collect();
            Some(at(server, Tree::Space(decoded(space)), &below))
        };
        let in_files = |server: &str, names: &[String]| match names {
            [folder, space, below @ ..] if folder == "Spaces" => {
                let below: Vec<&str> = below.iter().map(String::as_str).collect();
                at(server, Tree::Space(decoded(space)), &below)
            }
            names => at(server, Tree::Personal, &names.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        let found = None
            .or_else(|| path.split_once("/remote.php/dav/spaces/").and_then(|(server, rest)| in_space(server, rest)))
            .or_else(|| path.split_once("/dav/spaces/").and_then(|(server, rest)| in_space(server, rest)))
            .or_else(|| {
                let (server, rest) = path.split_once("/remote.php/dav/files/")?;
                Some(in_files(server, names(rest).get(1..)?))
            })
            .or_else(|| {
                let (server, rest) = path.split_once("/remote.php/webdav")?;
                Some(in_files(server, &names(rest)))
            });
        found.unwrap_or_else(|| at("", Tree::Plain, &names(path).iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// The place `path` of a space of a server that is known, by the space's name or id.
    pub fn in_space(server: &Url, space: &str, path: &str) -> Self {
        let address = below(&child(server, ["dav", "spaces", space]), path);
        Self { server: with_slash(server), tree: Tree::Space(space.to_owned()), path: trimmed(path), address }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tree {
            Tree::Space(space) => write!(f, "{space}:/{}", self.path),
            Tree::Personal | Tree::Plain => write!(f, "{}", self.address),
        }
    }
}

/// The same address, ending with `/`, so that others can be joined to it.
pub fn with_slash(url: &Url) -> Url {
    with_path(url, &format!("{}/", url.path().trim_end_matches('/')))
}

fn trimmed(path: &str) -> String {
    path.split('/').filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn names_are_encoded_and_addresses_climb_to_the_root() {
        let folder = url("http://h/remote.php/dav/files/a/");
        let inside = child(&folder, ["mirror 1", "50 % #2?.dat"]);
        assert_eq!(inside.path(), "/remote.php/dav/files/a/mirror%201/50%20%25%20%232%3F.dat");
        assert_eq!(last_name(&inside), "50 % #2?.dat");
        assert_eq!(parent(&inside).unwrap().path(), "/remote.php/dav/files/a/mirror%201");
        assert!(parent(&url("http://h/a")).is_none());
        assert_eq!(child(&folder, ["a\tb"]).path(), "/remote.php/dav/files/a/a%09b");
        assert_eq!(child(&folder, ["%2e%2e"]).path(), "/remote.php/dav/files/a/%252e%252e");
    }

    #[test]
    fn the_server_and_the_space_are_found_in_an_address() {
        let cases = [
            ("https://h/remote.php/dav/files/ada/m%201/x", "https://h/", Tree::Personal, "m 1/x"),
            ("https://h/sub/remote.php/webdav/", "https://h/sub/", Tree::Personal, ""),
            ("https://h/remote.php/dav/files/ada/Spaces/ring/a", "https://h/", Tree::Space("ring".into()), "a"),
            ("https://h/dav/spaces/12$3/a%2Bb", "https://h/", Tree::Space("12$3".into()), "a+b"),
            ("https://h/x/remote.php/dav/spaces/7/", "https://h/x/", Tree::Space("7".into()), ""),
            ("https://u:p@h/share/m", "https://h/", Tree::Plain, "share/m"),
        ];
        for (text, server, tree, path) in cases {
            let place = Place::of(&url(text));
            assert_eq!((place.server.as_str(), &place.tree, place.path.as_str()), (server, &tree, path), "{text}");
        }
    }
}
