//! The end of an upload in pieces: the one transaction that shows the file. It writes down which ranges of which blobs
//! the file is made of; no byte is copied. An end that is repeated gets the answer of the first.

use super::checksum::{Checksum, Digests};
use super::commit::{Finished, Origin, show};
use super::sessions::LIFETIME;
use super::unsigned;
use super::whole::{Piece, Whole};
use super::{Chunk, Committed, Intent, NewSession, SMALL_BYTES, Target, UploadSession, prospect, sessions, signed};
use crate::access::enter_at;
use crate::{Domain, Error, Excess, Item, ItemPath, Location, Principal, guard};
use futures::TryStreamExt;
use std::collections::HashSet;
use stitchbox_formats::{Content, SNIFF_BYTES};
use stitchbox_schema::{BlobId, Timestamp, UploadId};
use stitchbox_store::segments::{self, Segment};
use stitchbox_store::sessions::{self as rows, Destination, Ending};
use stitchbox_store::versions::NewBlob;
use stitchbox_store::{Connection, Tx, items, versions};

/// Ranges one file may be made of.
const MOST_SEGMENTS: usize = 100_000;

/// What the transaction found: a file shown by it, with the blobs whose files may go, or a session that had ended.
enum Ended {
    Now(Box<Committed>, Vec<BlobId>),
    Before(Box<UploadSession>),
}

impl Domain {
    /// Ends a session: its chunks become a file. Goes on when the client has gone; repeated after success, also much
    /// later, it answers the same.
    pub async fn finish_session(
        &self,
        principal: &Principal,
        session: &UploadSession,
        at: &Location,
        intent: Intent,
    ) -> Result<Committed, Error> {
        let domain = self.clone();
        let target = Target { principal: principal.clone(), at: at.clone(), intent };
        let session = session.clone();
        let work = tokio::spawn(async move { domain.finish(session, target).await });
        work.await.map_err(|_| Error::BodyBroken)?
    }

    /// As [`Domain::finish_session`], at the place and with the intent the session began with.
    pub async fn finish_as_begun(
        &self,
        principal: &Principal,
        session: &UploadSession,
        conditions: &crate::Conditions,
    ) -> Result<Committed, Error> {
        let (at, intent) = sessions::intent_of(session, conditions)?;
        self.finish_session(principal, session, &at, intent).await
    }

    /// Begins a session with the chunks of others, one after the other: ready to be finished. The parts keep theirs.
    pub async fn begin_concatenation(
        &self,
        principal: &Principal,
        new: NewSession,
        parts: &[UploadSession],
    ) -> Result<UploadSession, Error> {
        let session = self.begin_session(principal, new).await?;
        let (id, now, principal) = (session.id, self.now(), principal.clone());
        let parts: Vec<UploadId> = parts.iter().map(|part| part.id).collect();
        let joined =
            self.transact(move |tx| Box::pin(async move { join(tx, &principal, id, &parts, now).await })).await;
        if joined.is_err() {
            self.abandon_session(&session).await?;
        }
        joined
    }

    /// Says that sessions became parts of a file, whose bytes count instead of theirs from now on.
    pub async fn release_parts(&self, parts: &[UploadSession]) -> Result<(), Error> {
        let parts: Vec<UploadId> = parts.iter().map(|part| part.id).collect();
        let work = self.transact(move |tx| {
            Box::pin(async move {
                for part in parts {
                    rows::forget_destination(tx, part).await?;
                }
                Ok(())
            })
        });
        work.await
    }

