//! Removing for good, late and in short transactions: deleted items past their time, earlier versions that the rules of
//! keeping let go, and then the bytes that are nobody's.
//!
//! What a run is pinned to stays as long as the run is shown, which is as long as its folder exists: a deleted file that
//! some other folder's run has read stays in the trash with the folders above it, whatever its age. Bytes go last, and
//! only when no version, no copy and no upload refers to them at that moment.

use crate::access::enter;
use crate::keep::Earlier;
use crate::shares::{Acting, end_shares_of_item};
use crate::{Domain, Error, Principal, Refusal};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use stitchbox_schema::{ItemId, Role, SpaceId, Timestamp, VersionId};
use stitchbox_store::purge::{self, Removable};
use stitchbox_store::{Tx, trash};

/// Items removed in one transaction.
const ITEMS: usize = 100;
/// Files whose versions are looked at in one step.
const FILES: i64 = 50;
/// Blobs removed in one transaction.
const BLOBS: i64 = 200;
/// What could not be removed is looked at again after this.
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

impl Domain {
    /// Gives up one deleted item: it can no longer be restored, and the sweep removes it. Members may give up what they
    /// deleted, managers everything.
    pub async fn purge(&self, principal: &Principal, item: ItemId) -> Result<(), Error> {
        let principal = principal.clone();
        self.transact(move |tx| {
            Box::pin(async move {
                let entry = trash::by_item(tx, item).await?.ok_or(Error::NotFound)?;
                let role = purging_role(tx, &principal, entry.space).await?;
                if role < Role::Manager && entry.deleted_by != principal.actor() {
                    return Err(Refusal::DeletedByAnother.into());
                }
                purge::give_up(tx, item).await?;
                Ok(())
            })
        })
        .await
    }

    /// Gives up what was deleted from a space: all of it for a manager, one's own for an editor. Returns how many
    /// deleted items that were.
    pub async fn empty_trash(&self, principal: &Principal, space: SpaceId) -> Result<u64, Error> {
        let principal = principal.clone();
        self.transact(move |tx| {
            Box::pin(async move {
                let role = purging_role(tx, &principal, space).await?;
                let own = (role < Role::Manager).then_some(principal.user);
                Ok(purge::give_up_all(tx, space, own).await?)
            })
        })
        .await
    }

    /// Removes deleted items that were given up or are older than the setting `keep.trash`, up to about `budget` items.
    /// Returns how many were removed.
    pub async fn purge_trash(&self, budget: usize) -> Result<usize, Error> {
        let mut removed = 0;
        while removed < budget {
            let now = self.now();
            let before = self.settings().keep.trash.map_or(Timestamp(i64::MIN), |kept| now.before(kept));
            let due = purge::due(&mut *self.store.read().await?, before, now, 1).await?;
            let Some(top) = due.first() else { break };
            removed += self.purge_tree(*top, budget - removed).await?;
        }
        Ok(removed)
    }

