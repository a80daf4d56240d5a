//! The answer to PROPFIND.

use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use reqwest::Url;
use stitchbox_sync::digest::Sha256;

use crate::address::decoded;
use crate::failure::WireError;

/// What is asked of every item.
pub(crate) const ASKED: &str = "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\">\
    <d:prop><d:resourcetype/><d:getcontentlength/><d:getlastmodified/><d:getetag/><oc:id/><oc:permissions/><oc:checksums/>\
    </d:prop></d:propfind>";

/// One item as a listing shows it; what the server does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Name, decoded; never a path. Empty for the folder that was listed.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Size of a file, bytes.
    pub size: Option<u64>,
    /// ETag, with its quotes.
    pub etag: Option<String>,
    /// `oc:id`.
    pub id: Option<String>,
    /// Permission letters.
    pub permissions: Option<String>,
    /// Last modification as the server writes it (RFC 1123).
    pub modified: Option<String>,
    /// `SHA256:hex` and others, as the server tells them.
    pub checksums: Vec<String>,
}

impl Entry {
    /// The SHA-256, when the server tells it.
    pub fn sha256(&self) -> Option<Sha256> {
        self.checksums.iter().find_map(|text| sha256_in(text))
    }
}

/// The SHA-256 in a text such as `SHA1:aa SHA256:bb`.
pub(crate) fn sha256_in(text: &str) -> Option<Sha256> {
    text.split_whitespace().find_map(|word| {
        let (name, hex) = word.split_once(':')?;
        if name.eq_ignore_ascii_case("SHA256") { Sha256::from_hex(hex) } else { None }
    })
}

/// The folder itself (with an empty name) and its members, from a multistatus answer. Names that are paths are dropped.
///
/// # Errors
/// What is not XML.
pub fn parse_listing(xml: &str, folder: &Url) -> Result<Vec<Entry>, WireError> {
    let malformed = || WireError::Malformed("no WebDAV listing");
    let own_path = decoded(folder.path().trim_end_matches('/'));
    let mut reader = NsReader::from_str(xml);
    let mut entries = Vec::new();
    let mut entry: Option<Entry> = None;
    let mut is_multistatus = false;
    let mut text = String::new();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| malformed())?;
        let is_dav = matches!(namespace, ResolveResult::Bound(ns) if ns.as_ref() == "DAV:");
        match event {
            Event::Start(tag) => {
                text.clear();
                match tag.local_name().as_ref() {
                    "multistatus" if is_dav => is_multistatus = true,
                    "response" if is_dav => entry = None,
                    "collection" if is_dav => entry.iter_mut().for_each(|entry| entry.is_folder = true),
                    _ => {}
                }
            }
            Event::Empty(tag) if is_dav && tag.local_name().as_ref() == "collection" => {
                entry.iter_mut().for_each(|entry| entry.is_folder = true);
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)),
            Event::End(tag) => {
                let name = tag.local_name();
                match (name.as_ref(), entry.as_mut()) {
                    ("href", None) if is_dav => {
                        entry = member(text.trim(), &own_path).map(|name| Entry { name, ..Entry::default() });
                    }
                    ("response", Some(_)) if is_dav => entries.extend(entry.take()),
                    (name, Some(entry)) => set(entry, name, text.trim()),
                    _ => {}
                }
                text.clear();
            }
            Event::Eof if is_multistatus => return Ok(entries),
            Event::Eof => return Err(malformed()),
            _ => {}
        }
    }
}

fn set(entry: &mut Entry, property: &str, text: &str) {
    let said = (!text.is_empty()).then(|| text.to_owned());
    match property {
        "getcontentlength" => entry.size = text.parse().ok().or(entry.size),
        "getetag" => entry.etag = said.or(entry.etag.take()),
        "getlastmodified" => entry.modified = said.or(entry.modified.take()),
        "id" => entry.id = said.or(entry.id.take()),
        "permissions" => entry.permissions = said.or(entry.permissions.take()),
        "checksum" | "checksums" => entry.checksums.extend(text.split_whitespace().map(str::to_owned)),
        _ => {}
    }
}

/// The name of a direct member, from its href; empty for the folder itself, `None` for names that are paths.
fn member(href: &str, own_path: &str) -> Option<String> {
    let path = match Url::parse(href) {
        Ok(url) => url.path().to_owned(),
        Err(_) => href.to_owned(),
    };
    let trimmed = path.trim_end_matches('/');
    if decoded(trimmed) == own_path {
        return Some(String::new());
    }
    let name = decoded(trimmed.rsplit('/').next()?);
    let is_name = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
    is_name.then_some(name)
}

fn resolve(reference: &str) -> String {
    let number = reference.strip_prefix('#').and_then(|number| match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    });
    match (number.and_then(char::from_u32), reference) {
        (Some(character), _) => character.to_string(),
        (None, "amp") => "&".to_owned(),
        (None, "lt") => "<".to_owned(),
        (None, "gt") => ">".to_owned(),
        (None, "quot") => "\"".to_owned(),
        (None, "apos") => "'".to_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">
        <d:response><d:href>/dav/files/a/m%201/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype><oc:id>7</oc:id></d:prop></d:propstat></d:response>
        <d:response><d:href>http://h/dav/files/a/m%201/x%26y.dat</d:href><d:propstat><d:prop><d:resourcetype/><d:getetag>&quot;v1&quot;</d:getetag><d:getcontentlength>12</d:getcontentlength><oc:checksums><oc:checksum>SHA1:AA SHA256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD</oc:checksum></oc:checksums></d:prop></d:propstat></d:response>
        <d:response><d:href>/dav/files/a/m%201/..%2Fevil</d:href><d:propstat><d:prop/></d:propstat></d:response>
        <d:response><d:href>/dav/files/a/m%201/Stitched/</d:href><d:propstat><d:prop><d:resourcetype><d:collection></d:collection></d:resourcetype></d:prop></d:propstat></d:response>
        </d:multistatus>"#;

    #[test]
    fn members_are_read_and_paths_refused() {
        let folder = Url::parse("http://h/dav/files/a/m%201").unwrap();
        let entries = parse_listing(XML, &folder).unwrap();
        assert_eq!(entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["", "x&y.dat", "Stitched"]);
        assert_eq!((entries[0].is_folder, entries[0].id.as_deref()), (true, Some("7")));
        assert_eq!((entries[1].size, entries[1].is_folder), (Some(12), false));
        assert_eq!(entries[1].etag.as_deref(), Some("\"v1\""));
        assert_eq!(entries[1].sha256(), Some(Sha256::of(b"abc")));
        assert!(entries[2].is_folder);
    }

    #[test]
    fn what_is_no_listing_is_an_error() {
        let folder = Url::parse("http://h/a").unwrap();
        assert!(parse_listing("<a><b></a>", &folder).is_err());
        assert!(parse_listing("<html><body>Log in</body></html>", &folder).is_err());
        assert!(parse_listing("", &folder).is_err());
    }
}
