//! A share at a fake peer, opened by our client.
#![allow(dead_code)]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use stitchbox_federation::dav::Access;
use stitchbox_federation::keys::{KeyKind, SigningKey};
use stitchbox_federation::wire::Discovery;
use stitchbox_federation::{Host, OcmClient, Peer, ReceivedShare, RemoteDav, Secret, SiteKeys};

use crate::fake_peer::{FakePeer, Step, answer, http};

pub const SECRET: &str = "s3cret";

pub fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

pub fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{SECRET}:")))
}

/// A share at a fake peer. Ed25519 keys only, so that no test waits for an RSA key: token exchange is signed by RFC 9421.
pub fn share_at(fake: &FakePeer, uri: Option<&str>, must_exchange_token: bool, worked: Option<Access>) -> RemoteDav {
    let origin = fake.origin();
    let document = json!({"endPoint": format!("{origin}/ocm"), "apiVersion": "1.2.0",
        "capabilities": ["http-sig"], "jwksUri": format!("{origin}/jwks"), "tokenEndPoint": format!("{origin}/ocm/token"),
        "resourceTypes": [{"name": "file", "shareTypes": ["user"], "protocols": {"webdav": "/public.php/webdav/"}}]});
    let discovery = Discovery::parse(document.to_string().as_bytes()).unwrap();
    let peer = Peer::new(fake.host(), discovery).unwrap();
    let key = |kid: &str| SigningKey::generate(KeyKind::Ed25519, kid).unwrap();
    let keys = SiteKeys { rsa: key("unused"), ed25519: key("us.example#key1"), others: Vec::new() };
    let client = OcmClient::new(http(), Arc::new(keys), Host::parse("us.example").unwrap());
    let uri = uri.map(|path| path.replace("ORIGIN", &origin));
    RemoteDav::new(client, peer, ReceivedShare { secret: Secret::new(SECRET), uri, must_exchange_token, worked })
        .unwrap()
}

pub const URI: Option<&str> = Some("ORIGIN/dav/ocm/77");

pub fn listing(root: &str, members: &[&str]) -> Vec<Step> {
    let mut xml =
        String::from("<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\">");
    for (at, name) in std::iter::once(&"").chain(members).enumerate() {
        let kind = if at == 0 { "<d:collection/>" } else { "" };
        xml.push_str(&format!(
            "<d:response><d:href>{root}{name}</d:href><d:propstat><d:prop><d:resourcetype>{kind}</d:resourcetype>\
             <d:getetag>\"e{at}\"</d:getetag><d:getcontentlength>{at}</d:getcontentlength></d:prop>\
             <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        ));
    }
    xml.push_str("</d:multistatus>");
    answer(207, &[("Content-Type", "application/xml")], xml)
}
