//! scratch
use std::net::SocketAddr;
use std::sync::Arc;
use stitchbox_domain::{Domain, NewSpace, NewUser, Settings, SystemClock};
#[tokio::main]
async fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let port = std::env::args().nth(2).unwrap();
    std::fs::create_dir_all(&dir).unwrap();
    let store = stitchbox_store::Store::open(&format!("sqlite://{dir}/db.sqlite")).await.unwrap();
    let blobs = stitchbox_blob::BlobStore::local(&std::path::Path::new(&dir).join("blobs")).unwrap();
    let domain = Domain::new(store, blobs, Arc::new(SystemClock), Settings::default(), b"k").await.unwrap();
    let _ = domain
        .add_user(NewUser { name: "anna".into(), password: Some("password1".into()), ..Default::default() })
        .await;
    let _ = domain.add_space(NewSpace { name: "KB".into(), manager: Some("anna".into()), quota: None }).await;
    let app = stitchbox_dav::router(domain);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
}
