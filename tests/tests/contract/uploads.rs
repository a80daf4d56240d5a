//! Uploads in pieces: what holds in whatever order the pieces come, and what is left of those that never end.

use crate::world::{QUIET, World, sub_aperture};
use bytes::Bytes;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stitchbox_domain::uploads::{
    Checksum, Chunk, Committed, Intent, NewChunk, NewSession, Protocol, UploadSession, Words,
};
use stitchbox_domain::{Domain, Error, Location};
use stitchbox_schema::BlobId;
use stitchbox_tests::Random;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn sha256(bytes: &[u8]) -> Intent {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let checksum = Some(Checksum::parse(&format!("SHA256:{hex}")).unwrap());
    Intent { checksum, announced_size: Some(bytes.len() as u64), ..Intent::default() }
}

async fn begin(w: &World, name: &str, to: Option<Location>) -> Result<UploadSession, Error> {
    let (protocol, name, intent) = (Protocol::Chunks, Some(name.to_owned()), Intent::default());
    let new = NewSession { protocol, name, destination: to, intent, partial: false, words: Words::default() };
    w.domain.begin_session(&w.anna, new).await
}

async fn send(domain: &Domain, w: &World, to: &UploadSession, place: u64, bytes: &[u8]) -> Result<Chunk, Error> {
    let new = NewChunk { place, name: place.to_string(), ..NewChunk::default() };
    let mut chunk = domain.begin_chunk(&w.anna, to, new).await?;
    for piece in bytes.chunks(50_000) {
        chunk.write(Bytes::copy_from_slice(piece)).await?;
    }
    chunk.commit().await
}

async fn end(w: &World, session: &UploadSession, to: &str, intent: Intent) -> Result<Committed, Error> {
    w.domain.finish_session(&w.anna, session, &w.at(to), intent).await
}

async fn stored(w: &World) -> BTreeSet<BlobId> {
    w.blobs.list().await.unwrap().try_collect().await.unwrap()
}

pub async fn chunks_become_a_file_without_a_byte_being_copied(w: World) {
    let mut random = Random::new(4);
    let session = begin(&w, "s", None).await.unwrap();
    let pieces: Vec<Vec<u8>> = [100_000, 10, 70_000, 0, 200_000].map(|size| random.bytes(size)).into();
    for place in [3, 0, 4, 1, 2] {
        send(&w.domain, &w, &session, place, &pieces[place as usize]).await.unwrap();
    }
    let before = stored(&w).await;
    assert_eq!(before.len(), 3, "large chunks are files, small ones rows");
    let whole = pieces.concat();
    let made = end(&w, &session, "/x", sha256(&whole)).await.unwrap();
    assert_eq!(stored(&w).await, before);
    assert!(w.read("/x").await == whole);
    assert!(made.created && made.version.size == 370_010);
    // The same answer for who asks again, also after the file has changed.
    w.put("/x", b"newer").await;
    let again = end(&w, &session, "/x", sha256(&whole)).await.unwrap();
    assert_eq!((again.item.id, again.item.etag(), again.created), (made.item.id, made.item.etag(), true));
    assert_eq!(w.read("/x").await, b"newer");
    // A copy shares the segments; a small file of pieces needs none.
    let session = begin(&w, "small", None).await.unwrap();
    for place in 0..3 {
        send(&w.domain, &w, &session, place, b"abc").await.unwrap();
    }
    end(&w, &session, "/small", sha256(b"abcabcabc")).await.unwrap();
    assert_eq!(w.read("/small").await, b"abcabcabc");
    w.assert_clean().await;
}

pub async fn any_order_of_chunks_agrees_with_a_model(w: World) {
    let other = w.another_process().await;
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let session = begin(&w, &format!("s{seed}"), None).await.unwrap();
        let mut model: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for _ in 0..random.below(24) {
            let place = random.below(8) as u64;
            // The other process knows nothing of the digests computed along.
            let domain = if random.below(4) == 0 { &other } else { &w.domain };
            match random.below(6) {
                0 => {
                    let expected = model.remove(&place).is_some();
                    let removed = domain.remove_chunk(&session, place).await;
                    assert_eq!(removed.is_ok(), expected, "seed {seed}: {removed:?}");
                }
                1 => {
                    // Begun and broken off: as if it had never come.
                    let new = NewChunk { place, name: place.to_string(), ..NewChunk::default() };
                    let mut chunk = domain.begin_chunk(&w.anna, &session, new).await.unwrap();
                    chunk.write(Bytes::from(random.bytes(100_000))).await.unwrap();
                }
                _ => {
                    let size = random.below(130_000);
                    let bytes = random.bytes(size);
                    send(domain, &w, &session, place, &bytes).await.unwrap();
                    model.insert(place, bytes);
                }
            }
        }
        let whole: Vec<u8> = model.into_values().flatten().collect();
        let mut wrong = whole.clone();
        wrong.push(0);
        let path = format!("/{seed}");
        assert!(end(&w, &session, &path, sha256(&wrong)).await.is_err(), "seed {seed}");
        assert!(!w.exists(&path).await);
        end(&w, &session, &path, sha256(&whole)).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(w.read(&path).await == whole, "seed {seed}");
    }
    w.assert_clean().await;
}

