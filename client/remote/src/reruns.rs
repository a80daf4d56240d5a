//! Runs that are asked for: repetitions of a run, and runs whose results land in another folder.

use serde_json::{Value, json};

use crate::address::{Place, Tree, child};
use crate::connection::{Connection, bounded_text};
use crate::failure::WireError;

/// Longest answer, bytes: a statement with its difference map.
const LIMIT: usize = 8 << 20;

/// A place as the server's bodies name it; `None` for an address that is none of a Stitchbox.
fn named(place: &Place) -> Option<Value> {
    let path = format!("/{}", place.path);
    match &place.tree {
        Tree::Space(space) => Some(json!({"space": space, "path": path})),
        Tree::Personal => Some(json!({"path": path})),
        Tree::Plain => None,
    }
}

impl Connection {
    /// Asks for a repetition of the run whose results lie in a folder; the server's document, with its `id`.
    ///
    /// # Errors
    /// Network and refusals; [`WireError::NotThere`] for an address that is none of a Stitchbox.
    pub async fn ask_rerun(&self, place: &Place, any_engine: bool) -> Result<Value, WireError> {
        let mut body = named(place).ok_or(WireError::NotThere)?;
        body["any_engine"] = any_engine.into();
        self.post_json(&["api", "v1", "reruns"], &body).await
    }

    /// The document of a repetition.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn rerun(&self, id: &str) -> Result<Value, WireError> {
        self.get_json(&["api", "v1", "reruns", id]).await
    }

    /// Asks for a run on the files of `inputs` whose results land in `into`; the run's document.
    ///
    /// # Errors
    /// Network and refusals; [`WireError::NotThere`] for an address that is none of a Stitchbox.
    pub async fn run_into(&self, inputs: &Place, into: &Place, recipe: Option<&str>) -> Result<Value, WireError> {
        let (inputs, into) = named(inputs).zip(named(into)).ok_or(WireError::NotThere)?;
        let mut body = json!({"inputs": inputs, "into": into});
        if let Some(recipe) = recipe {
            body["recipe"] = recipe.into();
        }
        self.post_json(&["api", "v1", "runs"], &body).await
    }

    /// The document of a run.
    ///
    /// # Errors
    /// Network and refusals.
    pub async fn run(&self, id: &str) -> Result<Value, WireError> {
        self.get_json(&["api", "v1", "runs", id]).await
    }

    async fn post_json(&self, path: &[&str], body: &Value) -> Result<Value, WireError> {
        let url = child(self.server(), path.iter().copied());
        let answer = self.answer(self.request("POST", &url).json(body)).await?;
        parsed(&bounded_text(answer, LIMIT).await)
    }

    async fn get_json(&self, path: &[&str]) -> Result<Value, WireError> {
        let url = child(self.server(), path.iter().copied());
        let asked = |_| async { self.answer(self.request("GET", &url)).await };
        parsed(&bounded_text(self.retrying(asked).await?, LIMIT).await)
    }
}

fn parsed(text: &str) -> Result<Value, WireError> {
    serde_json::from_str(text).map_err(|_| WireError::Malformed("no JSON document"))
}
