//! Positions between pixels, positions that are wrong, and what else is not as simple as whole steps.

mod support;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_stitch::{Drift, Options, Placed, Reference, Refine, Stitched, stitch};
use support::{Null, PIXEL_MM, Plan, error_nm, normal, placed};

use ndarray::Array2;

/// A rough mirror: sums of waves that are known everywhere.
struct Rough(Vec<[f64; 4]>);

impl Rough {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let wave = |_| {
            let (q, angle) = (0.05 + 0.9 * rng.random::<f64>(), std::f64::consts::TAU * rng.random::<f64>());
            [q * libm::cos(angle), q * libm::sin(angle), std::f64::consts::TAU * rng.random::<f64>(), 0.25]
        };
        Self((0..24).map(wave).collect())
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        self.0.iter().map(|[qx, qy, phase, size]| size * libm::sin(qx * x + qy * y + phase)).sum()
    }
}

fn series(
    shape: (usize, usize),
    places: &[(f64, f64)],
    noise: f64,
    seed: u64,
    height: impl Fn(f64, f64) -> f64,
) -> Vec<Placed> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let of = |(k, (x, y)): (usize, &(f64, f64))| {
        let (piston, pitch, roll) = (100.0 * normal(&mut rng), normal(&mut rng), normal(&mut rng));
        let heights = Array2::from_shape_fn(shape, |(row, column)| {
            let (u, v) = (column as f64 / shape.1 as f64, row as f64 / shape.0 as f64);
            let reference = 2.0 * libm::cos(9.0 * u + 2.0 * v) + 1.5 * u * u * u;
            let value = height(x + column as f64, y + row as f64)
                + reference
                + piston
                + pitch * column as f64
                + roll * row as f64;
            if rng.random::<f64>() < 0.01 { f64::NAN } else { value + noise * normal(&mut rng) }
        });
        placed(&format!("sub_{:02}.dat", k + 1), heights, x * PIXEL_MM, y * PIXEL_MM)
    };
    places.iter().enumerate().map(of).collect()
}

fn codes(result: &Stitched) -> Vec<&str> {
    result.warnings.iter().map(|w| w.code.as_str()).collect()
}

fn places(count: usize, seed: u64, fractions: (f64, f64)) -> Vec<(f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut x = 0.0;
    (0..count)
        .map(|k| {
            x += if k == 0 { 0.0 } else { f64::from(rng.random_range(40u32..=60)) };
            let off =
                |rng: &mut ChaCha8Rng, most: f64| if k == 0 { 0.0 } else { most * (2.0 * rng.random::<f64>() - 1.0) };
            (x + off(&mut rng, fractions.0), off(&mut rng, fractions.1))
        })
        .collect()
}

#[test]
fn a_strongly_curved_mirror_between_pixels_is_right() {
    // R = 16 m, 8 mm from the centre at the ends of this short series, on a mirror that goes on: slopes of milliradians.
    let cylinder = |x: f64, y: f64| {
        let (x, y) = ((x + 800.0) * PIXEL_MM, y * PIXEL_MM);
        1e6 * (x * x / 32e3 + x * x * x * x / (8.0 * 16e3 * 16e3 * 16e3)) + 1e6 * y * y / 60e3 + 3e-3 * x * x * y
    };
    for (fractions, most) in [((0.5, 0.0), 0.05), ((0.4, 0.4), 0.15)] {
        let series = series((40, 200), &places(12, 3, fractions), 0.0, 5, cylinder);
        let result = stitch(&series, &Options { robust: false, ..Options::default() }, &()).unwrap();
        let null = if fractions.1 == 0.0 { Null::XScan } else { Null::Quadratic };
        let (x0, y0) = (result.x0_mm / PIXEL_MM, result.y0_mm / PIXEL_MM);
        let error = error_nm(&result.height, null, |row, column| cylinder(x0 + column as f64, y0 + row as f64));
        println!("curved, {fractions:?}: {error:.2e} nm, {:?}", codes(&result));
        // Slopes reach 1100 nm per px. Not yet exact: 0.03 nm was measured along x, 0.11 nm along both; wanted is a thousandth.
        assert!(error < most, "{error} nm");
    }
}

