//! Items by a part of their name.

use crate::items::{Item, item};
use crate::{Connection, StoreError};
use stitchbox_schema::SpaceId;

/// Up to `limit` items of a space, deleted ones too, whose name is like `pattern` (`%` any text, `_` any character, `\` before one
/// that means itself), letters of ASCII in either case. Looks at every item of the space, so callers bound who asks.
pub async fn by_name(db: &mut Connection, space: SpaceId, pattern: &str, limit: i64) -> Result<Vec<Item>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM items WHERE space_id = $1 AND parent_id IS NOT NULL AND LOWER(name) LIKE LOWER($2) ESCAPE '\\'
         ORDER BY id DESC LIMIT $3",
    )
    .bind(space.0)
    .bind(pattern)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(item).collect()
}
