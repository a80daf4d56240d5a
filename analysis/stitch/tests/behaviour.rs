//! What a metrologist can rely on: declared terms, warnings, error bars, outliers, frames, the same bits.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_stitch::{Options, Placed, Progress, Reference, StitchError, Stitched, stitch};
use stitchbox_surface::{DetectorWindow, HeightMap};
use support::{Null, PIXEL_MM, Plan, error_nm, placed, residual, rms};

fn default(series: &[Placed]) -> Stitched {
    stitch(series, &Options::default(), &()).unwrap()
}

fn terms(result: &Stitched) -> Vec<&str> {
    result.non_observable.iter().map(|n| n.term.as_str()).collect()
}

fn codes(result: &Stitched) -> Vec<&str> {
    result.warnings.iter().map(|w| w.code.as_str()).collect()
}

fn error_of(plan: &Plan, result: &Stitched, null: Null) -> f64 {
    error_nm(&result.height, null, |row, column| plan.truth(column as f64, row as f64))
}

#[test]
fn without_noise_an_x_scan_is_exact_up_to_the_declared_terms() {
    let plan = Plan { noise_nm: 0.0, ..Plan::small(3) };
    let result = default(&plan.series());
    let error = error_of(&plan, &result, Null::XScan);
    assert!(error < 1e-6, "{error:e}");
    assert_eq!(terms(&result), ["1", "x", "x^2", "x y", "g(y)"]);
    assert_eq!(codes(&result), Vec::<&str>::new());
}

#[test]
fn without_noise_a_scan_in_both_directions_is_exact_up_to_a_quadratic() {
    let plan = Plan { noise_nm: 0.0, ..Plan::small(4) };
    let y: Vec<f64> = (0..12).map(|k| f64::from((k * 5) % 7)).collect();
    let plan = Plan { y_px: y, ..plan };
    let result = default(&plan.series());
    let error = error_of(&plan, &result, Null::Quadratic);
    assert!(error < 1e-5, "{error:e} {:?} {} its", result.warnings, result.iterations);
    assert_eq!(terms(&result), ["1", "x", "y", "x^2", "x y", "y^2"]);
}

#[test]
fn the_reference_is_found_and_obeys_the_convention() {
    let plan = Plan { noise_nm: 0.0, dropouts: 0.0, ..Plan::small(5) };
    let reference = default(&plan.series()).reference.unwrap();
    let found = |row: usize, column: usize| reference.heights_nm()[[row, column]];
    let (rows, columns) = reference.shape();
    for row in 0..rows {
        let mean = (0..columns).map(|c| found(row, c)).sum::<f64>() / columns as f64;
        assert!(mean.abs() < 1e-9, "a function of v is left: {mean:e}");
    }
    let power: f64 = (0..rows)
        .flat_map(|r| (0..columns).map(move |c| (r, c)))
        .map(|(r, c)| found(r, c) * (c as f64 - 99.5) * (c as f64 - 99.5))
        .sum();
    assert!(power.abs() < 1e-3, "power is left: {power:e}");
    let error = error_nm(&reference, Null::XScan, |row, column| plan.reference(row, column));
    assert!(error < 1e-6, "{error:e}");
}

#[test]
fn noise_and_error_bars_are_right() {
    let plan = Plan::small(6);
    let result = default(&plan.series());
    let noise = result.noise_nm.unwrap();
    assert!((noise - 0.5).abs() < 0.01, "{noise}");
    let uncertainty = result.uncertainty_nm.as_ref().unwrap();
    let left = residual(&result.height, Null::XScan, |row, column| plan.truth(column as f64, row as f64));
    let scaled: Vec<_> = left.iter().map(|(r, c, d)| (*r, *c, d / uncertainty[[*r, *c]])).collect();
    let ratio = rms(&scaled);
    println!("error {:.4} nm, error / uncertainty {ratio:.4}", rms(&left));
    assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
    assert_eq!(result.correctors.iter().map(|c| c.rejected).sum::<usize>(), 0, "good data must be left alone");
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let mut plan = Plan::small(7);
    plan.y_px[5] = 3.0;
    plan.x_px[7] += 0.4;
    let mut series = plan.series();
    spoil(&mut series, 9);
    let digest = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let result = pool.install(|| default(&series));
        (result.digest(), result)
    };
    let (one, result) = digest(1);
    for threads in [2, 7] {
        let (other, again) = digest(threads);
        assert_eq!(one, other, "{threads} threads");
        assert_eq!(result, again, "{threads} threads");
    }
    for options in [Reference::None, Reference::Smooth].map(|reference| Options { reference, ..Options::default() }) {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| stitch(&series, &options, &()).unwrap())
        };
        assert_eq!(run(1), run(7));
    }
}