#[test]
fn wrong_positions_are_found_with_honest_uncertainties() {
    let rough = Rough::new(4);
    let truth = places(12, 6, (0.5, 0.0));
    let mut series = series((40, 200), &truth, 0.1, 7, |x, y| rough.at(x, y));
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let wrong: Vec<f64> = truth.iter().map(|_| rng.random::<f64>() - 0.5).collect();
    let mean = wrong.iter().sum::<f64>() / wrong.len() as f64;
    for (p, wrong) in series.iter_mut().zip(&wrong) {
        p.x_mm += wrong * PIXEL_MM;
    }
    let result =
        stitch(&series, &Options { refine: Refine::Offsets, robust: false, ..Options::default() }, &()).unwrap();
    let (mut squares, mut scaled) = (0.0, 0.0);
    for (corrector, wrong) in result.correctors.iter().zip(&wrong) {
        let (dx, sigma) = corrector.dx_mm.unwrap();
        let error = dx / PIXEL_MM + wrong - mean;
        squares += error * error / 12.0;
        scaled += (error / (sigma / PIXEL_MM)).powi(2) / 12.0;
    }
    println!("refined: {:.4} px rms, {scaled:.2} in units of the variance told", squares.sqrt());
    // With so little noise, rims and holes of a small map count too.
    assert!(squares.sqrt() < 0.02 && scaled < 5.0 && scaled > 0.2, "{} {scaled}", squares.sqrt());
}

#[test]
fn positions_on_a_smooth_mirror_stay_as_given() {
    let series = series((40, 200), &places(12, 6, (0.3, 0.0)), 0.5, 7, |x, _| 1e-4 * x * x);
    let result = stitch(&series, &Options { refine: Refine::Offsets, ..Options::default() }, &()).unwrap();
    assert!(codes(&result).contains(&"positions-not-refined"), "{:?}", codes(&result));
    assert!(result.correctors.iter().all(|c| c.dx_mm.is_none() && c.dy_mm.is_none()));
}

#[test]
fn two_that_are_wrong_alike_do_not_outvote_one() {
    let plan = Plan::small(21);
    let mut series = plan.series();
    // The same spike in sub-apertures 4 and 5, at one place of the mirror, where three or more overlap.
    let (a, b) = (plan.x_px[4] as usize, plan.x_px[5] as usize);
    for (k, x) in [(4, a), (5, b)] {
        let map = &series[k].sub_aperture.map;
        let mut heights = map.heights_nm().clone();
        for ((row, column), valid) in map.valid().indexed_iter() {
            if !*valid {
                heights[[row, column]] = f64::NAN;
            }
        }
        for column in b + 20..b + 23 {
            heights[[15, column - x]] += 40.0;
        }
        series[k].sub_aperture.map = stitchbox_surface::HeightMap::from_heights_nm(heights, map.pixel());
    }
    let result = stitch(&series, &Options::default(), &()).unwrap();
    let left = support::residual(&result.height, Null::XScan, |row, column| plan.truth(column as f64, row as f64));
    let worst =
        left.iter().filter(|(r, c, _)| *r == 15 && (b + 20..b + 23).contains(c)).fold(0.0f64, |m, v| m.max(v.2.abs()));
    assert!(worst < 5.0, "{worst} nm");
}

#[test]
fn fringe_order_errors_are_named() {
    let plan = Plan::small(22);
    let mut series = plan.series();
    for p in &mut series {
        p.sub_aperture.instrument.wavelength_nm = Some(632.8);
        p.sub_aperture.instrument.scale_factor = Some(0.5);
    }
    let map = &series[6].sub_aperture.map;
    let mut heights = map.heights_nm().clone();
    for ((row, column), valid) in map.valid().indexed_iter() {
        if !*valid {
            heights[[row, column]] = f64::NAN;
        } else if row < 14 && (60..90).contains(&column) {
            heights[[row, column]] += 316.4;
        }
    }
    series[6].sub_aperture.map = stitchbox_surface::HeightMap::from_heights_nm(heights, map.pixel());
    let result = stitch(&series, &Options::default(), &()).unwrap();
    let warning = result.warnings.iter().find(|w| w.code == "fringe-order");
    assert!(warning.is_some_and(|w| w.message.contains("sub_07.dat")), "{:?}", result.warnings);
    let error = error_nm(&result.height, Null::XScan, |row, column| plan.truth(column as f64, row as f64));
    assert!(error < 0.37, "{error}");
}

