//! How the programs other sites run differ: what they announce, what they refuse and how they come to read
//! (`shared/facts/ocm.md` sections 2 to 5 and 10).

use serde_json::{Value, json};

use super::signature::Keys;
use super::wire::Answer;

/// A program another site may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// Nextcloud 29.0.1.
    Nextcloud29,
    /// Nextcloud 31.0.2.
    Nextcloud31,
    /// Nextcloud 34.0.1.
    Nextcloud34,
    /// Nextcloud 35, as its source reads.
    Nextcloud35,
    /// OpenCloud of February 2025, of the family of ownCloud Infinite Scale.
    OpenCloud,
    /// reva, which CERNBox runs.
    Reva,
    /// A strict peer of draft 1.4.
    Strict,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 7] = [
        Dialect::Nextcloud29,
        Dialect::Nextcloud31,
        Dialect::Nextcloud34,
        Dialect::Nextcloud35,
        Dialect::OpenCloud,
        Dialect::Reva,
        Dialect::Strict,
    ];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Nextcloud29 => "Nextcloud 29",
            Dialect::Nextcloud31 => "Nextcloud 31",
            Dialect::Nextcloud34 => "Nextcloud 34",
            Dialect::Nextcloud35 => "Nextcloud 35",
            Dialect::OpenCloud => "OpenCloud",
            Dialect::Reva => "reva / CERNBox",
            Dialect::Strict => "strict 1.4",
        }
    }

    /// Whether it is a Nextcloud up to 34: legacy form, Basic at the root.
    pub fn is_old_nextcloud(self) -> bool {
        matches!(self, Dialect::Nextcloud29 | Dialect::Nextcloud31 | Dialect::Nextcloud34)
    }

    /// Whether it is any Nextcloud.
    pub fn is_nextcloud(self) -> bool {
        self.is_old_nextcloud() || self == Dialect::Nextcloud35
    }

    /// Whether it signs with draft-cavage.
    pub fn signs_cavage(self) -> bool {
        matches!(self, Dialect::Nextcloud31 | Dialect::Nextcloud34)
    }

    /// Whether it signs by RFC 9421.
    pub fn signs_messages(self) -> bool {
        matches!(self, Dialect::Nextcloud35 | Dialect::Strict)
    }

    /// Whether it takes and makes invitations.
    pub fn has_invites(self) -> bool {
        !matches!(self, Dialect::Nextcloud29 | Dialect::Nextcloud31)
    }

    /// Whether it lets others in only with an exchanged token.
    pub fn must_exchange(self) -> bool {
        self == Dialect::Strict
    }

    /// Whether it takes shares only from people whose invitation was accepted.
    pub fn must_invite(self) -> bool {
        matches!(self, Dialect::Reva | Dialect::Strict)
    }

    /// The addresses at which it answers with its discovery document.
    pub fn serves_discovery_at(self, path: &str) -> bool {
        match path {
            "/.well-known/ocm" => !matches!(self, Dialect::Nextcloud29 | Dialect::Nextcloud31),
            "/ocm-provider" | "/ocm-provider/" => !matches!(self, Dialect::Strict | Dialect::Reva),
            _ => false,
        }
    }

    /// The addresses at which it looks for ours, in order.
    pub fn reads_discovery_at(self) -> &'static [&'static str] {
        match self {
            Dialect::Nextcloud29 | Dialect::Nextcloud31 => &["/ocm-provider/"],
            Dialect::Nextcloud34 | Dialect::Nextcloud35 => &["/.well-known/ocm", "/ocm-provider"],
            Dialect::OpenCloud | Dialect::Reva => &["/.well-known/ocm", "/ocm-provider"],
            Dialect::Strict => &["/.well-known/ocm"],
        }
    }

    /// Where its endpoints are, below its origin.
    pub fn end_point(self) -> &'static str {
        if self.is_nextcloud() { "/index.php/ocm" } else { "/ocm" }
    }

    /// Where its WebDAV is, below its origin.
    pub fn dav_root(self) -> &'static str {
        match self {
            Dialect::OpenCloud => "/dav/ocm/",
            Dialect::Reva => "/remote.php/dav/ocm/",
            Dialect::Strict => "/webdav/ocm/",
            _ => "/public.php/webdav/",
        }
    }

    /// Its discovery document.
    pub fn discovery(self, origin: &str, keys: &Keys) -> Value {
        let webdav = json!({"webdav": self.dav_root()});
        let kinds: &[&str] = match self {
            Dialect::Strict => &["file"],
            Dialect::OpenCloud | Dialect::Reva => &["file", "folder"],
            _ => &["file"],
        };
        let share_types = if self.is_nextcloud() { json!(["user", "group"]) } else { json!(["user"]) };
        let kinds: Vec<Value> =
            kinds.iter().map(|kind| json!({"name": kind, "shareTypes": share_types, "protocols": webdav})).collect();
        let (api, more) = match self {
            Dialect::Nextcloud29 => ("1.0-proposal1", json!({})),
            Dialect::Nextcloud31 => ("1.0-proposal1", json!({"version": "1.1"})),
            Dialect::Nextcloud34 => (
                "1.0-proposal1",
                json!({"version": "1.1.0", "provider": "Nextcloud",
                    "capabilities": ["invite-accepted", "notifications", "shares"],
                    "inviteAcceptDialog": ""}),
            ),
            Dialect::Nextcloud35 => (
                "1.0-proposal1",
                json!({"version": "1.4.0", "provider": "Nextcloud",
                    "capabilities": ["invites", "notifications", "protocol-object", "exchange-token", "http-sig"],
                    "inviteAcceptDialog": format!("{origin}/index.php/apps/contacts/invite"),
                    "tokenEndPoint": format!("{origin}/index.php/apps/cloud_federation_api/api/v1/access-token"),
                    "jwksUri": format!("{origin}/.well-known/jwks.json")}),
            ),
            Dialect::OpenCloud => ("1.1.0", json!({"provider": "OpenCloud", "capabilities": ["/invite-accepted"]})),
            Dialect::Reva => (
                "1.3.0",
                json!({"provider": "CERNBox", "criteria": ["must-invite"],
                    "capabilities": ["invites", "protocol-object", "invite-wayf", "exchange-token"],
                    "inviteAcceptDialog": format!("{origin}/open-cloud-mesh/accept-invite"),
                    "tokenEndPoint": format!("{origin}/ocm/token")}),
            ),
            Dialect::Strict => (
                "1.4.0",
                json!({"provider": "OCM Go", "capabilities": ["http-sig", "exchange-token", "invites", "notifications"],
                    "criteria": ["must-use-http-sig", "must-exchange-token", "must-invite"],
                    "inviteAcceptDialog": format!("{origin}/ui/accept-invite"),
                    "tokenEndPoint": format!("{origin}/ocm/token"),
                    "jwksUri": format!("{origin}/ocm/jwks")}),
            ),
        };
        let mut document = json!({
            "enabled": true,
            "apiVersion": api,
            "endPoint": format!("{origin}{}", self.end_point()),
            "resourceTypes": kinds,
        });
        let object = document.as_object_mut().expect("an object");
        object.extend(more.as_object().cloned().unwrap_or_default());
        if self.signs_cavage() || self == Dialect::Nextcloud35 {
            let key = json!({"keyId": keys.rsa_id, "publicKeyPem": keys.rsa_pem});
            object.insert("publicKey".to_owned(), key);
        }
        document
    }

    /// What it thinks of our discovery document; the words of its refusal.
    ///
    /// # Errors
    /// Says what it does not like.
    pub fn judges_discovery(self, document: &Value) -> Result<(), String> {
        let api = document["apiVersion"].as_str().unwrap_or_default();
        if document["endPoint"].as_str().is_none_or(|text| text.is_empty() || text.ends_with('/')) {
            return Err(format!("endPoint is {}", document["endPoint"]));
        }
        if self == Dialect::Nextcloud29 && !(api.starts_with("1.0") || api.starts_with("1.1")) {
            return Err(format!("apiVersion {api} is not one of 1.0-proposal1, 1.0.x, 1.1.x"));
        }
        let kinds = document["resourceTypes"].as_array().cloned().unwrap_or_default();
        let webdav =
            |kind: &str| kinds.iter().any(|known| known["name"] == kind && known["protocols"]["webdav"].is_string());
        let needed: &[&str] = if self == Dialect::Reva { &["file", "folder"] } else { &["file"] };
        match needed.iter().find(|kind| !webdav(kind)) {
            Some(kind) => Err(format!("no webdav for {kind}")),
            None => Ok(()),
        }
    }

    /// What it answers to a share it is sent, for the users it has; `invited`: whether the sender is one of its contacts.
    pub fn judges_share(self, share: &Value, users: &[String], invited: bool) -> Answer {
        let refused = |status: u16, words: &str| Answer::json(status, &json!({"message": words}));
        let text = |name: &str| share[name].as_str().unwrap_or_default();
        let required = ["shareWith", "name", "owner", "shareType", "resourceType"];
        let missing = required.iter().find(|name| text(name).is_empty());
        if missing.is_some() || share["protocol"]["name"].is_null() || share["providerId"].is_null() {
            return refused(400, "Missing arguments");
        }
        if self != Dialect::Nextcloud29 && text("sender").is_empty() {
            return refused(400, "Missing arguments");
        }
        let protocol = &share["protocol"];
        let (name, options) = (protocol["name"].as_str().unwrap_or_default(), &protocol["options"]);
        let has_options = options.as_object().is_some_and(|options| !options.is_empty());
        let multi = &protocol["webdav"];
        if self.is_nextcloud() {
            let knows_legacy = name == "webdav" && options["sharedSecret"].is_string();
            let knows_multi = self == Dialect::Nextcloud35 && name == "multi" && multi["sharedSecret"].is_string();
            if !knows_legacy && !knows_multi {
                return match has_options {
                    true => refused(501, "protocol not supported"),
                    false => refused(400, "Missing arguments"),
                };
            }
            let is_plain_file = text("resourceType") == "file";
            if !(is_plain_file
                || matches!(self, Dialect::Nextcloud34 | Dialect::Nextcloud35) && text("resourceType") == "folder")
            {
                return refused(501, "resource type not supported");
            }
            if !matches!(text("shareType"), "user" | "group") {
                return refused(501, "share type not supported");
            }
        } else {
            if has_options || (self == Dialect::Strict && !options.is_null()) {
                return refused(400, "protocol options not supported");
            }
            if name != "multi" && name != "webdav" {
                return refused(400, "protocol not supported");
            }
            let uri = [&multi["uri"], &multi["url"]].into_iter().any(Value::is_string);
            let arms = protocol.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            let is_known = |key: &str| matches!(key, "name" | "options" | "webdav");
            let unknown: Vec<&str> = arms.filter(|key| !is_known(key)).collect();
            if !uri || !multi["sharedSecret"].is_string() || multi["permissions"].as_array().is_none_or(Vec::is_empty) {
                return refused(400, "missing webdav protocol");
            }
            if !unknown.is_empty() {
                return refused(400, &format!("unknown protocols {unknown:?}"));
            }
            let requirements = multi["requirements"].as_array().cloned().unwrap_or_default();
            if self == Dialect::Reva && requirements.iter().any(|word| word != "must-exchange-token") {
                return refused(400, "unknown requirement");
            }
            if self == Dialect::Strict && !requirements.iter().any(|word| word == "must-exchange-token") {
                return refused(400, "must-exchange-token is required");
            }
            if self == Dialect::OpenCloud && !multi["url"].is_string() {
                return refused(400, "missing url");
            }
            if text("shareType") != "user" {
                return refused(501, "share type not supported");
            }
        }
        let user = text("shareWith").rsplit_once('@').map_or("", |(user, _)| user);
        let is_group = text("shareType") == "group" && user == "lab";
        if !is_group && !users.iter().any(|known| known == user) {
            return refused(if self.is_nextcloud() { 400 } else { 404 }, &format!("User \"{user}\" does not exist"));
        }
        if self.must_invite() && !invited {
            return refused(403, "no invitation of the sender was accepted");
        }
        match self {
            Dialect::OpenCloud => Answer::json(200, &json!({})),
            _ => Answer::json(201, &json!({"recipientDisplayName": user, "recipientUserId": user})),
        }
    }
}
