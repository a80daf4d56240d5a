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
use crate::authenticate::{self, Login};
use crate::call::Call;
use crate::dispatch::Realm;
use crate::errors::Fault;
use crate::mount::{Mount, NoAddress, push_segment, segments};
use crate::request_body;
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use std::net::IpAddr;
use stitchbox_domain::uploads::{Protocol, UploadSession};
use stitchbox_domain::{Domain, Error, Location};

/// Where uploads live.
const PREFIX: &str = "/dav/tus/";
/// Where those of people without an account live: then comes the token of their link, or a dash if it is in the login.
const SHARED: &str = "/public.php/dav/tus/";
const IN_LOGIN: &str = "-";

/// The URL path below which the uploads of a call live.
fn prefix_of(top: Option<&Location>, mount: Option<&Mount>) -> String {
    match (top, mount) {
        (None, _) => PREFIX.to_owned(),
        (Some(_), Some(Mount::Link(token))) => {
            let mut prefix = SHARED.trim_end_matches('/').to_owned();
            push_segment(&mut prefix, token);
            prefix + "/"
        }
        (Some(_), _) => format!("{SHARED}{IN_LOGIN}/"),
    }
}

/// The only version of the protocol there is.
const VERSION: &str = "1.0.0";

/// Whether a request speaks tus.
pub(crate) fn is_meant(headers: &HeaderMap) -> bool {
    headers.contains_key("tus-resumable")
}

/// The address of an upload.
pub(crate) struct TusUpload {
    name: String,
    /// The token of the link by which the client comes, or a dash; none for who has an account.
    by: Option<String>,
}

impl Realm for TusUpload {
    fn parse(path: &str) -> Result<Self, NoAddress> {
        let (rest, shared) = match path.strip_prefix(SHARED) {
            Some(rest) => (rest, true),
            None => (path.strip_prefix(PREFIX).ok_or(NoAddress::Outside)?, false),
        };
        match (segments(rest)?.as_slice(), shared) {
            ([name], false) => Ok(Self { name: name.clone(), by: None }),
            ([token, name], true) => Ok(Self { name: name.clone(), by: Some(token.clone()) }),
            _ => Err(NoAddress::Outside),
        }
    }

    fn is_of_share(&self) -> bool {
        self.by.is_some()
    }

    fn lies_outside_accounts(path: &str) -> bool {
        path.starts_with(SHARED)
    }

    async fn login(&self, domain: &Domain, headers: &HeaderMap, client: IpAddr) -> Result<Login, Error> {
        let shown = authenticate::shown(headers);
        let credential = match self.by.as_deref() {
            None => return authenticate::authenticate(domain, headers, client).await,
            Some(IN_LOGIN) => authenticate::of_either(shown.ok_or(Error::Unauthenticated)?),
            Some(token) => authenticate::of_link(token, shown),
        };
        authenticate::by_share(domain, credential, client).await
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
