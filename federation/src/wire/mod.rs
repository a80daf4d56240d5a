//! The messages of Open Cloud Mesh, as every deployed dialect writes them: strict in what is sent, lenient in what is read.

mod discovery;
mod field;
mod invite;
mod notification;
mod refusal;
mod share;
mod token;

pub use discovery::{Discovery, OurDiscovery, PublishedKey, ResourceKind};
pub use field::WireError;
pub use invite::{Invite, InviteAccepted, InviteAnswer, InviteError};
pub use notification::{Notification, NotificationKind};
pub use refusal::{RefusalBody, peers_words};
pub use share::{Offer, ResourceType, ShareAnswer, ShareMessage, ShareType};
pub use token::{GrantType, TokenAnswer, TokenError, TokenRequest};
