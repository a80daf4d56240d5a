//! Sharing: kinds of share, the permission bits of Nextcloud's interfaces, and the documents of the API.

use crate::{ItemId, Role, ShareId, SpaceId, SpaceKind, Timestamp, UnknownWord, UserId};
use serde::Serialize;
use std::str::FromStr;

/// To whom a share gives access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareKind {
    /// A user here.
    User,
    /// The members of a group here.
    Group,
    /// Whoever has the link.
    Link,
    /// A user or group of a peer.
    Federated,
}

impl ShareKind {
    /// The word used in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Link => "link",
            Self::Federated => "federated",
        }
    }
}

impl FromStr for ShareKind {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "user" => Ok(Self::User),
            "group" => Ok(Self::Group),
            "link" => Ok(Self::Link),
            "federated" => Ok(Self::Federated),
            _ => Err(UnknownWord { given: text.to_owned(), allowed: "user, group, link, federated" }),
        }
    }
}

/// What a share allows, as the bits Nextcloud's interfaces speak in: 1 read, 2 update, 4 create, 8 delete, 16 share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareRights {
    /// What may be done.
    pub role: Role,
    /// It may be passed on, whatever the role.
    pub may_reshare: bool,
    /// New files may be brought and nothing be seen.
    pub upload_only: bool,
}

impl ShareRights {
    /// Read.
    pub const READ: u32 = 1;
    /// Change the content of what exists.
    pub const UPDATE: u32 = 2;
    /// Make new items.
    pub const CREATE: u32 = 4;
    /// Remove.
    pub const DELETE: u32 = 8;
    /// Pass on.
    pub const SHARE: u32 = 16;

    /// The bits. A file has neither create nor delete.
    #[must_use]
    pub fn bits(self, is_folder: bool) -> u32 {
        if self.upload_only {
            return Self::CREATE;
        }
        let role = match self.role {
            Role::Viewer => Self::READ,
            Role::Contributor => Self::READ | Self::CREATE,
            Role::Editor | Role::Manager => Self::READ | Self::UPDATE | Self::CREATE | Self::DELETE,
        };
        let role = if is_folder { role } else { role & !(Self::CREATE | Self::DELETE) };
        let passes_on = self.may_reshare || self.role == Role::Manager;
        role | if passes_on { Self::SHARE } else { 0 }
    }

    /// The strongest rights whose bits are all asked for; `None` where nothing may be done with them. Bits know no
    /// manager: who may pass on what can be edited need not be let to decide about the shares of others.
    #[must_use]
    pub fn of_bits(bits: u32, is_folder: bool) -> Option<Self> {
        let has = |wanted: u32| bits & wanted == wanted;
        if !has(Self::READ) {
            let drop = is_folder && has(Self::CREATE);
            return drop.then_some(Self { role: Role::Contributor, may_reshare: false, upload_only: true });
        }
        let editor = if is_folder { Self::UPDATE | Self::CREATE | Self::DELETE } else { Self::UPDATE };
        let role = match () {
            () if has(editor) => Role::Editor,
            () if is_folder && has(Self::CREATE) => Role::Contributor,
            () => Role::Viewer,
        };
        Some(Self { role, may_reshare: has(Self::SHARE), upload_only: false })
    }
}

/// A person, by login name and by the name for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonDocument {
    /// Login name; of a group its name, of somebody at a peer `name@host`.
    pub name: String,
    /// Name for people.
    pub display_name: String,
}

/// What is known of a share with somebody at a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryDocument {
    /// pending, sent, accepted, declined, refused.
    pub state: String,
    /// What the peer said last.
    pub answer: Option<String>,
    /// Whether the recipient is a group there.
    pub is_group: bool,
}

/// A share as who may see it sees it.
#[derive(Debug, Clone, Serialize)]
pub struct ShareDocument {
    /// Id of the share.
    pub id: ShareId,
    /// To whom it gives access.
    pub kind: ShareKind,
    /// Id of the space of what is shared.
    pub space: SpaceId,
    /// Name of that space.
    pub space_name: String,
    /// Kind of that space.
    pub space_kind: SpaceKind,
    /// Id of what is shared.
    pub item: ItemId,
    /// `file` or `folder`.
    pub item_kind: &'static str,
    /// The folder it lies in; none for the root of a space.
    pub item_folder: Option<ItemId>,
    /// Its name; of a space's root the name of the space.
    pub name: String,
    /// Its path in the space; none where only the share is seen, not the space.
    pub path: Option<String>,
    /// Its path below the asking person's files; none where it is not shown there.
    pub shown_at: Option<String>,
    /// Bytes of it.
    pub size: i64,
    /// Its ETag with the quotes.
    pub etag: String,
    /// When it was modified last.
    pub modified_at: Timestamp,
    /// Whose personal space it lies in; of a project space who made the share.
    pub owner: PersonDocument,
    /// Who made the share.
    pub grantor: PersonDocument,
    /// Who got it; none for a link.
    pub grantee: Option<PersonDocument>,
    /// What may be done.
    pub role: Role,
    /// New files may be brought and nothing be seen.
    pub upload_only: bool,
    /// It may be passed on.
    pub may_reshare: bool,
    /// What it is called by who made it.
    pub label: String,
    /// What it says to who gets it.
    pub note: String,
    /// The secret in the address of a link, for who made it and for managers.
    pub token: Option<String>,
    /// The page of a link on this server: `/s/` and the token.
    pub link: Option<String>,
    /// Whether a link asks for a password.
    pub has_password: bool,
    /// Until when it opens anything.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The share through which it was made.
    pub parent: Option<ShareId>,
    /// Whether the asking person hid it from the folder `Shares`.
    pub hidden: bool,
    /// Whether the asking person may change and end it.
    pub may_change: bool,
    /// How it fares on its way to the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryDocument>,
}

