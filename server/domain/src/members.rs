//! Users, spaces and who may enter them: what the local administrator does. No principal is asked for here; who reaches
//! these calls has the data folder.

use crate::auth::AppSecret;
use crate::shares::end_made_by;
use crate::{AppPassword, Domain, Error, Item, ItemKind, Quota, Space, User};
use stitchbox_schema::{AppPasswordId, ItemId, Role, SpaceId, SpaceKind, SpaceName, UserId, UserName};
use stitchbox_store::{Connection, Tx, accounts, changes, items, locks, spaces};

/// Login name of the administrator made by the first start.
const FIRST_ADMIN: &str = "admin";

/// A user to be made.
#[derive(Clone, Default)]
pub struct NewUser {
    /// Login name.
    pub name: String,
    /// Name for people; the login name if empty.
    pub display_name: String,
    /// Account password, at least 8 characters; without one the user logs in by app passwords only.
    pub password: Option<String>,
    /// May administer the installation.
    pub is_admin: bool,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).field("is_admin", &self.is_admin).finish_non_exhaustive()
    }
}

/// A project space to be made.
#[derive(Debug, Clone, Default)]
pub struct NewSpace {
    /// Its name.
    pub name: String,
    /// Login name of its first manager; without one, the administrators' accounts manage it, so that no space is
    /// closed to everybody.
    pub manager: Option<String>,
    /// Most bytes it may hold.
    pub quota: Option<i64>,
}

impl Domain {
    /// Makes a user with a personal space. [`Error::Name`], [`Error::WeakPassword`], or [`Error::Exists`].
    pub async fn add_user(&self, new: NewUser) -> Result<User, Error> {
        let name = UserName::parse(&new.name)?;
        let password_hash = match &new.password {
            Some(password) => Some(self.auth.passwords.hash(password).await?),
            None => None,
        };
        let now = self.now();
        let user = User {
            id: UserId(self.ids.next(now)),
            name: name.as_str().to_owned(),
            display_name: if new.display_name.is_empty() { new.name } else { new.display_name },
            password_hash,
            is_admin: new.is_admin,
            disabled: false,
            created_at: now,
        };
        self.insert_user(user, false).await?.ok_or(Error::Exists)
    }

    /// Makes the user `admin` if there is no user at all, and returns the password, which is kept nowhere.
    pub async fn first_start(&self) -> Result<Option<String>, Error> {
        if !accounts::all(&mut *self.store.read().await?).await?.is_empty() {
            return Ok(None);
        }
        let password = AppSecret::first_password()?;
        let now = self.now();
        let admin = User {
            id: UserId(self.ids.next(now)),
            name: FIRST_ADMIN.to_owned(),
            display_name: "Administrator".to_owned(),
            password_hash: Some(self.auth.passwords.hash(&password).await?),
            is_admin: true,
            disabled: false,
            created_at: now,
        };
        Ok(self.insert_user(admin, true).await?.map(|_| password))
    }

    /// `None` if the user was to be the first and is not.
    async fn insert_user(&self, user: User, only_as_first: bool) -> Result<Option<User>, Error> {
        let personal = Space {
            id: SpaceId(self.ids.next(user.created_at)),
            name: user.name.clone(),
            kind: SpaceKind::Personal,
            owner: Some(user.id),
            root: ItemId(self.ids.next(user.created_at)),
            quota: None,
            default_recipe: None,
            created_at: user.created_at,
        };
        self.transact(move |tx| {
            Box::pin(async move {
                if only_as_first && !accounts::all(tx).await?.is_empty() {
                    return Ok(None);
                }
                accounts::insert(tx, &user).await?;
                insert_space(tx, &personal).await?;
                spaces::set_member(tx, personal.id, user.id, Role::Manager).await?;
                Ok(Some(user))
            })
        })
        .await
    }