pub async fn many_ends_at_once_make_one_version(w: World) {
    let session = begin(&w, "s", Some(w.at("/x"))).await.unwrap();
    let whole = Random::new(1).bytes(300_000);
    for (place, piece) in (0..).zip(whole.chunks(100_000)) {
        send(&w.domain, &w, &session, place, piece).await.unwrap();
    }
    let other = w.another_process().await;
    let ends = (0..8).map(|number| {
        let domain = if number % 2 == 0 { w.domain.clone() } else { other.clone() };
        let (session, at, anna, intent) = (session.clone(), w.at("/x"), w.anna.clone(), sha256(&whole));
        tokio::spawn(async move { domain.finish_session(&anna, &session, &at, intent).await })
    });
    let mut made = BTreeSet::new();
    for ended in futures::future::join_all(ends).await {
        let committed = ended.unwrap().unwrap();
        assert!(committed.created);
        made.insert(committed.version.id);
    }
    assert_eq!(made.len(), 1);
    assert_eq!(w.domain.versions(&w.anna, &w.at("/x")).await.unwrap().len(), 1);
    assert!(w.read("/x").await == whole);
}

pub async fn a_silent_session_is_swept_and_its_file_is_not(w: World) {
    let (live, silent) = (begin(&w, "live", None).await.unwrap(), begin(&w, "silent", None).await.unwrap());
    let bytes = Random::new(2).bytes(200_000);
    send(&w.domain, &w, &live, 0, &bytes[..100_000]).await.unwrap();
    send(&w.domain, &w, &silent, 0, &bytes).await.unwrap();
    w.advance(HOUR * 20);
    send(&w.domain, &w, &live, 1, &bytes[100_000..]).await.unwrap();
    w.domain.sweep().await.unwrap();
    w.domain.sweep_blobs().await.unwrap();
    assert_eq!(stored(&w).await.len(), 3, "open sessions keep their chunks");
    w.advance(HOUR * 5);
    assert!(matches!(send(&w.domain, &w, &silent, 1, b"late").await, Err(Error::NotFound)));
    assert_eq!(w.domain.sweep().await.unwrap().uploads, 1);
    assert_eq!(stored(&w).await.len(), 2);
    w.advance(HOUR * 14);
    end(&w, &live, "/x", sha256(&bytes)).await.unwrap();
    w.advance(HOUR * 40);
    w.domain.sweep().await.unwrap();
    w.domain.sweep_blobs().await.unwrap();
    assert_eq!(stored(&w).await.len(), 2, "only what the file is made of");
    assert!(w.read("/x").await == bytes);
    assert!(matches!(end(&w, &live, "/x", sha256(&bytes)).await, Err(Error::NotFound)), "the answer is forgotten, too");
    w.assert_clean().await;
}

