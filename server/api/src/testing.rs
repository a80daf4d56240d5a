//! A whole house in a value: a domain on a SQLite store of its own behind the real router, with the user `ada`.

use axum::Router;
use axum::body::{Body, BodyDataStream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stitchbox_blob::BlobStore;
use stitchbox_domain::{
    Arrival, Conditions, CopyDepth, Domain, ItemPath, Location, NewSpace, NewUser, Principal, Settings, SystemClock,
    uploads,
};
use stitchbox_store::Store;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The house of one test.
pub(crate) struct House {
    pub(crate) domain: Domain,
    pub(crate) stop: CancellationToken,
    router: Router,
    folder: tempfile::TempDir,
}

/// An answer, its body read as JSON.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

fn password_of(name: &str) -> String {
    format!("stable horse {name}")
}

fn basic(name: &str) -> String {
    basic_with(name, &password_of(name))
}

/// `Authorization` with any password.
pub(crate) fn basic_with(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

async fn open(folder: &Path) -> Domain {
    let store = Store::open(&format!("sqlite://{}", folder.join("meta.db").display())).await.unwrap();
    let blobs = BlobStore::local(&folder.join("blobs")).unwrap();
    Domain::new(store, blobs, Arc::new(SystemClock), Settings::default(), &[7; 32]).await.unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let domain = open(folder.path()).await;
        let stop = CancellationToken::new();
        let router = crate::router(domain.clone(), stop.clone());
        let house = Self { domain, stop, router, folder };
        house.user("ada").await;
        house
    }

    pub(crate) async fn user(&self, name: &str) {
        let new = NewUser { name: name.to_owned(), password: Some(password_of(name)), ..NewUser::default() };
        self.domain.add_user(new).await.unwrap();
    }

    pub(crate) async fn space(&self, name: &str, manager: Option<&str>, quota: Option<i64>) {
        let new = NewSpace { name: name.to_owned(), manager: manager.map(str::to_owned), quota };
        self.domain.add_space(new).await.unwrap();
    }

    pub(crate) async fn ada(&self) -> Principal {
        let users = self.domain.users().await.unwrap();
        let ada = users.into_iter().find(|user| user.name == "ada").unwrap();
        Principal { user: ada.id, name: ada.name, is_admin: false, scope: Default::default() }
    }

    async fn at(&self, space: &str, path: &str) -> (Principal, Location) {
        let ada = self.ada().await;
        let space = self.domain.find_space(&ada, space).await.unwrap().space.id;
        (ada, Location::in_space(space, ItemPath::parse(path).unwrap()))
    }

    /// Writes a file as ada.
    pub(crate) async fn write(&self, space: &str, path: &str, bytes: &'static [u8]) {
        self.write_through(&self.domain, space, path, bytes).await;
    }

    /// The same house as another process sees it.
    pub(crate) async fn another_process(&self) -> Domain {
        open(self.folder.path()).await
    }

    /// Writes a file as ada through another process.
    pub(crate) async fn write_through(&self, domain: &Domain, space: &str, path: &str, bytes: &'static [u8]) {
        let (ada, at) = self.at(space, path).await;
        let mut upload = domain.begin_upload(&ada, &at, uploads::Intent::default()).await.unwrap();
        upload.write(Bytes::from_static(bytes)).await.unwrap();
        upload.commit().await.unwrap();
    }

    pub(crate) async fn folder(&self, space: &str, path: &str) {
        let (ada, at) = self.at(space, path).await;
        self.domain.make_folder(&ada, &at, &Conditions::default()).await.unwrap();
    }

    pub(crate) async fn remove(&self, space: &str, path: &str) {
        let (ada, at) = self.at(space, path).await;
        self.domain.remove(&ada, &at, &Conditions::default()).await.unwrap();
    }

    pub(crate) async fn relocate(&self, from: (&str, &str), to: (&str, &str)) {
        let (ada, from) = self.at(from.0, from.1).await;
        let (_, to) = self.at(to.0, to.1).await;
        let arrival = Arrival { overwrite: true, mtime: None };
        self.domain.relocate(&ada, &from, &to, arrival, &Conditions::default()).await.unwrap();
    }

    pub(crate) async fn copy(&self, from: (&str, &str), to: (&str, &str)) {
        let (ada, from) = self.at(from.0, from.1).await;
        let (_, to) = self.at(to.0, to.1).await;
        self.domain.copy(&ada, &from, &to, CopyDepth::Infinity, true, &Conditions::default()).await.unwrap();
    }

    /// `GET` as ada: status, kind and text of the body.
    pub(crate) async fn text(&self, path: &str) -> (u16, String, String) {
        let response = self.send("GET", path, &[("authorization", &basic("ada"))]).await;
        let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, kind, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Begins to write a file as ada, and sends all of it.
    pub(crate) async fn arriving(&self, space: &str, path: &str, bytes: &'static [u8]) -> uploads::Upload {
        let (ada, at) = self.at(space, path).await;
        let mut upload = self.domain.begin_upload(&ada, &at, uploads::Intent::default()).await.unwrap();
        upload.write(Bytes::from_static(bytes)).await.unwrap();
        upload
    }

    /// The one file in the blob store.
    pub(crate) fn only_blob_file(&self) -> PathBuf {
        let mut open = vec![self.folder.path().join("blobs")];
        let mut files = Vec::new();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { files.push(path) }
            }
        }
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    /// Damages a file.
    pub(crate) fn overwrite(&self, file: &Path, bytes: &[u8]) {
        // Published files may be read-only: a new one takes the name.
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// Makes a folder with a series of two, and its run, as the trigger would.
    pub(crate) async fn run(&self, space: &str, folder: &str) {
        self.folder(space, folder).await;
        self.write(space, &format!("{folder}/stitch.toml"), b"[series]\nexpected = 2\n").await;
        self.write(space, &format!("{folder}/a.dat"), b"\x88\x1b\x03\x6f a").await;
        self.write(space, &format!("{folder}/b.dat"), b"\x88\x1b\x03\x6f b").await;
        while self.domain.note_changes().await.unwrap() {}
        assert_eq!(self.domain.evaluate_due().await.unwrap(), 1, "one run of {folder}");
    }

    /// `GET` as ada.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }

    /// Any method as ada.
    pub(crate) async fn call(&self, method: &str, path: &str) -> Answer {
        self.by("ada", method, path).await
    }

    /// As somebody else.
    pub(crate) async fn by(&self, name: &str, method: &str, path: &str) -> Answer {
        self.call_with(method, path, Some(&basic(name))).await
    }

    /// With any, or no, `Authorization`.
    pub(crate) async fn call_with(&self, method: &str, path: &str, authorization: Option<&str>) -> Answer {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        read(self.send(method, path, &headers).await).await
    }

    /// `GET` with an app password.
    pub(crate) async fn with_secret(&self, name: &str, secret: &str, path: &str) -> Answer {
        let basic = format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")));
        self.call_with("GET", path, Some(&basic)).await
    }

    /// As ada, with more headers.
    pub(crate) async fn call_headers(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
        let authorization = basic("ada");
        let headers: Vec<_> = [("authorization", authorization.as_str())].iter().chain(more).copied().collect();
        read(self.send(method, path, &headers).await).await
    }

    /// Somebody sends a document.
    pub(crate) async fn send_json(&self, name: &str, method: &str, path: &str, document: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("authorization", basic(name));
        let request = request.body(Body::from(document.to_string())).unwrap();
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> http::Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }
}

async fn read(response: http::Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

/// Reads server-sent events.
pub(crate) struct EventReader {
    body: BodyDataStream,
    text: String,
}

impl EventReader {
    pub(crate) async fn open(house: &House, path: &str, last: Option<&str>) -> Self {
        Self::open_as(house, "ada", path, last).await
    }

    pub(crate) async fn open_as(house: &House, name: &str, path: &str, last: Option<&str>) -> Self {
        let authorization = basic(name);
        let mut headers = vec![("authorization", authorization.as_str()), ("accept", "text/event-stream")];
        headers.extend(last.map(|id| ("last-event-id", id)));
        let response = house.send("GET", path, &headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            self.text.push_str(std::str::from_utf8(&self.body.next().await?.unwrap()).unwrap());
        }
    }

    /// The id of the next block that has one.
    pub(crate) async fn next_id(&mut self) -> String {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if let Some(id) = field(&block, "id") {
                return id;
            }
        }
    }

    /// Id and data of the next event `run`.
    pub(crate) async fn next_run(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if field(&block, "event").as_deref() == Some("run") {
                let data = field(&block, "data").unwrap();
                return (field(&block, "id").unwrap(), serde_json::from_str(&data).unwrap());
            }
        }
    }

    /// Id and data of the next event that has data.
    pub(crate) async fn next_data(&mut self) -> (String, Value) {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if let Some(data) = field(&block, "data") {
                return (field(&block, "id").unwrap(), serde_json::from_str(&data).unwrap());
            }
        }
    }

    /// Reads to the end.
    pub(crate) async fn end(mut self) {
        while self.block().await.is_some() {}
    }
}

fn field(block: &str, name: &str) -> Option<String> {
    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
}
