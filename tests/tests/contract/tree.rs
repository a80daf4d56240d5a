//! The tree: what holds whatever happens to items.

use crate::world::{REPLACE, STAY, World};
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stitchbox_domain::uploads::{Checksum, Intent};
use stitchbox_domain::{Conditions, EntityTags, Error, Excess, Ids, Item, ItemPath, Location};
use stitchbox_schema::{BlobId, Cursor, ItemId, SpaceKind};
use stitchbox_store::changes::ChangeKind;
use stitchbox_store::{StoreError, changes, items, settings, spaces};

fn none() -> Conditions {
    Conditions::default()
}

pub async fn a_change_moves_the_etags_up_to_the_root_and_no_others(w: World) {
    for path in ["/a", "/a/b", "/c"] {
        w.mkcol(path).await;
    }
    w.put("/a/sibling", b"x").await;
    let before = [w.etag("/").await, w.etag("/a").await, w.etag("/a/b").await];
    let others = [w.etag("/c").await, w.etag("/a/sibling").await];
    let put = w.put("/a/b/file", b"one").await;
    let after = [w.etag("/").await, w.etag("/a").await, w.etag("/a/b").await];
    assert!(before.iter().zip(&after).all(|(old, new)| old != new), "{before:?} {after:?}");
    assert_eq!(others, [w.etag("/c").await, w.etag("/a/sibling").await]);
    assert_eq!(w.etag("/a/b/file").await, put.item.etag().to_string());
    // Same size, same second: still another ETag.
    let again = w.put("/a/b/file", b"two").await;
    assert_eq!(again.item.id, put.item.id);
    assert_ne!(again.item.etag(), put.item.etag());
    let moved = w.relocate("/a/b/file", "/c/file").await;
    assert_eq!((moved.id, moved.etag()), (again.item.id, again.item.etag()), "id and ETag survive a move");
    assert_ne!(after[2], w.etag("/a/b").await);
    w.read("/c/file").await;
    assert_eq!(w.etag("/c").await, w.etag("/c").await);
    w.assert_clean().await;
}

pub async fn sizes_follow_everything_that_is_put_moved_copied_and_removed(w: World) {
    w.mkcol("/a").await;
    w.mkcol("/a/b").await;
    w.put("/a/b/small", &[1; 100]).await;
    w.put("/a/b/large", &vec![2; 100_000]).await;
    assert_eq!((w.item("/").await.size, w.item("/a/b").await.size), (100_100, 100_100));
    w.put("/a/b/large", &vec![3; 70_000]).await;
    assert_eq!(w.item("/a").await.size, 70_100);
    w.relocate("/a/b", "/b").await;
    assert_eq!((w.item("/").await.size, w.item("/a").await.size, w.item("/b").await.size), (70_100, 0, 70_100));
    w.copy("/b", "/a/copy").await;
    assert_eq!((w.item("/").await.size, w.item("/a").await.size), (140_200, 70_100));
    w.remove("/b").await;
    assert_eq!(w.item("/").await.size, 70_100);
    w.assert_clean().await;
}

pub async fn names_are_taken_once_whoever_comes_first(w: World) {
    w.mkcol("/a").await;
    let again = w.domain.make_folder(&w.anna, &w.at("/a"), &none()).await;
    assert!(matches!(again, Err(Error::Exists)));
    assert!(matches!(w.domain.make_folder(&w.anna, &w.at("/x/y"), &none()).await, Err(Error::ParentMissing)));
    assert!(matches!(w.try_put(&w.anna, &w.at("/a"), b"", Intent::default()).await, Err(Error::IsFolder)));
    w.put("/file", b"").await;
    let below_a_file = w.try_put(&w.anna, &w.at("/file/x"), b"", Intent::default()).await;
    assert!(matches!(below_a_file, Err(Error::ParentMissing)));
    let into_itself = w.domain.relocate(&w.anna, &w.at("/a"), &w.at("/a/b"), REPLACE, &none()).await;
    assert!(matches!(into_itself, Err(Error::IntoItself)));
    let taken = w.domain.relocate(&w.anna, &w.at("/a"), &w.at("/file"), STAY, &none()).await;
    assert!(matches!(taken, Err(Error::PreconditionFailed)));
    let over = w.domain.relocate(&w.anna, &w.at("/a"), &w.at("/file"), REPLACE, &none()).await.unwrap();
    assert!(over.replaced && w.item("/file").await.is_folder());
    // If-None-Match: * decides between two who both saw nothing.
    let intent =
        || Intent { conditions: Conditions { if_none_match: Some(EntityTags::Any), ..none() }, ..Intent::default() };
    let at = w.at("/first");
    let mut first = w.domain.begin_upload(&w.anna, &at, intent()).await.unwrap();
    let mut second = w.domain.begin_upload(&w.anna, &at, intent()).await.unwrap();
    first.write(Bytes::from_static(b"1")).await.unwrap();
    second.write(Bytes::from_static(b"2")).await.unwrap();
    second.commit().await.unwrap();
    assert!(matches!(first.commit().await, Err(Error::PreconditionFailed)));
    assert_eq!(w.read("/first").await, b"2");
}

