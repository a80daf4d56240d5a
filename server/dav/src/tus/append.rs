//! PATCH: bytes are appended in pieces, each durable on its own, so that a cut connection or server costs one piece.

use super::{TusUpload, answer, headers};
use crate::answer_headers::empty;
use crate::call::Call;
use crate::errors::Fault;
use crate::request_body;
use crate::request_headers::length;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::uploads::{Checksum, ChunkUpload, Committed, NewChunk, UploadSession};
use stitchbox_domain::{Domain, Error, Principal};

/// Bytes of the smallest full piece. Those of a large file are larger, so that it never has more than a few thousand.
const PIECE: u64 = 8 * 1024 * 1024;
const MOST_PIECES: u64 = 2000;

/// Status of the checksum extension for a digest that is wrong; registered nowhere else.
const CHECKSUM_MISMATCH: u16 = 460;

pub(super) async fn patch(call: &Call<TusUpload>, body: &mut Body) -> Result<Response<Body>, Fault> {
    headers::check_content_type(&call.headers)?;
    let offset =
        length(&call.headers, "upload-offset")?.ok_or(Fault::BadRequest("the header Upload-Offset is missing"))?;
    let checksum = headers::checksum(&call.headers)?;
    let mut session = call.upload().await?;
    if let Some(size) = length(&call.headers, "upload-length")? {
        session = call.domain.set_session_size(&session, size).await?;
    }
    if u64::try_from(session.received) != Ok(offset) {
        return Err(WRONG_OFFSET);
    }
    let end = append(call, &session, offset, checksum, body).await?;
    if session.size.and_then(|size| u64::try_from(size).ok()) == Some(end) && !session.partial {
        let committed = finish(call, &session).await?;
        let mut response = answer::about_file(
            call,
            &committed,
            session.destination.as_ref().and_then(|to| to.via),
            session.mtime.is_some(),
            StatusCode::NO_CONTENT,
        )
        .await?;
        answer::offset(&mut response, end);
        answer::expires(&mut response, &session);
        return Ok(response);
    }
    let mut response = empty(StatusCode::NO_CONTENT);
    answer::offset(&mut response, end);
    answer::expires(&mut response, &session);
    Ok(response)
}

const WRONG_OFFSET: Fault =
    Fault::Refused(StatusCode::CONFLICT, "Upload-Offset is not where the upload ends; ask with HEAD and go on there");

/// Ends an upload that is complete. One that can never end well is given up: whoever asked for its offset would hear
/// that all is well.
pub(super) async fn finish<A>(call: &Call<A>, session: &UploadSession) -> Result<Committed, Fault> {
    let conditions = call.conditions().await?;
    match call.domain.finish_as_begun(&call.principal, session, &conditions).await {
        Ok(committed) => Ok(committed),
        Err(error) => {
            if !may_pass(&error) {
                call.domain.abandon_session(session).await?;
            }
            Err(error.into())
        }
    }
}

/// Whether the same request may succeed later.
fn may_pass(error: &Error) -> bool {
    matches!(
        error,
        Error::Store(_)
            | Error::Blob(_)
            | Error::Collision
            | Error::PeerUnavailable { .. }
            | Error::PeerFull { .. }
            | Error::StaleAtPeer
            | Error::BodyBroken
            | Error::Locked { .. }
            | Error::QuotaExceeded { .. }
    )
}

/// Appends a body to a session; gives where it ends now. What arrived of a body that breaks off is kept, unless a
/// checksum was to vouch for it. Goes on when the client has gone.
pub(super) async fn append<A>(
    call: &Call<A>,
    session: &UploadSession,
    offset: u64,
    checksum: Option<Checksum>,
    body: &mut Body,
) -> Result<u64, Fault> {
    let announced = length(&call.headers, "content-length")?;
    let left = session.size.and_then(|size| u64::try_from(size).ok()).map(|size| size.saturating_sub(offset));
    if announced.zip(left).is_some_and(|(announced, left)| announced > left) {
        return Err(TOO_LARGE);
    }
    let pieces = Pieces {
        domain: call.domain.clone(),
        principal: call.principal.clone(),
        session: session.clone(),
        offset,
        piece: left.map_or(PIECE, |left| PIECE.max(left.div_ceil(MOST_PIECES))),
        left: announced,
        current: None,
    };
    let body = std::mem::take(body);
    let work = match checksum {
        Some(checksum) => tokio::spawn(pieces.append_verified(body, checksum)),
        None => tokio::spawn(pieces.append(body)),
    };
    work.await.map_err(|_| Error::BodyBroken)?
}

