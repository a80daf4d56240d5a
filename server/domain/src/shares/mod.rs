//! Shares: access to an item and what lies below it, for a user, a group, whoever has a link, or somebody at a peer.
//!
//! One file is one idea: who may give how much ([`rights`]), giving it ([`grant`]), seeing who has what ([`list`]),
//! changing ([`change`]) and ending it ([`revoke`]), the entries people see it by ([`entries`]), whom there is to share
//! with ([`sharees`]), groups ([`groups`]) and the record of it all ([`audit`]). What a share opens is tested at every use in
//! `access`; nothing here is asked for that.

mod ask;
mod audit;
mod change;
mod documents;
mod entries;
mod fault;
mod grant;
mod groups;
mod list;
mod revoke;
mod rights;
mod sharees;
mod token;

pub use ask::Given;
pub use audit::AuditQuery;
pub use change::ShareChange;
pub use fault::ShareFault;
pub use sharees::{ShareeKinds, ShareeQuery};

pub(crate) use audit::Acting;
pub(crate) use entries::{free_name, numbered, touch_files};
pub(crate) use grant::described_reshare;
pub(crate) use revoke::{end_made_by, end_shares_of_item, end_with_peer};

use crate::Location;
use stitchbox_schema::{Role, Timestamp};

/// Who gets access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A user here, by login name.
    User(String),
    /// The members of a group here, by its name.
    Group(String),
    /// Whoever has the link.
    Link,
    /// Somebody at a peer.
    Federated {
        /// `name@host`.
        recipient: String,
        /// Whether that is a group there.
        group: bool,
    },
}

/// A share to be made.
#[derive(Clone)]
pub struct NewShare {
    /// What is shared, as the grantor sees it.
    pub item: Location,
    /// Who gets access.
    pub to: Grantee,
    /// What may be done.
    pub role: Role,
    /// New files may be brought and nothing be seen: a link to a folder alone.
    pub upload_only: bool,
    /// It may be passed on.
    pub may_reshare: bool,
    /// What the link asks for.
    pub password: Option<String>,
    /// Until when it opens anything.
    pub expires_at: Option<Timestamp>,
    /// What the grantor calls it.
    pub label: String,
    /// What it says to the grantee.
    pub note: String,
}

impl NewShare {
    /// Reading, for as long as nobody ends it.
    #[must_use]
    pub fn of(item: Location, to: Grantee, role: Role) -> Self {
        Self {
            item,
            to,
            role,
            upload_only: false,
            may_reshare: false,
            password: None,
            expires_at: None,
            label: String::new(),
            note: String::new(),
        }
    }
}

/// Passwords stay out of logs.
impl std::fmt::Debug for NewShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewShare")
            .field("item", &self.item)
            .field("to", &self.to)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
