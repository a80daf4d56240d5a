//! The trigger: looks at the state of a folder and decides whether a run is due.
//!
//! Two steps, both driven by the journal and both repeatable. [`Domain::note_changes`] turns changes into folders to be
//! looked at and moves its cursor in the same transaction, so no change is missed or counted twice.
//! [`Domain::evaluate_due`] looks at each such folder as it is *now* and, in one transaction, makes the run that its
//! state asks for. How a file came there plays no part.

use crate::runs::{RunReason, complain, supersede};
use crate::tree::Act;
use crate::{Domain, Error, Item, Space, Version};
use std::collections::HashMap;
use std::time::Duration;
use stitchbox_formats::Content;
use stitchbox_recipe::{
    Completeness, ENGINE_VERSION, Recipe, Role, positions_among, recipe_among, recipe_hash, run_identity,
};
use stitchbox_schema::documents::RunState;
use stitchbox_schema::{ItemId, JobId, RunId, SpaceKind, Timestamp};
use stitchbox_store::changes::{self, Change, ChangeKind};
use stitchbox_store::jobs::{self, JobKind};
use stitchbox_store::runs::{self, Run, RunInput};
use stitchbox_store::watched::{self, Watched};
use stitchbox_store::{Connection, Tx, attest, items, settings, spaces, uploads, versions};

/// Name of the trigger's position in the journal.
pub(crate) const TRIGGER: &str = "trigger";
/// Changes read in one transaction.
const BATCH: i64 = 500;
/// Folders looked at before the journal is read again.
const FOLDERS: i64 = 64;
/// A folder that could not be looked at is looked at again after this.
const AFTER_TROUBLE: Duration = Duration::from_secs(60);
/// How often a quiet folder with an upload under way is looked at.
const WHILE_UPLOADING: Duration = Duration::from_secs(1);

impl Domain {
    /// Reads the next changes of the journal; true if there may be more.
    pub async fn note_changes(&self) -> Result<bool, Error> {
        let mut db = self.store.read().await?;
        let position = settings::cursor(&mut db, TRIGGER).await?;
        if changes::after(&mut db, position, 1).await?.is_empty() {
            return Ok(false);
        }
        drop(db);
        let now = self.now();
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let position = settings::cursor(tx, TRIGGER).await?;
                let batch = changes::after(tx, position, BATCH).await?;
                let Some(last) = batch.last() else { return Ok((false, false)) };
                settings::set_cursor(tx, TRIGGER, last.cursor).await?;
                let removed = note_removed_outputs(tx, &batch, now).await?;
                for watched in touched_folders(tx, &batch).await?.values() {
                    watched::watch(tx, watched).await?;
                }
                Ok((batch.len() as i64 == BATCH, removed))
            })
        });
        let (more, removed) = work.await?;
        if removed {
            self.run_changed().notify_waiters();
        }
        Ok(more)
    }

    /// Looks at the folders that are due; returns how many runs were made.
    pub async fn evaluate_due(&self) -> Result<usize, Error> {
        let due = watched::due(&mut *self.store.read().await?, self.now(), FOLDERS).await?;
        let mut made = 0;
        for watched in due {
            match self.evaluate(watched.clone()).await {
                Ok(run) => made += usize::from(run),
                // One folder's trouble must not keep the others waiting.
                Err(error) => {
                    tracing::error!(%error, folder = %watched.folder, "a series could not be looked at; again in a minute");
                    let until = self.now().after(AFTER_TROUBLE);
                    self.transact(move |tx| Box::pin(async move { Ok(watched::defer(tx, &watched, until).await?) }))
                        .await?;
                }
            }
        }
        if made > 0 {
            self.run_changed().notify_waiters();
        }
        Ok(made)
    }

    /// When the next folder is due.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        Ok(watched::next_due(&mut *self.store.read().await?).await?)
    }

    /// Looks at one folder; whether a run was made. The look itself may read ten thousand rows and takes no writer; only
    /// what it found complete is looked at once more in the transaction that makes the run.
    async fn evaluate(&self, watched: Watched) -> Result<bool, Error> {
        let now = self.now();
        let (_, verdict) = look(&mut *self.store.read().await?, &watched, now, self.settings.quiet).await?;
        let domain = self.clone();
        self.transact(move |tx| {
            Box::pin(async move {
                match verdict {
                    Verdict::Wait(until) => watched::defer(tx, &watched, until).await?,
                    Verdict::Nothing => drop(watched::settle(tx, &watched).await?),
                    Verdict::Complete => return domain.make_run_if_complete(tx, &watched, now).await,
                }
                Ok(false)
            })
        })
        .await
    }

    async fn make_run_if_complete(&self, tx: &mut Tx, watched: &Watched, now: Timestamp) -> Result<bool, Error> {
        // Another trigger was faster, or the folder changed and will be due again.
        if !watched::settle(tx, watched).await? {
            return Ok(false);
        }
        match look(tx, watched, now, self.settings.quiet).await? {
            (Some((folder, state)), Verdict::Complete) => self.make_run(tx, &folder, state, now).await,
            (_, Verdict::Wait(until)) => {
                watched::watch(tx, &Watched { due_at: until, ..watched.clone() }).await?;
                Ok(false)
            }
            (_, Verdict::Complete | Verdict::Nothing) => Ok(false),
        }
    }

    async fn make_run(&self, tx: &mut Tx, folder: &Item, state: FolderState, now: Timestamp) -> Result<bool, Error> {
        let identity = state.identity(&folder.id.to_string());
        let latest = runs::latest_of_folder(tx, folder.id).await?;
        // A latest run that was superseded found its folder in the trash; the folder is back.
        if latest.as_ref().is_some_and(|run| run.identity == identity && run.state != RunState::Superseded) {
            return Ok(false);
        }
        supersede(tx, folder.id, now).await?;
        // Later runs have larger ids, even if a clock was set back or two servers' clocks differ.
        let id = RunId(self.ids.next_after(now, latest.map_or(0, |run| run.id.0)));
        let run = waiting_run(id, folder, identity, &state, None, now);
        runs::insert(tx, &run, &state.run_inputs()).await?;
        match state.recipe {
            Ok(_) => jobs::insert(tx, JobId(self.ids.next(now)), JobKind::Run, id.0, now).await?,
            // A recipe that cannot be read needs no worker to say so.
            Err(reason) => complain(tx, &self.ids, run, &RunReason::Message(reason), now).await?,
        }
        Ok(true)
    }
}

