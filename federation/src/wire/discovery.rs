//! The discovery document: ours as we serve it, a peer's as it wrote it (facts section 2).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::field::{WireError, object, required, text, texts};
use super::share::{ResourceType, ShareType};

/// Longest URL that is kept, bytes.
const LONGEST_URL: usize = 2048;
/// Longest PEM that is kept, bytes: a key of 16384 bit has about 2800.
const LONGEST_PEM: usize = 8192;

/// An RSA key in the discovery document, for draft-cavage signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedKey {
    /// Its id, a URL of the site.
    pub key_id: String,
    /// SubjectPublicKeyInfo as PEM.
    pub pem: String,
}

/// What a peer says about one type of resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceKind {
    /// `file`, `folder`, or another that is not ours.
    pub name: String,
    /// `user`, `group`, …; empty if it tells none.
    pub share_types: Vec<String>,
    /// Path of its WebDAV root on the host of its end point.
    pub webdav: Option<String>,
    /// Names of all its protocols, `webdav-receive` and such among them.
    pub protocols: Vec<String>,
}

/// A peer's discovery document, parsed leniently. It can be kept as JSON (serde) for its life in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovery {
    /// Whether federation is switched on there (absent counts as on).
    pub enabled: bool,
    /// `apiVersion`: what the choice of a form goes by. Empty if it tells none.
    pub api_version: String,
    /// `version`, where it differs (Nextcloud 31 and later).
    pub version: String,
    /// Absolute URL below which `/shares` and `/notifications` are; no slash at its end.
    pub end_point: String,
    /// Name of the installation, for people.
    pub provider: String,
    /// What it takes.
    pub resource_types: Vec<ResourceKind>,
    /// Capabilities, lower case, without a leading slash.
    pub capabilities: Vec<String>,
    /// Criteria, lower case.
    pub criteria: Vec<String>,
    /// Page where one of its users accepts an invite.
    pub invite_accept_dialog: Option<String>,
    /// Where a secret is exchanged for an access token.
    pub token_end_point: Option<String>,
    /// Where its JSON Web Key Set is.
    pub jwks_uri: Option<String>,
    /// Its key for draft-cavage signatures.
    pub public_key: Option<PublishedKey>,
}

impl Discovery {
    /// Reads a peer's document. Only `endPoint` must be there; parts that are not understood are left out.
    ///
    /// # Errors
    /// No object, no `endPoint`, or a field beyond its length.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let map = object(body)?;
        let end_point = required(&map, "endPoint", LONGEST_URL)?.trim_end_matches('/').to_owned();
        let is_on = |value: &Value| value.as_bool().unwrap_or(true);
        Ok(Self {
            enabled: map.get("enabled").is_none_or(is_on),
            api_version: version(&map, "apiVersion"),
            version: version(&map, "version"),
            end_point,
            provider: super::field::words(&map, "provider", 255),
            resource_types: kinds(&map),
            capabilities: texts(&map, "capabilities", 64, 64).iter().map(|word| plain(word)).collect(),
            criteria: texts(&map, "criteria", 64, 64).iter().map(|word| plain(word)).collect(),
            invite_accept_dialog: text(&map, "inviteAcceptDialog", LONGEST_URL).unwrap_or(None),
            token_end_point: text(&map, "tokenEndPoint", LONGEST_URL)?,
            jwks_uri: text(&map, "jwksUri", LONGEST_URL)?,
            public_key: map.get("publicKey").and_then(published_key),
        })
    }

    /// Whether it has a capability (`/` before and case do not count).
    #[must_use]
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|word| *word == plain(capability))
    }

    /// Whether it demands something of its partners.
    #[must_use]
    pub fn demands(&self, criterion: &str) -> bool {
        self.criteria.iter().any(|word| *word == plain(criterion))
    }

    /// What it says about a type of resource.
    #[must_use]
    pub fn kind(&self, resource: ResourceType) -> Option<&ResourceKind> {
        self.resource_types.iter().find(|kind| kind.name.eq_ignore_ascii_case(resource.as_str()))
    }

    /// Path of its WebDAV root for secrets without a URL of their own; `/…` on the host of its end point.
    #[must_use]
    pub fn webdav_path(&self) -> Option<&str> {
        let of = |resource| self.kind(resource).and_then(|kind| kind.webdav.as_deref());
        of(ResourceType::Folder).or_else(|| of(ResourceType::File))
    }

    /// Whether it is a Stitchbox, which understands notifications of ours that others refuse.
    #[must_use]
    pub fn is_stitchbox(&self) -> bool {
        self.can("stitchbox")
    }
}

fn plain(word: &str) -> String {
    word.trim_start_matches('/').to_ascii_lowercase()
}

fn version(map: &Map<String, Value>, field: &'static str) -> String {
    match map.get(field) {
        Some(Value::Number(number)) => number.to_string(),
        _ => super::field::words(map, field, 64),
    }
}

fn published_key(value: &Value) -> Option<PublishedKey> {
    let map = value.as_object()?;
    let key_id = text(map, "keyId", LONGEST_URL).ok()??;
    let pem = text(map, "publicKeyPem", LONGEST_PEM).ok()??;
    Some(PublishedKey { key_id, pem })
}

