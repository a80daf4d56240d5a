//! The WebDAV client for what peers share with us: by whichever door the share opens, never outside its root.

mod access;
mod change;
mod entry;
mod fetch;
mod listing;
mod multistatus;
mod path;
mod tus;
mod upload;

pub use access::{Access, ReceivedShare, RemoteDav};
pub use change::{Expect, Stored};
pub use entry::RemoteEntry;
pub use fetch::{Fetch, Fetched};
pub use listing::Depth;
pub use tus::Resumable;
pub use upload::{Source, Upload};