/// A run of a folder that waits for a worker. `source` is the folder its inputs lie in, where that is another one.
pub(crate) fn waiting_run(
    id: RunId,
    folder: &Item,
    identity: String,
    state: &FolderState,
    source: Option<ItemId>,
    now: Timestamp,
) -> Run {
    Run {
        id,
        space: folder.space,
        folder: folder.id,
        identity,
        recipe: state.recipe_text.clone(),
        engine: ENGINE_VERSION.to_owned(),
        state: RunState::Queued,
        progress: 0.0,
        step: "waiting for a worker".to_owned(),
        message: None,
        digest: None,
        attempts: 0,
        outputs: Vec::new(),
        created_at: now,
        started_at: None,
        finished_at: None,
        revision: 0,
        source,
    }
}

/// What a look at a folder leads to.
enum Verdict {
    /// Look again then.
    Wait(Timestamp),
    /// Nothing until the folder changes.
    Nothing,
    /// The series is complete.
    Complete,
}

/// The folder as it is, and what follows.
async fn look(
    db: &mut Connection,
    watched: &Watched,
    now: Timestamp,
    default_quiet: Duration,
) -> Result<(Option<(Item, FolderState)>, Verdict), Error> {
    let Some((folder, space)) = living_series_folder(db, watched.folder).await? else {
        return Ok((None, Verdict::Nothing));
    };
    let state = FolderState::read(db, &folder, &space, None).await?;
    let verdict = state.verdict(db, watched, now, default_quiet).await?;
    Ok((Some((folder, state)), verdict))
}

/// What a folder holds, as far as a series is concerned.
pub(crate) struct FolderState {
    pub(crate) recipe_text: Option<String>,
    pub(crate) recipe: Result<Recipe, String>,
    names: Vec<String>,
    inputs: Vec<(String, Version)>,
    /// The folder's own recipe. Pinned with the inputs, but no part of the identity, which has its hash already.
    own_recipe: Option<(String, Version)>,
    sub_apertures: usize,
}

