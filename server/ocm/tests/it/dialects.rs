//! Each peer's messages, as they were measured: what is taken, what is refused, and in whose words.

use crate::site::Site;
use http::HeaderMap;
use serde_json::{Value, json};
use std::sync::LazyLock;
use stitchbox_federation::keys::{Jwks, KeyKind, SigningKey};
use stitchbox_federation::signature::{cavage, message};
use stitchbox_federation::wire::Discovery;
use stitchbox_store::received::ReceivedState;
use stitchbox_store::{StoreError, peers};

const TARGET: &str = "https://h.example/ocm/shares";

static RSA: LazyLock<Vec<u8>> = LazyLock::new(|| SigningKey::generate(KeyKind::Rsa, "").unwrap().pkcs8().to_vec());

/// How a dialect signs.
#[derive(Clone, Copy, PartialEq)]
enum Signs {
    Not,
    Cavage,
    Message,
}

struct Dialect {
    name: &'static str,
    host: &'static str,
    recipient: &'static str,
    signs: Signs,
    form: &'static str,
    access: &'static str,
}

const DIALECTS: [Dialect; 7] = [
    Dialect {
        name: "nextcloud-29",
        host: "nc29.example",
        recipient: "bob",
        signs: Signs::Not,
        form: "legacy",
        access: "basic-at-root",
    },
    Dialect {
        name: "nextcloud-31",
        host: "nc31.example",
        recipient: "bob",
        signs: Signs::Cavage,
        form: "legacy",
        access: "basic-at-root",
    },
    Dialect {
        name: "nextcloud-34",
        host: "nc34.example",
        recipient: "bob",
        signs: Signs::Cavage,
        form: "legacy",
        access: "basic-at-root",
    },
    Dialect {
        name: "nextcloud-35",
        host: "nc35.example",
        recipient: "bob",
        signs: Signs::Message,
        form: "multi",
        access: "bearer",
    },
    Dialect {
        name: "opencloud",
        host: "localhost:10200",
        recipient: "eve2",
        signs: Signs::Not,
        form: "multi",
        access: "bearer",
    },
    Dialect {
        name: "reva",
        host: "cernbox.example",
        recipient: "eve",
        signs: Signs::Not,
        form: "multi",
        access: "exchanged",
    },
    Dialect {
        name: "strict-1.4",
        host: "strict.example:9501",
        recipient: "eve",
        signs: Signs::Message,
        form: "multi",
        access: "exchanged",
    },
];

impl Dialect {
    fn file(&self, name: &str) -> String {
        let path = format!("{}/../../federation/fixtures/{}/{name}", env!("CARGO_MANIFEST_DIR"), self.name);
        std::fs::read_to_string(path).unwrap()
    }

    fn rsa(&self) -> SigningKey {
        SigningKey::from_pkcs8(KeyKind::Rsa, format!("https://{}/ocm#signature", self.host), &RSA).unwrap()
    }

    fn ed25519(&self) -> SigningKey {
        SigningKey::generate(KeyKind::Ed25519, format!("{}#key1", self.host)).unwrap()
    }

    /// Lets the site know the peer, as if its documents had been fetched: with keys of ours.
    async fn introduce(&self, site: &Site, ed25519: &SigningKey) {
        let mut document = Discovery::parse(self.file("discovery.json").as_bytes()).unwrap();
        if let Some(key) = &mut document.public_key {
            key.pem = self.rsa().public().to_pem();
        }
        let document = serde_json::to_string(&document).unwrap();
        let keys = Jwks { keys: vec![ed25519.jwk()] }.encode().to_string();
        let (host, now) = (self.host, site.domain.now());
        site.store
            .write::<_, StoreError, _>(move |tx| {
                Box::pin(async move {
                    peers::set_discovery(tx, host, &document, now).await?;
                    peers::set_keys(tx, host, &keys, now).await
                })
            })
            .await
            .unwrap();
    }

    fn sign(&self, site: &Site, ed25519: &SigningKey, target: &str, body: &str) -> HeaderMap {
        let now = site.domain.now().unix_seconds();
        match self.signs {
            Signs::Not => HeaderMap::new(),
            Signs::Cavage => cavage::sign(&self.rsa(), "POST", target, body.as_bytes(), now).unwrap(),
            Signs::Message => message::sign(ed25519, "POST", target, body.as_bytes(), now).unwrap(),
        }
    }
}

