//! Spaces and their members.

use crate::accounts::{self, User};
use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{ItemId, Role, SpaceId, SpaceKind, Timestamp, UserId};

/// A space as stored.
#[derive(Debug, Clone)]
pub struct Space {
    /// Id.
    pub id: SpaceId,
    /// Name, unique within its kind.
    pub name: String,
    /// Personal or project.
    pub kind: SpaceKind,
    /// Whose personal space it is.
    pub owner: Option<UserId>,
    /// Root of its tree.
    pub root: ItemId,
    /// Most bytes it may hold.
    pub quota: Option<i64>,
    /// Recipe for folders without one of their own.
    pub default_recipe: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

fn space(row: &AnyRow) -> Result<Space, StoreError> {
    let id: i64 = row.try_get("id")?;
    let kind = row.try_get::<&str, _>("kind")?.parse().map_err(|_| StoreError::Inconsistent {
        table: "spaces",
        column: "kind",
        row: id,
    })?;
    Ok(Space {
        id: SpaceId(id),
        name: row.try_get("name")?,
        kind,
        owner: row.try_get::<Option<i64>, _>("owner_id")?.map(UserId),
        root: ItemId(row.try_get("root_item_id")?),
        quota: row.try_get("quota_bytes")?,
        default_recipe: row.try_get("default_recipe")?,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Makes a space; its root item is made by the caller.
pub async fn insert(tx: &mut Tx, space: &Space) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO spaces (id, name, kind, owner_id, root_item_id, quota_bytes, default_recipe, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(space.id.0)
    .bind(&space.name)
    .bind(space.kind.as_str())
    .bind(space.owner.map(|user| user.0))
    .bind(space.root.0)
    .bind(space.quota)
    .bind(space.default_recipe.as_deref())
    .bind(space.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The space with this id.
pub async fn by_id(db: &mut Connection, id: SpaceId) -> Result<Option<Space>, StoreError> {
    let row = sqlx::query("SELECT * FROM spaces WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(space).transpose()
}

/// The space of this kind with this name.
pub async fn by_name(db: &mut Connection, kind: SpaceKind, name: &str) -> Result<Option<Space>, StoreError> {
    let row = sqlx::query("SELECT * FROM spaces WHERE kind = $1 AND name = $2")
        .bind(kind.as_str())
        .bind(name)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(space).transpose()
}

/// The personal space of a user.
pub async fn personal_of(db: &mut Connection, user: UserId) -> Result<Option<Space>, StoreError> {
    let row = sqlx::query("SELECT * FROM spaces WHERE kind = 'personal' AND owner_id = $1")
        .bind(user.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(space).transpose()
}

/// The members of a space with their roles, by login name.
pub async fn members(db: &mut Connection, id: SpaceId) -> Result<Vec<(User, Role)>, StoreError> {
    let rows = sqlx::query(
        "SELECT users.*, members.role AS member_role FROM members JOIN users ON users.id = members.user_id
         WHERE members.space_id = $1 ORDER BY users.name",
    )
    .bind(id.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((accounts::user(row)?, role(row, "member_role")?))).collect()
}

/// Every space a user is a member of, with the role, by kind and name.
pub async fn of_user(db: &mut Connection, user: UserId) -> Result<Vec<(Space, Role)>, StoreError> {
    let rows = sqlx::query(
        "SELECT spaces.*, members.role AS member_role FROM spaces JOIN members ON members.space_id = spaces.id
         WHERE members.user_id = $1 ORDER BY spaces.kind, spaces.name",
    )
    .bind(user.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((space(row)?, role(row, "member_role")?))).collect()
}

/// A space with the role somebody has in it; `None` for a stranger.
pub async fn of_member(db: &mut Connection, id: SpaceId, user: UserId) -> Result<Option<(Space, Role)>, StoreError> {
    let row = sqlx::query(
        "SELECT spaces.*, members.role AS member_role FROM members JOIN spaces ON spaces.id = members.space_id
         WHERE members.space_id = $1 AND members.user_id = $2",
    )
    .bind(id.0)
    .bind(user.0)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(|row| Ok((space(row)?, role(row, "member_role")?))).transpose()
}

/// Every space, by name.
pub async fn all(db: &mut Connection) -> Result<Vec<Space>, StoreError> {
    let rows = sqlx::query("SELECT * FROM spaces ORDER BY kind, name").fetch_all(db).await?;
    rows.iter().map(space).collect()
}

fn role(row: &AnyRow, column: &'static str) -> Result<Role, StoreError> {
    row.try_get::<&str, _>(column)?.parse().map_err(|_| StoreError::Inconsistent {
        table: "members",
        column: "role",
        row: 0,
    })
}

/// The role of a user in a space.
pub async fn role_of(db: &mut Connection, id: SpaceId, user: UserId) -> Result<Option<Role>, StoreError> {
    let row = sqlx::query("SELECT role FROM members WHERE space_id = $1 AND user_id = $2")
        .bind(id.0)
        .bind(user.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(|row| role(row, "role")).transpose()
}

/// Makes a user a member, or changes the role.
pub async fn set_member(tx: &mut Tx, id: SpaceId, user: UserId, role: Role) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO members (space_id, user_id, role) VALUES ($1, $2, $3)
         ON CONFLICT (space_id, user_id) DO UPDATE SET role = excluded.role",
    )
    .bind(id.0)
    .bind(user.0)
    .bind(role.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a membership; whether there was one.
pub async fn remove_member(tx: &mut Tx, id: SpaceId, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM members WHERE space_id = $1 AND user_id = $2")
        .bind(id.0)
        .bind(user.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Changes the quota.
pub async fn set_quota(tx: &mut Tx, id: SpaceId, quota: Option<i64>) -> Result<(), StoreError> {
    sqlx::query("UPDATE spaces SET quota_bytes = $2 WHERE id = $1").bind(id.0).bind(quota).execute(&mut **tx).await?;
    Ok(())
}
