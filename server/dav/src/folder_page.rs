//! GET of a folder: a plain page of links, for people who open a WebDAV address in a browser.

use crate::answer_headers::set;
use crate::call::{Call, Place};
use crate::errors::Fault;
use crate::mount::{href_below, push_segment};
use crate::xml_out::escape;
use crate::{shares_folder, spaces_folder};
use axum::body::Body;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use stitchbox_domain::{Domain, Error, Item, Membership, SHARES_FOLDER, SPACES_FOLDER};
use stitchbox_schema::ETag;

const PAGE: i64 = 256;

/// The page of a folder in a space.
pub(crate) async fn folder(call: &Call, place: &Place) -> Result<Response<Body>, Fault> {
    let (membership, item) = call.domain.item(&call.principal, &place.location).await?;
    let href = href_below(&place.base, &place.location.path);
    let mut etag = item.etag();
    let mut head = head(if item.name.is_empty() { &membership.space.name } else { &item.name });
    if place.is_top_of_files {
        let roots = spaces_folder::roots(&call.domain, &call.principal).await?;
        let shares = call.domain.mounted(&call.principal).await?;
        etag = spaces_folder::top_etag(&item, &roots, &shares);
        if !shares.is_empty() {
            link(&mut head, &href, SHARES_FOLDER, true);
        }
        if !roots.is_empty() {
            link(&mut head, &href, SPACES_FOLDER, true);
        }
    }
    let mut response = page(Body::empty(), &etag);
    set(&mut response, LAST_MODIFIED, &crate::request_headers::http_date(item.mtime));
    if call.method == Method::GET {
        let lines = Lines { domain: call.domain.clone(), membership, folder: item, href, after: None };
        let rest = stream::try_unfold(Some(lines), |lines| async move {
            let Some(mut lines) = lines else { return Ok(None) };
            let (text, more) = lines.next().await?;
            Ok::<_, Error>(Some((Bytes::from(text), more.then_some(lines))))
        });
        let head = stream::once(std::future::ready(Ok(Bytes::from(head))));
        *response.body_mut() = Body::from_stream(head.chain(rest));
    }
    Ok(response)
}

/// The page of the folder that shows the project spaces.
pub(crate) async fn spaces(call: &Call) -> Result<Response<Body>, Fault> {
    let roots = spaces_folder::roots(&call.domain, &call.principal).await?;
    let mut text = head(SPACES_FOLDER);
    for (membership, _) in &roots {
        link(&mut text, &call.address.href(), &membership.space.name, true);
    }
    text.push_str(TAIL);
    let etag = spaces_folder::entry(&call.domain, &call.principal, &roots).etag;
    Ok(page(Body::from(text), &etag))
}

/// The page of the folder that shows what is shared.
pub(crate) async fn shares(call: &Call) -> Result<Response<Body>, Fault> {
    let shown = call.domain.mounted(&call.principal).await?;
    let mut text = head(SHARES_FOLDER);
    for one in &shown {
        link(&mut text, &call.address.href(), &one.name, one.item.is_folder());
    }
    text.push_str(TAIL);
    Ok(page(Body::from(text), &shares_folder::etag(&shown)))
}

struct Lines {
    domain: Domain,
    membership: Membership,
    folder: Item,
    href: String,
    after: Option<String>,
}

impl Lines {
    async fn next(&mut self) -> Result<(String, bool), Error> {
        let after = self.after.as_deref();
        let children = self.domain.children_page(&self.membership, &self.folder, after, PAGE).await?;
        let mut out = String::new();
        for child in &children {
            link(&mut out, &self.href, &child.name, child.is_folder());
        }
        let more = i64::try_from(children.len()).unwrap_or(0) == PAGE;
        if !more {
            out.push_str(TAIL);
        }
        self.after = children.into_iter().next_back().map(|child| child.name);
        Ok((out, more))
    }
}

const TAIL: &str = "</ul>\n";

fn head(name: &str) -> String {
    let name = escape(name);
    format!("<!doctype html>\n<meta charset=\"utf-8\">\n<title>{name}</title>\n<h1>{name}</h1>\n<ul>\n")
}

fn link(out: &mut String, folder: &str, name: &str, is_folder: bool) {
    let mut href = folder.to_owned();
    push_segment(&mut href, name);
    let slash = if is_folder { "/" } else { "" };
    out.push_str(&format!("<li><a href=\"{href}{slash}\">{}{slash}</a>\n", escape(name)));
}

fn page(body: Body, etag: &ETag) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(&mut response, ETAG, &etag.to_string());
    response
}
