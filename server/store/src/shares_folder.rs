//! What a user sees in the folder `Shares`: shares of this installation, and spaces received from peers.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{ShareId, SpaceId, Timestamp, UserId};

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharesEntry {
    /// Whose folder.
    pub user: UserId,
    /// Its name there, unique.
    pub name: String,
    /// The share it shows.
    pub share: Option<ShareId>,
    /// Or the received space it shows.
    pub space: Option<SpaceId>,
    /// The user does not want to see it.
    pub hidden: bool,
    /// Since when it is there.
    pub created_at: Timestamp,
}

fn entry(row: &AnyRow) -> Result<SharesEntry, StoreError> {
    Ok(SharesEntry {
        user: UserId(row.try_get("user_id")?),
        name: row.try_get("name")?,
        share: row.try_get::<Option<i64>, _>("share_id")?.map(ShareId),
        space: row.try_get::<Option<i64>, _>("space_id")?.map(SpaceId),
        hidden: row.try_get::<i64, _>("hidden")? != 0,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Makes an entry; [`StoreError::Conflict`] if the name is taken.
pub async fn insert(tx: &mut Tx, new: &SharesEntry) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO shares_folder (user_id, name, share_id, space_id, hidden, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.user.0)
    .bind(&new.name)
    .bind(new.share.map(|share| share.0))
    .bind(new.space.map(|space| space.0))
    .bind(i64::from(new.hidden))
    .bind(new.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether a name is taken, by a hidden entry too.
pub async fn is_taken(db: &mut Connection, user: UserId, name: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT name FROM shares_folder WHERE user_id = $1 AND name = $2").bind(user.0).bind(name);
    Ok(row.fetch_optional(db).await?.is_some())
}

/// All entries of a user, by name; hidden ones too.
pub async fn of_user(db: &mut Connection, user: UserId) -> Result<Vec<SharesEntry>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM shares_folder WHERE user_id = $1 ORDER BY name").bind(user.0).fetch_all(db).await?;
    rows.iter().map(entry).collect()
}

/// The entry by which a user sees a share.
pub async fn of_share(db: &mut Connection, share: ShareId, user: UserId) -> Result<Option<SharesEntry>, StoreError> {
    let row = sqlx::query("SELECT * FROM shares_folder WHERE share_id = $1 AND user_id = $2")
        .bind(share.0)
        .bind(user.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(entry).transpose()
}

/// The entry by which a user sees a received space.
pub async fn of_space(db: &mut Connection, space: SpaceId, user: UserId) -> Result<Option<SharesEntry>, StoreError> {
    let row = sqlx::query("SELECT * FROM shares_folder WHERE space_id = $1 AND user_id = $2")
        .bind(space.0)
        .bind(user.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(entry).transpose()
}

/// Everybody who has an entry for a share.
pub async fn users_of_share(db: &mut Connection, share: ShareId) -> Result<Vec<UserId>, StoreError> {
    let rows = sqlx::query("SELECT user_id FROM shares_folder WHERE share_id = $1 ORDER BY user_id")
        .bind(share.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| Ok(UserId(row.try_get(0)?))).collect()
}

/// Hides the entry of a share, or shows it again; whether there was one.
pub async fn set_hidden(tx: &mut Tx, share: ShareId, user: UserId, hidden: bool) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE shares_folder SET hidden = $3 WHERE share_id = $1 AND user_id = $2")
        .bind(share.0)
        .bind(user.0)
        .bind(i64::from(hidden))
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes everybody's entries for a share.
pub async fn remove_share(tx: &mut Tx, share: ShareId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM shares_folder WHERE share_id = $1").bind(share.0).execute(&mut **tx).await?;
    Ok(())
}

/// Removes one user's entry for a share; whether there was one.
pub async fn remove_of_user(tx: &mut Tx, share: ShareId, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM shares_folder WHERE share_id = $1 AND user_id = $2")
        .bind(share.0)
        .bind(user.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The entry of this name.
pub async fn by_name(db: &mut Connection, user: UserId, name: &str) -> Result<Option<SharesEntry>, StoreError> {
    let row = sqlx::query("SELECT * FROM shares_folder WHERE user_id = $1 AND name = $2")
        .bind(user.0)
        .bind(name)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(entry).transpose()
}

/// Gives an entry another name, [`StoreError::Conflict`] if that is taken; whether there was one.
pub async fn rename(tx: &mut Tx, user: UserId, name: &str, to: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE shares_folder SET name = $3 WHERE user_id = $1 AND name = $2")
        .bind(user.0)
        .bind(name)
        .bind(to)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Hides an entry; whether there was one.
pub async fn hide(tx: &mut Tx, user: UserId, name: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE shares_folder SET hidden = 1 WHERE user_id = $1 AND name = $2")
        .bind(user.0)
        .bind(name)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes a received space out of one user's folder; whether it was there.
pub async fn remove_space(tx: &mut Tx, space: SpaceId, user: UserId) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM shares_folder WHERE space_id = $1 AND user_id = $2")
        .bind(space.0)
        .bind(user.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}
