//! Changes at a peer that carry no bytes: new folders, removals, moves.

use http::header::ETAG;
use http::{HeaderMap, HeaderName, Method};
use reqwest::Url;

use super::access::{Door, RemoteDav};
use super::fetch::insert;
use crate::http::{Call, Incoming};
use crate::peer_error::PeerError;

/// What must be at the place before a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there.
    #[default]
    Anything,
    /// Nothing.
    Absent,
    /// This version, by its ETag.
    Version(String),
}

impl Expect {
    /// The condition as headers.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        match self {
            Self::Anything => {}
            Self::Absent => insert(headers, http::header::IF_NONE_MATCH, "*".to_owned()),
            Self::Version(etag) => insert(headers, http::header::IF_MATCH, etag.clone()),
        }
    }
}

/// What a peer says after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// ETag of the new version, with its quotes, if it tells it.
    pub etag: Option<String>,
    /// Whether it was not there before.
    pub created: bool,
}

impl Stored {
    pub(super) fn of(status: u16, headers: &HeaderMap) -> Self {
        let said = ["oc-etag", ETAG.as_str()].into_iter().find_map(|name| headers.get(name)?.to_str().ok());
        Self { etag: said.filter(|etag| etag.len() <= 512).map(str::to_owned), created: status == 201 }
    }
}

impl RemoteDav {
    /// Makes a folder; one that is there already is success (405, as others see it too).
    ///
    /// # Errors
    /// The peer's refusal (409 without a folder above), no answer.
    pub async fn mkcol(&self, path: &str) -> Result<Stored, PeerError> {
        let (url, incoming) = self.change("MKCOL", |door| self.url(door, path, true), |_, _| Ok(())).await?;
        match incoming.status {
            405 => Ok(Stored::default()),
            200..300 => Ok(Stored::of(incoming.status, &incoming.headers)),
            _ => Err(self.refused(&url, incoming).await),
        }
    }

    /// Removes an item; one that is not there is success.
    ///
    /// # Errors
    /// [`PeerError::Changed`] if it is not the version expected; the peer's refusal; no answer; the share itself.
    pub async fn delete(&self, path: &str, expect: &Expect) -> Result<(), PeerError> {
        if path.is_empty() {
            return Err(self.malformed("the share itself is not removed at the peer"));
        }
        let condition = |_: &Door, headers: &mut HeaderMap| {
            expect.write(headers);
            Ok(())
        };
        let (url, incoming) = self.change("DELETE", |door| self.url(door, path, false), condition).await?;
        match incoming.status {
            207 => Err(self.malformed("only a part was removed")),
            404 | 200..300 => Ok(()),
            _ => Err(self.refused(&url, incoming).await),
        }
    }

    /// Moves or renames an item within the share. Without `overwrite` a taken place is [`PeerError::Changed`].
    ///
    /// # Errors
    /// As [`RemoteDav::delete`].
    pub async fn relocate(&self, from: &str, to: &str, overwrite: bool) -> Result<Stored, PeerError> {
        if from.is_empty() || to.is_empty() {
            return Err(self.malformed("the share itself is not moved at the peer"));
        }
        let destination = |door: &Door, headers: &mut HeaderMap| {
            insert(headers, HeaderName::from_static("destination"), self.url(door, to, false)?.into());
            insert(headers, HeaderName::from_static("overwrite"), if overwrite { "T" } else { "F" }.to_owned());
            Ok(())
        };
        let (url, incoming) = self.change("MOVE", |door| self.url(door, from, false), destination).await?;
        match incoming.status {
            207 => Err(self.malformed("only a part was moved")),
            200..300 => Ok(Stored::of(incoming.status, &incoming.headers)),
            _ => Err(self.refused(&url, incoming).await),
        }
    }

    /// Sends a change; the peer may take as long as an upload takes to settle.
    async fn change(
        &self,
        method: &str,
        place: impl Fn(&Door) -> Result<Url, PeerError>,
        headers: impl Fn(&Door, &mut HeaderMap) -> Result<(), PeerError>,
    ) -> Result<(Url, Incoming), PeerError> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| self.malformed("no method"))?;
        let within = self.client().http().policy().settle_timeout;
        let build = |door: &Door| {
            let mut call = Call::new(method.clone(), place(door)?);
            headers(door, &mut call.headers)?;
            Ok(call)
        };
        let (door, incoming) = self.through(within, build).await?;
        Ok((place(&door)?, incoming))
    }
}
