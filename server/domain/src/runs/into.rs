//! A run on the files of one folder whose results land in another: how a received folder becomes the input of a recipe here.
//!
//! The run belongs to the folder of the results. Its identity names both folders, so it is never the run that the trigger
//! would make, and asking for the same again gives the run that is there. The trigger and such a run do not fight: a
//! folder that holds a series of its own takes no results of another, and if one comes later, its run is the later state
//! of the folder and takes the place of the earlier one, as always.

use super::{documents, supersede};
use crate::access::enter_at;
use crate::read::resolve;
use crate::series::{FolderState, waiting_run};
use crate::{Action, Domain, Error, Location, Principal};
use stitchbox_recipe::RECIPE_NAME;
use stitchbox_schema::documents::{RunDocument, RunState};
use stitchbox_schema::{JobId, RunId, SpaceKind};
use stitchbox_store::jobs::{self, JobKind};
use stitchbox_store::runs::{self, Listed};

/// Why no run was made.
#[derive(Debug, thiserror::Error)]
pub enum RunIntoError {
    /// Nothing to stitch.
    #[error(
        "the folder with the inputs holds no file of a series; name the folder that holds the sub-apertures, and give a recipe \
         if their format forms no series by itself"
    )]
    NoSeries,
    /// The other folder has a series.
    #[error(
        "the folder for the results holds a series of its own, whose results appear in it by themselves; choose another \
         folder"
    )]
    OwnSeries,
    /// One folder for both.
    #[error("the results of a folder appear in it by themselves; choose another folder for them")]
    SameFolder,
    /// Results belong into a space of this site.
    #[error("the folder for the results is a partner's; choose one of your own spaces")]
    Received,
    /// The recipe cannot be read.
    #[error("the recipe cannot be used: {0}")]
    BadRecipe(String),
    /// The rules say so.
    #[error("{0}")]
    Domain(#[from] Error),
}

impl Domain {
    /// Makes a run of the files of `inputs`, pinned to the versions they show now, with its results in `into`. The recipe is the
    /// one given, else the `stitch.toml` beside the inputs, else the default of the space of `into`. Needs the right to read
    /// the one and to make files in the other.
    pub async fn run_into(
        &self,
        principal: &Principal,
        inputs: &Location,
        into: &Location,
        recipe: Option<String>,
    ) -> Result<RunDocument, RunIntoError> {
        if principal.scope.share.is_some() {
            return Err(Error::NotFound.into());
        }
        let beside = self.bring_series(principal, inputs).await?;
        let recipe = recipe.or(beside);
        let (asking, inputs, into, now) = (principal.clone(), inputs.clone(), into.clone(), self.now());
        let ids = self.ids.clone();
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let read_by = enter_at(tx, &asking, &inputs, now).await?;
                let from = resolve(tx, read_by.space.root, &inputs.path).await?;
                read_by.check(Action::Read, &from)?;
                let membership = enter_at(tx, &asking, &into, now).await?;
                let folder = resolve(tx, membership.space.root, &into.path).await?;
                membership.check(Action::Read, &folder)?;
                membership.check(Action::Create, &folder)?;
                if !from.is_folder() || !folder.is_folder() {
                    return Err(Error::NotAFolder);
                }
                if from.id == folder.id {
                    return Ok(Err(RunIntoError::SameFolder));
                }
                if membership.space.kind == SpaceKind::Received {
                    return Ok(Err(RunIntoError::Received));
                }
                if FolderState::read(tx, &folder, &membership.space, None).await?.has_series() {
                    return Ok(Err(RunIntoError::OwnSeries));
                }
                let state = FolderState::read(tx, &from, &membership.space, recipe).await?;
                if let Err(reason) = &state.recipe {
                    return Ok(Err(RunIntoError::BadRecipe(reason.clone())));
                }
                if !state.has_series() {
                    return Ok(Err(RunIntoError::NoSeries));
                }
                let identity = state.identity(&format!("{} from {}", folder.id, from.id));
                let latest = runs::latest_of_folder(tx, folder.id).await?;
                let same = latest.as_ref().filter(|run| run.identity == identity);
                if let Some(run) =
                    same.filter(|run| matches!(run.state, RunState::Queued | RunState::Running | RunState::Done))
                {
                    return Ok(Ok(run.id));
                }
                supersede(tx, folder.id, now).await?;
                let id = RunId(ids.next_after(now, latest.map_or(0, |run| run.id.0)));
                let run = waiting_run(id, &folder, identity, &state, Some(from.id), now);
                runs::insert(tx, &run, &state.run_inputs()).await?;
                jobs::insert(tx, JobId(ids.next(now)), JobKind::Run, id.0, now).await?;
                Ok(Ok(id))
            })
        });
        let run = work.await??;
        self.run_changed().notify_waiters();
        let mut db = self.store.read().await.map_err(Error::from)?;
        let run = runs::by_id(&mut db, run).await.map_err(Error::from)?.ok_or(Error::NotFound)?;
        let space = stitchbox_store::spaces::by_id(&mut db, run.space).await.map_err(Error::from)?;
        let pinned = runs::inputs(&mut db, run.id).await.map_err(Error::from)?;
        let inputs = pinned.iter().filter(|input| !input.name.eq_ignore_ascii_case(RECIPE_NAME)).count();
        let listed = Listed { run, inputs, space_name: space.map(|space| space.name).unwrap_or_default() };
        let mut made = documents(&mut db, principal, vec![listed]).await?;
        Ok(made.pop().ok_or(Error::NotFound)?)
    }
}