/// Unflagged spikes of 60 nm at 0.3 % of the pixels and one blemish per sub-aperture.
fn spoil(series: &mut [Placed], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for p in series {
        let map = &mut p.sub_aperture.map;
        let (rows, columns) = map.shape();
        let (row, column) = (rng.random_range(5..rows - 5), rng.random_range(60..columns - 60));
        let (mut heights, valid, pixel) = map.clone().into_parts();
        for ((r, c), h) in heights.indexed_iter_mut() {
            if rng.random::<f64>() < 0.003 {
                *h += if rng.random::<bool>() { 60.0 } else { -60.0 };
            }
            if r.abs_diff(row).pow(2) + c.abs_diff(column).pow(2) < 16 {
                *h += 40.0;
            }
        }
        *map = HeightMap::new(heights, valid, pixel).unwrap();
    }
}

#[test]
fn outliers_are_found_where_three_overlap() {
    let plan = Plan { dropouts: 0.005, ..Plan::small(8) };
    let mut series = plan.series();
    spoil(&mut series, 10);
    let result = default(&series);
    let plain = stitch(&series, &Options { robust: false, ..Options::default() }, &()).unwrap();
    let where_three_overlap = |result: &Stitched, overlap: &Array2<u16>| {
        let left = residual(&result.height, Null::XScan, |row, column| plan.truth(column as f64, row as f64));
        let chosen: Vec<_> = left.into_iter().filter(|(r, c, _)| overlap[[*r, *c]] >= 3).collect();
        rms(&chosen)
    };
    let (robust, plain) = (where_three_overlap(&result, &plain.overlap), where_three_overlap(&plain, &plain.overlap));
    println!("robust {robust:.4} nm, plain {plain:.4} nm, {:?}", codes(&result));
    assert!(robust < 0.36 && plain > 2.0, "{robust} {plain}");
    assert!(codes(&result).contains(&"outliers-rejected"));
}

#[test]
fn spikes_are_found_where_one_measured_and_good_slopes_are_left_alone() {
    // The mirror slopes by many times the noise from pixel to pixel.
    let plan = Plan { dropouts: 0.0, reference_nm: 0.1, ..Plan::small(16) };
    let mut series = plan.series();
    for p in &mut series {
        let x = (p.x_mm / PIXEL_MM).round();
        let (mut heights, valid, pixel) = p.sub_aperture.map.clone().into_parts();
        for ((_, column), height) in heights.indexed_iter_mut() {
            *height += 0.02 * (x + column as f64 - 350.0).powi(2);
        }
        p.sub_aperture.map = HeightMap::new(heights, valid, pixel).unwrap();
    }
    assert_eq!(codes(&default(&series)), Vec::<&str>::new());
    let (mut heights, valid, pixel) = series[0].sub_aperture.map.clone().into_parts();
    for (row, column) in [(10, 7), (30, 20)] {
        heights[[row, column]] += 30.0;
    }
    series[0].sub_aperture.map = HeightMap::new(heights, valid, pixel).unwrap();
    let result = default(&series);
    assert_eq!(result.correctors[0].rejected, 2, "{:?}", result.warnings);
    assert_eq!(result.correctors.iter().map(|c| c.rejected).sum::<usize>(), 2);
    assert!(!result.height.valid()[[10, 7]] && !result.height.valid()[[30, 20]]);
}

#[test]
fn the_digest_covers_heights_error_bars_and_counts() {
    let result = default(&Plan::small(17).series());
    let digest = result.digest();
    assert_eq!(digest.len(), 64);
    assert_eq!(digest, result.clone().digest());
    let mut other = result.clone();
    other.overlap[[3, 3]] += 1;
    assert_ne!(other.digest(), digest);
    let mut other = result.clone();
    other.uncertainty_nm = None;
    assert_ne!(other.digest(), digest);
    let mut other = result.clone();
    other.uncertainty_nm.as_mut().unwrap()[[5, 5]] *= 1.0 + 1e-15;
    assert_ne!(other.digest(), digest);
}

