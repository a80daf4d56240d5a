//! The documents of the API, as they travel in JSON.

use crate::{Cursor, ItemId, RerunId, Role, RunId, SpaceId, SpaceKind, Timestamp, VersionId};
use serde::Serialize;

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for a worker.
    Queued,
    /// A worker holds the lease.
    Running,
    /// The results lie in the folder.
    Done,
    /// Ended without results; the reason is in the message and beside the series.
    Failed,
    /// A later run took its place, before or after it ended, or its folder was removed while it was under way.
    Superseded,
    /// Somebody deleted the results; not repeated until inputs or recipe change.
    OutputsRemoved,
}

impl RunState {
    /// The word used in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::OutputsRemoved => "outputs_removed",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Superseded, Self::OutputsRemoved]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// One execution of a recipe on one series.
#[derive(Debug, Clone, Serialize)]
pub struct RunDocument {
    /// Id of the run.
    pub id: RunId,
    /// Name of the space.
    pub space: String,
    /// Path of the series' folder in its space, starting with `/`.
    pub folder: String,
    /// Where it stands.
    pub state: RunState,
    /// 0 to 1.
    pub progress: f64,
    /// What is being done, in a few words.
    pub step: String,
    /// Attempts begun so far.
    pub attempts: i64,
    /// Why it failed, or a remark on the result.
    pub message: Option<String>,
    /// Number of files it is pinned to.
    pub inputs: usize,
    /// SHA-256 over the result arrays.
    pub digest: Option<String>,
    /// Paths of the results relative to the folder.
    pub outputs: Vec<String>,
    /// Engine that runs or ran it.
    pub engine: String,
    /// Where its files are read, if not in the folder: the space, or peer, and the path there.
    pub source: Option<String>,
    /// What sites say that repeated it.
    pub attestations: Vec<AttestationDocument>,
    /// When the series was found complete.
    pub created_at: Timestamp,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What a site said about a run that it repeated.
#[derive(Debug, Clone, Serialize)]
pub struct AttestationDocument {
    /// The site, `host[:port]`.
    pub peer: String,
    /// `identical`, `agrees` (within the uncertainties, k = 2) or `diverged`.
    pub verdict: String,
    /// When it said so.
    pub attested_at: Timestamp,
    /// When that came.
    pub received_at: Timestamp,
    /// The signed statement, a compact JWS.
    pub jws: String,
}

/// Where the repetition of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RerunState {
    /// Waits for a worker.
    Queued,
    /// The inputs are on their way, each checked as it comes.
    Fetching,
    /// The recipe runs.
    Running,
    /// The results are compared.
    Comparing,
    /// There is a verdict.
    Done,
    /// It cannot be repeated as it is; the message says why.
    Refused,
    /// Something went wrong here; the message says what.
    Failed,
}

impl RerunState {
    const ALL: [Self; 7] =
        [Self::Queued, Self::Fetching, Self::Running, Self::Comparing, Self::Done, Self::Refused, Self::Failed];

    /// The word used in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Fetching => "fetching",
            Self::Running => "running",
            Self::Comparing => "comparing",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Failed)
    }
}

/// The repetition of a run that somebody asked for.
#[derive(Debug, Clone, Serialize)]
pub struct RerunDocument {
    /// Id of the repetition.
    pub id: RerunId,
    /// Name of the space of the folder.
    pub space: String,
    /// Path of the series' folder in its space, starting with `/`.
    pub folder: String,
    /// Where it stands.
    pub state: RerunState,
    /// Why it was refused or failed, or a remark.
    pub message: Option<String>,
    /// `identical`, `agrees` (within the uncertainties, k = 2) or `diverged`.
    pub verdict: Option<String>,
    /// Result digest that the crate tells.
    pub their_digest: Option<String>,
    /// Result digest of the repetition.
    pub our_digest: Option<String>,
    /// The numbers behind the verdict; none where the digests are equal.
    pub numbers: Option<serde_json::Value>,
    /// The signed statement, a compact JWS.
    pub attestation: Option<String>,
    /// Whether another engine will do.
    pub any_engine: bool,
    /// Attempts begun so far.
    pub attempts: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A space as its members see it.
#[derive(Debug, Clone, Serialize)]
pub struct SpaceDocument {
    /// Id of the space.
    pub id: SpaceId,
    /// Name of the space.
    pub name: String,
    /// Personal or project.
    pub kind: SpaceKind,
    /// What the asking user may do in it.
    pub role: Role,
    /// Bytes in live files.
    pub used_bytes: i64,
    /// Most bytes it may hold, if limited.
    pub quota_bytes: Option<i64>,
}

/// One version of a file.
#[derive(Debug, Clone, Serialize)]
pub struct VersionDocument {
    /// Id of the version.
    pub version: VersionId,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// When it was committed.
    pub created_at: Timestamp,
    /// Whether the file shows this version now.
    pub current: bool,
}

/// One deleted item that can be restored.
#[derive(Debug, Clone, Serialize)]
pub struct TrashDocument {
    /// Id of the item.
    pub item: ItemId,
    /// Its name.
    pub name: String,
    /// Where it lay, relative to the space.
    pub original_path: String,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

/// An item of the change feed or of the listing of a tree.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ItemDocument {
    /// It is in the space.
    Present(Box<PresentDocument>),
    /// It was deleted, or moved out of the space.
    Gone {
        /// Id of the item.
        id: ItemId,
    },
}

/// An item as it is now.
#[derive(Debug, Clone, Serialize)]
pub struct PresentDocument {
    /// Id of the item; the same in `oc:fileid`.
    pub id: ItemId,
    /// `file` or `folder`.
    pub kind: &'static str,
    /// Its folder; none for the root of the space.
    pub parent: Option<ItemId>,
    /// Its name; empty for the root of the space.
    pub name: String,
    /// Its ETag with the quotes.
    pub etag: String,
    /// Bytes: of the version, or of everything below.
    pub size: i64,
    /// Modification time, nanoseconds since 1970 UTC, in decimal.
    pub mtime_ns: String,
    /// SHA-256 of the content, hexadecimal; none for a folder.
    pub sha256: Option<String>,
    /// The version a file shows.
    pub version: Option<VersionId>,
    /// Whether a run wrote it.
    pub derived: bool,
    /// The permission letters.
    pub permissions: String,
    /// A folder that appeared with everything below it: list it through the tree.
    pub deep: bool,
    /// A folder that was plainly made: what lies in it has entries of its own.
    pub made: bool,
}

/// A page of the changes of a space.
#[derive(Debug, Clone, Serialize)]
pub struct ChangesDocument {
    /// Id of the space.
    pub space: SpaceId,
    /// Where to go on.
    pub cursor: Cursor,
    /// Whether there is more already.
    pub more: bool,
    /// What the asking user may do in the space.
    pub role: Role,
    /// Changes when the server was restored from a backup; empty if it never was.
    pub fingerprint: String,
    /// What changed, as it is now.
    pub items: Vec<ItemDocument>,
}

/// The first line of the listing of a tree.
#[derive(Debug, Clone, Serialize)]
pub struct TreeHeadDocument {
    /// From where the feed goes on.
    pub cursor: Cursor,
    /// Id of the space.
    pub space: SpaceId,
    /// Id of the top.
    pub item: ItemId,
    /// What the asking user may do in the space.
    pub role: Role,
    /// As in the feed.
    pub fingerprint: String,
}

/// The last line of the listing of a tree.
#[derive(Debug, Clone, Serialize)]
pub struct TreeEndDocument {
    /// Always true: without this line the listing is not complete.
    pub end: bool,
    /// Number of lines with items.
    pub count: u64,
}
