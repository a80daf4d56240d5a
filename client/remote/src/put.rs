//! Storing one file: by one request or by a session of chunks, whichever its size asks for.

use reqwest::Url;

use crate::connection::{Connection, Dialect};
use crate::dav::{Expected, Stored};
use crate::delta::OldVersion;
use crate::failure::WireError;
use crate::heard::Heard;
use crate::outgoing::{Outgoing, mtime_header};
use crate::section::Section;

/// From this size on a file goes in chunks, so that a broken connection costs a chunk and not the file.
pub const CHUNKED_FROM: u64 = 16 << 20;

impl Connection {
    /// Stores a file, and is sure of it: the server verifies the SHA-256 before it answers (a Stitchbox), or says which
    /// content it has afterwards. Where `old` is given only what differs from it is sent.
    ///
    /// # Errors
    /// 412 if the target is not as `expected` (and does not have this very content already); [`WireError::SourceChanged`].
    pub async fn store(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        expected: &Expected,
        old: Option<&OldVersion>,
        heard: &Heard,
    ) -> Result<Stored, WireError> {
        let stored = if outgoing.size >= CHUNKED_FROM && self.dialect().await? == Dialect::Stitchbox {
            self.store_in_chunks(url, outgoing, expected, old, heard).await
        } else {
            self.put(url, outgoing, expected, heard).await
        };
        self.settled(url, outgoing, stored).await
    }

    async fn put(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        expected: &Expected,
        heard: &Heard,
    ) -> Result<Stored, WireError> {
        let with_fraction = self.dialect().await? == Dialect::Stitchbox;
        let section = Section::whole(&outgoing.path, outgoing.size);
        self.retrying(|_| async {
            let request = self
                .request("PUT", url)
                .header("Content-Type", "application/octet-stream")
                .header("OC-Checksum", outgoing.checksum_header())
                .header("OC-Total-Length", outgoing.size);
            let request = match outgoing.mtime_ns {
                Some(ns) => request.header("X-OC-Mtime", mtime_header(ns, with_fraction)),
                None => request,
            };
            let answer = section.send(self, expected.apply(request), &heard.again()).await?;
            Ok(Stored::of(answer.headers()))
        })
        .await
    }

    /// A refusal because the target is there already is success if it has this very content: an answer was lost, or
    /// somebody stored the same.
    pub(crate) async fn settled(
        &self,
        url: &Url,
        outgoing: &Outgoing,
        stored: Result<Stored, WireError>,
    ) -> Result<Stored, WireError> {
        let error = match stored {
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        if error.status() == Some(412)
            && let Some(stored) = self.has_already(url, outgoing).await
        {
            return Ok(stored);
        }
        Err(outgoing.judged(error))
    }
    /// What the server says of the target if it has this very content.
    pub(crate) async fn has_already(&self, url: &Url, outgoing: &Outgoing) -> Option<Stored> {
        let entry = self.look_at(url).await.ok()??;
        let same = entry.size == Some(outgoing.size) && entry.sha256() == Some(outgoing.sha256);
        same.then_some(Stored { etag: entry.etag, id: entry.id, mtime_kept: false })
    }
}
