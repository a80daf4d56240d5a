//! An RO-Crate of a run, read back. The text comes from elsewhere and is believed in nothing.

use std::collections::HashMap;

use serde_json::{Map, Value};
use stitchbox_recipe::recipe_hash;
use stitchbox_report::{INPUT_ID, RECIPE_ID, RESULT_DIGEST_ID, sha256_hex};

use crate::file_name::is_file_name;

/// Largest crate that is read, bytes: ten thousand inputs take four million.
pub const MAX_CRATE_BYTES: usize = 16 << 20;

/// Longest name of a series, engine or run, bytes.
const LONGEST_LINE: usize = 1000;

/// Why a crate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrateError {
    /// Too long.
    #[error("it is {bytes} bytes long; a crate of ours has at most {MAX_CRATE_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No JSON, or no list of entities.
    #[error("it is no RO-Crate: {0}")]
    NotACrate(String),
    /// Something that a crate of a run of ours has is missing.
    #[error("it is no crate of a stitching run: {0} is missing or has another form")]
    Missing(&'static str),
    /// A name that is none of a file in a folder.
    #[error("it names a file {0:?}, which is no name of a file in its folder; do not trust it")]
    UnsafeName(String),
    /// Two files of one name.
    #[error("it names {0:?} twice")]
    Twice(String),
    /// A hash that is none.
    #[error("the SHA-256 or size it gives for {0:?} is none")]
    BadFingerprint(String),
    /// The text of the recipe is not that of its hash.
    #[error("the text of the recipe in it does not have the SHA-256 it gives; it was changed or damaged")]
    RecipeChanged,
}

/// A file as the crate names it. The name is one of a file in a folder ([`is_file_name`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrateFile {
    /// Name.
    pub name: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Size, bytes.
    pub bytes: u64,
}

/// What a crate says of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCrate {
    /// Name of the series.
    pub title: String,
    /// Id of the run in the store it comes from.
    pub run: Option<String>,
    /// Engine and revision.
    pub engine: String,
    /// Text of the recipe; none where the engine's own applied.
    pub recipe: Option<String>,
    /// SHA-256 of that text, or of the engine's own recipe.
    pub recipe_sha256: String,
    /// Result digest.
    pub digest: String,
    /// The files read, by name. They lie beside the folder of the crate.
    pub inputs: Vec<CrateFile>,
    /// The files written, by name. They lie beside the crate.
    pub outputs: Vec<CrateFile>,
}

impl RunCrate {
    /// Reads a crate.
    ///
    /// # Errors
    /// [`CrateError`]: also for a name that leads out of its folder and for a recipe that is not the one of its hash.
    pub fn parse(bytes: &[u8]) -> Result<Self, CrateError> {
        if bytes.len() > MAX_CRATE_BYTES {
            return Err(CrateError::TooLarge { bytes: bytes.len() });
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|error| CrateError::NotACrate(error.to_string()))?;
        let graph = value.get("@graph").and_then(Value::as_array);
        let graph = graph.ok_or_else(|| CrateError::NotACrate("it has no @graph".to_owned()))?;
        let by_id: HashMap<&str, &Map<String, Value>> = graph
            .iter()
            .filter_map(Value::as_object)
            .filter_map(|entity| Some((entity.get("@id")?.as_str()?, entity)))
            .collect();
        let entity = |id: &str, what| by_id.get(id).copied().ok_or(CrateError::Missing(what));
        let root = entity("./", "the root")?;
        let action = references(root.get("mentions"))
            .into_iter()
            .find_map(|id| by_id.get(id).copied().filter(|entity| is_a(entity, "CreateAction")));
        let action = action.ok_or(CrateError::Missing("the action of the run"))?;
        let engine = references(action.get("instrument")).first().copied().unwrap_or_default();
        let engine = line(entity(engine, "the engine")?, "softwareVersion").ok_or(CrateError::Missing("the engine"))?;
        let digest = text(entity(RESULT_DIGEST_ID, "the result digest")?, "value");
        let digest = digest.filter(|hex| is_sha256(hex)).ok_or(CrateError::Missing("the result digest"))?;
        let recipe_entity = entity(RECIPE_ID, "the recipe")?;
        let recipe = text(recipe_entity, "text");
        let recipe_sha256 = text(recipe_entity, "sha256").ok_or(CrateError::Missing("the recipe's SHA-256"))?;
        if recipe.as_deref().is_some_and(|text| recipe_hash(Some(text)) != recipe_sha256) {
            return Err(CrateError::RecipeChanged);
        }
        let of = |ids: Vec<&str>, is_input: bool| files(&by_id, ids, is_input);
        Ok(Self {
            title: line(root, "name").unwrap_or_default(),
            run: line(action, "identifier"),
            engine,
            recipe,
            recipe_sha256,
            digest,
            inputs: of(references(action.get("object")), true)?,
            outputs: of(references(root.get("hasPart")), false)?,
        })
    }

