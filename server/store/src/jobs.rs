//! The job queue: rows that a worker leases, keeps alive, and ends.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{JobId, RerunId, RunId, Timestamp};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Execute a run; the subject is the run.
    Run,
    /// Repeat a run; the subject is the repetition.
    Rerun,
}

impl JobKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Rerun => "rerun",
        }
    }
}

/// A leased job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// What it is about: a run or a repetition.
    pub subject: i64,
    /// Attempts begun, this one included.
    pub attempts: i64,
    /// Who holds the lease.
    pub lease_owner: Option<String>,
}

impl Job {
    /// The run it executes, if it does.
    #[must_use]
    pub fn run(&self) -> RunId {
        RunId(self.subject)
    }

    /// The repetition it does, if it does.
    #[must_use]
    pub fn rerun(&self) -> RerunId {
        RerunId(self.subject)
    }
}

fn job(row: &AnyRow) -> Result<Job, StoreError> {
    let id: i64 = row.try_get("id")?;
    let kind = match row.try_get::<String, _>("kind")?.as_str() {
        "run" => JobKind::Run,
        "rerun" => JobKind::Rerun,
        _ => return Err(StoreError::Inconsistent { table: "jobs", column: "kind", row: id }),
    };
    Ok(Job {
        id: JobId(id),
        kind,
        subject: row.try_get("subject_id")?,
        attempts: row.try_get("attempts")?,
        lease_owner: row.try_get("lease_owner")?,
    })
}

/// Queues a job.
pub async fn insert(tx: &mut Tx, id: JobId, kind: JobKind, subject: i64, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO jobs (id, kind, subject_id, state, attempts, run_at, created_at)
         VALUES ($1, $2, $3, 'queued', 0, $4, $4)",
    )
    .bind(id.0)
    .bind(kind.as_str())
    .bind(subject)
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether a job of this kind waits, or one whose lease has ended: a cheap look before [`lease`] takes the writer.
pub async fn is_waiting(db: &mut Connection, kind: JobKind, now: Timestamp) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT id FROM jobs
         WHERE ((state = 'queued' AND run_at <= $1) OR (state = 'leased' AND lease_until <= $1)) AND kind = $2 LIMIT 1",
    )
    .bind(now.0)
    .bind(kind.as_str())
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

/// Leases the job of this kind that waits longest, or one whose lease has ended. Counts the attempt.
pub async fn lease(
    tx: &mut Tx,
    kind: JobKind,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Job>, StoreError> {
    let row = sqlx::query(
        "UPDATE jobs SET state = 'leased', lease_owner = $1, lease_until = $3, attempts = attempts + 1
         WHERE id = (SELECT id FROM jobs
                     WHERE ((state = 'queued' AND run_at <= $2) OR (state = 'leased' AND lease_until <= $2))
                       AND kind = $4
                     ORDER BY run_at, id LIMIT 1)
         RETURNING id, kind, subject_id, attempts, lease_owner",
    )
    .bind(owner)
    .bind(now.0)
    .bind(until.0)
    .bind(kind.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(job).transpose()
}

/// Prolongs a lease; false if it is no longer held by this owner.
pub async fn prolong(tx: &mut Tx, id: JobId, owner: &str, until: Timestamp) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE jobs SET lease_until = $3 WHERE id = $1 AND lease_owner = $2 AND state = 'leased'")
        .bind(id.0)
        .bind(owner)
        .bind(until.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether this owner still holds the lease. Ask inside the transaction that publishes the result.
pub async fn is_held(db: &mut Connection, id: JobId, owner: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT id FROM jobs WHERE id = $1 AND lease_owner = $2 AND state = 'leased'")
        .bind(id.0)
        .bind(owner)
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

/// Ends a job for good.
pub async fn finish(tx: &mut Tx, id: JobId, error: Option<&str>) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE jobs SET state = 'ended', lease_owner = NULL, lease_until = NULL, last_error = $2 WHERE id = $1",
    )
    .bind(id.0)
    .bind(error)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives a job back to the queue, to be tried again at `run_at`.
pub async fn retry(tx: &mut Tx, id: JobId, run_at: Timestamp, error: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until = NULL, run_at = $2, last_error = $3
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(run_at.0)
    .bind(error)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends the waiting jobs of a run that is no longer wanted.
pub async fn finish_of_run(tx: &mut Tx, run: RunId, reason: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE jobs SET state = 'ended', lease_owner = NULL, lease_until = NULL, last_error = $2
         WHERE kind = 'run' AND subject_id = $1 AND state = 'queued'",
    )
    .bind(run.0)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives a job back unharmed, because its worker was asked to stop: the attempt does not count.
pub async fn release(tx: &mut Tx, id: JobId, run_at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until = NULL, run_at = $2, attempts = attempts - 1
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(run_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
