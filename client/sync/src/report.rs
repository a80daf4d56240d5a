//! What a pass did, and what it tells while it does it.

use serde::Serialize;

use crate::plan::{Problem, Step};

/// The outcome of a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Files sent.
    pub uploaded: usize,
    /// Bytes of them.
    pub uploaded_bytes: u64,
    /// Files fetched.
    pub downloaded: usize,
    /// Bytes of them.
    pub downloaded_bytes: u64,
    /// Folders made, on either side.
    pub folders: usize,
    /// Renamed or moved, on either side.
    pub moved: usize,
    /// Taken away here (files and folders; a folder counts once).
    pub deleted_here: usize,
    /// Deleted on the server.
    pub deleted_there: usize,
    /// Conflict copies made: their paths.
    pub conflicts: Vec<String>,
    /// What could not be done.
    pub problems: Vec<Problem>,
    /// Files left for later because they are being written.
    pub waiting: usize,
    /// Files here that take part (0 when nothing had changed and nothing was counted).
    pub files: usize,
    /// Nothing had changed on either side.
    pub unchanged: bool,
    /// Rounds of comparing and doing.
    pub rounds: usize,
}

impl Report {
    /// Both sides are equal now, as far as it goes (what is left alone is in `problems`).
    pub fn is_complete(&self) -> bool {
        self.waiting == 0 && self.problems.is_empty()
    }
}

/// Told while a pass runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The local folder was read.
    Scanned {
        /// Files in it.
        files: usize,
    },
    /// Files are being read to know their content.
    Hashing {
        /// How many.
        files: usize,
        /// Bytes of them.
        bytes: u64,
    },
    /// What this round will do.
    Planned {
        /// Steps.
        steps: usize,
        /// Files to travel.
        files: usize,
        /// Bytes of them.
        bytes: u64,
    },
    /// A transfer begins.
    Begun {
        /// Which.
        step: Step,
    },
    /// Bytes travelled.
    Bytes {
        /// So many more.
        more: u64,
    },
    /// A step is done.
    Done {
        /// Which.
        step: Step,
    },
    /// A step could not be done.
    Failed {
        /// Which, and why.
        problem: Problem,
    },
    /// The server cannot be reached; tried again after a pause.
    Offline {
        /// Why.
        reason: String,
        /// The pause in seconds.
        pause: u64,
    },
    /// A pass of the continuous mode ended.
    Passed {
        /// What it did.
        report: Report,
    },
}

/// Who is told. Calls come from several tasks and must be cheap.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn event(&self, event: Event);
}

/// No one.
impl Observer for () {
    fn event(&self, _event: Event) {}
}
