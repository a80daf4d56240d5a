//! Sharing with other installations.

mod settings;

pub use settings::{AutoAccept, FederationSettings, TrustPolicy};
