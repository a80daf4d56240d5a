//! Why a whole pass ends.

use std::io;
use std::path::PathBuf;

use crate::journal::JournalError;
use crate::remote::RemoteError;
use crate::scan::ScanError;
use crate::select::BadPattern;

/// What stops a synchronisation. What concerns single items is a [`crate::plan::Problem`] of the report.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The local folder is not there.
    #[error("the folder {path} is not there; nothing was changed on either side. Is its disk mounted?", path = .0.display())]
    RootMissing(PathBuf),
    /// The journal knows files, but the folder is not the one it knows.
    #[error("{path} was synchronised before, but it is not that folder any more (its {own} is missing); nothing was changed on either side. Is its disk mounted? To start anew, delete the journal", path = .0.display(), own = crate::names::OWN_FOLDER)]
    RootReplaced(PathBuf),
    /// Another synchronisation of the folder runs.
    #[error("{path} is being synchronised by another process; wait for it or stop it", path = .0.display())]
    AlreadyRunning(PathBuf),
    /// The folder belongs to another server folder.
    #[error("this folder is synchronised with {known}, not with {asked}; use another local folder, or delete its {own}", own = crate::names::OWN_FOLDER)]
    OtherPartner {
        /// The journal's.
        known: String,
        /// Asked for now.
        asked: String,
    },
    /// The synced folder on the server is gone or another one.
    #[error("the folder is no longer on the server, or another one has its place; nothing was deleted here. To start anew, delete {own} in the local folder", own = crate::names::OWN_FOLDER)]
    TopGone,
    /// More deletions than anyone means.
    #[error(
        "this would delete {count} of {of} files {side}; nothing was changed. If that is meant, say so (allow mass deletion) and run it again"
    )]
    MassDelete {
        /// Files to delete.
        count: usize,
        /// Files known.
        of: usize,
        /// `on this computer` or `on the server`.
        side: &'static str,
    },
    /// The server could not be reached, after some tries.
    #[error("{0}")]
    Remote(#[from] RemoteError),
    /// The local folder cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The journal fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A pattern of the settings.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// The folder of the journal cannot be made or written.
    #[error("{path} cannot be made or written: {source}", path = path.display())]
    OwnFolder {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A thread of this program ended badly.
    #[error("a part of the program failed ({0}); nothing is lost, run it again")]
    Broken(String),
}

impl SyncError {
    /// Whether waiting may help (the server is not reachable).
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Remote(error) if error.is_passing())
    }
}
