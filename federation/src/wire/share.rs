//! The share message, POST {endPoint}/shares (facts section 3): written in the form a peer takes, read in all of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::field::{WireError, address, is_name, is_opaque_id, object, required, text, text_or_number, texts, words};
use crate::address::FederatedId;
use crate::dialect::{Form, Shape};
use crate::secret::Secret;

/// What Nextcloud wants to read in `options.permissions`: the name of a property, not a list.
const LITERAL_PERMISSIONS: &str = "{http://open-cloud-mesh.org/ns}share-permissions";

/// To whom a share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShareType {
    /// One person.
    User,
    /// A group at the receiving site.
    Group,
}

impl ShareType {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

/// What is shared. Read with care: Nextcloud up to 31 says `file` of folders too; only WebDAV tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceType {
    /// A file, or from an old Nextcloud a folder.
    File,
    /// A folder.
    Folder,
}

impl ResourceType {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
        }
    }
}

/// How the shared thing is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The form it came in; [`Form::Multi`] if it has a URL of its own.
    pub form: Form,
    /// Absolute URL of the shared thing, or as a strict peer wrote it relative to its WebDAV root; `None` in the legacy form.
    pub uri: Option<String>,
    /// Opens it: as it is, or after an exchange.
    pub shared_secret: Secret,
    /// `read`, `write`, `share`; empty if it tells none (the legacy form): WebDAV tells.
    pub permissions: Vec<String>,
    /// The secret must be exchanged for an access token first.
    pub must_exchange_token: bool,
}

/// A share as one site tells another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareMessage {
    /// Who receives it, at the receiving site.
    pub share_with: FederatedId,
    /// Name of the file or folder; never a path.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// The sender's id of the share; opaque, at most 255 bytes.
    pub provider_id: String,
    /// Whose it is.
    pub owner: FederatedId,
    /// Who gives it: the same, or a re-sharer.
    pub sender: FederatedId,
    /// Name for people; may be empty.
    pub owner_display_name: String,
    /// Name for people; may be empty.
    pub sender_display_name: String,
    /// To a person or a group.
    pub share_type: ShareType,
    /// A file or a folder.
    pub resource_type: ResourceType,
    /// When it ends, Unix seconds.
    pub expiration: Option<i64>,
    /// How it is reached.
    pub offer: Offer,
}

impl ShareMessage {
    /// The message in the shape chosen for the peer ([`crate::dialect::choose`]).
    #[must_use]
    pub fn encode(&self, shape: &Shape) -> Value {
        let mut message = json!({
            "shareWith": self.share_with.to_string(),
            "name": self.name,
            "providerId": self.provider_id,
            "owner": self.owner.to_string(),
            "sender": self.sender.to_string(),
            "ownerDisplayName": self.owner_display_name,
            "senderDisplayName": self.sender_display_name,
            "shareType": self.share_type.as_str(),
            "resourceType": shape.resource_type.as_str(),
            "protocol": self.offer.encode(shape),
        });
        if let Some(map) = message.as_object_mut() {
            if !self.description.is_empty() {
                map.insert("description".to_owned(), self.description.clone().into());
            }
            if let Some(at) = self.expiration {
                map.insert("expiration".to_owned(), at.into());
            }
        }
        message
    }

    /// Reads a message of any dialect.
    ///
    /// # Errors
    /// What is missing, malformed or not supported; [`WireError::status`] is the answer to give.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let map = object(body)?;
        let name = required(&map, "name", 255)?;
        if !is_name(&name) {
            return Err(WireError::BadValue("name"));
        }
        let provider_id = text_or_number(&map, "providerId", 255)?.ok_or(WireError::Missing("providerId"))?;
        if !is_opaque_id(&provider_id) {
            return Err(WireError::BadValue("providerId"));
        }
        let owner = address(&map, "owner")?.ok_or(WireError::Missing("owner"))?;
        let sender = match address(&map, "sender")? {
            Some(sender) => sender,
            None => address(&map, "sharedBy").unwrap_or(None).unwrap_or_else(|| owner.clone()),
        };
        let display = |field: &str, other: &str| match words(&map, field, 255) {
            name if name.is_empty() => words(&map, other, 255),
            name => name,
        };
        Ok(Self {
            share_with: address(&map, "shareWith")?.ok_or(WireError::Missing("shareWith"))?,
            name,
            description: words(&map, "description", 4096),
            provider_id,
            owner_display_name: display("ownerDisplayName", "ownerDisplayName"),
            sender_display_name: display("senderDisplayName", "sharedByDisplayName"),
            owner,
            sender,
            share_type: share_type(&map)?,
            resource_type: resource_type(&map)?,
            expiration: expiration(&map)?,
            offer: Offer::decode(map.get("protocol").ok_or(WireError::Missing("protocol"))?)?,
        })
    }
}

fn share_type(map: &Map<String, Value>) -> Result<ShareType, WireError> {
    match required(map, "shareType", 64)?.as_str() {
        "user" => Ok(ShareType::User),
        "group" => Ok(ShareType::Group),
        _ => Err(WireError::Unsupported("shareType")),
    }
}

