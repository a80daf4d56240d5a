//! What changed in a space since a client looked: for every item that changed, its state now.
//!
//! The journal is read by cursor along its index, so an answer costs what changed and the depth of the tree, whatever
//! the size of the space. A state may be newer than the cursor told with it; then the item is told again after it. A
//! client that applies every page in order ends with the tree as it is.

use crate::access::enter_part;
use crate::{Domain, Error, Membership, Part, Principal, Refusal};
use std::collections::HashMap;
use stitchbox_schema::{Cursor, ItemId, SpaceId, Timestamp};
use stitchbox_store::Connection;
use stitchbox_store::changes::ChangeKind;
use stitchbox_store::feed::{self, FeedRow, Shown};

/// Most changes read for one page.
pub const MAX_PAGE: i64 = 1000;
/// Pages of changes that somebody who sees a part of a space does not see, read for one of what is seen.
const MOST_SKIPPED: usize = 50;

/// A page of the changes of a space.
#[derive(Debug)]
pub struct Feed {
    /// What the asking person may do in the space.
    pub membership: Membership,
    /// Where to go on.
    pub cursor: Cursor,
    /// Whether there is more already.
    pub more: bool,
    /// Present ones first, folders before what lies in them; then those that are gone.
    pub entries: Vec<FeedEntry>,
}

/// An item that changed.
#[derive(Debug)]
pub struct FeedEntry {
    /// Which.
    pub id: ItemId,
    /// How it is now; none if it is gone from the space.
    pub now: Option<Shown>,
    /// It is a folder that appeared with everything below it: that has no entries of its own.
    pub deep: bool,
    /// It is a folder that was plainly made: everything below it has entries of its own.
    pub made: bool,
}

/// The space as somebody who follows it may enter it. A credential that may only create follows nothing.
pub(crate) async fn enter_to_follow(
    db: &mut Connection,
    principal: &Principal,
    part: Part,
    now: Timestamp,
) -> Result<Membership, Error> {
    let membership = enter_part(db, principal, part, now).await?;
    if membership.scope.create_only { Err(Refusal::CreateOnly.into()) } else { Ok(membership) }
}

impl Domain {
    /// The changes of a space after a cursor, at most `limit` (and [`MAX_PAGE`]); without a cursor none, and the one to
    /// begin with. [`Error::CursorTooOld`] if they are not known any more.
    pub async fn feed(
        &self,
        principal: &Principal,
        part: impl Into<Part> + Send,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Feed, Error> {
        let mut db = self.store.read().await?;
        let membership = enter_to_follow(&mut db, principal, part.into(), self.now()).await?;
        // Before the changes: positions become visible in order, so every change up to here is read below.
        let reach = feed::reach(&mut db).await?;
        let Some(after) = after else {
            return Ok(Feed { membership, cursor: reach.head, more: false, entries: Vec::new() });
        };
        // A cursor of the future is from before a backup was restored.
        if after < reach.lowest || after > reach.head {
            return Err(Error::CursorTooOld);
        }
        let limit = limit.clamp(1, MAX_PAGE);
        let mut after = after;
        for _ in 0..MOST_SKIPPED {
            let feed = page(&mut db, &membership, (after, reach.head), limit).await?;
            if feed.more && feed.entries.is_empty() {
                after = feed.cursor;
                continue;
            }
            return Ok(feed);
        }
        Ok(Feed { membership, cursor: after, more: true, entries: Vec::new() })
    }
}

/// The changes in `(after, head]`, at most `limit`, as the person sees them.
async fn page(
    db: &mut Connection,
    membership: &Membership,
    (after, head): (Cursor, Cursor),
    limit: i64,
) -> Result<Feed, Error> {
    let (space, membership) = (membership.space.id, membership.clone());
    let rows = feed::page(db, space, after, limit).await?;
    let more = rows.len() as i64 == limit;
    let last = rows.last().map_or(after, |row| row.cursor);
    let cursor = if more { last } else { last.max(head) };
    if feed::reach(db).await?.lowest > after {
        // The journal was cut while it was read.
        return Err(Error::CursorTooOld);
    }
    let above = match membership.via {
        None => feed::ancestors(db, space, after, last).await?,
        Some(_) => feed::ancestors_and_folders(db, space, after, last).await?,
    };
    let tree = Above::of(above, membership.top());
    let told = match membership.via {
        None => entries(rows, &tree, space),
        Some(_) => entries(seen_from(rows, &tree), &tree, space),
    };
    Ok(Feed { cursor, more, entries: told, membership })
}

/// The changes that somebody sees who sees a part of a space: of what lies in it, and of what left it from a folder that
/// lies in it. What was moved inside the space came into the part with everything below it.
fn seen_from(rows: Vec<FeedRow>, tree: &Above) -> Vec<FeedRow> {
    let lies_within = |item: Option<ItemId>| item.is_some_and(|item| tree.depth(item).is_some());
    let seen = rows.into_iter().filter(|row| {
        let was_within = lies_within(row.folder) && row.folder != Some(row.item) || lies_within(row.old_folder);
        lies_within(Some(row.item)) || was_within
    });
    seen.map(|row| match row.kind {
        ChangeKind::Moved => FeedRow { kind: ChangeKind::Arrived, ..row },
        _ => row,
    })
    .collect()
}

/// One entry for every item of a page of changes.
fn entries(rows: Vec<FeedRow>, tree: &Above, space: SpaceId) -> Vec<FeedEntry> {
    let mut entries: Vec<(Option<usize>, FeedEntry)> = Vec::with_capacity(rows.len());
    let mut known: HashMap<ItemId, usize> = HashMap::with_capacity(rows.len());
    for row in rows {
        let whole = matches!(row.kind, ChangeKind::Arrived | ChangeKind::Restored);
        let made = row.kind == ChangeKind::Created;
        if let Some(earlier) = known.get(&row.item).and_then(|place| entries.get_mut(*place)) {
            let is_folder = earlier.1.now.as_ref().is_some_and(|now| now.item.is_folder());
            earlier.1.deep |= whole && is_folder;
            earlier.1.made |= made && is_folder;
            continue;
        }
        let depth = tree.depth(row.item);
        // Read a moment before the folders above were: an item that was on its way is told again after this page.
        let placed = |now: &Shown| now.item.id == tree.root || now.item.parent.is_some();
        let now = row.now.filter(|now| depth.is_some() && now.item.space == space && placed(now));
        let is_folder = now.as_ref().is_some_and(|now| now.item.is_folder());
        known.insert(row.item, entries.len());
        let depth = depth.filter(|_| now.is_some());
        entries.push((depth, FeedEntry { id: row.item, now, deep: whole && is_folder, made: made && is_folder }));
    }
    // None, the gone ones, would sort first.
    entries.sort_by_key(|(depth, _)| depth.unwrap_or(usize::MAX));
    entries.into_iter().map(|(_, entry)| FeedEntry { made: entry.made && !entry.deep, ..entry }).collect()
}

/// Some items and the folders above them, of one moment.
struct Above {
    parents: HashMap<ItemId, Option<ItemId>>,
    root: ItemId,
}

impl Above {
    fn of(rows: Vec<(ItemId, Option<ItemId>)>, root: ItemId) -> Self {
        Self { parents: rows.into_iter().collect(), root }
    }

