//! Asking for a repetition, and looking at those one asked for.

use crate::access::enter_at;
use crate::read::resolve;
use crate::runs::OUTPUT_FOLDER;
use crate::{Action, Domain, Error, Item, Location, Principal};
use stitchbox_provenance::CRATE_NAME;
use stitchbox_schema::documents::{RerunDocument, RerunState};
use stitchbox_schema::{ItemId, JobId, RerunId};
use stitchbox_store::attest::{self, Rerun};
use stitchbox_store::jobs::{self, JobKind};
use stitchbox_store::{Connection, items, spaces};

/// Most repetitions in one listing.
const MOST_LISTED: i64 = 200;

/// Why no repetition was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RerunError {
    /// There is nothing to repeat.
    #[error(
        "this folder holds no result that could be repeated: there is no {OUTPUT_FOLDER}/{CRATE_NAME} in it; name the \
         folder of the series"
    )]
    NoResult,
    /// The rules say so.
    #[error("{0}")]
    Domain(#[from] Error),
}

/// The folder with the results of a series that holds a crate: as runs name it.
pub(super) async fn result_folder(db: &mut Connection, series: ItemId) -> Result<Option<Item>, Error> {
    for name in [OUTPUT_FOLDER.to_owned(), format!("{OUTPUT_FOLDER} (run)")] {
        let Some(folder) = items::child(db, series, &name).await? else { continue };
        if folder.is_folder() && items::child(db, folder.id, CRATE_NAME).await?.is_some_and(|item| !item.is_folder()) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

impl Domain {
    /// Asks for a repetition of the run whose results lie in a folder, own or received. Whoever may read the folder may ask;
    /// asking again while one is under way gives that one. With `any_engine` another engine will do; the attestation says so.
    pub async fn request_rerun(
        &self,
        principal: &Principal,
        at: &Location,
        any_engine: bool,
    ) -> Result<RerunDocument, RerunError> {
        // Who has only a link or a secret may read, but has no work done here.
        if principal.scope.share.is_some() {
            return Err(Error::NotFound.into());
        }
        let (principal, at, now) = (principal.clone(), at.clone(), self.now());
        let (id, job) = (RerunId(self.ids.next(now)), JobId(self.ids.next(now)));
        let work = self.transact(move |tx| {
            Box::pin(async move {
                let membership = enter_at(tx, &principal, &at, now).await?;
                let folder = resolve(tx, membership.space.root, &at.path).await?;
                membership.check(Action::Read, &folder)?;
                if !folder.is_folder() {
                    return Err(Error::NotAFolder);
                }
                if result_folder(tx, folder.id).await?.is_none() {
                    return Ok(None);
                }
                if let Some(under_way) = attest::unfinished_rerun(tx, folder.id, principal.user).await? {
                    return Ok(Some(document(tx, under_way).await?));
                }
                let rerun = Rerun {
                    id,
                    space: folder.space,
                    folder: folder.id,
                    user: principal.user,
                    state: RerunState::Queued,
                    message: None,
                    verdict: None,
                    their_digest: None,
                    our_digest: None,
                    attestation: None,
                    numbers: None,
                    any_engine,
                    attempts: 0,
                    created_at: now,
                    started_at: None,
                    finished_at: None,
                };
                attest::insert_rerun(tx, &rerun).await?;
                jobs::insert(tx, job, JobKind::Rerun, id.0, now).await?;
                Ok(Some(document(tx, rerun).await?))
            })
        });
        let document = work.await?.ok_or(RerunError::NoResult)?;
        self.run_changed().notify_waiters();
        Ok(document)
    }

    /// A repetition that the principal asked for.
    pub async fn rerun(&self, principal: &Principal, id: RerunId) -> Result<RerunDocument, Error> {
        let mut db = self.store.read().await?;
        let rerun = attest::rerun_by_id(&mut db, id).await?.filter(|rerun| may_see(principal, rerun));
        document(&mut db, rerun.ok_or(Error::NotFound)?).await
    }

    /// The latest repetitions that the principal asked for, latest first.
    pub async fn reruns(&self, principal: &Principal) -> Result<Vec<RerunDocument>, Error> {
        let mut db = self.store.read().await?;
        let mut documents = Vec::new();
        for rerun in attest::reruns_of_user(&mut db, principal.user, MOST_LISTED).await? {
            if may_see(principal, &rerun) {
                documents.push(document(&mut db, rerun).await?);
            }
        }
        Ok(documents)
    }
}

fn may_see(principal: &Principal, rerun: &Rerun) -> bool {
    let scope = principal.scope;
    let within = scope.space.is_none_or(|only| only == rerun.space);
    rerun.user == principal.user && within && !scope.create_only && scope.share.is_none()
}

async fn document(db: &mut Connection, rerun: Rerun) -> Result<RerunDocument, Error> {
    let (names, _) = items::path(db, rerun.folder).await?;
    let space = spaces::by_id(db, rerun.space).await?.map(|space| space.name).unwrap_or_default();
    Ok(RerunDocument {
        id: rerun.id,
        space,
        folder: format!("/{}", names.join("/")),
        state: rerun.state,
        message: rerun.message,
        verdict: rerun.verdict,
        their_digest: rerun.their_digest,
        our_digest: rerun.our_digest,
        numbers: rerun.numbers.and_then(|json| serde_json::from_str(&json).ok()),
        attestation: rerun.attestation,
        any_engine: rerun.any_engine,
        attempts: rerun.attempts,
        created_at: rerun.created_at,
        started_at: rerun.started_at,
        finished_at: rerun.finished_at,
    })
}
