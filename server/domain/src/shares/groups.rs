//! Groups of users: what the local administrator, or one over the web, does with them. Who joins a group sees what is
//! shared with it at once; who leaves sees nothing of it, and what they passed on ends.

use super::{entries, revoke};
use crate::{Domain, Error, Principal, Refusal, ShareFault};
use serde_json::json;
use stitchbox_schema::sharing::GroupDocument;
use stitchbox_schema::{GroupId, SpaceName};
use stitchbox_store::groups::{self, Group};
use stitchbox_store::{Connection, accounts, shares};

impl Domain {
    /// Refuses everybody but administrators.
    pub fn only_administrators(&self, principal: &Principal) -> Result<(), Error> {
        if principal.is_admin { Ok(()) } else { Err(Refusal::NotAdmin.into()) }
    }

    /// Makes a group; [`Error::Name`] or [`Error::Exists`]. `by` is who does it, for the audit.
    pub async fn add_group(&self, name: &str, display_name: &str, by: &str) -> Result<GroupDocument, Error> {
        let name = SpaceName::parse(name)?.as_str().to_owned();
        let display_name = if display_name.trim().is_empty() { name.clone() } else { display_name.trim().to_owned() };
        super::grant::texts_fit(&display_name, "")?;
        let acting = self.acting_as(by);
        let group = Group { id: GroupId(self.ids.next(acting.now)), name, display_name, created_at: acting.now };
        self.transact(move |tx| {
            Box::pin(async move {
                groups::insert(tx, &group).await?;
                acting.note_other(tx, "group_made", &group.name, json!({})).await?;
                document(tx, group).await
            })
        })
        .await
    }

    /// Removes a group; what was shared with it ends.
    pub async fn remove_group(&self, name: &str, by: &str) -> Result<(), Error> {
        let (name, acting) = (name.to_owned(), self.acting_as(by));
        self.transact(move |tx| {
            Box::pin(async move {
                let group = named(tx, &name).await?;
                while let Some(share) = shares::for_group(tx, group.id).await?.first() {
                    revoke::end(tx, &acting, share, "ended_with_group").await?;
                }
                groups::remove(tx, group.id).await?;
                acting.note_other(tx, "group_removed", &group.name, json!({})).await
            })
        })
        .await?;
        self.announce();
        Ok(())
    }

    /// Makes a user a member, or ends the membership. [`Error::Share`] names the group or user that does not exist.
    pub async fn set_group_member(&self, group: &str, user: &str, is_member: bool, by: &str) -> Result<(), Error> {
        let (name, login, acting) = (group.to_owned(), user.to_owned(), self.acting_as(by));
        self.transact(move |tx| {
            Box::pin(async move {
                let group = named(tx, &name).await?;
                let user = accounts::by_name(tx, &login.replace('\0', "")).await?;
                let user = user.ok_or_else(|| ShareFault::NoSuchUser(login.clone()))?;
                let changed = match is_member {
                    true => groups::add_member(tx, group.id, user.id).await?,
                    false => groups::remove_member(tx, group.id, user.id).await?,
                };
                if !changed {
                    return Ok(());
                }
                for share in shares::for_group(tx, group.id).await? {
                    if is_member {
                        entries::show_to(tx, &acting, &share, user.id).await?;
                    } else {
                        entries::hide_from(tx, share.id, user.id, acting.now).await?;
                        revoke::end_passed_on(tx, &acting, share.id, user.id).await?;
                    }
                }
                let event = if is_member { "group_joined" } else { "group_left" };
                acting.note_other(tx, event, &group.name, json!({"user": user.name})).await
            })
        })
        .await?;
        self.announce();
        Ok(())
    }

    /// Every group with its members, by name.
    pub async fn groups(&self) -> Result<Vec<GroupDocument>, Error> {
        let mut db = self.store.read().await?;
        let mut found = Vec::new();
        for group in groups::all(&mut db).await? {
            found.push(document(&mut db, group).await?);
        }
        Ok(found)
    }

    /// The names of the groups the principal is in.
    pub async fn groups_of(&self, principal: &Principal) -> Result<Vec<String>, Error> {
        let found = groups::of_user(&mut *self.store.read().await?, principal.user).await?;
        Ok(found.into_iter().map(|group| group.name).collect())
    }
}

async fn named(db: &mut Connection, name: &str) -> Result<Group, Error> {
    let found = groups::by_name(db, &name.replace('\0', "")).await?;
    Ok(found.ok_or_else(|| ShareFault::NoSuchGroup(name.to_owned()))?)
}

async fn document(db: &mut Connection, group: Group) -> Result<GroupDocument, Error> {
    let members = groups::members(db, group.id).await?.into_iter().map(|user| user.name).collect();
    Ok(GroupDocument { name: group.name, display_name: group.display_name, members })
}
