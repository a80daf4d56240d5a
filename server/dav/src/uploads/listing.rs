//! PROPFIND of sessions: which chunks are there, so that a client goes on where it was cut off.

use super::address::Spot;
use super::session::open;
use super::{Sessions, chunk};
use crate::call::Call;
use crate::errors::Fault;
use crate::live_properties::Live;
use crate::propfind::multistatus;
use crate::request_body;
use crate::request_headers::{Depth, depth, http_date};
use crate::xml_in::Name;
use crate::xml_out::{HEAD, TAIL, begin_response, empty, end_response, escape, propstat};
use crate::xml_requests::{self, Wanted};
use axum::body::Body;
use axum::http::Response;
use std::fmt::Write as _;
use stitchbox_domain::Error;
use stitchbox_domain::uploads::{Chunk, Protocol, UploadSession};
use stitchbox_schema::Timestamp;

/// What is told of a session or a chunk.
struct Entry<'a> {
    name: &'a str,
    modified: Timestamp,
    /// Size and ETag of a chunk; a session is a folder.
    chunk: Option<(i64, String)>,
}

impl<'a> Entry<'a> {
    fn folder(name: &'a str, modified: Timestamp) -> Self {
        Self { name, modified, chunk: None }
    }

    fn of_chunk(chunk: &'a Chunk) -> Self {
        Self { name: &chunk.name, modified: chunk.created_at, chunk: Some((chunk.size, chunk::etag(chunk))) }
    }

    /// The value of a property as XML text; `None` if the entry has no such property.
    fn value(&self, live: Live) -> Option<String> {
        match (live, &self.chunk) {
            (Live::ResourceType, None) => Some("<d:collection/>".to_owned()),
            (Live::ResourceType, Some(_)) => Some(String::new()),
            (Live::ContentLength, Some((size, _))) => Some(size.to_string()),
            (Live::ETag, Some((_, etag))) => Some(escape(etag).into_owned()),
            (Live::LastModified, _) => Some(http_date(self.modified)),
            (Live::DisplayName, _) => Some(escape(self.name).into_owned()),
            _ => None,
        }
    }

    fn write(&self, out: &mut String, href: &str, wanted: &Wanted) {
        let slash = if self.chunk.is_none() { "/" } else { "" };
        begin_response(out, &format!("{href}{slash}"));
        let (mut found, mut missing) = (String::new(), String::new());
        let mut tell = |live: Live, said: bool| match self.value(live) {
            // Writing to a String cannot fail.
            Some(value) if *wanted != Wanted::Names => drop(write!(found, "<{0}>{value}</{0}>", live.tag())),
            Some(_) => drop(write!(found, "<{}/>", live.tag())),
            None if said => drop(write!(missing, "<{}/>", live.tag())),
            None => {}
        };
        let mut unknown: Vec<&Name> = Vec::new();
        match wanted {
            Wanted::All { .. } | Wanted::Names => Live::EVERY.iter().for_each(|live| tell(*live, false)),
            Wanted::Named(names) => names.iter().for_each(|name| match Live::of(name) {
                Some(live) => tell(live, true),
                None => unknown.push(name),
            }),
        }
        unknown.into_iter().for_each(|name| empty(&mut missing, name));
        if found.is_empty() && missing.is_empty() {
            out.push_str("<d:propstat><d:prop/><d:status>HTTP/1.1 200 OK</d:status></d:propstat>");
        }
        propstat(out, &found, "200 OK");
        propstat(out, &missing, "404 Not Found");
        end_response(out);
    }
}

pub(super) async fn propfind(call: &Call<Sessions>, spot: &Spot, body: &mut Body) -> Result<Response<Body>, Fault> {
    let wanted = xml_requests::propfind(&request_body::xml(body).await?)?;
    // There are two levels; who asks for everything gets the next.
    let with_children = depth(&call.headers)? != Some(Depth::Zero);
    let mut out = String::from(HEAD);
    match spot {
        Spot::Home => {
            let sessions = call.domain.open_sessions(&call.principal, Protocol::Chunks).await?;
            Entry::folder(&call.principal.name, call.domain.now()).write(&mut out, &call.address.href(&[]), &wanted);
            for session in sessions.iter().filter(|_| with_children) {
                of_session(session).write(&mut out, &call.address.href(&[&session.name]), &wanted);
            }
        }
        Spot::Session(name) => {
            let session = open(call, name).await?;
            of_session(&session).write(&mut out, &call.address.href(&[name]), &wanted);
            let chunks = if with_children { call.domain.chunks(&session).await? } else { Vec::new() };
            for chunk in &chunks {
                Entry::of_chunk(chunk).write(&mut out, &call.address.href(&[name, &chunk.name]), &wanted);
            }
        }
        Spot::Chunk(session, name) => {
            let session = open(call, session).await?;
            let chunks = call.domain.chunks(&session).await?;
            let chunk = chunks.iter().find(|chunk| chunk.name == *name).ok_or(Error::NotFound)?;
            Entry::of_chunk(chunk).write(&mut out, &call.address.href(&[&session.name, name]), &wanted);
        }
    }
    out.push_str(TAIL);
    Ok(multistatus(Body::from(out)))
}

fn of_session(session: &UploadSession) -> Entry<'_> {
    Entry::folder(&session.name, session.created_at)
}