pub async fn a_copy_shares_the_bytes_and_lives_on_its_own(w: World) {
    w.mkcol("/a").await;
    let body = vec![9; 200_000];
    let original = w.put("/a/file", &body).await;
    w.copy("/a", "/b").await;
    let copy = w.domain.content(&w.anna, &w.at("/b/file")).await.unwrap();
    assert_eq!(copy.version.blob, original.version.blob, "no bytes are copied");
    assert_ne!((copy.item.id, copy.item.etag()), (original.item.id, original.item.etag()));
    w.put("/a/file", b"other").await;
    assert_eq!(w.read("/b/file").await, body);
    let versions = w.domain.versions(&w.anna, &w.at("/a/file")).await.unwrap();
    assert_eq!(versions.iter().map(|v| v.size).collect::<Vec<_>>(), [5, 200_000]);
    w.assert_clean().await;
    a_copy_has_an_end(&w).await;
}

async fn a_copy_has_an_end(w: &World) {
    let top = w.mkcol("/many").await;
    let ids = Ids::new(999);
    let now = w.domain.now();
    let fill = move |number: i64| {
        let (ids, top) = (&ids, &top);
        let made = (0..number).map(|number| Item {
            id: ItemId(ids.next(now)),
            parent: Some(top.id),
            name: format!("{number}-{}", ids.next(now)),
            ..top.clone()
        });
        made.collect::<Vec<_>>()
    };
    let copy = |to: &'static str, depth| async move {
        w.domain.copy(&w.anna, &w.at("/many"), &w.at(to), depth, false, &none()).await
    };
    let children = fill(50_000);
    let written: Result<(), StoreError> =
        w.store.write(move |tx| Box::pin(async move { items::insert_all(tx, &children).await })).await;
    written.unwrap();
    let refused = copy("/copy", stitchbox_domain::CopyDepth::Infinity).await;
    assert!(matches!(refused, Err(Error::TooMuch(Excess::Copied))));
    copy("/copy", stitchbox_domain::CopyDepth::Zero).await.expect("the folder alone");
}

pub async fn between_spaces_an_item_keeps_its_id_and_content(w: World) {
    w.mkcol("/a").await;
    let file = w.put("/a/file", &[1; 10]).await;
    let personal = {
        let mut db = w.store.read().await.unwrap();
        spaces::by_name(&mut db, SpaceKind::Personal, "anna").await.unwrap().unwrap().id
    };
    let there = Location::in_space(personal, ItemPath::parse("/elsewhere").unwrap());
    w.domain.relocate(&w.anna, &w.at("/a"), &there, STAY, &none()).await.unwrap();
    let inside = Location::in_space(personal, ItemPath::parse("/elsewhere/file").unwrap());
    let content = w.domain.content(&w.anna, &inside).await.unwrap();
    assert_eq!((content.item.id, content.version.id), (file.item.id, file.version.id));
    assert_eq!(content.item.space, personal);
    let rows = changes::after(&mut w.store.read().await.unwrap(), Cursor(0), 1000).await.unwrap();
    let left = rows.iter().rev().find(|change| change.space == w.space).unwrap();
    assert_eq!((left.kind, left.name.as_str()), (ChangeKind::Deleted, "a"), "each space's journal tells its own half");
    assert_eq!(w.item("/").await.size, 0);
    assert!(!w.exists("/a").await);
    w.assert_clean().await;
}

pub async fn what_is_deleted_can_be_restored_where_it_lay(w: World) {
    w.mkcol("/a").await;
    w.mkcol("/a/b").await;
    let file = w.put("/a/b/map.dat", b"data").await;
    w.remove("/a/b").await;
    assert!(!w.exists("/a/b/map.dat").await);
    let trash = w.domain.trash(&w.anna, w.space).await.unwrap();
    assert_eq!(trash.len(), 1);
    assert_eq!(trash[0].0.original_path, "/a/b");
    w.mkcol("/a/b").await;
    let restored = w.domain.restore(&w.anna, trash[0].0.item).await.unwrap();
    assert_eq!(restored.name, "b (restored)");
    assert_eq!(w.item("/a/b (restored)/map.dat").await.id, file.item.id);
    assert_eq!(w.item("/").await.size, 4);
    w.remove("/a/b (restored)/map.dat").await;
    w.remove("/a").await;
    let deep = w.domain.trash(&w.anna, w.space).await.unwrap();
    let map = deep.iter().find(|(entry, _)| entry.item == file.item.id).unwrap();
    w.domain.restore(&w.anna, map.0.item).await.unwrap();
    assert_eq!(w.read("/map.dat").await, b"data", "the folder is gone: it lies under the root");
    assert!(matches!(w.domain.restore(&w.bert, deep[0].0.item).await, Err(Error::NotFound)));
    w.assert_clean().await;
}

