//! Discovery and the messages to a peer, against peers of raw TCP: what is sent, how it is signed, what an answer means.

mod fake_peer;

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use fake_peer::{FakePeer, Heard, Step, answer, http, json};
use serde_json::{Value, json};
use stitchbox_federation::dialect::Form;
use stitchbox_federation::keys::{KeyKind, SigningKey};
use stitchbox_federation::signature::{SignedRequest, cavage::CavageSignature, message::MessageSignature};
use stitchbox_federation::wire::{
    InviteAccepted, Notification, NotificationKind, Offer, ResourceType, ShareMessage, ShareType,
};
use stitchbox_federation::{FederatedId, Host, OcmClient, Peer, PeerError, Secret, SiteKeys, discover};

/// One pair of keys for all tests: an RSA key takes a second.
fn keys() -> Arc<SiteKeys> {
    static KEYS: OnceLock<Arc<SiteKeys>> = OnceLock::new();
    let make = || SiteKeys::generate("https://us.example", &us(), 1).unwrap();
    Arc::clone(KEYS.get_or_init(|| Arc::new(make())))
}

fn us() -> Host {
    Host::parse("us.example").unwrap()
}

fn client() -> OcmClient {
    OcmClient::new(http(), keys(), us())
}

/// A document whose URLs are at the host that was asked.
fn document(heard: &Heard, extra: Value) -> Value {
    let origin = format!("http://{}", heard.header("host"));
    let mut document = json!({"enabled": true, "apiVersion": "1.2.0", "endPoint": format!("{origin}/ocm"), "resourceTypes": [
        {"name": "file", "shareTypes": ["user"], "protocols": {"webdav": "/public.php/webdav/"}},
        {"name": "folder", "shareTypes": ["user"], "protocols": {"webdav": "/public.php/webdav/"}}]});
    let text = extra.to_string().replace("ORIGIN", &origin);
    let extra: Value = serde_json::from_str(&text).unwrap();
    document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    document
}

async fn peer_with(extra: Value, reply: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static) -> (FakePeer, Peer) {
    let fake = FakePeer::start(move |heard| match heard.target.as_str() {
        "/.well-known/ocm" => json(200, &document(heard, extra.clone())),
        _ => reply(heard),
    })
    .await;
    let peer = discover(&http(), &fake.host()).await.unwrap();
    (fake, peer)
}

fn share() -> ShareMessage {
    let eve = FederatedId::parse("eve@us.example").unwrap();
    ShareMessage {
        share_with: FederatedId::parse("bob@them.example").unwrap(),
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
            uri: Some("https://us.example/dav/ocm/77".into()),
            shared_secret: Secret::new("s3cret"),
            permissions: vec!["read".into()],
            must_exchange_token: false,
        },
    }
}

#[tokio::test]
async fn a_peer_is_found_at_the_new_address_else_at_the_old_ones() {
    let found = |paths: &'static [&'static str]| async move {
        let fake = FakePeer::start(move |heard| match heard.target.as_str() {
            path if paths.contains(&path) => json(200, &document(heard, json!({}))),
            // as Nextcloud 29 answers
            _ => json(404, &json!({"message": "Route not found"})),
        })
        .await;
        let peer = discover(&http(), &fake.host()).await;
        (
            peer.map(|peer| peer.host().clone()),
            fake.heard().iter().map(|heard| heard.target.clone()).collect::<Vec<_>>(),
        )
    };
    let (peer, asked) = found(&["/.well-known/ocm", "/ocm-provider"]).await;
    assert!(peer.is_ok() && asked == ["/.well-known/ocm"], "{asked:?}");
    assert!(found(&["/ocm-provider"]).await.0.is_ok());
    let (peer, asked) = found(&["/ocm-provider/"]).await;
    assert!(peer.is_ok() && asked.len() == 3, "{asked:?}");
    assert!(matches!(found(&[]).await.0, Err(PeerError::NotAPeer { .. })));
}

