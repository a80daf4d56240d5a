//! The driver of the embedded database: statements run where they are asked for, on the thread that asks.
//!
//! sqlx's own driver hands every statement to a thread of its connection and waits for the answer: two changes of
//! thread, some 40 us, for a look-up that takes 3. An upload is two dozen statements. So this crate brings its own
//! driver to sqlx's `Any`, over the same SQLite library; queries and rows stay sqlx's, and one text of SQL serves both
//! databases. A read therefore blocks its thread for as long as it takes, mostly microseconds: readers ask for pages,
//! never for everything, and writing has a thread of its own (see [`crate::Store::write`]).

mod backend;
mod error;
mod run;
mod unused;

pub(crate) use backend::Direct;

/// The driver, as [`sqlx::any::install_drivers`] takes it.
pub(crate) const DRIVER: sqlx_core::any::driver::AnyDriver =
    sqlx_core::any::driver::AnyDriver::without_migrate::<unused::Sqlite>();
