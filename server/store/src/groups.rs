//! Groups of users.

use crate::accounts::User;
use crate::{Connection, StoreError, Tx, accounts};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{GroupId, Timestamp, UserId};

/// A group as stored.
#[derive(Debug, Clone)]
pub struct Group {
    /// Id.
    pub id: GroupId,
    /// Its name, unique.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

fn group(row: &AnyRow) -> Result<Group, StoreError> {
    Ok(Group {
        id: GroupId(row.try_get("id")?),
        name: row.try_get("name")?,
        display_name: row.try_get("display_name")?,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Makes a group; [`StoreError::Conflict`] if the name is taken.
pub async fn insert(tx: &mut Tx, new: &Group) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO user_groups (id, name, display_name, created_at) VALUES ($1, $2, $3, $4)")
        .bind(new.id.0)
        .bind(&new.name)
        .bind(&new.display_name)
        .bind(new.created_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The group with this id.
pub async fn by_id(db: &mut Connection, id: GroupId) -> Result<Option<Group>, StoreError> {
    let row = sqlx::query("SELECT * FROM user_groups WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(group).transpose()
}

/// The group with this name.
pub async fn by_name(db: &mut Connection, name: &str) -> Result<Option<Group>, StoreError> {
    let row = sqlx::query("SELECT * FROM user_groups WHERE name = $1").bind(name).fetch_optional(db).await?;
    row.as_ref().map(group).transpose()
}

/// Every group, by name.
pub async fn all(db: &mut Connection) -> Result<Vec<Group>, StoreError> {
    let rows = sqlx::query("SELECT * FROM user_groups ORDER BY name").fetch_all(db).await?;
    rows.iter().map(group).collect()
}

/// The groups of a user, by name.
pub async fn of_user(db: &mut Connection, user: UserId) -> Result<Vec<Group>, StoreError> {
    let rows = sqlx::query(
        "SELECT user_groups.* FROM user_groups JOIN group_members ON group_members.group_id = user_groups.id
         WHERE group_members.user_id = $1 ORDER BY user_groups.name",
    )
    .bind(user.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(group).collect()
}

/// The members of a group, by login name.
pub async fn members(db: &mut Connection, id: GroupId) -> Result<Vec<User>, StoreError> {
    let rows = sqlx::query(
        "SELECT users.* FROM users JOIN group_members ON group_members.user_id = users.id
         WHERE group_members.group_id = $1 ORDER BY users.name",
    )
    .bind(id.0)
    .fetch_all(db)
    .await?;
    rows.iter().map(accounts::user).collect()
}

/// Makes a user a member; whether the user was none before.
pub async fn add_member(tx: &mut Tx, id: GroupId, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO group_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT (group_id, user_id) DO NOTHING",
    )
    .bind(id.0)
    .bind(user.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a membership; whether there was one.
pub async fn remove_member(tx: &mut Tx, id: GroupId, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM group_members WHERE group_id = $1 AND user_id = $2")
        .bind(id.0)
        .bind(user.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes a group with its memberships; what is shared with it must be gone.
pub async fn remove(tx: &mut Tx, id: GroupId) -> Result<(), StoreError> {
    for sql in ["DELETE FROM group_members WHERE group_id = $1", "DELETE FROM user_groups WHERE id = $1"] {
        sqlx::query(sql).bind(id.0).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Up to `limit` groups whose name or name for people holds the text, whatever its case; those that are called so first.
pub async fn search(db: &mut Connection, text: &str, limit: i64, offset: i64) -> Result<Vec<Group>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM user_groups WHERE LOWER(name) LIKE $1 ESCAPE '!' OR LOWER(display_name) LIKE $1 ESCAPE '!'
         ORDER BY CASE WHEN LOWER(name) = $2 THEN 0 ELSE 1 END, name LIMIT $3 OFFSET $4",
    )
    .bind(crate::accounts::pattern(text))
    .bind(text.to_lowercase())
    .bind(limit)
    .bind(offset)
    .fetch_all(db)
    .await?;
    rows.iter().map(group).collect()
}
