//! A real result on disk: it is good as written, and a changed byte in any of its files is found and named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use proptest::prelude::*;
use stitchbox_provenance::{CrateError, FileState, FolderCheck, check_folder, fingerprint_of_file, result_folders};
use stitchbox_recipe::{InputFile, Recipe, RunContext, UnixTime, run};
use stitchbox_simulate::{Parameters, simulate, write_series};
use stitchbox_stitch::Progress;
use tempfile::TempDir;

struct Quiet;

impl Progress for Quiet {
    fn at(&self, _: f64, _: &str) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// A stitched series; returns the folder of the results and the result digest.
fn stitched(at: &Path) -> (PathBuf, String) {
    let series = at.join("mirror 4");
    fs::create_dir(&series).unwrap();
    write_series(&simulate(&Parameters::default()), &series).unwrap();
    let mut inputs = Vec::new();
    for entry in fs::read_dir(&series).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            inputs.push(InputFile::from_path(entry.file_name().to_str().unwrap(), &entry.path()).unwrap());
        }
    }
    let text = fs::read_to_string(series.join("stitch.toml")).ok();
    let recipe = text.as_deref().map_or_else(Recipe::default, |text| Recipe::parse(text).unwrap());
    let context = RunContext::new("mirror 4", "ada", "test", UnixTime { seconds: 1_700_000_000, nanoseconds: 0 });
    let output = run(&inputs, &recipe, text.as_deref(), &context, &Quiet).unwrap();
    let results = series.join("Stitched");
    fs::create_dir(&results).unwrap();
    for file in &output.files {
        fs::write(results.join(&file.name), &file.bytes).unwrap();
    }
    (results, output.digest)
}

fn check(results: &Path) -> FolderCheck {
    check_folder(results).unwrap()
}

/// Names of everything that is not as the crate says, with the digest of the result as `digest`.
fn wrong(check: &FolderCheck) -> Vec<String> {
    let files = check.outputs.iter().chain(&check.inputs).filter(|checked| checked.state != FileState::Good);
    let mut names: Vec<String> = files.map(|checked| checked.file.name.clone()).collect();
    if check.digest.as_ref().is_some_and(|digest| digest.as_ref() != Ok(&check.run_crate.digest)) {
        names.push("digest".to_owned());
    }
    names
}

#[test]
fn what_was_written_is_good_and_a_changed_byte_anywhere_is_found_and_named() {
    let folder = TempDir::new().unwrap();
    let (results, digest) = stitched(folder.path());
    assert_eq!(result_folders(folder.path()), std::slice::from_ref(&results));
    let good = check(&results);
    assert!(good.is_good());
    assert_eq!(wrong(&good), Vec::<String>::new());
    assert_eq!(good.digest.clone().unwrap().unwrap(), digest, "made again from height.h5");
    assert_eq!(good.run_crate.digest, digest);
    assert_eq!(good.run_crate.outputs.len(), 7);
    assert!(
        good.run_crate.inputs.len() >= 2 && good.run_crate.recipe.is_some() == results.join("../stitch.toml").exists()
    );
    let outputs = good.run_crate.outputs.iter().map(|file| results.join(&file.name));
    let files: Vec<PathBuf> =
        outputs.chain(good.run_crate.inputs.iter().map(|file| results.join("..").join(&file.name))).collect();
    let busy = Mutex::new(());
    let tampered = |which: prop::sample::Index, at: prop::sample::Index, flip: u8| {
        let _alone = busy.lock();
        let path = &files[which.index(files.len())];
        let original = fs::read(path).unwrap();
        let mut bytes = original.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(path, &bytes).unwrap();
        let check = check(&results);
        fs::write(path, &original).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (check.is_good(), wrong(&check), name)
    };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1u8..);
    runner
        .run(&strategy, |(which, at, flip)| {
            let (is_good, wrong, name) = tampered(which, at, flip);
            prop_assert!(!is_good);
            prop_assert_eq!(wrong.first(), Some(&name));
            prop_assert!(wrong[1..].iter().all(|other| other == "digest"), "{:?}", wrong);
            Ok(())
        })
        .unwrap();
    // A missing input says nothing against the result, a missing output does; a link is no file.
    let input = results.join("..").join(&good.run_crate.inputs[0].name);
    let kept = fs::read(&input).unwrap();
    fs::remove_file(&input).unwrap();
    let without = check(&results);
    assert!(without.is_good());
    assert_eq!(without.inputs[0].state, FileState::Missing);
    fs::write(&input, kept).unwrap();
    let picture = results.join("height.png");
    fs::rename(&picture, folder.path().join("elsewhere.png")).unwrap();
    assert_eq!(wrong(&check(&results)), ["height.png"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("elsewhere.png"), &picture).unwrap();
        assert_eq!(wrong(&check(&results)), ["height.png"]);
        // A link to what never ends is not read, whatever its name.
        fs::remove_file(results.join("height.h5")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", results.join("height.h5")).unwrap();
        assert_eq!(wrong(&check(&results)), ["height.h5", "height.png", "digest"]);
    }
    assert!(check(&results).others.is_empty());
    fs::write(results.join("more.pdf"), "x").unwrap();
    assert_eq!(check(&results).others, ["more.pdf"], "nobody vouches for it");
}

#[test]
fn a_crate_that_leads_out_of_its_folder_or_lies_about_its_recipe_is_refused() {
    let folder = TempDir::new().unwrap();
    let (results, _) = stitched(folder.path());
    let path = results.join("ro-crate-metadata.json");
    let original = fs::read_to_string(&path).unwrap();
    let with = |from: &str, to: &str| {
        assert!(original.contains(from), "{from}");
        fs::write(&path, original.replace(from, to)).unwrap();
        check_folder(&results).unwrap_err()
    };
    assert_eq!(
        with("\"name\": \"height.png\"", "\"name\": \"../../etc/passwd\""),
        CrateError::UnsafeName("../../etc/passwd".to_owned())
    );
    assert_eq!(
        with("\"name\": \"report.html\"", "\"name\": \"height.png\""),
        CrateError::Twice("height.png".to_owned())
    );
    assert!(matches!(with("\"#result-digest\"", "\"#other\""), CrateError::Missing("the result digest")));
    assert!(matches!(with("{", ""), CrateError::NotACrate(_)));
    let check = check_folder(&results.join(".."));
    assert!(matches!(check, Err(CrateError::NotACrate(_))));
    assert_eq!(fingerprint_of_file(&path).unwrap().bytes, original.replace('{', "").len() as u64);
}
