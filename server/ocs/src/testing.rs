//! A whole house in a value: a domain on a SQLite store of its own behind the real router, with the user `ada`.

pub(crate) mod socket;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use stitchbox_blob::BlobStore;
use stitchbox_domain::{
    Conditions, Domain, ItemPath, Location, NewSpace, NewUser, Principal, Settings, SystemClock, uploads,
};
use stitchbox_store::Store;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The house of one test.
pub(crate) struct House {
    pub(crate) domain: Domain,
    pub(crate) stop: CancellationToken,
    pub(crate) router: Router,
    _folder: tempfile::TempDir,
}

/// An answer, its body as text and, if it is that, as JSON.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The status code inside the envelope.
    pub(crate) fn code(&self) -> u64 {
        self.body["ocs"]["meta"]["statuscode"].as_u64().unwrap_or_default()
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

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("meta.db").display())).await.unwrap();
        let blobs = BlobStore::local(&folder.path().join("blobs")).unwrap();
        let domain = Domain::new(store, blobs, Arc::new(SystemClock), Settings::default(), &[7; 32]).await.unwrap();
        let stop = CancellationToken::new();
        let router = crate::router(domain.clone(), stop.clone());
        let house = Self { domain, stop, router, _folder: folder };
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

    pub(crate) async fn at(&self, space: &str, path: &str) -> (Principal, Location) {
        let ada = self.ada().await;
        let space = self.domain.find_space(&ada, space).await.unwrap().space.id;
        (ada, Location::in_space(space, ItemPath::parse(path).unwrap()))
    }

    /// Writes a file as ada.
    pub(crate) async fn write(&self, space: &str, path: &str, bytes: &'static [u8]) {
        let (ada, at) = self.at(space, path).await;
        let mut upload = self.domain.begin_upload(&ada, &at, uploads::Intent::default()).await.unwrap();
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

    /// The id of the item at a path, as ada sees it.
    pub(crate) async fn item_id(&self, space: &str, path: &str) -> i64 {
        let (ada, at) = self.at(space, path).await;
        self.domain.item(&ada, &at).await.unwrap().1.id.0
    }

    pub(crate) async fn space_id(&self, space: &str) -> i64 {
        self.at(space, "/").await.1.space.0
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn events(&self, name: &str, path: &str) -> EventReader {
        let request = Request::get(path).header("authorization", basic(name)).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        EventReader { body: response.into_body().into_data_stream(), text: String::new() }
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
        self.send(method, path, &headers, "").await
    }

    /// As ada, with more headers.
    pub(crate) async fn call_headers(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
        let authorization = basic("ada");
        let headers: Vec<_> = [("authorization", authorization.as_str())].iter().chain(more).copied().collect();
        self.send(method, path, &headers, "").await
    }

    /// By nobody, as a trusted proxy with TLS passes it on.
    pub(crate) async fn send_over_tls(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header("host", "box.example");
        let request = request.extension(http::uri::Scheme::HTTPS).body(Body::from(body.to_owned())).unwrap();
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// Anything, by nobody.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "box.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }
}

/// Reads server-sent events as they come.
pub(crate) struct EventReader {
    body: BodyDataStream,
    text: String,
}

impl EventReader {
    /// Everything up to the first mention of a word.
    pub(crate) async fn until(&mut self, word: &str) -> String {
        while !self.text.contains(word) || !self.text.ends_with("\n\n") {
            let chunk = self.body.next().await.expect("the stream goes on").unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        self.text.clone()
    }
}

async fn read(response: http::Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status: head.status.as_u16(), headers: head.headers, body, text }
}
