//! Runs on real folders: what comes out, and what is said when nothing can.

use std::path::Path;
use std::sync::Mutex;

use stitchbox_recipe::{FailureKind, InputFile, Recipe, RunContext, RunFailure, RunOutput, run};
use stitchbox_report::{OUTPUT_NAMES, UnixTime};
use stitchbox_simulate::{Parameters, simulate, write_series};
use stitchbox_stitch::Progress;
use tempfile::TempDir;

/// A folder with the twelve files of the small simulated case.
fn series() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_series(&simulate(&Parameters::default()), folder.path()).unwrap();
    folder
}

fn inputs(folder: &Path) -> Vec<InputFile> {
    let mut inputs: Vec<InputFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| InputFile::from_path(&entry.file_name().to_string_lossy(), &entry.path()).unwrap())
        .collect();
    // a caller may hand them over in any order
    inputs.sort_by(|a, b| b.name.cmp(&a.name));
    inputs
}

fn context() -> RunContext {
    RunContext::new("mirror", "alice", "test", UnixTime { seconds: 1_700_000_000, nanoseconds: 0 })
}

fn run_in(folder: &Path) -> Result<RunOutput, RunFailure> {
    let text = std::fs::read_to_string(folder.join("stitch.toml")).ok();
    let recipe = text.as_deref().map_or_else(Recipe::default, |text| Recipe::parse(text).unwrap());
    run(&inputs(folder), &recipe, text.as_deref(), &context(), &())
}

fn failure(folder: &Path) -> RunFailure {
    run_in(folder).err().unwrap()
}

/// Overwrites bytes of a file.
fn patch(path: &Path, at: usize, bytes: &[u8]) {
    let mut content = std::fs::read(path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(path, content).unwrap();
}

/// Header fields of a MetroPro file.
const LATERAL_RESOLUTION: usize = 184;
const COMMENT: usize = 80;

#[test]
fn a_complete_folder_gives_all_files_and_the_same_bytes_each_time() {
    let folder = series();
    std::fs::write(folder.path().join("paper.pdf"), "%PDF-1.7 ...").unwrap();
    let output = run_in(folder.path()).unwrap();
    assert_eq!(output.files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), OUTPUT_NAMES);
    assert_eq!(output.summary.as_ref().unwrap().sub_apertures, 12);
    assert_eq!(output.digest, output.summary.as_ref().unwrap().digest);
    let again = run_in(folder.path()).unwrap();
    assert_eq!(output.digest, again.digest);
    assert!(output.files == again.files);
    let provenance: serde_json::Value = serde_json::from_slice(&output.files[6].bytes).unwrap();
    let activity = &provenance["activity"]["sbx:run"];
    assert_eq!(
        activity["sbx:ignored"],
        serde_json::json!(["paper.pdf", "positions.json", "reference_nm.npy", "truth_nm.npy"])
    );
    assert_eq!(activity["sbx:parameters"]["terms"], "piston, pitch, roll");
    assert_eq!(provenance["used"].as_object().unwrap().len(), 12);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = series();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run_in(folder.path()).unwrap().digest)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn every_damaged_file_is_named_once_with_its_reason() {
    let folder = series();
    let path = folder.path().join("sub_03.dat");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..5000]).unwrap();
    patch(&folder.path().join("sub_07.dat"), 0, &[0, 1, 2, 3]);
    // absurd sizes in the header
    patch(&folder.path().join("sub_09.dat"), 68, &[0x7f, 0xff, 0x7f, 0xff]);
    let failure = failure(folder.path());
    assert_eq!((failure.kind, failure.permanent), (FailureKind::BadFiles, true));
    for part in [
        "3 of the 12 files",
        "sub_03.dat: the file is truncated",
        "sub_07.dat: ",
        "sub_09.dat: ",
        "Replace these files",
    ] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    assert!(!failure.message.contains("sub_01.dat"), "{}", failure.message);
}

