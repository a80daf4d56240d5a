//! Bodies that come and go piece by piece: bounded, counted, and given up when they hardly move.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::policy::Policy;
use crate::peer_error::PeerError;

/// Bytes to be sent, as they are read from where they lie.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Incoming {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    host: String,
    response: reqwest::Response,
    announced: Option<u64>,
    got: u64,
    pace: Pace,
}

/// The rule of progress: within `window` of waiting at least `least` bytes must come. Time in which nobody asks for more
/// (the reader itself is slow) does not count.
#[derive(Debug)]
struct Pace {
    window: Duration,
    least: u64,
    waited: Duration,
    moved: u64,
}

impl Incoming {
    pub(super) fn new(response: reqwest::Response, host: &str, policy: &Policy) -> Self {
        let headers = response.headers().clone();
        let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            status: response.status().as_u16(),
            headers,
            host: host.to_owned(),
            response,
            announced,
            got: 0,
            pace: Pace { window: policy.idle_timeout, least: policy.least_progress, waited: Duration::ZERO, moved: 0 },
        }
    }

    /// `host[:port]` it comes from.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Bytes announced by `Content-Length`.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// Cut off, or too slow.
    pub async fn next(&mut self) -> Result<Option<Bytes>, PeerError> {
        let began = Instant::now();
        let left = self.pace.window.saturating_sub(self.pace.waited);
        let host = || self.host.clone();
        let piece = match tokio::time::timeout(left, self.response.chunk()).await {
            Err(_) => return Err(PeerError::TimedOut { host: host(), doing: "the body of its answer" }),
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => return Err(cut(host(), self.announced, self.got, &error)),
        };
        self.pace.waited += began.elapsed();
        let Some(piece) = piece else { return Ok(None) };
        self.got += piece.len() as u64;
        self.pace.moved += piece.len() as u64;
        if self.pace.moved >= self.pace.least {
            (self.pace.waited, self.pace.moved) = (Duration::ZERO, 0);
        }
        Ok(Some(piece))
    }

    /// The whole body, at most `limit` bytes; the announcement is not believed but counted against the limit too.
    ///
    /// # Errors
    /// As [`Incoming::next`], and [`PeerError::TooLarge`].
    pub async fn read(mut self, limit: u64) -> Result<Bytes, PeerError> {
        let too_large = |host: &str| PeerError::TooLarge { host: host.to_owned(), limit };
        if self.announced.is_some_and(|announced| announced > limit) && self.status < 300 {
            return Err(too_large(&self.host));
        }
        let mut body = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if (body.len() + piece.len()) as u64 > limit {
                // of a refusal the beginning is enough
                if self.status >= 300 {
                    break;
                }
                return Err(too_large(&self.host));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

fn cut(host: String, announced: Option<u64>, got: u64, error: &reqwest::Error) -> PeerError {
    match announced {
        Some(expected) if got < expected => PeerError::WrongLength { host, expected, got },
        _ => PeerError::Unreachable { host, reason: cause_of(error) },
    }
}

/// The deepest cause of an error, as one printable line.
pub(super) fn cause_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// How far an upload is, seen from beside it.
pub(super) struct Progress {
    bytes: AtomicU64,
    done: AtomicBool,
    failed: Mutex<Option<String>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { bytes: AtomicU64::new(0), done: AtomicBool::new(false), failed: Mutex::new(None) }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    /// Why the stream itself failed, if it did.
    pub(super) fn own_failure(&self) -> Option<PeerError> {
        let reason = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(PeerError::OwnSide { reason })
    }

    fn fail(&self, reason: String) -> io::Error {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        io::Error::other(reason)
    }
}

/// The stream with its bytes counted; it must have exactly `length`.
pub(super) fn counted(body: ByteStream, length: u64, progress: Arc<Progress>) -> ByteStream {
    if length == 0 {
        progress.done.store(true, Ordering::Relaxed);
    }
    let step = move |(mut body, progress): (ByteStream, Arc<Progress>)| async move {
        let item = match body.next().await {
            Some(Ok(piece)) => {
                let sent = progress.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
                if sent > length {
                    Err(progress.fail(format!("it is longer than the {length} bytes announced")))
                } else {
                    progress.done.store(sent == length, Ordering::Relaxed);
                    Ok(piece)
                }
            }
            Some(Err(error)) => Err(progress.fail(error.to_string())),
            None if progress.bytes() < length => {
                Err(progress.fail(format!("it has {} of the {length} bytes announced", progress.bytes())))
            }
            None => return None,
        };
        Some((item, (body, progress)))
    };
    futures::stream::unfold((body, progress), step).boxed()
}
