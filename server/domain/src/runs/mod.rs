//! Runs: what members see of them, and their way from the queue to the folder.

mod finish;
mod lease;

pub use finish::{ERROR_FILE, OUTPUT_FOLDER, Results, RunReason};
pub(crate) use finish::{complain, supersede};
pub use lease::{Leased, LeasedInput};

use crate::{Domain, Error, Principal};
use stitchbox_schema::documents::RunDocument;
use stitchbox_schema::{RunId, SpaceId};
use stitchbox_store::runs::{self, Run};
use stitchbox_store::{Connection, items, spaces};

/// Most runs in one listing.
pub const MAX_LISTED: i64 = 1000;

impl Domain {
    /// The latest runs in the spaces the principal may read, latest first.
    pub async fn runs(&self, principal: &Principal, limit: i64) -> Result<Vec<RunDocument>, Error> {
        let mut db = self.store.read().await?;
        let found = runs::of_member(&mut db, principal.user, limit.clamp(1, MAX_LISTED)).await?;
        documents(&mut db, principal, found).await
    }

    /// One run.
    pub async fn run(&self, principal: &Principal, id: RunId) -> Result<RunDocument, Error> {
        let mut db = self.store.read().await?;
        let run = runs::by_id(&mut db, id).await?.ok_or(Error::NotFound)?;
        crate::access::enter(&mut db, principal, run.space).await?;
        let inputs = runs::inputs(&mut db, id).await?.len();
        documents(&mut db, principal, vec![(run, inputs)]).await?.pop().ok_or(Error::NotFound)
    }

    /// The runs that changed after a revision, in order, and the revision to ask for next time.
    pub async fn runs_changed_after(
        &self,
        principal: &Principal,
        revision: i64,
    ) -> Result<(Vec<RunDocument>, i64), Error> {
        let mut db = self.store.read().await?;
        let found = runs::changed_after(&mut db, principal.user, revision).await?;
        let next = found.last().map_or(revision, |(run, _)| run.revision);
        Ok((documents(&mut db, principal, found).await?, next))
    }

    /// The revision of the latest change of any run.
    pub async fn runs_revision(&self) -> Result<i64, Error> {
        Ok(runs::revision(&mut *self.store.read().await?).await?)
    }
}

async fn documents(
    db: &mut Connection,
    principal: &Principal,
    found: Vec<(Run, usize)>,
) -> Result<Vec<RunDocument>, Error> {
    if principal.scope.create_only {
        return Err(Error::NotFound);
    }
    let visible = |space: SpaceId| principal.scope.space.is_none_or(|only| only == space);
    let mut documents = Vec::with_capacity(found.len());
    for (run, inputs) in found.into_iter().filter(|(run, _)| visible(run.space)) {
        let (names, _) = items::path(db, run.folder).await?;
        let space = spaces::by_id(db, run.space).await?.ok_or(Error::NotFound)?.name;
        documents.push(RunDocument {
            id: run.id,
            space,
            folder: format!("/{}", names.join("/")),
            state: run.state,
            progress: run.progress,
            step: run.step,
            attempts: run.attempts,
            message: run.message,
            inputs,
            digest: run.digest,
            outputs: run.outputs,
            engine: run.engine,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
        });
    }
    Ok(documents)
}
