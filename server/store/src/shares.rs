//! Shares: access given on an item.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::sharing::ShareKind;
use stitchbox_schema::{GroupId, ItemId, Role, ShareId, SpaceId, Timestamp, UserId};

/// A share as stored.
#[derive(Debug, Clone)]
pub struct Share {
    /// Id.
    pub id: ShareId,
    /// To whom it gives access.
    pub kind: ShareKind,
    /// The space the item was in when it was shared: elsewhere the share opens nothing.
    pub space: SpaceId,
    /// What is shared, with everything below.
    pub item: ItemId,
    /// Who made it.
    pub grantor: UserId,
    /// The share through which it was made, and with which it ends.
    pub parent: Option<ShareId>,
    /// The user it is for.
    pub user: Option<UserId>,
    /// The group it is for.
    pub group: Option<GroupId>,
    /// What may be done.
    pub role: Role,
    /// New files may be brought and nothing be seen.
    pub upload_only: bool,
    /// It may be passed on.
    pub may_reshare: bool,
    /// What it is called by who made it.
    pub label: String,
    /// What it says to who gets it.
    pub note: String,
    /// The secret in the address of a link.
    pub token: Option<String>,
    /// argon2id hash of a link's password, PHC form.
    pub password_hash: Option<String>,
    /// Until when it opens anything.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is known of a federated share beside the share.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// `name@host`.
    pub recipient: String,
    /// Whether the recipient is a group.
    pub is_group: bool,
    /// pending, sent, accepted, declined, refused.
    pub state: String,
    /// What the peer said last.
    pub answer: Option<String>,
}

fn share(row: &AnyRow) -> Result<Share, StoreError> {
    let id: i64 = row.try_get("id")?;
    let unknown = |column| StoreError::Inconsistent { table: "shares", column, row: id };
    Ok(Share {
        id: ShareId(id),
        kind: row.try_get::<&str, _>("kind")?.parse().map_err(|_| unknown("kind"))?,
        space: SpaceId(row.try_get("space_id")?),
        item: ItemId(row.try_get("item_id")?),
        grantor: UserId(row.try_get("grantor_id")?),
        parent: row.try_get::<Option<i64>, _>("parent_share_id")?.map(ShareId),
        user: row.try_get::<Option<i64>, _>("user_id")?.map(UserId),
        group: row.try_get::<Option<i64>, _>("group_id")?.map(GroupId),
        role: row.try_get::<&str, _>("role")?.parse().map_err(|_| unknown("role"))?,
        upload_only: row.try_get::<i64, _>("upload_only")? != 0,
        may_reshare: row.try_get::<i64, _>("may_reshare")? != 0,
        label: row.try_get("label")?,
        note: row.try_get("note")?,
        token: row.try_get("token")?,
        password_hash: row.try_get("password_hash")?,
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Timestamp),
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

fn shares(rows: &[AnyRow]) -> Result<Vec<Share>, StoreError> {
    rows.iter().map(share).collect()
}

/// Makes a share; [`StoreError::Conflict`] if its token is taken.
pub async fn insert(tx: &mut Tx, new: &Share) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO shares (id, kind, space_id, item_id, grantor_id, parent_share_id, user_id, group_id, role,
                             upload_only, may_reshare, label, note, token, password_hash, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind(new.id.0)
    .bind(new.kind.as_str())
    .bind(new.space.0)
    .bind(new.item.0)
    .bind(new.grantor.0)
    .bind(new.parent.map(|parent| parent.0))
    .bind(new.user.map(|user| user.0))
    .bind(new.group.map(|group| group.0))
    .bind(new.role.as_str())
    .bind(i64::from(new.upload_only))
    .bind(i64::from(new.may_reshare))
    .bind(&new.label)
    .bind(&new.note)
    .bind(new.token.as_deref())
    .bind(new.password_hash.as_deref())
    .bind(new.expires_at.map(|at| at.0))
    .bind(new.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The share with this id.
pub async fn by_id(db: &mut Connection, id: ShareId) -> Result<Option<Share>, StoreError> {
    let row = sqlx::query("SELECT * FROM shares WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(share).transpose()
}

/// The link with this token.
pub async fn by_token(db: &mut Connection, token: &str) -> Result<Option<Share>, StoreError> {
    let row = sqlx::query("SELECT * FROM shares WHERE token = $1").bind(token).fetch_optional(db).await?;
    row.as_ref().map(share).transpose()
}

/// The shares of an item, oldest first.
pub async fn of_item(db: &mut Connection, item: ItemId) -> Result<Vec<Share>, StoreError> {
    let rows = sqlx::query("SELECT * FROM shares WHERE item_id = $1 ORDER BY id").bind(item.0).fetch_all(db).await?;
    shares(&rows)
}

/// The shares of the folders above an item in its space, oldest first.
pub async fn above_item(db: &mut Connection, space: SpaceId, item: ItemId) -> Result<Vec<Share>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE up (id, parent_id) AS (
             SELECT id, parent_id FROM items WHERE id = $2
             UNION
             SELECT items.id, items.parent_id FROM items JOIN up ON items.id = up.parent_id)
         SELECT shares.* FROM shares WHERE space_id = $1 AND item_id IN (SELECT id FROM up) AND item_id <> $2
         ORDER BY shares.id",
    )
    .bind(space.0)
    .bind(item.0)
    .fetch_all(db)
    .await?;
    shares(&rows)
}

/// The shares of what lies below a folder, oldest first: looked for from the shares upwards, which are fewer.
pub async fn below_item(db: &mut Connection, space: SpaceId, item: ItemId) -> Result<Vec<Share>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE up (share_id, id, parent_id) AS (
             SELECT shares.id, items.id, items.parent_id FROM shares JOIN items ON items.id = shares.item_id
             WHERE shares.space_id = $1 AND shares.item_id <> $2
             UNION
             SELECT up.share_id, items.id, items.parent_id FROM items JOIN up ON items.id = up.parent_id)
         SELECT shares.* FROM shares WHERE id IN (SELECT share_id FROM up WHERE up.id = $2) ORDER BY shares.id",
    )
    .bind(space.0)
    .bind(item.0)
    .fetch_all(db)
    .await?;
    shares(&rows)
}

/// What somebody shares, oldest first.
pub async fn by_grantor(db: &mut Connection, grantor: UserId) -> Result<Vec<Share>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM shares WHERE grantor_id = $1 ORDER BY id").bind(grantor.0).fetch_all(db).await?;
    shares(&rows)
}

