//! The trash over WebDAV: what was deleted is listed, read, moved back, or removed for good.

use crate::answer_headers::{about, empty};
use crate::call::Call;
use crate::dispatch::Realm;
use crate::errors::Fault;
use crate::mount::{NoAddress, push_segment};
use crate::propfind::multistatus;
use crate::request_headers::{Depth, depth};
use crate::sheet::{Sheet, Space};
use crate::trash_address::{Bin, Part, TrashAddress};
use crate::xml_out::{HEAD, TAIL};
use crate::xml_requests::{self, Wanted};
use crate::{content_type, request_body, whole_file};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures::{StreamExt, stream};
use stitchbox_domain::{Domain, Error, Item, ItemPath, Membership, Refusal, SPACES_FOLDER, Trashed};
use stitchbox_schema::{ItemId, Role, SpaceKind, Timestamp};

/// Entries read at a time.
const PAGE: i64 = 256;

impl Realm for TrashAddress {
    fn parse(path: &str) -> Result<Self, NoAddress> {
        Self::of(path)
    }

    async fn verb(call: &Call<Self>, body: &mut Body) -> Result<Response<Body>, Fault> {
        match call.method.as_str() {
            "PROPFIND" => propfind(call, body).await,
            "GET" | "HEAD" => get(call).await,
            "MOVE" => bring_back(call, body).await,
            "DELETE" => remove(call, body).await,
            _ => Err(Fault::MethodNotAllowed("the trash is listed, read, moved back and emptied; nothing else")),
        }
    }
}

/// The spaces whose trash the address shows.
async fn memberships(call: &Call<TrashAddress>) -> Result<Vec<Membership>, Error> {
    match &call.address.bin {
        Bin::User(user) if *user == call.principal.name => call.domain.spaces_of(&call.principal).await,
        Bin::User(_) => Err(Error::NotFound),
        Bin::Space(space) => match call.domain.find_space(&call.principal, space).await? {
            membership if membership.via.is_some() => Err(Error::NotFound),
            membership => Ok(vec![membership]),
        },
    }
}

/// A deleted item, if it belongs to this trash.
async fn entry(call: &Call<TrashAddress>, item: ItemId, path: &[String]) -> Result<(Membership, Trashed, Item), Error> {
    let path = ItemPath::from_segments(path.iter().map(String::as_str))?;
    let (membership, entry, item) = call.domain.trashed(&call.principal, item, &path).await?;
    let own = memberships(call).await?.iter().any(|own| own.space.id == membership.space.id);
    if own { Ok((membership, entry, item)) } else { Err(Error::NotFound) }
}

async fn propfind(call: &Call<TrashAddress>, body: &mut Body) -> Result<Response<Body>, Fault> {
    let wanted = xml_requests::propfind(&request_body::xml(body).await?)?;
    let depth = depth(&call.headers)?.unwrap_or(Depth::Infinity);
    if depth == Depth::Infinity {
        return Err(Fault::InfiniteDepth);
    }
    let mut out = String::from(HEAD);
    match &call.address.part {
        Part::Top | Part::Restore => {
            memberships(call).await?;
            let TrashAddress { top, entries, part, .. } = &call.address;
            let restore = format!("{top}/restore");
            let shown = if *part == Part::Top { top } else { &restore };
            Sheet::folder(format!("{shown}/")).write(&mut out, &wanted);
            if *part == Part::Top && depth == Depth::One {
                for below in [entries, &restore] {
                    Sheet::folder(format!("{below}/")).write(&mut out, &wanted);
                }
            }
        }
        Part::Entries => {
            let spaces = memberships(call).await?;
            Sheet::folder(format!("{}/", call.address.entries)).write(&mut out, &wanted);
            if depth == Depth::One {
                return Ok(entries(call, spaces, wanted, out));
            }
        }
        Part::Entry { item, path } => {
            let (membership, entry, shown) = entry(call, *item, path).await?;
            let mut href = call.address.href_of(*item, top_name(&entry));
            path.iter().for_each(|name| push_segment(&mut href, name));
            let told = Told { membership: &membership, entry: &entry, id: call.domain.oc_id(&shown) };
            told.sheet(href.clone(), &shown).write(&mut out, &wanted);
            if depth == Depth::One && shown.is_folder() {
                for child in call.domain.children(&membership, &shown).await? {
                    let mut href = href.clone();
                    push_segment(&mut href, &child.name);
                    let told = Told { membership: &membership, entry: &entry, id: call.domain.oc_id(&child) };
                    told.sheet(href, &child).write(&mut out, &wanted);
                }
            }
        }
    }
    out.push_str(TAIL);
    Ok(multistatus(Body::from(out)))
}

/// The name the item had where it lay.
fn top_name(entry: &Trashed) -> &str {
    entry.original_path.rsplit('/').next().unwrap_or_default()
}

/// One item of the trash, ready to be told.
struct Told<'a> {
    membership: &'a Membership,
    entry: &'a Trashed,
    id: String,
}

