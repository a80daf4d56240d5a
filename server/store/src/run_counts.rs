//! How many runs there are in each state: what an operator looks at.

use crate::{Connection, StoreError};
use sqlx::Row;
use stitchbox_schema::documents::RunState;

/// The states that occur, with the number of their runs.
pub async fn by_state(db: &mut Connection) -> Result<Vec<(RunState, i64)>, StoreError> {
    let rows = sqlx::query("SELECT state, COUNT(*) AS runs FROM runs GROUP BY state").fetch_all(db).await?;
    let mut counts = Vec::with_capacity(rows.len());
    for row in &rows {
        // A state that a later version wrote is not ours to count.
        if let Some(state) = RunState::parse(&row.try_get::<String, _>("state")?) {
            counts.push((state, row.try_get("runs")?));
        }
    }
    Ok(counts)
}