    /// How far below the root of the space an item lies; none if it does not.
    fn depth(&self, item: ItemId) -> Option<usize> {
        let mut at = item;
        // No tree is deeper than it has items.
        for depth in 0..=self.parents.len() {
            if at == self.root {
                return Some(depth);
            }
            at = (*self.parents.get(&at)?)?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, ItemKind};
    use stitchbox_schema::VersionId;

    fn row(cursor: i64, id: i64, kind: ChangeKind, parent: Option<i64>, folder: bool) -> FeedRow {
        let item = Item {
            id: ItemId(id),
            space: SpaceId(1),
            parent: parent.map(ItemId),
            name: id.to_string(),
            kind: if folder { ItemKind::Folder } else { ItemKind::File },
            version: (!folder).then_some(VersionId(1)),
            size: 0,
            mtime: Timestamp(0),
            last_change: Cursor(cursor),
            run: None,
            created_at: Timestamp(0),
            rights: None,
        };
        FeedRow {
            cursor: Cursor(cursor),
            item: item.id,
            folder: None,
            old_folder: None,
            kind,
            now: Some(Shown { item, sha256: None }),
        }
    }

    fn tree(pairs: &[(i64, Option<i64>)]) -> Above {
        Above::of(pairs.iter().map(|(id, parent)| (ItemId(*id), parent.map(ItemId))).collect(), ItemId(1))
    }

    fn told(rows: Vec<FeedRow>, above: &Above) -> Vec<(i64, bool, bool, bool)> {
        let entries = entries(rows, above, SpaceId(1));
        entries.into_iter().map(|e| (e.id.0, e.now.is_some(), e.deep, e.made)).collect()
    }

    #[test]
    fn folders_come_before_what_lies_in_them_and_the_gone_last() {
        let rows = vec![
            row(1, 9, ChangeKind::Deleted, None, false),
            row(2, 5, ChangeKind::Created, Some(4), false),
            row(3, 4, ChangeKind::Created, Some(1), true),
            row(4, 7, ChangeKind::Updated, Some(9), false),
        ];
        let above = tree(&[(1, None), (4, Some(1)), (5, Some(4)), (9, None), (7, Some(9))]);
        let expected =
            [(4, true, false, true), (5, true, false, false), (9, false, false, false), (7, false, false, false)];
        assert_eq!(told(rows, &above), expected, "what lies in the trash with its folder is gone too");
    }

    #[test]
    fn a_folder_that_came_whole_is_deep_whatever_else_happened_to_it() {
        let above = tree(&[(1, None), (4, Some(1))]);
        let kinds = [ChangeKind::Created, ChangeKind::Deleted, ChangeKind::Restored, ChangeKind::Moved];
        let rows = (1..).zip(kinds).map(|(cursor, kind)| row(cursor, 4, kind, Some(1), true)).collect();
        assert_eq!(told(rows, &above), [(4, true, true, false)]);
    }

    #[test]
    fn what_was_between_two_places_when_it_was_read_is_told_again_later() {
        let above = tree(&[(1, None), (4, Some(1))]);
        let rows = vec![row(1, 4, ChangeKind::Deleted, None, false)];
        assert_eq!(told(rows, &above), [(4, false, false, false)], "in the trash when it was read");
        let rows = vec![row(1, 8, ChangeKind::Updated, Some(1), false)];
        assert_eq!(told(rows, &above), [(8, false, false, false)], "purged between the two reads");
    }
}
