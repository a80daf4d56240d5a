//! A connection, as sqlx's `Any` sees one.

use super::error::refused;
use super::run::{Shapes, run};
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{self, BoxStream, StreamExt};
use rusqlite::OpenFlags;
use sqlx_core::Either;
use sqlx_core::any::{
    AnyArguments, AnyConnectOptions, AnyConnectionBackend, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo,
};
use sqlx_core::error::Error;
use sqlx_core::sql_str::SqlStr;
use std::path::PathBuf;

/// Statements kept prepared on a connection.
const PREPARED: usize = 256;

/// An open database file.
pub(crate) struct Direct {
    database: rusqlite::Connection,
    shapes: Shapes,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Direct")
    }
}

impl Direct {
    /// Opens the file, making it if it is missing.
    pub(super) fn open(path: &PathBuf) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = rusqlite::Connection::open_with_flags(path, flags).map_err(refused)?;
        database.set_prepared_statement_cache_capacity(PREPARED);
        Ok(Self { database, shapes: Shapes::default() })
    }

    fn ask(
        &mut self,
        query: &SqlStr,
        persistent: bool,
        arguments: Option<AnyArguments>,
        first_only: bool,
    ) -> Result<(Vec<AnyRow>, u64), Error> {
        let Some(arguments) = arguments else {
            // A script, as migrations are: several statements, none with arguments.
            self.database.execute_batch(query.as_str()).map_err(refused)?;
            return Ok((Vec::new(), self.database.changes()));
        };
        run(&self.database, &mut self.shapes, query.as_str(), persistent, arguments, first_only)
    }
}

/// The file an address of ours names: `sqlite://PATH?…`, percent-encoded where it has to be.
pub(super) fn path_of(options: &AnyConnectOptions) -> PathBuf {
    let url = options.database_url.as_str();
    let rest = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    PathBuf::from(sqlx_core::percent_encoding::percent_decode_str(rest).decode_utf8_lossy().into_owned())
}

/// What nobody here asks of a connection: transactions are begun and ended by their statements.
pub(super) fn not_offered() -> Error {
    Error::Protocol("this driver runs statements and nothing else".to_owned())
}

impl AnyConnectionBackend for Direct {
    fn name(&self) -> &str {
        "SQLite"
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        ready(self.database.close().map_err(|(_, error)| refused(error))).boxed()
    }

    fn close_hard(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        self.close()
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Ok(())).boxed()
    }

    fn begin(&mut self, _statement: Option<SqlStr>) -> BoxFuture<'_, Result<(), Error>> {
        ready(Err(not_offered())).boxed()
    }

    fn commit(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Err(not_offered())).boxed()
    }

    fn rollback(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Err(not_offered())).boxed()
    }

    fn start_rollback(&mut self) {}

    fn get_transaction_depth(&self) -> usize {
        usize::from(!self.database.is_autocommit())
    }

    fn shrink_buffers(&mut self) {}

    fn flush(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Ok(())).boxed()
    }

    fn should_flush(&self) -> bool {
        false
    }

    fn fetch_many(
        &mut self,
        query: SqlStr,
        persistent: bool,
        arguments: Option<AnyArguments>,
    ) -> BoxStream<'_, Result<Either<AnyQueryResult, AnyRow>, Error>> {
        // Run when first polled, like every future; SQLite's cursor cannot leave the thread, so all rows are fetched.
        let all = async move {
            let (rows, rows_affected) = self.ask(&query, persistent, arguments, false)?;
            let end = Either::Left(AnyQueryResult { rows_affected, last_insert_id: None });
            Ok(stream::iter(rows.into_iter().map(Either::Right).chain([end]).map(Ok)))
        };
        futures::TryFutureExt::try_flatten_stream(all).boxed()
    }

    fn fetch_optional(
        &mut self,
        query: SqlStr,
        persistent: bool,
        arguments: Option<AnyArguments>,
    ) -> BoxFuture<'_, Result<Option<AnyRow>, Error>> {
        async move { Ok(self.ask(&query, persistent, arguments, true)?.0.pop()) }.boxed()
    }

    fn prepare_with<'c, 'q: 'c>(
        &'c mut self,
        _sql: SqlStr,
        _parameters: &[AnyTypeInfo],
    ) -> BoxFuture<'c, Result<AnyStatement, Error>> {
        ready(Err(not_offered())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_file() {
        let path = |url: &str| path_of(&url.parse().unwrap()).display().to_string();
        assert_eq!(path("sqlite:///a/b.sqlite?mode=rwc"), "/a/b.sqlite");
        assert_eq!(path("sqlite:///a/50%25%3F%23 b"), "/a/50%?# b");
    }
}