impl ShareDocument {
    /// What it allows, as bits.
    #[must_use]
    pub fn bits(&self) -> u32 {
        ShareRights { role: self.role, may_reshare: self.may_reshare, upload_only: self.upload_only }
            .bits(self.item_kind == "folder")
    }
}

/// A member of a space, as everybody who has access is listed.
#[derive(Debug, Clone, Serialize)]
pub struct MemberDocument {
    /// Who.
    #[serde(flatten)]
    pub person: PersonDocument,
    /// What the member may do in the whole space.
    pub role: Role,
}

/// Everybody who has access to an item.
#[derive(Debug, Clone, Serialize)]
pub struct AccessDocument {
    /// Members of its space.
    pub members: Vec<MemberDocument>,
    /// Shares of the item and of the folders above it.
    pub shares: Vec<ShareDocument>,
    /// Shares of what lies below it.
    pub below: Vec<ShareDocument>,
}

/// Somebody something can be shared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShareeDocument {
    /// User, group, or federated.
    pub kind: ShareKind,
    /// Who.
    #[serde(flatten)]
    pub person: PersonDocument,
    /// Called exactly as was searched.
    pub exact: bool,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupDocument {
    /// Its name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Login names of the members.
    pub members: Vec<String>,
}

/// One thing that happened to access.
#[derive(Debug, Clone, Serialize)]
pub struct AuditDocument {
    /// Grows with time; in decimal.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// What happened, one word.
    pub event: String,
    /// Who did it.
    pub actor: String,
    /// The local user who did it.
    pub user: Option<UserId>,
    /// The share.
    pub share: Option<ShareId>,
    /// The space of the item.
    pub space: Option<SpaceId>,
    /// The item.
    pub item: Option<ItemId>,
    /// What it was done to, as it was called then.
    pub subject: String,
    /// The address it came from, if from any.
    pub client: String,
    /// More, without secrets.
    pub details: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_never_grant_more_than_was_asked_for() {
        for is_folder in [true, false] {
            for bits in 0..32 {
                let Some(rights) = ShareRights::of_bits(bits, is_folder) else {
                    assert!(bits & 1 == 0, "{bits}");
                    continue;
                };
                assert_eq!(rights.bits(is_folder) & !bits, 0, "{bits} {is_folder}");
                let again = ShareRights::of_bits(rights.bits(is_folder), is_folder);
                assert_eq!(again.map(|again| again.bits(is_folder)), Some(rights.bits(is_folder)));
            }
        }
    }

    #[test]
    fn bits_are_those_of_nextcloud() {
        let bits = |role, may_reshare, is_folder| ShareRights { role, may_reshare, upload_only: false }.bits(is_folder);
        assert_eq!([bits(Role::Viewer, false, true), bits(Role::Viewer, true, true)], [1, 17]);
        assert_eq!([bits(Role::Contributor, false, true), bits(Role::Editor, false, true)], [5, 15]);
        assert_eq!([bits(Role::Manager, false, true), bits(Role::Editor, true, true)], [31, 31]);
        assert_eq!([bits(Role::Editor, false, false), bits(Role::Editor, true, false)], [3, 19]);
        let drop = ShareRights::of_bits(4, true);
        assert_eq!(drop.map(|drop| (drop.upload_only, drop.bits(true))), Some((true, 4)));
        assert_eq!(ShareRights::of_bits(4, false), None, "nothing can be dropped into a file");
        assert_eq!(ShareRights::of_bits(7, true).map(|rights| rights.role), Some(Role::Contributor));
    }

    #[test]
    fn kinds_are_read_back() {
        for kind in [ShareKind::User, ShareKind::Group, ShareKind::Link, ShareKind::Federated] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("mail".parse::<ShareKind>().is_err());
    }
}
