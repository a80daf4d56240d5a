//! A server in a value: users anna (manager of the space KB), vera (viewer there) and otto (a stranger to it).

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use std::sync::Arc;
use stitchbox_blob::BlobStore;
use stitchbox_domain::{Domain, NewSpace, NewUser, Settings, SystemClock};
use stitchbox_schema::Role;
use stitchbox_store::Store;
use tempfile::TempDir;
use tower::ServiceExt;

pub const PASSWORD: &str = "correct horse";
/// Anna's files.
pub const ANNA: &str = "/remote.php/dav/files/anna";

pub struct World {
    pub domain: Domain,
    pub store: Store,
    router: Router,
    _folder: TempDir,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text between the first pair of these tags.
    pub fn element(&self, tag: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(value, _)| value.to_owned())
    }

    pub fn hrefs(&self) -> Vec<String> {
        let text = self.text();
        let pieces = text.split("<d:response><d:href>").skip(1);
        pieces.map(|piece| piece.split_once('<').unwrap().0.to_owned()).collect()
    }
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("store.sqlite").display());
        let store = Store::open(&url).await.unwrap();
        let blobs = BlobStore::local(&folder.path().join("blobs")).unwrap();
        let domain = Domain::new(store.clone(), blobs, Arc::new(SystemClock), Settings::default(), b"only a test")
            .await
            .unwrap();
        for name in ["anna", "vera", "otto"] {
            let password = Some(PASSWORD.to_owned());
            let user = NewUser { name: name.to_owned(), password, ..NewUser::default() };
            domain.add_user(user).await.unwrap();
        }
        let manager = Some("anna".to_owned());
        domain.add_space(NewSpace { name: "KB".to_owned(), manager, quota: None }).await.unwrap();
        domain.set_member("KB", "vera", Some(Role::Viewer)).await.unwrap();
        Self { router: stitchbox_dav::router(domain.clone()), domain, store, _folder: folder }
    }

    pub fn request(&self, method: &str, path: &str) -> Call<'_> {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        Call { world: self, request, credentials: Some(("anna".to_owned(), PASSWORD.to_owned())) }
    }

    pub async fn put(&self, path: &str, body: &'static str) -> Answer {
        self.request("PUT", path).send(body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send("").await
    }

    pub async fn mkcol(&self, path: &str) -> Answer {
        self.request("MKCOL", path).send("").await
    }

    /// The named properties (with the prefixes `d`, `oc` and `nc`).
    pub async fn properties(&self, path: &str, depth: &'static str, names: &str) -> Answer {
        self.request("PROPFIND", path).header("depth", depth).send(propfind(names)).await
    }
}

pub fn propfind(names: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><d:propfind xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\" \
         xmlns:nc=\"http://nextcloud.org/ns\"><d:prop>{names}</d:prop></d:propfind>"
    )
}

/// A request on its way.
pub struct Call<'a> {
    world: &'a World,
    request: axum::http::request::Builder,
    credentials: Option<(String, String)>,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn login(mut self, name: &str, password: &str) -> Self {
        self.credentials = Some((name.to_owned(), password.to_owned()));
        self
    }

    pub fn anonymous(mut self) -> Self {
        self.credentials = None;
        self
    }

    pub async fn send(mut self, body: impl Into<Body>) -> Answer {
        if let Some((name, password)) = &self.credentials {
            let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
            self.request = self.request.header("authorization", value);
        }
        let request = self.request.body(body.into()).unwrap();
        let response = self.world.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}
