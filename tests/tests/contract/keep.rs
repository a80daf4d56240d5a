//! What is let go, and what is not: the journal, deleted items, earlier versions and bytes past their time.

use crate::replica::{Replica, truth};
use crate::runs;
use crate::world::{QUIET, World, sub_aperture};
use std::time::Duration;
use stitchbox_domain::runs::RunFilter;
use stitchbox_domain::uploads::Intent;
use stitchbox_domain::{Conditions, Error, Unsafe};
use stitchbox_schema::{BlobId, Cursor, ItemId};
use stitchbox_store::segments::{self, Segment};
use stitchbox_store::versions::{self, NewBlob};
use stitchbox_store::{StoreError, changes, purge};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LARGE: usize = 100_000;

async fn rows(w: &World) -> usize {
    changes::after(&mut w.store.read().await.unwrap(), Cursor(0), i64::MAX).await.unwrap().len()
}

async fn has_bytes(w: &World, blob: BlobId) -> bool {
    w.blobs.read(blob, 0..1).await.is_ok()
}

/// What the sweep does, to the end.
async fn let_go(w: &World) {
    w.domain.purge_trash(usize::MAX).await.unwrap();
    let mut after = Some(ItemId(0));
    while let Some(file) = after {
        after = w.domain.thin_versions(file).await.unwrap();
    }
    while w.domain.remove_dropped_blobs().await.unwrap() > 0 {}
}

pub async fn a_squeezed_journal_tells_the_same(w: World) {
    let mut client = Replica::new(w.space);
    client.cursor = Some(w.domain.feed(&w.anna, w.space, None, 1).await.unwrap().cursor);
    w.mkcol("/a").await;
    for round in 0..20 {
        let puts = (0..30).map(|file| {
            let (w, path) = (&w, format!("/a/{}", file % 3));
            async move { w.put(&path, &[round, file]).await }
        });
        futures::future::join_all(puts).await;
    }
    w.relocate("/a/1", "/moved").await;
    w.remove("/a/2").await;
    assert!(!w.domain.squeeze_journal().await.unwrap(), "the trigger has not read it");
    let before = rows(&w).await;
    w.trigger().await;
    while w.domain.squeeze_journal().await.unwrap() {}
    let after = rows(&w).await;
    assert!(before > 600 && after < before - 400, "{before} {after}");
    loop {
        let feed = w.domain.feed(&w.anna, w.space, client.cursor, 100).await.unwrap();
        let more = feed.more;
        client.apply(feed);
        if !more {
            break;
        }
    }
    let mut truth = truth(&w, w.space).await;
    // The root was there before, and the client heard the changes alone.
    truth.remove(&w.item("/").await.id);
    assert_eq!(client.items, truth);
}

pub async fn a_journal_that_was_cut_says_so(w: World) {
    let cursor = async || w.domain.feed(&w.anna, w.space, None, 1).await.unwrap().cursor;
    let first = cursor().await;
    w.put("/old", b"1").await;
    let second = cursor().await;
    w.advance(DAY * 100);
    assert_eq!(w.domain.cut_journal().await.unwrap(), 0, "the trigger has not read it");
    w.trigger().await;
    w.put("/new", b"1").await;
    assert!(w.domain.cut_journal().await.unwrap() > 0);
    assert_eq!(w.domain.cut_journal().await.unwrap(), 0, "the rest is young, and the trigger has not read it");
    let since = async |cursor| w.domain.feed(&w.anna, w.space, Some(cursor), 10).await.map(|feed| feed.entries.len());
    assert!(matches!(since(first).await, Err(Error::CursorTooOld)));
    assert!(matches!(since(Cursor(0)).await, Err(Error::CursorTooOld)));
    assert_eq!(since(second).await.unwrap(), 1, "nothing is missing after it");
    w.mkcol("/s").await;
    w.put("/s/a.dat", &sub_aperture(1)).await;
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 1, "the trigger goes on");
}