pub async fn a_full_space_says_so_and_keeps_what_it_has(w: World) {
    w.domain.set_quota("mirrors", Some(150_000)).await.unwrap();
    w.put("/a", &vec![1; 100_000]).await;
    let full = |outcome| matches!(outcome, Err(Error::QuotaExceeded { quota: 150_000, .. }));
    let announced = Intent { announced_size: Some(60_000), ..Intent::default() };
    assert!(full(w.domain.begin_upload(&w.anna, &w.at("/b"), announced).await.map(drop)), "refused before the body");
    assert!(full(w.try_put(&w.anna, &w.at("/b"), &vec![2; 60_000], Intent::default()).await.map(drop)));
    let depth = stitchbox_domain::CopyDepth::Infinity;
    let copy = w.domain.copy(&w.anna, &w.at("/a"), &w.at("/c"), depth, false, &none()).await;
    assert!(full(copy.map(drop)));
    w.put("/a", &vec![3; 150_000]).await;
    assert!(full(w.try_put(&w.anna, &w.at("/a"), &vec![4; 150_001], Intent::default()).await.map(drop)));
    assert_eq!(w.read("/a").await, vec![3; 150_000], "the old content is still there");
    w.remove("/a").await;
    w.put("/b", &vec![5; 150_000]).await;
    w.assert_clean().await;
}

pub async fn many_at_once_lose_nothing_and_the_journal_has_no_gaps(w: World) {
    w.mkcol("/a").await;
    let before = changes::head(&mut w.store.read().await.unwrap()).await.unwrap();
    let puts = (0..150).map(|number| {
        let (domain, anna, at) = (w.domain.clone(), w.anna.clone(), w.at(&format!("/a/{}", number % 100)));
        tokio::spawn(async move {
            let mut upload = domain.begin_upload(&anna, &at, Intent::default()).await?;
            upload.write(Bytes::from(vec![number as u8; 10])).await?;
            upload.commit().await.map(drop)
        })
    });
    for put in futures::future::join_all(puts).await {
        put.unwrap().unwrap();
    }
    let membership = w.membership().await;
    assert_eq!(w.domain.children(&membership, &w.item("/a").await).await.unwrap().len(), 100);
    assert_eq!(w.item("/").await.size, 1000);
    let rows = changes::after(&mut w.store.read().await.unwrap(), before, 1000).await.unwrap();
    let cursors: Vec<i64> = rows.iter().map(|change| change.cursor.0 - before.0).collect();
    assert_eq!(cursors, (1..=150).collect::<Vec<i64>>());
    w.assert_clean().await;
}

pub async fn two_processes_on_one_database_are_as_one(w: World) {
    w.mkcol("/a").await;
    let before = changes::head(&mut w.store.read().await.unwrap()).await.unwrap();
    let domains = [w.domain.clone(), w.another_process().await];
    assert_eq!(domains[0].instance(), domains[1].instance());
    let puts = (0..80).map(|number| {
        let (domain, anna) = (domains[number % 2].clone(), w.anna.clone());
        let at = w.at(&format!("/a/{}", number / 2 % 10));
        tokio::spawn(async move {
            let mut upload = domain.begin_upload(&anna, &at, Intent::default()).await?;
            upload.write(Bytes::from(vec![number as u8; 10 + number * 1000])).await?;
            upload.commit().await.map(drop)
        })
    });
    for put in futures::future::join_all(puts).await {
        put.unwrap().unwrap();
    }
    let rows = changes::after(&mut w.store.read().await.unwrap(), before, 1000).await.unwrap();
    let cursors: Vec<i64> = rows.iter().map(|change| change.cursor.0 - before.0).collect();
    assert_eq!(cursors, (1..=80).collect::<Vec<i64>>());
    w.assert_clean().await;
}

