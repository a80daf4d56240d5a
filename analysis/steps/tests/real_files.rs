//! Genuine mirrors, where their files are on this machine: fits against independent ones (Newton on the optical path in
//! extended precision, `scipy.optimize.least_squares`), detrending against the reference values of DABAM.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use stitchbox_steps::{
    Beam, Conic, ConicTerm, ProfileShape, Remove, RemoveFromProfile, RemovedFromProfile, Shape, Statistics, StepError,
};
use stitchbox_surface::quantity::{Angle, Length};
use stitchbox_surface::{HeightMap, PixelSize, Profile, ProfileKind};

/// The folder of real files, or a line that says why the test checks nothing.
fn data(test: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("STITCHBOX_SHARED_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    };
    if folder.join("xmf").is_dir() && folder.join("dabam").is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED {test}: no real files (set STITCHBOX_SHARED_DATA to the folder that holds xmf/ and dabam/)");
    None
}

/// One real matrix of doubles of a MATLAB 5 file whose variables are compressed: its columns one after another.
fn matlab(path: &Path, name: &str) -> (usize, usize, Vec<f64>) {
    let bytes = std::fs::read(path).unwrap();
    let word = |b: &[u8], at: usize| u32::from_le_bytes(b[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 128;
    while at + 8 <= bytes.len() {
        let (kind, size) = (word(&bytes, at), word(&bytes, at + 4));
        assert_eq!(kind, 15, "a compressed variable");
        let mut plain = Vec::new();
        flate2::read::ZlibDecoder::new(&bytes[at + 8..at + 8 + size]).read_to_end(&mut plain).unwrap();
        at += 8 + size;
        // Tag, flags (16 bytes), dimensions (16), then the name: its tag is short if the name is.
        let (rows, columns) = (word(&plain, 32), word(&plain, 36));
        let short = plain[42] != 0 || plain[43] != 0;
        let length = if short { plain[42] as usize } else { word(&plain, 44) };
        let start = if short { 44 } else { 48 };
        let found = std::str::from_utf8(&plain[start..start + length]).unwrap();
        if found == name {
            let values = if short { 48 } else { 48 + length.div_ceil(8) * 8 };
            assert_eq!((word(&plain, values), word(&plain, values + 4)), (9, rows * columns * 8), "doubles");
            let doubles = plain[values + 8..].chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
            return (rows, columns, doubles.collect());
        }
    }
    panic!("no {name} in {}", path.display())
}

fn conic(p: f64, q: f64, theta: f64, free: &[ConicTerm]) -> Conic {
    let target = Conic::new(Length::new(p * 1e3), Length::new(q * 1e3), Angle::new(theta * 1e6));
    Conic { free: Some(free.to_vec()), ..target }
}

/// Equal to within a part of the uncertainty of the independent fit.
fn same(found: f64, expected: f64, uncertainty: f64) {
    assert!((found - expected).abs() < uncertainty, "{found} instead of {expected} +- {uncertainty}");
}

#[test]
fn the_slopes_of_an_elliptic_mirror_of_nsls2() {
    let Some(folder) = data("the_slopes_of_an_elliptic_mirror_of_nsls2") else { return };
    let file = folder.join("xmf/sample_01_concave_elliptic_cylinder_slope.mat");
    let x: Vec<f64> = matlab(&file, "x1d").2.iter().map(|x| x * 1e3).collect();
    let slopes: Vec<f64> = matlab(&file, "sx1d").2.iter().map(|s| s * 1e6).collect();
    let profile = Profile::new(&x, &slopes, ProfileKind::SlopeUrad).unwrap();
    use ConicTerm::{P, Q, Theta, Tilt};
    let fit = |free: &[ConicTerm]| {
        let shape = ProfileShape::Ellipse(conic(65.63, 0.31, 0.003, free));
        RemoveFromProfile::shape(shape).apply(&profile).unwrap().fit
    };
    // Residual, terms and uncertainties of the independent fit: extended precision, derivatives by central differences.
    let tilt = fit(&[Tilt]);
    same(tilt.residual_rms, 1.170013961, 2e-9);
    same(tilt.term("tilt").unwrap().value, -140.81779785, 1e-7);
    same(tilt.term("tilt").unwrap().uncertainty, 0.0827324732, 1e-8);
    let with_q = fit(&[Q, Tilt]);
    same(with_q.residual_rms, 0.105016662, 2e-9);
    same(with_q.term("q").unwrap().value, 308.903623358, 1e-6);
    same(with_q.term("q").unwrap().uncertainty, 0.00697513438, 1e-8);
    let with_theta = fit(&[Q, Theta, Tilt]);
    same(with_theta.residual_rms, 0.067153003, 2e-9);
    same(with_theta.term("q").unwrap().value, 308.31175004, 1e-5);
    same(with_theta.term("theta").unwrap().value, 2993.576819, 1e-4);
    same(with_theta.term("theta").unwrap().uncertainty, 0.378915, 1e-4);
    // All three: p is hardly determined by this mirror, 184 +- 121 m.
    let all = fit(&[P, Q, Theta, Tilt]);
    same(all.residual_rms, 0.065906540, 2e-9);
    same(all.term("p").unwrap().value, 183_982.034, 100.0);
    same(all.term("p").unwrap().uncertainty, 121_329.0, 500.0);
    same(all.term("theta").unwrap().value, 3010.92657, 1e-2);
    let either = Conic { beam: Beam::Either, ..conic(65.63, 0.31, 0.003, &[Q, Theta, Tilt]) };
    let either = RemoveFromProfile::shape(ProfileShape::Ellipse(either)).apply(&profile).unwrap();
    assert_eq!(either.fit.terms, with_theta.terms);
}

#[test]
fn the_heights_of_a_hyperbolic_mirror_of_nsls2() {
    let Some(folder) = data("the_heights_of_a_hyperbolic_mirror_of_nsls2") else { return };
    let file = folder.join("xmf/sample_02_concave_hyperbolic_cylinder_height_map.mat");
    let (rows, columns, values) = matlab(&file, "z2d");
    assert_eq!((rows, columns), (64, 1657));
    let heights = Array2::from_shape_fn((rows, columns), |(row, column)| values[column * rows + row] * 1e9);
    let map = HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.032, y_mm: 0.032 }));
    use ConicTerm::{Piston, Q, Roll, Theta, Tilt};
    let fit = |free: &[ConicTerm]| {
        Remove::shape(Shape::Hyperbola(conic(0.306, 0.115, 0.0046, free))).apply(&map).unwrap().fit
    };
    let pose = fit(&[Piston, Tilt, Roll]);
    same(pose.residual_rms, 8.592507, 1e-6);
    same(pose.term("piston").unwrap().value, -1851.125329, 1e-4);
    same(pose.term("tilt").unwrap().value, -26.4263541, 1e-5);
    // The rows of the file run towards lower y.
    same(pose.term("roll").unwrap().value, 5.733952, 1e-4);
    let with_q = fit(&[Q, Piston, Tilt, Roll]);
    same(with_q.residual_rms, 0.845198, 1e-6);
    same(with_q.term("q").unwrap().value, 115.4471309, 1e-6);
    same(with_q.term("q").unwrap().uncertainty, 1.3627635e-4, 1e-9);
    let with_theta = fit(&[Q, Theta, Piston, Tilt, Roll]);
    same(with_theta.residual_rms, 0.723340, 1e-6);
    same(with_theta.term("q").unwrap().value, 116.0701092, 1e-5);
    same(with_theta.term("theta").unwrap().value, 4641.062934, 1e-4);
    same(with_theta.term("theta").unwrap().uncertainty, 0.2105116, 1e-5);
}

