//! A domain with a clock in the test's hands, two users and a project space.

use bytes::Bytes;
use futures::TryStreamExt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stitchbox_blob::BlobStore;
use stitchbox_domain::uploads::{Committed, Intent};
use stitchbox_domain::{
    Arrival, Clock, Conditions, Domain, Error, Item, ItemPath, Location, Membership, NewSpace, NewUser, Principal,
    Scope, Settings,
};
use stitchbox_schema::{Role, SpaceId, Timestamp};
use stitchbox_store::Store;
use tempfile::TempDir;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

pub struct World {
    pub domain: Domain,
    pub store: Store,
    pub blobs: BlobStore,
    pub clock: Arc<HandClock>,
    pub anna: Principal,
    pub bert: Principal,
    pub space: SpaceId,
    url: String,
    _folder: TempDir,
}

/// Bytes that begin like a MetroPro file.
pub fn sub_aperture(number: u8) -> Vec<u8> {
    let mut bytes = vec![0x88, 0x1B, 0x03, 0x6F, 0x00, 0x01];
    bytes.extend([number; 40]);
    bytes
}

pub const QUIET: Duration = Duration::from_secs(10);
pub const LEASE: Duration = Duration::from_secs(30);
pub const ATTEMPTS: u32 = 3;

/// A move to a free place, and one that may replace.
pub const STAY: Arrival = Arrival { overwrite: false, mtime: None };
pub const REPLACE: Arrival = Arrival { overwrite: true, mtime: None };

impl World {
    pub async fn on_sqlite() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let url = format!("sqlite://{}/meta.sqlite", folder.path().display());
        Self::build(&url, folder).await
    }

    pub async fn on(url: &str) -> Self {
        Self::build(url, TempDir::new().expect("a temporary folder")).await
    }

    async fn build(url: &str, folder: TempDir) -> Self {
        let store = Store::open(url).await.expect("the store opens");
        let blobs = BlobStore::local(&folder.path().join("blobs")).expect("the blob store opens");
        let clock = Arc::new(HandClock(AtomicI64::new(1_700_000_000_000_000_000)));
        let settings = settings();
        let domain =
            Domain::new(store.clone(), blobs.clone(), clock.clone(), settings, &[7; 32]).await.expect("a domain");
        let anna = user(&domain, "anna").await;
        let bert = user(&domain, "bert").await;
        let new = NewSpace { name: "mirrors".into(), manager: Some("anna".into()), quota: None };
        let space = domain.add_space(new).await.expect("a space").id;
        Self { domain, store, blobs, clock, anna, bert, space, url: url.to_owned(), _folder: folder }
    }

    /// The same installation as another process sees it.
    pub async fn another_process(&self) -> Domain {
        let store = Store::open(&self.url).await.expect("the store opens again");
        Domain::new(store, self.blobs.clone(), self.clock.clone(), settings(), &[7; 32]).await.expect("a domain")
    }

    pub fn advance(&self, by: Duration) {
        self.clock.0.fetch_add(by.as_nanos() as i64, Ordering::SeqCst);
    }

    pub fn at(&self, path: &str) -> Location {
        Location::in_space(self.space, ItemPath::parse(path).expect("a path"))
    }

    pub async fn mkcol(&self, path: &str) -> Item {
        self.domain.make_folder(&self.anna, &self.at(path), &Conditions::default()).await.expect("a folder")
    }

    pub async fn try_put(
        &self,
        who: &Principal,
        at: &Location,
        bytes: &[u8],
        intent: Intent,
    ) -> Result<Committed, Error> {
        let mut upload = self.domain.begin_upload(who, at, intent).await?;
        for piece in bytes.chunks(50_000) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        upload.commit().await
    }

    pub async fn put(&self, path: &str, bytes: &[u8]) -> Committed {
        self.try_put(&self.anna, &self.at(path), bytes, Intent::default()).await.expect("a file")
    }

    pub async fn read(&self, path: &str) -> Vec<u8> {
        let content = self.domain.content(&self.anna, &self.at(path)).await.expect("a file");
        let size = content.version.size as u64;
        let stream = self.domain.open(&content.version, 0..size).await.expect("bytes");
        stream.try_collect::<Vec<Bytes>>().await.expect("all bytes").concat()
    }

    pub async fn item(&self, path: &str) -> Item {
        self.domain.item(&self.anna, &self.at(path)).await.unwrap_or_else(|error| panic!("{path}: {error}")).1
    }

    pub async fn exists(&self, path: &str) -> bool {
        match self.domain.item(&self.anna, &self.at(path)).await {
            Ok(_) => true,
            Err(Error::NotFound) => false,
            Err(other) => panic!("{path}: {other}"),
        }
    }

    pub async fn etag(&self, path: &str) -> String {
        self.item(path).await.etag().to_string()
    }

    pub async fn remove(&self, path: &str) {
        self.domain.remove(&self.anna, &self.at(path), &Conditions::default()).await.expect("removed");
    }

    pub async fn relocate(&self, from: &str, to: &str) -> Item {
        let (from, to) = (self.at(from), self.at(to));
        self.domain.relocate(&self.anna, &from, &to, STAY, &Conditions::default()).await.expect("moved").item
    }

    pub async fn copy(&self, from: &str, to: &str) -> Item {
        let (from, to) = (self.at(from), self.at(to));
        let depth = stitchbox_domain::CopyDepth::Infinity;
        self.domain.copy(&self.anna, &from, &to, depth, false, &Conditions::default()).await.expect("copied").item
    }

    pub async fn membership(&self) -> Membership {
        self.domain.membership(&self.anna, self.space).await.expect("a member")
    }

    pub async fn join(&self, user: &str, role: Role) {
        self.domain.set_member("mirrors", user, Some(role)).await.expect("a member");
    }

    /// The trigger's loop, once: every change noted, every due folder looked at. Returns the number of runs made.
    pub async fn trigger(&self) -> usize {
        while self.domain.note_changes().await.expect("changes are read") {}
        self.domain.evaluate_due().await.expect("folders are looked at")
    }

    pub async fn assert_clean(&self) {
        let found = Arc::new(Mutex::new(Vec::new()));
        let report = found.clone();
        self.domain.verify(&mut |problem| report.lock().unwrap().push(problem)).await.expect("verified");
        assert_eq!(*found.lock().unwrap(), []);
    }
}

fn settings() -> Settings {
    Settings { quiet: QUIET, lease: LEASE, attempts: ATTEMPTS, ..Settings::default() }
}

async fn user(domain: &Domain, name: &str) -> Principal {
    let new = NewUser { name: name.into(), display_name: name.into(), password: None, is_admin: false };
    let user = domain.add_user(new).await.expect("a user");
    Principal { user: user.id, name: user.name, is_admin: false, scope: Scope::default() }
}
