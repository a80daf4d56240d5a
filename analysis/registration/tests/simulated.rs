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
