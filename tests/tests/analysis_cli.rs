//! `stitchbox` offline: simulate and stitch by the command line, the same digest whatever the thread count.
//!
//! Everything here is complete without the shared data; where they lie beside the repository, one test more uses them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stitchbox_simulate::{Case, Parameters, npy, simulate};
use stitchbox_tests::{Admin, Damage, ResultFile, Series, data_folder, error_nm, limit_nm, program, say};

fn stitchbox(arguments: &[&str]) -> Admin {
    Admin::run(Command::new(program("stitchbox")).args(arguments), "")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

fn stitch(folder: &Path, out: &Path, more: &[&str]) -> Value {
    let mut arguments = vec!["stitch", text(folder), "-o", text(out), "--json"];
    arguments.extend_from_slice(more);
    let said = stitchbox(&arguments).succeeded();
    serde_json::from_str(said.stdout.trim()).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
fn simulate_writes_genuine_files_and_the_truth_and_is_repeatable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, two, other) = (folder.path().join("one"), folder.path().join("two"), folder.path().join("other"));
    for (path, seed) in [(&one, "7"), (&two, "7"), (&other, "8")] {
        stitchbox(&["simulate", "--case", "S", "--seed", seed, "-o", text(path)]).succeeded();
    }
    let names: Vec<String> = list(&one);
    let maps: Vec<&String> = names.iter().filter(|name| name.ends_with(".dat")).collect();
    assert_eq!(maps.len(), 12, "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("truth_nm")), "{names:?}");
    for name in &maps {
        let bytes = fs::read(one.join(name)).expect("readable");
        assert_eq!(bytes[..4], 0x881B_036Fu32.to_be_bytes(), "{name} is MetroPro format 1");
        assert_eq!(bytes.len(), 834 + 4 * 40 * 200, "{name}");
        assert_eq!(bytes, fs::read(two.join(name)).expect("readable"), "{name}: the same seed, the same bytes");
        assert_ne!(bytes, fs::read(other.join(name)).expect("readable"), "{name}: another seed, another mirror");
    }
    let wrong = text(&folder.path().join("z")).to_owned();
    for arguments in [["--case", "Z"], ["--sigma", "-1"], ["--sigma", "nan"]] {
        let refused = stitchbox(&[&["simulate", "-o", &wrong], &arguments[..]].concat()).refused();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
    }
}

fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder can be listed").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_digest_is_the_same_for_every_thread_count_and_changes_with_the_data() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("in");
    stitchbox(&["simulate", "--case", "S", "--seed", "7", "-o", text(&input)]).succeeded();
    let mut digests = Vec::new();
    for threads in ["1", "2", "5"] {
        let out = folder.path().join(format!("out{threads}"));
        let said = stitch(&input, &out, &["--threads", threads]);
        for key in ["digest", "solve_seconds", "rms_nm", "pv_nm", "non_observable", "warnings"] {
            assert!(!said[key].is_null(), "no {key}: {said}");
        }
        assert!(said["solve_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{said}");
        assert!(said["rms_nm"].as_f64() < said["pv_nm"].as_f64(), "{said}");
        assert!(
            !said["non_observable"].as_array().expect("a list").is_empty(),
            "an unknown reference hides terms: {said}"
        );
        digests.push(said["digest"].as_str().expect("text").to_owned());
        let result = ResultFile::parse(&fs::read(out.join("height.h5")).expect("height.h5")).expect("a result file");
        assert_eq!(result.shape.0, 40);
        assert_eq!(
            (result.height_unit.as_str(), result.axis_units.0.as_str(), result.axis_units.1.as_str()),
            ("nm", "mm", "mm")
        );
        assert!(result.valid() * 10 > result.height.len() * 9, "{} of {}", result.valid(), result.height.len());
        let told = said["rms_nm"].as_f64().expect("a number");
        assert!((result.rms() - told).abs() < 1e-3 * told, "rms of the file {} and told {told}", result.rms());
        assert!(result.x.is_sorted() && result.y.is_sorted());
    }
    assert_eq!(digests[0].len(), 64);
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    let touched = input.join("sub_03.dat");
    let mut bytes = fs::read(&touched).expect("readable");
    let last = bytes.len() - 1;
    bytes[last] ^= 4;
    fs::write(&touched, bytes).expect("writable");
    let said = stitch(&input, &folder.path().join("other"), &[]);
    assert_ne!(said["digest"], digests[0]);
}

#[test]
fn memory_may_be_limited_without_changing_the_digest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("in");
    Series::sized(5, 60, 120).write(&input);
    let free = stitch(&input, &folder.path().join("free"), &[]);
    let tight = stitch(&input, &folder.path().join("tight"), &["--memory", "64 MiB"]);
    assert_eq!(free["digest"], tight["digest"]);
    let out = folder.path().join("none");
    let refused = stitchbox(&["stitch", text(&input), "-o", text(&out), "--memory", "1M"]).refused();
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(refused.stderr.contains("5 files") && refused.stderr.contains("memory"), "{refused:?}");
    assert!(!out.exists(), "nothing is written");
}

