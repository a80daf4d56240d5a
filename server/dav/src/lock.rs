//! LOCK and UNLOCK: dav-server reads the request and writes the answer, the domain holds the locks.
//!
//! dav-server sees a request cut down to what these two need. The body went through our own parser first (dav-server
//! builds its tree recursively and without a bound on depth), and conditions are not shown to it: it would test them
//! before the transaction that counts.

use crate::call::{Call, Place};
use crate::domain_locks::DomainLocks;
use crate::errors::Fault;
use crate::request_body;
use crate::xml_in;
use axum::body::Body;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use dav_server::davpath::DavPath;
use dav_server::fs::{
    DavDirEntry, DavFile, DavMetaData, FsError, FsFuture, FsResult, FsStream, GuardedFileSystem, OpenOptions,
    ReadDirMeta,
};
use dav_server::{DavConfig, DavHandler};
use http_body_util::Full;
use std::future::ready;
use std::time::SystemTime;
use stitchbox_domain::Error;

pub(crate) async fn lock(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    let body = request_body::xml(body).await?;
    let is_refresh = xml_in::read(&body)?.is_none();
    let place = call.place().await?;
    let conditions = call.conditions().await?;
    let mut headers = vec![];
    for name in ["depth", "timeout"] {
        if let Some(value) = call.headers.get(name) {
            headers.push((HeaderName::from_static(name), value.clone()));
        }
    }
    if is_refresh {
        // One token, whichever way it was written: tagged or not, by URL or by path.
        let mut tokens = conditions.tokens();
        let (Some(token), None) = (tokens.next(), tokens.next()) else {
            return Err(Fault::BadRequest("a lock is refreshed by one token in the header If"));
        };
        let value = HeaderValue::from_str(&format!("(<{token}>)"));
        headers.push((HeaderName::from_static("if"), value.map_err(|_| Error::NoSuchLock)?));
    }
    let locks = DomainLocks::new(call.domain.clone(), call.principal.clone(), place, conditions);
    let mut response = ask(call, "LOCK", headers, body, &locks).await?;
    let outcome = locks.outcome();
    match outcome.refused {
        Some(Error::NoSuchLock) => return Err(Error::PreconditionFailed.into()),
        Some(error) => return Err(error.into()),
        None => {}
    }
    if outcome.created {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

pub(crate) async fn unlock(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let token = call.headers.get("lock-token").ok_or(Fault::BadRequest("the header Lock-Token is missing"))?;
    let headers = vec![(HeaderName::from_static("lock-token"), token.clone())];
    let place: Place = call.place().await?;
    let locks = DomainLocks::new(call.domain.clone(), call.principal.clone(), place, Default::default());
    let response = ask(call, "UNLOCK", headers, Bytes::new(), &locks).await?;
    match locks.outcome().refused {
        Some(error) => Err(error.into()),
        None => Ok(response),
    }
}

/// Gives dav-server the request.
async fn ask(
    call: &Call,
    method: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    locks: &DomainLocks,
) -> Result<Response<Body>, Fault> {
    let unreadable = |_| Fault::BadRequest("the address cannot be read");
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Fault::NotImplemented("unknown method"))?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = call.address.href().parse().map_err(unreadable)?;
    request.headers_mut().extend(headers);
    let handler: DavHandler<()> =
        DavConfig::new().filesystem(Box::new(SomethingThere)).locksystem(Box::new(locks.clone())).build_handler();
    let response = handler.handle_guarded(request, call.principal.name.clone(), ()).await;
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// The file system dav-server asks before it locks. There is always a file: whether one has to be made is found out,
/// and done, by the transaction that takes the lock.
#[derive(Debug, Clone)]
struct SomethingThere;

impl DavMetaData for SomethingThere {
    fn len(&self) -> u64 {
        0
    }

    fn modified(&self) -> FsResult<SystemTime> {
        Err(FsError::NotImplemented)
    }

    fn is_dir(&self) -> bool {
        false
    }
}

impl GuardedFileSystem<()> for SomethingThere {
    fn open<'a>(&'a self, _: &'a DavPath, _: OpenOptions, (): &'a ()) -> FsFuture<'a, Box<dyn DavFile>> {
        Box::pin(ready(Err(FsError::NotImplemented)))
    }

    fn read_dir<'a>(
        &'a self,
        _: &'a DavPath,
        _: ReadDirMeta,
        (): &'a (),
    ) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        Box::pin(ready(Err(FsError::NotImplemented)))
    }

    fn metadata<'a>(&'a self, _: &'a DavPath, (): &'a ()) -> FsFuture<'a, Box<dyn DavMetaData>> {
        Box::pin(ready(Ok(Box::new(Self) as Box<dyn DavMetaData>)))
    }
}