/// What is shared with a user, by name or through a group of theirs, oldest first.
pub async fn for_user(db: &mut Connection, user: UserId) -> Result<Vec<Share>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM shares
         WHERE user_id = $1 OR group_id IN (SELECT group_id FROM group_members WHERE user_id = $1) ORDER BY id",
    )
    .bind(user.0)
    .fetch_all(db)
    .await?;
    shares(&rows)
}

/// What is shared with a group, oldest first.
pub async fn for_group(db: &mut Connection, group: GroupId) -> Result<Vec<Share>, StoreError> {
    let rows = sqlx::query("SELECT * FROM shares WHERE group_id = $1 ORDER BY id").bind(group.0).fetch_all(db).await?;
    shares(&rows)
}

/// The shares made through a share.
pub async fn made_through(db: &mut Connection, parent: ShareId) -> Result<Vec<Share>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM shares WHERE parent_share_id = $1 ORDER BY id").bind(parent.0).fetch_all(db).await?;
    shares(&rows)
}

/// The items of a tree that are shared, at most `limit` shares.
pub async fn within_tree(db: &mut Connection, top: ItemId, limit: i64) -> Result<Vec<Share>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id)
         SELECT shares.* FROM shares JOIN down ON shares.item_id = down.id ORDER BY shares.id LIMIT $2",
    )
    .bind(top.0)
    .bind(limit)
    .fetch_all(db)
    .await?;
    shares(&rows)
}

/// Writes what of a share may change: role, rights, words, password and expiry.
pub async fn update(tx: &mut Tx, changed: &Share) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE shares SET role = $2, upload_only = $3, may_reshare = $4, label = $5, note = $6, password_hash = $7,
                           expires_at = $8
         WHERE id = $1",
    )
    .bind(changed.id.0)
    .bind(changed.role.as_str())
    .bind(i64::from(changed.upload_only))
    .bind(i64::from(changed.may_reshare))
    .bind(&changed.label)
    .bind(&changed.note)
    .bind(changed.password_hash.as_deref())
    .bind(changed.expires_at.map(|at| at.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes a share; its entries in folders and what hangs on it elsewhere are the caller's.
pub async fn remove(tx: &mut Tx, id: ShareId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM shares WHERE id = $1").bind(id.0).execute(&mut **tx).await?;
    Ok(())
}

/// What is known of a federated share.
pub async fn outgoing(db: &mut Connection, id: ShareId) -> Result<Option<Outgoing>, StoreError> {
    let row = sqlx::query("SELECT recipient, is_group, state, answer FROM federated_shares WHERE share_id = $1")
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    let outgoing = |row: AnyRow| {
        Ok(Outgoing {
            recipient: row.try_get("recipient")?,
            is_group: row.try_get::<i64, _>("is_group")? != 0,
            state: row.try_get("state")?,
            answer: row.try_get("answer")?,
        })
    };
    row.map(outgoing).transpose()
}