fn kinds(map: &Map<String, Value>) -> Vec<ResourceKind> {
    let list = map.get("resourceTypes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().take(32).filter_map(kind).collect()
}

fn kind(value: &Value) -> Option<ResourceKind> {
    let map = value.as_object()?;
    let name = text(map, "name", 64).ok()??;
    let protocols = map.get("protocols").and_then(Value::as_object);
    let path =
        |value: &Value| value.as_str().filter(|path| path.starts_with('/') && path.len() <= 1024).map(str::to_owned);
    Some(ResourceKind {
        name,
        share_types: texts(map, "shareTypes", 16, 32),
        webdav: protocols.and_then(|protocols| protocols.get("webdav")).and_then(path),
        protocols: protocols
            .map(|all| all.keys().filter(|key| key.len() <= 64).take(32).cloned().collect())
            .unwrap_or_default(),
    })
}

/// What we tell about ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurDiscovery {
    /// `https://host[:port]`, without a slash at its end.
    pub origin: String,
    /// Name of the installation, for people.
    pub provider: String,
    /// Only what works; [`OurDiscovery::new`] has them all.
    pub capabilities: Vec<String>,
    /// What we demand: `must-invite`, `must-use-http-sig`, …
    pub criteria: Vec<String>,
    /// RSA key for draft-cavage signatures.
    pub public_key: Option<PublishedKey>,
}

impl OurDiscovery {
    /// Everything this crate and its server do, demanding nothing.
    #[must_use]
    pub fn new(origin: &str, provider: &str) -> Self {
        let capabilities = ["invites", "notifications", "protocol-object", "exchange-token", "http-sig", "stitchbox"];
        Self {
            origin: origin.trim_end_matches('/').to_owned(),
            provider: provider.to_owned(),
            capabilities: capabilities.map(str::to_owned).to_vec(),
            criteria: Vec::new(),
            public_key: None,
        }
    }

    /// The document of `/.well-known/ocm`.
    #[must_use]
    pub fn document(&self) -> Value {
        self.with_api_version("1.2.0")
    }

    /// The document of `/ocm-provider` and `/ocm-provider/`: Nextcloud up to 30 refuses an apiVersion above 1.1.
    #[must_use]
    pub fn legacy_document(&self) -> Value {
        self.with_api_version("1.1.0")
    }

    fn with_api_version(&self, api_version: &str) -> Value {
        let origin = &self.origin;
        let kind = |resource: ResourceType| {
            json!({
                "name": resource.as_str(),
                "shareTypes": [ShareType::User.as_str(), ShareType::Group.as_str()],
                "protocols": {"webdav": "/public.php/webdav/", "webdav-receive": {"uri": "absolute"}},
            })
        };
        let mut document = json!({
            "enabled": true,
            "apiVersion": api_version,
            "version": "1.2.0",
            "endPoint": format!("{origin}/ocm"),
            "provider": self.provider,
            "resourceTypes": [kind(ResourceType::File), kind(ResourceType::Folder)],
            "capabilities": self.capabilities,
            "criteria": self.criteria,
            "inviteAcceptDialog": format!("{origin}/ocm/accept"),
            "tokenEndPoint": format!("{origin}/ocm/token"),
            "jwksUri": format!("{origin}/ocm/jwks"),
        });
        if let (Some(key), Some(map)) = (&self.public_key, document.as_object_mut()) {
            map.insert("publicKey".to_owned(), json!({"keyId": key.key_id, "publicKeyPem": key.pem}));
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn our_document_is_read_back_and_the_legacy_one_says_1_1() {
        let mut ours = OurDiscovery::new("https://h.example/", "Lab");
        ours.public_key = Some(PublishedKey { key_id: "https://h.example/ocm#signature".into(), pem: "PEM".into() });
        let read = Discovery::parse(ours.document().to_string().as_bytes()).unwrap();
        assert_eq!((read.end_point.as_str(), read.api_version.as_str()), ("https://h.example/ocm", "1.2.0"));
        assert_eq!(read.webdav_path(), Some("/public.php/webdav/"));
        assert!(read.is_stitchbox() && read.can("/Invites") && !read.demands("must-invite"));
        assert_eq!(read.public_key, ours.public_key);
        // Nextcloud 29 takes 1.0-proposal1, 1.0.x and 1.1.x only; it reads /ocm-provider/
        assert_eq!(ours.legacy_document()["apiVersion"], "1.1.0");
        assert_eq!(ours.legacy_document()["version"], "1.2.0");
    }

    #[test]
    fn a_document_is_read_leniently_and_needs_its_end_point() {
        let odd =
            br#"{"endPoint":"https://h/ocm/","enabled":"yes","apiVersion":1.1,"capabilities":["/invite-accepted",7],
            "resourceTypes":[7,{"name":"file","protocols":{"webdav":{"uri":1}}}],"publicKey":[],"criteria":"must"}"#;
        let read = Discovery::parse(odd).unwrap();
        assert_eq!(read.end_point, "https://h/ocm");
        assert!(read.enabled && read.can("invite-accepted") && read.webdav_path().is_none());
        assert_eq!(read.resource_types.len(), 1);
        assert_eq!(Discovery::parse(b"{}"), Err(WireError::Missing("endPoint")));
        assert_eq!(Discovery::parse(b"[]"), Err(WireError::NotAnObject));
        assert!(Discovery::parse(format!(r#"{{"endPoint":"{}"}}"#, "x".repeat(5000)).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_document_or_refused(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Discovery::parse(&body);
        }
    }
}