pub async fn after_a_restored_backup_nothing_old_is_believed(w: World) {
    w.mkcol("/a").await;
    let cursor = w.domain.feed(&w.anna, w.space, None, 1).await.unwrap().cursor;
    let (etag, before) = (w.item("/a").await.etag(), w.domain.data_fingerprint());
    assert_eq!(before, "");
    let told = w.domain.mark_restored().await.unwrap();
    assert!(!told.is_empty() && w.domain.data_fingerprint() == told);
    assert_eq!(w.another_process().await.data_fingerprint(), told, "whoever starts knows it");
    let since = w.domain.feed(&w.anna, w.space, Some(cursor), 10).await;
    assert!(matches!(since, Err(Error::CursorTooOld)));
    assert_eq!(w.item("/a").await.etag(), etag, "nothing changed");
    let now = w.domain.feed(&w.anna, w.space, None, 1).await.unwrap().cursor;
    assert!(now.0 - cursor.0 > 1_000_000_000, "cursors and ETags given since the backup are not given again");
    w.put("/a/f", &sub_aperture(1)).await;
    assert_eq!(w.domain.feed(&w.anna, w.space, Some(now), 10).await.unwrap().entries.len(), 1);
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 1);
}

pub async fn deleted_things_go_in_their_time_and_shared_bytes_stay(w: World) {
    for folder in ["/d", "/d/e", "/d/e/f"] {
        w.mkcol(folder).await;
    }
    let blob = w.put("/d/e/f/large", &vec![1; LARGE]).await.version.blob;
    w.put("/d/e/small", b"1").await;
    w.copy("/d/e/f/large", "/copy").await;
    w.remove("/d").await;
    w.advance(DAY * 29);
    let_go(&w).await;
    assert_eq!(w.domain.trash(&w.anna, w.space).await.unwrap().len(), 1, "not yet");
    w.advance(DAY * 2);
    let_go(&w).await;
    assert_eq!(w.domain.trash(&w.anna, w.space).await.unwrap().len(), 0);
    w.assert_clean().await;
    w.advance(DAY * 3);
    let_go(&w).await;
    assert_eq!(w.read("/copy").await.len(), LARGE, "the copy has the same bytes");
    w.remove("/copy").await;
    w.advance(DAY * 31);
    let_go(&w).await;
    assert!(has_bytes(&w, blob).await, "bytes go later than what showed them");
    w.advance(DAY * 3);
    let_go(&w).await;
    assert!(!has_bytes(&w, blob).await);
    w.assert_clean().await;
}

pub async fn what_was_given_up_goes_at_once_and_in_small_steps(w: World) {
    w.mkcol("/d").await;
    for number in 0..250 {
        w.put(&format!("/d/{number}"), &[1; 10]).await;
    }
    w.remove("/d").await;
    let top = w.domain.trash(&w.anna, w.space).await.unwrap()[0].0.item;
    w.domain.purge(&w.anna, top).await.unwrap();
    assert!(matches!(w.domain.restore(&w.anna, top).await, Err(Error::NotFound)));
    let removed = w.domain.purge_trash(120).await.unwrap();
    assert!((1..=121).contains(&removed), "{removed}");
    w.assert_clean().await;
    assert!(matches!(w.domain.restore(&w.anna, top).await, Err(Error::NotFound)), "half of it is not offered");
    assert_eq!(removed + w.domain.purge_trash(1000).await.unwrap(), 251);
    w.assert_clean().await;
}

pub async fn what_a_run_has_read_stays_as_long_as_the_run_is_shown(w: World) {
    w.mkcol("/s").await;
    w.mkcol("/other").await;
    let read = w.put("/s/a.dat", &sub_aperture(1)).await;
    w.put("/s/b.dat", &sub_aperture(2)).await;
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 1);
    let leased = w.domain.lease_run("w").await.unwrap().unwrap();
    assert!(runs::finish(&w, &leased, "x").await);
    // Replaced again and again: of all earlier versions the one that was read stays.
    for number in 3..9 {
        w.advance(Duration::from_secs(60));
        w.put("/s/a.dat", &sub_aperture(number)).await;
    }
    w.advance(DAY * 400);
    let_go(&w).await;
    let kept: Vec<_> = w.domain.versions(&w.anna, &w.at("/s/a.dat")).await.unwrap();
    let ids: Vec<_> = kept.iter().map(|version| version.id).collect();
    assert!(ids.contains(&read.version.id) && ids.len() <= 4, "{ids:?}");
    // Moved elsewhere and deleted: it cannot go while the run is there.
    w.relocate("/s/a.dat", "/other/a.dat").await;
    w.remove("/other").await;
    w.advance(DAY * 31);
    let_go(&w).await;
    let trash = w.domain.trash(&w.anna, w.space).await.unwrap();
    assert_eq!(trash.len(), 1, "what was read stays where it is");
    w.assert_clean().await;
    assert_eq!(w.domain.runs(&w.anna, RunFilter::default(), 10).await.unwrap().len(), 1);
    w.remove("/s").await;
    w.advance(DAY * 31);
    let_go(&w).await;
    assert_eq!(
        w.domain.runs(&w.anna, RunFilter::default(), 10).await.unwrap().len(),
        0,
        "the run went with its folder"
    );
    w.advance(DAY * 2);
    let_go(&w).await;
    assert_eq!(w.domain.trash(&w.anna, w.space).await.unwrap().len(), 0);
    w.assert_clean().await;
}

