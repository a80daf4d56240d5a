//! Reading: each table in one query.

use futures::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Journal, JournalError, Marks};
use crate::digest::Sha256;
use crate::local::Stamp;
use crate::mirror::Mirror;
use crate::plan::Base;
use crate::reconcile::{Bases, Begun, Sending};
use crate::remote::{Chunk, Cursor, Etag, ItemId, Kind, Permissions, RemoteItem};

impl Journal {
    /// The values that stand once.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn marks(&mut self) -> Result<Marks, JournalError> {
        let rows = sqlx::query("SELECT name, value FROM marks").fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|error| self.fail(error))?;
        let mut marks = Marks::default();
        for row in rows {
            let name: String = row.get(0);
            let value: Vec<u8> = row.get(1);
            let text = || String::from_utf8(value.clone()).ok().map(String::into_boxed_str);
            match name.as_str() {
                "cursor" => marks.cursor = text().map(Cursor),
                "fingerprint" => marks.fingerprint = text(),
                "partner" => marks.partner = text(),
                "quiet" => marks.quiet = Some(value),
                _ => {}
            }
        }
        Ok(marks)
    }

    /// What the server was last known to have.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn mirror(&mut self) -> Result<Mirror, JournalError> {
        let mut mirror = Mirror::default();
        let top = sqlx::query("SELECT value FROM marks WHERE name = 'top'").fetch_optional(&mut self.connection).await;
        let top = top.map_err(|error| self.fail(error))?;
        mirror.top = top.and_then(|row| String::from_utf8(row.get(0)).ok()).map(|text| ItemId(text.into()));
        let mut rows = sqlx::query(
            "SELECT id, parent, name, kind, etag, size, mtime_ns, sha256, version, derived, permissions FROM mirror",
        )
        .fetch(&mut self.connection);
        let mut failure = None;
        loop {
            match rows.try_next().await {
                Ok(Some(row)) => match item(&row) {
                    Some(item) => drop(mirror.items.insert(item.id.clone(), item)),
                    None => failure = Some(None),
                },
                Ok(None) => break,
                Err(error) => {
                    failure = Some(Some(error));
                    break;
                }
            }
        }
        drop(rows);
        match failure {
            None => Ok(mirror),
            Some(Some(error)) => Err(self.fail(error)),
            Some(None) => Err(self.damaged("an item of the server")),
        }
    }

    /// What both sides agreed on.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn bases(&mut self) -> Result<Bases, JournalError> {
        let mut bases = Bases::new();
        let mut rows = sqlx::query("SELECT id, parent, name, kind, etag, sha256, size, mtime_ns, inode FROM bases")
            .fetch(&mut self.connection);
        let mut failure = None;
        loop {
            match rows.try_next().await {
                Ok(Some(row)) => match base(&row) {
                    Some((id, base)) => drop(bases.insert(id, base)),
                    None => failure = Some(None),
                },
                Ok(None) => break,
                Err(error) => {
                    failure = Some(Some(error));
                    break;
                }
            }
        }
        drop(rows);
        match failure {
            None => Ok(bases),
            Some(Some(error)) => Err(self.fail(error)),
            Some(None) => Err(self.damaged("an agreed item")),
        }
    }

    /// Uploads begun in a pass whose end was not stored.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn sending(&mut self) -> Result<Sending, JournalError> {
        self.list("sending").await
    }

    /// Other steps begun in a pass whose end was not stored.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn begun(&mut self) -> Result<Vec<Begun>, JournalError> {
        self.list("begun").await
    }

    async fn list<T: serde::de::DeserializeOwned + Default>(&mut self, name: &'static str) -> Result<T, JournalError> {
        let row =
            sqlx::query("SELECT value FROM marks WHERE name = ?").bind(name).fetch_optional(&mut self.connection).await;
        let text: Option<Vec<u8>> = row.map_err(|error| self.fail(error))?.map(|row| row.get(0));
        match text.map(|text| serde_json::from_slice(&text)) {
            None => Ok(T::default()),
            Some(list) => list.map_err(|_| self.damaged("the list of steps begun")),
        }
    }

    /// The pieces of the content agreed on; empty when not known or of another content.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn chunks(&mut self, id: &ItemId, content: &Sha256) -> Result<Vec<Chunk>, JournalError> {
        let row = sqlx::query("SELECT list FROM pieces WHERE id = ? AND sha256 = ?")
            .bind(id.0.to_string())
            .bind(content.0.to_vec())
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|error| self.fail(error))?;
        let list: Vec<u8> = row.map(|row| row.get(0)).unwrap_or_default();
        let mut offset = 0;
        let mut chunks = Vec::with_capacity(list.len() / 36);
        for piece in list.chunks_exact(36) {
            let (Some(length), Some(hash)) = (piece.first_chunk::<4>(), piece.last_chunk::<32>()) else { break };
            let length = u32::from_le_bytes(*length);
            chunks.push(Chunk { offset, length, sha256: Sha256(*hash) });
            offset += u64::from(length);
        }
        Ok(chunks)
    }
}

fn digest(bytes: Option<&[u8]>) -> Option<Option<Sha256>> {
    match bytes {
        None => Some(None),
        Some(bytes) => bytes.try_into().ok().map(|bytes| Some(Sha256(bytes))),
    }
}

fn kind(number: i64) -> Option<Kind> {
    match number {
        0 => Some(Kind::File),
        1 => Some(Kind::Folder),
        _ => None,
    }
}

fn item(row: &SqliteRow) -> Option<RemoteItem> {
    let text = |column: usize| row.try_get::<&str, _>(column).ok();
    Some(RemoteItem {
        id: text(0)?.into(),
        parent: row.try_get::<Option<&str>, _>(1).ok()?.map(ItemId::from),
        name: text(2)?.into(),
        kind: kind(row.try_get(3).ok()?)?,
        etag: Etag::from(text(4)?),
        size: row.try_get::<i64, _>(5).ok()?.cast_unsigned(),
        mtime_ns: row.try_get(6).ok()?,
        sha256: digest(row.try_get(7).ok()?)?,
        version: row.try_get::<Option<&str>, _>(8).ok()?.map(Into::into),
        derived: row.try_get::<i64, _>(9).ok()? != 0,
        permissions: Permissions(text(10)?.into()),
        deep: false,
    })
}

fn base(row: &SqliteRow) -> Option<(ItemId, Base)> {
    let text = |column: usize| row.try_get::<&str, _>(column).ok();
    let number = |column: usize| row.try_get::<i64, _>(column).ok();
    let stamp = Stamp { size: number(6)?.cast_unsigned(), mtime_ns: number(7)?, inode: number(8)?.cast_unsigned() };
    let base = Base {
        parent: text(1)?.into(),
        name: text(2)?.into(),
        kind: kind(number(3)?)?,
        etag: Etag::from(text(4)?),
        sha256: digest(row.try_get(5).ok()?)?,
        stamp,
    };
    Some((text(0)?.into(), base))
}