#[test]
fn a_recipe_in_the_folder_is_followed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("in");
    Series::new(4).write(&input);
    let plain = stitch(&input, &folder.path().join("a"), &[]);
    fs::write(input.join("stitch.toml"), "[stitch]\nreference = \"none\"\n").expect("writable");
    let without = stitch(&input, &folder.path().join("b"), &[]);
    assert_ne!(plain["digest"], without["digest"]);
    let other = folder.path().join("other.toml");
    fs::write(&other, "[stitch]\nrobust = true\n").expect("writable");
    let instead = stitch(&input, &folder.path().join("other"), &["--recipe", text(&other)]);
    assert_eq!(plain["digest"], instead["digest"], "the recipe of the command line is followed");
    let provenance = |out: &str| -> Value {
        let bytes = fs::read(folder.path().join(out).join("provenance.json")).expect("readable");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let recipes = |out: &str| {
        let provenance = provenance(out);
        let entities = provenance["entity"].as_object().expect("entities").values();
        entities.filter(|entity| entity["sbx:role"] == "recipe").count()
    };
    assert_eq!((recipes("b"), recipes("other")), (1, 0), "only the recipe that was used is listed");
    fs::write(input.join("stitch.toml"), "[stitch]\nreference = \"nonsense\"\n").expect("writable");
    let refused = stitchbox(&["stitch", text(&input), "-o", text(&folder.path().join("c"))]).refused();
    assert!(refused.stderr.contains("nonsense") && refused.stderr.contains("stitch.toml"), "{refused:?}");
}

#[test]
fn bad_input_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for damage in Damage::ALL {
        let input = folder.path().join(format!("{damage:?}"));
        fs::create_dir_all(&input).expect("writable");
        for (name, bytes) in Series::new(4).damaged(damage) {
            fs::write(input.join(name), bytes).expect("writable");
        }
        let out = folder.path().join(format!("{damage:?} out"));
        let said = stitchbox(&["stitch", text(&input), "-o", text(&out)]);
        if damage == Damage::PdfAmong {
            said.succeeded();
        } else {
            let refused = said.refused();
            assert_eq!(refused.status.code(), Some(3), "{damage:?}: {refused:?}");
            let word = match damage {
                Damage::Truncated => "sub_02.dat: the file is truncated",
                Damage::WrongMagic => "sub_02.dat: the file begins with de ad 00 01",
                Damage::AbsurdSizes => "sub_02.dat: the",
                Damage::OtherPixelSize => "pixel size",
                Damage::NoLateralCalibration => "lateral calibration",
                Damage::NoPositions => "position",
                Damage::NoOverlap => "overlap",
                Damage::ZeroValid => "sub_02.dat: there is no valid pixel",
                Damage::PdfAmong => "",
            };
            assert!(refused.stderr.contains(word), "{damage:?} does not say \"{word}\": {refused:?}");
            assert!(!out.join("height.h5").exists(), "{damage:?}: nothing half-done");
        }
    }
    let empty = folder.path().join("empty");
    fs::create_dir_all(&empty).expect("writable");
    stitchbox(&["stitch", text(&empty), "-o", text(&folder.path().join("x"))]).refused();
    stitchbox(&["stitch", text(&folder.path().join("missing")), "-o", text(&folder.path().join("y"))]).refused();
}

#[test]
fn the_shared_series_is_stitched_where_it_is_available() {
    let Some(data) = data_folder() else {
        say("note: no shared data here (STITCHBOX_SHARED_DATA); the suites are complete without it");
        return;
    };
    let input = data.join("synthetic/S_x12");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = stitch(&input, &folder.path().join("one"), &["--threads", "1"]);
    let two = stitch(&input, &folder.path().join("two"), &["--threads", "2"]);
    assert_eq!(one["digest"], two["digest"]);
    let truth = npy::read(&fs::read(input.join("truth_nm.npy")).expect("readable")).expect("an array");
    let result = ResultFile::parse(&fs::read(folder.path().join("one/height.h5")).expect("readable"));
    let error = error_nm(&result.expect("a result file"), &truth);
    assert!(error <= 0.347, "{error} nm; the statistical limit is 0.340");
}

#[test]
fn a_simulated_mirror_is_found_again_within_the_statistical_limit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for seed in [7, 8] {
        let (input, out) = (folder.path().join(format!("in{seed}")), folder.path().join(format!("out{seed}")));
        stitchbox(&["simulate", "--case", "S", "--seed", &seed.to_string(), "-o", text(&input)]).succeeded();
        stitch(&input, &out, &[]);
        let simulated = simulate(&Parameters { case: Case::S, seed, ..Parameters::default() });
        let result = ResultFile::parse(&fs::read(out.join("height.h5")).expect("readable")).expect("a result file");
        let (error, limit) = (error_nm(&result, &simulated.truth_nm), limit_nm(&simulated));
        assert!(error < 1.05 * limit, "seed {seed}: error {error} nm, limit {limit} nm");
    }
}
