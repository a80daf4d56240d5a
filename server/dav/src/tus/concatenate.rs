//! The concatenation extension: partial uploads, sent side by side, become one file without a byte being copied.

use super::{answer, append, prefix_of};
use crate::call::Call;
use crate::errors::Fault;
use axum::body::Body;
use axum::http::{Response, StatusCode, Uri};
use stitchbox_domain::Location;
use stitchbox_domain::uploads::{Intent, NewSession, Protocol, UploadSession, Words};

/// Partial uploads one file may be made of.
const MOST_PARTS: usize = 1000;

pub(super) async fn finish(
    call: &Call,
    list: &str,
    at: Location,
    intent: Intent,
    words: Words,
) -> Result<Response<Body>, Fault> {
    let mut parts = Vec::new();
    for url in list.split_ascii_whitespace() {
        if parts.len() == MOST_PARTS {
            return Err(Fault::BadRequest("a file is made of at most 1000 partial uploads"));
        }
        parts.push(part(call, url).await?);
    }
    if parts.is_empty() {
        return Err(Fault::BadRequest("Upload-Concat names no partial upload"));
    }
    let keeps_mtime = intent.mtime.is_some();
    let via = at.via;
    let new = NewSession { protocol: Protocol::Tus, name: None, destination: Some(at), intent, partial: false, words };
    let session = call.domain.begin_concatenation(&call.principal, new, &parts).await?;
    let committed = match append::finish(call, &session).await {
        Ok(committed) => committed,
        Err(fault) => {
            // Nobody is told where it lives, so nobody goes on with it; meanwhile its bytes would count.
            call.domain.abandon_session(&session).await?;
            return Err(fault);
        }
    };
    call.domain.release_parts(&parts).await?;
    let mut response = answer::about_file(call, &committed, via, keeps_mtime, StatusCode::CREATED).await?;
    answer::location(call, &mut response, &session.name);
    answer::offset(&mut response, u64::try_from(committed.version.size).unwrap_or(0));
    answer::expires(&mut response, &session);
    Ok(response)
}

/// A partial upload by its URL; it must be complete.
async fn part(call: &Call, url: &str) -> Result<UploadSession, Fault> {
    let unknown = || Fault::BadRequest("Upload-Concat names something that is no partial upload of yours");
    let path = url.parse::<Uri>().map_err(|_| unknown())?;
    let prefix = prefix_of(call.top.as_ref(), Some(&call.address.mount));
    let name = path.path().strip_prefix(prefix.as_str()).ok_or_else(unknown)?;
    let session = call.domain.session(&call.principal, Protocol::Tus, name).await?;
    if !session.partial {
        return Err(unknown());
    }
    if session.size != Some(session.received) {
        return Err(Fault::BadRequest("a partial upload is not complete yet; send the rest of it first"));
    }
    Ok(session)
}
