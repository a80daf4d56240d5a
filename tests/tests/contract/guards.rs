//! The guards: rights, conditions and locks, tested where nothing can change any more.

use crate::world::{STAY, World};
use std::time::Duration;
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{
    Arrival, Conditions, EntityTags, Error, Excess, Lock, LockRequest, Principal, Refusal, Scope, StateCondition,
    StateList, StateTest,
};
use stitchbox_schema::Role;
use stitchbox_store::{StoreError, locks};

fn none() -> Conditions {
    Conditions::default()
}

fn showing(token: &str) -> Conditions {
    let condition = StateCondition { negated: false, test: StateTest::Token(token.into()) };
    Conditions { state_lists: vec![StateList { resource: None, conditions: vec![condition] }], ..none() }
}

fn exclusive(token: &str, deep: bool) -> LockRequest {
    let timeout = Some(Duration::from_secs(60));
    LockRequest { deep, exclusive: true, owner_xml: String::new(), timeout, token: token.into() }
}

pub async fn conditions_are_tested_where_they_guard(w: World) {
    let one = w.put("/file", b"one").await;
    let tagged = |opaque: &str| Some(EntityTags::Listed(vec![opaque.to_owned()]));
    let if_match = |opaque: &str| Conditions { if_match: tagged(opaque), ..none() };
    let intent = |conditions| Intent { conditions, ..Intent::default() };
    let two = w.try_put(&w.anna, &w.at("/file"), b"two", intent(if_match(one.item.etag().opaque()))).await.unwrap();
    let stale = if_match(one.item.etag().opaque());
    let earlier = stitchbox_schema::Timestamp(two.item.mtime.0 - 1_000_000_000);
    let old = Conditions { if_unmodified_since: Some(earlier), ..none() };
    assert!(matches!(w.domain.remove(&w.anna, &w.at("/file"), &old).await, Err(Error::PreconditionFailed)));
    let time = Some(stitchbox_schema::Timestamp::from_unix_seconds(1_600_000_000));
    let moved = w.domain.relocate(&w.anna, &w.at("/file"), &w.at("/x"), Arrival { mtime: time, ..STAY }, &old).await;
    assert!(matches!(moved, Err(Error::PreconditionFailed)));
    assert!(matches!(
        w.try_put(&w.anna, &w.at("/file"), b"three", intent(stale.clone())).await,
        Err(Error::PreconditionFailed)
    ));
    assert!(matches!(w.domain.remove(&w.anna, &w.at("/file"), &stale).await, Err(Error::PreconditionFailed)));
    assert!(matches!(
        w.domain.relocate(&w.anna, &w.at("/file"), &w.at("/x"), STAY, &stale).await,
        Err(Error::PreconditionFailed)
    ));
    let state = |negated, opaque: &str| Conditions {
        state_lists: vec![StateList {
            resource: Some(Some(w.at("/file"))),
            conditions: vec![StateCondition { negated, test: StateTest::ETag(opaque.to_owned()) }],
        }],
        ..none()
    };
    let current = two.item.etag();
    assert!(matches!(
        w.domain.remove(&w.anna, &w.at("/file"), &state(true, current.opaque())).await,
        Err(Error::PreconditionFailed)
    ));
    w.domain.remove(&w.anna, &w.at("/file"), &state(false, current.opaque())).await.unwrap();
}

pub async fn a_lock_stops_everybody_who_does_not_show_it(w: World) {
    w.join("bert", Role::Editor).await;
    w.mkcol("/a").await;
    w.put("/a/file", b"x").await;
    let (lock, created) = w.domain.lock(&w.anna, &w.at("/a"), exclusive("urn:uuid:1", true), &none()).await.unwrap();
    assert!(!created);
    let put = |who: Principal, conditions| {
        let at = w.at("/a/file");
        let w = &w;
        async move { w.try_put(&who, &at, b"y", Intent { conditions, ..Intent::default() }).await }
    };
    assert!(matches!(put(w.bert.clone(), none()).await, Err(Error::Locked { holder, .. }) if holder == "anna"));
    assert!(matches!(put(w.anna.clone(), none()).await, Err(Error::Locked { .. })));
    assert!(matches!(put(w.bert.clone(), showing(&lock.token)).await, Err(Error::Locked { .. })), "not his lock");
    put(w.anna.clone(), showing(&lock.token)).await.unwrap();
    assert!(matches!(w.domain.remove(&w.bert, &w.at("/a"), &none()).await, Err(Error::Locked { .. })));
    let second = w.domain.lock(&w.bert, &w.at("/a/file"), exclusive("urn:uuid:2", false), &none()).await;
    assert!(matches!(second, Err(Error::Locked { .. })));
    assert!(matches!(w.domain.unlock(&w.bert, &w.at("/a"), &lock.token).await, Err(Error::NoSuchLock)));
    w.domain.unlock(&w.anna, &w.at("/a/file"), &lock.token).await.unwrap();
    put(w.bert.clone(), none()).await.unwrap();
    let (_, created) = w.domain.lock(&w.bert, &w.at("/a/new"), exclusive("urn:uuid:3", false), &none()).await.unwrap();
    assert!(created && w.item("/a/new").await.size == 0);
    a_user_holds_so_many_locks_and_no_more(&w).await;
}

