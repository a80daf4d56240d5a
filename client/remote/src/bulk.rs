//! Many small files in one request, with an answer for each (multipart/related, as Nextcloud's bulk upload).

use std::collections::HashMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use reqwest::Url;
use serde::Deserialize;
use sha2::Digest as _;
use stitchbox_sync::digest::Sha256;

use crate::address::below;
use crate::compress;
use crate::connection::{Connection, PATIENCE};
use crate::dav::{Expected, Stored};
use crate::failure::{Refusal, WireError};
use crate::heard::Heard;
use crate::outgoing::{Outgoing, mtime_header};
use crate::pulse::Pulse;
use crate::sabre::Words;
use crate::section::blocking;

/// Longest answer to a batch, bytes.
const ANSWER_LIMIT: usize = 8 << 20;
/// What parts the files; whether it occurs in one does not matter, for every part says its length.
const BOUNDARY: &str = "stitchbox-9f2a6c1be07d4e35";

/// A small file and where it goes, below the folder of the batch.
#[derive(Debug, Clone)]
pub struct Small {
    /// Names below the folder, parted by `/`.
    pub path: String,
    /// What must be there.
    pub expected: Expected,
    /// The file.
    pub outgoing: Outgoing,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PartAnswer {
    error: bool,
    status: Option<u16>,
    message: Option<String>,
    etag: Option<String>,
    #[serde(rename = "OC-ETag")]
    oc_etag: Option<String>,
    #[serde(rename = "OC-FileID", alias = "OC-FileId")]
    id: Option<String>,
    #[serde(rename = "X-OC-MTime")]
    mtime: Option<String>,
}

impl Connection {
    /// Stores small files below `folder`; one result each, in the same order. The batch is held in memory: the caller
    /// bounds it.
    ///
    /// # Errors
    /// The outer one: the request as a whole failed; a status 404, 405, 415 or 501 says that this server has no such thing.
    pub async fn store_small(
        &self,
        folder: &Url,
        files: &[Small],
        heard: &Heard,
    ) -> Result<Vec<Result<Stored, WireError>>, WireError> {
        let copies = files.to_vec();
        let (body, read) = blocking(move || Ok(batch(&copies))).await?;
        let compressed = if self.compresses() && compress::pays(&body) {
            let plain = body.clone();
            blocking(move || Ok(zstd::bulk::compress(&plain, compress::LEVEL).ok())).await?
        } else {
            None
        };
        let mut answers = if read.iter().any(Result::is_ok) {
            let wire = compressed.map_or_else(|| (body.clone(), false), |small| (Bytes::from(small), true));
            self.post(folder, wire, body.len(), heard).await?
        } else {
            HashMap::new()
        };
        let mut results = Vec::with_capacity(files.len());
        for (file, read) in files.iter().zip(read) {
            let stored = match read {
                Err(error) => Err(error),
                Ok(()) => match answers.remove(&file.path).or_else(|| answers.remove(&format!("/{}", file.path))) {
                    Some(answer) => result_of(answer),
                    None => Err(WireError::Malformed("no answer for one of the files")),
                },
            };
            results.push(self.settled(&below(folder, &file.path), &file.outgoing, stored).await);
        }
        Ok(results)
    }

    async fn post(
        &self,
        folder: &Url,
        (wire, compressed): (Bytes, bool),
        plain: usize,
        heard: &Heard,
    ) -> Result<HashMap<String, PartAnswer>, WireError> {
        self.retrying(|_| async {
            let heard = heard.again();
            self.up().pass(wire.len()).await;
            let mut request = self
                .request("POST", folder)
                .header("Content-Type", format!("multipart/related; boundary={BOUNDARY}"))
                .header("Stitchbox-Client", "1");
            if compressed {
                request = request.header("Content-Encoding", "zstd").header("X-Expected-Entity-Length", plain);
            }
            let answer = self.answer_within(request.body(wire.clone()), PATIENCE, &Pulse::default()).await?;
            heard.moved(plain as u64);
            let text = crate::connection::bounded_text(answer, ANSWER_LIMIT).await;
            serde_json::from_str(&text).map_err(|_| WireError::Malformed("no answer for each file of a batch"))
        })
        .await
    }
}

fn result_of(answer: PartAnswer) -> Result<Stored, WireError> {
    let status = answer.status.unwrap_or(if answer.error { 500 } else { 201 });
    if !answer.error && (200..300).contains(&status) {
        return Ok(Stored {
            etag: answer.oc_etag.or(answer.etag).map(quoted),
            id: answer.id,
            mtime_kept: answer.mtime.is_some_and(|word| word.eq_ignore_ascii_case("accepted")),
        });
    }
    Err(WireError::Refused(Box::new(Refusal {
        status: reqwest::StatusCode::from_u16(status).unwrap_or(reqwest::StatusCode::INTERNAL_SERVER_ERROR),
        words: Words { exception: String::new(), message: answer.message.unwrap_or_default() },
        retry_after: None,
        moved_to: None,
    })))
}

/// Nextcloud leaves the quotes out here.
fn quoted(etag: String) -> String {
    if etag.starts_with('"') { etag } else { format!("\"{etag}\"") }
}

/// The body, and for each file whether it is in it.
fn batch(files: &[Small]) -> (Bytes, Vec<Result<(), WireError>>) {
    let size: u64 = files.iter().map(|file| file.outgoing.size + 512).sum();
    let mut body = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
    let read = files.iter().map(|file| add(&mut body, file)).collect();
    body.put_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (body.freeze(), read)
}

fn add(body: &mut BytesMut, file: &Small) -> Result<(), WireError> {
    let outgoing = &file.outgoing;
    // A line end in a name would begin another header of the part.
    if file.path.chars().any(char::is_control) {
        let message = "the name holds control characters, which the server does not take; rename the file".to_owned();
        return Err(WireError::Refused(Box::new(Refusal {
            status: reqwest::StatusCode::BAD_REQUEST,
            words: Words { exception: String::new(), message },
            retry_after: None,
            moved_to: None,
        })));
    }
    let bytes = std::fs::read(&outgoing.path).map_err(|error| WireError::local(&outgoing.path, error))?;
    if Sha256(sha2::Sha256::digest(&bytes).into()) != outgoing.sha256 {
        return Err(WireError::SourceChanged { path: outgoing.path.display().to_string() });
    }
    let mut head = format!(
        "--{BOUNDARY}\r\nX-File-Path: {}\r\nContent-Length: {}\r\nOC-Checksum: {}\r\n",
        file.path,
        bytes.len(),
        outgoing.checksum_header()
    );
    if let Some(ns) = outgoing.mtime_ns {
        head.push_str(&format!("X-File-Mtime: {}\r\n", mtime_header(ns, true)));
    }
    match &file.expected {
        Expected::Anything => {}
        Expected::Absent => head.push_str("If-None-Match: *\r\n"),
        Expected::Etag(etag) => head.push_str(&format!("If-Match: {etag}\r\n")),
    }
    head.push_str("\r\n");
    body.put_slice(head.as_bytes());
    body.put_slice(&bytes);
    body.put_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_with_a_line_end_adds_no_header_and_spoils_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"measured").unwrap();
        let outgoing = Outgoing::of(&path).await.unwrap();
        let small =
            |path: &str| Small { path: path.to_owned(), expected: Expected::Absent, outgoing: outgoing.clone() };
        let (body, read) = batch(&[small("bad\r\nX-File-Path: other"), small("good")]);
        assert!(matches!(read.as_slice(), [Err(_), Ok(())]));
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(body.matches("X-File-Path").count(), 1);
        assert!(body.contains("X-File-Path: good\r\n"));
    }
}
