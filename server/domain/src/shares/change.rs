//! Changing a share: what it allows, until when, its words and its password.

use super::documents::document;
use super::grant::{end, rights_fit, role_on, texts_fit};
use super::rights::{Ceiling, authority};
use super::{Acting, ShareFault, entries, revoke};
use crate::{Domain, Error, Principal, Refusal};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use stitchbox_schema::sharing::{ShareDocument, ShareKind};
use stitchbox_schema::{Role, ShareId, Timestamp};
use stitchbox_store::shares::{self, Share};
use stitchbox_store::{Tx, items, shares_folder};

/// What is to change; what is `None` stays.
#[derive(Clone, Default)]
pub struct ShareChange {
    /// What may be done.
    pub role: Option<Role>,
    /// New files may be brought and nothing be seen.
    pub upload_only: Option<bool>,
    /// It may be passed on.
    pub may_reshare: Option<bool>,
    /// What the link asks for; `Some(None)` asks for nothing any more.
    pub password: Option<Option<String>>,
    /// Until when it opens anything; `Some(None)` lifts the end.
    pub expires_at: Option<Option<Timestamp>>,
    /// What the grantor calls it.
    pub label: Option<String>,
    /// What it says to the grantee.
    pub note: Option<String>,
}

/// Passwords stay out of logs.
impl std::fmt::Debug for ShareChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareChange").field("role", &self.role).finish_non_exhaustive()
    }
}

impl Domain {
    /// Changes a share. What was passed on of it never keeps more than it allows now. Errors as [`Domain::share`].
    pub async fn change_share(
        &self,
        principal: &Principal,
        id: ShareId,
        change: ShareChange,
    ) -> Result<ShareDocument, Error> {
        texts_fit(change.label.as_deref().unwrap_or_default(), change.note.as_deref().unwrap_or_default())?;
        let password_hash = match &change.password {
            Some(Some(password)) if !password.is_empty() => Some(Some(self.auth.passwords.hash(password).await?)),
            Some(_) => Some(None),
            None => None,
        };
        let (acting, principal) = (self.acting(principal), principal.clone());
        let changed = self
            .transact(move |tx| {
                Box::pin(async move {
                    let before = shares::by_id(tx, id).await?.ok_or(Error::NotFound)?;
                    let most = authority(tx, &principal, &before, acting.now).await?;
                    let after = changed(tx, &before, &change, password_hash, most, acting.now).await?;
                    write(tx, &acting, &before, &after).await?;
                    document(tx, &principal, &after, acting.now).await?.ok_or(Error::NotFound)
                })
            })
            .await?;
        self.announce();
        Ok(changed)
    }
}

async fn changed(
    tx: &mut Tx,
    before: &Share,
    change: &ShareChange,
    password_hash: Option<Option<String>>,
    most: Role,
    now: Timestamp,
) -> Result<Share, Error> {
    let item = items::by_id(tx, before.item).await?.ok_or(Error::NotFound)?;
    let mut after = before.clone();
    after.upload_only = change.upload_only.unwrap_or(before.upload_only);
    after.role = role_on(&item, change.role.unwrap_or(before.role));
    rights_fit(before.kind, after.role, after.upload_only, &item)?;
    if after.role > before.role && after.role > most {
        return Err(Refusal::RoleAboveOwn { asked: after.role, own: most }.into());
    }
    if before.kind != ShareKind::Link {
        after.may_reshare = change.may_reshare.unwrap_or(before.may_reshare);
    }
    if let Some(hash) = password_hash {
        if before.kind != ShareKind::Link && hash.is_some() {
            return Err(ShareFault::PasswordWithoutLink.into());
        }
        after.password_hash = hash;
    }
    if let Some(wish) = change.expires_at {
        after.expires_at = end(tx, wish, Ceiling { role: most, parent: before.parent }, now).await?;
    }
    if let Some(label) = &change.label {
        after.label.clone_from(label);
    }
    if let Some(note) = &change.note {
        after.note.clone_from(note);
    }
    Ok(after)
}

/// Writes the change, and caps what was passed on.
fn write<'a>(
    tx: &'a mut Tx,
    acting: &'a Acting,
    before: &'a Share,
    after: &'a Share,
) -> BoxFuture<'a, Result<(), Error>> {
    async move {
        shares::update(tx, after).await?;
        let details = json!({
            "role": after.role.as_str(),
            "upload_only": after.upload_only,
            "may_reshare": after.may_reshare,
            "password": after.password_hash.is_some(),
            "password_changed": after.password_hash != before.password_hash,
            "expires_at": after.expires_at,
            "label": after.label,
        });
        acting.note(tx, "changed", after, details).await?;
        let passes_on = after.may_reshare || after.role == Role::Manager;
        for child in shares::made_through(tx, after.id).await? {
            if !passes_on {
                revoke::end(tx, acting, &child, "ended_with_parent").await?;
                continue;
            }
            let mut capped = child.clone();
            capped.role = child.role.min(after.role);
            capped.upload_only = child.upload_only && after.role >= Role::Contributor;
            capped.expires_at = match (child.expires_at, after.expires_at) {
                (Some(own), Some(latest)) => Some(own.min(latest)),
                (own, latest) => own.or(latest),
            };
            // A file drop without the right to drop would otherwise show what it hid.
            if child.upload_only && !capped.upload_only {
                revoke::end(tx, acting, &child, "ended_with_parent").await?;
            } else if capped.role != child.role || capped.expires_at != child.expires_at {
                write(tx, acting, &child, &capped).await?;
            }
        }
        for user in shares_folder::users_of_share(tx, after.id).await? {
            entries::touch_files(tx, user, acting.now).await?;
        }
        Ok(())
    }
    .boxed()
}
