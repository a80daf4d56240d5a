//! The server's side of a look: the feed since the cursor, or a listing of everything.

use std::time::Duration;

use futures::TryStreamExt;

use super::{Engine, State, SyncError};
use crate::mirror::Applied;
use crate::plan::Problem;
use crate::remote::{Cursor, Feed, FeedItem, ItemId, Remote, RemoteError, RemoteItem, Tree};

/// What the feed said.
pub(super) enum News {
    /// Nothing since the cursor.
    Nothing,
    /// Something, and the cursor after it.
    Some(Vec<FeedItem>, Cursor),
    /// Everything must be listed.
    ListAll,
    /// The server was restored from a backup.
    Restored(Box<str>),
}

impl<R: Remote> Engine<R> {
    /// Asks for news; one request where nothing happened.
    pub(super) async fn ask_for_news(
        &self,
        cursor: Option<&Cursor>,
        fingerprint: Option<&str>,
    ) -> Result<News, SyncError> {
        let Some(mut cursor) = cursor.cloned() else { return Ok(News::ListAll) };
        let before = cursor.clone();
        let mut all = Vec::new();
        loop {
            match self.patiently(|| self.remote.changes(Some(&cursor), Duration::ZERO)).await? {
                Feed::TooOld => return Ok(News::ListAll),
                Feed::Changes { items, cursor: next, more, fingerprint: now } => {
                    if let (Some(known), Some(now)) = (fingerprint, now)
                        && *known != *now
                    {
                        return Ok(News::Restored(now));
                    }
                    all.extend(items);
                    let stands = next == cursor;
                    cursor = next;
                    if !more || stands {
                        break;
                    }
                }
            }
        }
        Ok(if all.is_empty() && cursor == before { News::Nothing } else { News::Some(all, cursor) })
    }

    /// Brings the mirror up to date; what must be told is returned.
    pub(super) async fn take_in(&mut self, news: News) -> Result<Vec<Problem>, SyncError> {
        self.load().await?;
        let mut told = Vec::new();
        match news {
            News::Nothing => {}
            News::Some(items, cursor) => {
                let Some(state) = &mut self.state else { return Ok(told) };
                let applied = state.mirror.apply(items);
                if applied.top_gone {
                    self.state = None;
                    return Err(SyncError::TopGone);
                }
                // the cursor moves on only with the listings it asks for: a crash between them would lose those
                let to_list = applied.to_list.clone();
                let at = to_list.is_empty().then_some(&cursor);
                self.journal.store_mirror(&state.mirror, &applied, at).await?;
                for folder in &to_list {
                    self.list_below(folder).await?;
                }
                if !to_list.is_empty() {
                    self.journal.set_mark("cursor", Some(cursor.0.as_bytes())).await?;
                }
            }
            News::ListAll => told.extend(self.list_all().await?),
            News::Restored(fingerprint) => {
                self.journal.start_anew().await?;
                self.state = Some(State::default());
                self.list_all().await?;
                self.journal.set_mark("fingerprint", Some(fingerprint.as_bytes())).await?;
                told.push(restored());
            }
        }
        for folder in std::mem::take(&mut self.relist) {
            self.list_below(&folder).await?;
        }
        Ok(told)
    }

    /// Reads mirror and bases, the first time.
    async fn load(&mut self) -> Result<(), SyncError> {
        if self.state.is_none() {
            let mirror = self.journal.mirror().await?;
            let bases = self.journal.bases().await?;
            let (sending, begun) = (self.journal.sending().await?, self.journal.begun().await?);
            self.state = Some(State { mirror, bases, sending, begun });
        }
        Ok(())
    }

    /// Lists everything. A server that was restored from a backup takes no older cursor, so it may be here that it is known for one.
    async fn list_all(&mut self) -> Result<Option<Problem>, SyncError> {
        let known = self.journal.marks().await?;
        let (Tree { cursor, fingerprint, .. }, listing) = match self.list(None).await {
            Err(SyncError::Remote(RemoteError::Gone)) => return Err(SyncError::TopGone),
            other => other?,
        };
        let Some(top) = listing.first().map(|item| item.id.clone()) else { return Err(SyncError::TopGone) };
        let Some(state) = &mut self.state else { return Ok(None) };
        if state.mirror.top.as_ref().is_some_and(|known| *known != top) {
            return Err(SyncError::TopGone);
        }
        let differs = known.fingerprint.zip(fingerprint.as_ref()).is_some_and(|(before, now)| before != *now);
        let told = (differs || known.cursor.is_some_and(|before| went_back(&before, &cursor))).then(restored);
        if told.is_some() {
            self.journal.start_anew().await?;
            *state = State::default();
        }
        state.mirror.top = Some(top.clone());
        let applied = state.mirror.replace_below(&top, listing);
        self.journal.store_mirror(&state.mirror, &applied, Some(&cursor)).await?;
        if let Some(fingerprint) = fingerprint {
            self.journal.set_mark("fingerprint", Some(fingerprint.as_bytes())).await?;
        }
        Ok(told)
    }

    /// Lists one folder again; one that is gone will be in the feed.
    async fn list_below(&mut self, folder: &ItemId) -> Result<(), SyncError> {
        let listing = match self.list(Some(folder)).await {
            Err(SyncError::Remote(RemoteError::Gone)) => return Ok(()),
            other => other?.1,
        };
        let Some(state) = &mut self.state else { return Ok(()) };
        let applied: Applied = state.mirror.replace_below(folder, listing);
        self.journal.store_mirror(&state.mirror, &applied, None).await?;
        Ok(())
    }

    async fn list(&self, folder: Option<&ItemId>) -> Result<(Tree, Vec<RemoteItem>), SyncError> {
        let listed = self
            .patiently(|| async move {
                let mut tree = self.remote.tree(folder).await?;
                let items = std::mem::replace(&mut tree.items, Box::pin(futures::stream::empty()));
                Ok((tree, items.try_collect().await?))
            })
            .await?;
        Ok(listed)
    }
}

/// Whether the server's journal is shorter than it was: its database was replaced by an older one, and nobody said so.
fn went_back(before: &Cursor, now: &Cursor) -> bool {
    let number = |cursor: &Cursor| cursor.0.parse::<u64>().ok();
    number(before).zip(number(now)).is_some_and(|(before, now)| now < before)
}

fn restored() -> Problem {
    Problem {
        path: String::new(),
        why: "the server was restored from a backup".to_owned(),
        next: "Both sides were compared anew: what is only here is uploaded, nothing is deleted.".to_owned(),
    }
}