pub async fn an_upload_that_was_given_up_cannot_commit(w: World) {
    let kept = w.put("/kept", &vec![1; 200_000]).await;
    let mut slow = w.domain.begin_upload(&w.anna, &w.at("/slow"), Intent::default()).await.unwrap();
    slow.write(Bytes::from(vec![2; 200_000])).await.unwrap();
    w.advance(Duration::from_secs(4 * 60 + 1));
    slow.write(Bytes::from(vec![2; 10])).await.unwrap();
    w.advance(Duration::from_secs(4 * 60));
    assert_eq!(w.domain.sweep().await.unwrap().uploads, 0, "it gave a sign of life");
    w.advance(Duration::from_secs(2 * 60));
    assert_eq!(w.domain.sweep().await.unwrap().uploads, 1);
    assert!(matches!(slow.commit().await, Err(Error::BodyBroken)));
    assert!(!w.exists("/slow").await);
    // What nobody refers to goes, but not while its commit may be under way elsewhere.
    let stray = BlobId(Ids::new(999).next(w.domain.now()));
    let mut staged = w.blobs.stage(stray).await.unwrap();
    staged.write(Bytes::from_static(b"stray")).await.unwrap();
    staged.publish().await.unwrap();
    w.domain.sweep_blobs().await.unwrap();
    assert!(w.blobs.read(stray, 0..5).await.is_ok());
    w.advance(Duration::from_secs(2 * 60 * 60));
    w.domain.sweep_blobs().await.unwrap();
    assert!(w.blobs.read(stray, 0..5).await.is_err());
    assert_eq!(w.read("/kept").await.len() as i64, kept.version.size);
    w.assert_clean().await;
}

pub async fn a_refused_transaction_undoes_itself_alone(w: World) {
    let writes = (0..60).map(|number| {
        let store = w.store.clone();
        tokio::spawn(async move {
            let written: Result<(), StoreError> = store
                .write(move |tx| {
                    Box::pin(async move {
                        settings::get_or_insert(tx, &format!("test {number}"), "there").await?;
                        match number % 3 {
                            1 => Err(StoreError::Conflict),
                            2 => panic!("a defect in one transaction"),
                            _ => Ok(()),
                        }
                    })
                })
                .await;
            written.is_ok()
        })
    });
    let answers: Vec<bool> = futures::future::join_all(writes).await.into_iter().map(Result::unwrap).collect();
    for (number, written) in answers.into_iter().enumerate() {
        let found = settings::get(&mut w.store.read().await.unwrap(), &format!("test {number}")).await.unwrap();
        assert_eq!((written, found.is_some()), (number % 3 == 0, number % 3 == 0), "{number}");
    }
}

pub async fn broken_and_damaged_bodies_change_nothing(w: World) {
    let old = w.put("/file", b"old").await;
    let large = vec![1; 300_000];
    let mut broken = w.domain.begin_upload(&w.anna, &w.at("/file"), Intent::default()).await.unwrap();
    broken.write(Bytes::from(large.clone())).await.unwrap();
    drop(broken);
    let wrong = Intent {
        checksum: Some(Checksum::parse("MD5:00000000000000000000000000000000").unwrap()),
        ..Intent::default()
    };
    assert!(matches!(
        w.try_put(&w.anna, &w.at("/file"), &large, wrong).await,
        Err(Error::ChecksumMismatch { algorithm: "MD5", .. })
    ));
    for announced in [299_999, 300_001] {
        let intent = Intent { announced_size: Some(announced), ..Intent::default() };
        assert!(matches!(w.try_put(&w.anna, &w.at("/file"), &large, intent).await, Err(Error::BodyIncomplete { .. })));
    }
    assert_eq!(w.etag("/file").await, old.item.etag().to_string());
    assert_eq!(w.read("/file").await, b"old");
    let right = Intent {
        announced_size: Some(3),
        checksum: Some(Checksum::parse("SHA1:a9993e364706816aba3e25717850c26c9cd0d89d").unwrap()),
        ..Intent::default()
    };
    let new = w.try_put(&w.anna, &w.at("/file"), b"abc", right).await.unwrap();
    assert_eq!(new.version.checksum.as_deref(), Some("SHA1:a9993e364706816aba3e25717850c26c9cd0d89d"));
    w.assert_clean().await;
}

pub async fn verify_finds_what_was_damaged(w: World) {
    let large = w.put("/large", &vec![1; 300_000]).await;
    let gone = w.put("/gone", &vec![2; 300_000]).await;
    w.blobs.delete(gone.version.blob).await.unwrap();
    w.blobs.delete(large.version.blob).await.unwrap();
    let mut staged = w.blobs.stage(large.version.blob).await.unwrap();
    staged.write(Bytes::from(vec![3; 300_000])).await.unwrap();
    staged.publish().await.unwrap();
    let found = Arc::new(Mutex::new(Vec::new()));
    let report = found.clone();
    let summary = w.domain.verify(&mut |problem| report.lock().unwrap().push(problem.to_string())).await.unwrap();
    let found = found.lock().unwrap();
    assert_eq!(summary.problems, 2);
    assert!(found.iter().all(|text| text.contains("mirrors:/")), "{found:?}");
    assert!(found.iter().any(|text| text.contains("damaged") && text.contains(&large.version.blob.to_string())));
    assert!(found.iter().any(|text| text.contains("missing") && text.contains(&gone.version.blob.to_string())));
}
