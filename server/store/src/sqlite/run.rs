//! One statement: arguments in, rows out.

use super::error::refused;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Statement, ToSql};
use sqlx_core::HashMap;
use sqlx_core::any::{AnyArguments, AnyColumn, AnyRow, AnyTypeInfo, AnyTypeInfoKind, AnyValue, AnyValueKind};
use sqlx_core::error::Error;
use sqlx_core::ext::ustr::UStr;
use std::sync::Arc;

/// What is known of the statements run before, by their text.
#[derive(Default)]
pub(super) struct Shapes(HashMap<Box<str>, Arc<Shape>>);

/// Parameters and columns of a statement.
struct Shape {
    /// For every parameter, which argument it stands for: `$2` may come first.
    parameters: Vec<usize>,
    names: Arc<HashMap<UStr, usize>>,
    /// Of each row only their number counts; names are found by `names`.
    columns: Vec<AnyColumn>,
}

/// Most shapes kept; only texts that are put together at run time could be many.
const MOST_SHAPES: usize = 1024;

impl Shapes {
    fn of(&mut self, sql: &str, statement: &Statement<'_>) -> Result<Arc<Shape>, Error> {
        if let Some(shape) = self.0.get(sql)
            && shape.columns.len() == statement.column_count()
        {
            return Ok(shape.clone());
        }
        let shape = Arc::new(Shape::of(statement)?);
        if self.0.len() >= MOST_SHAPES {
            self.0.clear();
        }
        self.0.insert(sql.into(), shape.clone());
        Ok(shape)
    }
}

impl Shape {
    fn of(statement: &Statement<'_>) -> Result<Self, Error> {
        let parameters = (1..=statement.parameter_count()).map(|position| {
            let name = statement.parameter_name(position).unwrap_or_default();
            let number = name.get(1..).and_then(|number| number.parse::<usize>().ok()).filter(|number| *number > 0);
            number.map(|number| number - 1).ok_or_else(|| Error::Protocol(format!("parameters are $1, $2…: {name:?}")))
        });
        let names = statement.column_names();
        Ok(Self {
            parameters: parameters.collect::<Result<_, _>>()?,
            names: Arc::new(names.iter().enumerate().map(|(index, name)| (UStr::new(name), index)).collect()),
            columns: (0..names.len()).map(column).collect(),
        })
    }
}

fn column(ordinal: usize) -> AnyColumn {
    AnyColumn { ordinal, name: UStr::Static(""), type_info: AnyTypeInfo { kind: AnyTypeInfoKind::Null } }
}

/// Runs a statement to its end, or to its first row. Returns the rows and how many were changed.
pub(super) fn run(
    database: &Connection,
    shapes: &mut Shapes,
    sql: &str,
    persistent: bool,
    arguments: AnyArguments,
    first_only: bool,
) -> Result<(Vec<AnyRow>, u64), Error> {
    if persistent {
        let mut statement = database.prepare_cached(sql).map_err(refused)?;
        let shape = shapes.of(sql, &statement)?;
        rows(database, &mut statement, &shape, &arguments, first_only)
    } else {
        let mut statement = database.prepare(sql).map_err(refused)?;
        let shape = Shape::of(&statement)?;
        rows(database, &mut statement, &shape, &arguments, first_only)
    }
}

fn rows(
    database: &Connection,
    statement: &mut Statement<'_>,
    shape: &Shape,
    arguments: &AnyArguments,
    first_only: bool,
) -> Result<(Vec<AnyRow>, u64), Error> {
    for (position, argument) in shape.parameters.iter().enumerate() {
        let value = arguments.values.0.get(*argument);
        let value = value.ok_or_else(|| Error::Protocol(format!("argument {} was not bound", argument + 1)))?;
        statement.raw_bind_parameter(position + 1, Argument(value)).map_err(refused)?;
    }
    let readonly = statement.readonly();
    let mut found = Vec::new();
    let mut cursor = statement.raw_query();
    while let Some(row) = cursor.next().map_err(refused)? {
        found.push(read(row, shape)?);
        if first_only {
            break;
        }
    }
    drop(cursor);
    Ok((found, if readonly { 0 } else { database.changes() }))
}

