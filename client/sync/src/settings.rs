//! What a synchronisation is told by its user.

use std::path::PathBuf;
use std::time::Duration;

use crate::names::LocalNames;

/// Settings of one synced folder; [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The local folder.
    pub root: PathBuf,
    /// The journal's file; by default `.stitchbox/journal.sqlite` in the folder.
    pub journal: Option<PathBuf>,
    /// Server, user, space and folder in one text. A journal of another partner is refused.
    pub partner: String,
    /// This computer's name, for conflict copies.
    pub host: String,
    /// Ignore patterns of the user (gitignore syntax), after those in [`crate::select::LITTER`].
    pub ignore: Vec<String>,
    /// Only these folders (paths below the synced folder); empty: everything.
    pub only: Vec<String>,
    /// Not these folders.
    pub except: Vec<String>,
    /// A file touched less than this ago is taken to be still written (default 2 s).
    pub quiet: Duration,
    /// How long local copies of what was deleted elsewhere are kept in `.stitchbox/trash`; `None`: not at all (default 30 days).
    pub trash: Option<Duration>,
    /// A pass that deletes more files than this on one side, and more than half of all, is refused (default 25) …
    pub guard: usize,
    /// … unless this is said.
    pub allow_mass_delete: bool,
    /// The folder was synchronised before, so its journal must be there (an unmounted disk has none).
    pub must_be_known: bool,
    /// Batches of small files under way at once (default 4).
    pub batches: usize,
    /// Large uploads under way at once (default 2).
    pub large_uploads: usize,
    /// Downloads under way at once (default 8).
    pub downloads: usize,
    /// How often a request to a server that cannot be reached is repeated, with pauses from 0.5 s on, doubling (default 4).
    pub retries: u32,
    /// What the local file system tells apart; by default it is tried out.
    pub names: Option<LocalNames>,
}

impl Settings {
    /// The defaults for a folder.
    pub fn new(root: impl Into<PathBuf>, partner: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            root: root.into(),
            journal: None,
            partner: partner.into(),
            host: host.into(),
            ignore: Vec::new(),
            only: Vec::new(),
            except: Vec::new(),
            quiet: Duration::from_secs(2),
            trash: Some(Duration::from_secs(30 * 24 * 3600)),
            guard: 25,
            allow_mass_delete: false,
            must_be_known: false,
            batches: 4,
            large_uploads: 2,
            downloads: 8,
            retries: 4,
            names: None,
        }
    }
}