impl FolderState {
    /// The folder as it is now. Its own recipe applies, or the default of `space`; one that is `given` goes before both.
    pub(crate) async fn read(
        db: &mut Connection,
        folder: &Item,
        space: &Space,
        given: Option<String>,
    ) -> Result<Self, Error> {
        let shown = versions::shown_in(db, folder.id).await?;
        let shown: Vec<(String, Version)> = shown.into_iter().filter(|(_, version)| version.run.is_none()).collect();
        let all = || shown.iter().map(|(name, _)| name.as_str());
        let own = recipe_among(all()).and_then(|own| shown.iter().find(|(name, _)| name == own)).cloned();
        let own = own.filter(|_| given.is_none());
        let list = positions_among(all()).map(str::to_owned);
        let (recipe_text, recipe) = match &own {
            Some((name, version)) => own_recipe(db, name, version).await?,
            None => {
                let text = given.or_else(|| space.default_recipe.clone());
                let recipe = text.as_deref().map_or_else(|| Ok(Recipe::default()), read_recipe);
                (text, recipe)
            }
        };
        let names = shown.iter().map(|(name, _)| name.clone()).collect();
        let rule = recipe.as_ref().cloned().unwrap_or_default();
        let (mut inputs, mut sub_apertures) = (Vec::new(), 0);
        for (name, version) in shown {
            match rule.classify(&name, Content::from_word(&version.content).head()) {
                Role::SubAperture | Role::Claimed => sub_apertures += 1,
                // Of several spellings of positions.csv the run reads one.
                Role::Positions if rule.positions.file.is_none() && list.as_ref() != Some(&name) => continue,
                Role::Positions | Role::Named => {}
                Role::Recipe | Role::Foreign => continue,
            }
            inputs.push((name, version));
        }
        Ok(Self { recipe_text, recipe, names, inputs, own_recipe: own, sub_apertures })
    }

    async fn verdict(
        &self,
        db: &mut Connection,
        watched: &Watched,
        now: Timestamp,
        default_quiet: Duration,
    ) -> Result<Verdict, Error> {
        if self.sub_apertures == 0 {
            return Ok(Verdict::Nothing);
        }
        let completeness = self.recipe.as_ref().ok().and_then(|recipe| recipe.series.completeness());
        let complete_if = |complete| if complete { Verdict::Complete } else { Verdict::Nothing };
        let quiet = match completeness {
            Some(Completeness::Expected(count)) => return Ok(complete_if(self.sub_apertures >= count)),
            Some(Completeness::Marker(marker)) => return Ok(complete_if(self.names.contains(&marker))),
            Some(Completeness::Quiet(quiet)) => quiet,
            None => default_quiet,
        };
        let quiet_at = watched.changed_at.after(quiet);
        if now < quiet_at {
            return Ok(Verdict::Wait(quiet_at));
        }
        if uploads::is_open_in(db, watched.folder, now, crate::uploads::alive_sessions_expire_after(now)).await? {
            return Ok(Verdict::Wait(now.after(WHILE_UPLOADING)));
        }
        Ok(Verdict::Complete)
    }

    /// Whether there is anything to stitch.
    pub(crate) fn has_series(&self) -> bool {
        self.sub_apertures > 0
    }

    /// Identity of the run that this state asks for; `folder` is the folder's id, with more where the results go elsewhere.
    pub(crate) fn identity(&self, folder: &str) -> String {
        let inputs = self.inputs.iter().map(|(name, version)| (name.as_str(), version.sha256.as_str()));
        run_identity(folder, &recipe_hash(self.recipe_text.as_deref()), inputs)
    }

    pub(crate) fn run_inputs(&self) -> Vec<RunInput> {
        let pinned = |(name, version): &(String, Version)| RunInput {
            item: version.item,
            version: version.id,
            name: name.clone(),
        };
        let recipe = self.own_recipe.iter().filter(|(own, _)| self.inputs.iter().all(|(name, _)| name != own));
        self.inputs.iter().chain(recipe).map(pinned).collect()
    }
}

