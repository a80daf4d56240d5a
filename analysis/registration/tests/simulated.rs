//! Series with known places, simulated; the places are withheld.

use stitchbox_registration::{Registered, Registration, RegistrationError, register};
use stitchbox_simulate::{Case, Parameters, Simulated, noise_only, simulate};
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, SubAperture};

fn sub_aperture((k, map): (usize, &HeightMap)) -> SubAperture {
    SubAperture {
        name: format!("sub_{:02}.dat", k + 1),
        map: map.clone().with_pixel(None),
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity: None,
        instrument: Instrument::default(),
    }
}

fn series(simulated: &Simulated) -> Vec<SubAperture> {
    simulated.sub_apertures.iter().enumerate().map(sub_aperture).collect()
}

fn case(case: Case, seed: u64) -> Simulated {
    simulate(&Parameters { case, seed, sigma_nm: 0.5 })
}

/// Largest distance from the true places, pixels, those of the first being 0.
fn miss(found: &Registered, simulated: &Simulated) -> f64 {
    let axis = |found: &[f64], truth: &[f64]| {
        found.iter().zip(truth).map(|(f, t)| (f - (t - truth[0])).abs()).fold(0.0, f64::max)
    };
    axis(&found.x_px, &simulated.x_px).max(axis(&found.y_px, &simulated.y_px))
}

fn check(which: Case, seed: u64, most: f64) {
    let simulated = case(which, seed);
    let series = series(&simulated);
    let start = std::time::Instant::now();
    let found = register(&series, &Registration::default(), &());
    let seconds = start.elapsed().as_secs_f64();
    let found = found.unwrap_or_else(|e| panic!("{which} seed {seed}: {e}"));
    let ratios = found.pairs.iter().map(|p| p.peak_ratio).fold(f64::MAX, f64::min);
    let scores = found.pairs.iter().map(|p| p.score).fold(f64::MAX, f64::min);
    println!(
        "{which} seed {seed}: miss {:.4} px, {} pairs, least ratio {ratios:.2}, least score {scores:.2}, {seconds:.2} s, {:?}",
        miss(&found, &simulated),
        found.pairs.len(),
        found.warnings
    );
    assert!(miss(&found, &simulated) < most, "{which} seed {seed}: {}", miss(&found, &simulated));
}

#[test]
fn small_scans_are_found_to_the_pixel() {
    for seed in [7, 1, 2, 3] {
        check(Case::S, seed, 0.25);
    }
}

#[test]
fn a_long_scan_is_found_to_the_pixel() {
    check(Case::B, 7, 0.25);
}

/// Blemishes of one map match those of the next as well as a place does.
#[test]
fn outliers_that_nothing_flags_do_not_decide() {
    check(Case::O, 7, 0.25);
}

#[test]
fn a_scan_in_two_rows_is_found_to_the_pixel() {
    check(Case::C, 7, 0.25);
}

#[test]
fn noise_alone_is_refused() {
    for seed in [7, 1, 2] {
        let error = register(&series(&noise_only(&case(Case::S, seed))), &Registration::default(), &()).unwrap_err();
        assert!(matches!(error, RegistrationError::Featureless { count: 12, .. }), "{error}");
        assert!(error.to_string().contains("sub_01.dat"));
    }
}

/// A smooth mirror under a reference that stays, or grows by a tenth from map to map: dust and rings of the detector are no places.
#[test]
fn a_reference_alone_is_refused_even_if_it_changes() {
    let simulated = case(Case::S, 7);
    let noise = noise_only(&simulated);
    for (growth, count) in [(0.0, 12), (0.1, 12), (0.0, 2), (0.0, 3)] {
        let mut series = series(&noise);
        series.truncate(count);
        for (k, sub) in series.iter_mut().enumerate() {
            let heights = sub.map.heights_nm() + &(&simulated.reference_nm * (1.0 + growth * k as f64));
            sub.map = HeightMap::new(heights, sub.map.valid().clone(), None).unwrap();
        }
        let error = register(&series, &Registration::default(), &()).unwrap_err();
        println!("growth {growth}, {count} maps: {error}");
        assert!(error.to_string().contains("sub_01.dat"), "{error}");
    }
}

/// A reference that changes so much that neighbours share what is left of it.
#[test]
fn a_reference_that_changes_much_does_not_pass_for_a_mirror_that_stands() {
    let simulated = case(Case::S, 7);
    let noise = noise_only(&simulated);
    let mut series = series(&noise);
    for (k, sub) in series.iter_mut().enumerate() {
        let heights = sub.map.heights_nm() + &(&simulated.reference_nm * (0.6 * k as f64));
        sub.map = HeightMap::new(heights, sub.map.valid().clone(), None).unwrap();
    }
    let error = register(&series, &Registration::default(), &()).unwrap_err();
    assert!(matches!(error, RegistrationError::NothingMoves { .. }), "{error}");
}

#[test]
fn places_between_pixels_are_found_to_a_fraction() {
    check(Case::D, 7, 0.3);
}

