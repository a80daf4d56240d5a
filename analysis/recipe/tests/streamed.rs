//! Runs on a series that exceeds the memory allowed: through a scratch folder, with the result of a run in memory.

use std::path::Path;

use ndarray::Array2;
use stitchbox_formats::{MetroProHeader, write_metropro};
use stitchbox_recipe::{FailureKind, InputFile, Recipe, RunContext, RunFailure, RunOutput, run};
use stitchbox_report::UnixTime;
use stitchbox_surface::{HeightMap, PixelSize};
use tempfile::TempDir;

/// Less than the sixty maps take, more than going through the scratch folder does.
const MEMORY: u64 = 96 << 20;

/// Sixty maps of 200 x 400 pixels at whole pixels, of two detector windows.
fn series() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for k in 0..60usize {
        let at = 5 * k + (k * k) % 4;
        let heights = Array2::from_shape_fn((200, 400), |(row, column)| {
            let mirror = 30.0 * ((at + column) as f64 * 0.023).sin();
            mirror + ((row * 31 + column * 17 + k * 101) % 89) as f64 * 0.01 + (k % 5) as f64
        });
        let pixel = PixelSize { x_mm: 0.1, y_mm: 0.1 };
        let comment = format!("Position= {k}  X-coord= {:.5}  Y-coord= 0.0", -(at as f64) * 0.1);
        let mut header = MetroProHeader { comment, ..MetroProHeader::default() };
        header.phase.row = (k % 2) as i16;
        let bytes = write_metropro(&HeightMap::from_heights_nm(heights, Some(pixel)), &header).unwrap();
        std::fs::write(folder.path().join(format!("sub_{k:02}.dat")), bytes).unwrap();
    }
    folder
}

fn inputs(folder: &Path) -> Vec<InputFile> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| InputFile::from_path(&entry.file_name().to_string_lossy(), &entry.path()).unwrap()).collect()
}

fn context() -> RunContext {
    RunContext::new("mirror", "alice", "test", UnixTime { seconds: 1_700_000_000, nanoseconds: 0 })
}

/// Runs it through a scratch folder.
fn streamed(inputs: &[InputFile], recipe: &str, scratch: &Path) -> Result<RunOutput, RunFailure> {
    let context = RunContext { memory_limit: Some(MEMORY), scratch: Some(scratch.to_owned()), ..context() };
    run(inputs, &Recipe::parse(recipe).unwrap(), Some(recipe), &context, &())
}

fn refused_in_memory(inputs: &[InputFile], recipe: &str) -> RunFailure {
    let context = RunContext { memory_limit: Some(MEMORY), ..context() };
    run(inputs, &Recipe::parse(recipe).unwrap(), Some(recipe), &context, &()).err().unwrap()
}

#[test]
fn every_file_of_the_result_is_that_of_a_run_in_memory() {
    let folder = series();
    let inputs = inputs(folder.path());
    let scratch = tempfile::tempdir().unwrap();
    for recipe in [
        "[series]\nexpected = 41\n",
        "[[before]]\nstep = \"mask\"\nkeep = \"inside\"\n[before.region.rectangle]\nsize = [\"35 mm\", \"15 mm\"]\n",
        "[positions]\npixel_mm = 0.1\n[stitch]\nterms = [\"piston\"]\nreference = \"none\"\n",
    ] {
        assert_eq!(refused_in_memory(&inputs, recipe).kind, FailureKind::TooLarge);
        let expected = run(&inputs, &Recipe::parse(recipe).unwrap(), Some(recipe), &context(), &()).unwrap();
        let output = streamed(&inputs, recipe, scratch.path()).unwrap();
        assert_eq!(output.digest, expected.digest);
        assert_eq!(output.overview, expected.overview);
        for (own, other) in output.files.iter().zip(&expected.files) {
            assert_eq!((&own.name, own.bytes == other.bytes), (&other.name, true), "{recipe}");
        }
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let folder = series();
    let scratch = tempfile::tempdir().unwrap();
    let other = inputs(folder.path());
    let path = folder.path().join("sub_17.dat");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
    let damaged = streamed(&inputs(folder.path()), "", scratch.path()).err().unwrap();
    assert_eq!(damaged.kind, FailureKind::BadFiles, "{damaged}");
    assert!(damaged.permanent && damaged.message.contains("sub_17.dat: "), "{damaged}");
    let changed = streamed(&other, "", scratch.path()).err().unwrap();
    assert_eq!(changed.kind, FailureKind::Storage, "{changed}");
    assert!(changed.message.contains("sub_17.dat: ") && changed.message.contains("SHA-256"), "{changed}");
    std::fs::write(&path, &whole[..500]).unwrap();
    let header = streamed(&inputs(folder.path()), "", scratch.path()).err().unwrap();
    assert_eq!(header.kind, FailureKind::BadFiles, "{header}");
    assert!(header.message.contains("sub_17.dat: "), "{header}");
}

#[test]
fn what_needs_the_whole_series_is_refused() {
    let folder = series();
    let scratch = tempfile::tempdir().unwrap();
    let failure = streamed(&inputs(folder.path()), "[stitch]\nrefine = \"offsets\"\n", scratch.path()).err().unwrap();
    assert_eq!(failure.kind, FailureKind::TooLarge);
    assert!(failure.message.contains("positions"), "{failure}");
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let folder = series();
    let (inputs, scratch) = (inputs(folder.path()), tempfile::tempdir().unwrap());
    let results: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..2).map(|_| scope.spawn(|| streamed(&inputs, "", scratch.path()))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let done: Vec<&String> = results.iter().filter_map(|result| result.as_ref().ok()).map(|o| &o.digest).collect();
    assert!(!done.is_empty() && done.iter().all(|digest| *digest == done[0]));
    for failure in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(failure.kind == FailureKind::Storage && failure.message.contains("another run"), "{failure}");
    }
}
