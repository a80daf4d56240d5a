//! The server as the client's programs see it: files by WebDAV, the feed of changes and the rest by the JSON interface.
//!
//! Knows HTTP and the two sides' documents; knows nothing of journals, command lines and what should be where. Every
//! transfer is verified by SHA-256 end to end, none is held in memory whole, and all share one limit of bandwidth.

mod address;
mod bulk;
mod compress;
mod connection;
mod credentials;
mod dav;
mod delta;
mod documents;
mod download;
mod failure;
mod feed;
mod folder_remote;
mod heard;
mod listing;
mod login;
mod outgoing;
mod pulse;
mod put;
mod sabre;
mod safe;
mod section;
mod session;
mod shares;
mod spaces;
mod throttle;
mod told;
mod verdict;

pub use address::{Place, Tree, below, child, last_name, parent, with_slash};
pub use bulk::Small;
pub use compress::Compression;
pub use connection::{Connection, Dialect, Options};
pub use credentials::Credentials;
pub use dav::{Expected, Stored};
pub use delta::OldVersion;
pub use download::{Fetched, Known};
pub use failure::{Refusal, WireError};
pub use feed::{Changes, Listing, Top};
pub use folder_remote::HttpRemote;
pub use heard::{Heard, Listener};
pub use listing::Entry;
pub use login::{Granted, LoginFlow};
pub use outgoing::{Outgoing, mtime_ns, sha256_of};
pub use put::CHUNKED_FROM;
pub use sabre::Words;
pub use safe::{FileSafety, Safety};
pub use shares::{Grantee, Share, ShareError};
pub use spaces::Space;
