//! What waits to be said to peers.

use serde::{Deserialize, Serialize};

/// What is to be said, not how: the form is chosen when the peer is known. Nothing of it for a share, which is read from
/// its rows when it is sent.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    /// For a notification: its type.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) notification: String,
    /// What the sender of the share calls it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) provider_id: String,
    /// Shared secret, or the token of an invite. Sealed in the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// name@host of who the share is with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grantee: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
    /// With whom a share is to be passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share_with: Option<String>,
    /// What who passes it on calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_id: Option<String>,
    /// A signed statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jws: Option<String>,
}

impl Message {
    /// A notification about a share.
    pub(crate) fn notification(kind: &str, provider_id: &str, text: &str) -> Self {
        Self {
            notification: kind.to_owned(),
            provider_id: provider_id.to_owned(),
            text: text.to_owned(),
            ..Self::default()
        }
    }
}