    /// Every user, by name.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        Ok(accounts::all(&mut *self.store.read().await?).await?)
    }

    /// Changes an account password. Clients with the old one and tokens issued for it stop at once.
    pub async fn set_password(&self, user: &str, password: &str) -> Result<(), Error> {
        let hash = self.auth.passwords.hash(password).await?;
        let name = user.to_owned();
        self.transact(move |tx| {
            Box::pin(async move {
                let user = user_named(tx, &name).await?;
                Ok(accounts::set_password_hash(tx, user.id, &hash).await?)
            })
        })
        .await
    }

    /// Locks a user out, with all app passwords and tokens, or lets the user in again.
    pub async fn set_disabled(&self, user: &str, disabled: bool) -> Result<(), Error> {
        let name = user.to_owned();
        self.transact(move |tx| {
            Box::pin(async move {
                let user = user_named(tx, &name).await?;
                Ok(accounts::set_disabled(tx, user.id, disabled).await?)
            })
        })
        .await
    }

    /// Makes a project space. [`Error::Name`], [`Error::Exists`], or [`Error::NotFound`] if there is no such manager.
    pub async fn add_space(&self, new: NewSpace) -> Result<Space, Error> {
        let name = SpaceName::parse(&new.name)?;
        let now = self.now();
        let space = Space {
            id: SpaceId(self.ids.next(now)),
            name: name.as_str().to_owned(),
            kind: SpaceKind::Project,
            owner: None,
            root: ItemId(self.ids.next(now)),
            quota: new.quota,
            default_recipe: None,
            created_at: now,
        };
        self.transact(move |tx| {
            Box::pin(async move {
                insert_space(tx, &space).await?;
                let managers = match &new.manager {
                    Some(manager) => vec![user_named(tx, manager).await?],
                    None => accounts::all(tx).await?.into_iter().filter(|user| user.is_admin).collect(),
                };
                for manager in managers {
                    spaces::set_member(tx, space.id, manager.id, Role::Manager).await?;
                }
                Ok(space)
            })
        })
        .await
    }

    /// Every space with how full it is, personal ones first, then by name.
    pub async fn spaces(&self) -> Result<Vec<(Space, Quota)>, Error> {
        let mut db = self.store.read().await?;
        let mut listed = Vec::new();
        for space in spaces::all(&mut db).await? {
            let used = items::by_id(&mut db, space.root).await?.map_or(0, |root| root.size);
            let quota = Quota { used, limit: space.quota };
            listed.push((space, quota));
        }
        Ok(listed)
    }

    /// Makes a user a member of a project space, changes the role, or, with `None`, ends the membership.
    pub async fn set_member(&self, space: &str, user: &str, role: Option<Role>) -> Result<(), Error> {
        let (space, user) = (space.to_owned(), user.to_owned());
        let acting = self.acting_as("administrator");
        self.transact(move |tx| {
            Box::pin(async move {
                let space = spaces::by_name(tx, SpaceKind::Project, &space).await?.ok_or(Error::NotFound)?;
                let user = user_named(tx, &user).await?;
                if role.is_none_or(|role| role < Role::Editor) {
                    locks::remove_of_user(tx, space.id, user.id).await?;
                    end_made_by(tx, &acting, space.id, user.id).await?;
                }
                match role {
                    Some(role) => spaces::set_member(tx, space.id, user.id, role).await?,
                    None => {
                        spaces::remove_member(tx, space.id, user.id).await?;
                    }
                }
                Ok(())
            })
        })
        .await
    }

    /// Changes the most bytes a project space, or else the personal space of this name, may hold.
    pub async fn set_quota(&self, space: &str, quota: Option<i64>) -> Result<(), Error> {
        let name = space.to_owned();
        self.transact(move |tx| {
            Box::pin(async move {
                let space = space_named(tx, &name).await?.ok_or(Error::NotFound)?;
                Ok(spaces::set_quota(tx, space.id, quota).await?)
            })
        })
        .await
    }

    /// Makes an app password and returns its secret, which is kept nowhere. A space it is limited to must be one the
    /// user may enter; [`Error::NotFound`] otherwise.
    pub async fn add_app_password(
        &self,
        user: &str,
        label: &str,
        space: Option<&str>,
        create_only: bool,
    ) -> Result<(AppPassword, String), Error> {
        let secret = AppSecret::random()?;
        let now = self.now();
        let id = AppPasswordId(self.ids.next(now));
        let secret_hash = secret.hash();
        let (user, label, space) = (user.to_owned(), label.to_owned(), space.map(str::to_owned));
        let made = self.transact(move |tx| {
            Box::pin(async move {
                let user = user_named(tx, &user).await?;
                let space = match space {
                    Some(name) => Some(space_entered_by(tx, &user, &name).await?),
                    None => None,
                };
                let made = AppPassword {
                    id,
                    user: user.id,
                    label,
                    secret_hash,
                    space,
                    create_only,
                    created_at: now,
                    last_used_at: None,
                    wipe_asked_at: None,
                };
                accounts::insert_app_password(tx, &made).await?;
                Ok(made)
            })
        });
        Ok((made.await?, secret.reveal()))
    }

    /// The app passwords of a user, oldest first.
    pub async fn app_passwords(&self, user: &str) -> Result<Vec<AppPassword>, Error> {
        let mut db = self.store.read().await?;
        let user = user_named(&mut db, user).await?;
        Ok(accounts::app_passwords_of(&mut db, user.id).await?)
    }

    /// Ends an app password and the tokens issued for it; [`Error::NotFound`] if the user has no such one.
    pub async fn revoke_app_password(&self, user: &str, id: AppPasswordId) -> Result<(), Error> {
        let now = self.now();
        let name = user.to_owned();
        self.transact(move |tx| {
            Box::pin(async move {
                let user = user_named(tx, &name).await?;
                let revoked = accounts::revoke_app_password(tx, user.id, id, now).await?;
                if revoked { Ok(()) } else { Err(Error::NotFound) }
            })
        })
        .await
    }

    /// Asks the holder of an app password to remove everything it has from its device; from now on the password opens
    /// nothing. [`Error::NotFound`] if the user has no such one.
    pub async fn wipe_app_password(&self, user: &str, id: AppPasswordId) -> Result<(), Error> {
        let now = self.now();
        let name = user.to_owned();
        self.transact(move |tx| {
            Box::pin(async move {
                let user = user_named(tx, &name).await?;
                let asked = accounts::ask_for_wipe(tx, user.id, id, now).await?;
                if asked { Ok(()) } else { Err(Error::NotFound) }
            })
        })
        .await
    }
}

