//! A site in a value: a domain on a SQLite store behind the real router, with users, a clock that can be moved, and, if
//! wanted, a port that others can call.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stitchbox_blob::BlobStore;
use stitchbox_domain::federation::{AutoAccept, Backoff, FederationSettings, TrustPolicy};
use stitchbox_domain::{
    Clock, Conditions, Domain, Grantee, Item, ItemPath, Location, NewShare, NewUser, Principal, Scope, Settings,
};
use stitchbox_schema::sharing::ShareDocument;
use stitchbox_schema::{Role, Timestamp};
use stitchbox_store::Store;
use tower::ServiceExt;

/// The machine's clock, moved.
#[derive(Debug, Default)]
pub struct MovedClock(AtomicI64);

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        Timestamp(now + self.0.load(Ordering::SeqCst))
    }
}

pub struct Site {
    pub domain: Domain,
    pub store: Store,
    pub router: Router,
    pub host: String,
    clock: Arc<MovedClock>,
    listening: Option<tokio::task::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

pub fn settings(origin: &str) -> FederationSettings {
    FederationSettings {
        origin: origin.to_owned(),
        allow_http_peers: true,
        allow_private_addresses: true,
        extra_ca_pem: None,
        trust: TrustPolicy::Open,
        require_signatures: false,
        auto_accept: AutoAccept::Contacts,
        cache_bytes: 1 << 30,
        refresh: Duration::from_secs(30),
    }
}

impl Site {
    /// A site nobody can call but by its router, at the origin of the fixtures.
    pub async fn quiet() -> Self {
        Self::build(Some(settings("https://h.example"))).await
    }

    /// A site without federation.
    pub async fn alone() -> Self {
        Self::build(None).await
    }

    /// A site that listens.
    pub async fn listening() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut site = Self::build(Some(settings(&format!("http://{}", listener.local_addr().unwrap())))).await;
        site.listen_on(listener);
        site
    }

    fn listen_on(&mut self, listener: tokio::net::TcpListener) {
        let service = self.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        self.listening = Some(tokio::spawn(async move { axum::serve(listener, service).await.unwrap() }));
    }

    /// Goes away: nobody answers any more.
    pub async fn go_away(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            let _ = listening.await;
        }
        // Connections that are kept alive outlive the listener: a new one is needed anyway.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Comes back at the same address.
    pub async fn come_back(&mut self) {
        let listener = tokio::net::TcpListener::bind(&self.host).await.unwrap();
        self.listen_on(listener);
    }

