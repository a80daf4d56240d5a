//! Users and their app passwords.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{AppPasswordId, SpaceId, Timestamp, UserId};

/// A user as stored.
#[derive(Debug, Clone)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Login name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// argon2id hash in PHC form; none if the user cannot log in with a password.
    pub password_hash: Option<String>,
    /// May administer the installation.
    pub is_admin: bool,
    /// Locked out by an administrator.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// An app password as stored; the secret itself is known only to its holder.
#[derive(Debug, Clone)]
pub struct AppPassword {
    /// Id.
    pub id: AppPasswordId,
    /// Whose it is.
    pub user: UserId,
    /// What it is for, in the user's words.
    pub label: String,
    /// SHA-256 of the secret, hexadecimal.
    pub secret_hash: String,
    /// The only space it opens, if limited.
    pub space: Option<SpaceId>,
    /// May make new files and nothing else.
    pub create_only: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Timestamp>,
    /// Since when its holder is asked to remove what it has; it opens nothing any more.
    pub wipe_asked_at: Option<Timestamp>,
}

pub(crate) fn user(row: &AnyRow) -> Result<User, StoreError> {
    Ok(User {
        id: UserId(row.try_get("id")?),
        name: row.try_get("name")?,
        display_name: row.try_get("display_name")?,
        password_hash: row.try_get("password_hash")?,
        is_admin: row.try_get::<i64, _>("is_admin")? != 0,
        disabled: row.try_get::<i64, _>("disabled")? != 0,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

fn app_password(row: &AnyRow) -> Result<AppPassword, StoreError> {
    Ok(AppPassword {
        id: AppPasswordId(row.try_get("id")?),
        user: UserId(row.try_get("user_id")?),
        label: row.try_get("label")?,
        secret_hash: row.try_get("secret_hash")?,
        space: row.try_get::<Option<i64>, _>("space_id")?.map(SpaceId),
        create_only: row.try_get::<i64, _>("create_only")? != 0,
        created_at: Timestamp(row.try_get("created_at")?),
        last_used_at: row.try_get::<Option<i64>, _>("last_used_at")?.map(Timestamp),
        wipe_asked_at: row.try_get::<Option<i64>, _>("wipe_asked_at")?.map(Timestamp),
    })
}

/// Makes a user; [`StoreError::Conflict`] if the name is taken.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO users (id, name, display_name, password_hash, is_admin, disabled, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(user.id.0)
    .bind(&user.name)
    .bind(&user.display_name)
    .bind(user.password_hash.as_deref())
    .bind(i64::from(user.is_admin))
    .bind(i64::from(user.disabled))
    .bind(user.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The user with this id.
pub async fn by_id(db: &mut Connection, id: UserId) -> Result<Option<User>, StoreError> {
    let row = sqlx::query("SELECT * FROM users WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(user).transpose()
}

/// The user with this login name.
pub async fn by_name(db: &mut Connection, name: &str) -> Result<Option<User>, StoreError> {
    let row = sqlx::query("SELECT * FROM users WHERE name = $1").bind(name).fetch_optional(db).await?;
    row.as_ref().map(user).transpose()
}

/// Every user, by name.
pub async fn all(db: &mut Connection) -> Result<Vec<User>, StoreError> {
    let rows = sqlx::query("SELECT * FROM users ORDER BY name").fetch_all(db).await?;
    rows.iter().map(user).collect()
}

/// What `LIKE … ESCAPE '!'` finds a text by, anywhere and in small letters.
pub(crate) fn pattern(text: &str) -> String {
    let plain = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{plain}%")
}

/// Up to `limit` users who may log in and whose login name or name for people holds the text, whatever its case; those
/// who are called so first.
pub async fn search(db: &mut Connection, text: &str, limit: i64, offset: i64) -> Result<Vec<User>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM users
         WHERE disabled = 0 AND (LOWER(name) LIKE $1 ESCAPE '!' OR LOWER(display_name) LIKE $1 ESCAPE '!')
         ORDER BY CASE WHEN LOWER(name) = $2 OR LOWER(display_name) = $2 THEN 0 ELSE 1 END, name LIMIT $3 OFFSET $4",
    )
    .bind(pattern(text))
    .bind(text.to_lowercase())
    .bind(limit)
    .bind(offset)
    .fetch_all(db)
    .await?;
    rows.iter().map(user).collect()
}

/// Changes the password hash.
pub async fn set_password_hash(tx: &mut Tx, id: UserId, hash: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1").bind(id.0).bind(hash).execute(&mut **tx).await?;
    Ok(())
}

/// Locks a user out, or lets the user in again.
pub async fn set_disabled(tx: &mut Tx, id: UserId, disabled: bool) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET disabled = $2 WHERE id = $1")
        .bind(id.0)
        .bind(i64::from(disabled))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Makes an app password.
pub async fn insert_app_password(tx: &mut Tx, new: &AppPassword) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO app_passwords (id, user_id, label, secret_hash, space_id, create_only, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id.0)
    .bind(new.user.0)
    .bind(&new.label)
    .bind(&new.secret_hash)
    .bind(new.space.map(|space| space.0))
    .bind(i64::from(new.create_only))
    .bind(new.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The app password whose secret has this hash, unless revoked or to be wiped.
pub async fn app_password_by_hash(db: &mut Connection, hash: &str) -> Result<Option<AppPassword>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM app_passwords WHERE secret_hash = $1 AND revoked_at IS NULL AND wipe_asked_at IS NULL",
    )
    .bind(hash)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(app_password).transpose()
}

/// The app password with this id, unless revoked or to be wiped.
pub async fn app_password_by_id(db: &mut Connection, id: AppPasswordId) -> Result<Option<AppPassword>, StoreError> {
    let row = sqlx::query("SELECT * FROM app_passwords WHERE id = $1 AND revoked_at IS NULL AND wipe_asked_at IS NULL")
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(app_password).transpose()
}

/// The app password whose secret has this hash, if its holder is asked to remove what it has.
pub async fn app_password_to_wipe(db: &mut Connection, hash: &str) -> Result<Option<AppPassword>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM app_passwords WHERE secret_hash = $1 AND revoked_at IS NULL AND wipe_asked_at IS NOT NULL",
    )
    .bind(hash)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(app_password).transpose()
}

/// Asks the holder of an app password to remove what it has; whether there was one to ask.
pub async fn ask_for_wipe(tx: &mut Tx, owner: UserId, id: AppPasswordId, at: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE app_passwords SET wipe_asked_at = COALESCE(wipe_asked_at, $3)
         WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL",
    )
    .bind(owner.0)
    .bind(id.0)
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that an app password was used.
pub async fn note_use(tx: &mut Tx, id: AppPasswordId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE app_passwords SET last_used_at = $2 WHERE id = $1")
        .bind(id.0)
        .bind(at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The app passwords of a user that are not revoked, oldest first.
pub async fn app_passwords_of(db: &mut Connection, owner: UserId) -> Result<Vec<AppPassword>, StoreError> {
    let rows = sqlx::query("SELECT * FROM app_passwords WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id")
        .bind(owner.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(app_password).collect()
}

/// Revokes an app password of a user; whether there was one to revoke.
pub async fn revoke_app_password(
    tx: &mut Tx,
    owner: UserId,
    id: AppPasswordId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE app_passwords SET revoked_at = $3 WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL")
            .bind(owner.0)
            .bind(id.0)
            .bind(at.0)
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() > 0)
}
