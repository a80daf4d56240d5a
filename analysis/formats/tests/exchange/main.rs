//! The exchange formats: files written here byte by byte with every trap of facts/stitching.md 6.7 to 6.9, what the
//! writers write, genuine files, and spoilt ones.

mod corpus;
mod dabam;
mod digest;
mod gwyddion;
mod hostile;
mod keyence;
mod matlab;
mod nexus;
mod nexus_files;
mod plain;
mod real;
mod sdf;
mod sur;
mod x3p;

use ndarray::Array2;
use stitchbox_formats::{FormatError, Limits, Measurement, read_measurement};
use stitchbox_surface::{HeightMap, PixelSize, Profile, ProfileKind, SubAperture};

/// 5 rows of 7 heights in nm with many digits, two not measured; pixels that are not square.
fn small_map() -> HeightMap {
    let mut heights = Array2::from_shape_fn((5, 7), |(r, c)| {
        let (y, x) = (r as f64 - 2.0, c as f64 - 3.0);
        3.1 * x - 7.5 * y + 40.0 / (1.0 + x * x + y * y) - 1e-7 / (1.0 + x.abs())
    });
    heights[[0, 0]] = f64::NAN;
    heights[[3, 5]] = f64::NAN;
    HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.12, y_mm: 0.1 + 0.2 }))
}

/// Nine points of uneven spacing.
fn small_profile(kind: ProfileKind) -> Profile {
    let x: Vec<f64> = (0..9).map(|i| f64::from(i) * 0.7 - 2.0 + 0.01 * f64::from(i % 3)).collect();
    let values: Vec<f64> = x.iter().map(|x| 1.0 / (3.0 + x * x) - 1e-9).collect();
    Profile { name: "p".to_owned(), sigma: Some(0.05), ..Profile::new(&x, &values, kind).unwrap() }
}

fn read_map(bytes: &[u8]) -> SubAperture {
    match read_measurement("m", bytes, &Limits::default()) {
        Ok(Measurement::Map(map)) => map,
        other => panic!("no map: {other:?}"),
    }
}

fn read_profile(bytes: &[u8]) -> Profile {
    match read_measurement("p", bytes, &Limits::default()) {
        Ok(Measurement::Profile(profile)) => profile,
        other => panic!("no profile: {other:?}"),
    }
}

fn error(bytes: &[u8]) -> FormatError {
    read_measurement("e", bytes, &Limits::default()).expect_err("a spoilt file was read")
}

/// The error's sentence contains all of these.
fn assert_says(bytes: &[u8], words: &[&str]) {
    let text = error(bytes).to_string();
    for word in words {
        assert!(text.contains(word), "\"{word}\" is not in: {text}");
    }
}
