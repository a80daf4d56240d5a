//! POST on a folder: an upload begins, perhaps with its first bytes, perhaps with all of them.

use super::metadata::Metadata;
use super::{answer, append, concatenate, headers};
use crate::answer_headers::empty;
use crate::call::Call;
use crate::errors::Fault;
use crate::request_body;
use crate::request_headers::{length, mtime, text};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::uploads::{Intent, NewSession, Protocol, Words};
use stitchbox_domain::{Error, ItemPath, Location};

pub(crate) async fn create(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    headers::check_version(&call.headers)?;
    let folder = call.place().await?.location;
    let header = text(&call.headers, "upload-metadata");
    let metadata = header.map(Metadata::parse).transpose()?.unwrap_or_default();
    let concat = text(&call.headers, "upload-concat");
    let words = Words { metadata: header.map(str::to_owned), concat: concat.map(str::to_owned) };
    let mut response = match concat.map(str::trim) {
        None => {
            let size = headers::upload_length(&call.headers)?;
            let (at, intent) = file(call, &folder, metadata, size).await?;
            match size {
                Some(size) if comes_whole(call, size, &intent)? => whole(call, at, intent, words, body).await?,
                _ => begin(call, at, intent, false, words, body).await?,
            }
        }
        Some("partial") => {
            let intent = Intent { announced_size: headers::upload_length(&call.headers)?, ..Intent::default() };
            begin(call, folder, intent, true, words, body).await?
        }
        Some(list) => {
            let list =
                list.strip_prefix("final;").ok_or(Fault::BadRequest("Upload-Concat is partial or final;URLs"))?;
            let (at, intent) = file(call, &folder, metadata, None).await?;
            concatenate::finish(call, list, at, intent, words).await?
        }
    };
    answer::speak(&mut response);
    Ok(response)
}

/// Where the file goes and what is said about it.
async fn file(
    call: &Call,
    folder: &Location,
    metadata: Metadata,
    size: Option<u64>,
) -> Result<(Location, Intent), Fault> {
    let path = metadata.path.ok_or(Fault::BadRequest("Upload-Metadata must name the file: filename and base64"))?;
    let below = ItemPath::parse(&path).map_err(Error::from)?;
    let path = below.names().iter().fold(folder.path.clone(), |path, name| path.join(name.clone()));
    if below.is_root() {
        return Err(Fault::BadRequest("the name of the file is empty"));
    }
    let intent = Intent {
        announced_size: size,
        checksum: metadata.checksum,
        mtime: metadata.mtime.or_else(|| mtime(&call.headers)),
        conditions: call.conditions().await?,
        make_folders: metadata.makes_folders,
    };
    Ok((folder.at(path), intent))
}

/// Whether the body is the whole file and nothing else has to be verified: then it goes the way of a PUT.
fn comes_whole(call: &Call, size: u64, intent: &Intent) -> Result<bool, Fault> {
    let here = length(&call.headers, "content-length")?;
    let two_checksums = intent.checksum.is_some() && call.headers.contains_key("upload-checksum");
    Ok((here == Some(size) || (size == 0 && here.is_none())) && !two_checksums)
}

async fn whole(
    call: &Call,
    at: Location,
    mut intent: Intent,
    words: Words,
    body: &mut Body,
) -> Result<Response<Body>, Fault> {
    if intent.announced_size != Some(0) {
        headers::check_content_type(&call.headers)?;
    }
    let size = intent.announced_size.unwrap_or(0);
    let keeps_mtime = intent.mtime.is_some();
    intent.checksum = intent.checksum.or(headers::checksum(&call.headers)?);
    let mut upload = call.domain.begin_upload(&call.principal, &at, intent).await?;
    while let Some(bytes) = request_body::next(body).await? {
        upload.write(bytes).await?;
    }
    let name = upload.remember(Protocol::Tus, words);
    let committed = upload.commit().await?;
    let mut response = answer::about_file(call, &committed, at.via, keeps_mtime, StatusCode::CREATED).await?;
    answer::location(call, &mut response, &name);
    answer::offset(&mut response, size);
    Ok(response)
}

async fn begin(
    call: &Call,
    at: Location,
    intent: Intent,
    partial: bool,
    words: Words,
    body: &mut Body,
) -> Result<Response<Body>, Fault> {
    let brings_bytes = call.headers.contains_key("content-type") && length(&call.headers, "content-length")? != Some(0);
    if brings_bytes {
        headers::check_content_type(&call.headers)?;
    }
    let (checksum, keeps_mtime) = (headers::checksum(&call.headers)?, intent.mtime.is_some());
    let via = at.via;
    let new = NewSession { protocol: Protocol::Tus, name: None, destination: Some(at), intent, partial, words };
    let session = call.domain.begin_session(&call.principal, new).await?;
    let mut end = 0;
    if brings_bytes {
        // Who is not told where the upload lives cannot go on with it.
        match append::append(call, &session, 0, checksum, body).await {
            Ok(offset) => end = offset,
            Err(fault) => {
                call.domain.abandon_session(&session).await?;
                return Err(fault);
            }
        }
    } else {
        request_body::none(body).await?;
    }
    let complete = session.size.and_then(|size| u64::try_from(size).ok()) == Some(end);
    let mut response = if complete && !partial {
        let committed = append::finish(call, &session).await?;
        answer::about_file(call, &committed, via, keeps_mtime, StatusCode::CREATED).await?
    } else {
        empty(StatusCode::CREATED)
    };
    answer::location(call, &mut response, &session.name);
    answer::offset(&mut response, end);
    answer::expires(&mut response, &session);
    Ok(response)
}
