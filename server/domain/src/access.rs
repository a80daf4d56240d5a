//! Who asks, and what a member may do in a space.

use crate::{Domain, Error, Item, Refusal, Space};
use stitchbox_schema::{Role, SpaceId, UserId};
use stitchbox_store::{Connection, spaces};

/// Limits of the credential the person used, on top of the person's own rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// The only space it opens.
    pub space: Option<SpaceId>,
    /// It may make new items and nothing else.
    pub create_only: bool,
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

/// A space with what the asking person may do in it.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The space.
    pub space: Space,
    /// The person's role.
    pub role: Role,
    /// Limits of the credential.
    pub scope: Scope,
}

impl Membership {
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
        if self.role < Role::Contributor {
            return Err(Refusal::Role(self.role));
        }
        if self.scope.create_only && action != Action::Create {
            return Err(Refusal::CreateOnly);
        }
        if item.parent.is_none() && matches!(action, Action::Move | Action::Delete) {
            return Err(Refusal::Root);
        }
        if item.run.is_some() && action != Action::Delete {
            return Err(Refusal::Derived);
        }
        Ok(())
    }
}

impl Domain {
    /// The space as the principal may enter it; [`Error::NotFound`] for a stranger.
    pub async fn membership(&self, principal: &Principal, space: SpaceId) -> Result<Membership, Error> {
        let mut db = self.store.read().await?;
        enter(&mut db, principal, space).await
    }
}

/// As [`Domain::membership`], inside a transaction.
pub(crate) async fn enter(db: &mut Connection, principal: &Principal, id: SpaceId) -> Result<Membership, Error> {
    if principal.scope.space.is_some_and(|only| only != id) {
        return Err(Error::NotFound);
    }
    let (space, role) = spaces::of_member(db, id, principal.user).await?.ok_or(Error::NotFound)?;
    Ok(Membership { space, role, scope: principal.scope })
}
