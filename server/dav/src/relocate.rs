//! MOVE and COPY. A move to a free name answers exactly 201: sync clients take anything else for a failure.

use crate::answer_headers::{about, empty, mtime_accepted};
use crate::call::Call;
use crate::errors::Fault;
use crate::request_body;
use crate::request_headers::{Depth, depth, mtime, overwrite};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::{Arrival, CopyDepth, Error, Refusal, Relocated};

pub(crate) async fn relocate(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let overwrite = overwrite(&call.headers)?;
    let from = call.place().await?;
    if let Some(entry) = &from.entry {
        return rename_entry(call, entry).await;
    }
    let to = call.destination().await?;
    call.refuse_partial_depth(&from).await?;
    let conditions = call.conditions().await?;
    let domain = &call.domain;
    let (from, to, mtime) = (&from.location, &to.location, mtime(&call.headers));
    let relocated = domain.relocate(&call.principal, from, to, Arrival { overwrite, mtime }, &conditions).await?;
    let mut response = answer(call, &relocated);
    if mtime.is_some() {
        mtime_accepted(&mut response);
    }
    Ok(response)
}

/// What is shared with a person has the name she gives it, and stays in the folder of shares.
async fn rename_entry(call: &Call, entry: &str) -> Result<Response<Body>, Fault> {
    let names = call.destination_in_shares()?.ok_or(Error::from(Refusal::Root))?;
    call.domain.rename_entry(&call.principal, entry, &names).await?;
    Ok(empty(StatusCode::CREATED))
}

pub(crate) async fn copy(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let depth = match depth(&call.headers)? {
        Some(Depth::Zero) => CopyDepth::Zero,
        None | Some(Depth::Infinity) => CopyDepth::Infinity,
        Some(Depth::One) => return Err(Fault::BadRequest("a copy has the Depth 0 or infinity")),
    };
    let overwrite = overwrite(&call.headers)?;
    let (from, to) = (call.place().await?, call.destination().await?);
    let conditions = call.conditions().await?;
    let domain = &call.domain;
    let copied = domain.copy(&call.principal, &from.location, &to.location, depth, overwrite, &conditions).await?;
    Ok(answer(call, &copied))
}

fn answer(call: &Call, done: &Relocated) -> Response<Body> {
    let status = if done.replaced { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
    about(&call.domain, &done.item, status)
}
