//! tus 1.0: resumable uploads, as the oCIS generation of sync clients and Uppy send them.
//!
//! POST on the address of a folder creates an upload (`create`); it lives at `/dav/tus/ID`, where HEAD tells how far it
//! is, PATCH appends and DELETE gives it up. Extensions: creation, creation-with-upload, creation-defer-length,
//! expiration, checksum, termination, concatenation. <https://tus.io/protocols/resumable-upload>

mod answer;
mod append;
mod concatenate;
mod create;
mod headers;
mod metadata;

pub(crate) use answer::add_options;
pub(crate) use create::create;

use crate::answer_headers::empty;
use crate::call::Call;
use crate::dispatch::Realm;
use crate::errors::Fault;
use crate::mount::{NoAddress, segments};
use crate::request_body;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use stitchbox_domain::uploads::{Protocol, UploadSession};

/// Where uploads live.
const PREFIX: &str = "/dav/tus/";

/// The only version of the protocol there is.
const VERSION: &str = "1.0.0";

/// Whether a request speaks tus.
pub(crate) fn is_meant(headers: &HeaderMap) -> bool {
    headers.contains_key("tus-resumable")
}

/// The address of an upload.
pub(crate) struct TusUpload {
    name: String,
}

impl Realm for TusUpload {
    fn parse(path: &str) -> Result<Self, NoAddress> {
        let mut names = segments(path.strip_prefix(PREFIX).ok_or(NoAddress::Outside)?)?.into_iter();
        match (names.next(), names.next()) {
            (Some(name), None) => Ok(Self { name }),
            _ => Err(NoAddress::Outside),
        }
    }

    async fn verb(call: &Call<Self>, body: &mut Body) -> Result<Response<Body>, Fault> {
        headers::check_version(&call.headers)?;
        let mut response = match call.method.as_str() {
            "HEAD" => head(call).await?,
            "PATCH" => append::patch(call, body).await?,
            "DELETE" => abandon(call, body).await?,
            _ => {
                return Err(Fault::MethodNotAllowed(
                    "an upload has HEAD, PATCH and DELETE; POST on a folder begins one",
                ));
            }
        };
        answer::speak(&mut response);
        Ok(response)
    }
}

impl Call<TusUpload> {
    async fn upload(&self) -> Result<UploadSession, Fault> {
        Ok(self.domain.session(&self.principal, Protocol::Tus, &self.address.name).await?)
    }
}

/// How far the upload is. One that is complete but was never shown (the server was stopped in between) is shown now:
/// who hears that everything has arrived will not come again.
async fn head(call: &Call<TusUpload>) -> Result<Response<Body>, Fault> {
    let session = call.upload().await?;
    let complete = session.size == Some(session.received);
    if complete && !session.partial && session.ending.is_none() {
        append::finish(call, &session).await?;
    }
    let mut response = empty(StatusCode::OK);
    answer::about_session(&mut response, &session);
    Ok(response)
}

async fn abandon(call: &Call<TusUpload>, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let session = call.upload().await?;
    call.domain.abandon_session(&session).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
