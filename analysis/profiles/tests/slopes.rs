//! Slope maps of a planted surface.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_profiles::{
    PlacedSlopes, ProfilesError, SlopeAxis, SlopeMethod, SlopeReference, SlopeStitching, StitchedSlopes, stitch_slopes,
};
use stitchbox_surface::{DetectorWindow, Instrument, PixelSize, SlopeSubAperture};

const PIXEL: PixelSize = PixelSize { x_mm: 0.5, y_mm: 0.25 };
const ROWS: usize = 24;
const COLUMNS: usize = 40;

/// dz/dx and dz/dy, nm/mm, of z = 6 sin(0.4 x) cos(0.7 y) + 0.8 x^2 + 0.3 x y + 0.05 x^3 - 0.4 y^2.
fn gradient(x: f64, y: f64) -> (f64, f64) {
    (
        2.4 * libm::cos(0.4 * x) * libm::cos(0.7 * y) + 1.6 * x + 0.3 * y + 0.15 * x * x,
        -4.2 * libm::sin(0.4 * x) * libm::sin(0.7 * y) + 0.3 * x - 0.8 * y,
    )
}

/// Errors of the instrument along x and y over the detector.
fn instrument(v: usize, u: usize) -> (f64, f64) {
    let (u, v) = (u as f64 / 20.0 - 1.0, v as f64 / 12.0 - 1.0);
    (0.7 * u * u * u + 0.5 * libm::sin(9.0 * u * v) + 0.4 * v * v, 0.6 * v * u * u + 0.3 * libm::cos(7.0 * u))
}

fn offset(k: usize) -> (f64, f64) {
    (30.0 * libm::sin(k as f64), 20.0 * libm::cos(2.0 * k as f64))
}

fn measured(places: &[(f64, f64)], reference: bool, sigma: f64) -> Vec<PlacedSlopes> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut noise = move || sigma * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0);
    let mut series = Vec::new();
    for (k, &(column, row)) in places.iter().enumerate() {
        let (mut x, mut y) = (Array2::zeros((ROWS, COLUMNS)), Array2::zeros((ROWS, COLUMNS)));
        for v in 0..ROWS {
            for u in 0..COLUMNS {
                let truth = gradient((column + u as f64) * PIXEL.x_mm, (row + v as f64) * PIXEL.y_mm);
                let error = if reference { instrument(v, u) } else { (0.0, 0.0) };
                x[[v, u]] = truth.0 + error.0 + offset(k).0 + noise();
                y[[v, u]] = truth.1 + error.1 + offset(k).1 + noise();
            }
        }
        let mut valid = Array2::from_elem((ROWS, COLUMNS), true);
        valid[[(3 * k) % ROWS, (7 * k) % COLUMNS]] = false;
        let slopes = SlopeSubAperture {
            name: format!("sub {k}"),
            x_urad: x,
            y_urad: Some(y),
            valid,
            pixel: Some(PIXEL),
            window: DetectorWindow { column: 0, row: 0 },
            position_mm: None,
            instrument: Instrument::default(),
        };
        series.push(PlacedSlopes { slopes, x_mm: column * PIXEL.x_mm, y_mm: row * PIXEL.y_mm });
    }
    series
}

const GRID: [(f64, f64); 9] = [
    (0.0, 0.0),
    (13.0, 1.0),
    (24.0, 0.0),
    (1.0, 9.0),
    (11.0, 8.0),
    (27.0, 10.0),
    (0.0, 17.0),
    (14.0, 15.0),
    (25.0, 18.0),
];
const LINE: [(f64, f64); 5] = [(0.0, 0.0), (13.0, 0.0), (24.0, 0.0), (41.0, 0.0), (52.0, 0.0)];