    async fn finish(&self, session: UploadSession, target: Target) -> Result<Committed, Error> {
        if session.ending.is_some() {
            return self.answer_again(&session, &target).await;
        }
        prospect(&mut *self.store.read().await?, &target, self.now()).await?;
        let state = self.wholes.of(&session);
        let mut whole = state.lock().await;
        let (chunks, session) = {
            let mut db = self.store.read().await?;
            let chunks = rows::chunks(&mut db, session.id).await?;
            (chunks, rows::by_id(&mut db, session.id).await?.ok_or(Error::NotFound)?)
        };
        if session.ending.is_some() {
            return self.answer_again(&session, &target).await;
        }
        let sizes = [target.intent.announced_size, session.size.map(unsigned)];
        let (pieces, size) = in_order(&chunks, &sizes)?;
        let given = session.checksum.as_deref().map(Checksum::parse).transpose()?;
        let mut target = target;
        target.intent.checksum = target.intent.checksum.or(given);
        let sha256 = self.digest_all(&mut whole, &chunks, target.intent.checksum.as_ref()).await?;
        let mut finished = self.put_together_as_blob(&pieces, &chunks, size, sha256).await?;
        self.push(&mut target, &mut finished).await?;
        let ended = self.show_session(&session, chunks, target.clone(), finished).await?;
        self.wholes.forget(session.id);
        match ended {
            Ended::Now(committed, gone) => {
                self.announce();
                self.delete_blobs(&gone).await;
                Ok(*committed)
            }
            Ended::Before(session) => self.answer_again(&session, &target).await,
        }
    }

    /// SHA-256 of the whole, if its checksum is right. Only what was not computed while it came is read.
    async fn digest_all(
        &self,
        whole: &mut Whole,
        chunks: &[Chunk],
        checksum: Option<&Checksum>,
    ) -> Result<String, Error> {
        if !whole.begins(chunks) || !whole.digests.know(checksum) {
            *whole = Whole::new(Digests::new(checksum));
        }
        for chunk in chunks.iter().skip(whole.pieces) {
            let digests = self.digest_piece(Piece::of(chunk), whole.digests.clone()).await?;
            whole.advance(chunk, digests);
        }
        whole.digests.clone().finish(checksum)
    }

    /// The blob of the file: a row if it is small, the one chunk there is, or ranges of many.
    async fn put_together_as_blob(
        &self,
        pieces: &[Piece],
        chunks: &[Chunk],
        size: u64,
        sha256: String,
    ) -> Result<Finished, Error> {
        let created_at = self.now();
        let made_of = flatten(&mut *self.store.read().await?, pieces, chunks).await?;
        if made_of.len() > MOST_SEGMENTS {
            return Err(Excess::Chunks.into());
        }
        let small = usize::try_from(size).is_ok_and(|size| size <= SMALL_BYTES);
        let head_bytes = if small { SMALL_BYTES } else { SNIFF_BYTES };
        let head = self.first_bytes(&made_of, head_bytes as u64).await?;
        let content = Content::of(&head);
        let mut blob =
            NewBlob { id: BlobId(self.ids.next(created_at)), size: signed(size), sha256, body: None, created_at };
        let only = chunks.iter().find(|chunk| chunk.size == signed(size) && !chunk.shared && chunk.size > 0);
        let origin = match only {
            Some(only) => {
                blob.id = only.blob;
                Origin::Recorded
            }
            None if small => {
                blob.body = Some(head);
                Origin::New
            }
            None => Origin::Segments(made_of),
        };
        Ok(Finished { blob, origin, content, session: None, pushed: None })
    }

    async fn first_bytes(&self, made_of: &[Segment], most: u64) -> Result<Vec<u8>, Error> {
        let mut left = most;
        let wanted = made_of.iter().map_while(|segment| {
            let length = segment.length.min(left);
            left -= length;
            (length > 0).then_some(Segment { length, ..*segment })
        });
        let mut head = Vec::new();
        let mut stream = self.put_together(wanted.collect()).await?;
        while let Some(bytes) = stream.try_next().await.map_err(|_| Error::BodyBroken)? {
            head.extend_from_slice(&bytes);
        }
        Ok(head)
    }

