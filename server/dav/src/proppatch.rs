//! PROPPATCH: all instructions or none.
//!
//! Not dav-server's: it refuses every name in `DAV:` and so the times clients set, sets live and dead properties in two
//! steps without a way back, and rewrites values through a tree that loses attributes' namespaces.

use crate::call::{Call, View};
use crate::errors::Fault;
use crate::live_properties::Live;
use crate::mount::href_below;
use crate::request_headers::{date, seconds};
use crate::xml_in::{DAV, Element, Name};
use crate::xml_out::{CONTENT_TYPE_XML, HEAD, TAIL, begin_response, empty, end_response, propstat};
use crate::xml_requests::Patch;
use crate::{request_body, xml_requests};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use stitchbox_domain::{Error, Property, PropertyChange, Refusal};
use stitchbox_schema::Timestamp;

const MICROSOFT: &str = "urn:schemas-microsoft-com:";

pub(crate) async fn proppatch(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    let patches = xml_requests::proppatch(&request_body::xml(body).await?)?;
    let View::Place(place) = call.view().await? else { return Err(Error::from(Refusal::Root).into()) };
    let conditions = call.conditions().await?;
    // What may not be seen is not there, also for the sentence that a property cannot be changed.
    let (_, item) = call.domain.item(&call.principal, &place.location).await?;
    let names: Vec<Name> = patches.iter().map(|patch| patch.name().clone()).collect();
    let meanings: Vec<Meaning> = patches.into_iter().map(Meaning::of).collect();
    let statuses: Vec<&'static str> = if meanings.iter().all(|meaning| meaning.refusal().is_none()) {
        let favorite = meanings.iter().rev().find_map(Meaning::favorite);
        let changes: Vec<PropertyChange> = meanings.into_iter().filter_map(Meaning::change).collect();
        // A mark alone changes nothing that others see and needs no right to write.
        if !changes.is_empty() || favorite.is_none() {
            call.domain.change_properties(&call.principal, &place.location, changes, &conditions).await?;
        }
        if let Some(marked) = favorite {
            call.domain.set_favorite(&call.principal, &place.location, marked).await?;
        }
        vec![OK; names.len()]
    } else {
        meanings.iter().map(|meaning| meaning.refusal().unwrap_or(NOT_DONE)).collect()
    };
    let mut href = href_below(&place.base, &place.location.path);
    if item.is_folder() {
        href.push('/');
    }
    Ok(answer(&href, &names, &statuses))
}

const OK: &str = "200 OK";
const PROTECTED: &str = "403 Forbidden";
const UNREADABLE: &str = "409 Conflict";
const NOT_DONE: &str = "424 Failed Dependency";

/// What an instruction comes down to.
enum Meaning {
    Change(PropertyChange),
    /// Mark the item for the person who asks, or take the mark away.
    Favorite(bool),
    /// Taking away what is only ever written.
    Nothing,
    Refused(&'static str),
}

impl Meaning {
    fn of(patch: Patch) -> Self {
        let name = patch.name();
        let is_mtime = matches!(
            (name.namespace.as_str(), name.local.as_str()),
            (DAV, "getlastmodified" | "lastmodified") | (MICROSOFT, "Win32LastModifiedTime")
        );
        match patch {
            Patch::Set(element) if is_mtime => match time(&element) {
                Some(mtime) => Self::Change(PropertyChange::Mtime(mtime)),
                None => Self::Refused(UNREADABLE),
            },
            Patch::Set(element) if Live::of(&element.name) == Some(Live::Favorite) => {
                Self::Favorite(matches!(element.text.trim(), "1" | "true" | "yes"))
            }
            Patch::Remove(name) if Live::of(&name) == Some(Live::Favorite) => Self::Favorite(false),
            patch if Live::of(patch.name()).is_some() => Self::Refused(PROTECTED),
            Patch::Remove(_) if is_mtime => Self::Nothing,
            Patch::Set(element) => {
                let Name { namespace, local: name } = element.name;
                Self::Change(PropertyChange::Set(Property { namespace, name, value: element.standalone }))
            }
            Patch::Remove(Name { namespace, local: name }) => Self::Change(PropertyChange::Remove { namespace, name }),
        }
    }

    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Change(_) | Self::Favorite(_) | Self::Nothing => None,
        }
    }

    fn favorite(&self) -> Option<bool> {
        match self {
            Self::Favorite(marked) => Some(*marked),
            Self::Change(_) | Self::Nothing | Self::Refused(_) => None,
        }
    }

    fn change(self) -> Option<PropertyChange> {
        match self {
            Self::Change(change) => Some(change),
            Self::Favorite(_) | Self::Nothing | Self::Refused(_) => None,
        }
    }
}

fn time(element: &Element) -> Option<Timestamp> {
    date(&element.text).or_else(|| seconds(&element.text))
}

fn answer(href: &str, names: &[Name], statuses: &[&'static str]) -> Response<Body> {
    let mut out = String::from(HEAD);
    begin_response(&mut out, href);
    for status in [OK, PROTECTED, UNREADABLE, NOT_DONE] {
        let mut properties = String::new();
        for (name, _) in names.iter().zip(statuses).filter(|(_, own)| **own == status) {
            empty(&mut properties, name);
        }
        propstat(&mut out, &properties, status);
    }
    end_response(&mut out);
    out.push_str(TAIL);
    let mut response = Response::new(Body::from(out));
    *response.status_mut() = StatusCode::MULTI_STATUS;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_XML));
    response
}
