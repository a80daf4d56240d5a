//! One entry of a small listing (trash, versions, roots): its properties by name, and how they answer a PROPFIND.
//!
//! Files and folders of a space are told by [`crate::entry`], which writes ten thousand of them without a list for each.

use crate::request_headers::http_date;
use crate::xml_in::{DAV, Name};
use crate::xml_out::{NC, OC, begin_response, empty, end_response, escape, propstat};
use crate::xml_requests::Wanted;
use std::fmt::{Display, Write as _};
use stitchbox_schema::Timestamp;

/// A namespace every answer declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Dav,
    OwnCloud,
    Nextcloud,
}

impl Space {
    fn uri(self) -> &'static str {
        match self {
            Self::Dav => DAV,
            Self::OwnCloud => OC,
            Self::Nextcloud => NC,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Dav => "d:",
            Self::OwnCloud => "oc:",
            Self::Nextcloud => "nc:",
        }
    }
}

/// What is told about one entry.
#[derive(Debug)]
pub(crate) struct Sheet {
    href: String,
    told: Vec<(Space, &'static str, String)>,
}

impl Sheet {
    /// A folder; `href` is percent-encoded and ends in a slash.
    pub(crate) fn folder(href: String) -> Self {
        Self { href, told: vec![(Space::Dav, "resourcetype", "<d:collection/>".to_owned())] }
    }

    /// A file with its size and time.
    pub(crate) fn file(href: String, size: i64, mtime: Timestamp) -> Self {
        Self { href, told: vec![(Space::Dav, "resourcetype", String::new())] }
            .and(Space::Dav, "getcontentlength", size)
            .and(Space::Dav, "getlastmodified", http_date(mtime))
    }

    /// Adds a property with this text.
    pub(crate) fn and(self, space: Space, name: &'static str, text: impl Display) -> Self {
        let text = escape(&text.to_string()).into_owned();
        self.and_xml(space, name, text)
    }

    /// Adds a property with a value that is XML already.
    pub(crate) fn and_xml(mut self, space: Space, name: &'static str, value: String) -> Self {
        self.told.push((space, name, value));
        self
    }

    /// Writes the whole response.
    pub(crate) fn write(&self, out: &mut String, wanted: &Wanted) {
        begin_response(out, &self.href);
        let (mut found, mut missing) = (String::new(), String::new());
        match wanted {
            Wanted::All { .. } => self.told.iter().for_each(|(space, name, value)| {
                element(&mut found, *space, name, value);
            }),
            Wanted::Names => self.told.iter().for_each(|(space, name, _)| element(&mut found, *space, name, "")),
            Wanted::Named(names) => {
                for name in names {
                    let same = |(space, local, _): &&(Space, &str, String)| is(*space, local, name);
                    match self.told.iter().find(same) {
                        Some((space, local, value)) => element(&mut found, *space, local, value),
                        None => empty(&mut missing, name),
                    }
                }
            }
        }
        if found.is_empty() && missing.is_empty() {
            out.push_str("<d:propstat><d:prop/><d:status>HTTP/1.1 200 OK</d:status></d:propstat>");
        }
        propstat(out, &found, "200 OK");
        propstat(out, &missing, "404 Not Found");
        end_response(out);
    }
}

fn is(space: Space, local: &str, name: &Name) -> bool {
    name.namespace == space.uri() && name.local == local
}

fn element(out: &mut String, space: Space, name: &str, value: &str) {
    let prefix = space.prefix();
    // Writing to a String cannot fail.
    let _ = write!(out, "<{prefix}{name}>{value}</{prefix}{name}>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml_out::{HEAD, TAIL};

    #[test]
    fn found_and_missing_are_told_apart() {
        let sheet = Sheet::file("/a%20b".to_owned(), 5, Timestamp::from_unix_seconds(1_600_000_000)).and(
            Space::Nextcloud,
            "x",
            "a<b",
        );
        let names = [Name::new(DAV, "getcontentlength"), Name::new(NC, "x"), Name::new(OC, "x")];
        let mut out = String::from(HEAD);
        sheet.write(&mut out, &Wanted::Named(names.to_vec()));
        out.push_str(TAIL);
        let root = crate::xml_in::read(out.as_bytes()).unwrap().unwrap();
        let told = &root.children[0].children;
        assert_eq!(told[0].text, "/a%20b");
        let found: Vec<&str> = told[1].dav_child("prop").unwrap().children.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(found, ["5", "a<b"]);
        assert_eq!(told[2].dav_child("status").unwrap().text, "HTTP/1.1 404 Not Found");
    }
}
