//! Steps of a recipe, from the text of `stitch.toml` to the files they leave.

mod folder;

use folder::{bytes, json, run_in, series};
use stitchbox_formats::{
    Limits, Measurement, NexusRecord, read_measurement, read_metropro, read_uncertainty, write_metropro,
    write_nexus_map,
};
use stitchbox_recipe::{FailureKind, Recipe, Step};
use stitchbox_surface::HeightMap;

fn map(name: &str, content: &[u8]) -> HeightMap {
    match read_measurement(name, content, &Limits::default()).unwrap() {
        Measurement::Map(sub_aperture) => sub_aperture.map,
        other => panic!("{name} holds {other:?}"),
    }
}

/// Number, found things and parameters of each step.
fn found(output: &stitchbox_recipe::RunOutput) -> Vec<serde_json::Value> {
    json(output, "steps.json")["steps"].as_array().unwrap().iter().map(|step| step["found"].clone()).collect()
}

#[test]
fn steps_describe_and_change_a_copy_of_the_map() {
    let folder = series(
        "[stitch]\nreference = \"pixelwise\"\n[[after]]\nstep = \"statistics\"\n[[after]]\nstep = \"remove\"\nshape = \"plane\"\n\
         [[after]]\nstep = \"statistics\"\n",
    );
    let output = run_in(folder.path()).unwrap();
    let found = found(&output);
    let (before, after) = (found[0]["rms_nm"].as_f64().unwrap(), found[2]["rms_nm"].as_f64().unwrap());
    // The solver takes the plane off already.
    assert!((before - after).abs() < 1e-6 * before && before > 0.0, "{before} {after}");
    assert!(
        (before - output.summary.as_ref().unwrap().rms_nm).abs() < 1e-9 * before,
        "{before} {}",
        output.summary.as_ref().unwrap().rms_nm
    );
    let processed = map("processed.h5", bytes(&output, "processed.h5"));
    assert_eq!(
        processed.shape(),
        (output.summary.as_ref().unwrap().shape[0], output.summary.as_ref().unwrap().shape[1])
    );
    assert!(bytes(&output, "processed.png").starts_with(b"\x89PNG"));
    let provenance = json(&output, "provenance.json").to_string();
    assert!(provenance.contains("steps.json") && provenance.contains("processed.h5"), "the outputs are not all named");
}

#[test]
fn steps_do_not_touch_the_stitched_map_itself() {
    let plain = run_in(series("").path()).unwrap();
    let stepped = run_in(series("[[after]]\nstep = \"multiply\"\nfactor = -1.0\n").path()).unwrap();
    assert_eq!(plain.digest, stepped.digest);
    let height = map("height.h5", bytes(&plain, "height.h5"));
    let turned = map("processed.h5", bytes(&stepped, "processed.h5"));
    assert_eq!(turned.valid(), height.valid());
    assert!(height.heights_nm().iter().zip(turned.heights_nm()).all(|(a, b)| *a == -*b));
}

#[test]
fn a_profile_a_restart_and_a_second_chain() {
    let folder = series(
        "[[after]]\nstep = \"section\"\nalong = \"x\"\nwidth = \"0.1 mm\"\n[[after]]\nstep = \"remove-from-profile\"\nshape = \"line\"\n\
         [[after]]\nstep = \"restart\"\n[[after]]\nstep = \"differentiate\"\n",
    );
    let output = run_in(folder.path()).unwrap();
    let csv = String::from_utf8(bytes(&output, "01-profile.csv").to_vec()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "x_mm,height_nm,uncertainty_nm");
    assert!(lines.len() > output.summary.as_ref().unwrap().shape[1] * 9 / 10, "{} lines", lines.len());
    assert_eq!(lines[1].split(',').count(), 3);
    assert!(String::from_utf8_lossy(bytes(&output, "processed-1.csv")).starts_with("x_mm,height_nm"));
    assert!(String::from_utf8_lossy(bytes(&output, "processed-2_x.csv")).starts_with("# Slopes in urad"));
}

