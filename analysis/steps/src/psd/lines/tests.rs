use std::f64::consts::TAU;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_surface::PixelSize;
use stitchbox_surface::quantity::Frequency;

use super::*;

const PIXEL: PixelSize = PixelSize { x_mm: 0.5, y_mm: 0.25 };

fn plain() -> Psd {
    Psd { window: Window::None, detrend: Detrend::Mean, ..Psd::default() }
}

fn profile(n: usize, kind: ProfileKind, value: impl Fn(f64) -> f64) -> Profile {
    let x: Vec<f64> = (0..n).map(|k| 0.5 * k as f64).collect();
    let values: Vec<f64> = x.iter().map(|x| value(*x)).collect();
    Profile::new(&x, &values, kind).unwrap()
}

fn all(spectrum: &Spectrum) -> f64 {
    spectrum.band_rms(Frequency::new(0.0), Frequency::new(1e9))
}

/// The sequence of the pinned numbers: `((k * 0.618034) % 1) * 3 + 0.1 * k`.
fn sequence(k: usize) -> f64 {
    (k as f64 * 0.618_034).fract() * 3.0 + 0.1 * k as f64
}

#[test]
fn equals_the_periodogram_of_scipy() {
    // scipy.signal.periodogram(h, fs=2, window=w, detrend=d, scaling="density")[1][[1, 3, 10, 25]], scipy 1.17.1
    let expected = [
        (Window::Hann, Detrend::Linear, [0.0844657959707201, 0.09827711979667, 0.117239077088614, 0.11964725707680812]),
        (Window::None, Detrend::Mean, [30.685764215118915, 3.459268381350761, 0.5824092555220616, 0.1484214150249995]),
        (
            Window::Kaiser { beta: 6.0 },
            Detrend::Linear,
            [0.08937600016743248, 0.10419213894602741, 0.10370642583492626, 0.12040245347059357],
        ),
    ];
    for (window, detrend, values) in expected {
        let psd = Psd { window, detrend, ..Psd::default() };
        let found =
            psd.apply_to_profile(&profile(50, ProfileKind::HeightNm, |x| sequence((2.0 * x) as usize))).unwrap();
        assert_eq!((found.frequency_per_mm.len(), found.frequency_per_mm[25]), (26, 1.0));
        for (k, value) in [1, 3, 10, 25].iter().zip(values) {
            assert!((found.density[*k] / value - 1.0).abs() < 1e-10, "{window:?} {k}");
        }
    }
    // The same of ((k * 0.618034) % 1) * 3 for k < 37 with Blackman and the mean removed, [1, 3, 10, 18].
    let odd = Psd { window: Window::Blackman, detrend: Detrend::Mean, ..Psd::default() };
    let line = profile(37, ProfileKind::SlopeUrad, |x| (2.0 * x * 0.618_034).fract() * 3.0);
    let found = odd.apply_to_profile(&line).unwrap();
    assert_eq!(found.unit, DensityUnit::Urad2Mm);
    let values = [0.16549239459766657, 0.2980229936288996, 0.06774934319247246, 0.1505489665612607];
    for (k, value) in [1, 3, 10, 18].iter().zip(values) {
        assert!((found.density[*k] / value - 1.0).abs() < 1e-10, "{k}");
    }
}

#[test]
fn the_integral_is_the_variance_of_a_map_for_even_and_odd_lengths() {
    for (rows, columns) in [(3, 20), (4, 21), (70, 33)] {
        let heights = Array2::from_shape_fn((rows, columns), |(r, c)| ((r * 37 + c * c) as f64 * 0.618).fract() + 50.0);
        let map = HeightMap::from_heights_nm(heights.clone(), Some(PIXEL));
        for (along, axis) in [(Axis::X, ArrayAxis(1)), (Axis::Y, ArrayAxis(0))] {
            if heights.len_of(axis) < SHORTEST {
                continue;
            }
            let found = Psd { along, ..plain() }.apply(&map).unwrap();
            let variance = heights.var_axis(axis, 0.0).mean().unwrap();
            assert!((all(&found).powi(2) / variance - 1.0).abs() < 1e-12, "{rows} {columns} {along:?}");
            assert_eq!(found.lines, heights.len() / heights.len_of(axis));
            assert!((found.cumulative_rms().last().unwrap() - all(&found)).abs() < 1e-12);
        }
    }
}

