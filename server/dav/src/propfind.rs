//! PROPFIND: the folder first, then its children, streamed page by page so that memory does not grow with the folder.

use crate::call::{Call, Place, View};
use crate::entry::{Asked, Entry, checksums};
use crate::errors::Fault;
use crate::live_properties::Live;
use crate::mount::{Base, href_below, push_segment};
use crate::request_headers::{Depth, depth};
use crate::shares_folder;
use crate::spaces_folder::{self, Root};
use crate::xml_out::{CONTENT_TYPE_XML, HEAD, TAIL};
use crate::{request_body, xml_requests};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures::stream;
use std::collections::HashMap;
use std::sync::Arc;
use stitchbox_domain::{
    Domain, Error, HeldLock, Item, ItemPath, Listed, Membership, Property, Quota, SHARES_FOLDER, SPACES_FOLDER,
    ShareKind, has_preview,
};
use stitchbox_schema::{ItemId, VersionId};
use tokio::task::JoinHandle;

/// Children read at a time; fewer where each may bring many kept properties.
const PAGE: i64 = 400;
const PAGE_WITH_DEAD: i64 = 32;
/// A page ends with the entry that makes it longer than this, bytes: what one request asks of every child may be much.
const PAGE_TEXT: usize = 512 * 1024;

pub(crate) async fn propfind(call: &Call, body: &mut Body) -> Result<Response<Body>, Fault> {
    let body = request_body::xml(body).await?;
    let wanted = match &call.top {
        Some(_) => xml_requests::propfind_of_peer(&body),
        None => xml_requests::propfind(&body)?,
    };
    let asked = Asked::of(wanted);
    let depth = depth(&call.headers)?.unwrap_or(Depth::Infinity);
    match call.view().await? {
        View::Place(place) => listing(call, place, asked, depth).await,
        View::SpacesFolder | View::SharesFolder if depth == Depth::Infinity => Err(Fault::InfiniteDepth),
        View::SharesFolder => shares(call, &asked, depth == Depth::One).await,
        View::SpacesFolder => spaces(call, &asked, depth == Depth::One).await,
    }
}

/// The answer to a PROPFIND.
pub(crate) fn multistatus(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::MULTI_STATUS;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_XML));
    response
}

/// The folder `Spaces` with the project spaces.
async fn spaces(call: &Call, asked: &Asked, with_children: bool) -> Result<Response<Body>, Fault> {
    let roots = spaces_folder::roots(&call.domain, &call.principal).await?;
    let folder = call.address.href();
    let mut out = String::from(HEAD);
    spaces_folder::entry(&call.domain, &call.principal, &roots).write(&mut out, &folder, asked);
    if with_children {
        for root in &roots {
            write_root(&mut out, call, root, &folder, asked).await?;
        }
    }
    out.push_str(TAIL);
    Ok(multistatus(Body::from(out)))
}

/// The folder `Shares` with what is shared.
async fn shares(call: &Call, asked: &Asked, with_children: bool) -> Result<Response<Body>, Fault> {
    let shown = call.domain.mounted(&call.principal).await?;
    let folder = call.address.href();
    let mut out = String::from(HEAD);
    shares_folder::entry(&call.domain, &call.principal, &shown).write(&mut out, &folder, asked);
    if with_children {
        for one in &shown {
            let base = shares_folder::base_of(&folder, one);
            let top = one.membership.place(ItemPath::default()).path;
            let (membership, item) = (&one.membership, &one.item);
            write_named(&mut out, call, (membership, item), (&base, &top), Some(&one.name), asked).await?;
        }
    }
    out.push_str(TAIL);
    Ok(multistatus(Body::from(out)))
}

async fn write_root(
    out: &mut String,
    call: &Call,
    (membership, item): &Root,
    folder: &str,
    asked: &Asked,
) -> Result<(), Error> {
    let mut base = folder.to_owned();
    push_segment(&mut base, &membership.space.name);
    write_item(out, call, (membership, item), (&Base::new(base, 0), &ItemPath::default()), asked).await
}

/// Writes one item by itself. `base` is the URL of the root of its space.
pub(crate) async fn write_item(
    out: &mut String,
    call: &Call,
    (membership, item): (&Membership, &Item),
    (base, path): (&Base, &ItemPath),
    asked: &Asked,
) -> Result<(), Error> {
    write_named(out, call, (membership, item), (base, path), None, asked).await
}

/// As [`write_item`], under another name if one is given.
async fn write_named(
    out: &mut String,
    call: &Call,
    (membership, item): (&Membership, &Item),
    (base, path): (&Base, &ItemPath),
    name: Option<&str>,
    asked: &Asked,
) -> Result<(), Error> {
    let extras = Extras::of_one(call, membership, item, asked).await?;
    let mut entry = Entry::of_item(&call.domain, membership, item);
    entry.name = name.unwrap_or(entry.name);
    entry.path = path.to_string();
    entry.base = base.clone();
    extras.add_to(&mut entry, item);
    entry.write(out, &href_below(base, path), asked);
    Ok(())
}

