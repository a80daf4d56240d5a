//! Work without a request: the trigger, the workers, the sweep. Each is a loop that may be killed at any moment and run
//! in any number of processes; what is to be done, and what was done, stands in the metadata store.

mod execute;
mod guard;
mod outbox;
mod refresh;
mod rerun;
mod sweep;
mod trigger;
mod watch;
mod worker;

pub use outbox::{run_moved, run_outbox};
pub use refresh::run_refreshes;
pub use sweep::run_sweeper;
pub use trigger::run_triggers;
pub use worker::{WorkerOptions, run_worker};

use std::time::Duration;

/// How often a loop looks for what other processes did; what this process does wakes it at once.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Pause after trouble with a store, so that a dead database is not hammered.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
