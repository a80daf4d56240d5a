//! How a fake peer comes to us: it sends shares, notifications and accepted invitations in its form, and opens what it was
//! given as the real program does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::fake_peer::{FakePeer, Received};
use super::signature::sign_message;
use super::wire::{Answer, exchange};
use crate::multistatus::{Entry, parse_multistatus};

/// What Nextcloud asks for.
const NEXTCLOUD_BODY: &str = concat!(
    r#"<?xml version="1.0"?><d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns" "#,
    r#"xmlns:ocs="http://open-collaboration-services.org/ns" xmlns:nc="http://nextcloud.org/ns"><d:prop>"#,
    "<d:getlastmodified/><d:getcontentlength/><d:getcontenttype/><oc:permissions/><ocs:share-permissions/>",
    "<d:resourcetype/><d:getetag/><d:quota-available-bytes/><nc:lock/><nc:lock-owner/><nc:lock-owner-displayname/>",
    "<nc:lock-owner-type/><nc:lock-owner-editor/><nc:lock-time/><nc:lock-timeout/><nc:lock-token/></d:prop></d:propfind>"
);
/// What gowebdav asks for.
const GOWEBDAV_BODY: &str = "<d:propfind xmlns:d='DAV:'><allprop/></d:propfind>";

/// Where and how one of our shares is opened.
#[derive(Debug, Clone)]
pub struct OurShare {
    /// The id we gave it.
    pub provider_id: String,
    /// The secret.
    pub secret: String,
    /// Below our origin, no slash at its end.
    pub root: String,
    authorization: String,
    dialect: Dialect,
    origin: String,
}

/// What it sees of an item.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The whole answer.
    pub answer: Answer,
    /// The items in it.
    pub entries: Vec<Entry>,
}

impl FakePeer {
    /// Reads our discovery where and as its program does.
    ///
    /// # Errors
    /// Says what it did not like.
    pub fn discovers(&self, origin: &str) -> Result<Value, String> {
        let mut last = "no address".to_owned();
        for path in self.dialect.reads_discovery_at() {
            let answer =
                exchange(origin, "GET", path, &[("Accept", "application/json")], b"").map_err(|e| e.to_string())?;
            let document = answer.document();
            if answer.status == 200 && document.is_object() {
                return self.dialect.judges_discovery(&document).map(|()| document);
            }
            last = format!("{path} answers {answer:?}");
        }
        Err(last)
    }

    /// Takes a share it received from us, exchanging its secret where it must.
    ///
    /// # Errors
    /// Says what is missing in the message, or what the exchange answered.
    pub fn takes(&self, origin: &str, share: &Received) -> Result<OurShare, String> {
        let body = &share.body;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let protocol = &body["protocol"];
        let provider_id = text(&body["providerId"]).unwrap_or_else(|| body["providerId"].to_string());
        let legacy = text(&protocol["options"]["sharedSecret"]);
        let multi = text(&protocol["webdav"]["sharedSecret"]);
        let uri = text(&protocol["webdav"]["uri"]).or(text(&protocol["webdav"]["url"]));
        let path = uri.as_deref().map(|uri| match uri.split_once("://") {
            Some((_, rest)) => format!("/{}", rest.split_once('/').map_or("", |(_, path)| path)),
            None => uri.to_owned(),
        });
        let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{secret}:")));
        let document = self.discovers(origin)?;
        let kinds = document["resourceTypes"].as_array().cloned().unwrap_or_default();
        let root = kinds.iter().find_map(|kind| kind["protocols"]["webdav"].as_str()).unwrap_or_default();
        let root = root.trim_end_matches('/').to_owned();
        let (secret, root, authorization) = match self.dialect {
            Dialect::Nextcloud29 | Dialect::Nextcloud31 | Dialect::Nextcloud34 => {
                let secret = legacy.ok_or("no options.sharedSecret")?;
                (secret.clone(), root, basic(&secret))
            }
            Dialect::Nextcloud35 => {
                let secret = multi.or(legacy).ok_or("no secret")?;
                let token = self.exchanges(origin, &document, &secret)?;
                (secret, root, format!("Bearer {token}"))
            }
            Dialect::OpenCloud | Dialect::Reva => {
                let secret = multi.ok_or("no webdav.sharedSecret")?;
                (secret.clone(), path.ok_or("no uri")?, format!("Bearer {secret}"))
            }
            Dialect::Strict => {
                let secret = multi.ok_or("no webdav.sharedSecret")?;
                let token = self.exchanges(origin, &document, &secret)?;
                (secret, path.ok_or("no uri")?, format!("Bearer {token}"))
            }
        };
        let root = root.trim_end_matches('/').to_owned();
        Ok(OurShare { provider_id, secret, root, authorization, dialect: self.dialect, origin: origin.to_owned() })
    }

