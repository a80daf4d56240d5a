//! Resumable uploads by tus 1.0 (creation, PATCH, HEAD), as oCIS, OpenCloud and Stitchbox offer them on a folder.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::access::{Door, RemoteDav};
use super::change::{Expect, Stored};
use super::fetch::{bare, insert};
use super::listing::Depth;
use super::path::parent_and_name;
use super::upload::{MOST_TRIES, Source, Upload, own_side};
use crate::http::{Answer, Call, name_of, refusal, same_origin};
use crate::peer_error::PeerError;

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXTENSION: &str = "tus-extension";

/// An upload that has begun: its address at the peer. It says who may write, so it is kept like a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumable {
    /// Absolute URL on the peer's origin.
    pub url: String,
}

impl std::fmt::Debug for Resumable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resumable(…)")
    }
}

impl RemoteDav {
    /// The upload begun before if it still is there, else a new one; `None` if the peer does no tus at the folder.
    pub(super) async fn tus_begin(&self, path: &str, upload: &Upload) -> Result<Option<Resumable>, PeerError> {
        let door = self.door().await?;
        if let Some(begun) = &upload.begun
            && self.tus_offset(&door, begun, upload.length).await.is_ok()
        {
            return Ok(Some(begun.clone()));
        }
        let Some((parent, name)) = parent_and_name(path) else { return Ok(None) };
        let folder = self.url(&door, parent, true)?;
        let offer = self.tus_call(&door, Call::new(Method::OPTIONS, folder.clone())).await?;
        let said = |name: &str| offer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let offers = (200..300).contains(&offer.status)
            && said(RESUMABLE.as_str()).split(',').any(|version| version.trim() == "1.0.0")
            && said(EXTENSION).split(',').any(|extension| extension.trim() == "creation");
        if !offers {
            return Ok(None);
        }
        self.check_expected(path, &upload.expect).await?;
        let mut call = Call::new(Method::POST, folder.clone());
        call.headers = upload.headers();
        insert(&mut call.headers, LENGTH, upload.length.to_string());
        let mut metadata = format!("filename {}", STANDARD.encode(name));
        if let Some(mtime) = upload.mtime {
            metadata.push_str(&format!(",mtime {}", STANDARD.encode(mtime.to_string())));
        }
        if let Some(sha256) = &upload.sha256 {
            metadata.push_str(&format!(",checksum {}", STANDARD.encode(format!("SHA256 {sha256}"))));
        }
        insert(&mut call.headers, METADATA, metadata);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        let answer = self.tus_call(&door, call).await?;
        match answer.status {
            201 => {}
            // announced for the server, but not done here
            404 | 405 | 415 | 501 => return Ok(None),
            _ => return Err(self.tus_refused(&folder, &answer)),
        }
        let place = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| folder.join(to).ok());
        let place = place.ok_or_else(|| self.malformed("an upload without an address"))?;
        let Some(place) = on_origin(place, &folder) else {
            tracing::info!(peer = %name_of(&folder), "its uploads lie on another origin, which is not called; sent by PUT");
            return Ok(None);
        };
        Ok(Some(Resumable { url: place.into() }))
    }

    /// Sends what is missing, asking after each break how far it came.
    pub(super) async fn tus_finish(
        &self,
        path: &str,
        resumable: &Resumable,
        source: &dyn Source,
        upload: &Upload,
    ) -> Result<Stored, PeerError> {
        let (mut tries, mut reached) = (0, 0);
        loop {
            let door = self.door().await?;
            let failure = match self.tus_offset(&door, resumable, upload.length).await {
                // an answer was lost, or another call sent the last bytes: the listing says what became of them
                Ok(offset) if offset == upload.length => return self.listed(path).await,
                Ok(offset) => {
                    if offset > reached {
                        (tries, reached) = (0, offset);
                    }
                    match self.tus_patch(&door, resumable, source, offset, upload.length).await {
                        Ok((end, stored)) if end == upload.length && stored.etag.is_some() => return Ok(stored),
                        Ok((end, _)) if end == upload.length => return self.listed(path).await,
                        Ok((end, _)) if end > offset => continue,
                        Ok(_) => return Err(self.malformed("an upload that does not move on")),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            tries += 1;
            // 409: what broke off is still being taken there, and the offset has moved meanwhile
            let may_pass = failure.is_outage() || matches!(failure.status(), Some(409 | 423));
            if tries >= MOST_TRIES || !may_pass {
                return Err(failure);
            }
            tracing::debug!(peer = %self.peer().host(), %failure, tries, "an upload broke and goes on");
            tokio::time::sleep(Duration::from_millis(100 << tries)).await;
        }
    }

    async fn listed(&self, path: &str) -> Result<Stored, PeerError> {
        let entry = self.list(path, Depth::Zero).await?.into_iter().next();
        Ok(Stored { etag: entry.and_then(|entry| entry.etag), created: false })
    }

    /// tus knows no conditions: what must be there before is looked at first. Between this look and the end of the upload
    /// somebody at the peer may still be faster.
    async fn check_expected(&self, path: &str, expect: &Expect) -> Result<(), PeerError> {
        let changed = || PeerError::Changed { host: self.peer().host().to_string() };
        match (expect, self.list(path, Depth::Zero).await) {
            (Expect::Anything, _) => Ok(()),
            (Expect::Absent, Err(error)) if error.status() == Some(404) => Ok(()),
            (Expect::Absent, Ok(_)) => Err(changed()),
            (Expect::Version(_), Err(error)) if error.status() == Some(404) => Err(changed()),
            (Expect::Version(etag), Ok(entries)) => {
                let there = entries.first().and_then(|entry| entry.etag.as_deref()).map(bare);
                if there == Some(bare(etag)) { Ok(()) } else { Err(changed()) }
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Bytes the peer has.
    async fn tus_offset(&self, door: &Door, resumable: &Resumable, length: u64) -> Result<u64, PeerError> {
        let url = self.tus_url(door, resumable)?;
        let answer = self.tus_call(door, Call::new(Method::HEAD, url.clone())).await?;
        if !(200..300).contains(&answer.status) {
            return Err(self.tus_refused(&url, &answer));
        }
        let offset = self.offset_in(&answer.headers)?;
        if offset > length { Err(self.malformed("an upload that is longer than its file")) } else { Ok(offset) }
    }

    async fn tus_patch(
        &self,
        door: &Door,
        resumable: &Resumable,
        source: &dyn Source,
        from: u64,
        length: u64,
    ) -> Result<(u64, Stored), PeerError> {
        let url = self.tus_url(door, resumable)?;
        let mut call = Call::new(Method::PATCH, url.clone());
        call.headers.insert(RESUMABLE, HeaderValue::from_static("1.0.0"));
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/offset+octet-stream"));
        call.headers.insert(AUTHORIZATION, self.authorization(door).await?);
        insert(&mut call.headers, OFFSET, from.to_string());
        let body = source.open(from).await.map_err(own_side)?;
        let answer = self.client().http().give(call, body, length - from).await?;
        if !(200..300).contains(&answer.status) {
            return Err(self.tus_refused(&url, &answer));
        }
        let offset = self.offset_in(&answer.headers)?;
        Ok((offset, Stored::of(answer.status, &answer.headers)))
    }

    async fn tus_call(&self, door: &Door, mut call: Call) -> Result<Answer, PeerError> {
        call.headers.insert(RESUMABLE, HeaderValue::from_static("1.0.0"));
        call.headers.insert(AUTHORIZATION, self.authorization(door).await?);
        self.client().http().ask(call).await
    }

    fn tus_url(&self, door: &Door, resumable: &Resumable) -> Result<Url, PeerError> {
        let url = Url::parse(&resumable.url).ok().filter(|url| same_origin(url, &door.base));
        url.ok_or_else(|| self.malformed("a place for an upload that is none"))
    }

    fn tus_refused(&self, url: &Url, answer: &Answer) -> PeerError {
        match answer.status {
            412 => PeerError::Changed { host: name_of(url) },
            status => refusal(url, status, &answer.headers, &answer.body),
        }
    }

    fn offset_in(&self, headers: &HeaderMap) -> Result<u64, PeerError> {
        let said = headers.get(OFFSET).and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
        said.ok_or_else(|| self.malformed("an upload without an offset"))
    }
}

/// The address on the origin of the folder. Servers behind a proxy that ends TLS often write `http`: that is called by
/// `https`, never the other way round.
fn on_origin(mut place: Url, folder: &Url) -> Option<Url> {
    if place.scheme() == "http" && folder.scheme() == "https" {
        place.set_scheme("https").ok()?;
    }
    same_origin(&place, folder).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_lies_on_its_folders_origin_and_is_never_sent_in_the_clear() {
        let at = |place: &str, folder: &str| {
            on_origin(Url::parse(place).unwrap(), &Url::parse(folder).unwrap()).map(String::from)
        };
        let https = "https://h.example/dav/";
        assert_eq!(at("https://h.example/up/1", https).as_deref(), Some("https://h.example/up/1"));
        assert_eq!(at("http://h.example/up/1", https).as_deref(), Some("https://h.example/up/1"));
        assert_eq!(
            at("http://h.example:8443/up/1", "https://h.example:8443/dav/").as_deref(),
            Some("https://h.example:8443/up/1")
        );
        assert_eq!(at("https://h.example/up/1", "http://h.example/dav/"), None);
        assert_eq!(at("https://other.example/up/1", https), None);
        assert_eq!(at("https://h.example:8443/up/1", https), None);
    }
}