    /// [`inputs_digest`] of the crate's inputs.
    #[must_use]
    pub fn inputs_digest(&self) -> String {
        inputs_digest(self.inputs.iter().map(|file| (file.name.as_str(), file.sha256.as_str())))
    }

    /// The output of this name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&CrateFile> {
        self.outputs.iter().find(|file| file.name == name)
    }
}

/// One number for all inputs: lower-case hex SHA-256 over a line `<sha256> <name>` for each, sorted by name.
#[must_use]
pub fn inputs_digest<'a>(inputs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut inputs: Vec<(&str, &str)> = inputs.into_iter().collect();
    inputs.sort_unstable();
    let lines: String = inputs.into_iter().map(|(name, sha256)| format!("{sha256} {name}\n")).collect();
    sha256_hex(lines.as_bytes())
}

/// Whether two engines may give different results for equal inputs. What counts is the revision behind the slash, which
/// goes up whenever that is so; a version without one counts whole.
#[must_use]
pub fn engine_differs(one: &str, other: &str) -> bool {
    let of = |engine: &str| -> (String, Option<String>) {
        let name = engine.split(' ').next().unwrap_or_default().to_owned();
        (name, engine.rsplit_once('/').map(|(_, revision)| revision.to_owned()))
    };
    match (of(one), of(other)) {
        ((name, Some(revision)), (other_name, Some(other_revision))) => {
            name != other_name || revision != other_revision
        }
        _ => one != other,
    }
}

fn files(
    by_id: &HashMap<&str, &Map<String, Value>>,
    ids: Vec<&str>,
    is_input: bool,
) -> Result<Vec<CrateFile>, CrateError> {
    let mut files: Vec<CrateFile> = Vec::new();
    for id in ids {
        if id.starts_with(INPUT_ID) != is_input {
            continue;
        }
        let entity = by_id.get(id).copied().ok_or(CrateError::Missing("a file that it lists"))?;
        let name = text(entity, "name").ok_or(CrateError::Missing("the name of a file"))?;
        if !is_file_name(&name) {
            return Err(CrateError::UnsafeName(name));
        }
        let sha256 = text(entity, "sha256").filter(|hex| is_sha256(hex));
        let bytes = text(entity, "contentSize").and_then(|size| size.parse().ok());
        let (Some(sha256), Some(bytes)) = (sha256, bytes) else { return Err(CrateError::BadFingerprint(name)) };
        files.push(CrateFile { name, sha256, bytes });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    match files.windows(2).find(|pair| matches!(pair, [a, b] if a.name == b.name)) {
        Some([twice, ..]) => Err(CrateError::Twice(twice.name.clone())),
        _ => Ok(files),
    }
}

fn text(entity: &Map<String, Value>, key: &str) -> Option<String> {
    entity.get(key)?.as_str().map(str::to_owned)
}

/// A text that is told to people and kept: one line of bounded length.
fn line(entity: &Map<String, Value>, key: &str) -> Option<String> {
    text(entity, key).filter(|text| text.len() <= LONGEST_LINE && !text.contains(char::is_control))
}

/// The ids that a property refers to, one or many.
fn references(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(|one| one.get("@id")?.as_str()).collect(),
        Some(one) => one.get("@id").and_then(Value::as_str).into_iter().collect(),
        None => Vec::new(),
    }
}

fn is_a(entity: &Map<String, Value>, kind: &str) -> bool {
    match entity.get("@type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
        Some(one) => one == kind,
        None => false,
    }
}

fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::engine_differs;

    #[test]
    fn the_revision_decides_and_what_has_none_counts_whole() {
        assert!(!engine_differs("stitchbox 0.1.0/2", "stitchbox 0.1.0/2"));
        assert!(!engine_differs("stitchbox 0.1.0/2", "stitchbox 0.2.0/2"));
        assert!(engine_differs("stitchbox 0.1.0/2", "stitchbox 0.1.0/3"));
        assert!(engine_differs("stitchbox 0.1.0/2", "other 0.1.0/2"));
        assert!(engine_differs("other 0.1.0", "other 0.1.1"));
    }
}