    /// Exchanges a secret for a token at our token endpoint, signed.
    ///
    /// # Errors
    /// With our answer.
    pub fn exchanges(&self, origin: &str, document: &Value, secret: &str) -> Result<String, String> {
        let end_point = document["tokenEndPoint"].as_str().ok_or("no tokenEndPoint")?;
        let target = end_point.strip_prefix(origin).ok_or(format!("tokenEndPoint is {end_point}"))?;
        let body = format!(
            "client_id={}&code={}&grant_type=authorization_code",
            self.host.replace(':', "%3A"),
            percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC)
        );
        let (keys, clock) = {
            let inside = self.inside();
            (inside.keys.clone().expect("keys"), inside.clock)
        };
        let mut headers = vec![("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        headers.extend(sign_message(&keys, end_point, body.as_bytes(), clock));
        let lines: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = exchange(origin, "POST", target, &lines, body.as_bytes()).map_err(|error| error.to_string())?;
        let token = answer.document()["access_token"].as_str().map(str::to_owned);
        token.filter(|_| answer.status == 200).ok_or(format!("token exchange: {answer:?}"))
    }

    /// Says something about a share in its form. `inner` is added to what its program sends.
    pub fn notifies(&self, origin: &str, kind: &str, provider_id: &str, secret: &str) -> Answer {
        let inner = match self.dialect {
            Dialect::Strict => Value::Null,
            Dialect::OpenCloud => json!({"grantee": "bob", "sharedSecret": secret}),
            _ => json!({"sharedSecret": secret, "message": "as Nextcloud says it"}),
        };
        let mut document = json!({"notificationType": kind, "resourceType": "file", "providerId": provider_id});
        if !inner.is_null() {
            document["notification"] = inner;
        }
        self.post(origin, "/ocm/notifications", &document)
    }

    /// The message by which it shares what it offers, in its form.
    pub fn share_message(&self, id: &str, secret: &str, name: &str, to: &str, kind: &str) -> Value {
        let provider_id = if self.dialect == Dialect::Nextcloud29 {
            id.parse::<u64>().map_or_else(|_| json!(id), |number| json!(number))
        } else {
            json!(id)
        };
        // Nextcloud names the recipient with the scheme of his site.
        let to = match self.dialect.is_nextcloud() {
            true => to.rsplit_once('@').map_or(to.to_owned(), |(user, host)| format!("{user}@https://{host}")),
            false => to.to_owned(),
        };
        let owner = self.id("bob");
        let mut message = json!({
            "shareWith": to, "name": name, "description": "", "providerId": provider_id,
            "owner": owner, "ownerDisplayName": "Bob", "shareType": "user",
            "resourceType": if self.dialect.is_old_nextcloud() { "file" } else { kind },
        });
        if self.dialect != Dialect::Nextcloud29 {
            message["sender"] = json!(owner);
            message["senderDisplayName"] = json!("Bob");
        } else {
            message["sharedBy"] = json!(owner);
        }
        let uri = format!("{}{}{id}", self.origin, self.dialect.dav_root());
        let permissions = json!(["read", "write"]);
        message["protocol"] = match self.dialect {
            Dialect::Nextcloud29 | Dialect::Nextcloud31 | Dialect::Nextcloud34 => json!({"name": "webdav", "options": {
                "sharedSecret": secret, "permissions": "{http://open-cloud-mesh.org/ns}share-permissions"}}),
            Dialect::Nextcloud35 => json!({"name": "webdav",
                "options": {"sharedSecret": secret, "permissions": "{http://open-cloud-mesh.org/ns}share-permissions"},
                "webdav": {"uri": format!("{}{}", self.origin, self.dialect.dav_root()), "sharedSecret": secret,
                    "permissions": permissions}}),
            Dialect::OpenCloud => json!({"name": "multi", "options": {},
                "webdav": {"url": uri, "sharedSecret": secret, "permissions": permissions}}),
            Dialect::Reva => json!({"name": "multi", "options": {},
                "webdav": {"uri": uri, "sharedSecret": secret, "permissions": permissions, "requirements": []}}),
            Dialect::Strict => json!({"name": "multi",
                "webdav": {"uri": id, "sharedSecret": secret, "permissions": ["read"],
                    "requirements": ["must-exchange-token"]}}),
        };
        if self.dialect == Dialect::OpenCloud {
            message["expiration"] = json!(0);
        }
        message
    }

    /// Offers a tree to somebody at `origin` and says so; gives id, secret and the answer.
    pub fn shares(&self, origin: &str, to: &str, name: &str, tree: super::Tree) -> (String, String, Answer) {
        let kind = if tree.read("").is_some() { "file" } else { "folder" };
        let (id, secret) = self.offer(tree);
        let message = self.share_message(&id, &secret, name, to, kind);
        let answer = self.post(origin, "/ocm/shares", &message);
        (id, secret, answer)
    }

    /// Accepts an invitation of ours for its user.
    pub fn accepts_invite(&self, origin: &str, token: &str) -> Answer {
        let document = json!({"recipientProvider": self.host, "token": token, "userID": "bob",
            "email": "bob@example.org", "name": "Bob"});
        self.post(origin, "/ocm/invite-accepted", &document)
    }
}

impl OurShare {
    /// The same share, opened with other words in `Authorization`.
    pub fn by(&self, authorization: &str) -> OurShare {
        OurShare { authorization: authorization.to_owned(), ..self.clone() }
    }

