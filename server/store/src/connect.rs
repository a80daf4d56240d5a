//! Opening the database: pools, pragmas, migrations.

use crate::readers::{Reader, Readers};
use crate::writer::{Tx, Writer};
use crate::{StoreError, sqlite};
use futures::future::BoxFuture;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions, Row};
use std::str::FromStr;
use std::sync::Once;
use stitchbox_schema::migrations::{Dialect, MIGRATIONS};

/// A connection to either database, as queries take it.
pub type Connection = AnyConnection;

const STATEMENT_CACHE: &str = "statement-cache-capacity=256";

/// The metadata store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    readers: Readers,
    writer: Writer,
    dialect: Dialect,
}

impl Store {
    /// Opens `sqlite://PATH` (made if missing) or `postgres://…`, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        install_drivers();
        let (dialect, url) = match url.strip_prefix("sqlite:") {
            Some(_) => (Dialect::Sqlite, url.to_owned()),
            None => (Dialect::Postgres, with_parameter(url, STATEMENT_CACHE)),
        };
        let mut connection = connect(&url, dialect).await?;
        migrate(&mut connection, dialect).await?;
        let readers = Readers::new(&url, dialect)?;
        let reconnect = move || -> BoxFuture<'static, Result<Connection, StoreError>> {
            let url = url.clone();
            Box::pin(async move { connect(&url, dialect).await })
        };
        Ok(Self { readers, writer: Writer::start(connection, dialect, reconnect)?, dialect })
    }

    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A connection for reading. Never hold one across the streaming of a body.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        self.readers.borrow().await
    }

    /// Runs `work` in a transaction and answers once it is durable. An `Err` undoes what this closure did and nothing
    /// else. A caller that goes away does not undo it: the work was accepted.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write(work).await
    }
}

fn install_drivers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails only if somebody else in this process has installed some, which nobody does.
        if let Err(error) = sqlx::any::install_drivers(&[sqlite::DRIVER, sqlx::postgres::any::DRIVER]) {
            tracing::error!(%error, "the database drivers could not be installed");
        }
    });
}

fn with_parameter(url: &str, parameter: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameter}")
}

async fn connect(url: &str, dialect: Dialect) -> Result<Connection, StoreError> {
    let mut connection = sqlx::any::AnyConnectOptions::from_str(url)?.disable_statement_logging().connect().await?;
    if dialect == Dialect::Sqlite {
        // FULL: a commit that was answered survives the loss of power (WAL + NORMAL would lose the last ones).
        for pragma in [
            "PRAGMA busy_timeout = 30000",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
            "PRAGMA cache_size = -16000",
            "PRAGMA journal_size_limit = 67108864",
            // Moving the log into the database costs two flushes: after 8 MiB, not after 4. From then on the log is written
            // over, which needs no journal of the file system.
            "PRAGMA wal_autocheckpoint = 2000",
        ] {
            sqlx::query(pragma).execute(&mut connection).await?;
        }
    } else {
        // The writer holds a lock that every server waits for: if this process dies in a transaction, the database must
        // notice within seconds, not after the two hours of TCP's own defaults.
        for setting in [
            "SET idle_in_transaction_session_timeout = '30s'",
            "SET tcp_keepalives_idle = 15",
            "SET tcp_keepalives_interval = 5",
            "SET tcp_keepalives_count = 3",
        ] {
            sqlx::query(setting).execute(&mut connection).await?;
        }
    }
    Ok(connection)
}

async fn migrate(connection: &mut Connection, dialect: Dialect) -> Result<(), StoreError> {
    // Two programs may start on an empty folder at once: the second waits here and then finds nothing to do.
    Tx::begin(connection, dialect).await?;
    let outcome = apply_missing(connection, dialect).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    sqlx::query(end).execute(&mut *connection).await?;
    outcome
}

async fn apply_missing(connection: &mut Connection, dialect: Dialect) -> Result<(), StoreError> {
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, description TEXT NOT NULL)")
        .execute(&mut *connection)
        .await?;
    let found: i64 = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM schema_versions")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let known = MIGRATIONS.last().map_or(0, |last| last.version);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for migration in MIGRATIONS.iter().filter(|m| m.version > found) {
        // The text is compiled in, so it is safe to send as it stands.
        sqlx::raw_sql(AssertSqlSafe(migration.sql(dialect))).execute(&mut *connection).await?;
        sqlx::query("INSERT INTO schema_versions (version, description) VALUES ($1, $2)")
            .bind(migration.version)
            .bind(migration.description)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
