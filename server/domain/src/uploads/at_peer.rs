//! A body that belongs into a received space: when it is whole and durable here, the peer gets it, and only then is it
//! shown here.

use super::commit::{Finished, Origin};
use super::{Target, destination, unsigned};
use crate::access::enter_at;
use crate::read::resolve;
use crate::received::Outgoing;
use crate::{Domain, Error, Ids, Item, ItemPath};
use stitchbox_schema::BlobId;
use stitchbox_store::segments::Segment;
use stitchbox_store::versions::{self, NewBlob};
use stitchbox_store::{Connection, Tx};

impl Domain {
    /// Gives a finished body to the peer, if its place is in a received space. Conditions are tested before and at the
    /// peer, so that the transaction that shows the file does not test them again.
    pub(super) async fn push(&self, target: &mut Target, finished: &mut Finished) -> Result<(), Error> {
        if !self.is_received(target.at.space).await? {
            return Ok(());
        }
        let (existing, missing) = prospect(&mut *self.store.read().await?, target, self.now()).await?;
        let body = match (&finished.blob.body, &finished.origin) {
            (Some(body), _) => Outgoing::memory(body.clone().into()),
            (None, Origin::Segments(made_of)) => {
                let range = |segment: &Segment| segment.offset..segment.offset + segment.length;
                Outgoing::pieces(self, made_of.iter().map(|segment| (segment.source, range(segment))).collect())
            }
            (None, Origin::New | Origin::Recorded) => {
                Outgoing::pieces(self, vec![(finished.blob.id, 0..unsigned(finished.blob.size))])
            }
        };
        for folder in missing {
            self.make_folder_there(target.at.space, &folder).await?;
        }
        let body = body.with_sha256(&finished.blob.sha256);
        let pushed = self.put_there(&target.at, existing.as_ref(), body, target.intent.mtime).await?;
        target.intent.conditions = target.intent.conditions.only_tokens();
        finished.pushed = Some(pushed);
        Ok(())
    }
}

/// What is at the place now, and the folders that are to be made above it.
async fn prospect(
    db: &mut Connection,
    target: &Target,
    now: stitchbox_schema::Timestamp,
) -> Result<(Option<Item>, Vec<ItemPath>), Error> {
    match destination(db, target, now).await {
        Ok(spot) => Ok((spot.item, Vec::new())),
        Err(Error::ParentMissing) if target.intent.make_folders => {
            let membership = enter_at(db, &target.principal, &target.at, now).await?;
            let Some((folder, _)) = target.at.path.split_last() else { return Err(Error::IsFolder) };
            let (mut path, mut missing) = (ItemPath::default(), Vec::new());
            for name in folder.names() {
                path = path.join(name.clone());
                match resolve(db, membership.space.root, &path).await {
                    Ok(item) if item.is_folder() => {}
                    Ok(_) => return Err(Error::ParentMissing),
                    Err(Error::NotFound) => missing.push(path.clone()),
                    Err(other) => return Err(other),
                }
            }
            Ok((None, missing))
        }
        Err(refused) => Err(refused),
    }
}

/// Puts a blob of its own before bytes that the peer has, too, so that they can be let go here. Small ones stay.
pub(super) async fn before_cached(tx: &mut Tx, ids: &Ids, finished: Finished) -> Result<(Finished, bool), Error> {
    if finished.blob.body.is_some() || finished.blob.size == 0 {
        return Ok((finished, false));
    }
    if matches!(finished.origin, Origin::Segments(_)) {
        return Ok((finished, true));
    }
    let whole = Segment { source: finished.blob.id, offset: 0, length: unsigned(finished.blob.size) };
    if matches!(finished.origin, Origin::New) {
        versions::insert_blob(tx, &finished.blob).await?;
    }
    let id = BlobId(ids.next(finished.blob.created_at));
    let blob = NewBlob { id, ..finished.blob };
    Ok((Finished { blob, origin: Origin::Segments(vec![whole]), ..finished }, true))
}