async fn user_named(db: &mut Connection, name: &str) -> Result<User, Error> {
    accounts::by_name(db, name).await?.ok_or(Error::NotFound)
}

async fn space_named(db: &mut Connection, name: &str) -> Result<Option<Space>, Error> {
    match spaces::by_name(db, SpaceKind::Project, name).await? {
        Some(space) => Ok(Some(space)),
        None => Ok(spaces::by_name(db, SpaceKind::Personal, name).await?),
    }
}

async fn space_entered_by(db: &mut Connection, user: &User, name: &str) -> Result<SpaceId, Error> {
    let entered = spaces::of_user(db, user.id).await?;
    // A project space before the personal one, as everywhere.
    let found = entered.iter().rev().find(|(space, _)| space.name == name);
    found.map(|(space, _)| space.id).ok_or(Error::NotFound)
}

/// Makes a space with the root of its tree. Nothing visible changes for anybody yet, so the journal has no row for it.
pub(crate) async fn insert_space(tx: &mut Tx, space: &Space) -> Result<(), Error> {
    spaces::insert(tx, space).await?;
    let root = Item {
        id: space.root,
        space: space.id,
        parent: None,
        name: String::new(),
        kind: ItemKind::Folder,
        version: None,
        size: 0,
        mtime: space.created_at,
        last_change: changes::head(tx).await?,
        run: None,
        created_at: space.created_at,
        rights: None,
    };
    Ok(items::insert(tx, &root).await?)
}

#[cfg(test)]
mod tests;