#[tokio::test]
async fn the_redirect_of_reva_is_followed_and_one_to_another_host_is_not() {
    let fake = FakePeer::start(|heard| match heard.target.as_str() {
        "/ocm-provider" => answer(301, &[("Location", "/hidden/ocm")], ""),
        "/hidden/ocm" => json(200, &document(heard, json!({}))),
        _ => answer(404, &[], ""),
    })
    .await;
    assert!(discover(&http(), &fake.host()).await.is_ok());
    let target = fake.origin();
    let liar = FakePeer::start(move |_| answer(301, &[("Location", &format!("{target}/hidden/ocm"))], "")).await;
    assert!(discover(&http(), &liar.host()).await.is_err());
}

#[tokio::test]
async fn documents_that_lie_or_are_none_make_no_peer() {
    let outside = |field: &str| json!({field: "http://127.0.0.1:1/x"});
    for (extra, what) in [
        (outside("endPoint"), "endPoint"),
        (outside("tokenEndPoint"), "tokenEndPoint"),
        (outside("jwksUri"), "jwksUri"),
        (json!({"endPoint": "https://evil.example/ocm"}), "endPoint"),
        (json!({"endPoint": "http://169.254.169.254/latest"}), "endPoint"),
    ] {
        let fake = FakePeer::start(move |heard| json(200, &document(heard, extra.clone()))).await;
        let error = discover(&http(), &fake.host()).await.unwrap_err();
        assert!(matches!(&error, PeerError::OutsideOrigin { what: found, .. } if *found == what), "{error:?}");
    }
    for body in ["<html>hello</html>", "{}", "[]", "{\"endPoint\":7}", "{\"endPoint\":\"ocm\"}"] {
        let fake = FakePeer::start(move |_| answer(200, &[], body)).await;
        let error = discover(&http(), &fake.host()).await.unwrap_err();
        assert!(matches!(error, PeerError::NotAPeer { .. }), "{body}: {error:?}");
    }
    let ill = FakePeer::start(|_| answer(500, &[], "<html>oops</html>")).await;
    let error = discover(&http(), &ill.host()).await.unwrap_err();
    assert!(matches!(error, PeerError::Refused { status: 500, .. }) && error.is_outage(), "{error:?}");
    let huge = FakePeer::start(|_| answer(200, &[], vec![b' '; 20_000])).await;
    assert!(matches!(discover(&http(), &huge.host()).await, Err(PeerError::NotAPeer { .. })));
}

#[tokio::test]
async fn a_relative_end_point_of_its_own_is_made_absolute() {
    let (fake, peer) = peer_with(json!({"jwksUri": "/ocm/jwks"}), |_| answer(404, &[], "")).await;
    assert_eq!(peer.discovery().jwks_uri.as_deref(), Some(fake.url("/ocm/jwks").as_str()));
}

#[tokio::test]
async fn a_share_is_sent_signed_by_cavage_and_200_is_success_too() {
    let (fake, peer) = peer_with(json!({}), |_| json(200, &json!({}))).await;
    let sent = client().send_share(&peer, &share()).await.unwrap();
    assert_eq!((sent.form, sent.first_refusal), (Form::Multi, None));
    let heard = fake.heard().pop().unwrap();
    assert_eq!((heard.method.as_str(), heard.target.as_str()), ("POST", "/ocm/shares"));
    assert_eq!(heard.header("content-type"), "application/json");
    let target = fake.url("/ocm/shares").to_string();
    let request = SignedRequest { method: "POST", target: &target, headers: &heard.headers, body: &heard.body };
    let signature = CavageSignature::read(&heard.headers).unwrap();
    assert_eq!(signature.key_id(), "https://us.example/ocm#signature");
    signature.verify(&request, keys().rsa.public(), now()).unwrap();
    // the host that was signed is the one that was sent
    assert_eq!(heard.header("host"), fake.address.to_string());
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[tokio::test]
async fn a_refused_form_is_followed_by_the_other_and_both_answers_are_told() {
    let takes = |form: &'static str, status: u16| {
        move |heard: &Heard| {
            let body: Value = serde_json::from_slice(&heard.body).unwrap();
            if body["protocol"]["name"] == form {
                json(201, &json!({"recipientDisplayName": "Bob"}))
            } else {
                json(status, &json!({"message": format!("not {}", body["protocol"]["name"])}))
            }
        }
    };
    for (form, status, version, expected) in [
        ("webdav", 501, "1.2.0", Form::Legacy),
        ("webdav", 400, "1.1.0", Form::Legacy),
        ("multi", 400, "1.0-proposal1", Form::Multi),
    ] {
        let (_fake, peer) = peer_with(json!({"apiVersion": version}), takes(form, status)).await;
        let sent = client().send_share(&peer, &share()).await.unwrap();
        assert_eq!((sent.form, sent.answer.recipient_display_name.as_str()), (expected, "Bob"));
        assert_eq!(sent.first_refusal.unwrap().status(), Some(status));
    }
    let (fake, peer) = peer_with(json!({}), takes("neither", 501)).await;
    let error = client().send_share(&peer, &share()).await.unwrap_err();
    assert!(error.to_string().contains("not \"multi\"") && error.to_string().contains("not \"webdav\""), "{error}");
    assert!(!error.retryable());
    assert_eq!(fake.heard().iter().filter(|heard| heard.target == "/ocm/shares").count(), 2);
}

