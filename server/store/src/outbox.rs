//! Calls to peers that must arrive: rows that a sender leases, and ends or gives back.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{OutboxId, Timestamp};

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxKind {
    /// A share; the subject is the share.
    Share,
    /// A notification; the subject is the share, or the received space, it speaks of.
    Notification,
    /// That an invite was accepted; the subject is the acceptance.
    InviteAccepted,
    /// A signed statement about a repeated run; the subject is that run.
    Attestation,
}

impl OutboxKind {
    const ALL: [Self; 4] = [Self::Share, Self::Notification, Self::InviteAccepted, Self::Attestation];

    /// The word in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Notification => "notification",
            Self::InviteAccepted => "invite_accepted",
            Self::Attestation => "attestation",
        }
    }
}

/// A row as stored.
#[derive(Clone)]
pub struct Outgoing {
    /// Id; later rows have larger ones.
    pub id: OutboxId,
    /// To whom.
    pub peer: String,
    /// What it is.
    pub kind: OutboxKind,
    /// What it is about.
    pub subject: i64,
    /// What is to be said, JSON; secrets in it are sealed.
    pub body: String,
    /// Attempts begun, this one included.
    pub attempts: i64,
    /// When it is given up.
    pub gives_up_at: Timestamp,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Outgoing");
        shown.field("id", &self.id).field("peer", &self.peer).field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn outgoing(row: &AnyRow) -> Result<Outgoing, StoreError> {
    let id: i64 = row.try_get("id")?;
    let word: &str = row.try_get("kind")?;
    let kind = OutboxKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    Ok(Outgoing {
        id: OutboxId(id),
        peer: row.try_get("peer")?,
        kind: kind.ok_or(StoreError::Inconsistent { table: "outbox", column: "kind", row: id })?,
        subject: row.try_get("subject_id")?,
        body: row.try_get("body")?,
        attempts: row.try_get("attempts")?,
        gives_up_at: Timestamp(row.try_get("gives_up_at")?),
        last_error: row.try_get("last_error")?,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Puts a call into the outbox, due at once.
pub async fn insert(tx: &mut Tx, new: &Outgoing) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (id, peer, kind, subject_id, body, state, attempts, due_at, gives_up_at, created_at)
         VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $7, $6)",
    )
    .bind(new.id.0)
    .bind(&new.peer)
    .bind(new.kind.as_str())
    .bind(new.subject)
    .bind(&new.body)
    .bind(new.created_at.0)
    .bind(new.gives_up_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What may be sent now: due, leased by nobody, its peer not resting, no other call to that peer under way, and nothing
/// earlier about the same subject left to be said to it. `$1` is now.
macro_rules! sendable {
    () => {
        "SELECT outbox.id FROM outbox LEFT JOIN peers ON peers.host = outbox.peer
         WHERE outbox.state = 'waiting' AND outbox.due_at <= $1 AND COALESCE(peers.retry_at, 0) <= $1
           AND NOT EXISTS (SELECT 1 FROM outbox AS held
                           WHERE held.state = 'waiting' AND held.peer = outbox.peer AND held.lease_until > $1)
           AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                           WHERE earlier.state = 'waiting' AND earlier.peer = outbox.peer
                             AND earlier.subject_id = outbox.subject_id AND earlier.id < outbox.id)
         ORDER BY outbox.due_at, outbox.id LIMIT 1"
    };
}

/// Whether something may be sent now: a cheap look before [`lease`] takes the writer.
pub async fn is_due(db: &mut Connection, now: Timestamp) -> Result<bool, StoreError> {
    Ok(sqlx::query(sendable!()).bind(now.0).fetch_optional(db).await?.is_some())
}

/// Leases what is due longest. Counts the attempt.
pub async fn lease(tx: &mut Tx, owner: &str, now: Timestamp, until: Timestamp) -> Result<Option<Outgoing>, StoreError> {
    let row = sqlx::query(concat!(
        "UPDATE outbox SET lease_owner = $2, lease_until = $3, attempts = attempts + 1 WHERE id = (",
        sendable!(),
        ") RETURNING *"
    ))
    .bind(now.0)
    .bind(owner)
    .bind(until.0)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(outgoing).transpose()
}

/// Takes every lease back: for the start of the only process that says what is in this outbox.
pub async fn release_all(tx: &mut Tx) -> Result<(), StoreError> {
    let released = "UPDATE outbox SET lease_owner = NULL, lease_until = NULL WHERE lease_owner IS NOT NULL";
    sqlx::query(released).execute(&mut **tx).await?;
    Ok(())
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The peer took it.
    Done,
    /// It never will, or the time is over.
    Failed,
}

/// Ends a call for good; false if the lease was lost meanwhile.
pub async fn finish(
    tx: &mut Tx,
    id: OutboxId,
    owner: &str,
    ended: Ended,
    error: Option<&str>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let state = if ended == Ended::Done { "done" } else { "failed" };
    // What was said is not kept: it may hold secrets.
    let done = sqlx::query(
        "UPDATE outbox SET state = $3, last_error = $4, ended_at = $5, lease_owner = NULL, lease_until = NULL, body = ''
         WHERE id = $1 AND lease_owner = $2 AND state = 'waiting'",
    )
    .bind(id.0)
    .bind(owner)
    .bind(state)
    .bind(error)
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a call back, to be tried again at `due_at`; false if the lease was lost meanwhile.
pub async fn retry(tx: &mut Tx, id: OutboxId, owner: &str, due_at: Timestamp, error: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE outbox SET due_at = $3, last_error = $4, lease_owner = NULL, lease_until = NULL
         WHERE id = $1 AND lease_owner = $2 AND state = 'waiting'",
    )
    .bind(id.0)
    .bind(owner)
    .bind(due_at.0)
    .bind(error)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes everything that waits for a peer due: it answers again.
pub async fn hurry(tx: &mut Tx, peer: &str, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE outbox SET due_at = $2 WHERE peer = $1 AND state = 'waiting' AND due_at > $2")
        .bind(peer)
        .bind(now.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes back a call about a subject that was never tried; whether there was one.
pub async fn cancel_untried(
    tx: &mut Tx,
    peer: &str,
    kind: OutboxKind,
    subject: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE outbox SET state = 'failed', last_error = 'taken back before it was sent', ended_at = $4, body = ''
         WHERE peer = $1 AND kind = $2 AND subject_id = $3 AND state = 'waiting' AND attempts = 0",
    )
    .bind(peer)
    .bind(kind.as_str())
    .bind(subject)
    .bind(now.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What waits for a peer, oldest first, at most `limit`.
pub async fn waiting_for(db: &mut Connection, peer: &str, limit: i64) -> Result<Vec<Outgoing>, StoreError> {
    let rows = sqlx::query("SELECT * FROM outbox WHERE peer = $1 AND state = 'waiting' ORDER BY id LIMIT $2")
        .bind(peer)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(outgoing).collect()
}

/// How many calls wait for each peer.
pub async fn waiting_counts(db: &mut Connection) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT peer, CAST(COUNT(*) AS BIGINT) AS waiting FROM outbox WHERE state = 'waiting' GROUP BY peer ORDER BY peer",
    )
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("peer")?, row.try_get("waiting")?))).collect()
}

/// Removes calls that ended before `before`; how many.
pub async fn remove_ended(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM outbox WHERE state IN ('done', 'failed') AND ended_at < $1")
        .bind(before.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}
