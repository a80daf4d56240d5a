//! Writing: a portion of changes is one transaction.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Acquire, Executor};

use super::{Journal, JournalError};
use crate::ledger::Write;
use crate::mirror::{Applied, Mirror};
use crate::plan::Base;
use crate::reconcile::{Begun, Sending};
use crate::remote::{Chunk, Cursor, ItemId, Kind, RemoteItem};

impl Journal {
    /// Stores changes, all or none.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn store(&mut self, writes: &[Write]) -> Result<(), JournalError> {
        if writes.is_empty() {
            return Ok(());
        }
        let outcome = store(&mut self.connection, writes).await;
        outcome.map_err(|error| self.fail(error))
    }

    /// Stores what a feed or a listing did to the mirror, together with the cursor it leads to.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn store_mirror(
        &mut self,
        mirror: &Mirror,
        applied: &Applied,
        cursor: Option<&Cursor>,
    ) -> Result<(), JournalError> {
        let outcome = store_mirror(&mut self.connection, mirror, applied, cursor).await;
        outcome.map_err(|error| self.fail(error))
    }

    /// Sets one of the values that stand once.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn set_mark(&mut self, name: &'static str, value: Option<&[u8]>) -> Result<(), JournalError> {
        let outcome = set_mark(&mut self.connection, name, value).await;
        outcome.map_err(|error| self.fail(error))
    }

    /// Stores which uploads are about to begin, in place of those stored before.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn set_sending(&mut self, sending: &Sending) -> Result<(), JournalError> {
        let list: Vec<_> = sending.iter().collect();
        let text = serde_json::to_vec(&list).unwrap_or_default();
        self.set_mark("sending", (!list.is_empty()).then_some(text.as_slice())).await
    }

    /// Stores which steps are about to begin, in place of those stored before.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn set_begun(&mut self, begun: &[Begun]) -> Result<(), JournalError> {
        let text = serde_json::to_vec(begun).unwrap_or_default();
        self.set_mark("begun", (!begun.is_empty()).then_some(text.as_slice())).await
    }

    /// Forgets everything agreed on and the mirror: the next round compares both sides anew and deletes nothing.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn start_anew(&mut self) -> Result<(), JournalError> {
        let sql = "BEGIN IMMEDIATE; DELETE FROM bases; DELETE FROM mirror; DELETE FROM pieces;
                   DELETE FROM marks WHERE name IN ('cursor', 'top', 'quiet', 'sending', 'begun'); COMMIT;";
        let outcome = self.connection.execute(sql).await;
        outcome.map(drop).map_err(|error| self.fail(error))
    }
}

async fn store(connection: &mut SqliteConnection, writes: &[Write]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for write in writes {
        match write {
            Write::Base(id, base) => put_base(&mut transaction, id, base).await?,
            Write::Chunks(id, content, chunks) => {
                let mut list = Vec::with_capacity(chunks.len() * 36);
                for Chunk { length, sha256, .. } in chunks {
                    list.extend_from_slice(&length.to_le_bytes());
                    list.extend_from_slice(&sha256.0);
                }
                sqlx::query("INSERT OR REPLACE INTO pieces (id, sha256, list) VALUES (?, ?, ?)")
                    .bind(id.0.to_string())
                    .bind(content.0.to_vec())
                    .bind(list)
                    .execute(&mut *transaction)
                    .await?;
            }
            Write::Forget(id) => {
                for sql in ["DELETE FROM bases WHERE id = ?", "DELETE FROM pieces WHERE id = ?"] {
                    sqlx::query(sql).bind(id.0.to_string()).execute(&mut *transaction).await?;
                }
            }
            Write::Mirror(item) => put_item(&mut transaction, item).await?,
            Write::MirrorGone(id) => remove_item(&mut transaction, id).await?,
        }
    }
    // both sides are no longer known to be quiet
    sqlx::query("DELETE FROM marks WHERE name = 'quiet'").execute(&mut *transaction).await?;
    transaction.commit().await
}

async fn store_mirror(
    connection: &mut SqliteConnection,
    mirror: &Mirror,
    applied: &Applied,
    cursor: Option<&Cursor>,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    for id in &applied.removed {
        remove_item(&mut transaction, id).await?;
    }
    for item in applied.stored.iter().filter_map(|id| mirror.items.get(id)) {
        put_item(&mut transaction, item).await?;
    }
    if let Some(top) = &mirror.top {
        set_mark(&mut transaction, "top", Some(top.0.as_bytes())).await?;
    }
    if let Some(cursor) = cursor {
        set_mark(&mut transaction, "cursor", Some(cursor.0.as_bytes())).await?;
    }
    if !applied.stored.is_empty() || !applied.removed.is_empty() {
        set_mark(&mut transaction, "quiet", None).await?;
    }
    transaction.commit().await
}

async fn set_mark(connection: &mut SqliteConnection, name: &str, value: Option<&[u8]>) -> Result<(), sqlx::Error> {
    match value {
        Some(value) => {
            sqlx::query("INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)")
                .bind(name.to_owned())
                .bind(value.to_vec())
                .execute(connection)
                .await?
        }
        None => sqlx::query("DELETE FROM marks WHERE name = ?").bind(name.to_owned()).execute(connection).await?,
    };
    Ok(())
}

async fn put_item(connection: &mut SqliteConnection, item: &RemoteItem) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO mirror (id, parent, name, kind, etag, size, mtime_ns, sha256, version, derived, permissions)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(item.id.0.to_string())
    .bind(item.parent.as_ref().map(|id| id.0.to_string()))
    .bind(item.name.to_string())
    .bind(number(item.kind))
    .bind(item.etag.0.to_string())
    .bind(item.size.cast_signed())
    .bind(item.mtime_ns)
    .bind(item.sha256.map(|hash| hash.0.to_vec()))
    .bind(item.version.as_ref().map(ToString::to_string))
    .bind(i64::from(item.derived))
    .bind(item.permissions.0.to_string())
    .execute(connection)
    .await
    .map(drop)
}

async fn remove_item(connection: &mut SqliteConnection, id: &ItemId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM mirror WHERE id = ?").bind(id.0.to_string()).execute(connection).await.map(drop)
}

async fn put_base(connection: &mut SqliteConnection, id: &ItemId, base: &Base) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO bases (id, parent, name, kind, etag, sha256, size, mtime_ns, inode)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.0.to_string())
    .bind(base.parent.0.to_string())
    .bind(base.name.to_string())
    .bind(number(base.kind))
    .bind(base.etag.0.to_string())
    .bind(base.sha256.map(|hash| hash.0.to_vec()))
    .bind(base.stamp.size.cast_signed())
    .bind(base.stamp.mtime_ns)
    .bind(base.stamp.inode.cast_signed())
    .execute(connection)
    .await
    .map(drop)
}

fn number(kind: Kind) -> i64 {
    match kind {
        Kind::File => 0,
        Kind::Folder => 1,
    }
}