#[test]
fn a_map_of_the_folder_is_subtracted_and_named_as_input() {
    let first = run_in(series("").path()).unwrap();
    let folder = series("[[after]]\nstep = \"subtract\"\nfile = \"before.h5\"\n[[after]]\nstep = \"statistics\"\n");
    std::fs::write(folder.path().join("before.h5"), bytes(&first, "height.h5")).unwrap();
    let output = run_in(folder.path()).unwrap();
    assert_eq!(found(&output)[1]["rms_nm"], 0.0);
    let provenance = json(&output, "provenance.json").to_string();
    assert!(provenance.contains("before.h5") && provenance.contains("named"), "{provenance}");
    std::fs::remove_file(folder.path().join("before.h5")).unwrap();
    let failure = run_in(folder.path()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadRecipe);
    assert!(failure.message.contains("before.h5") && failure.message.contains("Add it"), "{failure}");
}

#[test]
fn a_mask_before_stitching_takes_its_pixels_out_of_every_sub_aperture() {
    let plain = run_in(series("").path()).unwrap();
    let folder = series(
        "[[before]]\nstep = \"mask\"\nkeep = \"inside\"\n[before.region.rectangle]\nsize = [\"100 m\", \"100 m\"]\n",
    );
    let all = run_in(folder.path()).unwrap();
    assert_eq!(plain.digest, all.digest, "a mask that keeps everything changes nothing");
}