/// p and q in m, theta in rad.
type Design = (f64, f64, f64);

/// A DABAM slope profile in mm and urad, and its design ellipse if it names one.
fn dabam(folder: &Path, entry: u64) -> Option<(Profile, Option<Design>)> {
    let text = std::fs::read_to_string(folder.join(format!("dabam-{entry:03}.txt"))).ok()?;
    let header: serde_json::Value = serde_json::from_str(&text).ok()?;
    if header["FILE_FORMAT"].as_u64()? != 1 {
        return None;
    }
    let bytes = std::fs::read(folder.join(format!("dabam-{entry:03}.dat"))).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (fx, fy) = (header["X1_FACTOR"].as_f64()?, header["Y1_FACTOR"].as_f64()?);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for line in text.lines().skip(header["FILE_HEADER_LINES"].as_u64()? as usize) {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse::<f64>().ok());
        if let (Some(a), Some(b)) = (numbers.next(), numbers.next()) {
            x.push(a * fx * 1e3);
            y.push(b * fy * 1e6);
        }
    }
    let design = |key: &str| header[key].as_f64();
    let ellipse = match (design("ELLIPSE_DESIGN_P"), design("ELLIPSE_DESIGN_Q"), design("ELLIPSE_DESIGN_THETA")) {
        (Some(p), Some(q), Some(theta)) => Some((p, q, theta)),
        _ => None,
    };
    Some((Profile::new(&x, &y, ProfileKind::SlopeUrad).ok()?, ellipse))
}

