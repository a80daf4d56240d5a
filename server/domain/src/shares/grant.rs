//! Giving access.

use super::documents::document;
use super::rights::{Ceiling, ceiling};
use super::{Acting, Grantee, NewShare, ShareFault, entries, token};
use crate::access::enter_at;
use crate::federation;
use crate::read::resolve;
use crate::{Action, Domain, Error, Item, Membership, Principal, Refusal};
use serde_json::json;
use stitchbox_schema::sharing::{ShareDocument, ShareKind};
use stitchbox_schema::{GroupId, Role, ShareId, SpaceKind, Timestamp, UserId};
use stitchbox_store::shares::{self, Share};
use stitchbox_store::{Connection, Tx, accounts, groups};

/// Longest label and note, bytes.
const LONGEST_LABEL: usize = 255;
const LONGEST_NOTE: usize = 4000;

/// What was computed before the transaction.
struct Prepared {
    id: ShareId,
    token: Option<String>,
    password_hash: Option<String>,
}

/// Who gets it, found.
struct Found {
    kind: ShareKind,
    user: Option<UserId>,
    group: Option<GroupId>,
    /// `name@host`, and whether that is a group.
    recipient: Option<(String, bool)>,
}

impl Domain {
    /// Gives access to an item. Everything is tested in the transaction that makes the share.
    ///
    /// [`Error::Share`] for what no share can be, [`Error::Forbidden`] for what this person cannot give, [`Error::NotFound`]
    /// for an item that is not there.
    pub async fn share(&self, principal: &Principal, new: NewShare) -> Result<ShareDocument, Error> {
        texts_fit(&new.label, &new.note)?;
        let acting = self.acting(principal);
        let is_link = new.to == Grantee::Link;
        let password = new.password.as_deref().filter(|password| !password.is_empty());
        let password_hash = match password {
            Some(_) if !is_link => return Err(ShareFault::PasswordWithoutLink.into()),
            Some(password) => Some(self.auth.passwords.hash(password).await?),
            None => None,
        };
        let token = if is_link { Some(token::random()?) } else { None };
        let prepared = Prepared { id: ShareId(self.ids.next(acting.now)), token, password_hash };
        let (domain, principal) = (self.clone(), principal.clone());
        let made = self
            .transact(move |tx| {
                Box::pin(async move {
                    let share = grant(&domain, tx, &principal, &acting, &new, prepared).await?;
                    document(tx, &principal, &share, acting.now).await?.ok_or(Error::NotFound)
                })
            })
            .await?;
        self.announce();
        self.wake_outbox();
        Ok(made)
    }
}

/// Whether label and note are of a sensible length.
pub(super) fn texts_fit(label: &str, note: &str) -> Result<(), Error> {
    let fit = label.len() <= LONGEST_LABEL && note.len() <= LONGEST_NOTE;
    if fit && !label.contains('\0') && !note.contains('\0') { Ok(()) } else { Err(ShareFault::TooLong.into()) }
}

/// Whether rights make sense for a kind of share and item.
pub(super) fn rights_fit(kind: ShareKind, role: Role, upload_only: bool, item: &Item) -> Result<(), Error> {
    if upload_only && (kind != ShareKind::Link || !item.is_folder()) {
        return Err(ShareFault::UploadOnly.into());
    }
    if role == Role::Manager && matches!(kind, ShareKind::Link | ShareKind::Federated) {
        return Err(ShareFault::NoManager.into());
    }
    Ok(())
}

/// The role a share of an item has: nothing is made in a file.
pub(super) fn role_on(item: &Item, role: Role) -> Role {
    if item.is_folder() || role != Role::Contributor { role } else { Role::Viewer }
}

async fn grant(
    domain: &Domain,
    tx: &mut Tx,
    principal: &Principal,
    acting: &Acting,
    new: &NewShare,
    prepared: Prepared,
) -> Result<Share, Error> {
    if principal.scope.share.is_some() {
        return Err(Refusal::MayNotShare.into());
    }
    let membership = enter_at(tx, principal, &new.item, acting.now).await?;
    let item = resolve(tx, membership.space.root, &new.item.path).await?;
    membership.check(Action::Read, &item)?;
    let most = ceiling(&membership)?;
    let found = find(tx, principal, &membership, &new.to).await?;
    rights_fit(found.kind, new.role, new.upload_only, &item)?;
    let asked = if new.upload_only { Role::Contributor } else { role_on(&item, new.role) };
    if asked > most.role {
        return Err(Refusal::RoleAboveOwn { asked, own: most.role }.into());
    }
    if item.parent.is_none() && membership.space.kind == SpaceKind::Personal {
        return Err(ShareFault::PersonalRoot.into());
    }
    not_twice(tx, principal, &item, &found, &new.to).await?;
    let share = Share {
        id: prepared.id,
        kind: found.kind,
        space: membership.space.id,
        item: item.id,
        grantor: principal.user,
        parent: most.parent,
        user: found.user,
        group: found.group,
        role: asked,
        upload_only: new.upload_only,
        may_reshare: new.may_reshare && found.kind != ShareKind::Link,
        label: new.label.clone(),
        note: new.note.clone(),
        token: prepared.token,
        password_hash: prepared.password_hash,
        expires_at: end(tx, new.expires_at, most, acting.now).await?,
        created_at: acting.now,
    };
    shares::insert(tx, &share).await?;
    if let Some((recipient, is_group)) = &found.recipient {
        offer(domain, tx, &share, recipient, *is_group).await?;
    }
    entries::show_to_all(tx, acting, &share).await?;
    acting.note(tx, "granted", &share, described(&share, &new.to)).await?;
    Ok(share)
}

