//! Notifications, POST {endPoint}/notifications (facts section 4).

use serde_json::{Map, Value, json};

use super::field::{WireError, is_opaque_id, object, required, text, text_or_number, words};
use super::share::Offer;
use crate::address::FederatedId;
use crate::dialect::Shape;
use crate::secret::Secret;

/// Longest attestation that travels, bytes.
const LONGEST_JWS: usize = 256 << 10;

/// What a notification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// The receiver took the share.
    ShareAccepted,
    /// The receiver refused or removed the share.
    ShareDeclined,
    /// The sender ended the share.
    ShareUnshared,
    /// The receiver asks the owner to share with a third person.
    RequestReshare,
    /// A re-share ended.
    ReshareUndo,
    /// Of a re-share, by old programs; nobody relies on it.
    ReshareChangePermission,
    /// The sender changed what is allowed (oCIS): carries a new `protocol`.
    ShareChangePermission,
    /// Between two Stitchboxes: the shared folder moved, read it soon.
    StitchboxChanged,
    /// Between two Stitchboxes: a signed attestation.
    StitchboxAttestation,
}

impl NotificationKind {
    const ALL: [(Self, &'static str); 9] = [
        (Self::ShareAccepted, "SHARE_ACCEPTED"),
        (Self::ShareDeclined, "SHARE_DECLINED"),
        (Self::ShareUnshared, "SHARE_UNSHARED"),
        (Self::RequestReshare, "REQUEST_RESHARE"),
        (Self::ReshareUndo, "RESHARE_UNDO"),
        (Self::ReshareChangePermission, "RESHARE_CHANGE_PERMISSION"),
        (Self::ShareChangePermission, "SHARE_CHANGE_PERMISSION"),
        (Self::StitchboxChanged, "STITCHBOX_CHANGED"),
        (Self::StitchboxAttestation, "STITCHBOX_ATTESTATION"),
    ];

    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of a name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Whether only another Stitchbox understands it (others answer 400).
    #[must_use]
    pub fn is_ours_alone(self) -> bool {
        matches!(self, Self::StitchboxChanged | Self::StitchboxAttestation)
    }
}

/// A notification about a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What it tells.
    pub kind: NotificationKind,
    /// `file` or `folder`, as the share was sent; `file` if it tells none.
    pub resource_type: String,
    /// ALWAYS the id of the share message of its sender, in both directions.
    pub provider_id: String,
    /// The share's secret, by which Nextcloud knows the caller.
    pub shared_secret: Option<Secret>,
    /// Who received the share; oCIS wants it.
    pub grantee: Option<String>,
    /// For people.
    pub message: String,
    /// REQUEST_RESHARE: with whom.
    pub share_with: Option<FederatedId>,
    /// REQUEST_RESHARE: the re-sharer's own id of the share.
    pub sender_id: Option<String>,
    /// SHARE_CHANGE_PERMISSION: the new offer. Sent in the shape beside it.
    pub offer: Option<Offer>,
    /// STITCHBOX_ATTESTATION: the JWS, compact.
    pub jws: Option<String>,
}

impl Notification {
    /// A notification of a kind about a share, without anything else.
    #[must_use]
    pub fn new(kind: NotificationKind, provider_id: impl Into<String>) -> Self {
        Self {
            kind,
            resource_type: "file".to_owned(),
            provider_id: provider_id.into(),
            shared_secret: None,
            grantee: None,
            message: String::new(),
            share_with: None,
            sender_id: None,
            offer: None,
            jws: None,
        }
    }

    /// The message; `shape` is how an offer in it is written.
    #[must_use]
    pub fn encode(&self, shape: &Shape) -> Value {
        let mut inner = Map::new();
        if let Some(secret) = &self.shared_secret {
            inner.insert("sharedSecret".to_owned(), secret.expose().into());
        }
        if let Some(grantee) = &self.grantee {
            inner.insert("grantee".to_owned(), grantee.clone().into());
        }
        if !self.message.is_empty() {
            inner.insert("message".to_owned(), self.message.clone().into());
        }
        if let Some(person) = &self.share_with {
            inner.insert("shareWith".to_owned(), person.to_string().into());
            // Nextcloud's number for a share to a person at another site
            inner.insert("shareType".to_owned(), 6.into());
        }
        if let Some(id) = &self.sender_id {
            inner.insert("senderId".to_owned(), id.clone().into());
        }
        if let Some(offer) = &self.offer {
            inner.insert("protocol".to_owned(), offer.encode(shape));
        }
        if let Some(jws) = &self.jws {
            inner.insert("jws".to_owned(), jws.clone().into());
        }
        json!({
            "notificationType": self.kind.as_str(),
            "resourceType": self.resource_type,
            "providerId": self.provider_id,
            "notification": inner,
        })
    }

