#![doc = include_str!("../README.md")]

pub mod chunks;
pub mod digest;
pub mod engine;
pub mod hashing;
pub mod journal;
pub mod ledger;
pub mod local;
pub mod mirror;
pub mod names;
pub mod place;
pub mod plan;
pub mod reconcile;
pub mod remote;
pub mod report;
pub mod scan;
pub mod select;
pub mod settings;
pub mod transfer;

pub use engine::{Engine, SyncError};
pub use reconcile::reconcile;
pub use report::{Event, Observer, Report};
pub use settings::Settings;