#[test]
fn equal_steps_are_named_and_smooth_content_is_kept() {
    let x: Vec<usize> = (0..12).map(|k| 50 * k).collect();
    let plan = Plan { noise_nm: 0.0, dropouts: 0.0, ..Plan::x_scan((20, 200), &x) };
    let result = default(&plan.series());
    assert_eq!(terms(&result), ["1", "x", "x^2", "x y", "g(y)", "period 50 px"]);
    assert_eq!(codes(&result), ["equal-steps"]);
    let left = residual(&result.height, Null::XScan, |row, column| plan.truth(column as f64, row as f64));
    assert!(rms(&left) < 0.6, "{}", rms(&left));
    // What repeats with 50 px is all that is wrong.
    let without = without_period(&result, &plan, 50);
    println!("equal steps: {:.4} nm, period removed {without:.2e} nm", rms(&left));
    assert!(without < 1e-4, "{without}");
}

/// Rms of the error after the joint removal of what an x-scan leaves open and what repeats with `period` columns.
fn without_period(result: &Stitched, plan: &Plan, period: usize) -> f64 {
    let (rows, _) = result.height.shape();
    let mut error = result.height.heights_nm().clone();
    for ((row, column), e) in error.indexed_iter_mut() {
        *e -= plan.truth(column as f64, row as f64);
    }
    let mut last = f64::INFINITY;
    for _ in 0..50 {
        let map = HeightMap::new(error.clone(), result.height.valid().clone(), None).unwrap();
        let left = residual(&map, Null::XScan, |_, _| 0.0);
        last = rms(&left);
        let mut means = vec![(0.0, 0.0); rows * period];
        for (row, column, e) in &left {
            let mean = &mut means[row * period + column % period];
            *mean = (mean.0 + e, mean.1 + 1.0);
        }
        for (row, column, e) in left {
            let mean = means[row * period + column % period];
            error[[row, column]] = e - mean.0 / mean.1;
        }
    }
    last
}

#[test]
fn steps_that_share_a_divisor_are_named_with_it() {
    for (steps, divisor) in [([46, 52, 52, 46, 52, 46, 46, 52, 46], 2), ([40, 55, 55, 40, 60, 40, 60, 55, 45], 5)] {
        let mut x = vec![0];
        for (k, step) in steps.iter().enumerate() {
            x.push(x[k] + step);
        }
        let plan = Plan { noise_nm: 0.0, dropouts: 0.0, ..Plan::x_scan((12, 200), &x) };
        let result = default(&plan.series());
        assert!(terms(&result).contains(&format!("period {divisor} px").as_str()), "{:?}", terms(&result));
        assert_eq!(codes(&result), ["equal-steps"]);
        let message = &result.warnings[0].message;
        assert!(message.contains(&format!("multiples of {divisor} px, so")), "{message}");
        let without = without_period(&result, &plan, divisor);
        println!("divisor {divisor}: {without:.2e} nm after {} iterations", result.iterations);
        assert!(without < 1e-4, "{without}");
    }
}

#[test]
fn nearly_equal_steps_are_named() {
    let plan = Plan { noise_nm: 0.0, ..Plan::x_scan((10, 200), &[0, 50, 101, 150, 201, 250, 300, 351, 400]) };
    let result = default(&plan.series());
    assert_eq!(codes(&result), ["nearly-equal-steps"]);
}

#[test]
fn positions_between_pixels_are_interpolated_and_named() {
    let mut plan = Plan { noise_nm: 0.05, dropouts: 0.0, ..Plan::small(11) };
    plan.x_px[3] += 0.01;
    let whole = default(&plan.series());
    assert_eq!(codes(&whole), Vec::<&str>::new(), "0.01 px counts as whole");
    for k in [2, 5, 6] {
        plan.x_px[k] += 0.1 * k as f64;
    }
    let result = default(&plan.series());
    assert_eq!(codes(&result), ["between-pixels"]);
    assert!(
        result.warnings[0].message.contains("sub_03.dat, sub_06.dat, sub_07.dat"),
        "{}",
        result.warnings[0].message
    );
    // What the second solve starts from is all but solved: that is no reason to warn.
    for seed in [12, 13] {
        let mut plan = Plan { noise_nm: 0.5, ..Plan::small(seed) };
        for (k, x) in plan.x_px.iter_mut().enumerate() {
            *x += (0.37 * k as f64).fract();
        }
        let result = default(&plan.series());
        assert!(!codes(&result).contains(&"not-converged"), "seed {seed}: {:?}", codes(&result));
    }
    let error = error_of(&plan, &result, Null::XScan);
    println!("between pixels: {error:.4} nm");
    assert!(error < 0.1, "{error}");
}

