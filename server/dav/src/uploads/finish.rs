//! MOVE of `.file`: the chunks become the file at `Destination`. Repeated, it answers the same.

use super::Sessions;
use crate::answer_headers::{about, mtime_accepted};
use crate::call::Call;
use crate::errors::Fault;
use crate::request_body;
use crate::request_headers::{mtime, overwrite, text, total_length};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::EntityTags;
use stitchbox_domain::uploads::{Checksum, Intent, Protocol};

pub(super) async fn finish(call: &Call<Sessions>, session: &str, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let session = call.domain.session(&call.principal, Protocol::Chunks, session).await?;
    let to = call.destination().await?.location;
    // Entity tags speak of the file that is made or replaced.
    let mut conditions = call.conditions().await?;
    if !overwrite(&call.headers)? {
        conditions.if_none_match = Some(EntityTags::Any);
    }
    let intent = Intent {
        announced_size: total_length(&call.headers)?,
        checksum: text(&call.headers, "oc-checksum").map(Checksum::parse).transpose()?,
        mtime: mtime(&call.headers),
        conditions,
        make_folders: false,
    };
    let keeps_mtime = intent.mtime.is_some();
    let committed = call.domain.finish_session(&call.principal, &session, &to, intent).await?;
    let status = if committed.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let mut response = about(&call.domain, &committed.item, status);
    if keeps_mtime {
        mtime_accepted(&mut response);
    }
    Ok(response)
}
