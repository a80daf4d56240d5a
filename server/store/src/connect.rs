//! Opening the database: pools, pragmas, migrations.

use crate::StoreError;
use crate::writer::{Tx, Writer};
use futures::future::BoxFuture;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Row};
use std::str::FromStr;
use std::time::Duration;
use stitchbox_schema::migrations::{Dialect, MIGRATIONS};

/// A connection to either database, as queries take it.
pub type Connection = AnyConnection;
/// A borrowed read-only connection; dereferences to [`Connection`].
pub type Reader = PoolConnection<Any>;

const READERS: u32 = 8;
const STATEMENT_CACHE: &str = "statement-cache-capacity=256";

/// The metadata store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    readers: AnyPool,
    writer: Writer,
    dialect: Dialect,
}

impl Store {
    /// Opens `sqlite://PATH` (made if missing) or `postgres://…`, and brings the schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (dialect, url) = match url.strip_prefix("sqlite:") {
            Some(_) => (Dialect::Sqlite, with_parameter(url, "mode=rwc")),
            None => (Dialect::Postgres, with_parameter(url, STATEMENT_CACHE)),
        };
        let mut connection = connect(&url, dialect).await?;
        migrate(&mut connection, dialect).await?;
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(move |connection, _| Box::pin(async move { prepare_reader(connection, dialect).await }))
            .connect_lazy(&url)?;
        let reconnect = move || -> BoxFuture<'static, Result<Connection, StoreError>> {
            let url = url.clone();
            Box::pin(async move { connect(&url, dialect).await })
        };
        Ok(Self { readers, writer: Writer::start(connection, dialect, reconnect), dialect })
    }

    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A connection for reading. Never hold one across the streaming of a body.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(self.readers.acquire().await?)
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

async fn prepare_reader(connection: &mut Connection, dialect: Dialect) -> Result<(), sqlx::Error> {
    let statements: &[&'static str] = match dialect {
        Dialect::Sqlite => &["PRAGMA busy_timeout = 30000", "PRAGMA query_only = ON", "PRAGMA cache_size = -8000"],
        Dialect::Postgres => &["SET default_transaction_read_only = on"],
    };
    for statement in statements {
        sqlx::query(*statement).execute(&mut *connection).await?;
    }
    Ok(())
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
    let known = MIGRATIONS.last().map_or(0, |newest| newest.version);
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
