//! Series that are no height maps: slopes of a wavefront sensor, profiles of an LTP.

mod folder;

use std::fmt::Write as _;
use std::path::Path;

use folder::{bytes, json, run_in};
use stitchbox_formats::{Limits, Measurement, read_measurement};
use stitchbox_recipe::{FailureKind, Recipe};

/// An ESRF .slp file: slopes in microradian at positions in mm.
fn slp(points: impl Iterator<Item = (f64, f64)>) -> String {
    let points: Vec<(f64, f64)> = points.collect();
    let mut text = format!("test\n12/07/2018 @ 09:15:00\nNo ref/gravity correction\n800\n1\n{}\n", points.len());
    for (x, slope) in points {
        let _ = writeln!(text, "{x}\t{slope}");
    }
    text
}

/// Slope of the mirror, microradian, at x mm: 3 cycles over 200 mm beside a long wave.
fn slope(x: f64) -> f64 {
    2.0 * (x / 10.6).sin() + 0.5 * (x / 40.0).cos()
}

fn recipe(folder: &Path, text: &str) {
    std::fs::write(folder.join("stitch.toml"), text).unwrap();
}

#[test]
fn overlapping_profiles_become_one_without_their_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let offsets = [0.0, 5.0, -3.0, 1.5];
    for (k, offset) in offsets.iter().enumerate() {
        let from = 50 * k;
        let text = slp((from..from + 101).map(|x| (x as f64, slope(x as f64) + offset)));
        std::fs::write(folder.path().join(format!("part_{k}.slp")), text).unwrap();
    }
    recipe(folder.path(), "[series]\nkind = \"profiles\"\ninclude = [\"*.slp\"]\n");
    let output = run_in(folder.path()).unwrap();
    let Measurement::Profile(profile) =
        read_measurement("profile.h5", bytes(&output, "profile.h5"), &Limits::default()).unwrap()
    else {
        panic!("no profile")
    };
    assert_eq!(profile.len(), 251);
    // What is not observable is one constant.
    let mean = |f: &dyn Fn(usize) -> f64| (0..profile.len()).map(f).sum::<f64>() / profile.len() as f64;
    let constant = mean(&|i| profile.values[i] - slope(profile.x_mm[i]));
    for (x, value) in profile.x_mm.iter().zip(&profile.values) {
        assert!((value - slope(*x) - constant).abs() < 1e-6, "{x}: {value}");
    }
    let correctors = &json(&output, "summary.json")["found"]["correctors"];
    let difference = correctors[1]["constant"].as_f64().unwrap() - correctors[0]["constant"].as_f64().unwrap();
    assert!((difference - 5.0).abs() < 1e-6, "{difference}");
    assert!(json(&output, "provenance.json").to_string().contains("part_3.slp"));
    assert!(!output.digest.is_empty());
    json(&output, "profile.txt");
}

#[test]
fn repeated_scans_are_averaged_without_the_one_that_disagrees() {
    let folder = tempfile::tempdir().unwrap();
    for k in 0..6 {
        let wrong = if k == 4 { 3.0 } else { 0.0 };
        let text = slp((0..200).map(|x| (x as f64, slope(x as f64) + wrong * (x as f64 / 3.0).sin())));
        std::fs::write(folder.path().join(format!("scan_{k}.slp")), text).unwrap();
    }
    recipe(
        folder.path(),
        "[series]\nkind = \"profiles\"\ninclude = [\"*.slp\"]\n[profiles]\ntask = \"average\"\n[profiles.average]\nslope_limit = \"0.15 urad\"\n",
    );
    let output = run_in(folder.path()).unwrap();
    let found = &json(&output, "summary.json")["found"];
    assert_eq!(found["kept"], 5);
    assert_eq!(found["excluded"][0]["name"], "scan_4.slp");
}