#[test]
fn a_wave_lies_in_its_bin_with_its_rms_and_slopes_agree_with_heights() {
    // 12 periods in 100 mm; a wave of 3 nm has 3 / sqrt 2 nm rms and slopes of 2 pi f times that.
    let f = 0.12;
    let heights = profile(200, ProfileKind::HeightNm, |x| 3.0 * (TAU * f * x).sin());
    let found = plain().apply_to_profile(&heights).unwrap();
    let peak = found.density.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert!((found.frequency_per_mm[peak] - f).abs() < 1e-12);
    let rms = 3.0 / 2f64.sqrt();
    let band = |s: &Spectrum| s.band_rms(Frequency::new(0.11), Frequency::new(0.13));
    assert!((band(&found) - rms).abs() < 1e-10);
    assert!(found.band_rms(Frequency::new(0.13), Frequency::new(1.0)) < 1e-10);
    // A window keeps the rms as well, spread over its neighbours.
    let hann = Psd { detrend: Detrend::Mean, ..Psd::default() }.apply_to_profile(&heights).unwrap();
    let wide = hann.band_rms(Frequency::new(0.1), Frequency::new(0.14));
    assert!((wide - rms).abs() < 1e-10);

    let slopes = profile(200, ProfileKind::SlopeUrad, |x| 3.0 * TAU * f * (TAU * f * x).cos());
    let slopes = plain().apply_to_profile(&slopes).unwrap();
    assert!((band(&slopes) - TAU * f * rms).abs() < 1e-10);
    assert!((band(&slopes.heights().unwrap()) - rms).abs() < 1e-10);
    assert!((band(&found.slopes().unwrap()) - TAU * f * rms).abs() < 1e-10);
    assert!(found.heights().is_err() && slopes.slopes().is_err());
}

#[test]
fn white_noise_has_its_level_whatever_window_and_gaps() {
    // One-sided: 2 d sigma^2, uniform noise of variance 1/12.
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let noise = Array2::from_shape_fn((200, 400), |_| random.random::<f64>());
    let mut holed = noise.clone();
    for k in 0..4000 {
        holed[[k * 37 % 200, k * 173 % 400]] = f64::NAN;
    }
    let expected = 2.0 * 0.5 / 12.0;
    let level = |map: &Array2<f64>, psd: &Psd| {
        let found = psd.apply(&HeightMap::from_heights_nm(map.clone(), Some(PIXEL))).unwrap();
        found.density[5..195].iter().sum::<f64>() / 190.0 / expected
    };
    for window in [Window::None, Window::Hann, Window::Tukey { alpha: 0.3 }] {
        let psd = Psd { window, ..Psd::default() };
        // 38000 independent values.
        assert!((level(&noise, &psd) - 1.0).abs() < 0.025, "{window:?}");
        let weighted = Psd { gaps: Gaps::Weight, ..psd.clone() };
        assert!((level(&holed, &weighted) - 1.0).abs() < 0.025, "{window:?}");
        // Interpolated gaps lack noise, half of theirs and more.
        let interpolated = level(&holed, &psd);
        assert!((0.9..0.995).contains(&interpolated), "{window:?} {interpolated}");
    }
}