#[tokio::test]
async fn a_share_of_each_dialect_is_taken_once() {
    for dialect in DIALECTS {
        let site = Site::quiet().await;
        let key = dialect.ed25519();
        dialect.introduce(&site, &key).await;
        let body = dialect.file("share.json");
        let headers = dialect.sign(&site, &key, TARGET, &body);
        for attempt in 1..=2 {
            let answer = site.post("/ocm/shares", &headers, &body).await;
            assert_eq!(answer.status, 201, "{} {attempt}: {}", dialect.name, answer.text);
            let name = dialect.recipient.to_uppercase();
            assert_eq!(answer.body["recipientDisplayName"], name, "{}", dialect.name);
        }
        let received = site.received(dialect.recipient).await;
        let sent: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(received.state, ReceivedState::Pending, "{}", dialect.name);
        assert_eq!(
            (received.peer.as_str(), received.form.as_str(), received.access.as_str()),
            (dialect.host, dialect.form, dialect.access),
            "{}",
            dialect.name
        );
        assert_eq!(Value::from(received.name), sent["name"], "{}", dialect.name);
        assert_eq!(received.expires_at, None, "{}", dialect.name);
        assert!(site.shown(dialect.recipient).await.is_empty(), "pending ones are not shown");
        let signed = {
            let mut db = site.store.read().await.unwrap();
            peers::by_host(&mut db, dialect.host).await.unwrap().unwrap().has_signed
        };
        assert_eq!(signed, dialect.signs != Signs::Not, "{}", dialect.name);
    }
}

