//! PUT: a body into a file, piece by piece; what is refused is refused before the body is asked for.

use crate::answer_headers::{about, mtime_accepted};
use crate::call::Call;
use crate::coding::Unfolded;
use crate::errors::Fault;
use crate::request_headers::{announced_size, mtime, text};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::uploads::{Checksum, Intent};

pub(crate) async fn put(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    let headers = &call.headers;
    if headers.contains_key("content-range") {
        return Err(Fault::BadRequest("a part of a file cannot be written; send the whole file"));
    }
    if headers.contains_key("oc-chunked") {
        let why = "this old way of sending pieces is not offered; send the whole file or use an upload session";
        return Err(Fault::NotImplemented(why));
    }
    let mut body = Unfolded::of(headers, body)?;
    let place = call.place().await?;
    if call.address.slash {
        return Err(Fault::MethodNotAllowed("this is the address of a folder; leave out the slash at the end"));
    }
    let checksum = text(headers, "oc-checksum").map(Checksum::parse).transpose()?;
    let intent = Intent {
        announced_size: announced_size(headers)?,
        checksum,
        mtime: mtime(headers),
        conditions: call.conditions().await?,
        make_folders: false,
    };
    let keeps_mtime = intent.mtime.is_some();
    // Who asks before sending is answered before sending.
    let mut upload = match headers.contains_key("expect") {
        true => call.domain.begin_upload(&call.principal, &place.location, intent).await?,
        false => call.domain.begin_unasked(&call.principal, &place.location, intent).await?,
    };
    while let Some(bytes) = body.next().await? {
        upload.write(bytes).await?;
    }
    let committed = upload.commit().await?;
    let status = if committed.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let mut response = about(&call.domain, &committed.item, status);
    if keeps_mtime {
        mtime_accepted(&mut response);
    }
    Ok(response)
}
