//! Each dialect's messages are read, and what we write for each is what it was measured to accept (facts/ocm.md).

use std::path::Path;

use serde_json::{Value, json};
use stitchbox_federation::dialect::{Form, Signing, choose, signing};
use stitchbox_federation::keys::PublicKey;
use stitchbox_federation::wire::{
    Discovery, Notification, NotificationKind, Offer, ResourceType, ShareMessage, ShareType,
};
use stitchbox_federation::{FederatedId, Host, Peer, Secret};

const DIALECTS: [&str; 7] =
    ["nextcloud-29", "nextcloud-31", "nextcloud-34", "nextcloud-35", "opencloud", "reva", "strict-1.4"];

fn fixture(dialect: &str, name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(dialect).join(format!("{name}.json"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn discovery(dialect: &str) -> Discovery {
    Discovery::parse(&fixture(dialect, "discovery")).unwrap()
}

/// A share of ours, of a folder.
fn ours(to: &str) -> ShareMessage {
    let eve = FederatedId::parse("eve@h.example").unwrap();
    ShareMessage {
        share_with: FederatedId::parse(to).unwrap(),
        name: "data".into(),
        description: String::new(),
        provider_id: "77".into(),
        owner: eve.clone(),
        sender: eve,
        owner_display_name: "Eve".into(),
        sender_display_name: "Eve".into(),
        share_type: ShareType::User,
        resource_type: ResourceType::Folder,
        expiration: None,
        offer: Offer {
            form: Form::Multi,
            uri: Some("https://h.example/dav/ocm/77".into()),
            shared_secret: Secret::new("s3cret-of-77"),
            permissions: vec!["read".into(), "write".into()],
            must_exchange_token: false,
        },
    }
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// What everybody demands: the fields of section 3, addresses with hosts.
fn is_a_share(message: &Value) -> bool {
    let fields = ["/shareWith", "/name", "/providerId", "/owner", "/sender", "/shareType", "/resourceType"];
    fields.iter().all(|field| text(message, field).is_some()) && text(message, "/shareWith").unwrap().contains('@')
}

/// Nextcloud up to 34: 400 "Missing arguments" without these, 501 for another protocol name (facts, fact 1).
fn nextcloud_takes(message: &Value, with_folders: bool) -> bool {
    let resource = text(message, "/resourceType").unwrap();
    is_a_share(message)
        && text(message, "/protocol/name") == Some("webdav")
        && text(message, "/protocol/options/sharedSecret").is_some()
        // the literal name of a property, not a list
        && text(message, "/protocol/options/permissions") == Some("{http://open-cloud-mesh.org/ns}share-permissions")
        && (resource == "file" || (with_folders && resource == "folder"))
        && text(message, "/providerId").unwrap().parse::<u64>().is_ok()
}

fn arms(message: &Value) -> Vec<&str> {
    message["protocol"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// oCIS and OpenCloud: 400 "protocol options not supported" for any option; unknown protocols too. Older read `url` only.
fn opencloud_takes(message: &Value) -> bool {
    is_a_share(message)
        && text(message, "/protocol/name") == Some("multi")
        && message["protocol"]["options"].as_object().is_some_and(serde_json::Map::is_empty)
        && arms(message).iter().all(|arm| ["name", "options", "webdav", "webapp", "datatx"].contains(arm))
        && text(message, "/protocol/webdav/url").is_some()
        && text(message, "/protocol/webdav/uri").is_some()
        && text(message, "/protocol/webdav/sharedSecret").is_some()
}

/// reva: no requirement but must-exchange-token.
fn reva_takes(message: &Value) -> bool {
    is_a_share(message)
        && text(message, "/protocol/webdav/uri").is_some()
        && message["protocol"]["webdav"]["requirements"]
            .as_array()
            .is_none_or(|list| list.iter().all(|word| word == "must-exchange-token"))
}

/// Strict 1.4: no unknown arms, `options` among them; the requirement it demands.
fn strict_takes(message: &Value) -> bool {
    is_a_share(message)
        && text(message, "/protocol/name") == Some("multi")
        && arms(message).iter().all(|arm| ["name", "webdav"].contains(arm))
        && message["protocol"]["webdav"]["requirements"] == json!(["must-exchange-token"])
        && message["protocol"]["webdav"].as_object().unwrap().keys().all(|key| {
            ["uri", "sharedSecret", "permissions", "requirements", "accessTypes", "size"].contains(&key.as_str())
        })
}

fn takes(dialect: &str, message: &Value) -> bool {
    match dialect {
        "nextcloud-29" | "nextcloud-31" => nextcloud_takes(message, false),
        "nextcloud-34" => nextcloud_takes(message, true),
        "nextcloud-35" => nextcloud_takes(message, true) || reva_takes(message),
        "opencloud" => opencloud_takes(message),
        "reva" => reva_takes(message),
        "strict-1.4" => strict_takes(message),
        other => panic!("{other}"),
    }
}

#[test]
fn the_first_form_we_send_is_the_one_each_peer_takes() {
    for dialect in DIALECTS {
        let peer = discovery(dialect);
        let choice = choose(&peer, ResourceType::Folder, ShareType::User).unwrap();
        let message = ours("bob@nc.example").encode(&choice.first);
        assert!(takes(dialect, &message), "{dialect}: {message:#}");
    }
}

#[test]
fn no_form_is_taken_by_all_so_the_predicates_can_fail() {
    let legacy = choose(&discovery("nextcloud-29"), ResourceType::Folder, ShareType::User).unwrap().first;
    let multi = choose(&discovery("opencloud"), ResourceType::Folder, ShareType::User).unwrap().first;
    let (legacy, multi) = (ours("bob@h").encode(&legacy), ours("bob@h").encode(&multi));
    assert!(takes("nextcloud-31", &legacy) && !takes("nextcloud-31", &multi));
    assert!(takes("opencloud", &multi) && !takes("opencloud", &legacy));
    assert!(!takes("strict-1.4", &multi) && !takes("strict-1.4", &legacy));
}

#[test]
fn the_fallback_is_the_other_form_or_none() {
    for dialect in DIALECTS {
        let choice = choose(&discovery(dialect), ResourceType::Folder, ShareType::User).unwrap();
        match choice.fallback {
            Some(other) => assert_ne!(other.form, choice.first.form, "{dialect}"),
            None => assert!(discovery(dialect).demands("must-exchange-token"), "{dialect}"),
        }
        assert_eq!(choice.must_invite, ["reva", "strict-1.4"].contains(&dialect), "{dialect}");
    }
}

#[test]
fn each_is_signed_for_as_it_reads_it() {
    for dialect in DIALECTS {
        let expected =
            if ["nextcloud-35", "strict-1.4"].contains(&dialect) { Signing::Message } else { Signing::Cavage };
        assert_eq!(signing(&discovery(dialect)), expected, "{dialect}");
    }
}

#[test]
fn each_documents_urls_are_of_its_own_origin_and_its_key_is_read() {
    for dialect in DIALECTS {
        let document = discovery(dialect);
        let url = reqwest_host(&document.end_point);
        let peer = Peer::new(Host::parse(&url).unwrap(), document.clone()).unwrap();
        assert!(peer.end_point("shares").unwrap().as_str().ends_with("/ocm/shares"), "{dialect}");
        let key = document.public_key.map(|key| PublicKey::from_pem(&key.pem));
        match dialect {
            "nextcloud-31" | "nextcloud-34" | "nextcloud-35" => {
                assert!(matches!(key, Some(Ok(PublicKey::Rsa { .. }))), "{dialect}");
            }
            _ => assert!(key.is_none(), "{dialect}"),
        }
        // a kept document is the same peer again
        let kept = serde_json::to_string(peer.discovery()).unwrap();
        assert_eq!(Peer::new(peer.host().clone(), serde_json::from_str(&kept).unwrap()).unwrap(), peer);
    }
}

fn reqwest_host(end_point: &str) -> String {
    end_point.split('/').nth(2).unwrap().to_owned()
}

#[test]
fn each_share_is_read() {
    let read = |dialect: &str| ShareMessage::decode(&fixture(dialect, "share")).unwrap();
    for (dialect, sender, provider_id, resource, uri, exchange) in [
        ("nextcloud-29", "alice@nc29.example", "1", ResourceType::File, None, false),
        ("nextcloud-31", "alice@nc31.example", "1", ResourceType::File, None, false),
        ("nextcloud-34", "alice@nc34.example", "1", ResourceType::File, None, false),
        (
            "nextcloud-35",
            "alice@nc35.example",
            "5",
            ResourceType::Folder,
            Some("https://nc35.example/public.php/webdav/"),
            false,
        ),
    ] {
        let share = read(dialect);
        assert_eq!(share.sender.to_string(), sender, "{dialect}");
        assert_eq!(share.share_with.to_string(), "bob@h.example");
        assert_eq!((share.provider_id.as_str(), share.resource_type), (provider_id, resource), "{dialect}");
        assert_eq!(share.offer.uri.as_deref(), uri, "{dialect}");
        assert_eq!(share.offer.must_exchange_token, exchange);
        assert_eq!(share.owner_display_name, "alice");
    }
    let opencloud = read("opencloud");
    assert_eq!((opencloud.expiration, opencloud.sender_display_name.as_str()), (None, "Alan Turing"));
    assert!(opencloud.offer.uri.unwrap().starts_with("https://localhost:10200/dav/ocm/52d7810e"));
    assert_eq!(opencloud.offer.permissions, ["read"]);
    let reva = read("reva");
    assert!(reva.offer.must_exchange_token && reva.offer.form == Form::Multi);
    let strict = read("strict-1.4");
    assert!(strict.offer.must_exchange_token);
    assert!(strict.sender.to_string().ends_with("@strict.example:9501"));
    // a bare id lies below the sender's WebDAV root
    let peer = Peer::new(strict.sender.host, discovery("strict-1.4")).unwrap();
    let url = peer.share_url(strict.offer.uri.as_deref().unwrap()).unwrap();
    assert_eq!(url.as_str(), "https://strict.example:9501/webdav/ocm/7c1f7f5e-4b0a-4d6e-8f40-6a0a6f7d9b21");
    assert!(peer.share_url("https://elsewhere.example/x").is_err());
    assert!(peer.share_url("http://strict.example:9501/x").is_err());
    assert!(peer.share_url("//elsewhere.example/x").is_err());
}

#[test]
fn each_notification_is_read() {
    let read = |dialect: &str| Notification::decode(&fixture(dialect, "notification")).unwrap();
    for dialect in ["nextcloud-29", "nextcloud-31"] {
        let accepted = read(dialect);
        assert_eq!((accepted.kind, accepted.provider_id.as_str()), (NotificationKind::ShareAccepted, "77"));
        assert!(accepted.shared_secret.unwrap().is("s3cret-of-77"));
    }
    let reshare = read("nextcloud-34");
    assert_eq!(reshare.kind, NotificationKind::RequestReshare);
    assert_eq!(reshare.share_with.unwrap().to_string(), "carol@nc31.example");
    assert_eq!(reshare.sender_id.as_deref(), Some("12"));
    assert_eq!(read("nextcloud-35").kind, NotificationKind::ShareUnshared);
    let changed = read("opencloud");
    assert_eq!(changed.offer.unwrap().permissions, ["read", "write"]);
    assert_eq!(read("reva").grantee.as_deref(), Some("einstein@cernbox.example"));
    let bare = read("strict-1.4");
    assert!(bare.shared_secret.is_none() && bare.kind == NotificationKind::ShareAccepted);
}

#[test]
fn what_we_write_we_read() {
    for dialect in DIALECTS {
        let choice = choose(&discovery(dialect), ResourceType::Folder, ShareType::User).unwrap();
        let mut sent = ours("bob@nc.example");
        sent.expiration = Some(1_800_000_000);
        sent.description = "for the\nbeam line".into();
        let read = ShareMessage::decode(sent.encode(&choice.first).to_string().as_bytes()).unwrap();
        // a control character in words for people becomes a blank
        sent.description = "for the beam line".into();
        sent.offer.must_exchange_token = choice.first.must_exchange_token;
        sent.resource_type = choice.first.resource_type;
        assert_eq!(read, sent, "{dialect}");
    }
}

#[test]
fn shares_that_cannot_be_are_refused_with_their_field() {
    let good: Value = serde_json::from_slice(&fixture("nextcloud-34", "share")).unwrap();
    for (field, value, status) in [
        ("name", json!("a/b"), 400),
        ("name", json!("a\\b"), 400),
        ("name", json!("a\u{0}b"), 400),
        ("name", json!("."), 400),
        ("name", json!(".."), 400),
        ("name", json!(""), 400),
        ("name", json!(7), 400),
        ("name", json!("x".repeat(256)), 400),
        ("shareWith", json!("bob"), 400),
        ("shareWith", Value::Null, 400),
        ("owner", json!("alice@"), 400),
        ("providerId", json!(1.5), 400),
        ("providerId", json!(""), 400),
        ("providerId", json!("x".repeat(256)), 400),
        ("shareType", json!("federation"), 501),
        ("resourceType", json!("calendar"), 501),
        ("expiration", json!("soon"), 400),
        ("expiration", json!(-5), 400),
        ("protocol", json!({"name": "ssh"}), 501),
        ("protocol", json!("webdav"), 400),
        ("protocol", json!({"name": "webdav"}), 400),
        ("protocol", json!({"name": "webdav", "options": {"sharedSecret": ""}}), 400),
        ("protocol", json!({"name": "multi", "webdav": {"uri": "https://h/x"}}), 400),
        (
            "protocol",
            json!({"name": "multi", "webdav": {"uri": "https://h/x", "sharedSecret": "s", "requirements": ["mfa-enforced"]}}),
            501,
        ),
    ] {
        let mut bad = good.clone();
        bad[field] = value.clone();
        let error = ShareMessage::decode(bad.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.status(), status, "{field} {value}: {error}");
        assert!(error.field().unwrap().starts_with(field) || field == "protocol", "{field}: {error}");
    }
    for body in [&b"{}"[..], b"[]", b"", b"<html>"] {
        assert_eq!(ShareMessage::decode(body).unwrap_err().status(), 400);
    }
}

#[test]
fn a_notification_of_ours_has_what_nextcloud_and_ocis_ask_for() {
    let shape = choose(&discovery("opencloud"), ResourceType::Folder, ShareType::User).unwrap().first;
    let mut sent = Notification::new(NotificationKind::ShareUnshared, "77");
    sent.shared_secret = Some(Secret::new("s"));
    sent.grantee = Some("bob@nc.example".into());
    sent.message = "The share has ended".into();
    let wire = sent.encode(&shape);
    assert_eq!(text(&wire, "/notification/sharedSecret"), Some("s"));
    assert_eq!(text(&wire, "/notification/grantee"), Some("bob@nc.example"));
    assert_eq!(text(&wire, "/notification/message"), Some("The share has ended"));
    assert_eq!(text(&wire, "/resourceType"), Some("file"));
}

proptest::proptest! {
    #[test]
    fn any_value_in_any_field_is_read_or_refused(field in 0_usize..14, value in ".{0,60}", number in proptest::prelude::any::<i64>()) {
        let mut share: Value = serde_json::from_slice(&fixture("opencloud", "share")).unwrap();
        let names: Vec<String> = share.as_object().unwrap().keys().cloned().collect();
        let name = names[field % names.len()].clone();
        for odd in [json!(value), json!(number), json!([value]), json!({value: number}), Value::Null] {
            share[&name] = odd.clone();
            if let Ok(read) = ShareMessage::decode(share.to_string().as_bytes()) {
                proptest::prop_assert!(!read.name.contains(['/', '\\', '\0']) && read.name.len() <= 255);
            }
            let mut other: Value = serde_json::from_slice(&fixture("opencloud", "share")).unwrap();
            other["protocol"]["webdav"] = odd;
            let _ = ShareMessage::decode(other.to_string().as_bytes());
        }
    }
}
