//! Folders with a simulated series, and runs on them.

#![allow(dead_code, reason = "not every suite needs all of it")]

use std::path::Path;

use stitchbox_recipe::{InputFile, Recipe, RunContext, RunFailure, RunOutput, run};
use stitchbox_report::UnixTime;
use stitchbox_simulate::{Parameters, simulate, write_series};
use tempfile::TempDir;

/// A folder with the twelve files of the small simulated case and this recipe.
pub fn series(recipe: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_series(&simulate(&Parameters::default()), folder.path()).unwrap();
    std::fs::write(folder.path().join("stitch.toml"), recipe).unwrap();
    folder
}

/// Runs the recipe of a folder.
pub fn run_in(folder: &Path) -> Result<RunOutput, RunFailure> {
    let text = std::fs::read_to_string(folder.join("stitch.toml")).unwrap();
    let recipe = Recipe::parse(&text).unwrap();
    let inputs: Vec<InputFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| InputFile::from_path(&entry.file_name().to_string_lossy(), &entry.path()).unwrap())
        .collect();
    let started_at = UnixTime { seconds: 1_700_000_000, nanoseconds: 0 };
    run(&inputs, &recipe, Some(&text), &RunContext::new("mirror", "alice", "test", started_at), &())
}

/// The content of a file of the result.
pub fn bytes<'o>(output: &'o RunOutput, name: &str) -> &'o [u8] {
    let names: Vec<&str> = output.files.iter().map(|file| file.name.as_str()).collect();
    match output.files.iter().find(|file| file.name == name) {
        Some(file) => &file.bytes,
        None => panic!("no {name} among {names:?}"),
    }
}

/// A JSON document of the result.
pub fn json(output: &RunOutput, name: &str) -> serde_json::Value {
    serde_json::from_slice(bytes(output, name)).unwrap()
}