#[tokio::test]
async fn other_refusals_are_final_or_for_later() {
    for (status, retryable) in [(401, false), (403, false), (404, false), (500, true), (503, true), (429, true)] {
        let (fake, peer) = peer_with(json!({}), move |_| answer(status, &[], "<h1>No</h1>")).await;
        let error = client().send_share(&peer, &share()).await.unwrap_err();
        assert_eq!((error.status(), error.retryable()), (Some(status), retryable), "{status}");
        assert_eq!(fake.heard().iter().filter(|heard| heard.target == "/ocm/shares").count(), 1);
    }
    // the demand to exchange is never given up
    let (fake, peer) = peer_with(json!({"criteria": ["must-exchange-token"]}), |_| answer(400, &[], "")).await;
    assert!(client().send_share(&peer, &share()).await.is_err());
    let shares: Vec<_> = fake.heard().into_iter().filter(|heard| heard.target == "/ocm/shares").collect();
    assert_eq!(shares.len(), 1);
    let body: Value = serde_json::from_slice(&shares[0].body).unwrap();
    assert_eq!(body["protocol"]["webdav"]["requirements"], json!(["must-exchange-token"]));
}

#[tokio::test]
async fn a_token_is_exchanged_signed_by_rfc_9421() {
    let extra = json!({"capabilities": ["http-sig", "exchange-token"], "jwksUri": "ORIGIN/ocm/jwks", "tokenEndPoint": "ORIGIN/ocm/token"});
    let (fake, peer) =
        peer_with(extra, |_| json(200, &json!({"access_token": "tok", "token_type": "Bearer", "expires_in": 60})))
            .await;
    let token = client().exchange_token(&peer, &Secret::new("a=b&c")).await.unwrap();
    assert_eq!((token.access_token.expose(), token.expires_in), ("tok", 60));
    let heard = fake.heard().pop().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&heard.body),
        "client_id=us.example&code=a%3Db%26c&grant_type=authorization_code"
    );
    assert_eq!(heard.header("content-type"), "application/x-www-form-urlencoded");
    let target = fake.url("/ocm/token").to_string();
    let request = SignedRequest { method: "POST", target: &target, headers: &heard.headers, body: &heard.body };
    let signature = MessageSignature::read(&heard.headers).unwrap();
    let jwks = keys().jwks();
    signature.verify(&request, jwks.find(signature.key_id()).unwrap(), now()).unwrap();

    let (_fake, peer) = peer_with(json!({}), |_| answer(404, &[], "")).await;
    let none = client().exchange_token(&peer, &Secret::new("x")).await.unwrap_err();
    assert!(matches!(none, PeerError::NotOffered { .. }));
    let extra = json!({"tokenEndPoint": "ORIGIN/ocm/token"});
    let (_fake, peer) = peer_with(extra, |_| json(400, &json!({"error": "invalid_grant"}))).await;
    let refused = client().exchange_token(&peer, &Secret::new("x")).await.unwrap_err();
    assert!(refused.to_string().contains("invalid_grant"), "{refused}");
}

