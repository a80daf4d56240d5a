//! Addresses: which place a URL means, and the URLs of what lies around it.
//!
//! Three mounts show the same tree to who has an account here: `/remote.php/dav/files/USER/…`, `/remote.php/webdav/…` (the files of whoever asks)
//! and `/dav/spaces/SPACE/…`, which is `/remote.php/dav/spaces/SPACE/…` too. Three more show what is shared to who has none: `/public.php/webdav/…` and `/dav/ocm/…` by what is
//! shown as login, `/public.php/dav/files/TOKEN/…` by the address. There dot segments are taken out, because peers write
//! them; they never lead out of the mount. Names are percent-decoded once, piece by piece; a URL we write keeps the mount
//! of the request. Nothing is looked up here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use stitchbox_domain::ItemPath;

/// Everything but the unreserved characters of RFC 3986.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const FILES: &str = "/remote.php/dav/files/";
const OWN: &str = "/remote.php/webdav";
const PUBLIC: &str = "/public.php/webdav";
const LINKS: &str = "/public.php/dav/files/";
const OCM: [&str; 2] = ["/dav/ocm", "/remote.php/dav/ocm"];
/// Digits that make a name below `/dav/ocm` the id of a share: ours have more, and no folder is called so. Some peers
/// leave the id out of what they ask for.
const DIGITS_OF_ID: usize = 12;
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
    /// What a link or a federated share opens: by the login.
    Public,
    /// What the link with this token opens.
    Link(String),
    /// What a federated share opens: by the login, which must be that of the share with this id, if one is given.
    Ocm(Option<String>),
}

impl Mount {
    /// Whether it shows what is shared to who need not have an account here.
    pub(crate) fn is_of_share(&self) -> bool {
        matches!(self, Self::Public | Self::Link(_) | Self::Ocm(_))
    }
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
    /// It lies outside the mounts.
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
        } else if let Some(shared) = Self::of_share(path)? {
            return Ok(shared);
        } else {
            return Err(NoAddress::Outside);
        };
        let prefix = match &mount {
            Mount::Files(name) | Mount::Space(name) => format!("{base}{}", utf8_percent_encode(name, NAME)),
            _ => base.to_owned(),
        };
        Ok(Self { mount, prefix, segments: segments(rest)?, slash: rest.ends_with('/') })
    }

    /// Whether a path begins like those of the mounts of shares, whatever follows.
    pub(crate) fn is_below_share_mount(path: &str) -> bool {
        path.starts_with(LINKS) || path.starts_with(PUBLIC) || OCM.iter().any(|base| path.starts_with(base))
    }

    /// An address in one of the mounts of shares.
    fn of_share(path: &str) -> Result<Option<Self>, NoAddress> {
        let below = |base: &str| path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(rest) = path.strip_prefix(LINKS) {
            let (token, rest) = first_segment(rest)?;
            let prefix = format!("{LINKS}{}", utf8_percent_encode(&token, NAME));
            return Self::without_dots(Mount::Link(token), prefix, rest).map(Some);
        }
        if let Some(rest) = below(PUBLIC) {
            return Self::without_dots(Mount::Public, PUBLIC.to_owned(), rest).map(Some);
        }
        let Some((base, rest)) = OCM.iter().find_map(|base| Some((*base, below(base)?))) else { return Ok(None) };
        let mut pieces = rest.splitn(3, '/');
        let (first, after) = (pieces.nth(1).unwrap_or(""), pieces.next());
        if first.len() >= DIGITS_OF_ID && first.bytes().all(|byte| byte.is_ascii_digit()) {
            let rest = after.map(|after| format!("/{after}")).unwrap_or_default();
            return Self::without_dots(Mount::Ocm(Some(first.to_owned())), format!("{base}/{first}"), &rest).map(Some);
        }
        Self::without_dots(Mount::Ocm(None), base.to_owned(), rest).map(Some)
    }

    /// With dot segments taken out (RFC 3986, 5.2.4), which stay below the mount.
    fn without_dots(mount: Mount, prefix: String, rest: &str) -> Result<Self, NoAddress> {
        let mut names: Vec<String> = Vec::new();
        let mut slash = rest.ends_with('/');
        for name in segments(rest)? {
            slash = rest.ends_with('/');
            match name.as_str() {
                "." => slash = true,
                ".." => {
                    slash = true;
                    names.pop().ok_or(NoAddress::Outside)?;
                }
                _ => names.push(name),
            }
        }
        Ok(Self { mount, prefix, segments: names, slash })
    }

    /// The URL of what shows `top` (a path in the space), given that this address leads to `path`, which lies at or below
    /// it: hrefs of the same part of the space begin with it.
    pub(crate) fn base_of(&self, path: &ItemPath, top: &ItemPath) -> Base {
        let above = top.names().len();
        let below = path.names().len().saturating_sub(above);
        let mut url = self.prefix.clone();
        for segment in self.segments.iter().take(self.segments.len().saturating_sub(below)) {
            push_segment(&mut url, segment);
        }
        Base { url, above }
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

/// The URL that shows a part of a space: the root, or what is shared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Base {
    /// Without a slash at the end.
    url: String,
    /// Names of a path in the space that lead to what it shows.
    above: usize,
}