    async fn show_session(
        &self,
        session: &UploadSession,
        chunks: Vec<Chunk>,
        target: Target,
        finished: Finished,
    ) -> Result<Ended, Error> {
        let (id, now, ids) = (session.id, self.now(), self.ids.clone());
        self.transact(move |tx| {
            Box::pin(async move {
                let session =
                    rows::by_id(tx, id).await?.filter(|session| super::sessions::opens(&target.principal, session));
                let session = session.ok_or(Error::NotFound)?;
                if session.ending.is_some() {
                    return Ok(Ended::Before(Box::new(session)));
                }
                // What was digested must be what is shown.
                if rows::chunks(tx, id).await? != chunks {
                    return Err(Error::Collision);
                }
                let counted = session.destination.as_ref().is_some_and(|to| to.space == target.at.space);
                let waiting = if counted { session.received } else { 0 };
                let used: HashSet<BlobId> = match &finished.origin {
                    Origin::Segments(made_of) => made_of.iter().map(|segment| segment.source).collect(),
                    Origin::Recorded => HashSet::from([finished.blob.id]),
                    Origin::New => HashSet::new(),
                };
                let committed = show(tx, &ids, &target, finished, waiting, now).await?;
                let mut gone = Vec::new();
                for blob in rows::take_chunks(tx, id).await? {
                    if !used.contains(&blob) {
                        gone.extend(segments::release(tx, blob).await?);
                    }
                }
                rows::end(tx, id, &destination_of(&committed.item, &target), Ending::from(&committed), forgotten(now))
                    .await?;
                Ok(Ended::Now(Box::new(committed), gone))
            })
        })
        .await
    }

    /// The answer of an end that happened before.
    async fn answer_again(&self, session: &UploadSession, target: &Target) -> Result<Committed, Error> {
        let (ending, to) = session.ending.zip(session.destination.as_ref()).ok_or(Error::NotFound)?;
        if to.space != target.at.space || ItemPath::parse(&to.path)? != target.at.path {
            return Err(Error::NotFound);
        }
        let mut db = self.store.read().await?;
        // Who may not enter the space any more learns nothing of what the file is now.
        enter_at(&mut db, &target.principal, &target.at, self.now()).await?;
        let item = items::by_id(&mut db, ending.item).await?.ok_or(Error::NotFound)?;
        let version = versions::by_id(&mut db, ending.version).await?.ok_or(Error::NotFound)?;
        let shown = Some(version.id);
        let item = Item { version: shown, size: version.size, mtime: version.mtime, run: None, ..item };
        Ok(Committed { item, version, created: ending.created })
    }
}

/// Gives a session the chunks of others, one after the other. What was looked at before may be gone: a part that is not
/// there, or not all of it, would make a shorter file.
async fn join(
    tx: &mut Tx,
    principal: &Principal,
    id: UploadId,
    parts: &[UploadId],
    now: Timestamp,
) -> Result<UploadSession, Error> {
    let session = rows::by_id(tx, id).await?.ok_or(Error::NotFound)?;
    let to = session.destination.as_ref().ok_or(Error::ParentMissing)?;
    let (mut end, mut ranges, mut counted, mut seen) = (0_i64, 0_usize, 0_i64, HashSet::new());
    for part in parts {
        let part = rows::by_id(tx, *part).await?.filter(|part| {
            super::sessions::opens(principal, part)
                && part.partial
                && part.ending.is_none()
                && part.size == Some(part.received)
        });
        let part = part.ok_or(Error::NotFound)?;
        if seen.insert(part.id) && part.destination.as_ref().is_some_and(|at| at.space == to.space) {
            counted += part.received;
        }
        let chunks = rows::chunks(tx, part.id).await?;
        // Before they are written: the same part may be named a thousand times.
        ranges += chunks.len();
        if ranges > MOST_SEGMENTS {
            return Err(Excess::Chunks.into());
        }
        if chunks.iter().map(|chunk| chunk.size).sum::<i64>() != part.received {
            return Err(Error::Collision);
        }
        for chunk in chunks.into_iter().filter(|chunk| chunk.size > 0) {
            let size = chunk.size;
            let (name, file_offset) = (end.to_string(), Some(end));
            rows::insert_chunk(tx, id, &Chunk { place: end, name, file_offset, shared: true, ..chunk }).await?;
            end += size;
        }
    }
    // The quota was asked for parts that came into this space, once; the end does not ask for what is said to wait here.
    let membership = enter_at(tx, principal, &super::sessions::place_of(to)?, now).await?;
    guard::quota(tx, &membership, end - counted).await?;
    rows::set_size(tx, id, end).await?;
    rows::progress(tx, id, end, now.after(LIFETIME)).await?;
    rows::by_id(tx, id).await?.ok_or(Error::NotFound)
}

