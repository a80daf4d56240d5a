//! Who asks, and what a member may do in a space.

use crate::share_access::enter_by;
use crate::{Domain, Error, Item, ItemPath, Location, Refusal, Space};
use stitchbox_schema::sharing::ShareKind;
use stitchbox_schema::{ItemId, Role, ShareId, SpaceId, Timestamp, UserId};
use stitchbox_store::locks::Lock;
use stitchbox_store::{Connection, Rights, spaces};

/// Limits of the credential the person used, on top of the person's own rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// The only space it opens.
    pub space: Option<SpaceId>,
    /// It may make new items and nothing else.
    pub create_only: bool,
    /// It is that of a share, a link or a federated one: it opens what is shared and nothing else.
    pub share: Option<ShareId>,
}

/// A person who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub user: UserId,
    /// Login name.
    pub name: String,
    /// May administer the installation.
    pub is_admin: bool,
    /// Limits of the credential.
    pub scope: Scope,
}

impl Principal {
    /// Who is named as the one who changed something: nobody of this installation for who comes by a link or from a
    /// peer, though that happens in the grantor's name.
    #[must_use]
    pub fn actor(&self) -> Option<UserId> {
        if self.scope.share.is_some() { None } else { Some(self.user) }
    }

    /// Whether a lock is one's own. Who comes by a link acts in the grantor's name and does not hold her locks.
    #[must_use]
    pub(crate) fn holds(&self, lock: &Lock) -> bool {
        lock.user == self.user && lock.share == self.scope.share
    }
}

/// What somebody wants to do with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See it, list it, read it.
    Read,
    /// Put something new into this folder.
    Create,
    /// Replace its content, or its properties.
    Write,
    /// Move or rename it.
    Move,
    /// Put it into the trash.
    Delete,
}

/// The share by which somebody sees a part of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The share.
    pub share: ShareId,
    /// To whom it was given.
    pub kind: ShareKind,
    /// What is shared: the top of what can be seen.
    pub top: ItemId,
    /// Where that is in the space now.
    pub path: ItemPath,
    /// New files may be brought, and nothing be seen.
    pub upload_only: bool,
    /// It may be passed on.
    pub may_reshare: bool,
}

impl Via {
    /// How many names of a path in the space lead to what is shared.
    #[must_use]
    pub fn above(&self) -> usize {
        self.path.names().len()
    }

    /// Whether it is seen among the shares of a person of this installation, who may rename or leave it there.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        matches!(self.kind, ShareKind::User | ShareKind::Group)
    }
}

/// A part of all that is kept, which can be followed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A whole space, as its members see it.
    Space(SpaceId),
    /// What a share opens.
    Share(ShareId),
}

impl From<&Location> for Part {
    fn from(at: &Location) -> Self {
        at.via.map_or(Self::Space(at.space), Self::Share)
    }
}

impl From<SpaceId> for Part {
    fn from(space: SpaceId) -> Self {
        Self::Space(space)
    }
}

/// A space with what the asking person may do in it.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The space.
    pub space: Space,
    /// The person's role.
    pub role: Role,
    /// Limits of the credential.
    pub scope: Scope,
    /// The share the person comes by, where it is not as a member.
    pub via: Option<Via>,
}

impl Membership {
    /// The top of what the person sees of the space: its root, or what is shared.
    #[must_use]
    pub fn top(&self) -> ItemId {
        self.via.as_ref().map_or(self.space.root, |via| via.top)
    }

    /// What the person sees of the space.
    #[must_use]
    pub fn part(&self) -> Part {
        self.via.as_ref().map_or(Part::Space(self.space.id), |via| Part::Share(via.share))
    }

    /// The id by which the person asks for it: that of the space, or of the share, which are never the same.
    #[must_use]
    pub fn asked_by(&self) -> SpaceId {
        self.via.as_ref().map_or(self.space.id, |via| SpaceId(via.share.0))
    }

    /// Whether nothing of what is there may be seen, only brought.
    #[must_use]
    pub fn is_drop(&self) -> bool {
        self.via.as_ref().is_some_and(|via| via.upload_only)
    }

