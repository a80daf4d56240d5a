//! Ending access: by who gave it, by who got it, and where its reason is gone.

use super::documents::is_for;
use super::rights::authority;
use super::{Acting, entries};
use crate::auth::secret_hash;
use crate::federation::withdraw;
use crate::{Domain, Error, Principal};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use stitchbox_schema::{ItemId, ShareId, SpaceId, UserId};
use stitchbox_store::shares::{self, Share};
use stitchbox_store::{Tx, items, share_access, shares_folder};

impl Domain {
    /// Ends a share and every share made through it, at once. [`Error::NotFound`] for who may not decide about it.
    pub async fn revoke_share(&self, principal: &Principal, id: ShareId) -> Result<(), Error> {
        let (acting, principal) = (self.acting(principal), principal.clone());
        self.transact(move |tx| {
            Box::pin(async move {
                let share = shares::by_id(tx, id).await?.ok_or(Error::NotFound)?;
                authority(tx, &principal, &share, acting.now).await?;
                end(tx, &acting, &share, "revoked").await
            })
        })
        .await?;
        self.announce();
        self.wake_outbox();
        Ok(())
    }

    /// Takes a share out of one's own folder `Shares`; it stays for others. [`Error::NotFound`] if there is none.
    pub async fn leave_share(&self, principal: &Principal, id: ShareId) -> Result<(), Error> {
        self.set_share_hidden(principal, id, true).await
    }

    /// Shows a share again that was left. [`Error::NotFound`] if there is none.
    pub async fn take_up_share(&self, principal: &Principal, id: ShareId) -> Result<(), Error> {
        self.set_share_hidden(principal, id, false).await
    }

    async fn set_share_hidden(&self, principal: &Principal, id: ShareId, hidden: bool) -> Result<(), Error> {
        let scope = principal.scope;
        if scope.share.is_some() || scope.create_only || scope.space.is_some() {
            return Err(Error::NotFound);
        }
        let (acting, user) = (self.acting(principal), principal.user);
        self.transact(move |tx| {
            Box::pin(async move {
                let share = shares::by_id(tx, id).await?.ok_or(Error::NotFound)?;
                if !is_for(tx, user, &share).await? || !shares_folder::set_hidden(tx, id, user, hidden).await? {
                    return Err(Error::NotFound);
                }
                entries::touch_files(tx, user, acting.now).await?;
                acting.note(tx, if hidden { "left" } else { "taken_up" }, &share, json!({})).await
            })
        })
        .await?;
        self.announce();
        Ok(())
    }
}

/// Ends a share with all that was made through it; `event` is the word in the audit.
pub(super) fn end<'a>(
    tx: &'a mut Tx,
    acting: &'a Acting,
    share: &'a Share,
    event: &'a str,
) -> BoxFuture<'a, Result<(), Error>> {
    async move {
        for child in shares::made_through(tx, share.id).await? {
            end(tx, acting, &child, "ended_with_parent").await?;
        }
        entries::hide_from_all(tx, share.id, acting.now).await?;
        acting.note(tx, event, share, json!({"kind": share.kind.as_str(), "label": share.label})).await?;
        // Who shows the secret later hears that the share is gone, not that the secret is wrong.
        let token_hash = share.token.as_deref().map(secret_hash);
        share_access::remember_ended(tx, share.id, token_hash.as_deref(), acting.now).await?;
        withdraw(tx, &acting.postbox(), share.id).await?;
        shares::remove(tx, share.id).await?;
        Ok(())
    }
    .boxed()
}

/// Ends every share of an item that is about to be removed for good; not of a folder that stays because something is in it.
pub(crate) async fn end_shares_of_item(tx: &mut Tx, acting: &Acting, item: ItemId) -> Result<(), Error> {
    if shares::of_item(tx, item).await?.is_empty() || !items::children_page(tx, item, None, 1).await?.is_empty() {
        return Ok(());
    }
    // One by one: the end of one may end another of the list.
    while let Some(share) = shares::of_item(tx, item).await?.first() {
        end(tx, acting, share, "ended_with_item").await?;
    }
    Ok(())
}

/// Ends a share because a peer says so.
pub(crate) async fn end_with_peer(tx: &mut Tx, acting: &Acting, id: ShareId) -> Result<(), Error> {
    match shares::by_id(tx, id).await? {
        Some(share) => end(tx, acting, &share, "ended_by_peer").await,
        None => Ok(()),
    }
}

/// Ends what somebody gave as a member of a space, because the membership, or the right to give, ended.
pub(crate) async fn end_made_by(tx: &mut Tx, acting: &Acting, space: SpaceId, grantor: UserId) -> Result<(), Error> {
    for share in shares::by_grantor(tx, grantor).await? {
        if share.space == space && share.parent.is_none() {
            end(tx, acting, &share, "ended_with_membership").await?;
        }
    }
    Ok(())
}

/// Ends what somebody passed on of a share that is no longer theirs.
pub(super) async fn end_passed_on(tx: &mut Tx, acting: &Acting, share: ShareId, by: UserId) -> Result<(), Error> {
    for child in shares::made_through(tx, share).await? {
        if child.grantor == by {
            end(tx, acting, &child, "ended_with_parent").await?;
        }
    }
    Ok(())
}
