//! Reads a `207 Multi-Status` answer of PROPFIND (RFC 4918 section 13) into plain values.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// One `response`: an item and the properties it answered.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The path as it stood in `href`, still encoded.
    pub href: String,
    /// Properties answered with status 200, by `{namespace}name`; the value is the text, or the names of the children.
    pub properties: BTreeMap<String, String>,
    /// Properties answered with another status.
    pub missing: BTreeMap<String, u16>,
}

impl Entry {
    /// The decoded path without a trailing slash.
    pub fn path(&self) -> String {
        percent_decode_str(&self.href).decode_utf8_lossy().trim_end_matches('/').to_owned()
    }

    /// The decoded last segment of the path.
    pub fn name(&self) -> String {
        self.path().rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// A `DAV:` property.
    pub fn dav(&self, name: &str) -> Option<&str> {
        self.properties.get(&format!("{{DAV:}}{name}")).map(String::as_str)
    }

    /// An ownCloud property (`http://owncloud.org/ns`).
    pub fn oc(&self, name: &str) -> Option<&str> {
        self.properties.get(&format!("{{http://owncloud.org/ns}}{name}")).map(String::as_str)
    }

    /// True for a collection.
    pub fn is_folder(&self) -> bool {
        self.dav("resourcetype").is_some_and(|kind| kind.contains("{DAV:}collection"))
    }

    /// The entity tag with its quotes; empty when the answer had none.
    pub fn etag(&self) -> String {
        self.dav("getetag").unwrap_or_default().to_owned()
    }
}

/// Parses a multistatus body.
///
/// # Errors
/// A sentence when the body is not well-formed XML.
pub fn parse_multistatus(body: &[u8]) -> Result<Vec<Entry>, String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("the listing is not UTF-8: {error}"))?;
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut found: Vec<(String, String)> = Vec::new();
    let mut status = 0u16;
    let mut words = String::new();
    loop {
        let (space, event) = reader.read_resolved_event().map_err(|error| format!("broken XML: {error}"))?;
        let space = match space {
            ResolveResult::Bound(namespace) => text_of(namespace.as_ref()),
            _ => String::new(),
        };
        match event {
            Event::Start(ref tag) | Event::Empty(ref tag) => {
                let name = format!("{{{space}}}{}", text_of(tag.local_name().as_ref()));
                let within = open.last().map(String::as_str);
                match (within, name.as_str()) {
                    (_, "{DAV:}response") => entries.push(Entry::default()),
                    (_, "{DAV:}propstat") => found.clear(),
                    (Some("{DAV:}prop"), _) => {
                        found.push((name.clone(), String::new()));
                    }
                    _ if open.iter().any(|tag| tag == "{DAV:}prop") => {
                        if let Some((_, value)) = found.last_mut() {
                            value.push_str(&name);
                        }
                    }
                    _ => {}
                }
                words.clear();
                if matches!(event, Event::Start(_)) {
                    open.push(name);
                }
            }
            Event::Text(piece) => words.push_str(&piece.xml10_content()),
            Event::CData(piece) => words.push_str(&piece.xml10_content()),
            Event::GeneralRef(entity) => {
                words.push_str(&resolve(&entity.xml10_content()).ok_or("unknown entity in the listing")?);
            }
            Event::End(_) => {
                let name = open.pop().ok_or("an end tag too many")?;
                if open.iter().any(|tag| tag == "{DAV:}prop") {
                    if let Some((_, value)) = found.last_mut() {
                        value.push_str(words.trim());
                    }
                } else if name == "{DAV:}href" {
                    if let Some(entry) = entries.last_mut().filter(|entry| entry.href.is_empty()) {
                        entry.href = words.trim().to_owned();
                    }
                } else if name == "{DAV:}status" {
                    status = words.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
                } else if name == "{DAV:}propstat" {
                    let entry = entries.last_mut().ok_or("a propstat outside of a response")?;
                    for (property, value) in found.drain(..) {
                        if status == 200 {
                            entry.properties.insert(property, value);
                        } else {
                            entry.missing.insert(property, status);
                        }
                    }
                }
                words.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if open.is_empty() { Ok(entries) } else { Err(format!("the listing ends inside {}", open.join("/"))) }
}

fn text_of<B: AsRef<[u8]> + ?Sized>(bytes: &B) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

/// A predefined entity or a character reference (without `&` and `;`).
fn resolve(entity: &str) -> Option<String> {
    let named = match entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => {
            let code = match entity.strip_prefix("#x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => entity.strip_prefix('#')?.parse().ok()?,
            };
            return char::from_u32(code).map(String::from);
        }
    };
    Some(named.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_multistatus;

    #[test]
    fn found_and_missing_properties_are_kept_apart() {
        let body = br#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:response>
            <d:href>/a%20b/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>
            <d:getetag>&quot;x&amp;1&quot;</d:getetag><oc:id>7</oc:id></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
            <d:propstat><d:prop><oc:nope/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>
            </d:multistatus>"#;
        let entries = parse_multistatus(body).expect("well-formed");
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert_eq!((entry.path().as_str(), entry.name().as_str()), ("/a b", "a b"));
        assert!(entry.is_folder());
        assert_eq!(entry.etag(), "\"x&1\"");
        assert_eq!(entry.oc("id"), Some("7"));
        assert_eq!(entry.missing.get("{http://owncloud.org/ns}nope"), Some(&404));
    }

    #[test]
    fn a_cut_listing_is_refused() {
        assert!(parse_multistatus(b"<d:multistatus xmlns:d=\"DAV:\"><d:response>").is_err());
    }
}
