//! Settings and series that are odd: rounded, refused, or answered all the same.

mod planted;

use ndarray::Array2;
use stitchbox_crosscheck::{Algorithm, CrossCheckError, Extraction, Method, cross_check};
use stitchbox_stitch::Placed;
use stitchbox_surface::{DetectorWindow, HeightMap};

use planted::{GRID, PIXEL_MM, PLANE, SCAN, error, measured, none, placed};

#[test]
fn any_series_is_answered_and_nothing_panics() {
    // A small generator of odd series: shapes, windows, positions, masks from one number.
    let mut state = 12345u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..300 {
        let count = next(5) as usize + 1;
        let mut series = Vec::new();
        for k in 0..count {
            let shape = (next(6) as usize + 1, next(7) as usize + 1);
            let holes = next(4);
            let mut heights = Array2::from_shape_fn(shape, |(r, c)| (r * 3 + c * c) as f64);
            heights.iter_mut().for_each(|h| *h = if next(6) < holes { f64::NAN } else { *h + next(5) as f64 });
            let mut p = placed(&format!("{k}"), heights, next(9) as f64 * 0.5, next(4) as f64);
            p.sub_aperture.window = DetectorWindow { row: next(3) as i64 - 1, column: next(3) as i64 };
            series.push(p);
        }
        for algorithm in [Algorithm::SimpleAverage, Algorithm::Progressive, Algorithm::PairPlanes] {
            for all_pixels in [false, true] {
                let pairs = algorithm == Algorithm::PairPlanes;
                let reference = if pairs && next(2) == 1 { Extraction::Full } else { Extraction::None };
                let reference_cut = (next(2) == 1).then_some(2.0);
                let min_overlap = 0.1 * (next(9) + 1) as f64;
                let method =
                    Method { algorithm, all_pixels, reference, reference_cut, min_overlap, ..Method::default() };
                match cross_check(&series, &method) {
                    Ok(checked) => {
                        answered += 1;
                        assert!(checked.residual_rms_nm.is_finite());
                        assert!(
                            checked.correctors.iter().all(|c| c.piston_nm.is_finite() && c.roll_nm_per_mm.is_finite())
                        );
                        let covered = checked.overlap.iter().filter(|n| **n > 0).count();
                        assert_eq!(covered, checked.height.valid_count(), "no valid pixel is lost");
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(answered > 300 && refused > 100, "{answered} {refused}");
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let bump = |v: usize, u: usize| 0.5 * libm::cos(0.9 * u as f64) + 0.01 * (v * u) as f64;
    let series = measured(&GRID, bump);
    for algorithm in [Algorithm::SimpleAverage, Algorithm::Progressive, Algorithm::PairPlanes] {
        let reference = if algorithm == Algorithm::PairPlanes { Extraction::Full } else { Extraction::None };
        let method = Method { algorithm, min_overlap: 0.3, reference, ..Method::default() };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cross_check(&series, &method)).unwrap()
        };
        assert_eq!(with(1), with(3));
    }
}

#[test]
fn positions_between_pixels_are_rounded_and_that_is_said() {
    let mut series = measured(&SCAN, none);
    series[1].x_mm += 0.3 * PIXEL_MM;
    let method = Method { min_overlap: 0.5, ..Method::default() };
    let checked = cross_check(&series, &method).unwrap();
    assert!(error(&checked.height, &PLANE) < 1e-9);
    assert!(checked.warnings.iter().any(|w| w.code == "positions-rounded"));
}

#[test]
fn what_cannot_be_is_refused() {
    let series = measured(&SCAN, none);
    let refused = |method: Method| cross_check(&series, &method).unwrap_err();
    let base = Method::default();
    assert!(matches!(refused(Method { min_overlap: 0.0, ..base.clone() }), CrossCheckError::BadMinOverlap { .. }));
    assert!(matches!(refused(Method { min_overlap: f64::NAN, ..base.clone() }), CrossCheckError::BadMinOverlap { .. }));
    assert!(matches!(
        refused(Method { reference_cut: Some(-1.0), ..base.clone() }),
        CrossCheckError::BadReferenceCut { .. }
    ));
    for value in [0, 1001, u32::MAX] {
        assert_eq!(refused(Method { sweeps: value, ..base.clone() }), CrossCheckError::BadSweeps { value, most: 1000 });
    }
    let reference = Method { algorithm: Algorithm::Progressive, reference: Extraction::Full, ..base.clone() };
    assert_eq!(refused(reference), CrossCheckError::NoReferenceInMethod);
    assert!(matches!(
        refused(Method { min_overlap: 0.9, ..base.clone() }),
        CrossCheckError::NotTied { tied: 1, count: 5, .. }
    ));
    assert_eq!(cross_check(&series[..1], &base), Err(CrossCheckError::TooFew { count: 1 }));
    let mut far = series.clone();
    far[3].x_mm = f64::NAN;
    assert!(matches!(cross_check(&far, &base), Err(CrossCheckError::AbsurdPosition { .. })));
    far[3].x_mm = 1e8;
    assert!(matches!(cross_check(&far, &base), Err(CrossCheckError::TooLarge { .. })));
    let mut blind = series.clone();
    let size = blind[0].sub_aperture.map.pixel();
    blind[1].sub_aperture.map = HeightMap::from_heights_nm(Array2::from_elem((8, 12), f64::NAN), size);
    assert!(matches!(cross_check(&blind, &base), Err(CrossCheckError::NoValidPixels { .. })));
    blind[1].sub_aperture.map = HeightMap::from_heights_nm(Array2::zeros((8, 12)), None);
    assert!(matches!(cross_check(&blind, &base), Err(CrossCheckError::NoLateralCalibration { .. })));
    let apart = [series[0].clone(), Placed { x_mm: 100.0, ..series[1].clone() }];
    let progressive = Method { algorithm: Algorithm::Progressive, ..base };
    assert!(matches!(cross_check(&apart, &progressive), Err(CrossCheckError::NothingBefore { .. })));
}

#[test]
fn a_method_is_read_as_it_is_written_and_unknown_keys_are_refused() {
    let read: Method = serde_json::from_str(r#"{"algorithm": "progressive", "sweeps": 3}"#).unwrap();
    assert_eq!(read, Method { algorithm: Algorithm::Progressive, sweeps: 3, ..Method::default() });
    assert!(serde_json::from_str::<Method>(r#"{"overlap": 0.5}"#).is_err());
    let text = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), read);
}
