//! Every line of SQL: rows in, rows out. What may be done, and when, is decided in `domain`.
//!
//! * [`Store::write`] runs a closure in a transaction. Transactions of one process are queued and committed in groups,
//!   one flush for many; on PostgreSQL an advisory lock gives the same order across processes. A closure therefore
//!   sees the database alone: what it reads cannot change before it commits.
//! * [`Store::read`] lends a read-only connection.
//! * Lookups return `Option`; ids and times come in as parameters; placeholders are `$1`, which both databases read.
//! * Functions that change rows take [`Tx`], functions that only read take [`Connection`]; a `Tx` lends its connection.

pub mod accounts;
pub mod attest;
pub mod audit;
pub mod breaker;
pub mod changes;
pub mod compaction;
mod connect;
mod error;
pub mod favorites;
pub mod federated;
pub mod feed;
pub mod groups;
pub mod invites;
pub mod items;
pub mod jobs;
pub mod listing;
pub mod locks;
pub mod login_flows;
pub mod outbox;
pub mod peers;
mod placeholders;
pub mod properties;
pub mod purge;
mod readers;
pub mod received;
pub mod received_offers;
pub mod remote;
pub mod reshares;
mod rights;
pub mod run_counts;
pub mod runs;
pub mod safety;
pub mod search;
pub mod segments;
pub mod sessions;
pub mod settings;
pub mod share_access;
pub mod shares;
pub mod shares_folder;
pub mod site_keys;
pub mod spaces;
mod sqlite;
pub mod trash;
pub mod tree_check;
pub mod uploads;
pub mod versions;
pub mod watched;
mod writer;

pub use connect::{Connection, Store};
pub use error::StoreError;
pub use readers::Reader;
pub use rights::Rights;
pub use writer::Tx;
