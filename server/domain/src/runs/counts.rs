//! How many runs there are in each state.

use crate::{Domain, Error};
use stitchbox_schema::documents::RunState;
use stitchbox_store::run_counts;

/// Every state, in the order of a run's life.
const STATES: [RunState; 6] = [
    RunState::Queued,
    RunState::Running,
    RunState::Done,
    RunState::Failed,
    RunState::Superseded,
    RunState::OutputsRemoved,
];

impl Domain {
    /// The number of runs in every state, for the operator's metrics; states without any are there with 0.
    pub async fn runs_by_state(&self) -> Result<Vec<(RunState, i64)>, Error> {
        let found = run_counts::by_state(&mut *self.store.read().await?).await?;
        let count = |state| found.iter().find(|(other, _)| *other == state).map_or(0, |(_, count)| *count);
        Ok(STATES.into_iter().map(|state| (state, count(state))).collect())
    }
}
