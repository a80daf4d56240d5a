//! The folder `Shares` in a user's files: what is shared with her, each under a name of her own.
//!
//! Its rows are made when a share is given and go with it; here they are read, renamed and put out of sight. What a row
//! shows is asked for every time, so that a share that ended a moment ago is not there.

use crate::access::enter;
use crate::share_access::enter_by;
use crate::shares::touch_files;
use crate::{Domain, Error, Item, ItemPath, Location, Membership, Principal, Refusal};
use stitchbox_schema::{ItemName, SpaceKind};
use stitchbox_store::received::{self, ReceivedShare, ReceivedState};
use stitchbox_store::shares_folder::{self, SharesEntry};
use stitchbox_store::{Connection, StoreError, items};

/// Something shared, under the name its grantee gave it.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// Name of the entry.
    pub name: String,
    /// What the person may do there.
    pub membership: Membership,
    /// What is shared: a folder or a file.
    pub item: Item,
    /// Where that is.
    pub top: Location,
}

/// An entry looked up.
pub(crate) struct Entered {
    /// What the person may do there.
    pub membership: Membership,
    /// What the entry shows.
    pub top: Location,
}

impl Domain {
    /// What the folder `Shares` shows, by name. None of it is shown to a credential that is limited.
    pub async fn mounted(&self, principal: &Principal) -> Result<Vec<Mounted>, Error> {
        if principal.scope.share.is_some() {
            return Ok(Vec::new());
        }
        let mut db = self.store.read().await?;
        let mut shown = Vec::new();
        for entry in shares_folder::of_user(&mut db, principal.user).await? {
            match self.seen(&mut db, principal, &entry).await {
                Ok(Entered { membership, top }) if !membership.scope.create_only || membership.is_drop() => {
                    let item = items::at_path(&mut db, membership.space.root, top.path.names()).await?;
                    shown.extend(item.map(|item| Mounted { name: entry.name, membership, item, top }));
                }
                Ok(_) | Err(Error::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(shown)
    }

    /// What one entry shows; [`Error::NotFound`] for one that is hidden or whose share has ended.
    pub(crate) async fn shares_entry(&self, principal: &Principal, name: &str) -> Result<Entered, Error> {
        // What nothing can be called is not looked up: a NUL would be an error of one database and not of the other.
        ItemName::parse(name).map_err(|_| Error::NotFound)?;
        if principal.scope.share.is_some() {
            return Err(Error::NotFound);
        }
        let mut db = self.store.read().await?;
        let entry = shares_folder::by_name(&mut db, principal.user, name).await?.ok_or(Error::NotFound)?;
        self.seen(&mut db, principal, &entry).await
    }

    async fn seen(&self, db: &mut Connection, principal: &Principal, entry: &SharesEntry) -> Result<Entered, Error> {
        match (entry.hidden, entry.share, entry.space) {
            (false, Some(share), _) => {
                let membership = enter_by(db, principal, share, self.now()).await?;
                let top = membership.place(ItemPath::default());
                Ok(Entered { membership, top })
            }
            (false, None, Some(space)) => {
                let accepted = |share: &ReceivedShare| share.state == ReceivedState::Accepted;
                let share = received::by_space(db, space).await?.filter(accepted).ok_or(Error::NotFound)?;
                let membership = enter(db, principal, space).await?;
                // The tree of a space begins with a folder, so a single file lies in one, which nobody needs to see.
                let shown = if share.is_file { share.name.as_str() } else { "" };
                let top = membership.place(ItemPath::parse(shown).map_err(|_| Error::NotFound)?);
                Ok(Entered { membership, top })
            }
            _ => Err(Error::NotFound),
        }
    }

    /// The name under which the person sees what a share opens, or a received space; none if it is out of sight.
    pub async fn entry_of(&self, principal: &Principal, membership: &Membership) -> Result<Option<String>, Error> {
        let Some(user) = principal.actor() else { return Ok(None) };
        let mut db = self.store.read().await?;
        let entry = match &membership.via {
            Some(via) => shares_folder::of_share(&mut db, via.share, user).await?,
            None => shares_folder::of_space(&mut db, membership.space.id, user).await?,
        };
        Ok(entry.filter(|entry| !entry.hidden).map(|entry| entry.name))
    }

    /// Gives an entry another name. [`Error::PreconditionFailed`] if that is taken.
    pub async fn rename_entry(&self, principal: &Principal, name: &str, to: &str) -> Result<(), Error> {
        refuse_limited(principal)?;
        ItemName::parse(to)?;
        self.shares_entry(principal, name).await?;
        let (user, name, to, now) = (principal.user, name.to_owned(), to.to_owned(), self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                match shares_folder::rename(tx, user, &name, &to).await {
                    Ok(true) => touch_files(tx, user, now).await,
                    Ok(false) => Err(Error::NotFound),
                    Err(StoreError::Conflict) => Err(Error::PreconditionFailed),
                    Err(other) => Err(other.into()),
                }
            })
        });
        work.await?;
        self.announce();
        Ok(())
    }

    /// Puts an entry out of sight: the grantee leaves the share. What is shared stays as it is.
    pub async fn hide_entry(&self, principal: &Principal, name: &str) -> Result<(), Error> {
        refuse_limited(principal)?;
        let membership = self.shares_entry(principal, name).await?.membership;
        if let Some(via) = &membership.via {
            return self.leave_share(principal, via.share).await;
        }
        if membership.space.kind == SpaceKind::Received {
            return self.decline_received(principal, membership.space.id).await;
        }
        let (user, name, now) = (principal.user, name.to_owned(), self.now());
        let work = self.transact(move |tx| {
            Box::pin(async move {
                if !shares_folder::hide(tx, user, &name).await? {
                    return Err(Error::NotFound);
                }
                touch_files(tx, user, now).await
            })
        });
        work.await?;
        self.announce();
        Ok(())
    }
}

/// The folder is the person's: a credential with limits does not change it.
fn refuse_limited(principal: &Principal) -> Result<(), Error> {
    let scope = principal.scope;
    if scope.create_only {
        return Err(Refusal::CreateOnly.into());
    }
    if scope.share.is_some() || scope.space.is_some() { Err(Error::NotFound) } else { Ok(()) }
}
