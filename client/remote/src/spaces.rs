//! The spaces of the user, and which of them an address shows.

use serde::Deserialize;

use crate::address::{Place, Tree, child};
use crate::connection::{Connection, bounded_text};
use crate::failure::WireError;

/// Longest list of spaces, bytes.
const LIST_LIMIT: usize = 8 << 20;

/// A space as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Space {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// `personal` or `project`.
    pub kind: String,
}

impl Connection {
    /// The spaces the user may see, the personal one first.
    ///
    /// # Errors
    /// Network, refusals, and servers without spaces (404).
    pub async fn spaces(&self) -> Result<Vec<Space>, WireError> {
        #[derive(Deserialize)]
        struct List {
            spaces: Vec<Space>,
        }
        let url = child(self.server(), ["api", "v1", "spaces"]);
        let answer = self.retrying(|_| self.answer(self.request("GET", &url))).await?;
        let list: List = serde_json::from_str(&bounded_text(answer, LIST_LIMIT).await)
            .map_err(|_| WireError::Malformed("no list of spaces"))?;
        Ok(list.spaces)
    }

    /// The space a place is in, by id or name; `None` if the user sees none like that.
    ///
    /// # Errors
    /// As [`Connection::spaces`].
    pub async fn space_of(&self, place: &Place) -> Result<Option<Space>, WireError> {
        let spaces = self.spaces().await?;
        Ok(spaces.into_iter().find(|space| match &place.tree {
            Tree::Personal => space.kind == "personal",
            // oCIS-like ids have the server's part in front
            Tree::Space(name) => space.id == *name || space.name == *name || name.ends_with(&format!("${}", space.id)),
            Tree::Plain => false,
        }))
    }
}
