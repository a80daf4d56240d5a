//! Federation as it stands in the tables: the outbox, offers and their ends, shares of peers. No peer is called.

use super::world::World;
use serde_json::json;
use std::time::Duration;
use stitchbox_domain::federation::{AutoAccept, CallRefusal, Caller, FederationSettings, TrustPolicy};
use stitchbox_domain::{Domain, Error, Grantee, NewShare};
use stitchbox_federation::address::Host;
use stitchbox_federation::wire::{Notification, NotificationKind, ShareMessage};
use stitchbox_schema::{OutboxId, Role, Timestamp};
use stitchbox_store::federated::{self, FederatedState};
use stitchbox_store::outbox::{self, Ended, OutboxKind, Outgoing};
use stitchbox_store::received::ReceivedState;
use stitchbox_store::{StoreError, peers, received_offers, shares_folder, spaces};

const LEASE: Duration = Duration::from_secs(60);

async fn federated_domain(world: &World) -> Domain {
    let settings = FederationSettings {
        origin: "https://h.example".into(),
        allow_http_peers: false,
        allow_private_addresses: false,
        extra_ca_pem: None,
        trust: TrustPolicy::Open,
        require_signatures: false,
        auto_accept: AutoAccept::Contacts,
        cache_bytes: 1 << 20,
        refresh: Duration::from_secs(30),
    };
    world.domain.clone().with_federation(settings).await.expect("a federation")
}

async fn put(world: &World, id: i64, peer: &'static str, subject: i64, now: Timestamp) {
    let row = Outgoing {
        id: OutboxId(id),
        peer: peer.into(),
        kind: OutboxKind::Notification,
        subject,
        body: "{}".into(),
        attempts: 0,
        gives_up_at: now.after(LEASE * 100),
        last_error: None,
        created_at: now,
    };
    let put = world.store.write::<_, StoreError, _>(move |tx| Box::pin(async move { outbox::insert(tx, &row).await }));
    put.await.expect("a row");
}

async fn lease(world: &World, owner: &'static str, now: Timestamp) -> Option<i64> {
    let leased = world.store.write::<_, StoreError, _>(move |tx| {
        Box::pin(async move { outbox::lease(tx, owner, now, now.after(LEASE)).await })
    });
    leased.await.expect("a look").map(|row| row.id.0)
}

async fn finish(world: &World, id: i64, owner: &'static str, now: Timestamp) -> bool {
    let ended = world.store.write::<_, StoreError, _>(move |tx| {
        Box::pin(async move { outbox::finish(tx, OutboxId(id), owner, Ended::Done, None, now).await })
    });
    ended.await.expect("an end")
}

pub async fn the_outbox_keeps_the_order_of_a_subject_and_one_call_to_a_peer(world: World) {
    let now = world.domain.now();
    for (id, peer, subject) in [(1, "p", 7), (2, "p", 7), (3, "p", 8), (4, "q", 9)] {
        put(&world, id, peer, subject, now).await;
    }
    assert_eq!(lease(&world, "one", now).await, Some(1));
    assert_eq!(lease(&world, "two", now).await, Some(4), "another peer");
    assert_eq!(lease(&world, "three", now).await, None, "one call to a peer at a time");
    assert!(!finish(&world, 1, "two", now).await, "it is the lease of another");
    // The first failed and waits: what is said later about the same thing waits behind it, other things do not.
    let later = now.after(Duration::from_secs(600));
    let retried = world.store.write::<_, StoreError, _>(move |tx| {
        Box::pin(async move { outbox::retry(tx, OutboxId(1), "one", later, "no answer").await })
    });
    assert!(retried.await.unwrap());
    assert_eq!(lease(&world, "one", now).await, Some(3));
    assert!(finish(&world, 3, "one", now).await);
    assert_eq!(lease(&world, "one", now).await, None);
    // It answers again: everything is due.
    world
        .store
        .write::<_, StoreError, _>(move |tx| Box::pin(async move { outbox::hurry(tx, "p", now).await }))
        .await
        .unwrap();
    assert_eq!(lease(&world, "one", now).await, Some(1));
    // Its sender dies; another says it when the lease is over, and the dead one changes nothing any more.
    let after = now.after(LEASE + Duration::from_secs(1));
    assert_eq!(lease(&world, "three", after).await, Some(1));
    assert!(!finish(&world, 1, "one", after).await);
    assert!(finish(&world, 1, "three", after).await);
    assert_eq!(lease(&world, "three", after).await, Some(2));
    assert!(finish(&world, 2, "three", after).await);
    assert_eq!(lease(&world, "three", after).await, Some(4), "the other peer's lease was over, too");
}

pub async fn a_resting_peer_is_not_called(world: World) {
    let now = world.domain.now();
    put(&world, 1, "p", 7, now).await;
    let until = now.after(Duration::from_secs(30));
    world
        .store
        .write::<_, StoreError, _>(move |tx| {
            Box::pin(async move { peers::note_silence(tx, "p", "no route", now, 3, until).await })
        })
        .await
        .unwrap();
    assert_eq!(lease(&world, "one", now).await, None);
    assert_eq!(lease(&world, "one", until).await, Some(1));
}