    /// A place below the top of what the person sees.
    #[must_use]
    pub fn place(&self, below: ItemPath) -> Location {
        match &self.via {
            None => Location::in_space(self.space.id, below),
            Some(via) => Location { space: self.space.id, via: Some(via.share), path: via.path.append(below) },
        }
    }

    /// A path of the space as the person sees it: below the top. None for what lies elsewhere.
    #[must_use]
    pub fn shown(&self, path: &ItemPath) -> Option<ItemPath> {
        match &self.via {
            None => Some(path.clone()),
            Some(via) => path.below(&via.path),
        }
    }

    /// Whether the action is allowed on the item. What may not be read is not there at all.
    pub fn check(&self, action: Action, item: &Item) -> Result<(), Error> {
        if action == Action::Read {
            return if self.scope.create_only { Err(Error::NotFound) } else { Ok(()) };
        }
        self.may(action, item).map_err(Error::from)
    }

    /// As [`Membership::check`], for showing rights (permission letters) without failing.
    pub fn may(&self, action: Action, item: &Item) -> Result<(), Refusal> {
        if action == Action::Read {
            return Ok(());
        }
        let least = if action == Action::Create { Role::Contributor } else { Role::Editor };
        if self.role < least {
            return Err(Refusal::Role(self.role));
        }
        if self.scope.create_only && action != Action::Create {
            return Err(Refusal::CreateOnly);
        }
        if (item.parent.is_none() || item.id == self.top()) && matches!(action, Action::Move | Action::Delete) {
            return Err(Refusal::Root);
        }
        if item.run.is_some() && action != Action::Delete {
            return Err(Refusal::Derived);
        }
        if item.rights.is_some_and(|rights| !rights.allow(asked_of_peer(action, item))) {
            return Err(Refusal::ByPeer);
        }
        Ok(())
    }
}

/// What a peer must allow for an action. Properties of a folder are ours alone.
fn asked_of_peer(action: Action, item: &Item) -> Rights {
    match action {
        Action::Read => Rights::of_bits(0),
        Action::Write if item.is_folder() => Rights::of_bits(0),
        Action::Write => Rights::WRITE,
        Action::Create => Rights::CREATE,
        Action::Move => Rights::MOVE,
        Action::Delete => Rights::DELETE,
    }
}

impl Domain {
    /// The space, or what a share opens, as the principal may enter it; [`Error::NotFound`] for a stranger.
    pub async fn membership(&self, principal: &Principal, part: impl Into<Part> + Send) -> Result<Membership, Error> {
        let mut db = self.store.read().await?;
        enter_part(&mut db, principal, part.into(), self.now()).await
    }
}

/// As [`Domain::membership`], inside a transaction.
pub(crate) async fn enter(db: &mut Connection, principal: &Principal, id: SpaceId) -> Result<Membership, Error> {
    if principal.scope.share.is_some() || principal.scope.space.is_some_and(|only| only != id) {
        return Err(Error::NotFound);
    }
    let (space, role) = spaces::of_member(db, id, principal.user).await?.ok_or(Error::NotFound)?;
    Ok(Membership { space, role, scope: principal.scope, via: None })
}

/// The part of a space that a place lies in, as the principal may enter it: as a member, or by the share the place names.
pub(crate) async fn enter_at(
    db: &mut Connection,
    principal: &Principal,
    at: &Location,
    now: Timestamp,
) -> Result<Membership, Error> {
    let Some(share) = at.via else { return enter(db, principal, at.space).await };
    let membership = enter_by(db, principal, share, now).await?;
    let within = membership.via.as_ref().is_some_and(|via| via.path.contains(&at.path));
    if within && membership.space.id == at.space { Ok(membership) } else { Err(Error::NotFound) }
}

/// A part of the tree, as the principal may enter it.
pub(crate) async fn enter_part(
    db: &mut Connection,
    principal: &Principal,
    part: Part,
    now: Timestamp,
) -> Result<Membership, Error> {
    match part {
        Part::Space(space) => enter(db, principal, space).await,
        Part::Share(share) => enter_by(db, principal, share, now).await,
    }
}