#[test]
fn a_file_without_a_valid_pixel_is_named() {
    let folder = series();
    let path = folder.path().join("sub_02.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    for height in bytes[834..].chunks_exact_mut(4) {
        height.copy_from_slice(&2_147_483_640i32.to_be_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let failure = failure(folder.path());
    assert!(failure.message.contains("sub_02.dat: there is no valid pixel"), "{}", failure.message);
}

#[test]
fn pixel_sizes_must_agree_and_be_known_unless_the_recipe_gives_one() {
    let folder = series();
    patch(&folder.path().join("sub_05.dat"), LATERAL_RESOLUTION, &1e-4f32.to_be_bytes());
    let different = failure(folder.path());
    assert_eq!(different.kind, FailureKind::BadSeries);
    assert!(different.message.contains("sub_05.dat") && different.message.contains("pixel"), "{}", different.message);
    patch(&folder.path().join("sub_05.dat"), LATERAL_RESOLUTION, &0f32.to_be_bytes());
    let unknown = failure(folder.path());
    assert!(unknown.message.contains("sub_05.dat carries no lateral calibration"), "{}", unknown.message);
    let pixel_mm = simulate(&Parameters::default()).pixel_mm;
    std::fs::write(folder.path().join("stitch.toml"), format!("[positions]\npixel_mm = {pixel_mm:?}\n")).unwrap();
    assert_eq!(run_in(folder.path()).unwrap().summary.unwrap().sub_apertures, 12);
}

#[test]
fn positions_come_from_the_recipe_or_the_list_or_the_files_and_are_asked_for_otherwise() {
    let folder = series();
    let simulated = simulate(&Parameters::default());
    let from_files = run_in(folder.path()).unwrap();
    for k in 1..=12 {
        patch(&folder.path().join(format!("sub_{k:02}.dat")), COMMENT, &[0; 82]);
    }
    let missing = failure(folder.path());
    assert_eq!(missing.kind, FailureKind::NoPositions);
    assert!(
        missing.message.contains("sub_12.dat") && missing.message.contains("file,x_mm,y_mm"),
        "{}",
        missing.message
    );

    let mut list = "file;x_mm;y_mm\r\n".to_owned();
    for (k, x) in simulated.x_px.iter().enumerate() {
        // as rounded in the comment of the files
        let x_mm = format!("{:.5}", x * simulated.pixel_mm).replace('.', ",");
        list.push_str(&format!("sub_{:02}.dat;{x_mm};0\r\n", k + 1));
    }
    let list_path = folder.path().join("positions.csv");
    std::fs::write(&list_path, &list).unwrap();
    assert_eq!(run_in(folder.path()).unwrap().digest, from_files.digest);

    std::fs::write(&list_path, list.replace("sub_04.dat", "sub_99.dat")).unwrap();
    let incomplete = failure(folder.path());
    assert!(
        incomplete.message.contains("sub_04.dat") && incomplete.message.contains("1 of the 12"),
        "{}",
        incomplete.message
    );

    std::fs::write(&list_path, list.replace("sub_04.dat;", "sub_04.dat;x")).unwrap();
    let wrong = failure(folder.path());
    assert_eq!(wrong.kind, FailureKind::BadRecipe);
    assert!(wrong.message.starts_with("positions.csv, line 5: x_mm"), "{}", wrong.message);

    let mut recipe = "[positions.at]\n".to_owned();
    for line in list.lines().skip(1) {
        let fields: Vec<String> = line.split(';').map(|f| f.replace(',', ".")).collect();
        recipe.push_str(&format!("\"{}\" = [{}, {}]\n", fields[0], fields[1], fields[2]));
    }
    std::fs::write(folder.path().join("stitch.toml"), recipe).unwrap();
    let output = run_in(folder.path()).unwrap();
    assert_eq!(output.digest, from_files.digest);
    assert!(output.summary.as_ref().unwrap().warnings.iter().any(|w| w.code == "positions-file-not-used"));
}

#[test]
fn sub_apertures_that_do_not_meet_are_a_clear_failure() {
    let folder = series();
    let list: String = (1..=12).map(|k| format!("sub_{k:02}.dat,{}\n", 1000 * k)).collect();
    std::fs::write(folder.path().join("positions.csv"), format!("file,x_mm\n{list}")).unwrap();
    let failure = failure(folder.path());
    assert_eq!(failure.kind, FailureKind::BadSeries);
    assert!(failure.message.contains("do not all overlap"), "{}", failure.message);
}

#[test]
fn too_few_is_silent_without_a_recipe_and_told_with_one() {
    let folder = series();
    for k in 2..=12 {
        std::fs::remove_file(folder.path().join(format!("sub_{k:02}.dat"))).unwrap();
    }
    assert_eq!(failure(folder.path()).kind, FailureKind::TooFew);
    std::fs::write(folder.path().join("stitch.toml"), "[series]\nexpected = 12\n").unwrap();
    let told = failure(folder.path());
    assert_eq!(told.kind, FailureKind::BadSeries);
    assert!(told.message.contains("sub_01.dat"), "{}", told.message);
}

#[test]
fn content_that_is_not_the_recorded_one_is_no_result_and_may_be_tried_again() {
    let folder = series();
    let mut inputs = inputs(folder.path());
    inputs.retain(|i| i.name.ends_with(".dat"));
    inputs[4].sha256 = "0".repeat(64);
    let failure = run(&inputs, &Recipe::default(), None, &context(), &()).err().unwrap();
    assert_eq!((failure.kind, failure.permanent), (FailureKind::Storage, false));
    assert!(failure.message.contains(&inputs[4].name), "{}", failure.message);
}

#[test]
fn a_known_reference_is_read_from_the_folder() {
    let folder = series();
    std::fs::write(
        folder.path().join("stitch.toml"),
        "[stitch]\nreference = \"file\"\nreference_file = \"flat.dat\"\n",
    )
    .unwrap();
    let missing = failure(folder.path());
    assert_eq!(missing.kind, FailureKind::BadRecipe);
    assert!(missing.message.contains("flat.dat"), "{}", missing.message);
    std::fs::copy(folder.path().join("sub_01.dat"), folder.path().join("flat.dat")).unwrap();
    let output = run_in(folder.path()).unwrap();
    assert_eq!(output.summary.as_ref().unwrap().sub_apertures, 12);
}

#[test]
fn memory_that_does_not_suffice_is_told_before_the_work() {
    let folder = series();
    let context = RunContext { memory_limit: Some(1 << 20), ..context() };
    let failure = run(&inputs(folder.path()), &Recipe::default(), None, &context, &()).err().unwrap();
    assert_eq!(failure.kind, FailureKind::TooLarge);
    assert!(failure.message.contains("1 MiB are allowed"), "{}", failure.message);
}

#[derive(Default)]
struct Watch {
    heard: Mutex<Vec<f64>>,
    cancel: bool,
}

impl Progress for Watch {
    fn at(&self, fraction: f64, _step: &str) {
        self.heard.lock().unwrap().push(fraction);
    }

    fn cancelled(&self) -> bool {
        self.cancel
    }
}

#[test]
fn progress_grows_to_one_and_a_cancelled_run_ends() {
    let folder = series();
    let watch = Watch::default();
    run(&inputs(folder.path()), &Recipe::default(), None, &context(), &watch).unwrap();
    let heard = watch.heard.lock().unwrap();
    assert!(heard.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12), "{heard:?}");
    assert_eq!(heard.last(), Some(&1.0));
    let cancelled = Watch { cancel: true, ..Watch::default() };
    let failure = run(&inputs(folder.path()), &Recipe::default(), None, &context(), &cancelled).err().unwrap();
    assert_eq!((failure.kind, failure.permanent), (FailureKind::Cancelled, false));
}
