//! Run identity: when two runs are the same run.

use stitchbox_report::sha256_hex;

use crate::context::ENGINE_VERSION;
use crate::recipe::Recipe;

/// Hash of a recipe: SHA-256 (lower-case hex) of its text as stored, so that `sha256sum stitch.toml` gives it; without
/// a text, of the resolved default recipe.
#[must_use]
pub fn recipe_hash(text: Option<&str>) -> String {
    match text {
        Some(text) => sha256_hex(text.as_bytes()),
        None => sha256_hex(Recipe::default().resolved_toml().as_bytes()),
    }
}

/// Identity of a run, lower-case hex SHA-256 over this UTF-8 text, every line ended by one line feed:
///
/// ```text
/// stitchbox-run 1
/// folder <folder id>
/// recipe <recipe hash>
/// engine <ENGINE_VERSION>
/// input <sha256> <name>          one line an input, sorted by name (bytes), then by hash
/// ```
///
/// `inputs` are `(name, sha256)` of the files the run reads, in any order. Names cannot hold a line feed (they are
/// checked on arrival), so the text is unambiguous. Moving a folder keeps its id and so the identity.
#[must_use]
pub fn run_identity<'a>(
    folder_id: &str,
    recipe_hash: &str,
    inputs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut inputs: Vec<(&str, &str)> = inputs.into_iter().collect();
    inputs.sort_unstable();
    let mut text = format!("stitchbox-run 1\nfolder {folder_id}\nrecipe {recipe_hash}\nengine {ENGINE_VERSION}\n");
    for (name, sha256) in inputs {
        text.push_str(&format!("input {sha256} {name}\n"));
    }
    sha256_hex(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let a = run_identity("f", "r", [("b", "2"), ("a", "1")]);
        assert_eq!(a, run_identity("f", "r", [("a", "1"), ("b", "2")]));
        assert_ne!(a, run_identity("g", "r", [("a", "1"), ("b", "2")]));
        assert_ne!(a, run_identity("f", "s", [("a", "1"), ("b", "2")]));
        assert_ne!(a, run_identity("f", "r", [("a", "1")]));
        assert_ne!(a, run_identity("f", "r", [("a", "2"), ("b", "1")]));
        assert_eq!(a.len(), 64);
    }

    #[test]
    fn no_recipe_and_a_recipe_have_different_hashes() {
        assert_ne!(recipe_hash(None), recipe_hash(Some("")));
    }
}
