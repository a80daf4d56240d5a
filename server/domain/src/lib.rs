//! The rules: who may do what, and what belongs together in one transaction.
//!
//! Front-ends translate a protocol into calls of [`Domain`] and its answers back; they never decide. The domain knows
//! no HTTP; [`Error`] is closed so that every protocol maps it in one exhaustive match. Nothing here starts work
//! because of a call: what must follow is read from the journal of changes.

mod access;
pub mod attest;
pub mod auth;
mod by_id;
mod clock;
mod compact;
mod conditions;
mod copy;
mod domain;
mod error;
mod favorites;
pub mod federation;
mod feed;
mod follow;
mod guard;
mod ids;
mod keep;
mod lock_scope;
mod locks;
mod members;
mod path;
mod permissions;
mod places;
mod previews;
mod properties;
mod purge;
mod read;
pub mod runs;
mod safe;
pub mod seal;
mod search;
pub mod series;
mod share_access;
pub mod shares;
mod sweep;
mod trash;
mod tree;
pub mod uploads;
mod user_locks;
pub mod verify;
mod versions;
mod view;
mod walk;

pub use access::{Action, Membership, Principal, Scope, Via};
pub use by_id::Found;
pub use clock::{Clock, SystemClock};
pub use conditions::{Conditions, EntityTags, StateCondition, StateList, StateTest};
pub use copy::CopyDepth;
pub use domain::{Domain, Settings};
pub use error::{Error, Excess, Refusal};
pub use feed::{Feed, FeedEntry, MAX_PAGE};
pub use follow::{Follower, LOOK_AGAIN};
pub use ids::Ids;
pub use keep::Keep;
pub use lock_scope::covers;
pub use locks::LockRequest;
pub use members::{NewSpace, NewUser};
pub use path::{ItemPath, Location};
pub use places::{ChangeKind, PlaceChanged};
pub use previews::{PreviewSize, has_preview};
pub use properties::PropertyChange;
pub use read::{Content, Quota};
pub use safe::{FileSafety, SafetyCheck, Unsafe, Verdict};
pub use search::MOST_FOUND;
pub use shares::{AuditQuery, Grantee, NewShare, ShareChange, ShareFault, ShareeKinds, ShareeQuery};
pub use tree::{Arrival, Relocated};
pub use view::{FilesView, RESERVED_NAMES, SPACES_FOLDER};
pub use walk::{Walk, WalkTop};

pub use stitchbox_blob::BlobStream;
pub use stitchbox_store::accounts::{AppPassword, User};
pub use stitchbox_store::feed::Shown;
pub use stitchbox_store::items::{Item, ItemKind};
pub use stitchbox_store::listing::{Listed, Sums};
pub use stitchbox_store::locks::{HeldLock, Lock};
pub use stitchbox_store::properties::Property;
pub use stitchbox_store::runs::Run;
pub use stitchbox_store::share_access::ShareKind;
pub use stitchbox_store::spaces::Space;
pub use stitchbox_store::trash::Trashed;
pub use stitchbox_store::versions::Version;