#[tokio::test]
async fn the_time_in_a_signature_is_that_of_the_clock_it_was_given() {
    let extra = json!({"capabilities": ["http-sig"], "jwksUri": "ORIGIN/jwks", "tokenEndPoint": "ORIGIN/token"});
    let (fake, peer) =
        peer_with(extra, |_| json(200, &json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60}))).await;
    let client = client().with_clock(|| 1_234_567_890);
    client.exchange_token(&peer, &Secret::new("s3cret")).await.unwrap();
    let heard = fake.heard().pop().unwrap();
    assert!(heard.header("signature-input").contains(";created=1234567890;"), "{}", heard.header("signature-input"));
}

#[tokio::test]
async fn notifications_invites_and_keys() {
    let extra = json!({"jwksUri": "ORIGIN/ocm/jwks"});
    let set = keys().jwks().encode();
    let (fake, peer) = peer_with(extra, move |heard| match heard.target.as_str() {
        "/ocm/notifications" => json(201, &json!({"token": "t", "providerId": "9"})),
        "/ocm/invite-accepted" => json(200, &json!({"userID": "alice", "email": "a@x", "name": "Alice\u{7}"})),
        "/ocm/jwks" => json(200, &set),
        _ => answer(404, &[], ""),
    })
    .await;
    let mut note = Notification::new(NotificationKind::RequestReshare, "5");
    note.shared_secret = Some(Secret::new("s"));
    let said = client().notify(&peer, &note).await.unwrap();
    assert_eq!(said["providerId"], "9");
    let accepted = InviteAccepted {
        recipient_provider: us(),
        token: Secret::new("inv"),
        user_id: "eve".into(),
        email: String::new(),
        name: "Eve".into(),
    };
    let alice = client().accept_invite(&peer, &accepted).await.unwrap();
    assert_eq!((alice.user_id.as_str(), alice.name.as_str()), ("alice", "Alice"));
    assert_eq!(client().fetch_jwks(&peer).await.unwrap(), keys().jwks());
    let invite = fake.heard().into_iter().find(|heard| heard.target == "/ocm/invite-accepted").unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&invite.body).unwrap()["recipientProvider"], "us.example");
}

#[tokio::test]
async fn keys_and_invites_that_are_none_are_said_so() {
    let (_fake, peer) = peer_with(json!({"jwksUri": "ORIGIN/ocm/jwks"}), |_| answer(200, &[], "<html>")).await;
    assert!(matches!(client().fetch_jwks(&peer).await, Err(PeerError::Malformed { .. })));
    let (_fake, peer) =
        peer_with(json!({}), |_| json(409, &json!({"message": "Invite already accepted", "error": true}))).await;
    assert!(matches!(client().fetch_jwks(&peer).await, Err(PeerError::NotOffered { .. })));
    let accepted = InviteAccepted {
        recipient_provider: us(),
        token: Secret::new("inv"),
        user_id: "eve".into(),
        email: String::new(),
        name: String::new(),
    };
    let error = client().accept_invite(&peer, &accepted).await.unwrap_err();
    assert_eq!(error.status(), Some(409));
    assert!(error.to_string().contains("Invite already accepted"));
}

#[test]
fn keys_are_published_with_those_that_are_kept() {
    let mut site = SiteKeys {
        rsa: SigningKey::from_pkcs8(KeyKind::Rsa, keys().rsa.kid(), keys().rsa.pkcs8()).unwrap(),
        ed25519: SigningKey::generate(KeyKind::Ed25519, "us.example#key2").unwrap(),
        others: Vec::new(),
    };
    site.others = vec![keys().ed25519.jwk(), site.ed25519.jwk()];
    let kids: Vec<_> = site.jwks().keys.into_iter().map(|key| key.kid).collect();
    assert_eq!(kids, ["us.example#key2", "https://us.example/ocm#signature", "us.example#key1"]);
    assert!(site.public_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert!(!format!("{site:?}").contains("pkcs8"));
}
