use std::f64::consts::TAU;

use ndarray::Array2;
use stitchbox_surface::{PixelSize, ProfileKind};

use super::*;

const PIXEL: PixelSize = PixelSize { x_mm: 0.1, y_mm: 0.2 };

fn map(rows: usize, columns: usize, surface: impl Fn(f64, f64) -> f64) -> HeightMap {
    let heights =
        Array2::from_shape_fn((rows, columns), |(r, c)| surface(c as f64 * PIXEL.x_mm, r as f64 * PIXEL.y_mm));
    HeightMap::from_heights_nm(heights, Some(PIXEL))
}

fn low(length: f64) -> Gaussian {
    Gaussian { keep_longer_than: Some(Length::new(length)), ..Gaussian::default() }
}

fn high(length: f64) -> Gaussian {
    Gaussian { keep_shorter_than: Some(Length::new(length)), ..Gaussian::default() }
}

/// The definition, summed over all valid pixels without any transform.
fn by_definition(map: &HeightMap, length: f64, at: (usize, usize)) -> f64 {
    let alpha = (2f64.ln() / std::f64::consts::PI).sqrt();
    let (mut sum, mut weights) = (0.0, 0.0);
    for ((r, c), h) in map.heights_nm().indexed_iter() {
        if map.valid()[[r, c]] {
            let x = (c as f64 - at.1 as f64) * PIXEL.x_mm;
            let y = (r as f64 - at.0 as f64) * PIXEL.y_mm;
            let w = (-std::f64::consts::PI * (x * x + y * y) / (alpha * length).powi(2)).exp();
            sum += w * h;
            weights += w;
        }
    }
    sum / weights
}

fn rough(x: f64, y: f64) -> f64 {
    1e4 + 5.0 * x + 3.0 * ((x * 73.0 + y * 31.0) * 0.618).fract() + 2.0 * (1.7 * x - y).sin()
}

#[test]
fn a_wave_of_the_cut_off_passes_by_one_half() {
    // 40 whole periods of 2 mm; only the inside, where the kernel is not cut.
    for (axes, x) in [(Axes::X, 1.0), (Axes::Y, 0.0), (Axes::Both, 1.0), (Axes::Both, 0.6)] {
        let y = 1.0f64 - x * x;
        let y = y.sqrt();
        let wave = map(200, 400, |u, v| 7.0 * (TAU / 2.0 * (x * u + y * v)).cos());
        for (gaussian, part) in
            [(low(2.0), 0.5), (high(2.0), 0.5), (low(1.0), 2f64.powf(-0.25)), (low(4.0), 2f64.powi(-4))]
        {
            let filtered = Gaussian { axes, ..gaussian }.apply(&wave).unwrap();
            for at in [[100, 200], [90, 187], [111, 133]] {
                let expected = part * wave.heights_nm()[at];
                let error = filtered.heights_nm()[at] - expected;
                // Five pixels per cut-off sample the kernel of the standard to 1e-6, ten to 1e-12.
                assert!(error.abs() < 1e-5, "{axes:?} {part}: {error}");
            }
        }
    }
}

#[test]
fn equals_the_definition_with_holes_and_at_borders() {
    let mut heights = map(30, 60, rough).into_parts().0;
    for at in [[0, 0], [10, 20], [10, 21], [11, 20], [29, 59], [4, 55]] {
        heights[at] = f64::NAN;
    }
    let holed = HeightMap::from_heights_nm(heights, Some(PIXEL));
    let filtered = low(1.3).apply(&holed).unwrap();
    assert_eq!(filtered.valid(), holed.valid());
    for at in [(0, 1), (10, 19), (10, 22), (29, 0), (15, 30), (5, 55)] {
        let expected = by_definition(&holed, 1.3, at);
        assert!((filtered.heights_nm()[at] - expected).abs() < 1e-9, "{at:?}");
    }
}

#[test]
fn an_invalid_pixel_changes_nothing_beyond_the_kernel() {
    let whole = map(60, 120, rough);
    let mut heights = whole.heights_nm().clone();
    heights[[30, 60]] = f64::NAN;
    let holed = HeightMap::from_heights_nm(heights, Some(PIXEL));
    let (a, b) = (low(0.8).apply(&whole).unwrap(), low(0.8).apply(&holed).unwrap());
    assert_eq!(b.valid_count(), 60 * 120 - 1);
    for ((r, c), h) in b.heights_nm().indexed_iter() {
        let far = (r as f64 - 30.0).abs() * 0.2 > 1.2 || (c as f64 - 60.0).abs() * 0.1 > 1.2;
        if far {
            assert!((h - a.heights_nm()[[r, c]]).abs() < 1e-9, "{r} {c}");
        }
    }
}

