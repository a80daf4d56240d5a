//! Two kinds of database trouble, kept apart: the driver failed, or the rows contradict each other.

/// What can go wrong between us and the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached or refused the statement.
    #[error("the database failed: {0}")]
    Driver(String),
    /// A unique constraint: somebody took the name or id first.
    #[error("a row with this key exists already")]
    Conflict,
    /// The disk is full.
    #[error("the disk of the database is full; free space or extend it")]
    Full,
    /// A row says something no version of this program writes.
    #[error("the database is inconsistent: {table}.{column} of row {row} holds an unknown value")]
    Inconsistent {
        /// Table of the row.
        table: &'static str,
        /// Column that was read.
        column: &'static str,
        /// Id of the row.
        row: i64,
    },
    /// The transaction's group was not committed.
    #[error("the change could not be written: {0}")]
    NotCommitted(String),
    /// The schema is newer than this program.
    #[error(
        "the database was written by a newer version (schema {found}, this program knows {known}); upgrade the program"
    )]
    TooNew {
        /// Schema version found.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Conflict,
            sqlx::Error::Database(database) if is_full(database.code().as_deref(), database.message()) => Self::Full,
            _ => Self::Driver(error.to_string()),
        }
    }
}

/// SQLite says it in words (`SQLITE_FULL`), PostgreSQL by the SQLSTATE `disk_full`.
fn is_full(code: Option<&str>, message: &str) -> bool {
    code == Some("53100") || message.contains("database or disk is full")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    #[tokio::test]
    async fn a_full_disk_is_told_from_other_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/db", folder.path().display())).await.unwrap();
        let grow = |limit: &'static str| {
            store.write::<_, StoreError, _>(move |tx| {
                Box::pin(async move {
                    sqlx::query(limit).execute(&mut **tx).await?;
                    sqlx::query("INSERT INTO settings (name, value) VALUES ('big', hex(zeroblob(1000000)))")
                        .execute(&mut **tx)
                        .await?;
                    Ok(())
                })
            })
        };
        let full = grow("PRAGMA max_page_count = 2").await.unwrap_err();
        assert!(matches!(full, StoreError::Full), "{full}");
        grow("PRAGMA max_page_count = 1000000").await.unwrap();
        let taken = grow("PRAGMA max_page_count = 1000000").await.unwrap_err();
        assert!(matches!(taken, StoreError::Conflict), "{taken}");
        let mut db = store.read().await.unwrap();
        let other = sqlx::query("SELECT nothing FROM nowhere").execute(&mut *db).await.unwrap_err();
        assert!(matches!(StoreError::from(other), StoreError::Driver(_)));
        assert!(is_full(Some("53100"), "could not extend file"));
    }
}
