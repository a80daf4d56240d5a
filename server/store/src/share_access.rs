//! What a share opens, and to whom: looked up at every use, so that what ended a moment ago opens nothing.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{GroupId, ItemId, Role, ShareId, SpaceId, Timestamp, UserId};

pub use stitchbox_schema::sharing::ShareKind;

/// A share, as far as it decides what may be done by it.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Id.
    pub id: ShareId,
    /// To whom.
    pub kind: ShareKind,
    /// The space the item was in when it was shared.
    pub space: SpaceId,
    /// What is shared.
    pub item: ItemId,
    /// Who gave it.
    pub grantor: UserId,
    /// The share through which it was given on; it ends with that one.
    pub parent: Option<ShareId>,
    /// The user it is for.
    pub user: Option<UserId>,
    /// The group it is for.
    pub group: Option<GroupId>,
    /// What may be done.
    pub role: Role,
    /// New files may be brought, and nothing be seen.
    pub upload_only: bool,
    /// It may be passed on.
    pub may_reshare: bool,
    /// What its grantor calls it.
    pub label: String,
    /// argon2id hash in PHC form.
    pub password_hash: Option<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Whether the owner of the personal space it opens is locked out.
    pub owner_disabled: bool,
    /// Who it is for at a peer, `name@host`.
    pub recipient: Option<String>,
}

/// The statement that reads shares, ended by a condition.
macro_rules! grants {
    ($condition:literal) => {
        concat!(
            "SELECT shares.*, users.disabled AS owner_disabled, federated_shares.recipient AS recipient
             FROM shares JOIN spaces ON spaces.id = shares.space_id
                         LEFT JOIN users ON users.id = spaces.owner_id
                         LEFT JOIN federated_shares ON federated_shares.share_id = shares.id ",
            $condition
        )
    };
}

fn grant(row: &AnyRow) -> Result<Grant, StoreError> {
    let id: i64 = row.try_get("id")?;
    let wrong = |column| StoreError::Inconsistent { table: "shares", column, row: id };
    let kind = row.try_get::<&str, _>("kind")?.parse().map_err(|_| wrong("kind"))?;
    let role = row.try_get::<&str, _>("role")?.parse().map_err(|_| wrong("role"))?;
    Ok(Grant {
        id: ShareId(id),
        kind,
        space: SpaceId(row.try_get("space_id")?),
        item: ItemId(row.try_get("item_id")?),
        grantor: UserId(row.try_get("grantor_id")?),
        parent: row.try_get::<Option<i64>, _>("parent_share_id")?.map(ShareId),
        user: row.try_get::<Option<i64>, _>("user_id")?.map(UserId),
        group: row.try_get::<Option<i64>, _>("group_id")?.map(GroupId),
        role,
        upload_only: row.try_get::<i64, _>("upload_only")? != 0,
        may_reshare: row.try_get::<i64, _>("may_reshare")? != 0,
        label: row.try_get("label")?,
        password_hash: row.try_get("password_hash")?,
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Timestamp),
        owner_disabled: row.try_get::<Option<i64>, _>("owner_disabled")?.is_some_and(|disabled| disabled != 0),
        recipient: row.try_get("recipient")?,
    })
}

/// The share with this id.
pub async fn by_id(db: &mut Connection, id: ShareId) -> Result<Option<Grant>, StoreError> {
    let row = sqlx::query(grants!("WHERE shares.id = $1")).bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(grant).transpose()
}

/// The link with this token.
pub async fn by_token(db: &mut Connection, token: &str) -> Result<Option<Grant>, StoreError> {
    let sql = grants!("WHERE shares.token = $1 AND shares.kind = 'link'");
    let row = sqlx::query(sql).bind(token).fetch_optional(db).await?;
    row.as_ref().map(grant).transpose()
}

/// What is known of a secret that somebody at a peer shows.
#[derive(Debug)]
pub struct Shown {
    /// The share; none if it was taken back.
    pub share: ShareId,
    /// Its id as the peer knows it.
    pub provider_id: String,
    /// SHA-256 of the secret, hexadecimal, as stored.
    pub hash: String,
    /// The secret itself opens nothing: it is to be exchanged for a token.
    pub must_exchange: bool,
}

