//! Runs and the versions they are pinned to.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::documents::RunState;
use stitchbox_schema::{ItemId, RunId, SpaceId, Timestamp, UserId, VersionId};

/// A run as stored.
#[derive(Debug, Clone)]
pub struct Run {
    /// Id; later runs have larger ones.
    pub id: RunId,
    /// Space of the series.
    pub space: SpaceId,
    /// Folder of the series.
    pub folder: ItemId,
    /// Hash over folder, recipe, engine and inputs: what is run once.
    pub identity: String,
    /// Text of the recipe; none if the built-in default applies.
    pub recipe: Option<String>,
    /// Engine that runs it.
    pub engine: String,
    /// Where it stands.
    pub state: RunState,
    /// 0 to 1.
    pub progress: f64,
    /// What is being done.
    pub step: String,
    /// Why it failed, or a remark.
    pub message: Option<String>,
    /// SHA-256 over the result arrays.
    pub digest: Option<String>,
    /// Attempts begun.
    pub attempts: i64,
    /// Paths of the results relative to the folder.
    pub outputs: Vec<String>,
    /// When the series was found complete.
    pub created_at: Timestamp,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Grows with every change of any run: lets watchers read only what is new.
    pub revision: i64,
    /// The folder whose files it reads, where that is not the folder of the results.
    pub source: Option<ItemId>,
}

/// A run with what a list shows beside it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The run.
    pub run: Run,
    /// Number of its inputs; the recipe, which the run itself keeps, does not count.
    pub inputs: usize,
    /// Name of its space.
    pub space_name: String,
}

/// A file a run is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInput {
    /// The file.
    pub item: ItemId,
    /// The version it showed.
    pub version: VersionId,
    /// The name it had.
    pub name: String,
}

fn run(row: &AnyRow) -> Result<Run, StoreError> {
    let id: i64 = row.try_get("id")?;
    let wrong = |column| StoreError::Inconsistent { table: "runs", column, row: id };
    Ok(Run {
        id: RunId(id),
        space: SpaceId(row.try_get("space_id")?),
        folder: ItemId(row.try_get("folder_id")?),
        identity: row.try_get("identity")?,
        recipe: row.try_get("recipe")?,
        engine: row.try_get("engine")?,
        state: RunState::parse(&row.try_get::<String, _>("state")?).ok_or_else(|| wrong("state"))?,
        progress: row.try_get("progress")?,
        step: row.try_get("step")?,
        message: row.try_get("message")?,
        digest: row.try_get("digest")?,
        attempts: row.try_get("attempts")?,
        outputs: serde_json::from_str(&row.try_get::<String, _>("outputs")?).map_err(|_| wrong("outputs"))?,
        created_at: Timestamp(row.try_get("created_at")?),
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(Timestamp),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(Timestamp),
        revision: row.try_get("revision")?,
        source: row.try_get::<Option<i64>, _>("source_id")?.map(ItemId),
    })
}

/// The next revision: one more than any run has. Writers are ordered, so this needs no counter of its own.
async fn next_revision(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(revision), 0) + 1 FROM runs").fetch_one(&mut **tx).await?;
    Ok(row.try_get(0)?)
}