    async fn build(settings: Option<FederationSettings>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("meta.db").display())).await.unwrap();
        let blobs = BlobStore::local(&folder.path().join("blobs")).unwrap();
        let clock = Arc::new(MovedClock::default());
        let mut domain = Domain::new(store.clone(), blobs, clock.clone(), Settings::default(), &[7; 32]).await.unwrap();
        let mut host = String::new();
        if let Some(settings) = settings {
            host = settings.host().unwrap().to_string();
            domain = domain.with_federation(settings).await.unwrap();
        }
        let router = stitchbox_ocm::router(domain.clone());
        let site = Self { domain, store, router, host, clock, listening: None, _folder: folder };
        for name in ["anna", "bob", "eve", "eve2"] {
            let new = NewUser { name: name.into(), display_name: name.to_uppercase(), ..NewUser::default() };
            site.domain.add_user(new).await.unwrap();
        }
        site
    }

    pub fn advance(&self, by: Duration) {
        self.clock.0.fetch_add(by.as_nanos() as i64, Ordering::SeqCst);
    }

    pub fn go_back(&self, by: Duration) {
        self.clock.0.fetch_sub(by.as_nanos() as i64, Ordering::SeqCst);
    }

    pub async fn user(&self, name: &str) -> Principal {
        let user = self.domain.users().await.unwrap().into_iter().find(|user| user.name == name).unwrap();
        Principal { user: user.id, name: user.name, is_admin: false, scope: Scope::default() }
    }

    pub async fn at(&self, user: &str, path: &str) -> Location {
        let user = self.user(user).await;
        let space = self.domain.find_space(&user, &user.name).await.unwrap().space.id;
        Location::in_space(space, ItemPath::parse(path).unwrap())
    }

    pub async fn folder(&self, user: &str, path: &str) -> Item {
        let (who, at) = (self.user(user).await, self.at(user, path).await);
        self.domain.make_folder(&who, &at, &Conditions::default()).await.unwrap()
    }

    pub async fn share(&self, user: &str, path: &str, to: Grantee, role: Role) -> ShareDocument {
        let (who, at) = (self.user(user).await, self.at(user, path).await);
        let new = NewShare { may_reshare: true, ..NewShare::of(at, to, role) };
        self.domain.share(&who, new).await.unwrap()
    }

    /// Says what is due, as the runner does; how much that was.
    pub async fn say(&self) -> usize {
        let backoff = Backoff { steps: vec![Duration::from_secs(60)], jitter: 0.0 };
        let mut count = 0;
        while let Some(leased) = self.domain.lease_outgoing("test").await.unwrap() {
            let delivery = self.domain.say(&leased).await.unwrap();
            self.domain.record_delivery(leased, delivery, &backoff).await.unwrap();
            count += 1;
        }
        count
    }

    /// As one of several processes.
    pub async fn say_until_quiet(&self, name: &str) -> usize {
        let (mut count, mut idle) = (0, 0);
        while idle < 20 {
            let Some(leased) = self.domain.lease_outgoing(name).await.unwrap() else {
                idle += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            idle = 0;
            let delivery = self.domain.say(&leased).await.unwrap();
            self.domain.record_delivery(leased, delivery, &Backoff::default()).await.unwrap();
            count += 1;
        }
        count
    }

    /// The secret of the only share a user received.
    pub async fn secret_of(&self, user: &str) -> String {
        let space = self.received(user).await.space;
        let mut db = self.store.read().await.unwrap();
        let keys = stitchbox_store::received_offers::keys(&mut db, space).await.unwrap().unwrap();
        let seal = stitchbox_domain::seal::Seal::new(&[7; 32]).unwrap();
        seal.open(stitchbox_domain::seal::Sealed::ReceivedSecret, space.0, &keys.secret_sealed).unwrap()
    }

    /// The only share a user received.
    pub async fn received(&self, user: &str) -> stitchbox_store::received::ReceivedShare {
        let who = self.user(user).await;
        let mut db = self.store.read().await.unwrap();
        let mut all = stitchbox_store::received::of_user(&mut db, who.user).await.unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// Names in a user's folder `Shares`.
    pub async fn shown(&self, user: &str) -> Vec<String> {
        let who = self.user(user).await;
        let mut db = self.store.read().await.unwrap();
        let entries = stitchbox_store::shares_folder::of_user(&mut db, who.user).await.unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    }

    pub async fn federated(&self, share: &ShareDocument) -> stitchbox_store::federated::FederatedShare {
        let mut db = self.store.read().await.unwrap();
        stitchbox_store::federated::by_share(&mut db, share.id).await.unwrap().expect("a federated share")
    }

    /// The events of the audit, with what they were about, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let rows = self.domain.whole_audit(Default::default()).await.unwrap();
        rows.iter().rev().map(|row| format!("{} {}", row.event, row.subject)).collect()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, headers: &HeaderMap, body: &str) -> Answer {
        let mut request = Request::post(path).header("content-length", body.len());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: head.status.as_u16(), headers: head.headers, body, text }
    }

    /// Takes tables away, or brings them back: a database that fails.
    pub async fn break_database(&self, broken: bool) {
        self.store
            .write::<_, stitchbox_store::StoreError, _>(move |tx| {
                Box::pin(async move {
                    for table in ["shares", "received_shares", "peers"] {
                        let gone = format!("{table}_gone");
                        let (from, to) = if broken { (table, gone.as_str()) } else { (gone.as_str(), table) };
                        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
                        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut **tx).await?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
}