/// The federated share whose secret has this SHA-256 (hexadecimal). The share itself may be gone.
pub async fn by_secret(db: &mut Connection, hash: &str) -> Result<Option<Shown>, StoreError> {
    let sql =
        "SELECT share_id, provider_id, secret_hash AS hash, must_exchange FROM federated_shares WHERE secret_hash = $1";
    shown(sqlx::query(sql).bind(hash).fetch_optional(db).await?.as_ref())
}

/// The federated share for which the token with this SHA-256 (hexadecimal) was given, if it holds at `now`.
pub async fn by_exchanged_token(db: &mut Connection, hash: &str, now: Timestamp) -> Result<Option<Shown>, StoreError> {
    let sql = "SELECT federated_shares.share_id, provider_id, token_hash AS hash, CAST(0 AS BIGINT) AS must_exchange
         FROM exchanged_tokens JOIN federated_shares ON federated_shares.share_id = exchanged_tokens.share_id
         WHERE token_hash = $1 AND exchanged_tokens.expires_at > $2";
    shown(sqlx::query(sql).bind(hash).bind(now.0).fetch_optional(db).await?.as_ref())
}

fn shown(row: Option<&AnyRow>) -> Result<Option<Shown>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Shown {
        share: ShareId(row.try_get("share_id")?),
        provider_id: row.try_get("provider_id")?,
        hash: row.try_get("hash")?,
        must_exchange: row.try_get::<i64, _>("must_exchange")? != 0,
    }))
}

/// Keeps in mind that the secrets of a share once opened something, so that who shows one later hears that it is gone,
/// not that it is wrong. To be called before the share's row is removed.
pub async fn remember_ended(
    tx: &mut Tx,
    id: ShareId,
    token_hash: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO ended_secrets (hash, ended_at)
         SELECT secret_hash, $2 FROM federated_shares WHERE share_id = $1 ON CONFLICT (hash) DO NOTHING",
    )
    .bind(id.0)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    if let Some(hash) = token_hash {
        sqlx::query("INSERT INTO ended_secrets (hash, ended_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING")
            .bind(hash)
            .bind(now.0)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Whether a token or secret with this SHA-256 (hexadecimal) once opened a share.
pub async fn has_ended(db: &mut Connection, hash: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT hash FROM ended_secrets WHERE hash = $1").bind(hash).fetch_optional(db).await?;
    Ok(row.is_some())
}

/// Whether a user is a member of a group.
pub async fn is_in_group(db: &mut Connection, group: GroupId, user: UserId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT user_id FROM group_members WHERE group_id = $1 AND user_id = $2")
        .bind(group.0)
        .bind(user.0)
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

/// The shares for a user, herself or by a group, of an item and of what lies above it: the innermost first.
pub async fn on_the_way_to(db: &mut Connection, item: ItemId, user: UserId) -> Result<Vec<ShareId>, StoreError> {
    let rows = sqlx::query(
        "WITH RECURSIVE up (id, parent_id, depth) AS (
             SELECT id, parent_id, CAST(0 AS BIGINT) FROM items WHERE id = $1
             UNION ALL
             SELECT items.id, items.parent_id, up.depth + 1 FROM items JOIN up ON items.id = up.parent_id)
         SELECT shares.id FROM up JOIN shares ON shares.item_id = up.id
         WHERE shares.user_id = $2
            OR shares.group_id IN (SELECT group_id FROM group_members WHERE user_id = $2)
         ORDER BY up.depth, shares.id",
    )
    .bind(item.0)
    .bind(user.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(ShareId(row.try_get(0)?))).collect()
}

/// To whom a folder and its children were given, by item; of shares that `grantor` made, if one is named.
pub async fn kinds_in(
    db: &mut Connection,
    folder: ItemId,
    grantor: Option<UserId>,
) -> Result<Vec<(ItemId, ShareKind)>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT shares.item_id, shares.kind FROM shares JOIN items ON items.id = shares.item_id
         WHERE (items.parent_id = $1 OR items.id = $1) AND ($2 = 0 OR shares.grantor_id = $2)
         ORDER BY shares.item_id, shares.kind",
    )
    .bind(folder.0)
    .bind(grantor.map_or(0, |user| user.0))
    .fetch_all(db)
    .await?;
    let kind = |row: &AnyRow| {
        let item: i64 = row.try_get(0)?;
        let wrong = StoreError::Inconsistent { table: "shares", column: "kind", row: item };
        Ok((ItemId(item), row.try_get::<&str, _>(1)?.parse().map_err(|_| wrong)?))
    };
    rows.iter().map(kind).collect()
}