/// Standard deviations (n - 1) of slopes (urad) and of the heights (nm) that follow by trapezia.
fn errors(removed: &RemovedFromProfile) -> (f64, f64) {
    let rest = &removed.profile;
    let n = rest.len() as f64;
    let sample = (n / (n - 1.0)).sqrt();
    let slope = Statistics::default().apply_to_profile(rest).unwrap().rq * sample;
    let mut heights = vec![0.0];
    for k in 1..rest.len() {
        let step = (rest.values[k] + rest.values[k - 1]) / 2.0 * (rest.x_mm[k] - rest.x_mm[k - 1]);
        heights.push(heights[k - 1] + step);
    }
    let heights = Profile::new(&rest.x_mm, &heights, ProfileKind::HeightNm).unwrap();
    (slope, Statistics::default().apply_to_profile(&heights).unwrap().rq * sample)
}

#[test]
fn detrended_profiles_have_the_errors_that_dabam_states() {
    let Some(folder) = data("detrended_profiles_have_the_errors_that_dabam_states") else { return };
    let folder = folder.join("dabam");
    let Ok(text) = std::fs::read_to_string(folder.join("dabam-summary.json")) else { return };
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (mut lines, mut ellipses) = (0, 0);
    for stated in summary.as_object().unwrap().values() {
        let entry = stated["entry"].as_u64().unwrap();
        let Some((profile, design)) = dabam(&folder, entry) else { continue };
        let (slope, height) = (stated["slp_err"].as_f64().unwrap() * 1e6, stated["hgt_err"].as_f64().unwrap() * 1e9);
        let line = RemoveFromProfile::shape(ProfileShape::Line).apply(&profile).unwrap();
        let (found_slope, found_height) = errors(&line);
        if (found_slope / slope - 1.0).abs() < 1e-5 {
            assert!((found_height / height - 1.0).abs() < 2e-4, "{entry}: {found_height} nm, DABAM {height}");
            lines += 1;
            continue;
        }
        let (p, q, theta) = design.unwrap_or_else(|| panic!("{entry}: {found_slope} urad, DABAM {slope}, no ellipse"));
        // DABAM lets p run too, which these slopes do not determine (the best p is negative or beyond any focus); with p at
        // its design value the ellipse must come close to what DABAM states, and be far better than the line.
        if ![21, 65, 69].contains(&entry) {
            continue;
        }
        use ConicTerm::{P, Q, Theta, Tilt};
        let ellipse = |free: &[ConicTerm]| {
            RemoveFromProfile::shape(ProfileShape::Ellipse(conic(p, q, theta, free))).apply(&profile)
        };
        let (ellipse_slope, _) = errors(&ellipse(&[Q, Theta, Tilt]).unwrap());
        assert!(ellipse_slope > 0.99 * slope && ellipse_slope < 1.1 * slope, "{entry}: {ellipse_slope}, DABAM {slope}");
        assert!(ellipse_slope < found_slope / 3.0);
        assert!(matches!(ellipse(&[P, Q, Theta, Tilt]), Err(StepError::NotConverged { .. })), "{entry}");
        ellipses += 1;
    }
    println!("{lines} lines, {ellipses} ellipses");
    assert!(lines == 40 && ellipses == 3, "{lines} lines, {ellipses} ellipses");
}
