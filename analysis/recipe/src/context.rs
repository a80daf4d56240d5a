//! What the caller of a run brings along: files by path, for whom, where and when.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use stitchbox_formats::Limits;
use stitchbox_report::UnixTime;

/// Counts up whenever equal inputs could give another result digest.
pub const ENGINE_REVISION: u32 = 2;
/// Engine and its revision; part of a run's identity. Changing it makes every series run again.
pub const ENGINE_VERSION: &str = concat!("stitchbox ", env!("CARGO_PKG_VERSION"), "/2");

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Its name in the folder.
    pub name: String,
    /// Where its bytes can be read.
    pub path: PathBuf,
    /// SHA-256 of the content, lower-case hex. It is verified when the file is read.
    pub sha256: String,
    /// Id of the version, where the file comes from a store.
    pub version: Option<String>,
}

impl InputFile {
    /// A file outside any store: hashes its content in pieces of 256 KiB.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn from_path(name: &str, path: &Path) -> std::io::Result<Self> {
        use std::io::Read as _;
        let mut file = std::fs::File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hash.update(buffer.get(..n).unwrap_or_default());
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { name: name.to_owned(), path: path.to_owned(), sha256, version: None })
    }
}

/// Tells the time; asked once in a run.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixTime + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Where the text of the recipe came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RecipeOrigin {
    /// From the folder's own `stitch.toml`, which is then an input of the run.
    #[default]
    Folder,
    /// From elsewhere, in words for the report: `the default recipe of the space`. A `stitch.toml` in the folder is
    /// then not used.
    Elsewhere(String),
}

/// Where, when and for whom a run happens. Nothing of it changes the result digest.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Name of the series for titles: the folder's name.
    pub title: String,
    /// Id of the run in a store.
    pub run: Option<String>,
    /// For whom or what it runs: a user or a service.
    pub agent: String,
    /// Program and version: `stitchboxd 0.1.0`.
    pub software: String,
    /// Site or machine, if it is to be told.
    pub site: Option<String>,
    /// Where the inputs were read, if not in the folder of the results: peer and path, for people.
    pub source: Option<String>,
    /// When the run began.
    pub started_at: UnixTime,
    /// Asked once, when the map is ready; `None` leaves the end out of the provenance.
    pub clock: Option<Clock>,
    /// Where the text of the recipe came from, if there is one.
    pub recipe_origin: RecipeOrigin,
    /// Bounds of the readers.
    pub limits: Limits,
    /// Memory the run may take, bytes; a series that needs more is refused: before it is read by the size of its files,
    /// and before it is solved by the size of its maps.
    pub memory_limit: Option<u64>,
    /// Folder for what does not fit into that memory, made if it is not there: a series of height maps that needs more is then stitched
    /// through files in it, and not refused. What a run leaves there when it is ended from outside lets the next run of the same
    /// series go on; a run that succeeds takes its files away.
    pub scratch: Option<PathBuf>,
}

impl RunContext {
    /// A context with the default limits and nothing optional.
    #[must_use]
    pub fn new(title: &str, agent: &str, software: &str, started_at: UnixTime) -> Self {
        Self {
            title: title.to_owned(),
            run: None,
            agent: agent.to_owned(),
            software: software.to_owned(),
            site: None,
            source: None,
            started_at,
            clock: None,
            recipe_origin: RecipeOrigin::default(),
            limits: Limits::default(),
            memory_limit: None,
            scratch: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_version_ends_with_the_revision() {
        assert!(ENGINE_VERSION.ends_with(&format!("/{ENGINE_REVISION}")));
    }
}