/// When a share ends: never after the one it is made through.
pub(super) async fn end(
    db: &mut Connection,
    wish: Option<Timestamp>,
    most: Ceiling,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    if wish.is_some_and(|end| end <= now) {
        return Err(ShareFault::Expired.into());
    }
    let of_parent = match most.parent {
        Some(parent) => shares::by_id(db, parent).await?.and_then(|parent| parent.expires_at),
        None => None,
    };
    Ok(match (wish, of_parent) {
        (Some(wish), Some(latest)) => Some(wish.min(latest)),
        (wish, latest) => wish.or(latest),
    })
}

async fn find(
    db: &mut Connection,
    principal: &Principal,
    membership: &Membership,
    to: &Grantee,
) -> Result<Found, Error> {
    let none = Found { kind: ShareKind::Link, user: None, group: None, recipient: None };
    Ok(match to {
        Grantee::Link => none,
        Grantee::User(name) => {
            let user = accounts::by_name(db, &plain(name)).await?.filter(|user| !user.disabled);
            let user = user.ok_or_else(|| ShareFault::NoSuchUser(name.clone()))?;
            if user.id == principal.user {
                return Err(ShareFault::Oneself.into());
            }
            if membership.space.owner == Some(user.id) {
                return Err(ShareFault::IsOwner(name.clone()).into());
            }
            Found { kind: ShareKind::User, user: Some(user.id), ..none }
        }
        Grantee::Group(name) => {
            let group = groups::by_name(db, &plain(name)).await?;
            let group = group.ok_or_else(|| ShareFault::NoSuchGroup(name.clone()))?;
            Found { kind: ShareKind::Group, group: Some(group.id), ..none }
        }
        Grantee::Federated { recipient, group } => {
            let (user, host) = recipient.rsplit_once('@').unwrap_or_default();
            if user.is_empty() || host.is_empty() || recipient.chars().any(|c| c.is_control() || c == ' ') {
                return Err(ShareFault::BadRecipient(recipient.clone()).into());
            }
            Found { kind: ShareKind::Federated, recipient: Some((recipient.clone(), *group)), ..none }
        }
    })
}

/// What no name holds is looked up without it: a NUL is an error of one database and not of the other.
fn plain(name: &str) -> String {
    name.replace('\0', "")
}

/// One share of an item from one person to another is enough; links may be many.
async fn not_twice(
    db: &mut Connection,
    principal: &Principal,
    item: &Item,
    found: &Found,
    to: &Grantee,
) -> Result<(), Error> {
    for other in shares::of_item(db, item.id).await? {
        if other.grantor != principal.user || other.kind != found.kind {
            continue;
        }
        let same = match to {
            Grantee::Link => false,
            Grantee::User(_) => other.user == found.user,
            Grantee::Group(_) => other.group == found.group,
            Grantee::Federated { recipient, .. } => {
                shares::outgoing(db, other.id).await?.is_some_and(|outgoing| outgoing.recipient == *recipient)
            }
        };
        if same {
            let (Grantee::User(name) | Grantee::Group(name) | Grantee::Federated { recipient: name, .. }) = to else {
                return Ok(());
            };
            return Err(ShareFault::AlreadyShared(name.clone()).into());
        }
    }
    Ok(())
}

/// What the audit keeps of a share: no secrets.
fn described(share: &Share, to: &Grantee) -> serde_json::Value {
    let grantee = match to {
        Grantee::User(name) | Grantee::Group(name) => Some(name.as_str()),
        Grantee::Federated { recipient, .. } => Some(recipient.as_str()),
        Grantee::Link => None,
    };
    json!({
        "kind": share.kind.as_str(),
        "grantee": grantee,
        "role": share.role.as_str(),
        "upload_only": share.upload_only,
        "may_reshare": share.may_reshare,
        "password": share.password_hash.is_some(),
        "expires_at": share.expires_at,
        "label": share.label,
    })
}

/// The same of a share that a peer asked for.
pub(crate) fn described_reshare(share: &Share, recipient: &str) -> serde_json::Value {
    described(share, &Grantee::Federated { recipient: recipient.to_owned(), group: false })
}

/// Hands a share with somebody elsewhere to federation, in the same transaction.
async fn offer(domain: &Domain, tx: &mut Tx, share: &Share, recipient: &str, is_group: bool) -> Result<(), Error> {
    let offer = domain.prepare_offer(share, recipient, is_group)?;
    federation::offer(tx, &offer).await
}
