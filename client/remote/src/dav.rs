//! Folders and names by WebDAV: list, look at, make, move, delete.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::address::parent;
use crate::connection::{Connection, PATIENCE, bounded_text};
use crate::failure::WireError;
use crate::listing::{ASKED, Entry, parse_listing};
use crate::pulse::Pulse;

/// Longest listing of one folder that is read, bytes: some half a million items.
const LISTING_LIMIT: usize = 512 << 20;
/// Folders above one another that are made in one go.
const DEEPEST: usize = 128;

/// What must be true of the target for a change to happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    #[default]
    Anything,
    /// Nothing is there.
    Absent,
    /// It still has this ETag (with its quotes).
    Etag(String),
}

impl Expected {
    pub(crate) fn apply(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self {
            Self::Anything => request,
            Self::Absent => request.header("If-None-Match", "*"),
            Self::Etag(etag) => request.header("If-Match", etag),
        }
    }
}

/// What the server says of an item it stored, made or moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// ETag with its quotes.
    pub etag: Option<String>,
    /// `oc:id`.
    pub id: Option<String>,
    /// Whether the modification time that was sent is kept.
    pub mtime_kept: bool,
}

impl Stored {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        Self {
            etag: text("oc-etag").or_else(|| text("etag")),
            id: text("oc-fileid"),
            mtime_kept: text("x-oc-mtime").is_some_and(|word| word.eq_ignore_ascii_case("accepted")),
        }
    }
}

impl Connection {
    /// What lies in a folder, the folder itself (with an empty name) first; `None` if nothing is there.
    ///
    /// # Errors
    /// Network, refusals, and answers that are no listing.
    pub async fn list(&self, folder: &Url) -> Result<Option<Vec<Entry>>, WireError> {
        self.propfind(folder, "1").await
    }

    /// What is at an address; `None` if nothing is there.
    ///
    /// # Errors
    /// As [`Connection::list`].
    pub async fn look_at(&self, url: &Url) -> Result<Option<Entry>, WireError> {
        Ok(self.propfind(url, "0").await?.and_then(|entries| entries.into_iter().next()))
    }

    async fn propfind(&self, url: &Url, depth: &str) -> Result<Option<Vec<Entry>>, WireError> {
        let listing = self
            .retrying(|_| async {
                let request = self.request("PROPFIND", url).header("Depth", depth);
                let answer = self.answer(request.header("Content-Type", "application/xml").body(ASKED)).await?;
                if answer.status() != reqwest::StatusCode::MULTI_STATUS {
                    return Err(WireError::Malformed("no WebDAV listing"));
                }
                let announced = answer.content_length();
                let pulse = Pulse::default();
                let text = pulse.watch(PATIENCE * 5, bounded_text(answer, LISTING_LIMIT)).await?;
                if announced.is_some_and(|bytes| bytes != text.len() as u64) {
                    return Err(WireError::Damaged("the listing was cut short"));
                }
                Ok(text)
            })
            .await;
        match listing {
            Ok(text) => parse_listing(&text, url).map(Some),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes one folder.
    ///
    /// # Errors
    /// 405 if something is there already, 409 if the folder above is not.
    pub async fn make_folder(&self, url: &Url) -> Result<Stored, WireError> {
        let lost = AtomicBool::new(false);
        let made = self.retrying(|_| self.noting(self.request("MKCOL", url), &lost)).await;
        match made {
            // an earlier attempt made it without being able to say so
            Err(error) if lost.load(Ordering::Relaxed) && error.status() == Some(405) => match self.look_at(url).await?
            {
                Some(entry) if entry.is_folder => Ok(Stored { etag: entry.etag, id: entry.id, mtime_kept: false }),
                _ => Err(error),
            },
            other => other,
        }
    }

    /// Sends a request and notes when its answer was lost, so that the server may have done what was asked.
    async fn noting(&self, request: reqwest::RequestBuilder, lost: &AtomicBool) -> Result<Stored, WireError> {
        let answer = self.answer(request).await;
        if answer.as_ref().is_err_and(WireError::may_have_happened) {
            lost.store(true, Ordering::Relaxed);
        }
        Ok(Stored::of(answer?.headers()))
    }

    /// Makes a folder and those above it, where they are not there.
    ///
    /// # Errors
    /// What hinders it.
    pub async fn ensure_folder(&self, folder: &Url) -> Result<(), WireError> {
        let mut missing = vec![folder.clone()];
        while let Some(next) = missing.last().cloned() {
            match self.make_folder(&next).await {
                Ok(_) => drop(missing.pop()),
                // something is there already; if it is a file, the first PUT below it says so
                Err(error) if error.status() == Some(405) => drop(missing.pop()),
                Err(error) if matches!(error.status(), Some(404 | 409)) => match parent(&next) {
                    Some(above) if missing.len() < DEEPEST => missing.push(above),
                    _ => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Moves or renames; never over something that is there.
    ///
    /// # Errors
    /// 412 if the target is taken or the source is not `expected` any more, 404 if it is gone, 409 without a folder above.
    pub async fn relocate(&self, from: &Url, to: &Url, expected: &Expected) -> Result<Stored, WireError> {
        let lost = AtomicBool::new(false);
        let moved = self
            .retrying(|_| {
                let request = self.request("MOVE", from).header("Destination", to.as_str()).header("Overwrite", "F");
                self.noting(expected.apply(request), &lost)
            })
            .await;
        match moved {
            // gone from here because an earlier attempt moved it without being able to say so
            Err(error) if lost.load(Ordering::Relaxed) && error.status() == Some(404) => {
                match self.look_at(to).await? {
                    Some(entry) => Ok(Stored { etag: entry.etag, id: entry.id, mtime_kept: false }),
                    None => Err(error),
                }
            }
            other => other,
        }
    }

    /// Deletes; what is gone already is no error.
    ///
    /// # Errors
    /// 412 if it is not `expected` any more, 403 if it may not be deleted, 423 if it is locked.
    pub async fn delete(&self, url: &Url, expected: &Expected) -> Result<(), WireError> {
        let done =
            self.retrying(|_| async { self.answer(expected.apply(self.request("DELETE", url))).await.map(drop) });
        match done.await {
            Err(error) if error.status() == Some(404) => Ok(()),
            other => other,
        }
    }
}