pub async fn earlier_versions_become_fewer_and_the_shown_one_stays(w: World) {
    let first = w.put("/f", b"0").await;
    for number in 1..150u8 {
        w.advance(Duration::from_secs(30 * 60));
        w.put("/f", &[number]).await;
    }
    let_go(&w).await;
    // 150 half hours are a bit more than three days: one an hour of the last, one a day before.
    let kept = w.domain.versions(&w.anna, &w.at("/f")).await.unwrap();
    assert!((26..=32).contains(&kept.len()), "{}", kept.len());
    assert_eq!(w.read("/f").await, [149]);
    w.advance(DAY * 3);
    let_go(&w).await;
    for version in w.domain.versions(&w.anna, &w.at("/f")).await.unwrap() {
        drop(w.domain.open(&version, 0..1).await.expect("what is kept can be read"));
    }
    let body = versions::body(&mut w.store.read().await.unwrap(), first.version.blob).await.unwrap();
    assert!(body.is_none(), "the bytes of what went are gone");
    assert_eq!(w.read("/f").await, [149]);
    w.assert_clean().await;
}

pub async fn bytes_that_another_blob_is_made_of_stay(w: World) {
    let source = w.put("/f", &vec![1; LARGE]).await.version.blob;
    let (now, whole) = (w.domain.now(), BlobId(source.0 + 1));
    let put_together = w.store.write(move |tx| {
        Box::pin(async move {
            let blob = NewBlob { id: whole, size: 10, sha256: "x".into(), body: None, created_at: now };
            versions::insert_blob(tx, &blob).await?;
            segments::insert(tx, whole, &[Segment { source, offset: 5, length: 10 }]).await
        })
    });
    let put_together: Result<(), StoreError> = put_together.await;
    put_together.unwrap();
    w.remove("/f").await;
    for _ in 0..3 {
        w.advance(DAY * 31);
        let_go(&w).await;
    }
    assert!(has_bytes(&w, source).await);
    let dropped = w.store.write(move |tx| Box::pin(async move { purge::drop_blob(tx, whole, now).await }));
    let dropped: Result<(), StoreError> = dropped.await;
    dropped.unwrap();
    let_go(&w).await;
    assert!(!has_bytes(&w, source).await, "with the last that is made of it it goes");
    w.assert_clean().await;
}

pub async fn a_tree_is_safe_when_nothing_is_missing_or_arriving(w: World) {
    w.mkcol("/m").await;
    w.mkcol("/m/n").await;
    w.put("/m/small", b"1").await;
    let large = w.put("/m/n/large", &vec![1; LARGE]).await.version.blob;
    let look = async |path: &str, verify: bool| {
        let mut check = w.domain.check_safety(&w.anna, &w.at(path), verify).await.unwrap();
        let mut files = 0;
        while let Some(page) = check.next().await.unwrap() {
            files += page.len();
        }
        (files, check.verdict().await.unwrap().problem)
    };
    assert_eq!(look("/m", true).await, (2, None));
    assert_eq!(look("/m/n/large", true).await, (1, None));
    let mut arriving = w.domain.begin_upload(&w.anna, &w.at("/m/n/late"), Intent::default()).await.unwrap();
    arriving.write(vec![1; LARGE].into()).await.unwrap();
    assert_eq!(look("/m", false).await.1, Some(Unsafe::Arriving("late".into())));
    assert_eq!(look("/m/n/large", false).await.1, None);
    drop(arriving);
    // Its row goes in the background.
    for _ in 0..100 {
        if look("/m", false).await.1.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(look("/m", false).await.1, None);
    w.blobs.delete(large).await.unwrap();
    let Some(Unsafe::Below { count, path, why, .. }) = look("/", false).await.1 else { panic!("it is gone") };
    assert_eq!((count, path.as_str(), *why), (1, "/m/n/large", Unsafe::Missing));
    assert!(!w.domain.is_safe(&w.item("/m/n").await).await.unwrap());
    assert!(w.domain.is_safe(&w.item("/m/small").await).await.unwrap());
    w.domain.remove(&w.anna, &w.at("/m/n"), &Conditions::default()).await.unwrap();
    assert_eq!(look("/m", true).await, (1, None));
}
