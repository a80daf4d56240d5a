//! Genuine instrument files, where they are on this machine: the numbers of `shared/data/MANIFEST.md`, which were
//! computed there by an independent byte-level parse. The layouts themselves are tested in `metropro.rs` and
//! `datx.rs` without them.

mod fixtures;

use std::path::Path;

use stitchbox_formats::{Format, Limits, Measurement, SNIFF_BYTES, Sniff, read_measurement, read_sub_aperture, sniff};
use stitchbox_surface::{DetectorWindow, HeightMap, SubAperture, fit_plane, statistics};

/// The folder of real files, or a line that says why the test checks nothing.
fn data(test: &str) -> Option<std::path::PathBuf> {
    let folder = fixtures::real_data();
    if folder.is_none() {
        eprintln!(
            "SKIPPED {test}: no real files (set STITCHBOX_SHARED_DATA to the folder that holds zygo/ and synthetic/)"
        );
    }
    folder
}

fn read(path: &Path, format: Format) -> SubAperture {
    let bytes = std::fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let head = &bytes[..SNIFF_BYTES.min(bytes.len())];
    assert_eq!(sniff(name, head), Sniff::Recognised(format), "{name}");
    read_sub_aperture(name, &bytes, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Equal to all digits given: the difference is at most half a unit of the last one.
fn assert_digits(found: f64, expected: &str) {
    let value: f64 = expected.parse().unwrap();
    let mantissa = expected.split('e').next().unwrap();
    let decimals = mantissa.split_once('.').map_or(0, |(_, d)| d.len()) as i32;
    let exponent: i32 = expected.split_once('e').map_or(0, |(_, e)| e.parse().unwrap());
    let half_unit = 0.5 * 10f64.powi(exponent - decimals);
    assert!((found - value).abs() <= half_unit * (1.0 + 1e-6), "{found:e} is not {expected}");
}

fn assert_statistics(map: &HeightMap, valid: usize, mean_m: &str, pv_m: &str, rms_m: &str) {
    let s = statistics(map).unwrap();
    assert_eq!(s.count, valid);
    assert_digits(s.mean_nm * 1e-9, mean_m);
    assert_digits(s.pv_nm * 1e-9, pv_m);
    assert_digits(s.rms_nm * 1e-9, rms_m);
}

#[test]
fn the_metropro_file_has_the_numbers_of_the_manifest() {
    let Some(data) = data("metropro") else { return };
    let sub = read(&data.join("zygo/prysm_valid_zygo_dat_file.dat"), Format::MetroPro);
    assert_eq!(sub.map.shape(), (432, 425));
    assert_statistics(&sub.map, 136_359, "2.3368e-15", "3.307001733e-7", "4.459140938e-8");
    assert_digits(sub.map.pixel().unwrap().x_mm, "0.11792420");
    assert_eq!(sub.window, DetectorWindow { column: 139, row: 38 });
    assert_eq!(sub.instrument.format, "MetroPro .dat (format 1)");
}

#[test]
fn the_datx_file_has_the_numbers_of_the_manifest() {
    let Some(data) = data("datx") else { return };
    let sub = read(&data.join("zygo/monolithic_zygo_test.datx"), Format::Datx);
    assert_eq!(sub.map.shape(), (259, 33));
    assert_statistics(&sub.map, 7771, "2.869612914e-8", "4.530304789e-7", "8.081765264e-8");
    let pixel = sub.map.pixel().unwrap();
    assert_digits(pixel.x_mm, "1.0000000475");
    assert_digits(pixel.y_mm, "1.0000000475");
    assert_digits(rms_after_plane_nm(&sub.map) * 1e-9, "8.019636845e-8");
    // By the names of the fields: 259 rows from 22 and 33 columns from 15 lie in the middle of the 302 x 62 camera.
    assert_eq!(sub.window, DetectorWindow { column: 15, row: 22 });
    assert_digits(sub.instrument.wavelength_nm.unwrap() * 1e-9, "6.32799981e-7");
    assert_eq!(sub.instrument.scale_factor, Some(0.5));
    assert_eq!(sub.instrument.objective.as_deref(), Some("Sm Aperture"));
}

#[test]
fn the_wyko_files_have_the_numbers_of_the_manifest() {
    let Some(data) = data("opd") else { return };
    let float = read(&data.join("opd/st_opd-1.opd"), Format::Opd);
    assert_eq!(float.map.shape(), (480, 640));
    assert_statistics(&float.map, 307_084, "-272.289525e-9", "129.154162e-9", "8.35645116e-9");
    let pixel = float.map.pixel().unwrap();
    assert_digits(pixel.x_mm * 1e3, "0.19673303");
    assert_eq!(pixel.x_mm, pixel.y_mm);
    assert_digits(float.instrument.wavelength_nm.unwrap(), "577.295");

    let integer = read(&data.join("opd/surfalize_test_1.opd"), Format::Opd);
    assert_eq!(integer.map.shape(), (480, 736));
    assert_statistics(&integer.map, 352_471, "4.52e-13", "18844.4068e-9", "1926.52607e-9");
    let pixel = integer.map.pixel().unwrap();
    assert_digits(pixel.x_mm * 1e3, "1.63424120");
    // The manifest cuts the ninth digit off instead of rounding: 1.90661466|63.
    assert_digits(pixel.y_mm * 1e3 - 0.5e-8, "1.90661466");
    assert_eq!(integer.intensity.unwrap().dim(), (480, 736));
}

/// Id, points, step mm, mean, rms after a line (both microradian) and radius (m) of the genuine `.slp` files.
const SLP: [(&str, usize, &str, &str, &str, &str); 15] = [
    ("037", 1001, "1.0000", "0.0000", "0.3204", "-1.417e5"),
    ("039", 1001, "1.0000", "0.0596", "0.3444", "-8.629e5"),
    ("045", 1301, "1.0000", "0.0000", "0.7799", "3782"),
    ("047", 1301, "1.0000", "0.0000", "0.8613", "3774"),
    ("049", 1201, "1.0000", "0.0000", "1.4982", "4596"),
    ("051", 191, "1.0000", "-0.0000", "0.3750", "-5.08e4"),
    ("053", 141, "1.0000", "-0.0000", "0.3341", "-3.214e4"),
    ("055", 181, "5.0000", "0.0000", "1.6004", "1.262e4"),
    ("057", 701, "1.0000", "0.0000", "0.7430", "3255"),
    ("059", 441, "0.5000", "-0.1026", "0.1883", "1.463e5"),
    ("061", 441, "0.5000", "-0.1019", "0.1866", "1.389e5"),
    ("071", 9230, "0.1049", "0.0118", "0.2615", "-2.994e6"),
    ("073", 9228, "0.1049", "-0.0026", "0.2050", "-1.885e6"),
    ("075", 9269, "0.1049", "0.1597", "0.2689", "-4.841e6"),
    ("077", 9269, "0.1049", "0.3764", "0.2664", "-2.42e6"),
];

#[test]
fn the_slp_files_have_the_numbers_of_the_manifest() {
    let Some(data) = data("slp") else { return };
    for (id, points, step, mean, rms, radius) in SLP {
        let bytes = std::fs::read(data.join(format!("dabam/dabam-{id}.dat"))).unwrap();
        assert_eq!(Format::of(&bytes), Some(Format::Slp), "{id}");
        let Ok(Measurement::Profile(profile)) = read_measurement(id, &bytes, &Limits::default()) else {
            panic!("{id}")
        };
        assert_eq!(profile.len(), points, "{id}");
        let (x, slopes) = (&profile.x_mm, &profile.values);
        let n = points as f64;
        assert_digits((x[points - 1] - x[0]) / (n - 1.0), step);
        let average = |values: &[f64]| values.iter().sum::<f64>() / n;
        let (mean_x, mean_slope) = (average(x), average(slopes));
        assert_digits(mean_slope, mean);
        let xx: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
        let xs: f64 = x.iter().zip(slopes).map(|(x, s)| (x - mean_x) * (s - mean_slope)).sum();
        let per_mm = xs / xx;
        let rest = |(x, s): (&f64, &f64)| (s - mean_slope - per_mm * (x - mean_x)).powi(2);
        assert_digits((x.iter().zip(slopes).map(rest).sum::<f64>() / n).sqrt(), rms);
        // Microradian per mm is 1/km.
        assert_digits(1e3 / per_mm, radius);
    }
}

fn rms_after_plane_nm(map: &HeightMap) -> f64 {
    let [piston, pitch, roll] = fit_plane(map).unwrap();
    let (rows, columns) = map.shape();
    let (v0, u0) = ((rows as f64 - 1.0) / 2.0, (columns as f64 - 1.0) / 2.0);
    let (mut sum, mut count) = (0.0, 0.0);
    for (((row, column), height), valid) in map.heights_nm().indexed_iter().zip(map.valid()) {
        if *valid {
            let rest = height - piston - pitch * (column as f64 - u0) - roll * (row as f64 - v0);
            sum += rest * rest;
            count += 1.0;
        }
    }
    f64::sqrt(sum / count)
}

#[test]
fn the_synthetic_series_is_read_with_its_positions() {
    let Some(data) = data("synthetic series") else { return };
    let folder = data.join("synthetic/S_x12");
    let positions = std::fs::read_to_string(folder.join("positions.json")).unwrap();
    let x_mm = numbers(&positions, "x_mm");
    let pixel_mm = numbers(&positions, "pixel_mm")[0];
    assert_eq!(x_mm.len(), 12);
    for (k, expected) in x_mm.iter().enumerate() {
        let sub = read(&folder.join(format!("sub_{:02}.dat", k + 1)), Format::MetroPro);
        assert_eq!(sub.map.shape(), (40, 200));
        let (x, y) = sub.position_mm.expect("a position in the comment");
        assert!((x - expected).abs() <= 0.5e-4 + 1e-12 && y == 0.0, "sub {}: {x} {y}", k + 1);
        assert!((sub.map.pixel().unwrap().x_mm / pixel_mm - 1.0).abs() < 1e-7);
        let valid = sub.map.valid_count();
        assert!((7000..8000).contains(&valid), "{valid} valid pixels");
        assert_eq!(sub.window, DetectorWindow { column: 0, row: 0 });
    }
}

/// The numbers behind a key of a JSON document, enough for one that we wrote.
fn numbers(json: &str, key: &str) -> Vec<f64> {
    let (_, rest) = json.split_once(&format!("\"{key}\":")).unwrap();
    let rest = rest.trim_start();
    let text = match rest.strip_prefix('[') {
        Some(list) => list.split(']').next().unwrap(),
        None => rest.split([',', '\n', '}']).next().unwrap(),
    };
    text.split(',').map(|n| n.trim().parse().unwrap()).collect()
}

#[test]
fn profiles_and_other_formats_are_foreign() {
    let Some(data) = data("foreign files") else { return };
    for folder in ["dabam", "other", "xmf"] {
        for entry in std::fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy();
            let answer = sniff(&name, &bytes[..SNIFF_BYTES.min(bytes.len())]);
            // Of the other formats X3P is what instruments write for a map.
            let x3p = path.extension().is_some_and(|extension| extension == "x3p");
            let expected = if x3p { Sniff::Recognised(Format::X3p) } else { Sniff::Foreign };
            assert_eq!(answer, expected, "{}", path.display());
        }
    }
}