/// What a listing knows beyond the items themselves; looked up only if asked for.
#[derive(Debug, Default)]
struct Extras {
    /// By version: one that was replaced since is not told with the ETag of the next.
    checksums: HashMap<VersionId, String>,
    dead: HashMap<ItemId, Vec<Property>>,
    locks: Arc<[HeldLock]>,
    quota: Option<Quota>,
    favorites: Arc<[ItemId]>,
    /// To whom the items were given.
    share_types: Arc<HashMap<ItemId, Vec<ShareKind>>>,
    /// Of one item alone; those of a page come with it.
    has_preview: bool,
    is_safe: Option<bool>,
    peer_state: Option<String>,
    fingerprint: Arc<str>,
}

impl Extras {
    async fn of_one(call: &Call, membership: &Membership, item: &Item, asked: &Asked) -> Result<Self, Error> {
        let Call { domain, principal, .. } = call;
        let mut extras = Self::default();
        if asked.wants(Live::Favorite) {
            extras.favorites = domain.favorites_in(principal, item).await?.into();
        }
        if asked.wants(Live::ShareTypes) {
            extras.share_types = domain.share_types_in(principal, membership, item).await?.into();
        }
        if asked.wants(Live::Checksums)
            && let Some(version) = domain.version_of(item).await?
        {
            let sums = checksums(version.checksum.as_deref(), &version.sha256);
            if !sums.is_empty() {
                extras.checksums.insert(version.id, sums);
            }
        }
        if asked.wants(Live::HasPreview) {
            let version = domain.version_of(item).await?;
            extras.has_preview = version.is_some_and(|version| has_preview(&version.content));
        }
        if asked.wants_dead() {
            extras.dead.insert(item.id, domain.properties(item).await?);
        }
        if asked.wants_locks() {
            extras.locks = domain.locks_on(membership.space.id).await?.into();
        }
        if asked.wants(Live::PeerState) {
            extras.peer_state = domain.peer_state(&membership.space).await?.map(|state| state.to_string());
        }
        if asked.wants(Live::SafeToDelete) {
            extras.is_safe = Some(domain.is_safe(item).await?);
        }
        if asked.wants(Live::DataFingerprint) {
            extras.fingerprint = domain.data_fingerprint().into();
        }
        if asked.wants(Live::QuotaUsed) || asked.wants(Live::QuotaAvailable) {
            extras.quota = Some(domain.quota(membership).await?);
        }
        Ok(extras)
    }

    /// For a page of children of a folder; locks and quota are those of the folder, checksums come with the children.
    async fn of_page(pages: &Pages, last: &str) -> Result<Self, Error> {
        let Pages { domain, membership, folder, asked, of_folder, after, .. } = pages;
        let (locks, quota, favorites) = (of_folder.locks.clone(), of_folder.quota, of_folder.favorites.clone());
        let (fingerprint, share_types) = (of_folder.fingerprint.clone(), of_folder.share_types.clone());
        let mut extras = Self { locks, quota, favorites, fingerprint, share_types, ..Self::default() };
        if asked.wants_dead() {
            for (item, property) in domain.properties_of_page(membership, folder, after.as_deref(), last).await? {
                extras.dead.entry(item).or_default().push(property);
            }
        }
        Ok(extras)
    }

    fn add_to<'a>(&'a self, entry: &mut Entry<'a>, item: &Item) {
        entry.checksums = item.version.and_then(|version| self.checksums.get(&version)).map(String::as_str);
        entry.dead = self.dead.get(&item.id).map(Vec::as_slice).unwrap_or_default();
        entry.locks = &self.locks;
        entry.has_preview = self.has_preview;
        entry.quota = self.quota;
        entry.is_safe = self.is_safe;
        entry.peer_state = self.peer_state.as_deref();
        entry.fingerprint = &self.fingerprint;
        entry.share_types = self.share_types.get(&item.id).map(Vec::as_slice).unwrap_or_default();
        entry.is_favorite = self.favorites.contains(&item.id);
    }
}

