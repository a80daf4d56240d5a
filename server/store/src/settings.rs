//! Single values of this installation, and the positions of readers of the journal.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use stitchbox_schema::Cursor;

/// The value of a setting.
pub async fn get(db: &mut Connection, name: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Sets a setting if it has no value yet; returns the value it has now.
pub async fn get_or_insert(tx: &mut Tx, name: &str, value: &str) -> Result<String, StoreError> {
    sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute(&mut **tx)
        .await?;
    Ok(get(tx, name).await?.unwrap_or_else(|| value.to_owned()))
}

/// Sets a setting.
pub async fn set(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Counts the processes that were ever started on this database; returns the new count.
pub async fn next_process(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO settings (name, value) VALUES ('processes', '1')
         ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT)
         RETURNING CAST(value AS BIGINT)",
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(row.try_get(0)?)
}

/// How far the named reader of the journal has come; zero if it never read.
pub async fn cursor(db: &mut Connection, reader: &str) -> Result<Cursor, StoreError> {
    let row = sqlx::query("SELECT position FROM cursors WHERE name = $1").bind(reader).fetch_optional(db).await?;
    Ok(Cursor(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0)))
}

/// Remembers how far the named reader has come.
pub async fn set_cursor(tx: &mut Tx, reader: &str, position: Cursor) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO cursors (name, position) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET position = excluded.position",
    )
    .bind(reader)
    .bind(position.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