    /// Reads a notification of any dialect; strict 1.4 peers send no inner object.
    ///
    /// # Errors
    /// What is missing or unknown. All of them are answered with 400 ([`Notification::refusal_status`]).
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let map = object(body)?;
        let kind = NotificationKind::parse(&required(&map, "notificationType", 64)?)
            .ok_or(WireError::Unsupported("notificationType"))?;
        let resource_type = text(&map, "resourceType", 64)?.unwrap_or_else(|| "file".to_owned());
        if resource_type != "file" && resource_type != "folder" {
            return Err(WireError::Unsupported("resourceType"));
        }
        let provider_id = text_or_number(&map, "providerId", 255)?.ok_or(WireError::Missing("providerId"))?;
        if !is_opaque_id(&provider_id) {
            return Err(WireError::BadValue("providerId"));
        }
        let empty = Map::new();
        let inner = match map.get("notification") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(inner)) => inner,
            // PHP writes an empty object as an empty list
            Some(Value::Array(list)) if list.is_empty() => &empty,
            Some(_) => return Err(WireError::WrongType("notification")),
        };
        let offer = match (kind, inner.get("protocol")) {
            (NotificationKind::ShareChangePermission, Some(protocol)) => Some(Offer::decode(protocol)?),
            _ => None,
        };
        Ok(Self {
            kind,
            resource_type,
            provider_id,
            shared_secret: text(inner, "sharedSecret", 1024)?.map(Secret::new),
            grantee: text(inner, "grantee", 1024).unwrap_or(None),
            message: words(inner, "message", 1024),
            share_with: super::field::address(inner, "shareWith")?,
            sender_id: text_or_number(inner, "senderId", 255)?,
            offer,
            jws: text(inner, "jws", LONGEST_JWS)?,
        })
    }

    /// The status for a notification that cannot be read: 400 even for an unknown type (Nextcloud does so too).
    #[must_use]
    pub fn refusal_status() -> u16 {
        400
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Form;
    use crate::wire::ResourceType;
    use proptest::prelude::*;

    const SHAPE: Shape = Shape {
        form: Form::Multi,
        resource_type: ResourceType::Folder,
        empty_options: true,
        url_beside_uri: false,
        must_exchange_token: false,
    };

    #[test]
    fn each_kind_is_read_back() {
        for (kind, name) in NotificationKind::ALL {
            let mut sent = Notification::new(kind, "77");
            sent.shared_secret = Some(Secret::new("s"));
            sent.grantee = Some("bob@nc.example".into());
            sent.message = "Recipient accept the share".into();
            let wire = sent.encode(&SHAPE);
            assert_eq!(wire["notificationType"], name);
            assert_eq!(wire["notification"]["sharedSecret"], "s");
            assert_eq!(Notification::decode(wire.to_string().as_bytes()).unwrap(), sent);
        }
    }

    #[test]
    fn a_request_to_reshare_is_written_as_nextcloud_reads_it() {
        let mut sent = Notification::new(NotificationKind::RequestReshare, "77");
        sent.share_with = Some(FederatedId::parse("carol@c.example").unwrap());
        sent.sender_id = Some("12".into());
        let wire = sent.encode(&SHAPE);
        assert_eq!(wire["notification"]["shareType"], 6);
        assert_eq!(wire["notification"]["senderId"], "12");
        assert_eq!(Notification::decode(wire.to_string().as_bytes()).unwrap(), sent);
    }

    #[test]
    fn odd_notifications_are_read_and_wrong_ones_refused() {
        let bare = br#"{"notificationType":"SHARE_ACCEPTED","providerId":7,"notification":[]}"#;
        let read = Notification::decode(bare).unwrap();
        assert_eq!((read.provider_id.as_str(), read.resource_type.as_str()), ("7", "file"));
        assert!(read.shared_secret.is_none());
        for (body, error) in [
            (r#"{"notificationType":"X","providerId":"7"}"#, WireError::Unsupported("notificationType")),
            (r#"{"notificationType":"SHARE_ACCEPTED"}"#, WireError::Missing("providerId")),
            (
                r#"{"notificationType":"SHARE_ACCEPTED","providerId":"7","resourceType":"calendar"}"#,
                WireError::Unsupported("resourceType"),
            ),
            (r#"{"notificationType":"SHARE_ACCEPTED","providerId":"a\u0000"}"#, WireError::BadValue("providerId")),
        ] {
            assert_eq!(Notification::decode(body.as_bytes()), Err(error), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_notification_or_refused(inner in ".{0,200}") {
            let _ = Notification::decode(inner.as_bytes());
            let _ = Notification::decode(format!(r#"{{"notificationType":"SHARE_ACCEPTED","providerId":"7","notification":{inner}}}"#).as_bytes());
        }
    }
}
