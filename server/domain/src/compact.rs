//! Keeping the journal short, in steps of one short transaction each, and never past a reader that keeps its place.

use crate::domain::FINGERPRINT;
use crate::series::TRIGGER;
use crate::{Domain, Error};
use std::collections::{HashMap, HashSet};
use stitchbox_schema::{Cursor, ItemId, SpaceId};
use stitchbox_store::changes::ChangeKind;
use stitchbox_store::compaction::{self, Old};
use stitchbox_store::{feed, settings};

/// Rows looked at in one step.
const STEP: i64 = 500;
/// Name of the setting that holds how far rows were squeezed.
const SQUEEZED: &str = "journal_squeezed";
/// How far the journal leaps when a backup was restored: more than was ever lost between two backups.
const LEAP: i64 = 1 << 32;

impl Domain {
    /// One step: removes the oldest rows that are older than the setting `keep.changes`. Returns how many were looked
    /// at and removed; less than [`STEP`] means that nothing is left to do.
    pub async fn cut_journal(&self) -> Result<usize, Error> {
        let Some(oldest) = self.settings().keep.changes.map(|kept| self.now().before(kept)) else { return Ok(0) };
        let mut db = self.store.read().await?;
        let last = compaction::slowest_reader(&mut db, TRIGGER).await?;
        let rows = compaction::page(&mut db, Cursor(0), last, STEP).await?;
        drop(db);
        // Clocks differ between servers: only what has nothing younger before it goes.
        let old = rows.iter().take_while(|row| row.at < oldest).count();
        if let Some(last) = rows.get(..old).and_then(<[Old]>::last).map(|row| row.cursor) {
            self.transact(move |tx| Box::pin(async move { Ok(compaction::cut(tx, last).await?) })).await?;
        }
        Ok(old)
    }

    /// One step: removes rows of files that say less than a later one. Whoever reads the journal sees the same. True if
    /// there is more to do.
    pub async fn squeeze_journal(&self) -> Result<bool, Error> {
        let mut db = self.store.read().await?;
        let squeezed = settings::get(&mut db, SQUEEZED).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let last = compaction::slowest_reader(&mut db, TRIGGER).await?;
        let rows = compaction::page(&mut db, Cursor(squeezed), last, STEP).await?;
        drop(db);
        let Some(end) = rows.last().map(|row| row.cursor).filter(|_| rows.len() as i64 == STEP) else {
            return Ok(false);
        };
        let said_again = said_again(&rows);
        self.transact(move |tx| {
            Box::pin(async move {
                compaction::remove(tx, &said_again).await?;
                Ok(settings::set(tx, SQUEEZED, &end.to_string()).await?)
            })
        })
        .await?;
        Ok(true)
    }

    /// To be called once after the database was restored from a backup: every cursor that clients hold becomes too old,
    /// no ETag of a folder is given a second time, and the data fingerprint changes. Returns the new fingerprint.
    pub async fn mark_restored(&self) -> Result<String, Error> {
        let fingerprint = format!("{:x}", self.ids.next(self.now()));
        let told = fingerprint.clone();
        self.transact(move |tx| {
            Box::pin(async move {
                compaction::leap(tx, LEAP).await?;
                Ok(settings::set(tx, FINGERPRINT, &told).await?)
            })
        })
        .await?;
        self.show_fingerprint(fingerprint.clone());
        self.announce();
        Ok(fingerprint)
    }

    /// How far back the feed can tell changes, and the last one.
    pub async fn journal_reach(&self) -> Result<feed::Reach, Error> {
        Ok(feed::reach(&mut *self.store.read().await?).await?)
    }
}

/// The rows that a later one of the same file in the same space makes needless. Moves and deletions stay, so that what
/// left a folder is told before the folder is; rows of folders stay, so that folders are told before what is in them.
fn said_again(rows: &[Old]) -> HashSet<Cursor> {
    let mut later: HashMap<(SpaceId, ItemId), Cursor> = HashMap::with_capacity(rows.len());
    for row in rows {
        later.insert((row.space, row.item), row.cursor);
    }
    let says_content = |kind| matches!(kind, ChangeKind::Created | ChangeKind::Updated | ChangeKind::Touched);
    let needless = |row: &&Old| later.get(&(row.space, row.item)).is_some_and(|last| *last > row.cursor);
    let of_files = rows.iter().filter(|row| row.is_file && says_content(row.kind));
    of_files.filter(needless).map(|row| row.cursor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_schema::Timestamp;

    #[test]
    fn only_what_a_later_row_of_the_same_file_says_again_goes() {
        use ChangeKind::{Arrived, Created, Deleted, Moved, Restored, Touched, Updated};
        let rows: Vec<Old> = [
            (1, 1, 10, Created, true),
            (2, 1, 10, Updated, true),
            (3, 1, 11, Created, false),
            (4, 1, 11, Touched, false),
            (5, 1, 12, Moved, true),
            (6, 1, 12, Updated, true),
            (7, 1, 10, Touched, true),
            (8, 2, 10, Created, true),
            (9, 1, 13, Created, true),
            (10, 1, 13, Deleted, true),
            (11, 1, 13, Restored, true),
            (12, 1, 14, Arrived, true),
            (13, 1, 14, Updated, true),
        ]
        .into_iter()
        .map(|(cursor, space, item, kind, is_file)| Old {
            cursor: Cursor(cursor),
            space: SpaceId(space),
            item: ItemId(item),
            kind,
            at: Timestamp(0),
            is_file,
        })
        .collect();
        let mut gone: Vec<i64> = said_again(&rows).into_iter().map(|cursor| cursor.0).collect();
        gone.sort_unstable();
        assert_eq!(gone, [1, 2, 9]);
    }
}