fn resource_type(map: &Map<String, Value>) -> Result<ResourceType, WireError> {
    match required(map, "resourceType", 64)?.as_str() {
        "file" => Ok(ResourceType::File),
        "folder" => Ok(ResourceType::Folder),
        _ => Err(WireError::Unsupported("resourceType")),
    }
}

/// Unix seconds; 0 is none (oCIS).
fn expiration(map: &Map<String, Value>) -> Result<Option<i64>, WireError> {
    match map.get("expiration") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(0) => Ok(None),
            Some(at) if (0..=253_402_300_799).contains(&at) => Ok(Some(at)),
            Some(_) => Err(WireError::BadValue("expiration")),
            None => Err(WireError::WrongType("expiration")),
        },
    }
}

impl Offer {
    /// The `protocol` object in a shape; also the one of SHARE_CHANGE_PERMISSION.
    #[must_use]
    pub fn encode(&self, shape: &Shape) -> Value {
        let secret = self.shared_secret.expose();
        let requirements: &[&str] = if shape.must_exchange_token { &["must-exchange-token"] } else { &[] };
        let webdav = self.uri.as_ref().map(|uri| {
            let mut webdav = json!({
                "uri": uri,
                "sharedSecret": secret,
                "permissions": self.permissions,
                "requirements": requirements,
            });
            if let (true, Some(map)) = (shape.url_beside_uri, webdav.as_object_mut()) {
                map.insert("url".to_owned(), uri.clone().into());
            }
            webdav
        });
        let mut protocol = match shape.form {
            Form::Legacy => json!({
                "name": "webdav",
                "options": {"sharedSecret": secret, "permissions": LITERAL_PERMISSIONS},
            }),
            Form::Multi if shape.empty_options => json!({"name": "multi", "options": {}}),
            Form::Multi => json!({"name": "multi"}),
        };
        if let (Some(webdav), Some(map)) = (webdav, protocol.as_object_mut()) {
            map.insert("webdav".to_owned(), webdav);
        }
        protocol
    }

    /// Reads a `protocol` object of any dialect.
    ///
    /// # Errors
    /// No way by WebDAV (`Unsupported`, 501), no secret, an unknown requirement.
    pub fn decode(value: &Value) -> Result<Self, WireError> {
        let map = value.as_object().ok_or(WireError::WrongType("protocol"))?;
        let legacy = map.get("options").and_then(Value::as_object);
        match map.get("webdav") {
            Some(Value::Object(webdav)) => Self::decode_webdav(webdav, legacy),
            Some(_) => Err(WireError::WrongType("protocol.webdav")),
            None if map.get("name").and_then(Value::as_str) == Some("webdav") => {
                let options = legacy.ok_or(WireError::Missing("protocol.options"))?;
                Ok(Self {
                    form: Form::Legacy,
                    uri: None,
                    shared_secret: secret(options)?.ok_or(WireError::Missing("protocol.options.sharedSecret"))?,
                    permissions: Vec::new(),
                    must_exchange_token: false,
                })
            }
            None => Err(WireError::Unsupported("protocol")),
        }
    }

    fn decode_webdav(webdav: &Map<String, Value>, legacy: Option<&Map<String, Value>>) -> Result<Self, WireError> {
        let own = secret(webdav)?;
        let shared_secret = match own {
            Some(secret) => secret,
            None => match legacy.map(secret).transpose()?.flatten() {
                Some(secret) => secret,
                None => return Err(WireError::Missing("protocol.webdav.sharedSecret")),
            },
        };
        let uri = match text(webdav, "uri", 2048)? {
            Some(uri) => Some(uri),
            None => text(webdav, "url", 2048)?,
        };
        if uri.as_ref().is_some_and(|uri| uri.chars().any(char::is_control)) {
            return Err(WireError::BadValue("protocol.webdav.uri"));
        }
        let requirements = texts(webdav, "requirements", 32, 64);
        if requirements.iter().any(|word| word != "must-exchange-token") {
            return Err(WireError::Unsupported("protocol.webdav.requirements"));
        }
        Ok(Self {
            form: if uri.is_some() { Form::Multi } else { Form::Legacy },
            uri,
            shared_secret,
            permissions: texts(webdav, "permissions", 16, 32).iter().map(|word| word.to_ascii_lowercase()).collect(),
            must_exchange_token: !requirements.is_empty(),
        })
    }
}

fn secret(map: &Map<String, Value>) -> Result<Option<Secret>, WireError> {
    let secret = text(map, "sharedSecret", 1024)?;
    match secret {
        Some(secret) if secret.chars().any(char::is_control) => Err(WireError::BadValue("sharedSecret")),
        other => Ok(other.map(Secret::new)),
    }
}

/// The answer to a share: 200 or 201.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareAnswer {
    /// The recipient's name for people; empty if not told (OpenCloud answers `{}`).
    pub recipient_display_name: String,
}

impl ShareAnswer {
    /// The JSON to answer with.
    #[must_use]
    pub fn encode(&self) -> Value {
        json!({"recipientDisplayName": self.recipient_display_name})
    }

    /// Reads an answer; anything but an object with a name is an empty answer.
    #[must_use]
    pub fn decode(body: &[u8]) -> Self {
        let map = object(body).unwrap_or_default();
        Self { recipient_display_name: words(&map, "recipientDisplayName", 255) }
    }
}