#[tokio::test]
async fn who_publishes_a_key_has_to_sign_with_it() {
    for dialect in DIALECTS.iter().filter(|dialect| dialect.signs != Signs::Not) {
        let site = Site::quiet().await;
        let (key, other) = (dialect.ed25519(), dialect.ed25519());
        dialect.introduce(&site, &key).await;
        let body = dialect.file("share.json");
        let unsigned = site.post("/ocm/shares", &HeaderMap::new(), &body).await;
        assert_eq!(unsigned.status, 401, "{}: {}", dialect.name, unsigned.text);
        assert!(unsigned.text.contains("supposed to sign"), "{}", unsigned.text);
        let good = dialect.sign(&site, &key, TARGET, &body);
        let changed = body.replace("\"data\"", "\"date\"").replace("report", "resort");
        assert_eq!(site.post("/ocm/shares", &good, &changed).await.status, 401, "{}: a changed body", dialect.name);
        let elsewhere = dialect.sign(&site, &key, "https://other.example/ocm/shares", &body);
        assert_eq!(
            site.post("/ocm/shares", &elsewhere, &body).await.status,
            401,
            "{}: meant for another",
            dialect.name
        );
        if dialect.signs == Signs::Message {
            let forged = dialect.sign(&site, &other, TARGET, &body);
            assert_eq!(site.post("/ocm/shares", &forged, &body).await.status, 401, "{}: another key", dialect.name);
        }
        site.advance(std::time::Duration::from_secs(600));
        let late = site.post("/ocm/shares", &good, &body).await;
        assert_eq!(late.status, 401, "{}", dialect.name);
        assert!(late.text.contains("clock"), "ten minutes off: {}", late.text);
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_said_with_its_field() {
    let site = Site::quiet().await;
    let dialect = &DIALECTS[0];
    dialect.introduce(&site, &dialect.ed25519()).await;
    let share: Value = serde_json::from_str(&dialect.file("share.json")).unwrap();
    let with = |field: &str, value: Value| {
        let mut share = share.clone();
        share[field] = value;
        share.to_string()
    };
    let multi =
        |uri: &str| json!({"name": "multi", "webdav": {"uri": uri, "sharedSecret": "x", "permissions": ["read"]}});
    for (body, status, field) in [
        (with("shareWith", json!("nobody@h.example")), 400, "shareWith"),
        (with("shareWith", json!("bob@other.example")), 400, "shareWith"),
        (with("shareWith", json!("bob")), 400, "shareWith"),
        (with("name", json!("../etc")), 400, "name"),
        (with("name", json!("a/b")), 400, "name"),
        (with("shareType", json!("federation")), 501, "shareType"),
        (with("resourceType", json!("calendar")), 501, "resourceType"),
        (with("protocol", json!({"name": "ssh"})), 501, "protocol"),
        (with("expiration", json!(1_000_000)), 400, "expiration"),
        (with("protocol", multi("https://evil.example/dav/1")), 400, "protocol.webdav.uri"),
        (with("protocol", multi("https://nc29.example@evil.example/")), 400, "protocol.webdav.uri"),
        (with("protocol", multi("../../admin")), 400, "protocol.webdav.uri"),
    ] {
        let answer = site.post("/ocm/shares", &HeaderMap::new(), &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert_eq!(answer.body["validationErrors"][0]["name"], field, "{}", answer.text);
        assert!(answer.body["message"].is_string());
    }
    let unknown = site.post("/ocm/shares", &HeaderMap::new(), &with("shareWith", json!("nobody@h.example"))).await;
    assert_eq!(unknown.body["validationErrors"][0]["message"], "NOT_FOUND");
    for garbage in ["", "[]", "{", "null"] {
        assert_eq!(site.post("/ocm/shares", &HeaderMap::new(), garbage).await.status, 400, "{garbage}");
    }
    let long = "x".repeat(50_001);
    assert_eq!(site.post("/ocm/shares", &HeaderMap::new(), &long).await.status, 413);
}

#[tokio::test]
async fn an_unsigned_message_does_not_replace_a_secret() {
    let site = Site::quiet().await;
    let dialect = &DIALECTS[0];
    dialect.introduce(&site, &dialect.ed25519()).await;
    let body = dialect.file("share.json");
    assert_eq!(site.post("/ocm/shares", &HeaderMap::new(), &body).await.status, 201);
    let other = body.replace("zDGLmW9VDWPSB2x", "another-secret");
    let answer = site.post("/ocm/shares", &HeaderMap::new(), &other).await;
    assert_eq!((answer.status, &answer.body["validationErrors"][0]["name"]), (400, &json!("providerId")));
    assert_eq!(site.post("/ocm/shares", &HeaderMap::new(), &body).await.status, 201, "the first is still the one");
}

#[tokio::test]
async fn notifications_of_each_dialect_find_their_share() {
    // The family of oCIS shows the secret in the offer.
    let site = Site::quiet().await;
    let opencloud = &DIALECTS[4];
    opencloud.introduce(&site, &opencloud.ed25519()).await;
    site.post("/ocm/shares", &HeaderMap::new(), &opencloud.file("share.json")).await;
    let space = site.received("eve2").await.space;
    site.domain.accept_received(&site.user("eve2").await, space).await.unwrap();
    let role = |site: &Site| {
        let (store, domain) = (site.store.clone(), site.domain.clone());
        async move {
            let eve = domain.users().await.unwrap().into_iter().find(|user| user.name == "eve2").unwrap().id;
            let mut db = store.read().await.unwrap();
            stitchbox_store::spaces::of_member(&mut db, space, eve).await.unwrap().unwrap().1
        }
    };
    assert_eq!(role(&site).await, stitchbox_schema::Role::Viewer);
    let said = site.post("/ocm/notifications", &HeaderMap::new(), &opencloud.file("notification.json")).await;
    assert_eq!(said.status, 201, "{}", said.text);
    assert_eq!(role(&site).await, stitchbox_schema::Role::Editor, "it may be written now");

    // A Nextcloud 35 takes a share back, signed.
    let nextcloud = &DIALECTS[3];
    let key = nextcloud.ed25519();
    nextcloud.introduce(&site, &key).await;
    let share = nextcloud.file("share.json");
    site.post("/ocm/shares", &nextcloud.sign(&site, &key, TARGET, &share), &share).await;
    let space = site.received("bob").await.space;
    site.domain.accept_received(&site.user("bob").await, space).await.unwrap();
    assert_eq!(site.shown("bob").await, ["data"]);
    let body = nextcloud.file("notification.json");
    let unsigned = site.post("/ocm/notifications", &HeaderMap::new(), &body).await;
    assert_eq!(unsigned.status, 401, "the secret alone is not enough for who signs: {}", unsigned.text);
    let signed = nextcloud.sign(&site, &key, "https://h.example/ocm/notifications", &body);
    assert_eq!(site.post("/ocm/notifications", &signed, &body).await.status, 201);
    assert_eq!(site.received("bob").await.state, ReceivedState::Gone);
    assert!(site.shown("bob").await.is_empty());

    // Neither signature nor secret, as reva sends it; a wrong secret; an unknown share; an unknown kind.
    let of_reva = DIALECTS[5].file("notification.json");
    let wrong = opencloud.file("notification.json").replace("gGZTq0pV7mXbN2cL5rWyE8sHdKuJfA4t", "guess");
    let unknown = r#"{"notificationType":"SHARE_MOVED","resourceType":"file","providerId":"1"}"#.to_owned();
    for body in [of_reva, wrong, unknown, "{}".to_owned()] {
        assert_eq!(site.post("/ocm/notifications", &HeaderMap::new(), &body).await.status, 400, "{body}");
    }
}