pub async fn what_a_new_version_shares_with_an_old_one_stays(w: World) {
    let old = Random::new(3).bytes(400_000);
    let first = w.put("/x", &old).await;
    let session = begin(&w, "delta", None).await.unwrap();
    let share = async |place: u64, range: std::ops::Range<u64>| {
        let new = NewChunk { place, name: place.to_string(), file_offset: Some(place), ..NewChunk::default() };
        w.domain.share_chunk(&w.anna, &session, new, first.version.id, range).await
    };
    share(0, 0..150_000).await.unwrap();
    share(150_000, 150_000..200_000).await.unwrap();
    let new = NewChunk { place: 200_000, name: "n".into(), file_offset: Some(200_000), ..NewChunk::default() };
    let mut chunk = w.domain.begin_chunk(&w.anna, &session, new).await.unwrap();
    chunk.write(Bytes::from_static(b"between")).await.unwrap();
    chunk.commit().await.unwrap();
    share(200_007, 250_000..400_000).await.unwrap();
    assert!(matches!(share(350_007, 399_999..400_001).await, Err(Error::BodyIncomplete { .. })));
    let whole = [&old[..200_000], b"between", &old[250_000..]].concat();
    let made = end(&w, &session, "/x", sha256(&whole)).await.unwrap();
    assert!(!made.created && w.read("/x").await == whole);
    assert_eq!(stored(&w).await.len(), 1, "nothing large was stored anew");
    // From the version that is itself made of ranges, once more.
    let session = begin(&w, "delta", None).await.unwrap();
    let new = NewChunk { place: 0, name: "0".into(), file_offset: Some(0), ..NewChunk::default() };
    w.domain.share_chunk(&w.anna, &session, new, made.version.id, 199_999..300_000).await.unwrap();
    end(&w, &session, "/y", sha256(&whole[199_999..300_000])).await.unwrap();
    assert!(w.read("/y").await == whole[199_999..300_000]);
    let content = w.domain.content(&w.anna, &w.at("/x")).await.unwrap();
    for range in [0..10, 149_990..150_010, 199_995..200_012, 200_006..200_008, 349_000..350_007] {
        let stream = w.domain.open(&content.version, range.clone()).await.unwrap();
        let found = stream.try_collect::<Vec<Bytes>>().await.unwrap().concat();
        assert!(found == whole[range.start as usize..range.end as usize], "{range:?}");
    }
    w.advance(HOUR * 50);
    w.domain.sweep().await.unwrap();
    w.domain.sweep_blobs().await.unwrap();
    w.assert_clean().await;
    // What damages a source damages what is made of it, and verify says so by name.
    w.blobs.delete(first.version.blob).await.unwrap();
    let mut problems = Vec::new();
    w.domain.verify(&mut |problem| problems.push(problem.to_string())).await.unwrap();
    let (missing, mut named) = (format!("blob {} of", first.version.blob), problems.iter());
    assert!(named.any(|text| text.starts_with(&missing) && text.contains("/x") && text.contains("/y")), "{problems:?}");
}

pub async fn chunks_count_for_the_quota(w: World) {
    w.domain.set_quota("mirrors", Some(150_000)).await.unwrap();
    let full = |outcome: Result<(), Error>| matches!(outcome, Err(Error::QuotaExceeded { quota: 150_000, .. }));
    let to = Some(w.at("/x"));
    let (protocol, name) = (Protocol::Chunks, Some("big".to_owned()));
    let intent = Intent { announced_size: Some(150_001), ..Intent::default() };
    let new = NewSession { protocol, name, destination: to.clone(), intent, partial: false, words: Words::default() };
    assert!(full(w.domain.begin_session(&w.anna, new).await.map(drop)), "refused before the first chunk");
    let session = begin(&w, "s", to).await.unwrap();
    send(&w.domain, &w, &session, 0, &vec![1; 100_000]).await.unwrap();
    assert!(full(send(&w.domain, &w, &session, 1, &vec![2; 60_000]).await.map(drop)));
    assert!(full(w.try_put(&w.anna, &w.at("/y"), &vec![3; 60_000], Intent::default()).await.map(drop)));
    send(&w.domain, &w, &session, 0, &vec![4; 110_000]).await.unwrap();
    send(&w.domain, &w, &session, 1, &vec![5; 40_000]).await.unwrap();
    end(&w, &session, "/x", Intent::default()).await.unwrap();
    assert_eq!(w.item("/").await.size, 150_000);
    assert!(full(w.try_put(&w.anna, &w.at("/y"), &[0], Intent::default()).await.map(drop)));
    // Given up, they count no more.
    w.remove("/x").await;
    let session = begin(&w, "t", Some(w.at("/x"))).await.unwrap();
    send(&w.domain, &w, &session, 0, &vec![1; 140_000]).await.unwrap();
    w.domain.abandon_session(&session).await.unwrap();
    w.put("/y", &vec![6; 150_000]).await;
    w.assert_clean().await;
}

pub async fn an_open_session_holds_a_series_back_but_not_for_ever(w: World) {
    w.mkcol("/s").await;
    for number in 1..3 {
        w.put(&format!("/s/{number}.dat"), &sub_aperture(number)).await;
    }
    let session = begin(&w, "s", Some(w.at("/s/3.dat"))).await.unwrap();
    w.trigger().await;
    w.advance(QUIET * 10);
    assert_eq!(w.trigger().await, 0, "a session is open");
    send(&w.domain, &w, &session, 0, &sub_aperture(3)).await.unwrap();
    end(&w, &session, "/s/3.dat", Intent::default()).await.unwrap();
    w.trigger().await;
    w.advance(QUIET);
    assert_eq!(w.trigger().await, 1);
    let _silent = begin(&w, "s", Some(w.at("/s/4.dat"))).await.unwrap();
    w.put("/s/5.dat", &sub_aperture(5)).await;
    w.trigger().await;
    w.advance(QUIET * 2);
    assert_eq!(w.trigger().await, 0);
    w.advance(HOUR);
    assert_eq!(w.trigger().await, 1, "who says nothing for an hour is not waited for");
}
