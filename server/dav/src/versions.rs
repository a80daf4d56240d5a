//! Earlier versions over WebDAV: listed, read, and made the present one again by MOVE (Nextcloud) or COPY (oCIS).

use crate::answer_headers::about;
use crate::call::Call;
use crate::dispatch::Realm;
use crate::errors::Fault;
use crate::mount::NoAddress;
use crate::propfind::multistatus;
use crate::request_headers::{Depth, depth};
use crate::sheet::{Sheet, Space};
use crate::version_address::{Part, VersionAddress};
use crate::xml_out::{HEAD, TAIL, escape};
use crate::{content_type, entry, request_body, whole_file, xml_requests};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use stitchbox_domain::{Conditions, Error, Found, Item, SHARES_FOLDER, SPACES_FOLDER, Version};
use stitchbox_schema::{ETag, ItemId, SpaceKind, VersionId};

impl Realm for VersionAddress {
    fn parse(path: &str) -> Result<Self, NoAddress> {
        Self::of(path)
    }

    async fn verb(call: &Call<Self>, body: &mut Body) -> Result<Response<Body>, Fault> {
        if call.address.user.as_ref().is_some_and(|user| *user != call.principal.name) {
            return Err(Error::NotFound.into());
        }
        match (call.method.as_str(), &call.address.part) {
            ("PROPFIND", _) => propfind(call, body).await,
            ("GET" | "HEAD", Part::Version(version)) => get(call, *version).await,
            ("MOVE" | "COPY", Part::Version(version)) => make_present(call, body, *version).await,
            _ => Err(Fault::MethodNotAllowed("versions are listed, read and made the present one; nothing else")),
        }
    }
}

/// The file an address speaks of.
async fn file(call: &Call<VersionAddress>) -> Result<Found, Error> {
    let named = &call.address.file;
    let digits = named.strip_suffix(call.domain.instance()).unwrap_or(named);
    let id: ItemId = digits.trim_start_matches('0').parse().map_err(|_| Error::NotFound)?;
    call.domain.item_by_id(&call.principal, id).await
}

async fn propfind(call: &Call<VersionAddress>, body: &mut Body) -> Result<Response<Body>, Fault> {
    let wanted = xml_requests::propfind(&request_body::xml(body).await?)?;
    let depth = depth(&call.headers)?.unwrap_or(Depth::Infinity);
    if depth == Depth::Infinity {
        return Err(Fault::InfiniteDepth);
    }
    let mut out = String::from(HEAD);
    let href = &call.address.href;
    match &call.address.part {
        Part::Top | Part::Restore => Sheet::folder(format!("{href}/")).write(&mut out, &wanted),
        Part::File => {
            let Found { membership, item, at } = file(call).await?;
            let path = at.path;
            let path = match (&membership.via, membership.space.kind) {
                (None, SpaceKind::Personal) => path.to_string(),
                (None, SpaceKind::Project) => format!("/{SPACES_FOLDER}/{}{path}", membership.space.name),
                (Some(_), _) | (None, SpaceKind::Received) => {
                    let entry = call.domain.entry_of(&call.principal, &membership).await?.ok_or(Error::NotFound)?;
                    let below = membership.shown(&path).ok_or(Error::NotFound)?;
                    let below = if below.is_root() { String::new() } else { below.to_string() };
                    format!("/{SHARES_FOLDER}/{entry}{below}")
                }
            };
            Sheet::folder(format!("{href}/"))
                .and(Space::OwnCloud, "id", call.domain.oc_id(&item))
                .and(Space::OwnCloud, "fileid", item.id)
                .and(Space::OwnCloud, "meta-path-for-user", path)
                .write(&mut out, &wanted);
        }
        Part::History => {
            let item = file(call).await?.item;
            if item.is_folder() {
                return Err(Error::IsFolder.into());
            }
            Sheet::folder(format!("{href}/")).write(&mut out, &wanted);
            if depth == Depth::One {
                for version in call.domain.versions_of(&item).await? {
                    // The present one is the file itself.
                    if item.version != Some(version.id) {
                        sheet(call, &item, &version).write(&mut out, &wanted);
                    }
                }
            }
        }
        Part::Version(version) => {
            let item = file(call).await?.item;
            let (item, version) = call.domain.version_of_file(&call.principal, item.id, *version).await?;
            sheet(call, &item, &version).write(&mut out, &wanted);
        }
    }
    out.push_str(TAIL);
    Ok(multistatus(Body::from(out)))
}

fn sheet(call: &Call<VersionAddress>, item: &Item, version: &Version) -> Sheet {
    let checksums = format!(
        "<oc:checksum>{}</oc:checksum>",
        escape(&entry::checksums(version.checksum.as_deref(), &version.sha256))
    );
    Sheet::file(call.address.href_of(version.id), version.size, version.mtime)
        .and(Space::Dav, "getetag", ETag::of_version(version.id))
        .and(Space::Dav, "getcontenttype", content_type::of(&item.name))
        .and(Space::Dav, "displayname", &item.name)
        .and(Space::OwnCloud, "size", version.size)
        .and_xml(Space::OwnCloud, "checksums", checksums)
        .and(Space::Nextcloud, "has-preview", "false")
}

async fn get(call: &Call<VersionAddress>, version: VersionId) -> Result<Response<Body>, Fault> {
    let item = file(call).await?.item;
    let (item, version) = call.domain.version_of_file(&call.principal, item.id, version).await?;
    Ok(whole_file::answer(&call.domain, &call.method, &version, &item.name).await?)
}

/// MOVE to `restore/…`, or COPY onto the file itself. The place is tested in the transaction: if another file lies
/// there, it has no such version.
async fn make_present(
    call: &Call<VersionAddress>,
    body: &mut Body,
    version: VersionId,
) -> Result<Response<Body>, Fault> {
    request_body::none(body).await?;
    let found = file(call).await?;
    let to_restore = VersionAddress::of(&call.destination_path()?).is_ok_and(|to| to.part == Part::Restore);
    let (at, status) = if to_restore {
        (found.at, StatusCode::CREATED)
    } else {
        (call.destination().await?.location, StatusCode::NO_CONTENT)
    };
    let item = call.domain.restore_version(&call.principal, &at, version, &Conditions::default()).await?;
    Ok(about(&call.domain, &item, status))
}
