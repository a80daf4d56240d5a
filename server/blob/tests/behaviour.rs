//! One suite for every place blobs may lie in. An S3 server joins by
//! `STITCHBOX_TEST_S3="endpoint=http://127.0.0.1:9000,bucket=b,region=r,key=k,secret=s"`.

use bytes::Bytes;
use futures::TryStreamExt;
use opendal::Operator;
use std::collections::HashMap;
use stitchbox_blob::{BlobError, BlobStore};
use stitchbox_schema::BlobId;

async fn put(store: &BlobStore, id: i64, parts: &[&[u8]]) -> BlobId {
    let id = BlobId(id);
    let mut staged = store.stage(id).await.unwrap();
    for part in parts {
        staged.write(Bytes::copy_from_slice(part)).await.unwrap();
    }
    staged.publish().await.unwrap();
    id
}

async fn bytes(store: &BlobStore, id: BlobId, range: std::ops::Range<u64>) -> Vec<u8> {
    let parts: Vec<Bytes> = store.read(id, range).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

async fn behaves(store: BlobStore) {
    a_published_blob_is_read_back_whole_and_in_ranges(&store).await;
    a_dropped_stage_leaves_nothing(&store).await;
    a_missing_blob_is_said_before_the_first_byte(&store).await;
    a_blob_that_is_too_short_ends_with_an_error(&store).await;
    deleting_is_repeatable_and_listing_shows_the_rest(&store).await;
}

async fn a_published_blob_is_read_back_whole_and_in_ranges(store: &BlobStore) {
    let big: Vec<u8> = (0..1_500_000u32).map(|i| (i % 251) as u8).collect();
    let id = put(store, 0x1001, &[b"ab", b"", b"cdef", &big]).await;
    assert_eq!(bytes(store, id, 0..6).await, b"abcdef");
    assert_eq!(bytes(store, id, 2..4).await, b"cd");
    assert_eq!(bytes(store, id, 6..1_500_006).await, big);
    assert_eq!(bytes(store, id, 1_500_005..1_500_006).await, [big[1_499_999]]);
    assert_eq!(bytes(store, id, 3..3).await, b"");
}

async fn a_dropped_stage_leaves_nothing(store: &BlobStore) {
    let id = BlobId(0x1002);
    let mut staged = store.stage(id).await.unwrap();
    staged.write(Bytes::from_static(b"half")).await.unwrap();
    drop(staged);
    assert!(matches!(store.read(id, 0..4).await.err(), Some(BlobError::Missing(missing)) if missing == id));
}

async fn a_missing_blob_is_said_before_the_first_byte(store: &BlobStore) {
    assert!(matches!(store.read(BlobId(0x1003), 0..1).await.err(), Some(BlobError::Missing(_))));
}

async fn a_blob_that_is_too_short_ends_with_an_error(store: &BlobStore) {
    let id = put(store, 0x1004, &[b"short"]).await;
    let outcome: Result<Vec<Bytes>, _> = match store.read(id, 0..10).await {
        Ok(stream) => stream.try_collect().await,
        Err(_) => return,
    };
    assert!(outcome.is_err(), "the missing bytes were not noticed");
}

async fn deleting_is_repeatable_and_listing_shows_the_rest(store: &BlobStore) {
    let id = put(store, 0x1005, &[b"x"]).await;
    store.delete(id).await.unwrap();
    store.delete(id).await.unwrap();
    let mut left: Vec<BlobId> = store.list().await.unwrap().try_collect().await.unwrap();
    left.sort();
    assert_eq!(left, [BlobId(0x1001), BlobId(0x1004)]);
}

#[tokio::test]
async fn a_local_folder_behaves() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::local(folder.path()).unwrap();
    behaves(store.clone()).await;
    assert_eq!(std::fs::read_dir(folder.path().join("staging")).unwrap().count(), 0);
}

#[tokio::test]
async fn memory_behaves() {
    behaves(BlobStore::remote(Operator::new(opendal::services::Memory::default()).unwrap())).await;
}

#[tokio::test]
async fn s3_behaves() {
    let Ok(settings) = std::env::var("STITCHBOX_TEST_S3") else { return };
    let of: HashMap<&str, &str> = settings.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let service = opendal::services::S3::default()
        .endpoint(of["endpoint"])
        .bucket(of["bucket"])
        .region(of["region"])
        .access_key_id(of["key"])
        .secret_access_key(of["secret"])
        .root(&format!("stitchbox-test-{}", std::process::id()));
    behaves(BlobStore::remote(Operator::new(service).unwrap())).await;
}

#[tokio::test]
async fn what_a_crash_left_in_staging_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::local(folder.path()).unwrap();
    std::fs::write(folder.path().join("staging/00000000000000aa"), b"half").unwrap();
    assert_eq!(store.sweep_staging().unwrap(), 1);
    assert_eq!(store.sweep_staging().unwrap(), 0);
}
