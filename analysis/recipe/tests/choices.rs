//! Which of several sources a run takes: of positions, of the recipe, of the reference.

use std::path::Path;

use ndarray::{Array2, Ix2};
use stitchbox_formats::{Limits, MetroProHeader, read_metropro, write_metropro};
use stitchbox_recipe::{
    Clock, FailureKind, InputFile, Recipe, RecipeOrigin, RunContext, RunFailure, RunOutput, UnixTime, run,
};
use stitchbox_simulate::score::{NullSpace, residual_nm, rms_nm};
use stitchbox_simulate::{Parameters, Simulated, limit_nm, simulate, write_series};
use stitchbox_stitch::{Options, Reference};
use stitchbox_surface::HeightMap;
use tempfile::TempDir;

fn series() -> (TempDir, Simulated) {
    let folder = tempfile::tempdir().unwrap();
    let simulated = simulate(&Parameters::default());
    write_series(&simulated, folder.path()).unwrap();
    (folder, simulated)
}

fn inputs(folder: &Path) -> Vec<InputFile> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| InputFile::from_path(&e.file_name().to_string_lossy(), &e.path()).unwrap()).collect()
}

fn context() -> RunContext {
    RunContext::new("mirror", "alice", "test", UnixTime { seconds: 1_700_000_000, nanoseconds: 0 })
}

fn stitch(folder: &Path, text: Option<&str>, context: &RunContext) -> Result<RunOutput, RunFailure> {
    let recipe = text.map_or_else(Recipe::default, |text| Recipe::parse(text).unwrap());
    run(&inputs(folder), &recipe, text, context, &())
}

/// Writes every file of the series again with another header.
fn change(folder: &Path, edit: impl Fn(usize, &mut MetroProHeader)) {
    for k in 1..=12 {
        let path = folder.join(format!("sub_{k:02}.dat"));
        let mut file = read_metropro(&std::fs::read(&path).unwrap(), &Limits::default()).unwrap();
        edit(k, &mut file.header);
        std::fs::write(&path, write_metropro(&file.map, &file.header).unwrap()).unwrap();
    }
}

/// Puts the stage where the comment says that it stood, from another zero.
fn set_stage(k: usize, header: &mut MetroProHeader, simulated: &Simulated) {
    header.stage.state = 1;
    header.stage.x_inches = (-(simulated.x_px[k - 1] * simulated.pixel_mm + 100.0) / 25.4) as f32;
}

fn provenance(output: &RunOutput) -> serde_json::Value {
    let file = output.files.iter().find(|file| file.name == "provenance.json").unwrap();
    serde_json::from_slice(&file.bytes).unwrap()
}

/// One word for the position of every sub-aperture.
fn position_from(output: &RunOutput) -> String {
    let provenance = provenance(output);
    let entities = provenance["entity"].as_object().unwrap().values();
    let mut words: Vec<&str> = entities.filter_map(|e| e["sbx:position_from"].as_str()).collect();
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    words[0].to_owned()
}

#[test]
fn one_source_of_positions_serves_the_whole_series_and_is_named() {
    let (folder, simulated) = series();
    assert_eq!(position_from(&stitch(folder.path(), None, &context()).unwrap()), "comment");
    // one comment is missing: the stage, which every file tells, places all
    change(folder.path(), |k, header| {
        set_stage(k, header, &simulated);
        if k == 5 {
            header.comment.clear();
        }
    });
    assert_eq!(position_from(&stitch(folder.path(), None, &context()).unwrap()), "stage");
    // a comment here and a stage there share no zero
    change(folder.path(), |k, header| header.stage.state = i32::from(k == 5));
    let mixed = stitch(folder.path(), None, &context()).err().unwrap();
    assert_eq!(mixed.kind, FailureKind::NoPositions);
    assert!(mixed.message.contains("position") && mixed.message.contains("sub_05.dat"), "{}", mixed.message);
    assert!(!mixed.message.contains("sub_04.dat"), "{}", mixed.message);
}

#[test]
fn a_stage_that_stands_still_tells_no_positions() {
    let (folder, _) = series();
    change(folder.path(), |_, header| {
        header.comment.clear();
        header.stage.state = 1;
    });
    let failure = stitch(folder.path(), None, &context()).err().unwrap();
    assert_eq!(failure.kind, FailureKind::NoPositions);
    assert!(failure.message.contains("there are no positions"), "{}", failure.message);
    assert!(failure.message.contains("the same in every file"), "{}", failure.message);
}

#[test]
fn the_recipe_may_name_files_as_a_list_may() {
    let (folder, simulated) = series();
    let mut recipe = "[positions.at]\n".to_owned();
    for (k, x) in simulated.x_px.iter().enumerate() {
        recipe.push_str(&format!("\"SUB_{:02}\" = [{:?}, 0]\n", k + 1, x * simulated.pixel_mm));
    }
    assert_eq!(position_from(&stitch(folder.path(), Some(&recipe), &context()).unwrap()), "recipe");
}

