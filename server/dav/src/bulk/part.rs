//! One file of a bulk upload: where it goes, what is said about it, and its bytes.

use super::multipart::PartHeaders;
use crate::call::{Call, Place, View};
use crate::entity_tags::TagList;
use crate::errors::Fault;
use crate::mount::{Address, push_segment};
use crate::request_headers::seconds;
use bytes::{Bytes, BytesMut};
use stitchbox_domain::uploads::{Checksum, Committed, Intent, SMALL_BYTES, Upload};
use stitchbox_domain::{Conditions, Domain, EntityTags, Error, ItemPath, Location, Principal, RESERVED_NAMES, Refusal};

/// What the headers of a part say.
pub(super) struct Part {
    at: Location,
    intent: Intent,
}

impl Part {
    pub(super) async fn of<A: Sync>(
        call: &Call<A>,
        top: &Place,
        path: &str,
        headers: &PartHeaders,
    ) -> Result<Self, Fault> {
        let at = place(call, top, path).await?;
        let tags = |name: &str| -> Result<Option<EntityTags>, Fault> {
            let Some(value) = headers.get(name) else { return Ok(None) };
            let list = TagList::parse(value);
            list.map(|list| Some(list.strong()))
                .ok_or(Fault::BadRequest("a header with entity tags cannot be read; they stand in quotes"))
        };
        let md5 = headers.get("x-file-md5").map(|hex| format!("MD5:{hex}"));
        let checksum = headers.get("oc-checksum").map(str::to_owned).or(md5);
        let size = headers.get("content-length").and_then(|text| text.parse().ok());
        let conditions =
            Conditions { if_match: tags("if-match")?, if_none_match: tags("if-none-match")?, ..Conditions::default() };
        let intent = Intent {
            announced_size: size,
            checksum: checksum.as_deref().map(Checksum::parse).transpose()?,
            mtime: headers.get("x-file-mtime").or_else(|| headers.get("x-oc-mtime")).and_then(seconds),
            conditions,
            make_folders: true,
        };
        Ok(Self { at, intent })
    }
}

/// The place of a path below the folder of the request.
async fn place<A: Sync>(call: &Call<A>, top: &Place, path: &str) -> Result<Location, Fault> {
    let below = ItemPath::parse(path).map_err(Error::from)?;
    let leads_elsewhere = below.names().first().is_some_and(|name| RESERVED_NAMES.contains(&name.as_str()));
    if top.is_top_of_files && leads_elsewhere {
        let mut href = "/remote.php/webdav".to_owned();
        below.names().iter().for_each(|name| push_segment(&mut href, name.as_str()));
        let address = Address::parse(&href).map_err(|_| Error::NotFound)?;
        return match call.view_of(&address).await? {
            View::Place(place) => Ok(place.location),
            View::SpacesFolder | View::SharesFolder => Err(Error::from(Refusal::Root).into()),
        };
    }
    let path = below.names().iter().fold(top.location.path.clone(), |path, name| path.join(name.clone()));
    Ok(top.location.at(path))
}

/// A part on its way in.
pub(super) enum Incoming {
    /// Small enough to wait in memory for a transaction of its own.
    Small(Part, BytesMut),
    /// Through the blob store.
    Large(Box<Upload>),
    /// Its bytes are skipped.
    Refused(Fault),
}

impl Incoming {
    pub(super) async fn begin<A: Sync>(call: &Call<A>, part: Result<Part, Fault>) -> Self {
        match part {
            Err(fault) => Self::Refused(fault),
            Ok(part) => match part.intent.announced_size.and_then(|size| usize::try_from(size).ok()) {
                Some(size) if size <= SMALL_BYTES => Self::Small(part, BytesMut::with_capacity(size)),
                _ => match call.domain.begin_upload(&call.principal, &part.at, part.intent).await {
                    Ok(upload) => Self::Large(Box::new(upload)),
                    Err(error) => Self::Refused(error.into()),
                },
            },
        }
    }

    pub(super) async fn write(&mut self, bytes: Bytes) {
        match self {
            Self::Small(_, body) => body.extend_from_slice(&bytes),
            Self::Large(upload) => {
                if let Err(error) = upload.write(bytes).await {
                    *self = Self::Refused(error.into());
                }
            }
            Self::Refused(_) => {}
        }
    }

    /// Bytes in memory until the commit.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Self::Small(_, body) => body.len(),
            Self::Large(_) => SMALL_BYTES,
            Self::Refused(_) => 0,
        }
    }

    pub(super) async fn commit(self, domain: &Domain, principal: &Principal) -> Result<Committed, Fault> {
        match self {
            Self::Small(Part { at, intent }, body) => {
                Ok(domain.put_whole(principal, &at, intent, body.freeze()).await?)
            }
            Self::Large(upload) => Ok(upload.commit().await?),
            Self::Refused(fault) => Err(fault),
        }
    }
}