const TOO_LARGE: Fault = Fault::Refused(StatusCode::PAYLOAD_TOO_LARGE, "these are more bytes than Upload-Length says");

/// A body on its way into a session.
struct Pieces {
    domain: Domain,
    principal: Principal,
    session: UploadSession,
    /// Where the next piece begins, or the current one did.
    offset: u64,
    piece: u64,
    /// Bytes of the body not seen yet, if its length is known.
    left: Option<u64>,
    current: Option<ChunkUpload>,
}

impl Pieces {
    async fn append(mut self, mut body: Body) -> Result<u64, Fault> {
        loop {
            match request_body::next(&mut body).await {
                Ok(Some(mut bytes)) => {
                    while !bytes.is_empty() {
                        self.take(&mut bytes).await?;
                    }
                }
                Ok(None) => {
                    self.commit().await?;
                    return Ok(self.offset);
                }
                Err(broken) => {
                    self.commit().await?;
                    return Err(broken);
                }
            }
        }
    }

    /// Takes as many bytes as fit into the current piece, which is committed when it is full.
    async fn take(&mut self, bytes: &mut bytes::Bytes) -> Result<(), Fault> {
        if self.current.is_none() {
            let size = self.left.map(|left| left.min(self.piece));
            self.current = Some(self.begin(size, None).await?);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let fits = usize::try_from(self.piece - current.received()).unwrap_or(usize::MAX).min(bytes.len());
        let part = bytes.split_to(fits);
        self.left = self.left.map(|left| left.saturating_sub(part.len() as u64));
        current.write(part).await.map_err(too_large)?;
        if current.received() == self.piece {
            self.commit().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let chunk = current.commit().await.map_err(elsewhere)?;
        self.offset += u64::try_from(chunk.size).unwrap_or(0);
        Ok(())
    }

    /// The whole body is one piece, kept only if its checksum is right.
    async fn append_verified(self, mut body: Body, checksum: Checksum) -> Result<u64, Fault> {
        let mut chunk = self.begin(self.left, Some(checksum)).await?;
        while let Some(bytes) = request_body::next(&mut body).await? {
            chunk.write(bytes).await.map_err(too_large)?;
        }
        match chunk.commit().await {
            Ok(chunk) => Ok(self.offset + u64::try_from(chunk.size).unwrap_or(0)),
            Err(Error::ChecksumMismatch { .. }) => Err(Fault::Refused(
                StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST),
                "the checksum of what arrived is not the announced one; nothing of it was kept, send it again",
            )),
            Err(other) => Err(elsewhere(other)),
        }
    }

    async fn begin(&self, announced_size: Option<u64>, checksum: Option<Checksum>) -> Result<ChunkUpload, Fault> {
        // A piece that breaks off is kept as far as it came, so its size is only a hint.
        let announced_size = announced_size.filter(|_| checksum.is_some());
        let offset = self.offset;
        let name = offset.to_string();
        let new = NewChunk { place: offset, name, file_offset: Some(offset), announced_size, checksum, appends: true };
        Ok(self.domain.begin_chunk(&self.principal, &self.session, new).await?)
    }
}

/// Of a session that ends elsewhere by now: another request was faster.
fn elsewhere(error: Error) -> Fault {
    match error {
        Error::PreconditionFailed => WRONG_OFFSET,
        other => other.into(),
    }
}

fn too_large(error: Error) -> Fault {
    match error {
        Error::BodyIncomplete { announced, received } if received > announced => TOO_LARGE,
        other => other.into(),
    }
}
