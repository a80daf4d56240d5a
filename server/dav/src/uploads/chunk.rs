//! PUT and DELETE of a chunk, and the chunk that is a range of an older version.

use super::Sessions;
use super::address::place;
use super::session::open;
use crate::answer_headers::{empty, set};
use crate::call::Call;
use crate::coding::{Unfolded, is_folded};
use crate::errors::Fault;
use crate::range::{Selection, select};
use crate::request_body;
use crate::request_headers::{length, text};
use axum::body::Body;
use axum::http::header::{ETAG, HeaderMap};
use axum::http::{Response, StatusCode};
use std::ops::Range;
use stitchbox_domain::Error;
use stitchbox_domain::uploads::{Checksum, Chunk, NewChunk, UploadSession};
use stitchbox_schema::{ETag, VersionId};

pub(super) async fn put(
    call: &Call<Sessions>,
    session: &str,
    name: &str,
    body: &mut Body,
) -> Result<Response<Body>, Fault> {
    let new = announced(&call.headers, name)?;
    let mut session = open(call, session).await?;
    if session.destination.is_none() && call.headers.contains_key("destination") {
        let to = call.destination().await?.location;
        session = call.domain.direct_session(&call.principal, &session, &to).await?;
    }
    let is_there = call.domain.has_chunk(&session, new.place).await?;
    let chunk = match source(&call.headers)? {
        Some((version, range)) => {
            request_body::none(body).await?;
            call.domain.share_chunk(&call.principal, &session, new, version, range).await?
        }
        None => receive(call, &session, new, body).await?,
    };
    let mut response = empty(if is_there { StatusCode::NO_CONTENT } else { StatusCode::CREATED });
    set(&mut response, ETAG, &etag(&chunk));
    Ok(response)
}

async fn receive(
    call: &Call<Sessions>,
    session: &UploadSession,
    new: NewChunk,
    body: &mut Body,
) -> Result<Chunk, Fault> {
    let mut body = Unfolded::of(&call.headers, body)?;
    let mut chunk = call.domain.begin_chunk(&call.principal, session, new).await?;
    while let Some(bytes) = body.next().await? {
        chunk.write(bytes).await?;
    }
    Ok(chunk.commit().await?)
}

fn announced(headers: &HeaderMap, name: &str) -> Result<NewChunk, Fault> {
    let (place, by_range) =
        place(name).ok_or(Fault::BadRequest("a piece is named by its number, its offset, or the range first-last"))?;
    let said = length(headers, "oc-chunk-offset")?;
    if let (Some(said), Some(by_range)) = (said, by_range)
        && said != by_range
    {
        return Err(Fault::BadRequest("the piece's name and OC-Chunk-Offset disagree"));
    }
    // OC-Total-Length is the size of the file here, not of the piece.
    let unfolded = length(headers, "x-expected-entity-length")?;
    let announced_size = if is_folded(headers)? {
        Some(unfolded.ok_or(Fault::BadRequest("a zstd body needs X-Expected-Entity-Length: its size unfolded"))?)
    } else {
        length(headers, "content-length")?.or(unfolded)
    };
    let checksum = text(headers, "oc-checksum").map(Checksum::parse).transpose()?;
    let file_offset = said.or(by_range);
    Ok(NewChunk { place, name: name.to_owned(), file_offset, announced_size, checksum, appends: false })
}

/// `Stitchbox-Source-Version` and `Stitchbox-Source-Range`: a range of a version that is on the server already.
fn source(headers: &HeaderMap) -> Result<Option<(VersionId, Range<u64>)>, Fault> {
    let Some(version) = text(headers, "stitchbox-source-version") else { return Ok(None) };
    // Somebody else's ETag names no version of ours, which is what a version that is gone looks like.
    let version = ETag::parse(version.trim()).and_then(|etag| etag.version()).ok_or(Error::PreconditionFailed)?;
    let range = text(headers, "stitchbox-source-range").unwrap_or_default();
    let Selection::Part(range) = select(range, u64::MAX) else {
        return Err(Fault::BadRequest("Stitchbox-Source-Range must be bytes=first-last"));
    };
    if range.end == u64::MAX {
        return Err(Fault::BadRequest("Stitchbox-Source-Range must name its last byte"));
    }
    Ok(Some((version, range)))
}

/// Changes with every PUT.
pub(super) fn etag(chunk: &Chunk) -> String {
    format!("\"k{:x}.{:x}\"", chunk.blob.0, chunk.source_offset)
}

pub(super) async fn remove(
    call: &Call<Sessions>,
    session: &str,
    name: &str,
    body: &mut Body,
) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let (place, _) = place(name).ok_or(Error::NotFound)?;
    let session = open(call, session).await?;
    call.domain.remove_chunk(&session, place).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