#[test]
fn first_order_keeps_planes_at_borders_and_beside_holes() {
    let mut heights = map(40, 80, |x, y| 1e3 + 30.0 * x - 20.0 * y).into_parts().0;
    for at in [[0, 0], [1, 1], [20, 40], [20, 41], [39, 7]] {
        heights[at] = f64::NAN;
    }
    let plane = HeightMap::from_heights_nm(heights, Some(PIXEL));
    for axes in [Axes::X, Axes::Y, Axes::Both] {
        let first = Gaussian { axes, end_effect: EndEffect::FirstOrder, ..low(1.5) };
        let difference = first.apply(&plane).unwrap().heights_nm() - plane.heights_nm();
        assert!(difference.iter().all(|d| d.abs() < 1e-8), "{axes:?}");
        let zero = Gaussian { axes, ..low(1.5) }.apply(&plane).unwrap().heights_nm() - plane.heights_nm();
        assert!(zero.iter().any(|d| d.abs() > 1.0), "{axes:?}");
    }
}

#[test]
fn bands_are_the_one_pass_after_the_other() {
    let map = map(40, 80, rough);
    let band = Gaussian { keep_shorter_than: Some(Length::new(2.0)), ..low(0.6) };
    let stepwise = high(2.0).apply(&low(0.6).apply(&map).unwrap()).unwrap();
    assert_eq!(band.apply(&map).unwrap(), stepwise);
    let both = high(1.0).apply(&map).unwrap().heights_nm() + low(1.0).apply(&map).unwrap().heights_nm();
    assert!((both - map.heights_nm()).iter().all(|d| d.abs() < 1e-9));
}

#[test]
fn a_profile_is_filtered_like_a_row_and_need_not_be_equidistant() {
    let row = map(1, 300, |x, _| rough(x, 0.0));
    let x_mm: Vec<f64> = (0..300).map(|c| c as f64 * 0.1).collect();
    let profile = Profile::new(&x_mm, &row.heights_nm().row(0).to_vec(), ProfileKind::HeightNm).unwrap();
    for end_effect in [EndEffect::ZeroOrder, EndEffect::FirstOrder] {
        let gaussian = Gaussian { axes: Axes::X, end_effect, ..low(2.0) };
        let filtered = gaussian.apply(&row).unwrap();
        let line = gaussian.apply_to_profile(&profile).unwrap();
        for (a, b) in line.values.iter().zip(filtered.heights_nm()).skip(40).take(220) {
            assert!((a - b).abs() < 1e-8);
        }
    }
    // The wave of the cut-off again, on points whose distance varies by a factor of 2.
    let uneven: Vec<f64> = (0..2000).map(|k| k as f64 * 0.02 + 0.006 * (k as f64 * 0.02).sin()).collect();
    let wave: Vec<f64> = uneven.iter().map(|x| (TAU * x / 4.0).cos()).collect();
    let wave = Profile::new(&uneven, &wave, ProfileKind::SlopeUrad).unwrap();
    let halved = low(4.0).apply_to_profile(&wave).unwrap();
    for k in 600..1400 {
        assert!((halved.values[k] - 0.5 * wave.values[k]).abs() < 1e-4, "{k}");
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    let map = map(10, 10, rough);
    assert!(Gaussian::default().apply(&map).is_err());
    assert!(low(0.3).apply(&map).is_err() && low(f64::NAN).apply(&map).is_err());
    let empty_band = Gaussian { keep_shorter_than: Some(Length::new(1.0)), ..low(2.0) };
    assert!(empty_band.apply(&map).is_err());
    let nothing = HeightMap::from_heights_nm(Array2::from_elem((5, 5), f64::NAN), Some(PIXEL));
    assert!(matches!(low(1.0).apply(&nothing), Err(StepError::TooFew { .. })));
    let unknown = map.with_pixel(None);
    assert!(matches!(low(1.0).apply(&unknown), Err(StepError::NoPixelSize { .. })));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let mut heights = map(45, 70, rough).into_parts().0;
    heights[[7, 9]] = f64::NAN;
    let map = HeightMap::from_heights_nm(heights, Some(PIXEL));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Gaussian { end_effect: EndEffect::FirstOrder, ..low(1.5) }.apply(&map).unwrap())
    };
    assert_eq!(with(1), with(5));
}