    async fn purge_tree(&self, top: ItemId, budget: usize) -> Result<usize, Error> {
        let now = self.now();
        // First its runs, in the transaction after which nobody can restore it: what they were pinned to is free then.
        let free = self.transact(move |tx| {
            Box::pin(async move {
                if !purge::give_up(tx, top).await? {
                    return Ok(false);
                }
                let runs = purge::runs_within(tx, top).await?;
                if runs.iter().any(|(_, ended)| !ended) {
                    purge::retry_at(tx, top, now.after(AGAIN)).await?;
                    return Ok(false);
                }
                for (run, _) in runs {
                    purge::remove_run(tx, run).await?;
                }
                Ok(true)
            })
        });
        if !free.await? {
            return Ok(0);
        }
        // As long as it is given up nothing below can change, so it may be read outside of the transactions that remove
        // it. Each of them asks: another server that came to the end has listed again what is left, and somebody may have
        // restored it.
        let limit = i64::try_from(budget.saturating_add(1)).unwrap_or(i64::MAX);
        let items = purge::bottom_up(&mut *self.store.read().await?, top, limit).await?;
        let (mut removed, complete) = (0, items.len() <= budget);
        for items in items.chunks(ITEMS) {
            let (items, acting) = (items.to_vec(), self.acting_as("the trash"));
            let here = self.transact(move |tx| Box::pin(async move { remove_items(tx, &acting, top, &items).await }));
            let Some(here) = here.await? else { return Ok(removed) };
            removed += here;
        }
        if complete || removed == 0 {
            // If it is still there, runs elsewhere are pinned to something in it.
            self.transact(move |tx| {
                Box::pin(async move {
                    if purge::is_given_up(tx, top).await? {
                        purge::retry_at(tx, top, now.after(AGAIN)).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        Ok(removed)
    }

    /// One step through all files: removes earlier versions that the settings let go. Begins after the file it is given
    /// and returns the one it ended with; none at the end.
    pub async fn thin_versions(&self, after: ItemId) -> Result<Option<ItemId>, Error> {
        let (now, keep) = (self.now(), self.settings().keep);
        let files = purge::files_with_history(&mut *self.store.read().await?, after, FILES).await?;
        let Some(last) = files.last().copied() else { return Ok(None) };
        for file in files {
            let found = purge::versions(&mut *self.store.read().await?, file).await?;
            let outdated = outdated(&found, |earlier| keep.outdated(earlier, now));
            if outdated.is_empty() {
                continue;
            }
            self.transact(move |tx| {
                Box::pin(async move {
                    // Looked at again: the file may show another one by now, or a run be pinned to it.
                    for version in purge::versions(tx, file).await? {
                        if outdated.contains(&version.id) && !version.shown && !version.pinned {
                            purge::remove_version(tx, &version, now).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await?;
        }
        Ok(Some(last))
    }

    /// One step: removes blobs that lost their version longer ago than the setting `keep.blobs` and are nobody's now.
    /// Returns how many were looked at.
    pub async fn remove_dropped_blobs(&self) -> Result<usize, Error> {
        let before = self.now().before(self.settings().keep.blobs);
        let blobs = purge::dropped(&mut *self.store.read().await?, before, BLOBS).await?;
        let (looked_at, rows) = (blobs.len(), blobs);
        if rows.is_empty() {
            return Ok(0);
        }
        let unowned = self.transact(move |tx| {
            Box::pin(async move {
                let mut unowned = Vec::new();
                for blob in rows {
                    unowned.extend(purge::remove_blob(tx, blob).await?);
                }
                Ok(unowned)
            })
        });
        // After the commit; what a crash leaves here is found by the daily sweep of the blob store.
        for blob in unowned.await? {
            self.blobs.delete(blob).await?;
        }
        Ok(looked_at)
    }
}

/// The role of somebody who may remove things from a space.
async fn purging_role(tx: &mut Tx, principal: &Principal, space: SpaceId) -> Result<Role, Error> {
    let membership = enter(tx, principal, space).await?;
    if membership.scope.create_only {
        return Err(Error::NotFound);
    }
    if membership.role < Role::Editor { Err(Refusal::Role(membership.role).into()) } else { Ok(membership.role) }
}

/// The versions that the rule lets go. What a file shows is no earlier version, and what a run has read is not counted.
fn outdated(found: &[Removable], rule: impl Fn(&[Earlier]) -> Vec<VersionId>) -> HashSet<VersionId> {
    let earlier: Vec<Earlier> = found
        .iter()
        .filter(|version| !version.shown && !version.pinned)
        .map(|version| Earlier { id: version.id, at: version.created_at })
        .collect();
    rule(&earlier).into_iter().collect()
}

/// Removes items of a tree that nobody can reach, what lies deepest first. What is pinned stays, and what holds it.
/// `None` if the tree is not given up (any more): then nothing of it may go.
async fn remove_items(tx: &mut Tx, acting: &Acting, top: ItemId, items: &[ItemId]) -> Result<Option<usize>, Error> {
    let now = acting.now;
    if !purge::is_given_up(tx, top).await? {
        return Ok(None);
    }
    let mut removed = 0;
    let mut smaller: HashMap<ItemId, i64> = HashMap::new();
    for item in items {
        // An outer folder of the same batch: its own size must be right before it is subtracted from the next.
        if let Some(by) = smaller.remove(item) {
            purge::shrink(tx, *item, by).await?;
        }
        let versions = purge::versions(tx, *item).await?;
        let stays = versions.iter().any(|version| version.pinned);
        for version in versions.iter().filter(|version| !stays || !(version.pinned || version.shown)) {
            purge::remove_version(tx, version, now).await?;
        }
        if stays {
            continue;
        }
        end_shares_of_item(tx, acting, *item).await?;
        if let Some((folder, size)) = purge::remove_item(tx, *item).await? {
            removed += 1;
            if let Some(folder) = folder.filter(|_| size != 0) {
                *smaller.entry(folder).or_default() += size;
            }
        }
    }
    for (folder, by) in smaller {
        purge::shrink(tx, folder, by).await?;
    }
    Ok(Some(removed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uploads::{Intent, NewChunk, NewSession, Protocol, Words};
    use crate::{Conditions, ItemPath, Location, NewUser, Settings, SystemClock};
    use std::sync::Arc;
    use stitchbox_blob::BlobStore;
    use stitchbox_schema::ItemName;
    use stitchbox_store::Store;

    /// A server, a person, and a place in her space.
    async fn house(folder: &tempfile::TempDir) -> (Domain, Principal, Location) {
        let store = Store::open(&format!("sqlite://{}", folder.path().join("s.sqlite").display())).await.unwrap();
        let blobs = BlobStore::local(&folder.path().join("blobs")).unwrap();
        let domain = Domain::new(store, blobs, Arc::new(SystemClock), Settings::default(), b"test").await.unwrap();
        let user = domain.add_user(NewUser { name: "ada".to_owned(), ..NewUser::default() }).await.unwrap();
        let principal = Principal { user: user.id, name: user.name, is_admin: false, scope: crate::Scope::default() };
        let space = domain.spaces_of(&principal).await.unwrap()[0].space.id;
        let path = ItemPath::default().join(ItemName::parse("precious").unwrap());
        (domain, principal, Location::in_space(space, path))
    }

    #[tokio::test]
    async fn what_another_server_listed_again_and_somebody_restored_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (domain, principal, at) = house(&folder).await;
        let put = domain.put_whole(&principal, &at, Intent::default(), bytes::Bytes::from_static(b"1"));
        let item = put.await.unwrap().item.id;
        domain.remove(&principal, &at, &Conditions::default()).await.unwrap();
        // One server has read what it is going to remove, another came to the end with something left.
        let now = domain.now();
        let given_up = domain.transact(move |tx| Box::pin(async move { Ok(purge::give_up(tx, item).await?) }));
        assert!(given_up.await.unwrap());
        domain.transact(move |tx| Box::pin(async move { Ok(purge::retry_at(tx, item, now).await?) })).await.unwrap();
        domain.restore(&principal, item).await.unwrap();
        let acting = domain.acting_as("the trash");
        let late = domain.transact(move |tx| Box::pin(async move { remove_items(tx, &acting, item, &[item]).await }));
        assert_eq!(late.await.unwrap(), None);
        assert_eq!(domain.item(&principal, &at).await.unwrap().1.id, item);
        assert_eq!(domain.purge_trash(10).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_session_that_is_given_up_does_not_shorten_the_time_of_dropped_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (domain, principal, at) = house(&folder).await;
        let put = domain.put_whole(&principal, &at, Intent::default(), bytes::Bytes::from_static(b"abc"));
        let version = put.await.unwrap().version;
        let intent = Intent { announced_size: Some(3), ..Intent::default() };
        let (protocol, words) = (Protocol::Chunks, Words::default());
        let new = NewSession { protocol, name: None, destination: None, intent, partial: false, words };
        let session = domain.begin_session(&principal, new).await.unwrap();
        let chunk = NewChunk { name: "0".to_owned(), ..NewChunk::default() };
        domain.share_chunk(&principal, &session, chunk, version.id, 0..3).await.unwrap();
        domain.remove(&principal, &at, &Conditions::default()).await.unwrap();
        domain.empty_trash(&principal, at.space).await.unwrap();
        assert_eq!(domain.purge_trash(10).await.unwrap(), 1);
        domain.abandon_session(&session).await.unwrap();
        let mut db = domain.store.read().await.unwrap();
        assert!(stitchbox_store::versions::is_expected(&mut db, version.blob).await.unwrap(), "kept for a backup");
    }
}
