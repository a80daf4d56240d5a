//! Finding items by a part of their name.

use crate::{Domain, Error, Item, ItemPath, Location, Membership, Principal};
use stitchbox_store::{items, search};

/// Most items told by one search.
pub const MOST_FOUND: usize = 500;

impl Domain {
    /// At most `most` items at or below a place whose names are like `pattern` (`%` any text, `_` any character), each
    /// with its path in the space.
    pub async fn find_by_name(
        &self,
        principal: &Principal,
        below: &Location,
        pattern: &str,
        most: usize,
    ) -> Result<Vec<(Membership, Item, ItemPath)>, Error> {
        // Who may not read the place learns nothing of what is in it.
        let (membership, _) = self.item(principal, below).await?;
        if membership.is_drop() {
            return Ok(Vec::new());
        }
        let most = most.min(MOST_FOUND);
        let mut db = self.store.read().await?;
        // Some lie elsewhere in the space, or in the trash.
        let limit = i64::try_from(most.saturating_mul(4)).unwrap_or(i64::MAX);
        let mut found = Vec::new();
        for item in search::by_name(&mut db, below.space, pattern, limit).await? {
            let (names, lives) = items::path(&mut db, item.id).await?;
            let path = ItemPath::from_segments(names.iter().map(String::as_str))?;
            if lives && below.path.contains(&path) {
                found.push((membership.clone(), item, path));
            }
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }
}
