//! SEARCH (RFC 5323, basicsearch): items by a part of their name. Other questions are not answered.

use crate::call::{Call, View};
use crate::entry::Asked;
use crate::errors::Fault;
use crate::mount::Address;
use crate::propfind::{multistatus, write_item};
use crate::request_body;
use crate::roots::Root;
use crate::xml_in::{self, BadXml, Element};
use crate::xml_out::{HEAD, TAIL};
use crate::xml_requests::Wanted;
use axum::body::Body;
use axum::http::Response;
use stitchbox_domain::{Error, ItemPath, Location, MOST_FOUND};

const DAV: &str = "/remote.php/dav";
const UNKNOWN: Fault = Fault::NotImplemented("of searches only that by a part of displayname is known");

pub(crate) async fn search(call: &Call<Root>, body: &mut Body) -> Result<Response<Body>, Fault> {
    let body = request_body::xml(body).await?;
    let root = xml_in::read(&body)?.filter(|root| root.name.is_dav("searchrequest")).ok_or(BadXml)?;
    let question = Question::of(root.dav_child("basicsearch").ok_or(UNKNOWN)?)?;
    let address = Address::parse(&question.below).map_err(|_| Error::NotFound)?;
    let Call { domain, principal, method, headers, authority, secure, top, .. } = call;
    let (domain, principal) = (domain.clone(), principal.clone());
    let (method, headers, authority) = (method.clone(), headers.clone(), authority.clone());
    let call = Call { domain, principal, method, address, headers, authority, secure: *secure, top: top.clone() };
    let (mut places, root) = (Vec::new(), ItemPath::default());
    match call.view().await? {
        View::Place(place) if place.is_top_of_files => {
            for membership in call.domain.spaces_of(&call.principal).await? {
                places.push(Location::in_space(membership.space.id, root.clone()));
            }
            let shared = call.domain.mounted(&call.principal).await?;
            let shared = shared.iter().filter(|one| one.membership.via.is_some());
            places.extend(shared.map(|one| one.membership.place(root.clone())));
        }
        View::Place(place) => places.push(place.location),
        View::SharesFolder => {
            places.extend(
                call.domain.mounted(&call.principal).await?.iter().map(|one| one.membership.place(root.clone())),
            );
        }
        View::SpacesFolder => {}
    }
    let asked = Asked::of(question.wanted);
    let mut out = String::from(HEAD);
    let mut left = question.most;
    for place in places {
        for (membership, item, path) in
            call.domain.find_by_name(&call.principal, &place, &question.pattern, left).await?
        {
            if let Some(base) = call.base_of_space(&membership).await? {
                write_item(&mut out, &call, (&membership, &item), (&base, &path), &asked).await?;
                left = left.saturating_sub(1);
            }
        }
    }
    out.push_str(TAIL);
    Ok(multistatus(Body::from(out)))
}

/// What a client wants to find.
struct Question {
    wanted: Wanted,
    /// URL path of the folder to look below.
    below: String,
    /// Part of a name, with `%` for any text.
    pattern: String,
    most: usize,
}

impl Question {
    fn of(asked: &Element) -> Result<Self, Fault> {
        let prop = asked.dav_child("select").and_then(|select| select.dav_child("prop"));
        let names = prop.map(|prop| prop.children.iter().map(|child| child.name.clone()).collect());
        let scope = asked.dav_child("from").and_then(|from| from.dav_child("scope"));
        let href = scope.and_then(|scope| scope.dav_child("href")).map(|href| href.text.trim()).ok_or(BadXml)?;
        let like = asked.dav_child("where").and_then(|condition| condition.dav_child("like")).ok_or(UNKNOWN)?;
        like.dav_child("prop").and_then(|prop| prop.dav_child("displayname")).ok_or(UNKNOWN)?;
        let most = asked.dav_child("limit").and_then(|limit| limit.dav_child("nresults"));
        let most = most.and_then(|most| most.text.trim().parse().ok()).unwrap_or(MOST_FOUND);
        Ok(Self {
            wanted: names.map_or(Wanted::All { include: Vec::new() }, Wanted::Named),
            below: if href.starts_with(DAV) { href.to_owned() } else { format!("{DAV}{href}") },
            pattern: like.dav_child("literal").map(|literal| literal.text.clone()).ok_or(BadXml)?,
            most: most.min(MOST_FOUND),
        })
    }
}