impl Told<'_> {
    fn sheet(&self, href: String, item: &Item) -> Sheet {
        let Self { membership, entry, id } = self;
        let file = match item.is_folder() {
            true => Sheet::folder(format!("{href}/")).and(
                Space::Dav,
                "getlastmodified",
                crate::request_headers::http_date(item.mtime),
            ),
            false => {
                Sheet::file(href, item.size, item.mtime).and(Space::Dav, "getcontenttype", content_type::of(&item.name))
            }
        };
        let within = entry.original_path.trim_start_matches('/');
        let location = match membership.space.kind {
            SpaceKind::Personal | SpaceKind::Received => within.to_owned(),
            SpaceKind::Project => format!("{SPACES_FOLDER}/{}/{within}", membership.space.name),
        };
        let name = top_name(entry);
        file.and(Space::Dav, "getetag", item.etag())
            .and(Space::Dav, "displayname", &item.name)
            .and(Space::OwnCloud, "id", id)
            .and(Space::OwnCloud, "fileid", item.id)
            .and(Space::OwnCloud, "size", item.size)
            .and(Space::OwnCloud, "permissions", "GD")
            .and(Space::OwnCloud, "spaceid", membership.space.id)
            .and(Space::OwnCloud, "trashbin-original-filename", name)
            .and(Space::OwnCloud, "trashbin-original-location", within)
            .and(Space::OwnCloud, "trashbin-delete-timestamp", entry.deleted_at.unix_seconds())
            .and(Space::OwnCloud, "trashbin-delete-datetime", crate::request_headers::http_date(entry.deleted_at))
            .and(Space::Nextcloud, "trashbin-filename", name)
            .and(Space::Nextcloud, "trashbin-title", name)
            .and(Space::Nextcloud, "trashbin-original-location", location)
            .and(Space::Nextcloud, "trashbin-deletion-time", entry.deleted_at.unix_seconds())
            .and(Space::Nextcloud, "has-preview", "false")
            .and(Space::Nextcloud, "is-encrypted", "0")
    }
}

/// The entries of all spaces, streamed page by page; `head` comes first.
fn entries(call: &Call<TrashAddress>, spaces: Vec<Membership>, wanted: Wanted, head: String) -> Response<Body> {
    let pages = Pages {
        domain: call.domain.clone(),
        address: call.address.clone(),
        spaces: spaces.into_iter(),
        current: None,
        wanted,
    };
    let head = stream::once(std::future::ready(Ok(Bytes::from(head))));
    let rest = stream::try_unfold(Some(pages), |pages| async move {
        let Some(mut pages) = pages else { return Ok(None) };
        Ok::<_, Error>(Some(match pages.next().await? {
            Some(text) => (Bytes::from(text), Some(pages)),
            None => (Bytes::from_static(TAIL.as_bytes()), None),
        }))
    });
    multistatus(Body::from_stream(head.chain(rest)))
}

struct Pages {
    domain: Domain,
    address: TrashAddress,
    spaces: std::vec::IntoIter<Membership>,
    /// The space being told and the last entry told of it.
    current: Option<(Membership, Option<(Timestamp, ItemId)>)>,
    wanted: Wanted,
}

impl Pages {
    /// The next page as XML; `None` after the last.
    async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            let Some((membership, after)) = self.current.take().or_else(|| Some((self.spaces.next()?, None))) else {
                return Ok(None);
            };
            let page = self.domain.trash_page(&membership, after, PAGE).await?;
            let Some((last, _)) = page.last() else { continue };
            let reached = Some((last.deleted_at, last.item));
            let mut out = String::with_capacity(page.len() * 1024);
            for (entry, item) in &page {
                let told = Told { membership: &membership, entry, id: self.domain.oc_id(item) };
                told.sheet(self.address.href_of(item.id, top_name(entry)), item).write(&mut out, &self.wanted);
            }
            self.current = Some((membership, reached));
            return Ok(Some(out));
        }
    }
}

async fn get(call: &Call<TrashAddress>) -> Result<Response<Body>, Fault> {
    let Part::Entry { item, path } = &call.address.part else {
        return Err(Fault::MethodNotAllowed("the trash is listed with PROPFIND"));
    };
    let (_, _, item) = entry(call, *item, path).await?;
    let version = call.domain.version_of(&item).await?.ok_or(Error::IsFolder)?;
    Ok(whole_file::answer(&call.domain, &call.method, &version, &item.name).await?)
}

/// MOVE to `restore/…`: to where it lay; to an address of the files: there.
async fn bring_back(call: &Call<TrashAddress>, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let Part::Entry { item, path } = &call.address.part else {
        return Err(Fault::MethodNotAllowed("only a deleted item can be moved back"));
    };
    if !path.is_empty() {
        return Err(Fault::MethodNotAllowed("a part of a deleted folder does not come back alone; restore the folder"));
    }
    entry(call, *item, path).await?;
    let restored = match TrashAddress::of(&call.destination_path()?) {
        Ok(TrashAddress { part: Part::Restore, .. }) => call.domain.restore(&call.principal, *item).await?,
        Ok(_) => return Err(Fault::MethodNotAllowed("nothing is put into the trash but by DELETE")),
        Err(_) => {
            let to = call.destination().await?;
            call.domain.restore_to(&call.principal, *item, Some(&to.location)).await?
        }
    };
    Ok(about(&call.domain, &restored, StatusCode::CREATED))
}

/// Gives up a deleted item, or all of them; the sweep removes them. A part of a deleted folder stays with it.
async fn remove(call: &Call<TrashAddress>, body: &mut Body) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    match &call.address.part {
        Part::Entry { item, path } => {
            entry(call, *item, path).await?;
            if !path.is_empty() {
                return Err(Fault::Domain(Error::Forbidden(Refusal::PartOfDeleted)));
            }
            call.domain.purge(&call.principal, *item).await?;
        }
        Part::Entries => {
            for membership in memberships(call).await?.iter().filter(|member| member.role >= Role::Editor) {
                call.domain.empty_trash(&call.principal, membership.space.id).await?;
            }
        }
        Part::Top | Part::Restore => {
            return Err(Fault::MethodNotAllowed("this folder belongs to the server; empty the folder trash instead"));
        }
    }
    Ok(empty(StatusCode::NO_CONTENT))
}