impl Base {
    /// What `url` (without a slash at the end) shows lies so many names below the root of the space.
    pub(crate) fn new(url: String, above: usize) -> Self {
        Self { url, above }
    }
}

/// The URL of a path of the space that `base` shows a part of; no slash at the end but for an empty base. What lies above
/// that part has the URL of the part.
pub(crate) fn href_below(base: &Base, path: &ItemPath) -> String {
    let mut href = base.url.clone();
    for name in path.names().iter().skip(base.above) {
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
            let path = ItemPath::parse("/x").unwrap();
            assert_eq!(address.base_of(&path, &ItemPath::default()), Base::new(prefix.to_owned(), 0));
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
        let base = address.base_of(&path, &ItemPath::default());
        assert_eq!(base, Base::new("/remote.php/dav/files/anna/Spaces/KB".to_owned(), 0));
        assert_eq!(href_below(&base, &path), "/remote.php/dav/files/anna/Spaces/KB/x/%C3%BC%23%3F");
    }

    #[test]
    fn what_is_shared_has_the_urls_of_the_mount_it_is_seen_by() {
        let path = |text| ItemPath::parse(text).unwrap();
        let address = Address::parse("/remote.php/dav/files/anna/Shares/mine/c/d").unwrap();
        let base = address.base_of(&path("/a/b/c/d"), &path("/a/b"));
        assert_eq!(href_below(&base, &path("/a/b")), "/remote.php/dav/files/anna/Shares/mine");
        assert_eq!(href_below(&base, &path("/a/b/c/e")), "/remote.php/dav/files/anna/Shares/mine/c/e");
        assert_eq!(href_below(&base, &path("/a")), "/remote.php/dav/files/anna/Shares/mine", "not what lies above it");
        let address = Address::parse("/dav/ocm/123456789012345678/./c/").unwrap();
        let base = address.base_of(&path("/a/b/c"), &path("/a/b"));
        assert_eq!(href_below(&base, &path("/a/b/c/d")), "/dav/ocm/123456789012345678/c/d");
    }

    #[test]
    fn mounts_of_shares() {
        let mount = |path: &str| Address::parse(path).unwrap().mount;
        assert_eq!(mount("/public.php/webdav/a"), Mount::Public);
        assert_eq!(mount("/public.php/dav/files/t-o_k/a"), Mount::Link("t-o_k".to_owned()));
        let id = "123456789012345678";
        for prefix in ["/dav/ocm", "/remote.php/dav/ocm"] {
            let address = Address::parse(&format!("{prefix}/{id}/a%20b/")).unwrap();
            assert_eq!((address.mount.clone(), address.slash), (Mount::Ocm(Some(id.to_owned())), true));
            assert_eq!(address.href(), format!("{prefix}/{id}/a%20b"));
            assert_eq!(Address::parse(prefix).unwrap().mount, Mount::Ocm(None));
        }
        assert_eq!(names("/dav/ocm/2024/a"), ["2024", "a"], "a folder, not an id");
    }

    #[test]
    fn dots_are_taken_out_where_peers_write_them_and_lead_nowhere_else() {
        let id = "123456789012345678";
        for (path, expected) in [
            ("/dav/ocm/.", vec![]),
            ("/dav/ocm/./a.txt", vec!["a.txt"]),
            (&format!("/dav/ocm/{id}/./a/../b/./c"), vec!["b", "c"]),
            (&format!("/dav/ocm/{id}/a/%2E%2e/b"), vec!["b"]),
            ("/public.php/webdav/./x/..", vec![]),
        ] {
            assert_eq!(names(path), expected, "{path}");
        }
        for path in [
            format!("/dav/ocm/{id}/.."),
            format!("/dav/ocm/{id}/a/../../b"),
            format!("/dav/ocm/{id}/%2e%2e/123456789012345679"),
            "/dav/ocm/../x".to_owned(),
            "/public.php/webdav/a/../../../remote.php/webdav".to_owned(),
            "/public.php/dav/files/t/../u".to_owned(),
        ] {
            assert_eq!(Address::parse(&path), Err(NoAddress::Outside), "{path}");
        }
        assert!(Address::parse("/dav/ocm/.").unwrap().slash);
    }
}
