//! Runs: what members see of them, and their way from the queue to the folder.

mod counts;
mod finish;
mod into;
mod lease;

pub use finish::{ERROR_FILE, OUTPUT_FOLDER, Results, RunReason};
pub(crate) use finish::{complain, supersede};
pub use into::RunIntoError;
pub use lease::{Leased, LeasedInput};

use crate::{Domain, Error, Principal};
use stitchbox_recipe::RECIPE_NAME;
use stitchbox_schema::documents::{AttestationDocument, RunDocument, RunState};
use stitchbox_schema::{ItemId, RunId, SpaceId};
use stitchbox_store::runs::{self, Listed};
use stitchbox_store::{Connection, attest, items, received_offers, spaces};

/// Most runs in one listing.
pub const MAX_LISTED: i64 = 1000;

/// Which runs are listed; everything if empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only those in this space.
    pub space: Option<SpaceId>,
    /// Only those that stand so.
    pub state: Option<RunState>,
}

impl Domain {
    /// The latest runs that match, in the spaces the principal may read, latest first.
    pub async fn runs(&self, principal: &Principal, filter: RunFilter, limit: i64) -> Result<Vec<RunDocument>, Error> {
        let space = match (principal.scope.space, filter.space) {
            (Some(only), Some(asked)) if only != asked => return Ok(Vec::new()),
            (only, asked) => only.or(asked),
        };
        let mut db = self.store.read().await?;
        let limit = limit.clamp(1, MAX_LISTED);
        let found = runs::of_member(&mut db, principal.user, space, filter.state, limit).await?;
        documents(&mut db, principal, found).await
    }

    /// One run.
    pub async fn run(&self, principal: &Principal, id: RunId) -> Result<RunDocument, Error> {
        let mut db = self.store.read().await?;
        let run = runs::by_id(&mut db, id).await?.ok_or(Error::NotFound)?;
        let space_name = crate::access::enter(&mut db, principal, run.space).await?.space.name;
        // counted as in the lists: without the recipe
        let pinned = runs::inputs(&mut db, id).await?;
        let inputs = pinned.iter().filter(|input| !input.name.eq_ignore_ascii_case(RECIPE_NAME)).count();
        documents(&mut db, principal, vec![Listed { run, inputs, space_name }]).await?.pop().ok_or(Error::NotFound)
    }

    /// The runs that changed after a revision, in order, and the revision to ask for next time.
    pub async fn runs_changed_after(
        &self,
        principal: &Principal,
        revision: i64,
    ) -> Result<(Vec<RunDocument>, i64), Error> {
        let mut db = self.store.read().await?;
        let found = runs::changed_after(&mut db, principal.user, principal.scope.space, revision).await?;
        let next = found.last().map_or(revision, |listed| listed.run.revision);
        Ok((documents(&mut db, principal, found).await?, next))
    }

    /// The revision of the latest change of any run.
    pub async fn runs_revision(&self) -> Result<i64, Error> {
        Ok(runs::revision(&mut *self.store.read().await?).await?)
    }
}

async fn documents(db: &mut Connection, principal: &Principal, found: Vec<Listed>) -> Result<Vec<RunDocument>, Error> {
    if principal.scope.create_only {
        return Err(Error::NotFound);
    }
    let mut documents = Vec::with_capacity(found.len());
    for Listed { run, inputs, space_name: space } in found {
        let (names, _) = items::path(db, run.folder).await?;
        let attestations = attestations(db, run.id).await?;
        let source = source(db, run.source).await?;
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
            source,
            attestations,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
        });
    }
    Ok(documents)
}

async fn attestations(db: &mut Connection, run: RunId) -> Result<Vec<AttestationDocument>, Error> {
    let rows = attest::attestations(db, run).await?;
    let document = |row: attest::AttestationRow| AttestationDocument {
        peer: row.peer,
        verdict: row.verdict,
        attested_at: row.attested_at,
        received_at: row.received_at,
        jws: row.jws,
    };
    Ok(rows.into_iter().map(document).collect())
}

/// Where a run reads its files, if not in its own folder: peer or space, and the path there.
pub(crate) async fn source(db: &mut Connection, folder: Option<ItemId>) -> Result<Option<String>, Error> {
    let Some(folder) = folder else { return Ok(None) };
    let Some(item) = items::by_id(db, folder).await? else { return Ok(Some("a folder that was removed".to_owned())) };
    let (names, _) = items::path(db, folder).await?;
    let path = format!("/{}", names.join("/"));
    // A received space is called by a number; what people know is the partner and what it is called there.
    if let Some(known) = received_offers::by_space(db, item.space).await? {
        return Ok(Some(format!("{}: /{}{}", known.peer, known.name, path.trim_end_matches('/'))));
    }
    let space = spaces::by_id(db, item.space).await?.map(|space| space.name).unwrap_or_default();
    Ok(Some(format!("{space}: {path}")))
}
