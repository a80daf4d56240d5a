//! The answer to PROPFIND (RFC 4918 section 13), read piece by piece with its namespaces; a stranger's XML.

use std::io;

use futures::stream;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;
use tokio::io::AsyncBufRead;
use tokio_util::io::StreamReader;

use super::entry::RemoteEntry;
use super::path::Names;
use crate::http::Incoming;
use crate::peer_error::PeerError;

/// Longest text of one property that is kept, bytes.
const LONGEST_TEXT: usize = 8 << 10;
/// Deepest nesting of elements.
const DEEPEST: usize = 64;

/// Reads an answer to its end and gives each entry to `each`, until that says no. Gives how many were left out because they
/// lie elsewhere or have names that cannot be.
pub(super) async fn read(
    incoming: Incoming,
    most_bytes: u64,
    names: &Names,
    each: impl FnMut(RemoteEntry) -> bool,
) -> Result<usize, PeerError> {
    let host = incoming.host().to_owned();
    let pieces = stream::unfold((incoming, 0_u64), move |(mut incoming, got)| async move {
        match incoming.next().await {
            Ok(None) => None,
            Ok(Some(piece)) => {
                let got = got + piece.len() as u64;
                if got > most_bytes {
                    let error = PeerError::TooLarge { host: incoming.host().to_owned(), limit: most_bytes };
                    return Some((Err(io::Error::other(error)), (incoming, got)));
                }
                Some((Ok(piece), (incoming, got)))
            }
            Err(error) => Some((Err(io::Error::other(error)), (incoming, got))),
        }
    });
    let reader = StreamReader::new(Box::pin(pieces));
    match entries(reader, names, each).await {
        Ok(left_out) => Ok(left_out),
        Err(Broken::Peer(error)) => Err(error),
        Err(Broken::Xml(what)) => Err(PeerError::Malformed { host, what }),
    }
}

/// Why a listing ends early.
#[derive(Debug)]
enum Broken {
    Peer(PeerError),
    Xml(&'static str),
}

impl From<quick_xml::Error> for Broken {
    fn from(error: quick_xml::Error) -> Self {
        if let quick_xml::Error::Io(error) = &error
            && let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<PeerError>())
        {
            return Self::Peer(error.clone());
        }
        Self::Xml("the listing is no XML")
    }
}

/// The namespaces that count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    Dav,
    OwnCloud,
    Other,
}

async fn entries(
    reader: impl AsyncBufRead + Unpin,
    names: &Names,
    mut each: impl FnMut(RemoteEntry) -> bool,
) -> Result<usize, Broken> {
    let mut reader = NsReader::from_reader(reader);
    let mut buffer = Vec::new();
    let mut state = State::default();
    loop {
        let (namespace, event) = reader.read_resolved_event_into_async(&mut buffer).await?;
        let space = match namespace {
            ResolveResult::Bound(bound) if bound.as_ref() == "DAV:" => Space::Dav,
            ResolveResult::Bound(bound) if bound.as_ref() == "http://owncloud.org/ns" => Space::OwnCloud,
            _ => Space::Other,
        };
        match event {
            Event::Start(tag) => state.start(space, tag.local_name().as_ref())?,
            Event::Empty(tag) => {
                state.start(space, tag.local_name().as_ref())?;
                state.end(space, tag.local_name().as_ref(), names);
            }
            Event::Text(piece) => state.text(&piece),
            Event::CData(piece) => state.text(&piece),
            Event::GeneralRef(reference) => state.text(&resolve(&reference)),
            Event::End(tag) => {
                if let Some(entry) = state.end(space, tag.local_name().as_ref(), names)
                    && !each(entry)
                {
                    return Ok(state.left_out);
                }
            }
            Event::DocType(_) => return Err(Broken::Xml("the listing declares a document type")),
            Event::Eof if state.is_multistatus && state.depth == 0 => return Ok(state.left_out),
            Event::Eof if state.is_multistatus => return Err(Broken::Xml("the listing is cut off")),
            Event::Eof => return Err(Broken::Xml("no WebDAV listing (a web page?)")),
            _ => {}
        }
        buffer.clear();
    }
}

/// Where the reader is.
#[derive(Default)]
struct State {
    depth: usize,
    is_multistatus: bool,
    /// The `response` being read: where it lies, once known, and what was found.
    response: Option<Response>,
    text: String,
    /// Responses that lie elsewhere.
    left_out: usize,
}