/// Rms of (found - truth) of one axis without the combination of `shapes` (functions of column and row) nearest to it.
fn error(
    found: &StitchedSlopes,
    axis: &SlopeAxis,
    of: impl Fn((f64, f64)) -> f64,
    shapes: &[fn(f64, f64) -> f64],
) -> f64 {
    let (mut rows, mut left) = (Vec::new(), Vec::new());
    for (((row, column), s), valid) in axis.slope_urad.indexed_iter().zip(&axis.valid) {
        if *valid {
            let (x, y) = (found.x0_mm + column as f64 * PIXEL.x_mm, found.y0_mm + row as f64 * PIXEL.y_mm);
            left.push(s - of(gradient(x, y)));
            rows.push(shapes.iter().map(|f| f(x - 8.0, y - 4.0)).collect::<Vec<f64>>());
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for i in 0..shapes.len() {
        let mut column: Vec<f64> = rows.iter().map(|r| r[i]).collect();
        for other in basis.iter().chain(&basis) {
            let part = dot(&column, other);
            column.iter_mut().zip(other).for_each(|(c, o)| *c -= part * o);
        }
        let length = dot(&column, &column).sqrt();
        column.iter_mut().for_each(|c| *c /= length);
        let part = dot(&left, &column);
        left.iter_mut().zip(&column).for_each(|(l, c)| *l -= part * c);
        basis.push(column);
    }
    (dot(&left, &left) / left.len() as f64).sqrt()
}

const CONSTANT: [fn(f64, f64) -> f64; 1] = [|_, _| 1.0];
const PLANE: [fn(f64, f64) -> f64; 3] = [|_, _| 1.0, |x, _| x, |_, y| y];

fn plain() -> SlopeStitching {
    SlopeStitching { robust: false, ..SlopeStitching::default() }
}

fn terms(axis: &SlopeAxis) -> Vec<&str> {
    axis.non_observable.iter().map(|n| n.term.as_str()).collect()
}

#[test]
fn both_axes_come_back_but_for_constant_power_and_twist() {
    let series = measured(&GRID, true, 0.0);
    let found = stitch_slopes(&series, &plain(), &()).unwrap();
    let y = found.y.as_ref().unwrap();
    assert!(error(&found, &found.x, |g| g.0, &PLANE) < 1e-6);
    assert!(error(&found, y, |g| g.1, &PLANE) < 1e-6);
    assert_eq!((terms(&found.x), terms(y)), (vec!["1", "x", "y"], vec!["1", "x", "y"]));
    assert!(found.x.non_observable[1].why.contains("power") && y.non_observable[1].why.contains("twist"));
    let curl = found.curl.unwrap();
    assert!(curl.rms_urad_per_mm < 0.05, "central differences of the surface alone: {curl:?}");
    // Every datum is the sum of its parts, so what was moved by convention was moved consistently.
    for (axis, of) in [(&found.x, 0), (y, 1)] {
        let (reference, _) = axis.reference.as_ref().unwrap();
        let mut plane = [0.0; 3];
        for ((v, u), r) in reference.indexed_iter() {
            plane[0] += r;
            plane[1] += r * (u as f64 - 19.5);
            plane[2] += r * (v as f64 - 11.5);
        }
        assert!(plane[1].abs() < 1e-6 && plane[2].abs() < 1e-6, "the instrument has no line by convention: {plane:?}");
        let mean = axis.slope_urad.sum() / axis.valid.iter().filter(|v| **v).count() as f64;
        assert!(mean.abs() < 1e-9);
        sums_hold(&series, axis, of == 0);
    }
}

/// Every datum is slope + reference + offset; camera and map begin at (0, 0).
fn sums_hold(series: &[PlacedSlopes], axis: &SlopeAxis, along_x: bool) {
    let (reference, _) = axis.reference.as_ref().unwrap();
    for (p, offset) in series.iter().zip(&axis.offsets_urad) {
        let slopes = if along_x { &p.slopes.x_urad } else { p.slopes.y_urad.as_ref().unwrap() };
        let window = p.slopes.window;
        for ((v, u), m) in slopes.indexed_iter() {
            if p.slopes.valid[[v, u]] {
                let (row, column) = (window.row as usize + v, window.column as usize + u);
                let at = [(p.y_mm / PIXEL.y_mm) as usize + row, (p.x_mm / PIXEL.x_mm) as usize + column];
                let left = m - axis.slope_urad[at] - reference[[row, column]] - offset;
                assert!(left.abs() < 1e-5, "{left} at {v} {u}");
            }
        }
    }
}

#[test]
fn detector_windows_are_minded() {
    let mut series = measured(&GRID, false, 0.0);
    // What lies at (13, 8) px was seen by a camera window that begins at column 2, row 3.
    series[4].slopes.window = DetectorWindow { column: 2, row: 3 };
    series[4].x_mm -= 2.0 * PIXEL.x_mm;
    series[4].y_mm -= 3.0 * PIXEL.y_mm;
    let found = stitch_slopes(&series, &plain(), &()).unwrap();
    assert_eq!(found.x.reference.as_ref().unwrap().0.dim(), (ROWS + 3, COLUMNS + 2));
    assert!(error(&found, &found.x, |g| g.0, &PLANE) < 1e-6);
    sums_hold(&series, &found.x, true);
    sums_hold(&series, found.y.as_ref().unwrap(), false);
}

#[test]
fn a_scan_along_x_leaves_functions_of_y_open() {
    let found = stitch_slopes(&measured(&LINE, true, 0.0), &plain(), &()).unwrap();
    let named = terms(&found.x);
    assert!(named.contains(&"1") && named.contains(&"x") && named.contains(&"g(y)"), "{named:?}");
    assert!(!named.contains(&"x^2"), "{named:?}");
    // The cubic in z (x^2 in the slope) is seen. What is open: the line, and functions of y.
    let axis = &found.x;
    let mut left = axis.slope_urad.clone();
    for ((row, column), s) in left.indexed_iter_mut() {
        *s -= gradient(found.x0_mm + column as f64 * PIXEL.x_mm, found.y0_mm + row as f64 * PIXEL.y_mm).0;
    }
    let as_measured = left.iter().map(|l| l.abs()).fold(0.0, f64::max);
    for _ in 0..30 {
        for (mut row, valid) in left.rows_mut().into_iter().zip(axis.valid.rows()) {
            let n = valid.iter().filter(|v| **v).count() as f64;
            let mean = row.iter().zip(valid).filter(|(_, v)| **v).map(|(l, _)| l).sum::<f64>() / n;
            row.mapv_inplace(|l| l - mean);
        }
        let x = |column: usize| column as f64 - 45.5;
        let valid = || left.indexed_iter().zip(&axis.valid).filter(|(_, v)| **v).map(|(((_, c), l), _)| (x(c), *l));
        let along = valid().map(|(x, l)| x * l).sum::<f64>() / valid().map(|(x, _)| x * x).sum::<f64>();
        left.indexed_iter_mut().for_each(|((_, c), l)| *l -= along * x(c));
    }
    let worst = left.iter().zip(&axis.valid).filter(|(_, v)| **v).map(|(l, _)| l.abs()).fold(0.0, f64::max);
    assert!(worst < 1e-5 && as_measured > 0.1, "{worst} {as_measured}");
}

#[test]
fn without_reference_only_the_constant_is_open_and_power_is_measured() {
    let series = measured(&GRID, false, 0.0);
    for method in [SlopeMethod::Global, SlopeMethod::Chained] {
        let options = SlopeStitching { method, reference: SlopeReference::None, ..plain() };
        let found = stitch_slopes(&series, &options, &()).unwrap();
        assert!(error(&found, &found.x, |g| g.0, &CONSTANT) < 1e-7, "{method:?}");
        assert!(error(&found, found.y.as_ref().unwrap(), |g| g.1, &CONSTANT) < 1e-7, "{method:?}");
        assert_eq!(terms(&found.x), ["1"]);
    }
}

#[test]
fn without_redundancy_chained_and_global_are_the_same() {
    let series = measured(&[(0.0, 0.0), (27.0, 2.0), (55.0, 1.0), (81.0, 0.0)], true, 0.3);
    let of = |method| {
        let options = SlopeStitching { method, reference: SlopeReference::None, ..plain() };
        stitch_slopes(&series, &options, &()).unwrap()
    };
    let (chained, global) = (of(SlopeMethod::Chained), of(SlopeMethod::Global));
    assert_eq!(
        (chained.x0_mm, chained.y0_mm, chained.x.valid.dim()),
        (global.x0_mm, global.y0_mm, global.x.valid.dim())
    );
    assert_eq!((&chained.x.valid, &chained.x.overlap), (&global.x.valid, &global.x.overlap));
    let apart = chained.x.slope_urad.iter().zip(&global.x.slope_urad).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-7, "{apart}");
    for (a, b) in chained.x.offsets_urad.iter().zip(&global.x.offsets_urad) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

#[test]
fn the_curl_test_sees_a_wrong_sign_and_is_quiet_otherwise() {
    let mut series = measured(&GRID, true, 0.1);
    let options = SlopeStitching { curl_block: 6, ..plain() };
    let good = stitch_slopes(&series, &options, &()).unwrap();
    let curl = good.curl.unwrap();
    let (found, expected) = (curl.rms_urad_per_mm, curl.expected_urad_per_mm.unwrap());
    assert!((0.85..1.15).contains(&(found / expected)), "{curl:?}");
    let (found, expected) = (curl.block_rms_urad_per_mm.unwrap(), curl.block_expected_urad_per_mm.unwrap());
    assert!((0.5..1.6).contains(&(found / expected)), "{curl:?}");
    assert!(curl.blocks > 20 && good.warnings.is_empty(), "{:?}", good.warnings);
    for p in &mut series {
        if let Some(y) = &mut p.slopes.y_urad {
            y.mapv_inplace(|s| -s);
        }
    }
    let wrong = stitch_slopes(&series, &options, &()).unwrap();
    assert!(wrong.warnings.iter().any(|w| w.code == "curl"), "{:?}", wrong.curl);
}

#[test]
fn what_cannot_be_is_refused() {
    let series = measured(&GRID, false, 0.0);
    let options = plain();
    assert!(matches!(stitch_slopes(&[], &options, &()), Err(ProfilesError::TooFew { .. })));
    let mut one = series.clone();
    one[3].slopes.y_urad = None;
    assert!(matches!(stitch_slopes(&one, &options, &()), Err(ProfilesError::AxesDiffer { .. })));
    one[3].slopes.y_urad = Some(Array2::zeros((2, 2)));
    assert!(matches!(stitch_slopes(&one, &options, &()), Err(ProfilesError::ShapesDiffer { .. })));
    let only_x: Vec<PlacedSlopes> = series
        .iter()
        .map(|p| {
            let mut p = p.clone();
            p.slopes.y_urad = None;
            p
        })
        .collect();
    let found = stitch_slopes(&only_x, &options, &()).unwrap();
    assert!(found.y.is_none() && found.curl.is_none());
    let mut far = series.clone();
    far[2].x_mm += 1e4;
    for method in [SlopeMethod::Global, SlopeMethod::Chained] {
        assert!(stitch_slopes(&far, &SlopeStitching { method, ..plain() }, &()).is_err());
    }
    assert!(stitch_slopes(&series, &SlopeStitching { curl_block: 0, ..plain() }, &()).is_err());
    assert!(serde_json::from_str::<SlopeStitching>(r#"{"method": "chained"}"#).is_ok());
    assert!(serde_json::from_str::<SlopeStitching>(r#"{"terms": []}"#).is_err());
}
