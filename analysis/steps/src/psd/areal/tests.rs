use std::f64::consts::TAU;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const PIXEL: PixelSize = PixelSize { x_mm: 0.1, y_mm: 0.25 };

fn plain() -> ArealPsd {
    ArealPsd { window: Window::None, detrend: Detrend::Mean, min_valid: 0.5 }
}

fn map(rows: usize, columns: usize, mut height: impl FnMut(usize, usize) -> f64) -> HeightMap {
    HeightMap::from_heights_nm(Array2::from_shape_fn((rows, columns), |(r, c)| height(r, c)), Some(PIXEL))
}

fn variance(map: &HeightMap) -> f64 {
    stitchbox_surface::statistics(map).unwrap().rms_nm.powi(2)
}

#[test]
fn the_integral_is_the_variance_for_even_and_odd_sizes() {
    for (rows, columns) in [(12, 20), (13, 21), (12, 21), (17, 20)] {
        let map = map(rows, columns, |r, c| ((r * 31 + c * c * 7) as f64 * 0.618).fract() * 5.0 + 100.0);
        let found = plain().apply(&map).unwrap();
        assert!((found.rms().powi(2) / variance(&map) - 1.0).abs() < 1e-12, "{rows} {columns}");
        let radial = found.radial();
        assert_eq!(radial.cells.iter().sum::<usize>(), rows * columns);
        let total: f64 = radial.density.iter().zip(&radial.cells).map(|(s, n)| s * *n as f64).sum();
        let cell = found.distance_per_mm.0 * found.distance_per_mm.1;
        assert!((total * cell / variance(&map) - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_wave_lies_in_its_cell_with_its_rms() {
    // 5 periods along x, -3 along y.
    let map = map(24, 40, |r, c| 3.0 * (TAU * (5.0 * c as f64 / 40.0 - 3.0 * r as f64 / 24.0)).cos());
    let found = plain().apply(&map).unwrap();
    let ((row, column), _) = found.density.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    assert!((found.x_per_mm[column] - 5.0 / 4.0).abs() < 1e-12 && (found.y_per_mm[row] + 3.0 / 6.0).abs() < 1e-12);
    let around = libm::hypot(1.25, 0.5);
    let band = found.band_rms(Frequency::new(around - 0.01), Frequency::new(around + 0.01));
    assert!((band - 3.0 / 2f64.sqrt()).abs() < 1e-10, "{band}");
    assert!(found.band_rms(Frequency::new(around + 0.01), Frequency::new(1e9)) < 1e-10);
}

#[test]
fn white_noise_has_its_level_with_windows_and_holes() {
    // Uniform noise of variance 1/12: density dx dy / 12 everywhere.
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut noise = map(150, 210, |_, _| random.random::<f64>());
    let mut heights = noise.heights_nm().clone();
    for k in 0..2000 {
        heights[[k * 37 % 150, k * 101 % 210]] = f64::NAN;
    }
    noise = HeightMap::from_heights_nm(heights, Some(PIXEL));
    for window in [Window::None, Window::Hann, Window::BlackmanHarris] {
        let found = ArealPsd { window, ..ArealPsd::default() }.apply(&noise).unwrap();
        let radial = found.radial();
        let (mut sum, mut count) = (0.0, 0);
        for (s, n) in radial.density.iter().zip(&radial.cells).skip(4) {
            sum += s * *n as f64;
            count += n;
        }
        let level = sum / count as f64 / (0.1 * 0.25 / 12.0);
        // 31500 values, each twice; the narrowest window makes some 8 of them alike: one standard deviation is 2 %.
        assert!((level - 1.0).abs() < 0.08, "{window:?}: {level}");
    }
}

#[test]
fn surfaces_of_second_order_are_detrended_and_borders_do_not_count() {
    let bent = map(30, 40, |r, c| {
        if !(3..27).contains(&r) || c < 5 {
            return f64::NAN;
        }
        let (x, y) = (c as f64, r as f64);
        1e5 + 3.0 * x - y + 0.2 * x * x - 0.1 * x * y + 0.3 * y * y
    });
    let found = ArealPsd { detrend: Detrend::Quadratic, ..ArealPsd::default() }.apply(&bent).unwrap();
    assert_eq!(found.density.dim(), (24, 18));
    assert!(found.rms() < 1e-8);
    assert!(ArealPsd::default().apply(&bent).unwrap().rms() > 1.0);
    let sparse = map(10, 10, |r, c| if r == c { 1.0 } else { f64::NAN });
    assert!(matches!(ArealPsd::default().apply(&sparse), Err(StepError::TooFew { .. })));
    let empty = map(10, 10, |_, _| f64::NAN);
    assert!(matches!(ArealPsd::default().apply(&empty), Err(StepError::TooFew { .. })));
}
