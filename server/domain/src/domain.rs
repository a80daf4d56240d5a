//! The value every front-end holds: the stores, the clock, the settings.

use crate::auth::Auth;
use crate::federation::{Federation, KeyShelf};
use crate::follow::Followers;
use crate::previews::Previews;
use crate::received::Received;
use crate::seal::Seal;
use crate::{Clock, Error, Ids, Keep};
use futures::future::BoxFuture;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use stitchbox_blob::BlobStore;
use stitchbox_schema::Timestamp;
use stitchbox_store::{Store, StoreError, Tx, settings};
use tokio::sync::{Notify, watch};

/// Name of the setting that holds the data fingerprint.
pub(crate) const FINGERPRINT: &str = "data_fingerprint";

/// What an administrator may set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Quiet time after which a series without expected count or marker counts as complete.
    pub quiet: Duration,
    /// How long a job's lease holds without a sign of life.
    pub lease: Duration,
    /// Attempts before a run ends as failed.
    pub attempts: u32,
    /// Whether account passwords (not only app passwords) open WebDAV.
    pub account_passwords_on_webdav: bool,
    /// Lifetime of a bearer token.
    pub token_lifetime: Duration,
    /// How long things are kept that nobody sees any more.
    pub keep: Keep,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            attempts: 3,
            account_passwords_on_webdav: true,
            token_lifetime: Duration::from_secs(15 * 60),
            keep: Keep::default(),
        }
    }
}

/// The rules over one store and one blob store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Domain {
    pub(crate) store: Store,
    pub(crate) blobs: BlobStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) instance: Arc<str>,
    fingerprint: Arc<RwLock<String>>,
    changed: watch::Sender<u64>,
    pub(crate) followers: Arc<Followers>,
    pub(crate) wholes: Arc<crate::uploads::Wholes>,
    pub(crate) personal_spaces: Arc<crate::view::PersonalSpaces>,
    pub(crate) previews: Arc<Previews>,
    pub(crate) uses: Arc<crate::share_use::Uses>,
    run_changed: Arc<Notify>,
    pub(crate) received: Arc<Received>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) site_keys: Arc<KeyShelf>,
    pub(crate) federation: Option<Arc<Federation>>,
}

impl Domain {
    /// Joins the parts. `token_key` signs bearer tokens.
    pub async fn new(
        store: Store,
        blobs: BlobStore,
        clock: Arc<dyn Clock>,
        settings: Settings,
        token_key: &[u8],
    ) -> Result<Self, Error> {
        let unusable = || StoreError::Driver("no key can be made of the token key".to_owned());
        let seal = Seal::new(token_key).ok_or_else(unusable)?;
        let now = clock.now();
        let started: Result<(i64, String, String), Error> = store
            .write(move |tx| {
                Box::pin(async move {
                    let process = settings::next_process(tx).await?;
                    let proposed = format!("sb{:x}", Ids::new(process).next(now));
                    let instance = settings::get_or_insert(tx, "instance", &proposed).await?;
                    Ok((process, instance, settings::get(tx, FINGERPRINT).await?.unwrap_or_default()))
                })
            })
            .await;
        let (process, instance, fingerprint) = started?;
        Ok(Self {
            store,
            blobs,
            clock,
            ids: Arc::new(Ids::new(process)),
            settings: Arc::new(settings),
            auth: Arc::new(Auth::new(token_key)),
            instance: instance.into(),
            fingerprint: Arc::new(RwLock::new(fingerprint)),
            changed: watch::Sender::new(0),
            followers: Arc::new(Followers::default()),
            wholes: Arc::default(),
            personal_spaces: Arc::default(),
            previews: Arc::default(),
            uses: Arc::default(),
            run_changed: Arc::new(Notify::new()),
            received: Arc::default(),
            seal: Arc::new(seal),
            site_keys: Arc::default(),
            federation: None,
        })
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the administrator set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The name of this installation, the same for its whole life; part of what clients see as a file's id.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Changes when the installation was restored from a backup, so that clients compare instead of deleting what the
    /// backup does not know; empty if it never was. As this process read it last.
    #[must_use]
    pub fn data_fingerprint(&self) -> String {
        self.fingerprint.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn show_fingerprint(&self, fingerprint: String) {
        *self.fingerprint.write().unwrap_or_else(PoisonError::into_inner) = fingerprint;
    }

    /// Whether the metadata store answers.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut db = self.store.read().await?;
        stitchbox_store::changes::head(&mut db).await?;
        Ok(())
    }

    /// Tells every holder that this process wrote a change since it was told last: take it once, look, then wait. Other
    /// processes' changes are seen by looking again after a while; [`Domain::follow`] does that for one space.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Wakes when this process changed a run.
    #[must_use]
    pub fn run_changed(&self) -> &Notify {
        &self.run_changed
    }

    /// Runs `work` in a transaction; an `Err` undoes it. See [`Store::write`].
    pub(crate) async fn transact<T, F>(&self, work: F) -> Result<T, Error>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        self.store.write(work).await
    }

    /// To be called after every committed change.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}
