//! Beginning: the folder's lock, its journal, what its file system tells apart, and whether it is still the folder the journal knows.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Engine, SyncError};
use crate::journal::Journal;
use crate::names::{LocalNames, OWN_FOLDER};
use crate::remote::Remote;
use crate::report::Observer;
use crate::select::Selection;
use crate::settings::Settings;

impl<R: Remote> Engine<R> {
    /// Takes the folder's lock and opens its journal (both are made if missing).
    ///
    /// # Errors
    /// [`SyncError`]
    pub async fn open(settings: Settings, remote: Arc<R>, observer: Arc<dyn Observer>) -> Result<Self, SyncError> {
        let mut settings = settings;
        settings.root = settings.root.canonicalize().map_err(|_| SyncError::RootMissing(settings.root.clone()))?;
        if !settings.root.is_dir() {
            return Err(SyncError::RootMissing(settings.root));
        }
        let own_folder = settings.root.join(OWN_FOLDER);
        let path = settings.journal.clone().unwrap_or_else(|| own_folder.join("journal.sqlite"));
        // an unmounted disk leaves an empty folder: it must not get a journal's folder of its own
        if !own_folder.is_dir() && (settings.must_be_known || path.is_file()) {
            return Err(SyncError::RootReplaced(settings.root));
        }
        let own = |source| SyncError::OwnFolder { path: own_folder.clone(), source };
        fs::create_dir_all(&own_folder).map_err(own)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(own)?;
        }
        if settings.must_be_known && !path.is_file() {
            return Err(SyncError::RootReplaced(settings.root));
        }
        let lock =
            File::options().create(true).truncate(false).write(true).open(own_folder.join("lock")).map_err(own)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SyncError::AlreadyRunning(settings.root)),
            Err(TryLockError::Error(source)) => return Err(own(source)),
        }
        let mut journal = Journal::open(&path).await?;
        match journal.marks().await?.partner {
            Some(known) if *known != *settings.partner => {
                return Err(SyncError::OtherPartner { known: known.into(), asked: settings.partner });
            }
            Some(_) => {}
            None => journal.set_mark("partner", Some(settings.partner.as_bytes())).await?,
        }
        Ok(Self {
            remote,
            observer,
            selection: Selection::new(&settings.ignore, &settings.only, &settings.except)?,
            names: settings.names.unwrap_or_else(|| try_names(&own_folder)),
            settings,
            journal,
            own_folder,
            _lock: lock,
            state: None,
            relist: std::collections::BTreeSet::new(),
            hashed: std::collections::HashMap::new(),
        })
    }

    /// Local copies of deleted items that are older than the settings want are removed for good.
    pub(super) fn purge_trash(&self) {
        let Some(keep) = self.settings.trash else { return };
        for bin in fs::read_dir(self.own_folder.join("trash")).into_iter().flatten().flatten() {
            let age = bin.metadata().and_then(|metadata| metadata.modified()).ok();
            let age = age.and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if age.is_some_and(|age| age > keep) {
                let _ = fs::remove_dir_all(bin.path());
            }
        }
    }
}

/// Tries which names the file system takes for one.
fn try_names(folder: &Path) -> LocalNames {
    let probe = folder.join("probe-\u{e9}A:");
    let plain = folder.join("probe-\u{e9}A");
    let windows = match File::create(&probe) {
        Ok(_) => {
            let _ = fs::remove_file(&probe);
            false
        }
        Err(_) => true,
    };
    let mut names = LocalNames { windows, ..LocalNames::default() };
    if File::create(&plain).is_ok() {
        names.folds_case = folder.join("probe-\u{e9}a").exists();
        names.folds_unicode = folder.join("probe-e\u{301}A").exists();
        let _ = fs::remove_file(&plain);
    }
    names
}