pub async fn a_federated_share_waits_in_the_outbox_and_is_cancelled_with_it(world: World) {
    let domain = federated_domain(&world).await;
    world.mkcol("/mirror").await;
    let to = |recipient: &str| Grantee::Federated { recipient: recipient.into(), group: false };
    let share = |recipient: &str| NewShare::of(world.at("/mirror"), to(recipient), Role::Viewer);
    let made = domain.share(&world.anna, share("bob@NC.example:443")).await.expect("a pending share");
    let mut db = world.store.read().await.unwrap();
    let row = federated::by_share(&mut db, made.id).await.unwrap().unwrap();
    assert_eq!((row.recipient.as_str(), row.state), ("bob@nc.example", FederatedState::Pending));
    assert_eq!(row.provider_id, made.id.to_string());
    assert_eq!(outbox::waiting_for(&mut db, "nc.example", 10).await.unwrap().len(), 1);
    drop(db);
    for wrong in ["bob@h.example", "bob@ho st"] {
        assert!(domain.share(&world.anna, share(wrong)).await.is_err(), "{wrong}");
    }
    domain.trust_peer(None, "denied.example", stitchbox_domain::federation::Trust::Denied).await.unwrap();
    let denied = domain.share(&world.anna, share("bob@denied.example")).await.unwrap_err();
    assert!(matches!(denied, Error::Federation(_)), "{denied}");
    domain.revoke_share(&world.anna, made.id).await.unwrap();
    let mut db = world.store.read().await.unwrap();
    assert!(federated::by_share(&mut db, made.id).await.unwrap().is_none());
    assert_eq!(outbox::waiting_counts(&mut db).await.unwrap(), [], "what was never said needs not be taken back");
}

fn message(secret: &str) -> ShareMessage {
    let text = json!({"shareWith": "bert@h.example", "name": "data", "providerId": "7", "owner": "alice@nc.example",
        "sender": "alice@nc.example", "shareType": "user", "resourceType": "folder", "protocol": {"name": "multi",
        "webdav": {"uri": "https://nc.example/dav/7", "sharedSecret": secret, "permissions": ["read"]}}});
    ShareMessage::decode(text.to_string().as_bytes()).expect("a message")
}

pub async fn a_share_of_a_peer_is_one_share_however_often_it_comes(world: World) {
    let domain = federated_domain(&world).await;
    let host = Host::parse("nc.example").unwrap();
    let caller = |has_signed| Caller { host: host.clone(), has_signed, client: [192, 0, 2, 1].into() };
    let first = domain.receive_share(caller(false), message("one")).await.expect("taken");
    let again = domain.receive_share(caller(false), message("one")).await.expect("taken again");
    assert_eq!(first.space, again.space);
    let other = domain.receive_share(caller(false), message("two")).await.unwrap_err();
    assert!(matches!(other, CallRefusal::Field { name: "providerId", .. }), "{other}");
    let replaced = domain.receive_share(caller(true), message("two")).await.expect("signed, and it still waits");
    assert_eq!(replaced.space, first.space);

    let shown = || async {
        let mut db = world.store.read().await.unwrap();
        let entries = shares_folder::of_user(&mut db, world.bert.user).await.unwrap();
        let role = spaces::of_member(&mut db, first.space, world.bert.user).await.unwrap().map(|(_, role)| role);
        (entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>(), role)
    };
    assert_eq!(shown().await, (vec![], None));
    assert!(domain.accept_received(&world.anna, first.space).await.is_err(), "not hers");
    domain.accept_received(&world.bert, first.space).await.unwrap();
    assert_eq!(shown().await, (vec!["data".to_owned()], Some(Role::Viewer)));
    // An accepted one keeps its secret, signed or not.
    assert!(domain.receive_share(caller(true), message("three")).await.is_err());

    let mut ended = Notification::new(NotificationKind::ShareUnshared, "7");
    ended.shared_secret = Some(stitchbox_federation::Secret::new("guess"));
    let wrong = domain.receive_notification(caller(false), ended.clone()).await.unwrap_err();
    assert!(matches!(wrong, CallRefusal::UnknownShare), "{wrong}");
    ended.shared_secret = Some(stitchbox_federation::Secret::new("two"));
    domain.receive_notification(caller(false), ended).await.expect("the secret is right");
    assert_eq!(shown().await, (vec![], None), "gone at once");
    let mut db = world.store.read().await.unwrap();
    let known = received_offers::by_space(&mut db, first.space).await.unwrap().unwrap();
    assert_eq!(known.state, ReceivedState::Gone);
    drop(db);
    world.assert_clean().await;
}

pub async fn keys_are_made_once_for_all_processes(world: World) {
    let (one, two) = (world.domain.clone(), world.another_process().await);
    let (first, second) = tokio::join!(one.site_keys(), two.site_keys());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.ed25519.public(), second.ed25519.public());
    assert_eq!(first.rsa.public(), second.rsa.public());
    two.rotate_site_keys().await.unwrap();
    let now = one.site_keys().await.unwrap();
    assert_ne!(now.ed25519.public(), first.ed25519.public(), "seen without a restart");
    assert!(now.jwks().find(first.ed25519.kid()).is_some(), "the earlier one is still published");
}
