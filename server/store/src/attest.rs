//! Repetitions of runs asked for here, and what sites attested about runs of ours.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::documents::RerunState;
use stitchbox_schema::{ItemId, RerunId, RunId, SpaceId, Timestamp, UserId};

/// A repetition as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerun {
    /// Id; later ones are larger.
    pub id: RerunId,
    /// Space of the folder.
    pub space: SpaceId,
    /// Folder of the series.
    pub folder: ItemId,
    /// Who asked for it.
    pub user: UserId,
    /// Where it stands.
    pub state: RerunState,
    /// Why it was refused or failed, or a remark.
    pub message: Option<String>,
    /// `identical`, `agrees` or `diverged`.
    pub verdict: Option<String>,
    /// Result digest of the crate.
    pub their_digest: Option<String>,
    /// Result digest of the repetition.
    pub our_digest: Option<String>,
    /// The signed statement, a compact JWS.
    pub attestation: Option<String>,
    /// The numbers behind the verdict, JSON.
    pub numbers: Option<String>,
    /// Whether another engine will do.
    pub any_engine: bool,
    /// Attempts begun.
    pub attempts: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

fn rerun(row: &AnyRow) -> Result<Rerun, StoreError> {
    let id: i64 = row.try_get("id")?;
    let state = RerunState::parse(&row.try_get::<String, _>("state")?);
    Ok(Rerun {
        id: RerunId(id),
        space: SpaceId(row.try_get("space_id")?),
        folder: ItemId(row.try_get("folder_id")?),
        user: UserId(row.try_get("user_id")?),
        state: state.ok_or(StoreError::Inconsistent { table: "reruns", column: "state", row: id })?,
        message: row.try_get("message")?,
        verdict: row.try_get("verdict")?,
        their_digest: row.try_get("their_digest")?,
        our_digest: row.try_get("our_digest")?,
        attestation: row.try_get("attestation")?,
        numbers: row.try_get("numbers")?,
        any_engine: row.try_get::<i64, _>("any_engine")? != 0,
        attempts: row.try_get("attempts")?,
        created_at: Timestamp(row.try_get("created_at")?),
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(Timestamp),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Timestamp),
    })
}

/// Makes one.
pub async fn insert_rerun(tx: &mut Tx, new: &Rerun) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO reruns (id, space_id, folder_id, user_id, state, attempts, created_at, any_engine)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id.0)
    .bind(new.space.0)
    .bind(new.folder.0)
    .bind(new.user.0)
    .bind(new.state.as_str())
    .bind(new.attempts)
    .bind(new.created_at.0)
    .bind(i64::from(new.any_engine))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes everything of one that may change.
pub async fn update_rerun(tx: &mut Tx, rerun: &Rerun) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE reruns SET state = $2, message = $3, verdict = $4, their_digest = $5, our_digest = $6, attestation = $7,
                           numbers = $8, attempts = $9, started_at = $10, finished_at = $11 WHERE id = $1",
    )
    .bind(rerun.id.0)
    .bind(rerun.state.as_str())
    .bind(rerun.message.as_deref())
    .bind(rerun.verdict.as_deref())
    .bind(rerun.their_digest.as_deref())
    .bind(rerun.our_digest.as_deref())
    .bind(rerun.attestation.as_deref())
    .bind(rerun.numbers.as_deref())
    .bind(rerun.attempts)
    .bind(rerun.started_at.map(|at| at.0))
    .bind(rerun.finished_at.map(|at| at.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The repetition with this id.
pub async fn rerun_by_id(db: &mut Connection, id: RerunId) -> Result<Option<Rerun>, StoreError> {
    let row = sqlx::query("SELECT * FROM reruns WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(rerun).transpose()
}

/// The latest repetitions that a user asked for, latest first.
pub async fn reruns_of_user(db: &mut Connection, user: UserId, limit: i64) -> Result<Vec<Rerun>, StoreError> {
    let rows = sqlx::query("SELECT * FROM reruns WHERE user_id = $1 ORDER BY id DESC LIMIT $2")
        .bind(user.0)
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(rerun).collect()
}

/// The repetition of a folder that has not ended, asked for by this user, if there is one.
pub async fn unfinished_rerun(db: &mut Connection, folder: ItemId, user: UserId) -> Result<Option<Rerun>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM reruns WHERE folder_id = $1 AND user_id = $2
           AND state NOT IN ('done', 'refused', 'failed') ORDER BY id DESC LIMIT 1",
    )
    .bind(folder.0)
    .bind(user.0)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(rerun).transpose()
}

/// What a site said about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationRow {
    /// The run.
    pub run: RunId,
    /// Which site: `host[:port]`.
    pub peer: String,
    /// `identical`, `agrees` or `diverged`.
    pub verdict: String,
    /// The signed statement, a compact JWS.
    pub jws: String,
    /// When the site said it.
    pub attested_at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// The derived file that shows it.
    pub item: Option<ItemId>,
    /// The difference map beside that.
    pub picture: Option<ItemId>,
}

fn attestation(row: &AnyRow) -> Result<AttestationRow, StoreError> {
    Ok(AttestationRow {
        run: RunId(row.try_get("run_id")?),
        peer: row.try_get("peer")?,
        verdict: row.try_get("verdict")?,
        jws: row.try_get("jws")?,
        attested_at: Timestamp(row.try_get("attested_at")?),
        received_at: Timestamp(row.try_get("received_at")?),
        item: row.try_get::<Option<i64>, _>("item_id")?.map(ItemId),
        picture: row.try_get::<Option<i64>, _>("picture_id")?.map(ItemId),
    })
}

/// Writes what a site said; its earlier word about the same run is replaced.
pub async fn put_attestation(tx: &mut Tx, row: &AttestationRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO attestations (run_id, peer, verdict, jws, attested_at, received_at, item_id, picture_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (run_id, peer) DO UPDATE SET verdict = $3, jws = $4, attested_at = $5, received_at = $6,
             item_id = $7, picture_id = $8",
    )
    .bind(row.run.0)
    .bind(&row.peer)
    .bind(&row.verdict)
    .bind(&row.jws)
    .bind(row.attested_at.0)
    .bind(row.received_at.0)
    .bind(row.item.map(|item| item.0))
    .bind(row.picture.map(|item| item.0))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What all sites said about a run, by site.
pub async fn attestations(db: &mut Connection, run: RunId) -> Result<Vec<AttestationRow>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM attestations WHERE run_id = $1 ORDER BY peer").bind(run.0).fetch_all(db).await?;
    rows.iter().map(attestation).collect()
}

/// Whether an item shows what a site said, or a picture beside it.
pub async fn shows_attestation(db: &mut Connection, run: RunId, item: ItemId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT run_id FROM attestations WHERE run_id = $1 AND (item_id = $2 OR picture_id = $2)")
        .bind(run.0)
        .bind(item.0)
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}