fn destination_of(item: &Item, target: &Target) -> Destination {
    let folder = item.parent.unwrap_or(item.id);
    Destination { space: target.at.space, via: target.at.via, folder, path: target.at.path.to_string() }
}

fn forgotten(now: Timestamp) -> Timestamp {
    now.after(LIFETIME)
}

/// The pieces in their order, none empty, and their size: exactly what was announced, nothing missing, nothing twice.
fn in_order(chunks: &[Chunk], announced: &[Option<u64>]) -> Result<(Vec<Piece>, u64), Error> {
    let mut size = 0_u64;
    let mut fits = true;
    for chunk in chunks {
        fits &= chunk.file_offset.is_none_or(|offset| unsigned(offset) == size);
        size = size.saturating_add(unsigned(chunk.size));
    }
    for announced in announced.iter().flatten().copied() {
        if announced != size {
            return Err(Error::BodyIncomplete { announced, received: size });
        }
    }
    if !fits {
        // The sizes add up to what was announced, or nothing was: the chunks lie over each other or leave a gap.
        let end = chunks.iter().map(|chunk| chunk.file_offset.unwrap_or(0).saturating_add(chunk.size)).max();
        return Err(Error::BodyIncomplete { announced: end.map_or(0, unsigned), received: size });
    }
    Ok((chunks.iter().map(Piece::of).filter(|piece| piece.length > 0).collect(), size))
}

/// Ranges of blobs that are themselves rows or files. Neighbours in one blob become one range.
async fn flatten(db: &mut Connection, pieces: &[Piece], chunks: &[Chunk]) -> Result<Vec<Segment>, Error> {
    let shared: HashSet<BlobId> = chunks.iter().filter(|chunk| chunk.shared).map(|chunk| chunk.blob).collect();
    let mut made_of: Vec<Segment> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let whole = Segment { source: piece.blob, offset: piece.offset, length: piece.length };
        let found = if shared.contains(&piece.blob) {
            match segments::locate(db, piece.blob, &(piece.offset..piece.offset + piece.length)).await? {
                segments::Bytes::Segments(found) | segments::Bytes::Cached(found, _) => found,
                segments::Bytes::Row(_) | segments::Bytes::Stored | segments::Bytes::AtPeer => vec![whole],
            }
        } else {
            vec![whole]
        };
        for segment in found {
            match made_of.last_mut() {
                Some(last) if last.source == segment.source && last.offset + last.length == segment.offset => {
                    last.length += segment.length;
                }
                _ => made_of.push(segment),
            }
        }
    }
    Ok(made_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(place: i64, size: i64, file_offset: Option<i64>) -> Chunk {
        let (blob, name) = (BlobId(place + 1), place.to_string());
        Chunk { place, name, file_offset, blob, source_offset: 0, size, shared: false, created_at: Timestamp(0) }
    }

    #[test]
    fn chunks_must_fill_the_file_exactly() {
        let by_number = [chunk(1, 5, None), chunk(2, 0, None), chunk(7, 3, None)];
        let (pieces, size) = in_order(&by_number, &[Some(8), None]).unwrap();
        assert_eq!((pieces.len(), size), (2, 8));
        assert!(matches!(in_order(&by_number, &[Some(9)]), Err(Error::BodyIncomplete { announced: 9, received: 8 })));
        assert!(in_order(&[chunk(0, 5, Some(0)), chunk(5, 3, Some(5))], &[]).is_ok());
        for wrong in [
            [chunk(0, 5, Some(0)), chunk(6, 3, Some(6))],
            [chunk(0, 5, Some(0)), chunk(4, 4, Some(4))],
            [chunk(1, 5, Some(1)), chunk(6, 3, Some(6))],
        ] {
            assert!(matches!(in_order(&wrong, &[]), Err(Error::BodyIncomplete { .. })), "{wrong:?}");
        }
    }
}