#[derive(Default)]
struct Response {
    /// `Some(None)`: it lies elsewhere.
    name: Option<Option<String>>,
    entry: RemoteEntry,
    /// Properties of the `propstat` being read, and its status.
    found: RemoteEntry,
    is_propstat: bool,
    is_missing: bool,
    /// Some propstat brought what was asked for.
    is_told: bool,
    /// The response as such says that nothing is there (404, 410).
    is_gone: bool,
}

impl State {
    fn start(&mut self, space: Space, name: &str) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Broken::Xml("the listing is nested too deeply"));
        }
        self.text.clear();
        if self.depth == 1 {
            if space != Space::Dav || name != "multistatus" {
                return Err(Broken::Xml("no WebDAV listing (a web page?)"));
            }
            self.is_multistatus = true;
        }
        if space == Space::Dav {
            match (name, self.response.as_mut()) {
                ("response", None) => self.response = Some(Response::default()),
                ("propstat", Some(response)) => {
                    (response.is_propstat, response.is_missing) = (true, false);
                    response.found = RemoteEntry::default();
                }
                ("collection", Some(response)) => response.found.is_folder = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn text(&mut self, piece: &str) {
        if self.text.len() + piece.len() <= LONGEST_TEXT {
            self.text.push_str(piece);
        }
    }

    /// The end of an element; the entry at the end of a response that lies below.
    fn end(&mut self, space: Space, name: &str, names: &Names) -> Option<RemoteEntry> {
        self.depth = self.depth.saturating_sub(1);
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let response = self.response.as_mut()?;
        match (space, name) {
            (Space::Dav, "href") if !response.is_propstat => response.name = Some(names.member(text)),
            (Space::Dav, "status") => {
                // `HTTP/1.1 404 Not Found`
                let code = text.split_whitespace().nth(1).unwrap_or_default();
                response.is_missing |= !code.starts_with('2');
                response.is_gone |= !response.is_propstat && matches!(code, "404" | "410");
            }
            (Space::Dav, "propstat") => {
                response.is_propstat = false;
                let found = std::mem::take(&mut response.found);
                if !response.is_missing {
                    response.is_told = true;
                    merge(&mut response.entry, found);
                }
                response.is_missing = false;
            }
            (Space::Dav, "response") => {
                let response = self.response.take()?;
                let Some(name) = response.name.flatten() else {
                    self.left_out += 1;
                    return None;
                };
                // with a status of its own instead of properties it is not there, or the peer cannot say now what it is
                let is_unclear = if response.is_missing { !response.is_gone } else { !response.is_told };
                let is_there = is_unclear || !response.is_missing;
                return is_there.then_some(RemoteEntry { name, is_unclear, ..response.entry });
            }
            (space, name) if response.is_propstat => set(&mut response.found, space, name, text),
            _ => {}
        }
        None
    }
}

fn set(entry: &mut RemoteEntry, space: Space, name: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let short = |limit: usize| (text.len() <= limit && !text.chars().any(char::is_control)).then(|| text.to_owned());
    match (space, name) {
        (Space::Dav, "getcontentlength") => entry.size = text.parse().ok(),
        (Space::Dav, "getetag") => entry.etag = short(512),
        (Space::Dav, "getcontenttype") => entry.content_type = short(255),
        (Space::Dav, "getlastmodified") => {
            let since =
                httpdate::parse_http_date(text).ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            entry.mtime = since.and_then(|since| i64::try_from(since.as_secs()).ok());
        }
        (Space::OwnCloud, "permissions") => entry.permissions = short(64),
        (Space::OwnCloud, "size") if entry.size.is_none() => entry.size = text.parse().ok(),
        (Space::OwnCloud, "checksum" | "checksums") => {
            let words = text.split_whitespace().filter(|word| word.len() <= 200).map(str::to_owned);
            entry.checksums.extend(words.take(8));
        }
        _ => {}
    }
}

/// What a propstat found, added to what others of the same response did.
fn merge(entry: &mut RemoteEntry, found: RemoteEntry) {
    entry.is_folder |= found.is_folder;
    entry.etag = found.etag.or(entry.etag.take());
    entry.size = found.size.or(entry.size);
    entry.mtime = found.mtime.or(entry.mtime);
    entry.permissions = found.permissions.or(entry.permissions.take());
    entry.content_type = found.content_type.or(entry.content_type.take());
    entry.checksums.extend(found.checksums);
}

/// The text of a character reference or of one of the five entities; others are nothing.
fn resolve(reference: &str) -> String {
    let number = reference.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    });
    match number.and_then(char::from_u32) {
        Some(letter) => letter.to_string(),
        None => resolve_predefined_entity(reference).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
#[path = "multistatus_tests.rs"]
mod tests;
