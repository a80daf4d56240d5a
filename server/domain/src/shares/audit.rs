//! The record of who gave, changed and took back access. A row is written in the transaction of what it tells.

use crate::federation::Postbox;
use crate::seal::Seal;
use crate::{Domain, Error, Ids, Principal};
use std::sync::Arc;
use stitchbox_schema::sharing::AuditDocument;
use stitchbox_schema::{ItemId, ShareId, Timestamp, UserId};
use stitchbox_store::audit::{self, AuditRow, Wanted};
use stitchbox_store::shares::Share;
use stitchbox_store::{Connection, Tx, items};

/// Most rows given at once.
const MOST: i64 = 1000;

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery {
    /// Of this item alone.
    pub item: Option<ItemId>,
    /// Of this share alone.
    pub share: Option<ShareId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Older than the row with this id: the next page.
    pub before: Option<i64>,
    /// At most so many; never more than 1000.
    pub limit: Option<i64>,
}

/// Who does something to access, and when.
#[derive(Debug, Clone)]
pub(crate) struct Acting {
    pub ids: Arc<Ids>,
    pub now: Timestamp,
    /// None for the administrator at the machine, and for the program itself.
    pub user: Option<UserId>,
    pub name: String,
    seal: Arc<Seal>,
}

impl Acting {
    /// For what must be said to peers about it.
    pub(crate) fn postbox(&self) -> Postbox {
        Postbox { ids: self.ids.clone(), seal: self.seal.clone(), now: self.now }
    }

    /// Writes what happened to a share.
    pub(crate) async fn note(
        &self,
        tx: &mut Tx,
        event: &str,
        share: &Share,
        details: serde_json::Value,
    ) -> Result<(), Error> {
        let (names, _) = items::path(tx, share.item).await?;
        let row = AuditRow {
            share: Some(share.id),
            space: Some(share.space),
            item: Some(share.item),
            ..self.row(event, format!("/{}", names.join("/")), details)
        };
        Ok(audit::insert(tx, &row).await?)
    }

    /// Writes what happened to something else than a share, such as a group.
    pub(crate) async fn note_other(
        &self,
        tx: &mut Tx,
        event: &str,
        subject: &str,
        details: serde_json::Value,
    ) -> Result<(), Error> {
        Ok(audit::insert(tx, &self.row(event, subject.to_owned(), details)).await?)
    }

    fn row(&self, event: &str, subject: String, details: serde_json::Value) -> AuditRow {
        AuditRow {
            id: self.ids.next(self.now),
            at: self.now,
            event: event.to_owned(),
            actor: self.name.clone(),
            user: self.user,
            share: None,
            space: None,
            item: None,
            subject,
            client: String::new(),
            details: details.to_string(),
        }
    }
}

impl Domain {
    /// The principal, acting now.
    pub(crate) fn acting(&self, principal: &Principal) -> Acting {
        let user = principal.scope.share.is_none().then_some(principal.user);
        Acting { ids: self.ids.clone(), now: self.now(), user, name: principal.name.clone(), seal: self.seal.clone() }
    }

    /// The administrator at the machine, or the program itself, acting now.
    pub(crate) fn acting_as(&self, name: &str) -> Acting {
        Acting { ids: self.ids.clone(), now: self.now(), user: None, name: name.to_owned(), seal: self.seal.clone() }
    }

    /// What happened to access, newest first: for an administrator everything, for others what they did, what happened in
    /// spaces they manage and to shares they made.
    pub async fn audit(&self, principal: &Principal, query: AuditQuery) -> Result<Vec<AuditDocument>, Error> {
        if principal.scope.create_only || principal.scope.share.is_some() {
            return Err(Error::NotFound);
        }
        let of_user = (!principal.is_admin).then_some(principal.user);
        audit_page(&mut *self.store.read().await?, query, of_user).await
    }

    /// The same without anybody asking: for who has the data folder.
    pub async fn whole_audit(&self, query: AuditQuery) -> Result<Vec<AuditDocument>, Error> {
        audit_page(&mut *self.store.read().await?, query, None).await
    }
}

async fn audit_page(
    db: &mut Connection,
    query: AuditQuery,
    of_user: Option<UserId>,
) -> Result<Vec<AuditDocument>, Error> {
    let wanted = Wanted {
        item: query.item,
        share: query.share,
        since: query.since,
        before: query.before,
        of_user,
        limit: query.limit.unwrap_or(MOST).clamp(1, MOST),
    };
    let document = |row: AuditRow| AuditDocument {
        id: row.id.to_string(),
        at: row.at,
        event: row.event,
        actor: row.actor,
        user: row.user,
        share: row.share,
        space: row.space,
        item: row.item,
        subject: row.subject,
        client: row.client,
        details: serde_json::from_str(&row.details).unwrap_or_default(),
    };
    Ok(audit::page(db, &wanted).await?.into_iter().map(document).collect())
}
