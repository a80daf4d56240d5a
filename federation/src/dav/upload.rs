//! Writing a file at a peer: resumed where the peer can (tus), else in one PUT that is sent again when it broke.

use std::io;

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::access::RemoteDav;
use super::change::{Expect, Stored};
use super::fetch::insert;
use super::tus::Resumable;
use crate::http::{ByteStream, Call, refusal};
use crate::peer_error::PeerError;

/// How often a transfer is tried without any progress in between.
pub(super) const MOST_TRIES: u32 = 3;

/// Bytes that can be read again from any place: a file on disk.
pub trait Source: Send + Sync {
    /// The bytes from an offset to the end.
    fn open(&self, from: u64) -> BoxFuture<'_, io::Result<ByteStream>>;
}

/// A file to be written.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// Size, bytes.
    pub length: u64,
    /// What must be there before.
    pub expect: Expect,
    /// Last modification to be kept, Unix seconds.
    pub mtime: Option<i64>,
    /// SHA-256 in hex, for peers that check it.
    pub sha256: Option<String>,
    /// An upload that was begun before.
    pub begun: Option<Resumable>,
}

impl Upload {
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.expect.write(&mut headers);
        if let Some(mtime) = self.mtime {
            insert(&mut headers, HeaderName::from_static("x-oc-mtime"), mtime.to_string());
        }
        if let Some(sha256) = &self.sha256 {
            insert(&mut headers, HeaderName::from_static("oc-checksum"), format!("SHA256:{sha256}"));
        }
        headers
    }
}

impl RemoteDav {
    /// Writes a file from a stream of exactly `upload.length` bytes, in one PUT, once.
    ///
    /// # Errors
    /// [`PeerError::Changed`] if the place is not as expected; the peer's refusal; no answer; [`PeerError::OwnSide`].
    pub async fn put(&self, path: &str, body: ByteStream, upload: &Upload) -> Result<Stored, PeerError> {
        let door = self.door().await?;
        let mut call = Call::new(Method::PUT, self.url(&door, path, false)?);
        call.headers = upload.headers();
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.headers.insert(AUTHORIZATION, self.authorization(&door).await?);
        let url = call.url.clone();
        let answer = self.client().http().give(call, body, upload.length).await?;
        match answer.status {
            200..300 => Ok(Stored::of(answer.status, &answer.headers)),
            412 => Err(PeerError::Changed { host: self.peer().host().to_string() }),
            _ => Err(refusal(&url, answer.status, &answer.headers, &answer.body)),
        }
    }

    /// Writes a file from a source that can be read again: by tus where the peer offers it at the folder, so that a broken
    /// transfer goes on where it stopped; else by PUT, sent again when it broke. `note` is told of an upload that can be
    /// resumed as soon as it has an address, so that it can be kept over a restart in [`Upload::begun`].
    ///
    /// # Errors
    /// As [`RemoteDav::put`], after three tries without progress.
    pub async fn upload_resumable(
        &self,
        path: &str,
        source: &dyn Source,
        upload: &Upload,
        note: impl Fn(&Resumable) + Send + Sync,
    ) -> Result<Stored, PeerError> {
        if upload.length > 0
            && let Some(resumable) = self.tus_begin(path, upload).await?
        {
            note(&resumable);
            return self.tus_finish(path, &resumable, source, upload).await;
        }
        let mut tries = 1;
        loop {
            let body = source.open(0).await.map_err(own_side)?;
            match self.put(path, body, upload).await {
                Err(error) if error.is_outage() && tries < MOST_TRIES => tries += 1,
                done => return done,
            }
        }
    }
}

pub(super) fn own_side(error: io::Error) -> PeerError {
    PeerError::OwnSide { reason: error.to_string() }
}
