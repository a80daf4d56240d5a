//! What sqlx wants of a driver that is used by itself. Ours is used through `Any` alone, which has rows, columns and
//! arguments of its own; so of these types no value ever exists.

use super::Direct;
use super::backend::{not_offered, path_of};
use sqlx_core::Either;
use sqlx_core::Url;
use sqlx_core::any::AnyConnectOptions;
use sqlx_core::arguments::{Arguments, IntoArguments};
use sqlx_core::column::{Column, ColumnIndex};
use sqlx_core::connection::{ConnectOptions, Connection};
use sqlx_core::database::Database;
use sqlx_core::encode::Encode;
use sqlx_core::error::{BoxDynError, Error};
use sqlx_core::from_row::FromRow;
use sqlx_core::query::Query;
use sqlx_core::query_as::QueryAs;
use sqlx_core::query_scalar::QueryScalar;
use sqlx_core::row::Row;
use sqlx_core::sql_str::SqlStr;
use sqlx_core::statement::Statement;
use sqlx_core::transaction::{Transaction, TransactionManager};
use sqlx_core::type_info::TypeInfo;
use sqlx_core::types::Type;
use sqlx_core::value::{Value, ValueRef};
use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// SQLite as a database of sqlx.
#[derive(Debug)]
pub(crate) enum Sqlite {}

/// A thing that never is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Never {}

/// Arguments that cannot be added.
#[derive(Debug, Default)]
pub(crate) struct NoArguments;

/// The result of nothing.
#[derive(Debug, Default)]
pub(crate) struct NoResult;

/// Where the file is.
#[derive(Debug, Clone)]
pub(crate) struct File(PathBuf);

impl Database for Sqlite {
    type Connection = Direct;
    type TransactionManager = Never;
    type Row = Never;
    type QueryResult = NoResult;
    type Column = Never;
    type TypeInfo = Never;
    type Value = Never;
    type ValueRef<'r> = Never;
    type Arguments = NoArguments;
    type ArgumentBuffer = Never;
    type Statement = Never;
    const NAME: &'static str = "SQLite";
    const URL_SCHEMES: &'static [&'static str] = &["sqlite"];
}

impl FromStr for File {
    type Err = Error;
    fn from_str(url: &str) -> Result<Self, Error> {
        Ok(Self(path_of(&url.parse()?)))
    }
}

impl<'a> TryFrom<&'a AnyConnectOptions> for File {
    type Error = Error;
    fn try_from(options: &'a AnyConnectOptions) -> Result<Self, Error> {
        Ok(Self(path_of(options)))
    }
}

impl ConnectOptions for File {
    type Connection = Direct;
    fn from_url(url: &Url) -> Result<Self, Error> {
        url.as_str().parse()
    }
    async fn connect(&self) -> Result<Direct, Error> {
        Direct::open(&self.0)
    }
    fn log_statements(self, _level: log::LevelFilter) -> Self {
        self
    }
    fn log_slow_statements(self, _level: log::LevelFilter, _duration: Duration) -> Self {
        self
    }
}

impl Connection for Direct {
    type Database = Sqlite;
    type Options = File;
    async fn close(self) -> Result<(), Error> {
        Ok(())
    }
    async fn close_hard(self) -> Result<(), Error> {
        Ok(())
    }
    async fn ping(&mut self) -> Result<(), Error> {
        Ok(())
    }
    async fn begin(&mut self) -> Result<Transaction<'_, Sqlite>, Error> {
        Err(not_offered())
    }
    fn shrink_buffers(&mut self) {}
    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn should_flush(&self) -> bool {
        false
    }
}

impl TransactionManager for Never {
    type Database = Sqlite;
    async fn begin(_: &mut Direct, _: Option<SqlStr>) -> Result<(), Error> {
        Err(not_offered())
    }
    async fn commit(_: &mut Direct) -> Result<(), Error> {
        Err(not_offered())
    }
    async fn rollback(_: &mut Direct) -> Result<(), Error> {
        Err(not_offered())
    }
    fn start_rollback(_: &mut Direct) {}
    fn get_transaction_depth(_: &Direct) -> usize {
        0
    }
}

impl Extend<NoResult> for NoResult {
    fn extend<T: IntoIterator<Item = NoResult>>(&mut self, _: T) {}
}

impl Arguments for NoArguments {
    type Database = Sqlite;
    fn reserve(&mut self, _: usize, _: usize) {}
    fn add<'t, T>(&mut self, _: T) -> Result<(), BoxDynError>
    where
        T: Encode<'t, Sqlite> + Type<Sqlite>,
    {
        Err(not_offered().into())
    }
    fn len(&self) -> usize {
        0
    }
}

impl IntoArguments<Sqlite> for NoArguments {
    fn into_arguments(self) -> Self {
        self
    }
}

impl std::fmt::Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl Row for Never {
    type Database = Sqlite;
    fn columns(&self) -> &[Self] {
        match *self {}
    }
    fn try_get_raw<I: ColumnIndex<Self>>(&self, _: I) -> Result<Self, Error> {
        match *self {}
    }
}

impl Column for Never {
    type Database = Sqlite;
    fn ordinal(&self) -> usize {
        match *self {}
    }
    fn name(&self) -> &str {
        match *self {}
    }
    fn type_info(&self) -> &Self {
        match *self {}
    }
}

impl TypeInfo for Never {
    fn is_null(&self) -> bool {
        match *self {}
    }
    fn name(&self) -> &str {
        match *self {}
    }
}

impl Value for Never {
    type Database = Sqlite;
    fn as_ref(&self) -> Self {
        match *self {}
    }
    fn type_info(&self) -> Cow<'_, Self> {
        match *self {}
    }
    fn is_null(&self) -> bool {
        match *self {}
    }
}

impl<'r> ValueRef<'r> for Never {
    type Database = Sqlite;
    fn to_owned(&self) -> Self {
        match *self {}
    }
    fn type_info(&self) -> Cow<'_, Self> {
        match *self {}
    }
    fn is_null(&self) -> bool {
        match *self {}
    }
}

impl Statement for Never {
    type Database = Sqlite;
    fn into_sql(self) -> SqlStr {
        match self {}
    }
    fn sql(&self) -> &SqlStr {
        match *self {}
    }
    fn parameters(&self) -> Option<Either<&[Self], usize>> {
        match *self {}
    }
    fn columns(&self) -> &[Self] {
        match *self {}
    }
    fn query(&self) -> Query<'_, Sqlite, NoArguments> {
        match *self {}
    }
    fn query_with<A: IntoArguments<Sqlite>>(&self, _: A) -> Query<'_, Sqlite, A> {
        match *self {}
    }
    fn query_as<O>(&self) -> QueryAs<'_, Sqlite, O, NoArguments>
    where
        O: for<'r> FromRow<'r, Self>,
    {
        match *self {}
    }
    fn query_as_with<'s, O, A>(&'s self, _: A) -> QueryAs<'s, Sqlite, O, A>
    where
        O: for<'r> FromRow<'r, Self>,
        A: IntoArguments<Sqlite>,
    {
        match *self {}
    }
    fn query_scalar<O>(&self) -> QueryScalar<'_, Sqlite, O, NoArguments>
    where
        (O,): for<'r> FromRow<'r, Self>,
    {
        match *self {}
    }
    fn query_scalar_with<'s, O, A>(&'s self, _: A) -> QueryScalar<'s, Sqlite, O, A>
    where
        (O,): for<'r> FromRow<'r, Self>,
        A: IntoArguments<Sqlite>,
    {
        match *self {}
    }
}