/// A HASO file of the slopes of z = x^2 / 2R + y^2 / 2R at a place, in wavefront mrad (-2 times the mirror's).
fn has(x0: f64, tilt: f64) -> String {
    let (columns, rows, pixel) = (40, 12, 0.25);
    let radius_mm = 50_000.0;
    let mut parts = [String::new(), String::new()];
    for row in 0..rows {
        for column in 0..columns {
            let (x, y) = (x0 + column as f64 * pixel, row as f64 * pixel);
            for (part, slope_mrad) in parts.iter_mut().zip([1e3 * x / radius_mm + tilt, 1e3 * y / radius_mm]) {
                let _ = write!(part, "{}\t", -2.0 * slope_mrad);
            }
        }
        parts.iter_mut().for_each(|part| part.push('\n'));
    }
    format!(
        "<?xml version=\"1.0\"?>\n<haso_slopes_process_manager><raw_slopes><metadata><comments>X = {}</comments></metadata><slopes>\
         <size><x>{columns}</x><y>{rows}</y></size><step><x>{1}</x><y>{1}</y></step>\
         <x_slopes><buffer>{2}</buffer></x_slopes><y_slopes><buffer>{3}</buffer></y_slopes></slopes></raw_slopes></haso_slopes_process_manager>",
        -x0,
        pixel * 1e3,
        parts[0],
        parts[1]
    )
}

#[test]
fn slope_maps_are_stitched_and_integrated_to_heights() {
    let folder = tempfile::tempdir().unwrap();
    for (k, tilt) in [0.0, 0.3, -0.2].iter().enumerate() {
        std::fs::write(folder.path().join(format!("s{k}.has")), has(5.0 * k as f64, *tilt)).unwrap();
    }
    recipe(
        folder.path(),
        "[series]\nkind = \"slopes\"\ninclude = [\"*.has\"]\n[slopes]\nreference = \"none\"\nrobust = false\n",
    );
    let output = run_in(folder.path()).unwrap();
    let Measurement::Map(height) =
        read_measurement("height.h5", bytes(&output, "height.h5"), &Limits::default()).unwrap()
    else {
        panic!("no map")
    };
    // 20 mm along x of a sphere of 50 m: the sag is x^2 / 2R once the tilt is taken off.
    let map = height.map;
    let (rows, columns) = map.shape();
    assert_eq!((rows, columns), (12, 80));
    let plane = stitchbox_surface::fit_plane(&map).unwrap();
    let row = rows / 2;
    let of = |column: usize| map.heights_nm()[[row, column]] - plane[1] * column as f64;
    let sag = (of(0) + of(columns - 1)) / 2.0 - of(columns / 2);
    let half = (columns - 1) as f64 / 2.0 * 0.25;
    let off = (columns as f64 / 2.0 - (columns as f64 - 1.0) / 2.0) * 0.25;
    let expected = (half * half - off * off) / (2.0 * 50_000.0) * 1e6;
    assert!((sag - expected).abs() < 0.02 * expected, "{sag} nm, expected {expected} nm");
    let summary = json(&output, "summary.json");
    assert!(summary["slope_x"]["non_observable"].as_array().is_some_and(|n| !n.is_empty()), "{summary}");
    assert!(bytes(&output, "slope_x.csv").len() > 1000 && bytes(&output, "slope_y.csv").len() > 1000);
}

#[test]
fn a_file_of_another_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.slp"), slp((0..20).map(|x| (x as f64, 0.0)))).unwrap();
    std::fs::write(folder.path().join("b.slp"), has(0.0, 0.0)).unwrap();
    recipe(folder.path(), "[series]\nkind = \"profiles\"\ninclude = [\"*.slp\"]\n");
    let failure = run_in(folder.path()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadFiles);
    assert!(failure.message.contains("b.slp") && failure.message.contains("slopes"), "{failure}");
}

#[test]
fn such_a_series_must_name_its_files() {
    let error = Recipe::parse("[series]\nkind = \"profiles\"\n").unwrap_err();
    assert!(error.message.contains("include"), "{error}");
}