#[test]
fn detector_windows_may_differ() {
    let plan = Plan { noise_nm: 0.0, dropouts: 0.0, ..Plan::small(12) };
    let mut series = plan.series();
    for (k, p) in series.iter_mut().enumerate() {
        let (top, left) = (usize::from(k % 4 == 3), (5 * k) % 11);
        let whole = p.sub_aperture.map.heights_nm();
        let cut = Array2::from_shape_fn((38 - top, 180 + left % 4), |(r, c)| whole[[r + top, c + left]]);
        p.sub_aperture.map = HeightMap::from_heights_nm(cut, p.sub_aperture.map.pixel());
        p.sub_aperture.window = DetectorWindow { column: 100 + left as i64, row: 30 + top as i64 };
    }
    let result = default(&series);
    let error = error_of(&plan, &result, Null::XScan);
    assert!(error < 1e-6, "{error:e} {:?} {} its", result.warnings, result.iterations);
    assert_eq!(codes(&result), ["reference-unknown"], "camera pixel (0, 0) was used once, where nothing overlaps");
    assert!(!result.height.valid()[[0, 0]]);
    assert!((result.x0_mm - 100.0 * PIXEL_MM).abs() < 1e-9 && (result.y0_mm - 30.0 * PIXEL_MM).abs() < 1e-9);
}

#[test]
fn a_series_that_does_not_move_is_averaged_with_a_warning() {
    let mut plan = Plan::small(14);
    plan.x_px.fill(7.0);
    let result = default(&plan.series());
    assert_eq!(codes(&result), ["nothing-moves"]);
    assert_eq!(terms(&result), ["1", "x", "y", "any shape"]);
    assert_eq!(result.height.shape(), plan.shape);
}

#[test]
fn flat_data_without_noise_raise_no_alarm() {
    for height in [0.0, 5.0, -123.456] {
        let series: Vec<Placed> = [0.0, 4.3, 9.8, 15.7, 19.8, 25.1]
            .iter()
            .enumerate()
            .map(|(k, x)| placed(&format!("{k}.dat"), Array2::from_elem((10, 120), height + k as f64), x / 2.0, 0.0))
            .collect();
        let series: Vec<Placed> =
            series.into_iter().map(|p| Placed { x_mm: (p.x_mm * 10.0).round() / 10.0, ..p }).collect();
        let result = default(&series);
        assert_eq!(codes(&result), Vec::<&str>::new(), "{height} {:?}", result.warnings);
        assert!(result.height.heights_nm().iter().all(|h| h.abs() < 1e-9));
    }
}

#[test]
fn a_result_once_given_is_given_again() {
    let result = default(&Plan::small(18).series());
    let golden = "6bf354c0812cbb4d4d6c7a3c3ece5fda8b5da6ecf9ee98862849ea3bf9811643";
    assert_eq!(
        result.digest(),
        golden,
        "the bits of results changed: count up ENGINE_REVISION in recipe, then pin this"
    );
}

#[test]
fn a_stitch_can_be_cancelled_and_reports_its_progress() {
    struct Watcher {
        calls: AtomicUsize,
        after: usize,
    }
    impl Progress for Watcher {
        fn at(&self, fraction: f64, _step: &str) {
            assert!((0.0..=1.0).contains(&fraction));
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
        fn cancelled(&self) -> bool {
            self.calls.load(Ordering::SeqCst) >= self.after
        }
    }
    let series = Plan::small(15).series();
    let patient = Watcher { calls: AtomicUsize::new(0), after: usize::MAX };
    stitch(&series, &Options::default(), &patient).unwrap();
    assert!(patient.calls.load(Ordering::SeqCst) > 10);
    for after in [1, 4, 9] {
        let hasty = Watcher { calls: AtomicUsize::new(0), after };
        assert_eq!(stitch(&series, &Options::default(), &hasty).unwrap_err(), StitchError::Cancelled);
        assert!(hasty.calls.load(Ordering::SeqCst) <= after);
    }
}
