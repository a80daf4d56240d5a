//! One suite for every place blobs may lie in: a local folder, memory, and an S3 server.

use bytes::Bytes;
use futures::TryStreamExt;
use opendal::Operator;
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
    // What was dropped is unlinked on a thread of its own.
    let staged = || std::fs::read_dir(folder.path().join("staging")).unwrap().count();
    for _ in 0..200 {
        if staged() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("a dropped blob is still staged");
}

#[tokio::test]
async fn memory_behaves() {
    behaves(BlobStore::remote(Operator::new(opendal::services::Memory::default()).unwrap())).await;
}

/// A real S3 server in this process: s3s over a temporary folder, on a free port.
async fn s3_server(root: &std::path::Path) -> Operator {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build().unwrap();
    opendal::HttpTransporter::install_default(opendal_http_transport_reqwest::ReqwestTransport::new(client));
    std::fs::create_dir(root.join("bucket")).unwrap();
    let mut service = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    service.set_auth(s3s::auth::SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(connection);
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ = hyper_util::server::conn::auto::Builder::new(executor).serve_connection(io, service).await;
            });
        }
    });
    let service = opendal::services::S3::default()
        .endpoint(&format!("http://{address}"))
        .bucket("bucket")
        .region("us-east-1")
        .access_key_id("key")
        .secret_access_key("secret");
    Operator::new(service).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_behaves() {
    let folder = tempfile::tempdir().unwrap();
    behaves(BlobStore::remote(s3_server(folder.path()).await)).await;
}

#[tokio::test]
async fn what_a_crash_left_in_staging_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::local(folder.path()).unwrap();
    std::fs::write(folder.path().join("staging/00000000000000aa"), b"half").unwrap();
    assert_eq!(store.sweep_staging().unwrap(), 1);
    assert_eq!(store.sweep_staging().unwrap(), 0);
}