/// The folder's own recipe: its text and what it says, or why it cannot be read.
async fn own_recipe(
    db: &mut Connection,
    name: &str,
    version: &Version,
) -> Result<(Option<String>, Result<Recipe, String>), Error> {
    // Stands for the text in the run's identity, so that another wrong recipe is another run.
    let stand_in = Some(format!("# cannot be read: {}", version.sha256));
    let Some(body) = versions::body(db, version.blob).await? else {
        let reason =
            format!("{name} is {} bytes long; a recipe has at most {}", version.size, crate::uploads::SMALL_BYTES);
        return Ok((stand_in, Err(reason)));
    };
    match String::from_utf8(body) {
        Ok(text) if !text.contains('\0') => {
            let recipe = read_recipe(&text);
            Ok((Some(text), recipe))
        }
        Ok(_) | Err(_) => Ok((stand_in, Err(format!("{name} is not a text in UTF-8; save it as plain text")))),
    }
}

fn read_recipe(text: &str) -> Result<Recipe, String> {
    Recipe::parse(text).map_err(|error| error.to_string())
}

/// The folder with its space, if it lives and may hold a series: folders written by a run hold none.
async fn living_series_folder(db: &mut Connection, id: ItemId) -> Result<Option<(Item, Space)>, Error> {
    let Some(folder) = items::by_id(db, id).await? else { return Ok(None) };
    let (_, lives) = items::path(db, id).await?;
    if !lives || !folder.is_folder() || folder.run.is_some() {
        return Ok(None);
    }
    // What a peer shows us is the peer's to stitch, and results could not be put there.
    let space = spaces::by_id(db, folder.space).await?.filter(|space| space.kind != SpaceKind::Received);
    Ok(space.map(|space| (folder, space)))
}

/// The folders whose state a batch of changes may have altered. What a run wrote alters nothing.
async fn touched_folders(db: &mut Connection, batch: &[Change]) -> Result<HashMap<ItemId, Watched>, Error> {
    let mut touched = HashMap::new();
    for change in batch.iter().filter(|change| change.run.is_none()) {
        let watched = |folder| Watched {
            folder,
            space: change.space,
            last_change: change.cursor,
            changed_at: change.at,
            due_at: change.at,
        };
        for folder in [change.folder, change.old_folder].into_iter().flatten() {
            touched.insert(folder, watched(folder));
        }
        // A whole tree may have appeared at once: by COPY, restore, or a move from another space.
        let whole = matches!(change.kind, ChangeKind::Created | ChangeKind::Arrived | ChangeKind::Restored);
        if change.is_folder && whole {
            for folder in items::folders_of(db, change.item).await? {
                touched.insert(folder, watched(folder));
            }
        }
    }
    Ok(touched)
}

/// Somebody put outputs of a run into the trash: the run is not repeated until its inputs or recipe change.
async fn note_removed_outputs(tx: &mut Tx, batch: &[Change], now: Timestamp) -> Result<bool, Error> {
    let mut any = false;
    for change in batch.iter().filter(|change| change.run.is_none() && change.kind == ChangeKind::Deleted) {
        let Some(run) = change.output_of else { continue };
        let Some(run) = runs::by_id(tx, run).await? else { continue };
        // Of a copied folder's outputs the run is another folder's.
        let own = is_within(tx, change.folder, run.folder).await?;
        // What a site said about the run is none of its results.
        if attest::shows_attestation(tx, run.id, change.item).await? {
            continue;
        }
        if own && run.state == RunState::Done {
            let step = "outputs removed".to_owned();
            let removed = Run { state: RunState::OutputsRemoved, step, finished_at: Some(now), ..run };
            runs::update(tx, &removed).await?;
            any = true;
        }
    }
    Ok(any)
}

async fn is_within(db: &mut Connection, mut folder: Option<ItemId>, top: ItemId) -> Result<bool, Error> {
    while let Some(id) = folder {
        if id == top {
            return Ok(true);
        }
        folder = items::by_id(db, id).await?.and_then(|item| item.parent);
    }
    Ok(false)
}

/// Who acts when the trigger itself writes into a folder.
pub(crate) fn act_of_run(run: RunId, at: Timestamp) -> Act {
    Act { actor: None, run: Some(run), at }
}