#[test]
fn the_recipe_of_the_folder_is_an_input_and_another_is_not() {
    let (folder, _) = series();
    let text = "[stitch]\nrobust = false\n";
    std::fs::write(folder.path().join("stitch.toml"), text).unwrap();
    std::fs::write(folder.path().join("Stitch.TOML"), "[stitch]\nrobust = true\n").unwrap();
    let with_clock = |origin| RunContext {
        recipe_origin: origin,
        clock: Some(Clock::new(|| UnixTime { seconds: 1_700_000_007, nanoseconds: 0 })),
        ..context()
    };
    let recipes = |output: &RunOutput| -> Vec<String> {
        let provenance = provenance(output);
        let entities = provenance["entity"].as_object().unwrap().values();
        let recipes = entities.filter(|e| e["sbx:role"] == "recipe");
        recipes.map(|e| e["prov:label"].as_str().unwrap().to_owned()).collect()
    };
    let own = stitch(folder.path(), Some(text), &with_clock(RecipeOrigin::Folder)).unwrap();
    assert_eq!(recipes(&own), ["stitch.toml"]);
    let activity = &provenance(&own)["activity"]["sbx:run"];
    assert_eq!(activity["sbx:recipe"]["origin"], "stitch.toml");
    assert_eq!(activity["prov:endTime"], "2023-11-14T22:13:27Z");
    let origin = "the default recipe of the space";
    let other = stitch(folder.path(), Some(text), &with_clock(RecipeOrigin::Elsewhere(origin.to_owned()))).unwrap();
    assert_eq!(recipes(&other), [""; 0]);
    assert_eq!(other.digest, own.digest);
    let report = other.files.iter().find(|file| file.name == "report.html").unwrap();
    let report = String::from_utf8(report.bytes.clone()).unwrap();
    assert!(report.contains("From the default recipe of the space"), "the report says where the recipe came from");
}

fn height(output: &RunOutput) -> HeightMap {
    let bytes = output.files.iter().find(|file| file.name == "height.h5").unwrap().bytes.clone();
    let file = hdf5_reader::Hdf5File::from_vec(bytes).unwrap();
    let heights = file.dataset("/entry/stitched/height").unwrap().read_array::<f64>().unwrap();
    HeightMap::from_heights_nm(heights.into_dimensionality::<Ix2>().unwrap(), None)
}

#[test]
fn a_known_reference_is_taken_off_where_its_window_lies_in_the_camera() {
    let (folder, simulated) = series();
    let text = "[stitch]\nreference = \"file\"\nreference_file = \"flat.dat\"\n";
    assert_eq!(Recipe::parse(text).unwrap().reference_file(), Some("flat.dat"));
    let pixel = simulated.sub_apertures[0].pixel();
    let flat = |heights: &Array2<f64>, header: &MetroProHeader| {
        let map = HeightMap::from_heights_nm(heights.clone(), pixel);
        std::fs::write(folder.path().join("flat.dat"), write_metropro(&map, header).unwrap()).unwrap();
    };
    flat(&simulated.reference_nm, &MetroProHeader::default());
    let exact = stitch(folder.path(), Some(text), &context()).unwrap();
    // With the reference known only a plane is open: the curvature of the mirror is found too.
    let error = rms_nm(&residual_nm(&height(&exact), &simulated.truth_nm, NullSpace::Plane).unwrap());
    let options = Options { reference: Reference::None, ..Options::default() };
    let limit = limit_nm(&simulated, &options, NullSpace::Plane).unwrap();
    assert!(error < 1.05 * limit, "error {error} nm, limit {limit} nm");

    // The same reference as part of a larger one, and the series in a window of the camera.
    change(folder.path(), |_, header| (header.phase.column, header.phase.row) = (7, 3));
    let (rows, columns) = simulated.reference_nm.dim();
    let whole = Array2::from_shape_fn((rows + 5, columns + 11), |(row, column)| {
        let inside = (1..=rows).contains(&row) && (2..columns + 2).contains(&column);
        if inside { simulated.reference_nm[[row - 1, column - 2]] } else { 1000.0 }
    });
    let mut header = MetroProHeader::default();
    (header.phase.column, header.phase.row) = (5, 2);
    flat(&whole, &header);
    assert_eq!(stitch(folder.path(), Some(text), &context()).unwrap().digest, exact.digest);

    // One that lies elsewhere does not cover the window.
    (header.phase.column, header.phase.row) = (50, 2);
    flat(&whole, &header);
    let elsewhere = stitch(folder.path(), Some(text), &context()).err().unwrap();
    assert_eq!(elsewhere.kind, FailureKind::BadRecipe);
}

#[test]
fn a_file_name_at_the_head_of_a_sentence_keeps_its_spelling() {
    let (folder, _) = series();
    std::fs::rename(folder.path().join("sub_01.dat"), folder.path().join("mein spiegel.dat")).unwrap();
    change_one(&folder.path().join("mein spiegel.dat"));
    let failure = stitch(folder.path(), None, &context()).err().unwrap();
    assert!(failure.message.starts_with("mein spiegel.dat carries no lateral calibration"), "{}", failure.message);
}

/// Takes the lateral calibration out of a file.
fn change_one(path: &Path) {
    let file = read_metropro(&std::fs::read(path).unwrap(), &Limits::default()).unwrap();
    std::fs::write(path, write_metropro(&file.map.with_pixel(None), &file.header).unwrap()).unwrap();
}

#[test]
fn a_series_too_large_for_the_memory_is_refused_before_it_is_read() {
    let (folder, _) = series();
    let mut inputs = inputs(folder.path());
    // reading would find another content
    inputs.iter_mut().for_each(|input| input.sha256 = "0".repeat(64));
    let context = RunContext { memory_limit: Some(1 << 20), ..context() };
    let failure = run(&inputs, &Recipe::default(), None, &context, &()).err().unwrap();
    assert_eq!(failure.kind, FailureKind::TooLarge);
}
