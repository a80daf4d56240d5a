//! Reading a file at a peer: the range asked for, of the version asked for, to its last byte, or an error.

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::access::RemoteDav;
use crate::http::{Call, Incoming, name_of};
use crate::peer_error::PeerError;

/// What of a file is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fetch<'a> {
    /// First byte.
    pub from: u64,
    /// Bytes; `None` to the end.
    pub length: Option<u64>,
    /// The version, by its ETag as listed.
    pub etag: Option<&'a str>,
    /// Size of the whole file as listed, bytes.
    pub size: Option<u64>,
}

/// A file that is coming. Its bytes are exactly those asked for, or the last piece is an error.
#[derive(Debug)]
pub struct Fetched {
    /// ETag of the answer, with its quotes.
    pub etag: Option<String>,
    /// MIME type.
    pub content_type: Option<String>,
    /// Size of the whole file, if the peer tells it, bytes.
    pub total: Option<u64>,
    incoming: Incoming,
    /// Bytes to drop before: the peer does not do ranges.
    skip: u64,
    /// Bytes still to come; `None` if nobody knows.
    left: Option<u64>,
    /// Whether more than `left` is an error or only not asked for.
    is_cut: bool,
    got: u64,
}

impl RemoteDav {
    /// Opens a file. `path` is names joined by `/`; empty is the shared file itself.
    ///
    /// # Errors
    /// [`PeerError::Changed`] if it is another version; the peer's refusal; no answer; an answer that is another range.
    pub async fn get(&self, path: &str, fetch: Fetch<'_>) -> Result<Fetched, PeerError> {
        let within = self.client().http().policy().idle_timeout;
        // a range of nothing cannot be asked for: the file is opened, which says whether it is there, and not read
        let is_ranged = fetch.length != Some(0)
            && (fetch.from > 0 || fetch.length.is_some_and(|length| Some(length) != fetch.size));
        let build = |door: &super::access::Door| {
            let mut call = Call::new(Method::GET, self.url(door, path, false)?);
            call.follow = true;
            call.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if is_ranged {
                let last =
                    fetch.length.map(|length| fetch.from.saturating_add(length - 1).to_string()).unwrap_or_default();
                insert(&mut call.headers, RANGE, format!("bytes={}-{last}", fetch.from));
            }
            if let Some(etag) = fetch.etag.filter(|etag| !etag.starts_with("W/")) {
                insert(&mut call.headers, IF_MATCH, etag.to_owned());
            }
            Ok(call)
        };
        let (door, incoming) = self.through(within, build).await?;
        let url = self.url(&door, path, false)?;
        let host = name_of(&url);
        match incoming.status {
            200 | 206 => {}
            416 if fetch.size.is_none_or(|size| fetch.from < size) => return Err(PeerError::Changed { host }),
            _ => return Err(self.refused(&url, incoming).await),
        }
        let said = |name| incoming.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let etag = said(ETAG);
        if let (Some(wanted), Some(found)) = (fetch.etag, etag.as_deref())
            && bare(wanted) != bare(found)
        {
            return Err(PeerError::Changed { host });
        }
        if said(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(self.malformed("a file in an encoding that was not asked for"));
        }
        let content_type = said(CONTENT_TYPE).filter(|kind| kind.len() <= 255);
        let (announced, range) = (incoming.announced(), said(CONTENT_RANGE));
        let (skip, left, total) = if incoming.status == 206 {
            let range = range.as_deref().and_then(content_range).ok_or_else(|| self.malformed("a range of nothing"))?;
            if range.first != fetch.from || fetch.length.is_some_and(|length| range.last - range.first >= length) {
                return Err(self.malformed("another range than the one asked for"));
            }
            let there = range.last - range.first + 1;
            (0, Some(fetch.length.map_or(there, |length| there.min(length))), range.total)
        } else {
            let rest = announced.or(fetch.size).map(|total| total.saturating_sub(fetch.from));
            let left = match (rest, fetch.length) {
                (Some(rest), Some(length)) => Some(rest.min(length)),
                (rest, length) => rest.or(length),
            };
            (fetch.from, left, announced)
        };
        if let (Some(wanted), Some(total)) = (fetch.size, total)
            && wanted != total
        {
            return Err(PeerError::Changed { host });
        }
        // what goes up to the end as listed must end there
        let is_to_end =
            fetch.size.is_some() && fetch.size == fetch.length.and_then(|length| fetch.from.checked_add(length));
        let is_cut = fetch.length.is_some() && !is_to_end;
        Ok(Fetched { etag, content_type, total, incoming, skip, left, is_cut, got: 0 })
    }
}

impl Fetched {
    /// Bytes that will come, if known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.left.map(|left| left + self.got)
    }

    /// The next piece; `None` after the last byte that was asked for.
    ///
    /// # Errors
    /// Cut off, too slow, or another length than announced.
    pub async fn next(&mut self) -> Result<Option<Bytes>, PeerError> {
        loop {
            if self.is_cut && self.left == Some(0) {
                return Ok(None);
            }
            let Some(mut piece) = self.incoming.next().await? else {
                return match self.left {
                    Some(left) if left > 0 || self.skip > 0 => Err(self.wrong_length(left + self.got, self.got)),
                    _ => Ok(None),
                };
            };
            let dropped = self.skip.min(piece.len() as u64);
            self.skip -= dropped;
            let _ = piece.split_to(usize::try_from(dropped).unwrap_or(piece.len()).min(piece.len()));
            if let Some(left) = self.left {
                if piece.len() as u64 > left {
                    if !self.is_cut {
                        return Err(self.wrong_length(left + self.got, self.got + piece.len() as u64));
                    }
                    piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                }
                self.left = Some(left - piece.len() as u64);
            }
            self.got += piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// All that comes, as a stream; it ends after an error.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, PeerError>> {
        stream::unfold(Some(self), |state| async move {
            let mut fetched = state?;
            match fetched.next().await {
                Ok(None) => None,
                Ok(Some(piece)) => Some((Ok(piece), Some(fetched))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    fn wrong_length(&self, expected: u64, got: u64) -> PeerError {
        PeerError::WrongLength { host: self.incoming.host().to_owned(), expected, got }
    }
}

/// An ETag without weakness and quotes, for comparing what a listing and a GET say of the same version.
pub(super) fn bare(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

struct ContentRange {
    first: u64,
    last: u64,
    total: Option<u64>,
}

/// `bytes 0-99/200` or `bytes 0-99/*`.
fn content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse::<u64>().ok()?),
    };
    let fits = first <= last && last < u64::MAX && total.is_none_or(|total| last < total);
    fits.then_some(ContentRange { first, last, total })
}