async fn listing(call: &Call, place: Place, asked: Asked, depth: Depth) -> Result<Response<Body>, Fault> {
    let domain = &call.domain;
    let (membership, item) = domain.item(&call.principal, &place.location).await?;
    // A file has nothing below it, so every depth is the same.
    if item.is_folder() && depth == Depth::Infinity {
        return Err(Fault::InfiniteDepth);
    }
    let extras = Extras::of_one(call, &membership, &item, &asked).await?;
    let href = href_below(&place.base, &place.location.path);
    let roots = match place.is_top_of_files {
        true => spaces_folder::roots(domain, &call.principal).await?,
        false => Vec::new(),
    };
    let shares = match place.is_top_of_files {
        true => domain.mounted(&call.principal).await?,
        false => Vec::new(),
    };
    let mut out = String::from(HEAD);
    let mut entry = Entry::of_item(domain, &membership, &item);
    entry.name = place.entry.as_deref().unwrap_or(entry.name);
    entry.path = place.location.path.to_string();
    entry.base = place.base.clone();
    if place.is_top_of_files {
        entry.etag = spaces_folder::top_etag(&item, &roots, &shares);
    }
    extras.add_to(&mut entry, &item);
    entry.write(&mut out, &href, &asked);
    if depth == Depth::Zero || !item.is_folder() {
        out.push_str(TAIL);
        return Ok(multistatus(Body::from(out)));
    }
    if !roots.is_empty() {
        let mut folder = href.clone();
        push_segment(&mut folder, SPACES_FOLDER);
        spaces_folder::entry(domain, &call.principal, &roots).write(&mut out, &folder, &asked);
    }
    if !shares.is_empty() {
        let mut folder = href.clone();
        push_segment(&mut folder, SHARES_FOLDER);
        shares_folder::entry(domain, &call.principal, &shares).write(&mut out, &folder, &asked);
    }
    let of_folder = extras;
    let pages = Pages {
        domain: domain.clone(),
        membership,
        folder: item,
        place,
        href,
        asked,
        of_folder,
        after: None,
        ahead: None,
    };
    let head = stream::once(std::future::ready(Ok(Bytes::from(out))));
    let rest = stream::try_unfold(Some(pages), |pages| async move {
        let Some(mut pages) = pages else { return Ok(None) };
        let (text, more) = pages.next().await?;
        Ok::<_, Error>(Some((Bytes::from(text), more.then_some(pages))))
    });
    Ok(multistatus(Body::from_stream(futures::StreamExt::chain(head, rest))))
}

/// The children of a folder on their way out.
struct Pages {
    domain: Domain,
    membership: Membership,
    folder: Item,
    place: Place,
    href: String,
    asked: Asked,
    of_folder: Extras,
    after: Option<String>,
    /// The next page, read while this one is written.
    ahead: Option<JoinHandle<Result<Vec<Listed>, Error>>>,
}

impl Pages {
    fn limit(&self) -> i64 {
        if self.asked.wants_dead() { PAGE_WITH_DEAD } else { PAGE }
    }

    /// Reads the page that follows a name.
    fn read(&self, after: Option<String>) -> impl Future<Output = Result<Vec<Listed>, Error>> + Send + use<> {
        let (domain, membership, folder) = (self.domain.clone(), self.membership.clone(), self.folder.clone());
        let with_sums = self.asked.wants(Live::Checksums) || self.asked.wants(Live::HasPreview);
        let limit = self.limit();
        async move { domain.listing_page(&membership, &folder, after.as_deref(), limit, with_sums).await }
    }

    /// The next page as XML, and whether another follows. The last one ends the document.
    async fn next(&mut self) -> Result<(String, bool), Error> {
        let read = match self.ahead.take() {
            Some(ahead) => ahead.await.ok(),
            None => None,
        };
        let mut children = match read {
            Some(read) => read?,
            None => self.read(self.after.clone()).await?,
        };
        let mut more = i64::try_from(children.len()).unwrap_or(0) == self.limit();
        if let Some(last) = children.last().filter(|_| more) {
            self.ahead = Some(tokio::spawn(self.read(Some(last.item.name.clone()))));
        }
        let extras = match children.last() {
            Some(last) => Extras::of_page(self, &last.item.name).await?,
            None => Extras::default(),
        };
        let mut out = String::with_capacity(children.len() * 640 + TAIL.len());
        let folder_path = self.place.location.path.to_string();
        let mut href = self.href.clone();
        let mut written = 0;
        let tell_previews = self.asked.wants(Live::HasPreview);
        for Listed { item: child, sums } in &children {
            let shows_preview = tell_previews && sums.as_ref().is_some_and(|sums| has_preview(&sums.content));
            let sums = sums.as_ref().map(|sums| checksums(sums.given.as_deref(), &sums.sha256));
            href.truncate(self.href.len());
            push_segment(&mut href, &child.name);
            let mut entry = Entry::of_item(&self.domain, &self.membership, child);
            entry.path = format!("{}/{}", folder_path.trim_end_matches('/'), child.name);
            entry.base = self.place.base.clone();
            extras.add_to(&mut entry, child);
            entry.checksums = sums.as_deref().filter(|sums| !sums.is_empty());
            entry.has_preview = shows_preview;
            if self.asked.wants(Live::SafeToDelete) {
                entry.is_safe = Some(self.domain.is_safe(child).await?);
            }
            entry.write(&mut out, &href, &self.asked);
            written += 1;
            if out.len() > PAGE_TEXT {
                break;
            }
        }
        if written < children.len() {
            children.truncate(written);
            more = true;
            // It begins too late.
            self.ahead = None;
        }
        if !more {
            out.push_str(TAIL);
        }
        self.after = children.into_iter().next_back().map(|child| child.item.name);
        Ok((out, more))
    }
}
