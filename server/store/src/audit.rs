//! Who gave, used and took back access: rows that outlive what they speak of.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{ItemId, ShareId, SpaceId, Timestamp, UserId};

/// A row of the audit.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Grows with time.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What happened, one word.
    pub event: String,
    /// Who did it, as the name was then.
    pub actor: String,
    /// The local user who did it.
    pub user: Option<UserId>,
    /// The share.
    pub share: Option<ShareId>,
    /// The space of the item.
    pub space: Option<SpaceId>,
    /// The item.
    pub item: Option<ItemId>,
    /// What it was done to, as it was called then: a path, a group.
    pub subject: String,
    /// The address it came from; empty if it came from none.
    pub client: String,
    /// More, as JSON without secrets.
    pub details: String,
}

/// Which rows to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Of this item alone.
    pub item: Option<ItemId>,
    /// Of this share alone.
    pub share: Option<ShareId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// With an id below this: the next page.
    pub before: Option<i64>,
    /// Of what this person did, or of items in spaces this person manages, or of shares this person made.
    pub of_user: Option<UserId>,
    /// At most so many.
    pub limit: i64,
}

fn audit_row(row: &AnyRow) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: row.try_get("id")?,
        at: Timestamp(row.try_get("at")?),
        event: row.try_get("event")?,
        actor: row.try_get("actor")?,
        user: row.try_get::<Option<i64>, _>("user_id")?.map(UserId),
        share: row.try_get::<Option<i64>, _>("share_id")?.map(ShareId),
        space: row.try_get::<Option<i64>, _>("space_id")?.map(SpaceId),
        item: row.try_get::<Option<i64>, _>("item_id")?.map(ItemId),
        subject: row.try_get("subject")?,
        client: row.try_get("client")?,
        details: row.try_get("details")?,
    })
}

/// Writes a row.
pub async fn insert(tx: &mut Tx, row: &AuditRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (id, at, event, actor, user_id, share_id, space_id, item_id, subject, client, details)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(row.id)
    .bind(row.at.0)
    .bind(&row.event)
    .bind(&row.actor)
    .bind(row.user.map(|user| user.0))
    .bind(row.share.map(|share| share.0))
    .bind(row.space.map(|space| space.0))
    .bind(row.item.map(|item| item.0))
    .bind(&row.subject)
    .bind(&row.client)
    .bind(&row.details)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The rows that are wanted, newest first.
pub async fn page(db: &mut Connection, wanted: &Wanted) -> Result<Vec<AuditRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM audit
         WHERE ($1 IS NULL OR item_id = $1) AND ($2 IS NULL OR share_id = $2) AND ($3 IS NULL OR at >= $3)
           AND ($4 IS NULL OR id < $4)
           AND ($5 IS NULL OR user_id = $5
                OR space_id IN (SELECT space_id FROM members WHERE user_id = $5 AND role = 'manager')
                OR share_id IN (SELECT id FROM shares WHERE grantor_id = $5))
         ORDER BY id DESC LIMIT $6",
    )
    .bind(wanted.item.map(|item| item.0))
    .bind(wanted.share.map(|share| share.0))
    .bind(wanted.since.map(|since| since.0))
    .bind(wanted.before)
    .bind(wanted.of_user.map(|user| user.0))
    .bind(wanted.limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(audit_row).collect()
}