/// Makes a run with its inputs.
pub async fn insert(tx: &mut Tx, new: &Run, inputs: &[RunInput]) -> Result<(), StoreError> {
    let revision = next_revision(tx).await?;
    sqlx::query(
        "INSERT INTO runs (id, space_id, folder_id, identity, recipe, engine, state, progress, step, message, digest,
                           attempts, outputs, created_at, started_at, finished_at, revision, source_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind(new.id.0)
    .bind(new.space.0)
    .bind(new.folder.0)
    .bind(&new.identity)
    .bind(new.recipe.as_deref())
    .bind(&new.engine)
    .bind(new.state.as_str())
    .bind(new.progress)
    .bind(&new.step)
    .bind(new.message.as_deref())
    .bind(new.digest.as_deref())
    .bind(new.attempts)
    .bind(outputs_json(&new.outputs))
    .bind(new.created_at.0)
    .bind(new.started_at.map(|at| at.0))
    .bind(new.finished_at.map(|at| at.0))
    .bind(revision)
    .bind(new.source.map(|folder| folder.0))
    .execute(&mut **tx)
    .await?;
    for input in inputs {
        sqlx::query("INSERT INTO run_inputs (run_id, item_id, version_id, name) VALUES ($1, $2, $3, $4)")
            .bind(new.id.0)
            .bind(input.item.0)
            .bind(input.version.0)
            .bind(&input.name)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

fn outputs_json(outputs: &[String]) -> String {
    serde_json::Value::from(outputs).to_string()
}

/// Writes everything of a run that may change: state, progress, step, message, digest, attempts, outputs, times.
pub async fn update(tx: &mut Tx, run: &Run) -> Result<(), StoreError> {
    let revision = next_revision(tx).await?;
    sqlx::query(
        "UPDATE runs SET state = $2, progress = $3, step = $4, message = $5, digest = $6, attempts = $7, outputs = $8,
                         started_at = $9, finished_at = $10, revision = $11 WHERE id = $1",
    )
    .bind(run.id.0)
    .bind(run.state.as_str())
    .bind(run.progress)
    .bind(&run.step)
    .bind(run.message.as_deref())
    .bind(run.digest.as_deref())
    .bind(run.attempts)
    .bind(outputs_json(&run.outputs))
    .bind(run.started_at.map(|at| at.0))
    .bind(run.finished_at.map(|at| at.0))
    .bind(revision)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives the runs of a tree's folders to the space the tree was moved to.
pub async fn set_space(tx: &mut Tx, top: ItemId, space: SpaceId) -> Result<(), StoreError> {
    let revision = next_revision(tx).await?;
    sqlx::query(
        "WITH RECURSIVE down (id) AS (
             SELECT id FROM items WHERE id = $1
             UNION ALL
             SELECT items.id FROM items JOIN down ON items.parent_id = down.id WHERE items.kind = 'folder')
         UPDATE runs SET space_id = $2, revision = $3 WHERE folder_id IN (SELECT id FROM down)",
    )
    .bind(top.0)
    .bind(space.0)
    .bind(revision)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The run with this id.
pub async fn by_id(db: &mut Connection, id: RunId) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query("SELECT * FROM runs WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(run).transpose()
}

/// The latest run of a folder.
pub async fn latest_of_folder(db: &mut Connection, folder: ItemId) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query("SELECT * FROM runs WHERE folder_id = $1 ORDER BY id DESC LIMIT 1")
        .bind(folder.0)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(run).transpose()
}

/// The runs of a folder that have not ended.
pub async fn unfinished_of_folder(db: &mut Connection, folder: ItemId) -> Result<Vec<Run>, StoreError> {
    let rows = sqlx::query("SELECT * FROM runs WHERE folder_id = $1 AND state IN ('queued', 'running') ORDER BY id")
        .bind(folder.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(run).collect()
}

/// The runs of a folder, before this one, whose results were shown until now.
pub async fn earlier_done(db: &mut Connection, run: &Run) -> Result<Vec<Run>, StoreError> {
    let rows = sqlx::query("SELECT * FROM runs WHERE folder_id = $1 AND id < $2 AND state = 'done' ORDER BY id")
        .bind(run.folder.0)
        .bind(run.id.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(self::run).collect()
}

/// Lists are made of these, with a `WHERE` behind; `$1` is the member, `$2` the only space, or 0.
macro_rules! listed {
    ($rest:literal) => {
        concat!(
            "SELECT runs.*, spaces.name AS space_name,
                    (SELECT CAST(COUNT(*) AS BIGINT) FROM run_inputs
         WHERE run_id = runs.id AND LOWER(name) <> 'stitch.toml') AS inputs
             FROM runs JOIN members ON members.space_id = runs.space_id JOIN spaces ON spaces.id = runs.space_id
             WHERE members.user_id = $1 AND (CAST($2 AS BIGINT) = 0 OR runs.space_id = $2) ",
            $rest
        )
    };
}

/// The latest `limit` runs in the spaces of a member, or in one of them, or of one state, latest first.
pub async fn of_member(
    db: &mut Connection,
    user: UserId,
    space: Option<SpaceId>,
    state: Option<RunState>,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query(listed!("AND (CAST($3 AS TEXT) = '' OR runs.state = $3) ORDER BY runs.id DESC LIMIT $4"))
        .bind(user.0)
        .bind(space.map_or(0, |space| space.0))
        .bind(state.map_or("", RunState::as_str))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter().map(listed).collect()
}

/// The runs in the spaces of a member, or in one of them, that changed after a revision, in order of their change.
pub async fn changed_after(
    db: &mut Connection,
    user: UserId,
    space: Option<SpaceId>,
    revision: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query(listed!("AND runs.revision > $3 ORDER BY runs.revision LIMIT 200"))
        .bind(user.0)
        .bind(space.map_or(0, |space| space.0))
        .bind(revision)
        .fetch_all(db)
        .await?;
    rows.iter().map(listed).collect()
}

fn listed(row: &AnyRow) -> Result<Listed, StoreError> {
    let inputs: i64 = row.try_get("inputs")?;
    Ok(Listed { run: run(row)?, inputs: usize::try_from(inputs).unwrap_or(0), space_name: row.try_get("space_name")? })
}

/// The latest revision of any run.
pub async fn revision(db: &mut Connection) -> Result<i64, StoreError> {
    Ok(sqlx::query("SELECT COALESCE(MAX(revision), 0) FROM runs").fetch_one(db).await?.try_get(0)?)
}

/// The files a run is pinned to, by name.
pub async fn inputs(db: &mut Connection, id: RunId) -> Result<Vec<RunInput>, StoreError> {
    let rows = sqlx::query("SELECT item_id, version_id, name FROM run_inputs WHERE run_id = $1 ORDER BY name, item_id")
        .bind(id.0)
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RunInput { item: ItemId(row.try_get(0)?), version: VersionId(row.try_get(1)?), name: row.try_get(2)? })
        })
        .collect()
}