/// An argument on its way into SQLite.
struct Argument<'a>(&'a AnyValueKind);

impl ToSql for Argument<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            AnyValueKind::Null(_) => ValueRef::Null,
            AnyValueKind::Bool(value) => ValueRef::Integer(i64::from(*value)),
            AnyValueKind::SmallInt(value) => ValueRef::Integer(i64::from(*value)),
            AnyValueKind::Integer(value) => ValueRef::Integer(i64::from(*value)),
            AnyValueKind::BigInt(value) => ValueRef::Integer(*value),
            AnyValueKind::Real(value) => ValueRef::Real(f64::from(*value)),
            AnyValueKind::Double(value) => ValueRef::Real(*value),
            AnyValueKind::Text(value) => ValueRef::Text(value.as_bytes()),
            AnyValueKind::TextSlice(value) => ValueRef::Text(value.as_bytes()),
            AnyValueKind::Blob(value) => ValueRef::Blob(value),
            other => {
                let why = format!("SQLite knows no value like {other:?}");
                return Err(rusqlite::Error::ToSqlConversionFailure(why.into()));
            }
        }))
    }
}

fn read(row: &Row<'_>, shape: &Shape) -> Result<AnyRow, Error> {
    let value = |index| -> Result<AnyValue, Error> {
        let kind = match row.get_ref(index).map_err(refused)? {
            ValueRef::Null => AnyValueKind::Null(AnyTypeInfoKind::Null),
            ValueRef::Integer(value) => AnyValueKind::BigInt(value),
            ValueRef::Real(value) => AnyValueKind::Double(value),
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|error| Error::Decode(error.into()))?;
                AnyValueKind::Text(Arc::new(text.to_owned()))
            }
            ValueRef::Blob(bytes) => AnyValueKind::Blob(Arc::new(bytes.to_vec())),
        };
        Ok(AnyValue { kind })
    };
    Ok(AnyRow {
        column_names: shape.names.clone(),
        columns: shape.columns.clone(),
        values: (0..shape.columns.len()).map(value).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx_core::arguments::Arguments;
    use sqlx_core::row::Row as _;

    fn ask(database: &Connection, sql: &str, arguments: AnyArguments) -> Result<(Vec<AnyRow>, u64), Error> {
        run(database, &mut Shapes::default(), sql, true, arguments, false)
    }

    #[test]
    fn parameters_go_by_their_number_not_by_their_place() {
        let database = Connection::open_in_memory().unwrap();
        let mut arguments = AnyArguments::default();
        arguments.add(7_i64).unwrap();
        arguments.add("seven").unwrap();
        let sql = "SELECT $2 AS word, $1 AS number, $2 AS again, NULL AS empty";
        let (rows, _) = ask(&database, sql, arguments).unwrap();
        assert_eq!(rows[0].try_get::<String, _>("word").unwrap(), "seven");
        assert_eq!(rows[0].try_get::<i64, _>("number").unwrap(), 7);
        assert_eq!(rows[0].try_get::<String, _>(2).unwrap(), "seven");
        assert_eq!(rows[0].try_get::<Option<i64>, _>("empty").unwrap(), None);
        assert!(ask(&database, "SELECT $1", AnyArguments::default()).is_err(), "a forgotten argument is not NULL");
    }

    #[test]
    fn bytes_survive_and_changed_rows_are_counted() {
        let database = Connection::open_in_memory().unwrap();
        ask(&database, "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)", AnyArguments::default()).unwrap();
        let mut arguments = AnyArguments::default();
        arguments.add([0_u8, 1, 255].as_slice()).unwrap();
        let (_, changed) = ask(&database, "INSERT INTO t (body) VALUES ($1), ($1)", arguments).unwrap();
        assert_eq!(changed, 2);
        let (rows, changed) = ask(&database, "SELECT body FROM t", AnyArguments::default()).unwrap();
        assert_eq!((rows.len(), changed), (2, 0));
        assert_eq!(rows[1].try_get::<Vec<u8>, _>(0).unwrap(), [0, 1, 255]);
    }
}
