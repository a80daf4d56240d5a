//! The vocabulary of Stitchbox: ids, ETags, names, roles, the documents of the API, and the SQL migrations.
//!
//! Everything above uses these words; this crate knows no database, no HTTP and no async code.

pub mod documents;
mod etag;
mod expiry;
mod ids;
pub mod migrations;
mod name;
mod role;
pub mod sharing;
mod time;

pub use etag::ETag;
pub use expiry::expiry;
pub use ids::{
    AppPasswordId, BlobId, Cursor, GroupId, IdParseError, InviteId, ItemId, JobId, OutboxId, RerunId, RunId, ShareId,
    SpaceId, UploadId, UserId, VersionId,
};
pub use name::{ItemName, MAX_ITEM_NAME_BYTES, NameError, SpaceName, UserName};
pub use role::{Role, SpaceKind, UnknownWord};
pub use time::Timestamp;