async fn a_user_holds_so_many_locks_and_no_more(w: &World) {
    let (model, _) = w.domain.lock(&w.anna, &w.at("/a/file"), exclusive("urn:uuid:4", false), &none()).await.unwrap();
    let written: Result<(), StoreError> = w
        .store
        .write(move |tx| {
            Box::pin(async move {
                for number in 1..1000 {
                    let (token, path) = (format!("urn:uuid:many{number}"), format!("/many{number}"));
                    locks::insert(tx, &Lock { token, path, ..model.clone() }).await?;
                }
                Ok(())
            })
        })
        .await;
    written.unwrap();
    let one_more = |who: Principal, path: &'static str| async move {
        w.domain.lock(&who, &w.at(path), exclusive("urn:uuid:5", false), &none()).await
    };
    assert!(matches!(one_more(w.anna.clone(), "/b").await, Err(Error::TooMuch(Excess::Locks))));
    assert!(!w.exists("/b").await);
    one_more(w.bert.clone(), "/b").await.expect("they are hers, not his");
}

pub async fn a_lock_ends_by_itself(w: World) {
    w.put("/file", b"x").await;
    w.domain.lock(&w.anna, &w.at("/file"), exclusive("urn:uuid:1", false), &none()).await.unwrap();
    w.advance(Duration::from_secs(50));
    w.domain.refresh_lock(&w.anna, &w.at("/file"), "urn:uuid:1", Some(Duration::from_secs(60))).await.unwrap();
    w.advance(Duration::from_secs(50));
    assert_eq!(w.domain.locks_on(w.space).await.unwrap().len(), 1);
    w.advance(Duration::from_secs(11));
    assert_eq!(w.domain.locks_on(w.space).await.unwrap().len(), 0);
    w.put("/file", b"y").await;
    let refreshed = w.domain.refresh_lock(&w.anna, &w.at("/file"), "urn:uuid:1", None).await;
    assert!(matches!(refreshed, Err(Error::NoSuchLock)));
}

pub async fn strangers_and_viewers_are_kept_out(w: World) {
    w.put("/file", b"x").await;
    let at = w.at("/file");
    assert!(matches!(w.domain.item(&w.bert, &at).await, Err(Error::NotFound)));
    assert!(matches!(w.try_put(&w.bert, &at, b"y", Intent::default()).await, Err(Error::NotFound)));
    assert!(matches!(w.domain.remove(&w.bert, &at, &none()).await, Err(Error::NotFound)));
    w.join("bert", Role::Viewer).await;
    assert_eq!(w.domain.item(&w.bert, &at).await.unwrap().1.size, 1);
    let refused = w.try_put(&w.bert, &at, b"y", Intent::default()).await;
    assert!(matches!(refused, Err(Error::Forbidden(Refusal::Role(Role::Viewer)))));
    w.join("bert", Role::Editor).await;
    let limited = Principal { scope: Scope { create_only: true, ..Scope::default() }, ..w.bert.clone() };
    w.try_put(&limited, &w.at("/new"), b"y", Intent::default()).await.unwrap();
    let again = w.try_put(&limited, &w.at("/new"), b"z", Intent::default()).await;
    assert!(matches!(again, Err(Error::Forbidden(Refusal::CreateOnly))));
    assert!(matches!(w.domain.content(&limited, &w.at("/new")).await, Err(Error::NotFound)));
    assert!(matches!(
        w.domain.remove(&limited, &w.at("/new"), &none()).await,
        Err(Error::Forbidden(Refusal::CreateOnly))
    ));
    let elsewhere = Scope { space: Some(stitchbox_schema::SpaceId(1)), ..Scope::default() };
    let elsewhere = Principal { scope: elsewhere, ..w.bert.clone() };
    assert!(matches!(w.domain.item(&elsewhere, &at).await, Err(Error::NotFound)));
    let create_only = |refused: Result<(), Error>| matches!(refused, Err(Error::Forbidden(Refusal::CreateOnly)));
    w.domain.lock(&w.bert, &at, exclusive("urn:uuid:1", false), &none()).await.unwrap();
    for path in ["/file", "/new", "/third"] {
        let locked = w.domain.lock(&limited, &w.at(path), exclusive("urn:uuid:2", false), &none()).await;
        assert!(create_only(locked.map(drop)), "{path}");
    }
    assert!(create_only(w.domain.refresh_lock(&limited, &at, "urn:uuid:1", None).await.map(drop)));
    assert!(create_only(w.domain.unlock(&limited, &at, "urn:uuid:1").await));
    w.domain.unlock(&w.bert, &at, "urn:uuid:1").await.unwrap();
    assert!(w.domain.spaces_of(&limited).await.unwrap().is_empty());
    w.domain.set_member("mirrors", "bert", None).await.unwrap();
    assert!(matches!(w.domain.item(&w.bert, &at).await, Err(Error::NotFound)));
}