    /// How its program writes the address of `path` (encoded, no slash at the beginning): OpenCloud with a dot segment.
    pub fn target(&self, path: &str) -> String {
        match self.dialect {
            Dialect::OpenCloud if path.is_empty() => format!("{}/.", self.root),
            Dialect::OpenCloud => format!("{}/./{path}", self.root),
            _ => format!("{}/{path}", self.root),
        }
    }

    /// Any request below the share.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let agent = match self.dialect {
            Dialect::OpenCloud | Dialect::Reva | Dialect::Strict => "Go-http-client/1.1",
            Dialect::Nextcloud34 | Dialect::Nextcloud35 => "Nextcloud-Server-Crawler/34.0.1",
            _ => "Nextcloud",
        };
        let mut lines = vec![("Authorization", self.authorization.as_str()), ("User-Agent", agent)];
        lines.extend_from_slice(headers);
        let target = self.target(path);
        exchange(&self.origin, method, &target, &lines, body)
            .unwrap_or_else(|error| panic!("{method} {}{target}: {error}", self.origin))
    }

    /// PROPFIND as its program asks.
    pub fn look(&self, path: &str, depth: &str) -> Seen {
        let is_go = matches!(self.dialect, Dialect::OpenCloud | Dialect::Reva | Dialect::Strict);
        let body = if is_go { GOWEBDAV_BODY } else { NEXTCLOUD_BODY };
        let headers = [("Depth", depth), ("Content-Type", "application/xml;charset=UTF-8")];
        let answer = self.call("PROPFIND", path, &headers, body.as_bytes());
        let entries =
            if answer.status == 207 { parse_multistatus(&answer.body).unwrap_or_default() } else { Vec::new() };
        Seen { answer, entries }
    }

    /// Reads a file as its program does: looks first, then GET of the whole.
    ///
    /// # Errors
    /// With the answer that was no.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let seen = self.look(path, "0");
        if seen.answer.status != 207 {
            return Err(format!("PROPFIND: {:?}", seen.answer));
        }
        let answer = self.call("GET", path, &[], b"");
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("GET: {answer:?}")) }
    }

    /// Writes a file as its program does; gives the status of the PUT.
    ///
    /// # Errors
    /// With the answer that was no.
    pub fn write(&self, path: &str, body: &[u8]) -> Result<u16, String> {
        let before = self.look(path, "0");
        if matches!(self.dialect, Dialect::OpenCloud | Dialect::Reva) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let made = self.call("MKCOL", &format!("{folder}/"), &[], b"");
            if !matches!(made.status, 201 | 405) {
                return Err(format!("MKCOL: {made:?}"));
            }
        } else if before.answer.status == 207 {
            // The old content goes to its own trash and versions.
            self.call("GET", path, &[], b"");
        } else {
            self.look("", "0");
        }
        let answer = self.call("PUT", path, &[], body);
        match answer.status {
            201 | 204 => Ok(answer.status),
            _ => Err(format!("PUT: {answer:?}")),
        }
    }
}
