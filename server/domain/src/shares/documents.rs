//! A share as the asking person may know it.

use super::rights::{authority, is_running};
use crate::view::SPACES_FOLDER;
use crate::{Error, Item, Principal, Space};
use stitchbox_schema::sharing::{DeliveryDocument, PersonDocument, ShareDocument, ShareKind};
use stitchbox_schema::{SpaceKind, Timestamp, UserId};
use stitchbox_store::shares::{self, Share};
use stitchbox_store::{Connection, accounts, groups, items, shares_folder, spaces};

/// Name of the folder that shows what is shared with somebody.
const SHARES_FOLDER: &str = "Shares";

/// The document of a share for somebody who may decide about it or whom it is for; `None` where it opens nothing, because
/// the item is in the trash or in another space now. [`Error::NotFound`] for others.
pub(super) async fn document(
    db: &mut Connection,
    principal: &Principal,
    share: &Share,
    now: Timestamp,
) -> Result<Option<ShareDocument>, Error> {
    let decides = match authority(db, principal, share, now).await {
        Ok(_) => true,
        Err(Error::NotFound) => false,
        Err(other) => return Err(other),
    };
    let entry = shares_folder::of_share(db, share.id, principal.user).await?;
    let is_for = principal.scope.share.is_none() && is_for(db, principal.user, share).await?;
    if !decides && !is_for {
        return Err(Error::NotFound);
    }
    let (Some(item), Some(space)) = (items::by_id(db, share.item).await?, spaces::by_id(db, share.space).await?) else {
        return Ok(None);
    };
    let (names, is_live) = items::path(db, share.item).await?;
    if !is_live || item.space != share.space {
        return Ok(None);
    }
    let owner = person(db, space.owner.unwrap_or(share.grantor)).await?;
    let grantor = person(db, share.grantor).await?;
    let outgoing = shares::outgoing(db, share.id).await?;
    let grantee = match share.kind {
        ShareKind::Link => None,
        ShareKind::User => match share.user {
            Some(user) => Some(person(db, user).await?),
            None => None,
        },
        ShareKind::Group => match share.group {
            Some(group) => groups::by_id(db, group)
                .await?
                .map(|group| PersonDocument { name: group.name, display_name: group.display_name }),
            None => None,
        },
        ShareKind::Federated => outgoing.as_ref().map(|outgoing| PersonDocument {
            name: outgoing.recipient.clone(),
            display_name: outgoing.recipient.clone(),
        }),
    };
    let hidden = entry.as_ref().is_some_and(|entry| entry.hidden);
    let by_entry = entry.filter(|entry| !entry.hidden).map(|entry| format!("/{SHARES_FOLDER}/{}", entry.name));
    let shown_at = match by_entry {
        Some(shown) => Some(shown),
        None => shown_at(db, principal, &space, &item, &names, now).await?,
    };
    let is_member = spaces::role_of(db, share.space, principal.user).await?.is_some();
    let path = format!("/{}", names.join("/"));
    Ok(Some(ShareDocument {
        id: share.id,
        kind: share.kind,
        space: share.space,
        space_kind: space.kind,
        item: share.item,
        item_kind: if item.is_folder() { "folder" } else { "file" },
        item_folder: item.parent,
        name: if item.name.is_empty() { space.name.clone() } else { item.name.clone() },
        space_name: space.name,
        path: is_member.then_some(path),
        shown_at,
        size: item.size,
        etag: item.etag().to_string(),
        modified_at: item.mtime,
        owner,
        grantor,
        grantee,
        role: share.role,
        upload_only: share.upload_only,
        may_reshare: share.may_reshare,
        label: if decides { share.label.clone() } else { String::new() },
        note: share.note.clone(),
        token: share.token.clone().filter(|_| decides),
        link: share.token.as_ref().filter(|_| decides).map(|token| format!("/s/{token}")),
        has_password: share.password_hash.is_some(),
        expires_at: share.expires_at,
        created_at: share.created_at,
        parent: share.parent,
        hidden,
        may_change: decides,
        delivery: outgoing.map(|outgoing| DeliveryDocument {
            state: outgoing.state,
            answer: outgoing.answer,
            is_group: outgoing.is_group,
        }),
    }))
}

/// Whether a share is for a user, by name or through a group.
pub(super) async fn is_for(db: &mut Connection, user: UserId, share: &Share) -> Result<bool, Error> {
    if share.user == Some(user) {
        return Ok(true);
    }
    let Some(group) = share.group else { return Ok(false) };
    Ok(share.grantor != user && groups::of_user(db, user).await?.iter().any(|own| own.id == group))
}

/// A person by id.
async fn person(db: &mut Connection, id: UserId) -> Result<PersonDocument, Error> {
    let gone = || PersonDocument { name: id.to_string(), display_name: "somebody".to_owned() };
    let found = accounts::by_id(db, id).await?;
    Ok(found.map_or_else(gone, |user| PersonDocument { name: user.name, display_name: user.display_name }))
}

/// Where the asking person sees an item below their files: in a space of theirs, or through a share.
async fn shown_at(
    db: &mut Connection,
    principal: &Principal,
    space: &Space,
    item: &Item,
    names: &[String],
    now: Timestamp,
) -> Result<Option<String>, Error> {
    if spaces::role_of(db, space.id, principal.user).await?.is_some() {
        let below = names.iter().map(|name| format!("/{name}")).collect::<String>();
        return Ok(match space.kind {
            SpaceKind::Personal if below.is_empty() => Some("/".to_owned()),
            SpaceKind::Personal => Some(below),
            SpaceKind::Project => Some(format!("/{SPACES_FOLDER}/{}{below}", space.name)),
            SpaceKind::Received => None,
        });
    }
    for own in shares::for_user(db, principal.user).await? {
        if own.space != space.id || own.item == item.id || !is_running(&own, now) {
            continue;
        }
        let Some(entry) = shares_folder::of_share(db, own.id, principal.user).await? else { continue };
        let (top, _) = items::path(db, own.item).await?;
        if let Some(below) = names.strip_prefix(top.as_slice()).filter(|_| !entry.hidden) {
            let below = below.iter().map(|name| format!("/{name}")).collect::<String>();
            return Ok(Some(format!("/{SHARES_FOLDER}/{}{below}", entry.name)));
        }
    }
    same_item(db, principal, item, now).await
}

/// The entry of another share of the very item.
async fn same_item(
    db: &mut Connection,
    principal: &Principal,
    item: &Item,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    for own in shares::of_item(db, item.id).await? {
        if is_running(&own, now)
            && let Some(entry) = shares_folder::of_share(db, own.id, principal.user).await?
            && !entry.hidden
        {
            return Ok(Some(format!("/{SHARES_FOLDER}/{}", entry.name)));
        }
    }
    Ok(None)
}
