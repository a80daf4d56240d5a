//! The answer to PROPFIND, and the message inside an error answer.

use percent_encoding::percent_decode_str;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use reqwest::Url;

use super::DavError;

/// One member of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Name, decoded; never a path.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Size of a file, bytes.
    pub bytes: Option<u64>,
    /// `SHA256:hex` and others, as the server tells them, upper-case names.
    pub checksums: Vec<String>,
}

/// Members of `folder` from the multistatus answer; the folder itself is left out.
pub(crate) fn parse_listing(xml: &str, folder: &Url) -> Result<Vec<Entry>, DavError> {
    let malformed = |error: &dyn std::fmt::Display| DavError::Malformed(error.to_string());
    let own_path = decoded(folder.path().trim_end_matches('/'));
    let mut reader = NsReader::from_str(xml);
    let mut entries = Vec::new();
    let mut entry = Entry::default();
    let mut text = String::new();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|e| malformed(&e))?;
        let is_dav = matches!(namespace, ResolveResult::Bound(ns) if ns.as_ref() == "DAV:");
        match event {
            Event::Start(tag) => {
                text.clear();
                match tag.local_name().as_ref() {
                    "response" if is_dav => entry = Entry::default(),
                    "collection" if is_dav => entry.is_folder = true,
                    _ => {}
                }
            }
            Event::Empty(tag) if is_dav && tag.local_name().as_ref() == "collection" => entry.is_folder = true,
            Event::Text(piece) => text.push_str(&piece),
            Event::GeneralRef(reference) => text.push_str(&resolve(&reference)),
            Event::End(tag) => {
                match tag.local_name().as_ref() {
                    "href" if is_dav && entry.name.is_empty() => {
                        entry.name = member(text.trim(), &own_path).unwrap_or_default()
                    }
                    "getcontentlength" if is_dav => entry.bytes = text.trim().parse().ok(),
                    "checksum" | "checksums" => entry.checksums.extend(text.split_whitespace().map(str::to_owned)),
                    "response" if is_dav && !entry.name.is_empty() => entries.push(std::mem::take(&mut entry)),
                    _ => {}
                }
                text.clear();
            }
            Event::Eof => return Ok(entries),
            _ => {}
        }
    }
}

/// The name of a direct member, from its href; `None` for the folder itself and for names that are paths.
fn member(href: &str, own_path: &str) -> Option<String> {
    let path = match Url::parse(href) {
        Ok(url) => url.path().to_owned(),
        Err(_) => href.to_owned(),
    };
    let trimmed = path.trim_end_matches('/');
    if decoded(trimmed) == own_path {
        return None;
    }
    let name = decoded(trimmed.rsplit('/').next()?);
    let is_name = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
    is_name.then_some(name)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
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

/// What an error body says: the `message` element of a Sabre error, or the first line of a plain text.
pub(super) fn message(body: &str) -> String {
    let within = |open: &str, close: &str| {
        let start = body.find(open)? + open.len();
        let end = body.get(start..)?.find(close)? + start;
        body.get(start..end).map(|text| text.trim().to_owned())
    };
    let plain = || {
        if body.trim_start().starts_with('<') {
            String::new()
        } else {
            body.lines().next().unwrap_or_default().to_owned()
        }
    };
    let text = within("<s:message>", "</s:message>").unwrap_or_else(plain);
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">
        <d:response><d:href>/dav/files/a/m%201/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop></d:propstat></d:response>
        <d:response><d:href>http://h/dav/files/a/m%201/x%26y.dat</d:href><d:propstat><d:prop><d:resourcetype/><d:getcontentlength>12</d:getcontentlength><oc:checksums><oc:checksum>SHA1:aa SHA256:bb</oc:checksum></oc:checksums></d:prop></d:propstat></d:response>
        <d:response><d:href>/dav/files/a/m%201/..%2Fevil</d:href><d:propstat><d:prop/></d:propstat></d:response>
        <d:response><d:href>/dav/files/a/m%201/Stitched/</d:href><d:propstat><d:prop><d:resourcetype><d:collection></d:collection></d:resourcetype></d:prop></d:propstat></d:response>
        </d:multistatus>"#;

    #[test]
    fn members_are_read_and_paths_refused() {
        let folder = Url::parse("http://h/dav/files/a/m%201").unwrap();
        let entries = parse_listing(XML, &folder).unwrap();
        assert_eq!(entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["x&y.dat", "Stitched"]);
        assert_eq!((entries[0].bytes, entries[0].is_folder), (Some(12), false));
        assert_eq!(entries[0].checksums, ["SHA1:aa", "SHA256:bb"]);
        assert!(entries[1].is_folder);
    }

    #[test]
    fn what_is_not_xml_is_an_error_and_errors_tell_their_message() {
        let folder = Url::parse("http://h/a").unwrap();
        assert!(parse_listing("<a><b></a>", &folder).is_err());
        assert_eq!(message("<d:error><s:message>quota &lt;full&gt;</s:message></d:error>"), "quota <full>");
        assert_eq!(message("not today\nmore"), "not today");
        assert_eq!(message("<html>long</html>"), "");
    }
}