#[test]
fn two_scans_without_overlap_are_refused_and_named() {
    let (first, second) = (case(Case::S, 7), case(Case::S, 8));
    let maps = first.sub_apertures[..6].iter().chain(&second.sub_apertures[..6]);
    let series: Vec<SubAperture> = maps.enumerate().map(sub_aperture).collect();
    let error = register(&series, &Registration::default(), &()).unwrap_err();
    let RegistrationError::NotTied { groups } = &error else { panic!("{error}") };
    assert_eq!(groups.len(), 2, "{error}");
    assert_eq!(groups[0], (1..=6).map(|k| format!("sub_{k:02}.dat")).collect::<Vec<_>>());
    assert!(
        error.to_string().contains("sub_01.dat to sub_06.dat")
            && error.to_string().contains("sub_07.dat to sub_12.dat")
    );
}

/// Series S with every map shown through another detector window: what changes is the frame, not the answer.
#[test]
fn windows_of_the_detector_are_followed_and_the_bits_do_not_depend_on_threads() {
    let simulated = case(Case::S, 7);
    let mut cropped = series(&simulated);
    for (k, sub) in cropped.iter_mut().enumerate() {
        let left = 3 * (k % 4);
        let map = &simulated.sub_apertures[k];
        let part = |(r, c): (usize, usize)| [r, c + left];
        let heights = ndarray::Array2::from_shape_fn((40, 185), |at| map.heights_nm()[part(at)]);
        let valid = ndarray::Array2::from_shape_fn((40, 185), |at| map.valid()[part(at)]);
        sub.map = HeightMap::new(heights, valid, None).unwrap();
        sub.window = DetectorWindow { column: 100 + left as i64, row: -7 };
    }
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| register(&cropped, &Registration::default(), &())).unwrap()
    };
    let found = on(1);
    assert!(miss(&found, &simulated) < 0.25, "{}", miss(&found, &simulated));
    assert_eq!(found, on(3));
}

#[test]
fn a_scan_along_x_keeps_y_at_zero() {
    let simulated = case(Case::S, 7);
    let options = Registration { two_dimensional: false, ..Registration::default() };
    let found = register(&series(&simulated), &options, &()).unwrap();
    assert!(found.y_px.iter().all(|y| *y == 0.0));
    assert!(miss(&found, &simulated) < 0.25);
}

/// One file twice among others: the same place, told from the reference because that is taken off.
#[test]
fn the_same_place_twice_is_found_and_told() {
    let simulated = case(Case::S, 7);
    let mut series = series(&simulated);
    let mut again = series[5].clone();
    again.name = "again.dat".to_owned();
    series.insert(6, again);
    let found = register(&series, &Registration::default(), &()).unwrap();
    assert!((found.x_px[6] - found.x_px[5]).abs() < 0.05);
    assert!(found.warnings.iter().any(|w| w.to_string().contains("again.dat")), "{:?}", found.warnings);
}

/// Two maps: their mean would be as much mirror as reference, so it stays, and the peak it makes at zero is passed over.
#[test]
fn two_maps_are_registered_beside_the_peak_of_the_reference() {
    let simulated = case(Case::S, 7);
    let series = series(&simulated);
    let found = register(&series[..2], &Registration::default(), &()).unwrap();
    assert!((found.x_px[1] - simulated.x_px[1]).abs() < 0.5, "{:?}", found.x_px);
    assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
}

#[test]
fn a_series_that_cannot_be_registered_is_refused() {
    let simulated = case(Case::S, 7);
    let good = series(&simulated);
    let options = Registration::default();
    assert_eq!(register(&good[..1], &options, &()), Err(RegistrationError::TooFew { count: 1 }));
    let wild = Registration { min_overlap: f64::NAN, ..options.clone() };
    assert!(matches!(register(&good, &wild, &()), Err(RegistrationError::MinOverlap { .. })));
    let mut far = good.clone();
    far[3].window.column = i64::MAX;
    let error = register(&far, &options, &()).unwrap_err();
    assert!(error.to_string().contains("sub_04.dat"), "{error}");
    let mut blind = good.clone();
    blind[2].map = HeightMap::from_heights_nm(ndarray::Array2::from_elem((40, 200), f64::NAN), None);
    assert!(matches!(register(&blind, &options, &()), Err(RegistrationError::TooFewPixels { valid: 0, .. })));
    struct Ended;
    impl stitchbox_stitch::Progress for Ended {
        fn at(&self, _: f64, _: &str) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    assert_eq!(register(&good, &options, &Ended), Err(RegistrationError::Cancelled));
}

#[test]
fn options_are_read_from_text_and_unknown_ones_refused() {
    let read: Registration = serde_json::from_str(r#"{"min_overlap": 0.4}"#).unwrap();
    assert_eq!(read, Registration { min_overlap: 0.4, two_dimensional: true });
    assert!(serde_json::from_str::<Registration>(r#"{"overlap": 0.4}"#).is_err());
}

/// By hand (a minute): uniform steps, outliers, other seeds, all to half a pixel, which is enough to round right.
#[test]
#[ignore = "long"]
fn other_cases_and_seeds_are_found_to_the_pixel() {
    for (which, seed) in [(Case::A, 7), (Case::O, 1), (Case::B, 1), (Case::C, 2), (Case::C, 3), (Case::D, 1)] {
        check(which, seed, 0.5);
    }
}
