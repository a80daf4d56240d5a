//! The journal: a SQLite file with what the server was last known to have (the mirror, with the cursor it belongs to) and what both
//! sides agreed on (the bases).
//!
//! A crash may lose the last writes, never tear one: a round's writes go in small transactions, the mirror always together with its
//! cursor. What is lost is found again by comparing content.

mod load;
mod write;

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use crate::remote::Cursor;

/// The journal is read and written by one engine at a time (the folder's lock sees to that).
pub struct Journal {
    connection: SqliteConnection,
    path: PathBuf,
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite says no.
    #[error(
        "the journal {path} cannot be used: {source}; if it is damaged, delete it and synchronise again (nothing is lost, both sides are compared anew)"
    )]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        source: sqlx::Error,
    },
    /// A row says what no version of this program writes.
    #[error(
        "the journal {path} is damaged ({what}); delete it and synchronise again (nothing is lost, both sides are compared anew)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Written by a newer program.
    #[error("the journal {path} was written by a newer version of this program (format {found}); update the program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
}

/// The few values that stand once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The mirror's state.
    pub cursor: Option<Cursor>,
    /// `oc:data-fingerprint` when last seen.
    pub fingerprint: Option<Box<str>>,
    /// [`crate::local::LocalTree::fingerprint`] (with the settings') when both sides were last equal, at this cursor, with nothing to report.
    pub quiet: Option<Vec<u8>>,
    /// What the folder is synchronised with; another server or folder is refused.
    pub partner: Option<Box<str>>,
}

const FORMAT: i64 = 1;
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mirror (
    id TEXT PRIMARY KEY, parent TEXT, name TEXT NOT NULL, kind INTEGER NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, sha256 BLOB, version TEXT, derived INTEGER NOT NULL, permissions TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bases (
    id TEXT PRIMARY KEY, parent TEXT NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL, etag TEXT NOT NULL, sha256 BLOB,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pieces (id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, list BLOB NOT NULL) WITHOUT ROWID;
";

impl Journal {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        let fail = |source| JournalError::Database { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-16384")
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(fail)?;
        let found: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await.map_err(fail)?.get(0);
        if found > FORMAT {
            return Err(JournalError::Newer { path: path.to_owned(), found });
        }
        if found < FORMAT {
            connection.execute(TABLES).await.map_err(fail)?;
            connection.execute("PRAGMA user_version = 1").await.map_err(fail)?;
        }
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Closes the file properly (it is safe not to).
    pub async fn close(self) {
        let _ = self.connection.close().await;
    }

    fn fail(&self, source: sqlx::Error) -> JournalError {
        JournalError::Database { path: self.path.clone(), source }
    }

    fn damaged(&self, what: &'static str) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), what }
    }
}

#[cfg(test)]
mod tests;