#[test]
fn gaps_are_interpolated_weighted_or_skipped() {
    let mut heights = Array2::from_shape_fn((5, 64), |(r, c)| 1e3 + r as f64 + (TAU * 3.0 * c as f64 / 64.0).sin());
    for at in [[1, 20], [3, 0], [3, 1], [3, 2], [3, 3], [3, 4], [3, 5], [3, 6], [3, 7]] {
        heights[at] = f64::NAN;
    }
    let map = HeightMap::from_heights_nm(heights, Some(PIXEL));
    for (gaps, lines) in [(Gaps::Interpolate, 4), (Gaps::Weight, 4), (Gaps::Skip, 3)] {
        let found = Psd { gaps, ..plain() }.apply(&map).unwrap();
        assert_eq!((found.lines, found.left_out), (lines, 5 - lines), "{gaps:?}");
        assert!((all(&found) - 0.5f64.sqrt()).abs() < 0.01, "{gaps:?}");
        let high = found.band_rms(Frequency::new(0.3), Frequency::new(1.0));
        // One pixel of one line in four: a weight of zero leaks much more than a straight line over the gap.
        assert!(if gaps == Gaps::Skip { high < 1e-9 } else { high < 0.07 }, "{gaps:?} {high}");
    }
    let nothing = Psd { min_valid: 1.0, ..plain() };
    let first_column = HeightMap::from_heights_nm(
        Array2::from_shape_fn((5, 64), |(r, c)| if c == 10 * r { f64::NAN } else { 1.0 }),
        Some(PIXEL),
    );
    assert!(matches!(nothing.apply(&first_column), Err(StepError::TooFew { .. })));
    let empty = HeightMap::from_heights_nm(Array2::from_elem((5, 64), f64::NAN), Some(PIXEL));
    assert!(matches!(plain().apply(&empty), Err(StepError::TooFew { .. })));
}

#[test]
fn a_power_law_is_found_within_its_uncertainty() {
    // Noise integrated once falls with f^-2 (up to the difference between a sum and an integral near Nyquist).
    let (mut inside, runs) = (0, 40);
    let mut scatter = 0.0;
    for seed in 0..runs {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut height = 0.0;
        let mut values = vec![];
        for _ in 0..4000 {
            height += random.random::<f64>() - 0.5;
            values.push(height);
        }
        let x: Vec<f64> = (0..4000).map(|k| 0.5 * k as f64).collect();
        let line = Profile::new(&x, &values, ProfileKind::HeightNm).unwrap();
        let found = Psd::default().apply_to_profile(&line).unwrap();
        let law = found.power_law(Frequency::new(0.005), Frequency::new(0.1)).unwrap();
        let off = (law.exponent - 2.0) / law.exponent_sigma;
        inside += usize::from(off.abs() < 2.0);
        scatter += off * off;
        // Density of the walk: 2 d sigma^2 / (2 pi f d)^2 with the variance 1/12 of a step.
        let k = 2.0 * 0.5 / 12.0 / (TAU * 0.5).powi(2);
        assert!((law.density_at_1_per_mm / k).ln().abs() < 5.0 * law.log_density_sigma, "{seed}: {law:?}");
    }
    println!("{inside} of {runs} within 2 sigma, mean square {:.2}", scatter / runs as f64);
    assert!(inside >= 34 && (0.5..1.7).contains(&(scatter / runs as f64)), "{inside} {scatter}");
    let exact = profile(100, ProfileKind::HeightNm, |x| x);
    let mut spectrum = plain().apply_to_profile(&exact).unwrap();
    for (s, f) in spectrum.density.iter_mut().zip(&spectrum.frequency_per_mm) {
        *s = if *f > 0.0 { 7.0 * f.powf(-2.5) } else { 0.0 };
    }
    let law = spectrum.power_law(Frequency::new(0.1), Frequency::new(0.9)).unwrap();
    assert!((law.exponent - 2.5).abs() < 1e-9 && (law.density_at_1_per_mm - 7.0).abs() < 1e-8, "{law:?}");
    assert!(spectrum.power_law(Frequency::new(0.5), Frequency::new(0.51)).is_err());
    // A spectrum that is no power law at all: one value stands out by 10^12. The fit still ends, with a large scatter.
    spectrum.density[6] *= 1e12;
    let law = spectrum.power_law(Frequency::new(0.1), Frequency::new(0.9)).unwrap();
    assert!(law.exponent.is_finite() && law.exponent_sigma > 0.1, "{law:?}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let heights = Array2::from_shape_fn((131, 97), |(r, c)| ((r * 37 + c * c) as f64 * 0.618).fract());
    let map = HeightMap::from_heights_nm(heights, Some(PIXEL));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Psd::default().apply(&map).unwrap())
    };
    assert_eq!(with(1), with(5));
}