/// Adds `pattern(u, v) * factor(k)` to a series.
fn with_pattern(series: &mut [Placed], factor: impl Fn(usize) -> f64, pattern: impl Fn(f64, f64) -> f64) {
    for (k, p) in series.iter_mut().enumerate() {
        let map = &p.sub_aperture.map;
        let (rows, columns) = map.shape();
        let heights = Array2::from_shape_fn((rows, columns), |(row, column)| {
            let (u, v) = (column as f64 / columns as f64, row as f64 / rows as f64);
            if map.valid()[[row, column]] {
                map.heights_nm()[[row, column]] + factor(k) * pattern(u, v)
            } else {
                f64::NAN
            }
        });
        p.sub_aperture.map = stitchbox_surface::HeightMap::from_heights_nm(heights, map.pixel());
    }
}

fn pattern(u: f64, v: f64) -> f64 {
    libm::sin(11.0 * u + 3.0 * v) + libm::cos(7.0 * v - 2.0 * u)
}

#[test]
fn drift_is_told_where_it_is_and_only_there() {
    for seed in [31, 32, 33] {
        let plan = Plan::small(seed);
        let mut series = plan.series();
        let still = stitch(&series, &Options::default(), &()).unwrap();
        assert!(!codes(&still).contains(&"reference-drifts"), "seed {seed}: {:?}", still.warnings);
        for (k, p) in series.iter_mut().enumerate() {
            p.sub_aperture.instrument.acquired_unix = Some(1_700_000_000 + 600 * k as i64);
        }
        with_pattern(&mut series, |k| 0.1 * (k as f64 - 5.5), pattern);
        let drifting = stitch(&series, &Options::default(), &()).unwrap();
        let warning = drifting.warnings.iter().find(|w| w.code == "reference-drifts");
        assert!(warning.is_some_and(|w| w.message.contains("nm per hour")), "seed {seed}: {:?}", drifting.warnings);
        println!("{}", warning.unwrap().message);
    }
}

#[test]
fn a_drift_is_corrected_on_request() {
    let plan = Plan { noise_nm: 0.05, ..Plan::small(34) };
    let mut series = plan.series();
    with_pattern(&mut series, |k| 0.2 * (k as f64 - 5.5), pattern);
    let left = |drift: Drift| {
        let result = stitch(&series, &Options { drift, robust: false, ..Options::default() }, &()).unwrap();
        result.residual_nm.iter().map(|r| r * r).sum::<f64>() / result.residual_nm.len() as f64
    };
    let (before, after) = (left(Drift::Ignore).sqrt(), left(Drift::Correct).sqrt());
    println!("drift: residual {before:.4} nm, corrected {after:.4} nm");
    assert!(after < 0.06 && before > 2.0 * after, "{before} {after}");
}

#[test]
fn retrace_errors_are_corrected_where_the_tilts_vary() {
    let plan = Plan { noise_nm: 0.05, ..Plan::small(35) };
    let mut series = plan.series();
    // The tilt that the plan gives to each sub-aperture, as its plane fit shows it.
    let tilts: Vec<f64> = series
        .iter()
        .map(|p| {
            let map = &p.sub_aperture.map;
            let mid = 99.5;
            let sum = map.heights_nm().indexed_iter().zip(map.valid()).filter(|(_, v)| **v);
            let (xy, xx) = sum.fold((0.0, 0.0), |(xy, xx), (((_, c), h), _)| {
                (xy + (c as f64 - mid) * h, xx + (c as f64 - mid).powi(2))
            });
            xy / xx
        })
        .collect();
    with_pattern(&mut series, |k| 0.8 * tilts[k], pattern);
    let error = |retrace: bool| {
        let result = stitch(&series, &Options { retrace, robust: false, ..Options::default() }, &()).unwrap();
        error_nm(&result.height, Null::XScan, |row, column| plan.truth(column as f64, row as f64))
    };
    let (before, after) = (error(false), error(true));
    println!("retrace: {before:.4} nm, corrected {after:.4} nm");
    assert!(after < 0.5 * before, "{before} {after}");
    // With one tilt for all there is nothing to tell it by.
    let still = Plan { noise_nm: 0.05, ..Plan::small(36) };
    let mut flat = still.series();
    for p in &mut flat {
        let map = &p.sub_aperture.map;
        let heights = Array2::from_shape_fn(map.shape(), |(row, column)| still.reference(row, column));
        p.sub_aperture.map = stitchbox_surface::HeightMap::from_heights_nm(heights, map.pixel());
    }
    let result =
        stitch(&flat, &Options { retrace: true, reference: Reference::Pixelwise, ..Options::default() }, &()).unwrap();
    assert!(codes(&result).contains(&"retrace-not-observable"), "{:?}", codes(&result));
}
