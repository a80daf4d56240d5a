//! REPORT `oc:filter-files`: the files a person marked. Tags there are none, so whoever asks by them finds nothing.

use crate::call::Call;
use crate::entry::Asked;
use crate::errors::Fault;
use crate::propfind::{multistatus, write_item};
use crate::request_body;
use crate::xml_in::{self, BadXml, Element};
use crate::xml_out::{HEAD, OC, TAIL};
use crate::xml_requests::Wanted;
use axum::body::Body;
use axum::http::Response;
use stitchbox_domain::Found;

/// An answer ends with the entry that makes it longer than this, bytes: it is not streamed.
const MOST_TEXT: usize = 4 * 1024 * 1024;

pub(crate) async fn report(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    let body = request_body::xml(body).await?;
    let root = xml_in::read(&body)?.ok_or(BadXml)?;
    if root.name.namespace != OC || root.name.local != "filter-files" {
        return Err(Fault::NotImplemented("of reports only oc:filter-files is known"));
    }
    // Whoever may not see the place learns nothing from it.
    call.view().await?;
    let names = root.dav_child("prop").map(|prop| prop.children.iter().map(|child| child.name.clone()).collect());
    let asked = Asked::of(names.map_or(Wanted::All { include: Vec::new() }, Wanted::Named));
    let mut out = String::from(HEAD);
    if is_about_favorites(&root) {
        for Found { membership, item, at } in call.domain.favorites(&call.principal).await? {
            if let Some(base) = call.base_of_space(&membership).await? {
                write_item(&mut out, call, (&membership, &item), (&base, &at.path), &asked).await?;
            }
            if out.len() > MOST_TEXT {
                break;
            }
        }
    }
    out.push_str(TAIL);
    Ok(multistatus(Body::from(out)))
}

/// One rule that asks for marked files, and no other.
fn is_about_favorites(root: &Element) -> bool {
    let rules = root.children.iter().filter(|child| child.name.namespace == OC && child.name.local == "filter-rules");
    let mut rules = rules.flat_map(|rules| &rules.children);
    let (Some(only), None) = (rules.next(), rules.next()) else { return false };
    only.name.namespace == OC && only.name.local == "favorite" && only.text.trim() == "1"
}
