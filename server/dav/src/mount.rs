//! Addresses: which place a URL means, and the URLs of what lies around it.
//!
//! Three mounts show the same tree: `/remote.php/dav/files/USER/…`, `/remote.php/webdav/…` (the files of whoever asks)
//! and `/dav/spaces/SPACE/…`, which is `/remote.php/dav/spaces/SPACE/…` too. Names are percent-decoded once, piece by piece; a URL we write keeps the mount of the
//! request. Nothing is looked up here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use stitchbox_domain::ItemPath;

/// Everything but the unreserved characters of RFC 3986.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const FILES: &str = "/remote.php/dav/files/";
const OWN: &str = "/remote.php/webdav";
const SPACES: [&str; 2] = ["/dav/spaces/", "/remote.php/dav/spaces/"];

/// Where a URL enters the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mount {
    /// The files of the named user.
    Files(String),
    /// The files of whoever asks.
    Own,
    /// The space with this id or name.
    Space(String),
}

/// A URL path, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Where it enters.
    pub mount: Mount,
    /// The mount as URL, without a slash at the end.
    prefix: String,
    /// The names below the mount, decoded, none empty.
    pub segments: Vec<String>,
    /// It ended in a slash, as the URL of a folder does.
    pub slash: bool,
}

/// Why a URL path is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAddress {
    /// It lies outside the three mounts.
    Outside,
    /// Its percent-encoding is broken, not UTF-8, or hides a slash.
    Malformed,
}

impl Address {
    /// Reads the path of a URL, still percent-encoded, without query.
    pub(crate) fn parse(path: &str) -> Result<Self, NoAddress> {
        let (mount, base, rest) = if let Some(rest) = path.strip_prefix(FILES) {
            let (user, rest) = first_segment(rest)?;
            (Mount::Files(user), FILES, rest)
        } else if let Some((base, rest)) = SPACES.iter().find_map(|base| Some((*base, path.strip_prefix(base)?))) {
            let (space, rest) = first_segment(rest)?;
            (Mount::Space(space), base, rest)
        } else if let Some(rest) = path.strip_prefix(OWN).filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            (Mount::Own, OWN, rest)
        } else {
            return Err(NoAddress::Outside);
        };
        let prefix = match &mount {
            Mount::Files(name) | Mount::Space(name) => format!("{base}{}", utf8_percent_encode(name, NAME)),
            Mount::Own => base.to_owned(),
        };
        Ok(Self { mount, prefix, segments: segments(rest)?, slash: rest.ends_with('/') })
    }

    /// The URL of the folder that is the root for `path`, given that this address leads to `path`: hrefs of the same
    /// space begin with it. Ends without a slash.
    pub(crate) fn base_of(&self, path: &ItemPath) -> String {
        let above = self.segments.len().saturating_sub(path.names().len());
        let mut base = self.prefix.clone();
        for segment in self.segments.iter().take(above) {
            push_segment(&mut base, segment);
        }
        base
    }

    /// The URL of the mount, without a slash at the end.
    pub(crate) fn top(&self) -> String {
        self.prefix.clone()
    }

    /// The URL of the address itself, without a slash at the end.
    pub(crate) fn href(&self) -> String {
        let mut href = self.prefix.clone();
        for segment in &self.segments {
            push_segment(&mut href, segment);
        }
        href
    }
}

/// `base` and the path below it, as URL; no slash at the end but for an empty base.
pub(crate) fn href_below(base: &str, path: &ItemPath) -> String {
    let mut href = base.to_owned();
    for name in path.names() {
        push_segment(&mut href, name.as_str());
    }
    href
}

/// Appends a slash and the name, encoded.
pub(crate) fn push_segment(href: &mut String, name: &str) {
    href.push('/');
    href.extend(utf8_percent_encode(name, NAME));
}

/// The names of a path still percent-encoded, none empty.
pub(crate) fn segments(path: &str) -> Result<Vec<String>, NoAddress> {
    path.split('/').filter(|piece| !piece.is_empty()).map(decode).collect()
}

fn first_segment(rest: &str) -> Result<(String, &str), NoAddress> {
    let end = rest.find('/').unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return Err(NoAddress::Outside);
    }
    Ok((decode(name)?, rest))
}

fn decode(piece: &str) -> Result<String, NoAddress> {
    let bytes = piece.as_bytes();
    let whole = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !whole(at)) {
        return Err(NoAddress::Malformed);
    }
    let name = percent_decode_str(piece).decode_utf8().map_err(|_| NoAddress::Malformed)?;
    if name.contains('/') {
        return Err(NoAddress::Malformed);
    }
    Ok(name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        Address::parse(path).unwrap().segments
    }

    #[test]
    fn the_three_mounts() {
        let address = Address::parse("/remote.php/dav/files/anna%40x/a%20b/c/").unwrap();
        assert_eq!(address.mount, Mount::Files("anna@x".to_owned()));
        assert_eq!(address.segments, ["a b", "c"]);
        assert!(address.slash);
        assert_eq!(address.href(), "/remote.php/dav/files/anna%40x/a%20b/c");
        let address = Address::parse("/remote.php/webdav").unwrap();
        assert_eq!(
            (address.mount.clone(), address.slash, address.href().as_str()),
            (Mount::Own, false, "/remote.php/webdav")
        );
        for prefix in ["/dav/spaces/KB%20mirrors", "/remote.php/dav/spaces/KB%20mirrors"] {
            let address = Address::parse(&format!("{prefix}/x")).unwrap();
            assert_eq!(address.mount, Mount::Space("KB mirrors".to_owned()));
            assert_eq!(address.base_of(&ItemPath::parse("/x").unwrap()), prefix);
        }
    }

    #[test]
    fn other_places_are_outside() {
        for path in ["/", "/remote.php/dav/files/", "/remote.php/webdavx", "/dav/spaces/", "/dav/space/x", "*"] {
            assert_eq!(Address::parse(path), Err(NoAddress::Outside), "{path}");
        }
    }

    #[test]
    fn names_are_decoded_once_and_never_interpreted() {
        assert_eq!(names("/remote.php/webdav/a%2520b//%C3%BC/..;/%2e%2e"), ["a%20b", "ü", "..;", ".."]);
        for path in ["a%2fb", "a%2Fb", "a%ff", "a%zz", "a%", "a%2", "%c0%ae"] {
            assert_eq!(Address::parse(&format!("/remote.php/webdav/{path}")), Err(NoAddress::Malformed), "{path}");
        }
    }

    #[test]
    fn urls_keep_the_mount_they_came_by() {
        let path = ItemPath::parse("/x/ü#?").unwrap();
        let address = Address::parse("/remote.php/dav/files/anna/Spaces/KB/x/%C3%BC%23%3F").unwrap();
        let base = address.base_of(&path);
        assert_eq!(base, "/remote.php/dav/files/anna/Spaces/KB");
        assert_eq!(href_below(&base, &path), "/remote.php/dav/files/anna/Spaces/KB/x/%C3%BC%23%3F");
    }
}
