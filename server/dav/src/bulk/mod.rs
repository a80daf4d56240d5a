//! Many small files in one request: POST of `multipart/related`, one part for each file, answered file by file.
//!
//! Each file is a transaction of its own, but none waits for the one before it, so they fill the groups of the metadata
//! store: one flush for dozens. Nextcloud's form (`/remote.php/dav/bulk`), also on the address of a folder.

mod answer;
mod multipart;
mod part;

use crate::call::{Call, Place, View};
use crate::coding::Unfolded;
use crate::dispatch::Realm;
use crate::errors::Fault;
use crate::mount::{Address, NoAddress};
use crate::request_headers::{length, text};
use answer::Answers;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use multipart::{Event, Malformed, Multipart};
use part::{Incoming, Part};
use std::collections::HashSet;
use stitchbox_domain::uploads::Committed;
use tokio::task::JoinSet;

/// Files in one request.
const MOST_PARTS: usize = 1000;
/// Bytes of one request, unfolded.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that may wait for their commit.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// Whether a request brings many files.
pub(crate) fn is_meant(headers: &HeaderMap) -> bool {
    let media_type = text(headers, "content-type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|value| value.trim().eq_ignore_ascii_case("multipart/related"))
}

/// The address `/remote.php/dav/bulk`: paths are those of the person's files.
pub(crate) struct Bulk;

impl Realm for Bulk {
    fn parse(_path: &str) -> Result<Self, NoAddress> {
        Ok(Self)
    }

    async fn verb(call: &Call<Self>, body: &mut Body) -> Result<Response<Body>, Fault> {
        if call.method != "POST" {
            return Err(Fault::MethodNotAllowed("many files at once are sent with POST"));
        }
        let top = Address::parse("/remote.php/webdav").map_err(|_| Fault::BadRequest("the address cannot be read"))?;
        match call.view_of(&top).await? {
            View::Place(place) => receive(call, &place, body).await,
            View::SpacesFolder | View::SharesFolder => Err(Fault::MethodNotAllowed("files cannot be put here")),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed(why): Malformed) -> Self {
        Self::BadRequest(why)
    }
}

/// A commit under way: which answer it belongs to, how many bytes wait for it, and how it ended.
type Commit = (usize, usize, Result<Committed, Fault>);

/// Receives the files of a request into the folder and answers for each.
pub(crate) async fn receive<A: Sync>(call: &Call<A>, top: &Place, body: &mut Body) -> Result<Response<Body>, Fault> {
    if length(&call.headers, "content-length")?.is_some_and(|size| size > MOST_BYTES) {
        return Err(TOO_LARGE);
    }
    let mut multipart = Multipart::of(text(&call.headers, "content-type").unwrap_or_default())?;
    let mut body = Unfolded::of(&call.headers, body)?;
    let mut commits: JoinSet<Commit> = JoinSet::new();
    let (mut answers, mut named) = (Answers::default(), HashSet::new());
    let (mut seen, mut waiting) = (0_u64, 0_usize);
    let mut current: Option<Incoming> = None;
    loop {
        let event = loop {
            if let Some(event) = multipart.next()? {
                break event;
            }
            let bytes = body.next().await?.ok_or(Fault::BadRequest("the body ends before its last boundary"))?;
            seen += bytes.len() as u64;
            if seen > MOST_BYTES {
                return Err(TOO_LARGE);
            }
            multipart.feed(&bytes);
        };
        match event {
            Event::Part(headers) => {
                if answers.len() == MOST_PARTS {
                    return Err(TOO_LARGE);
                }
                let path = headers.get("x-file-path").ok_or(Fault::BadRequest("a part has no X-File-Path"))?.to_owned();
                let is_new = named.insert(path.clone());
                answers.expect(path.clone());
                let part = if is_new {
                    Part::of(call, top, &path, &headers).await
                } else {
                    Err(Fault::BadRequest("the same path is named twice in one request; the first one counts"))
                };
                current = Some(Incoming::begin(call, part).await);
            }
            Event::Bytes(bytes) => {
                if let Some(incoming) = &mut current {
                    incoming.write(bytes).await;
                }
            }
            Event::PartEnd => {
                let (index, Some(incoming)) = (answers.len() - 1, current.take()) else { continue };
                let size = incoming.waiting();
                waiting += size;
                let (domain, principal) = (call.domain.clone(), call.principal.clone());
                commits.spawn(async move { (index, size, incoming.commit(&domain, &principal).await) });
                while waiting > MOST_WAITING
                    && let Some(done) = commits.join_next().await
                {
                    waiting -= note(call, &mut answers, done);
                }
            }
            Event::End => break,
        }
    }
    while let Some(done) = commits.join_next().await {
        note(call, &mut answers, done);
    }
    Ok(answers.respond())
}

const TOO_LARGE: Fault =
    Fault::Refused(StatusCode::PAYLOAD_TOO_LARGE, "one request brings at most 1000 files and 64 MiB; send several");

/// Writes down how a commit ended; gives the bytes that wait no more.
fn note<A>(call: &Call<A>, answers: &mut Answers, done: Result<Commit, tokio::task::JoinError>) -> usize {
    // A task that panicked leaves its file without an answer, which says that nobody knows.
    let Ok((index, size, outcome)) = done else { return 0 };
    answers.note(&call.domain, index, outcome);
    size
}