#[test]
fn other_formats_hold_the_same_heights() {
    let folder = series("[output]\nformats = [\"x3p\", \"csv\", \"xyz\", \"metropro\", \"dabam\"]\n");
    let output = run_in(folder.path()).unwrap();
    let height = map("height.h5", bytes(&output, "height.h5"));
    for name in ["height.x3p", "height.csv", "height.dat"] {
        let other = map(name, bytes(&output, name));
        assert_eq!(other.valid(), height.valid(), "{name}");
        let worst = height.heights_nm().iter().zip(other.heights_nm()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // Half a step of MetroPro, 632.8 nm * 0.5 / 32768 / 2; the others keep every digit but those of the unit.
        let allowed = if name == "height.dat" { 0.004_83 } else { 1e-9 };
        assert!(worst <= allowed, "{name}: {worst} nm");
    }
    assert!(bytes(&output, "profile.dat").len() > 1000 && bytes(&output, "height.xyz").len() > 1000);
    json(&output, "profile.txt");
}

#[test]
fn a_cross_check_is_written_beside_the_result_and_changes_nothing() {
    let plain = run_in(series("").path()).unwrap();
    let folder = series(
        "[[stitch.cross_check]]\nalgorithm = \"progressive\"\n[[stitch.cross_check]]\nalgorithm = \"pair-planes\"\nreference = \"full\"\n",
    );
    let output = run_in(folder.path()).unwrap();
    assert_eq!(plain.digest, output.digest);
    let checked = json(&output, "cross_check.json");
    let methods = checked["methods"].as_array().unwrap();
    assert_eq!(methods.len(), 2);
    for method in methods {
        let rms = method["difference"]["rms_nm"].as_f64().unwrap();
        assert!(rms > 0.01 && rms < 200.0, "{method}");
    }
}

#[test]
fn what_a_step_refuses_is_told_with_its_line() {
    let refused = |text: &str| Recipe::parse(text).unwrap_err();
    let error = refused("[[after]]\nstep = \"median\"\n\n[[after]]\nstep = \"gausian\"\n");
    assert_eq!(error.line, 5);
    assert!(error.message.contains("\"gaussian\""), "{error}");
    let error = refused("[[after]]\nstep = \"section\"\nat = \"2 nrad\"\n");
    assert_eq!(error.line, 3);
    assert!(error.message.contains("length") && error.message.contains("mm"), "{error}");
    let error = refused("[[after]]\nstep = \"section\"\nwidht = \"2 mm\"\n");
    assert_eq!(error.line, 3);
    assert!(error.message.contains("\"width\""), "{error}");
    let error = refused("[[after]]\nstep = \"section\"\nwidth = 2\n");
    assert!(error.line == 3 && error.message.contains("unit"), "{error}");
    let error = refused("[[before]]\nstep = \"rotate\"\nangle = \"2 mrad\"\n");
    assert!(error.line == 2 && error.message.contains("[[after]]"), "{error}");
    assert_eq!(refused("[[after]]\nfile = \"a\"\n").line, 2);
    assert_eq!(refused("after = 3\n").line, 1);
}

#[test]
fn every_step_is_in_the_reference_page_and_reads_back() {
    let page = stitchbox_recipe::reference_page();
    for name in Step::NAMES {
        assert!(page.contains(&format!("### `step = \"{name}\"`")), "{name}");
    }
    // What stands inside of other keys: a mask's region, a shape's degrees, a method's settings.
    for inside in [
        "| `min_overlap` |",
        "Forms of `region`",
        "{ rectangle = …",
        "Forms of `shape`",
        "`\"sphere\"`",
        "| `zero_mean` |",
    ] {
        assert!(page.contains(inside), "{inside}");
    }
    let broken = page.lines().find(|line| line.starts_with('|') && !line.ends_with('|'));
    assert!(broken.is_none(), "a cell holds a line feed: {broken:?}");
    let text = "[[after]]\nstep = \"section\"\nwidth = \"2 mm\"\n[[after]]\nstep = \"multiply\"\nfactor = 2.5\n";
    let recipe = Recipe::parse(text).unwrap();
    assert_eq!(Recipe::parse(&recipe.resolved_toml()).unwrap(), recipe, "{}", recipe.resolved_toml());
}

#[test]
fn spectra_and_comparisons_leave_their_files_and_the_map_alone() {
    let first = run_in(series("").path()).unwrap();
    let folder = series(
        "[[after]]\nstep = \"psd\"\n[[after]]\nstep = \"band-rms\"\nfrom = \"0 1/mm\"\nto = \"1 1/um\"\n\
         [[after]]\nstep = \"compare\"\nfile = \"before.h5\"\n[[after]]\nstep = \"areal-psd\"\nmin_valid = 0.5\n",
    );
    std::fs::write(folder.path().join("before.h5"), bytes(&first, "height.h5")).unwrap();
    let output = run_in(folder.path()).unwrap();
    let found = found(&output);
    // The whole band holds what the density adds up to.
    let (whole, band) = (found[0]["rms"].as_f64().unwrap(), found[1]["rms"].as_f64().unwrap());
    assert!(whole > 0.0 && (whole - band).abs() < 1e-9 * whole, "{whole} {band}");
    assert_eq!(found[2]["rms_nm"], 0.0);
    assert_eq!(found[2]["e_n_within_1"], 1.0, "the uncertainties of both files were read");
    let csv = String::from_utf8_lossy(bytes(&output, "01-psd.csv")).into_owned();
    assert!(csv.starts_with("frequency_per_mm,density_nm2_mm,rms_up_to_here\n") && csv.lines().count() > 100);
    bytes(&output, "03-difference.h5");
    bytes(&output, "04-psd.csv");
    assert!(output.files.iter().all(|file| !file.name.starts_with("processed")), "nothing changed the map");
}

/// The columns of a table beside `x_mm`, by their names.
fn columns(output: &stitchbox_recipe::RunOutput, name: &str) -> (String, Vec<Vec<f64>>) {
    let text = String::from_utf8(bytes(output, name).to_vec()).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap().to_owned();
    (header, lines.map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect())
}

#[test]
fn a_profile_loses_its_uncertainty_where_its_values_become_others() {
    let section = "[[after]]\nstep = \"section\"\nalong = \"x\"\nwidth = \"0.1 mm\"\n";
    for (step, header) in [
        ("step = \"remove-from-profile\"\nshape = \"line\"", "x_mm,height_nm,uncertainty_nm"),
        ("step = \"gaussian\"\nkeep_longer_than = \"20 mm\"", "x_mm,height_nm"),
        ("step = \"differentiate\"", "x_mm,slope_urad"),
        ("step = \"differentiate\"\n[[after]]\nstep = \"integrate-profile\"", "x_mm,height_nm"),
    ] {
        let output = run_in(series(&format!("{section}[[after]]\n{step}\n")).path()).unwrap();
        assert_eq!(columns(&output, "processed.csv").0, header, "{step}");
    }
}

#[test]
fn the_uncertainties_of_a_difference_add_in_quadrature() {
    let first = run_in(series("").path()).unwrap();
    let section = "[[after]]\nstep = \"section\"\nalong = \"x\"\nwidth = \"0.1 mm\"\n";
    let chain = |file: &str| {
        format!("{section}[[after]]\nstep = \"restart\"\n[[after]]\nstep = \"subtract\"\nfile = \"{file}\"\n{section}")
    };
    let folder = series(&chain("before.h5"));
    std::fs::write(folder.path().join("before.h5"), bytes(&first, "height.h5")).unwrap();
    let output = run_in(folder.path()).unwrap();
    let (one, both) = (columns(&output, "01-profile.csv").1, columns(&output, "04-profile.csv").1);
    assert!(one.len() > 10 && one.len() == both.len());
    for (one, both) in one.iter().zip(&both) {
        // The same uncertainty twice.
        assert!((both[2] - one[2] * 2f64.sqrt()).abs() < 1e-9 * one[2] && one[2] > 0.0, "{one:?} {both:?}");
    }
    let folder = series(&chain("plain.h5"));
    let plain = map("height.h5", bytes(&first, "height.h5"));
    let plain = write_nexus_map(&plain, None, None, &NexusRecord::default()).unwrap();
    std::fs::write(folder.path().join("plain.h5"), plain).unwrap();
    let output = run_in(folder.path()).unwrap();
    assert_eq!(columns(&output, "04-profile.csv").0, "x_mm,height_nm", "nothing is known of one of the two");
}

#[test]
fn a_map_of_steps_keeps_its_uncertainty_and_its_place() {
    let output = run_in(series("[[after]]\nstep = \"remove\"\nshape = \"plane\"\n").path()).unwrap();
    let uncertainty = |name: &str| read_uncertainty(bytes(&output, name), &Limits::default()).unwrap();
    let (height, processed) = (uncertainty("height.h5").unwrap(), uncertainty("processed.h5").unwrap());
    assert_eq!(height.heights_nm(), processed.heights_nm());
    let place = |name: &str| match read_measurement(name, bytes(&output, name), &Limits::default()).unwrap() {
        Measurement::Map(map) => map.position_mm.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(place("height.h5"), place("processed.h5"));
}

#[test]
fn the_pixel_size_of_the_recipe_holds_for_other_maps_and_their_window_must_be_that_of_the_series() {
    let folder = series("[positions]\npixel_mm = 0.7\n[[before]]\nstep = \"subtract\"\nfile = \"flat.dat\"\n");
    let (from, to) = (folder.path().join("sub_01.dat"), folder.path().join("flat.dat"));
    let mut flat = read_metropro(&std::fs::read(from).unwrap(), &Limits::default()).unwrap();
    let own = (flat.header.phase.column, flat.header.phase.row);
    // Another pixel size than that of the recipe: the recipe has the last word.
    std::fs::write(&to, write_metropro(&flat.map, &flat.header).unwrap()).unwrap();
    run_in(folder.path()).unwrap();
    (flat.header.phase.column, flat.header.phase.row) = (own.0 + 7, own.1);
    std::fs::write(&to, write_metropro(&flat.map, &flat.header).unwrap()).unwrap();
    let failure = run_in(folder.path()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadRecipe);
    assert!(failure.message.contains("detector window") && failure.message.contains("flat.dat"), "{failure}");
}

#[test]
fn what_can_only_fail_is_refused_with_its_line() {
    for (line, text) in [
        (3, "[[after]]\nstep = \"bin\"\nx = 0\n"),
        (4, "[[after]]\nstep = \"crop\"\nx = [\"0 mm\", \"1 mm\"]\ncolumns = [0, 3]\n"),
        (2, "[[after]]\nstep = \"gaussian\"\naxes = \"x\"\n"),
        (4, "[[after]]\nstep = \"gaussian\"\nkeep_longer_than = \"3 mm\"\nkeep_shorter_than = \"2 mm\"\n"),
        (4, "[[after]]\nstep = \"band-rms\"\nfrom = \"2 1/mm\"\nto = \"1 1/mm\"\n"),
        (3, "[[after]]\nstep = \"remove\"\nshape = { terms = [] }\n"),
        (3, "[[before]]\nstep = \"subtract\"\nfile = \"../secret.h5\"\n"),
        (3, "[[after]]\nstep = \"compare\"\nfile = \"/etc/passwd\"\n"),
        (2, "[stitch]\nangle_sigma = \"0 urad\"\n"),
        (2, "[output]\nformats = [\"csv\", \"x3p\", \"csv\"]\n"),
    ] {
        let error = Recipe::parse(text).expect_err(text);
        assert_eq!(error.line, line, "{text}: {error}");
    }
    for method in
        ["min_overlap = 0.0", "min_overlap = 1.5", "reference_cut = -1.0", "sweeps = 0", "sweeps = 4000000000"]
    {
        assert!(Recipe::parse(&format!("[[stitch.cross_check]]\n{method}\n")).is_err(), "{method}");
    }
}

#[test]
fn a_mistyped_key_inside_of_another_is_found() {
    for (line, text, hint) in [
        (3, "[[after]]\nstep = \"remove\"\nshape = { polynomal = { x = 2 } }\n", "\"polynomial\""),
        (3, "[[after]]\nstep = \"remove\"\nshape = \"spere\"\n", "\"sphere\""),
        (4, "[[after]]\nstep = \"mask\"\n[after.region.rectangle]\nsise = [\"1 mm\", \"1 mm\"]\n", "\"size\""),
        (3, "[[after]]\nstep = \"remove\"\nshape = 3\n", "forms"),
    ] {
        let error = Recipe::parse(text).expect_err(text);
        assert!(error.line == line && error.message.contains(hint), "{text}: {error}");
    }
}

/// Asks to stop at a word.
struct StopAt(&'static str, std::sync::atomic::AtomicBool);

impl stitchbox_stitch::Progress for StopAt {
    fn at(&self, _: f64, step: &str) {
        if step == self.0 {
            self.1.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn steps_that_do_not_fit_together_are_refused_before_the_solve() {
    let steps = "[[after]]\nstep = \"section\"\n[[after]]\nstep = \"bin\"\n";
    for (text, word) in [
        (steps.to_owned(), "a profile"),
        ("[[after]]\nstep = \"differentiate\"\n[[after]]\nstep = \"statistics\"\n".to_owned(), "slope maps"),
        ("[[after]]\nstep = \"integrate\"\n".to_owned(), "a map"),
        ("[[after]]\nstep = \"subtract\"\nfile = \"gone.h5\"\n".to_owned(), "gone.h5"),
    ] {
        // Whoever reaches the solver is stopped there, and fails otherwise than by the recipe.
        let failure = folder::run_with(series(&text).path(), &StopAt("stitching", false.into())).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadRecipe, "{failure}");
        assert!(failure.message.contains(word), "{failure}");
    }
}

#[test]
fn a_run_ends_between_its_steps_when_asked_to() {
    let text = "[[after]]\nstep = \"statistics\"\n[[after]]\nstep = \"psd\"\n";
    let failure = folder::run_with(series(text).path(), &StopAt("steps after stitching", false.into())).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
}

#[test]
fn steps_on_one_map_name_their_inputs_and_outputs() {
    let folder = series("");
    let path = folder.path().join("sub_01.dat");
    let file = stitchbox_recipe::InputFile::from_path("sub_01.dat", &path).unwrap();
    let text = "[[after]]\nstep = \"remove\"\nshape = \"plane\"\n";
    let recipe = Recipe::parse(text).unwrap();
    let started_at = stitchbox_report::UnixTime { seconds: 1_700_000_000, nanoseconds: 0 };
    let context = stitchbox_recipe::RunContext::new("one map", "alice", "test", started_at);
    let files = stitchbox_recipe::process(&file, &[], &recipe, Some(text), &context, &()).unwrap();
    let provenance = &files.iter().find(|file| file.name == "provenance.json").unwrap().bytes;
    let provenance = String::from_utf8_lossy(provenance);
    for word in ["sub_01.dat", file.sha256.as_str(), "processed.h5", "steps.json", "shape = "] {
        assert!(provenance.contains(word), "{word}: {provenance}");
    }
    let nothing = stitchbox_recipe::process(&file, &[], &Recipe::default(), None, &context, &()).unwrap();
    assert!(nothing.is_empty());
}
