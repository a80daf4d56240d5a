//! What changed in a space, and what is in it: the feed with its cursor, and the listing of a whole tree.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::{Response, Url};
use serde::Deserialize;
use stitchbox_sync::remote::{Cursor, Feed, ItemId, RemoteItem};

use crate::address::child;
use crate::connection::{Connection, PATIENCE};
use crate::documents::ItemDocument;
use crate::failure::WireError;
use crate::pulse::Pulse;

/// Longest the server lets a question wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Longest answer of the feed, bytes: a thousand items with the longest names.
const FEED_LIMIT: usize = 16 << 20;
/// Longest line of a tree.
const LINE_LIMIT: usize = 1 << 20;

#[derive(Deserialize)]
struct FeedDocument {
    cursor: Box<str>,
    #[serde(default)]
    more: bool,
    fingerprint: Option<Box<str>>,
    #[serde(default)]
    items: Vec<ItemDocument>,
}

#[derive(Deserialize)]
struct FirstLine {
    cursor: Box<str>,
    fingerprint: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    End { end: bool, count: u64 },
    Item(Box<ItemDocument>),
}

/// The answer of the feed.
#[derive(Debug)]
pub struct Changes {
    /// The feed, as synchronisation wants it.
    pub feed: Feed,
    /// Folders that were plainly made: what is in them has entries of its own.
    pub made: Vec<ItemId>,
}

/// A listing under way.
pub struct Listing {
    /// The state listed is at least as new.
    pub cursor: Cursor,
    /// Another one than before says that the server was restored from a backup.
    pub fingerprint: Option<Box<str>>,
    /// The top first, parents before children; ends with an error if it is cut short.
    pub items: BoxStream<'static, Result<RemoteItem, WireError>>,
}

impl Connection {
    /// Changes of a space since a cursor; without one the present cursor alone. Waits up to `wait` for something to happen.
    ///
    /// # Errors
    /// Network and refusals; a cursor that is too old is no error.
    pub async fn changes(&self, space: &str, cursor: Option<&Cursor>, wait: Duration) -> Result<Changes, WireError> {
        let mut url = child(self.server(), ["api", "v1", "changes"]);
        let wait = wait.min(LONGEST_WAIT);
        url.query_pairs_mut().append_pair("space", space);
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", &cursor.0).append_pair("limit", "1000");
            if !wait.is_zero() {
                url.query_pairs_mut().append_pair("wait", &wait.as_secs().max(1).to_string());
            }
        }
        let answered = self
            .retrying(|_| async {
                let answer = self.answer_within(self.request("GET", &url), PATIENCE + wait, &Pulse::default()).await?;
                let text = crate::connection::bounded_text(answer, FEED_LIMIT).await;
                // an answer cut short is as passing as a connection that broke
                serde_json::from_str(&text).map_err(|_| WireError::Damaged("the feed was cut short"))
            })
            .await;
        let document: FeedDocument = match answered {
            Ok(document) => document,
            Err(error) if error.status() == Some(410) => {
                return Ok(Changes { feed: Feed::TooOld, made: Vec::new() });
            }
            Err(error) => return Err(error),
        };
        let mut made = Vec::new();
        let mut items = Vec::with_capacity(document.items.len());
        for item in document.items {
            let is_made = item.is_made();
            let entry = item.entry()?;
            if is_made && let stitchbox_sync::remote::FeedItem::Present(item) = &entry {
                made.push(item.id.clone());
            }
            items.push(entry);
        }
        let (cursor, more, fingerprint) = (Cursor(document.cursor), document.more, document.fingerprint);
        Ok(Changes { feed: Feed::Changes { items, cursor, more, fingerprint }, made })
    }

    /// Lists a folder of a space with everything below it: by id, by path (beginning with `/`), or the whole space.
    ///
    /// # Errors
    /// Network and refusals, at once or later in the stream.
    pub async fn tree(&self, space: &str, top: Top<'_>) -> Result<Listing, WireError> {
        let mut url: Url = child(self.server(), ["api", "v1", "tree"]);
        url.query_pairs_mut().append_pair("space", space);
        match top {
            Top::Space => {}
            Top::Item(id) => drop(url.query_pairs_mut().append_pair("item", &id.0)),
            Top::Path(path) => drop(url.query_pairs_mut().append_pair("path", path)),
        }
        let answer = self.retrying(|_| self.answer(self.request("GET", &url))).await?;
        let mut lines = Lines { answer, rest: Vec::new(), seen: 0 };
        let first = lines.next().await?.ok_or(CUT_SHORT)?;
        let first: FirstLine =
            serde_json::from_slice(&first).map_err(|_| WireError::Malformed("no listing of a tree"))?;
        let items = futures::stream::unfold(Some((lines, 0u64)), |state| async {
            let (mut lines, count) = state?;
            match lines.item(count).await {
                Ok(Some(item)) => Some((Ok(item), Some((lines, count + 1)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Listing { cursor: Cursor(first.cursor), fingerprint: first.fingerprint, items: items.boxed() })
    }
}

/// What is listed.
#[derive(Debug, Clone, Copy)]
pub enum Top<'a> {
    /// The whole space.
    Space,
    /// A folder by its id.
    Item(&'a ItemId),
    /// A folder by its path, which begins with `/`.
    Path(&'a str),
}

const CUT_SHORT: WireError = WireError::Damaged("the listing was cut short");

/// Lines of an answer as they arrive.
struct Lines {
    answer: Response,
    rest: Vec<u8>,
    /// How much of `rest` holds no end of a line.
    seen: usize,
}

impl Lines {
    async fn item(&mut self, count: u64) -> Result<Option<RemoteItem>, WireError> {
        let line = self.next().await?.ok_or(CUT_SHORT)?;
        match serde_json::from_slice(&line).map_err(|_| WireError::Malformed("no listing of a tree"))? {
            Line::End { end: true, count: told } if told == count => Ok(None),
            Line::End { .. } => Err(CUT_SHORT),
            Line::Item(document) => document.item().map(Some),
        }
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        loop {
            let fresh = self.rest.get(self.seen..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let rest = self.rest.split_off(self.seen + end + 1);
                self.seen = 0;
                return Ok(Some(std::mem::replace(&mut self.rest, rest)));
            }
            self.seen = self.rest.len();
            if self.seen > LINE_LIMIT {
                return Err(WireError::Malformed("a line without an end"));
            }
            match Pulse::default().watch(PATIENCE, self.answer.chunk()).await?? {
                Some(piece) => self.rest.extend_from_slice(&piece),
                None if self.rest.is_empty() => return Ok(None),
                // a last line without its end is only half a line
                None => return Err(CUT_SHORT),
            }
        }
    }
}
