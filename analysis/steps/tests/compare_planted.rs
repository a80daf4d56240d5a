//! Two maps of one planted surface: shifts, pixel sizes and uncertainties are those put in.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_steps::{Compare, Register, Resampled, StepError, SurfaceTerm};
use stitchbox_surface::quantity::Length;
use stitchbox_surface::{HeightMap, PixelSize};

/// Waves of several lengths and directions, the shortest 8 mm; nm.
fn surface(x: f64, y: f64) -> f64 {
    let wave = |kx: f64, ky: f64, phase: f64| libm::sin(kx * x + ky * y + phase);
    9.0 * wave(0.1, 0.02, 0.3) + 5.0 * wave(-0.25, 0.3, 1.0) + 3.0 * wave(0.5, 0.45, 2.0) + 2.0 * wave(0.1, -0.7, 0.7)
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// A map whose centre looks at `at`, with noise.
fn map(shape: (usize, usize), pixel: f64, at: (f64, f64), noise: f64, seed: u64) -> HeightMap {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let heights = Array2::from_shape_fn(shape, |(row, column)| {
        let x = (column as f64 - (shape.1 as f64 - 1.0) / 2.0) * pixel + at.0;
        let y = (row as f64 - (shape.0 as f64 - 1.0) / 2.0) * pixel + at.1;
        let noise = noise * normal(&mut rng);
        if (row + 3 * column) % 211 == 0 { f64::NAN } else { surface(x, y) + noise }
    });
    HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: pixel, y_mm: pixel }))
}

fn tilted(map: &HeightMap, piston: f64, tilt: f64, power: f64) -> HeightMap {
    let (rows, columns) = map.shape();
    let pixel = map.pixel().unwrap();
    let heights = Array2::from_shape_fn((rows, columns), |(row, column)| {
        let x = (column as f64 - (columns as f64 - 1.0) / 2.0) * pixel.x_mm;
        let y = (row as f64 - (rows as f64 - 1.0) / 2.0) * pixel.y_mm;
        map.heights_nm()[[row, column]] + piston + tilt * x + power * (x * x + y * y)
    });
    HeightMap::new(heights, map.valid().clone(), map.pixel()).unwrap()
}

#[test]
fn terms_that_may_differ_are_removed_and_stated() {
    let a = map((90, 160), 0.5, (0.0, 0.0), 0.0, 1);
    let b = tilted(&a, 300.0, -4.0, 0.02);
    use SurfaceTerm::{Piston, Power, TiltX, TiltY};
    let compare = Compare { remove: vec![Piston, TiltX, TiltY, Power], ..Compare::default() };
    let compared = compare.apply(&a, None, &b, None).unwrap();
    assert!(compared.rms_nm < 1e-10 && compared.e_n.is_none() && compared.shift.is_none());
    assert_eq!(compared.resampled, Resampled::Neither);
    assert_eq!(compared.count, a.valid_count());
    let value = |k: usize| compared.removed[k].value;
    assert!((value(0) + 300.0).abs() < 1e-9 && (value(1) - 4.0).abs() < 1e-9 && (value(3) + 4e-5).abs() < 1e-12);
    let power_left = Compare::default().apply(&a, None, &b, None).unwrap();
    assert!(power_left.rms_nm > 1.0);
}

#[test]
fn shifts_are_found_by_whole_pixels_and_by_fractions() {
    let a = map((260, 420), 0.5, (0.0, 0.0), 0.05, 2);
    // What lies at 0 in a lies at +2 mm (4 px), -1.5 mm (-3 px) in b.
    let b = tilted(&map((260, 420), 0.5, (-2.0, 1.5), 0.05, 3), 50.0, 1.0, 0.0);
    let whole = Compare { register: Register::Whole, ..Compare::default() }.apply(&a, None, &b, None).unwrap();
    let shift = whole.shift.unwrap();
    assert_eq!((shift.x_px, shift.y_px, shift.x_mm, shift.y_mm), (4.0, -3.0, Some(2.0), Some(-1.5)));
    assert!((whole.rms_nm - 0.05 * 2f64.sqrt()).abs() < 2e-3, "{}", whole.rms_nm);

    let register = Register::SubPixel;
    let mut pulls = Vec::new();
    for seed in 0..8 {
        let c = tilted(&map((260, 420), 0.5, (-0.83, 0.36), 0.5, 10 + seed), -20.0, 3.0, 0.0);
        let a = map((260, 420), 0.5, (0.0, 0.0), 0.5, 50 + seed);
        let fine = Compare { register, ..Compare::default() }.apply(&a, None, &c, None).unwrap();
        let shift = fine.shift.unwrap();
        assert!((shift.x_px - 1.66).abs() < 0.02 && (shift.y_px + 0.72).abs() < 0.02, "{shift:?}");
        assert!(fine.rms_nm < 0.5 * 2f64.sqrt(), "interpolation lowers the noise: {}", fine.rms_nm);
        pulls.push((shift.x_px - 1.66) / shift.uncertainty_x_px);
        pulls.push((shift.y_px + 0.72) / shift.uncertainty_y_px);
    }
    let scatter = (pulls.iter().map(|p| p * p).sum::<f64>() / pulls.len() as f64).sqrt();
    assert!(scatter > 0.5 && scatter < 2.5, "{scatter} {pulls:?}");
    let near = Compare { register, max_shift: Some(Length::new(1.0)), ..Compare::default() };
    let far = near.apply(&a, None, &b, None).unwrap_err();
    assert!(far.to_string().contains("farther apart"), "4 px lie beyond 1 mm: {far}");
    // 420 columns of 0.5 mm: half of them are 105 mm.
    for length in [106.0, 1e6] {
        let beyond = Compare { register, max_shift: Some(Length::new(length)), ..Compare::default() };
        let error = beyond.apply(&a, None, &b, None).unwrap_err();
        assert!(matches!(error, StepError::Parameter { parameter: "max_shift", .. }), "{length} mm: {error}");
    }
    let strip = map((60, 4000), 0.5, (0.0, 0.0), 0.05, 2);
    let many = Compare { register, max_shift: Some(Length::new(900.0)), ..Compare::default() };
    let error = many.apply(&strip, None, &strip, None).unwrap_err();
    assert!(matches!(error, StepError::Parameter { parameter: "max_shift", .. }), "{error}");
}

#[test]
fn the_finer_map_is_averaged_onto_the_pixels_of_the_coarser() {
    let coarse = map((60, 100), 1.0, (0.0, 0.0), 0.0, 4);
    let fine = map((300, 480), 0.25, (-0.4, 0.3), 0.2, 5);
    let compare = Compare { register: Register::SubPixel, ..Compare::default() };
    let forth = compare.apply(&coarse, None, &fine, None).unwrap();
    let back = compare.apply(&fine, None, &coarse, None).unwrap();
    assert_eq!((forth.resampled, back.resampled), (Resampled::Second, Resampled::First));
    assert_eq!(forth.difference.shape(), (60, 100));
    let (one, other) = (forth.shift.unwrap(), back.shift.unwrap());
    assert!((one.x_mm.unwrap() - 0.4).abs() < 0.01 && (one.y_mm.unwrap() + 0.3).abs() < 0.01, "{one:?}");
    assert_eq!((one.x_px, one.y_px), (-other.x_px, -other.y_px));
    // Sampled is not averaged over the pixel: waves of 8 mm differ by some 3 % of their height.
    assert!(forth.rms_nm < 0.3, "{}", forth.rms_nm);
    for (row, column) in [(20, 30), (40, 70)] {
        let (a, b) = (forth.difference.heights_nm()[[row, column]], back.difference.heights_nm()[[row, column]]);
        assert!((a + b).abs() < 1e-9);
    }
}

#[test]
fn e_n_is_within_one_as_often_as_it_should_be() {
    let (a, b) = (map((200, 300), 0.5, (0.0, 0.0), 0.4, 6), map((200, 300), 0.5, (0.0, 0.0), 0.3, 7));
    let (ua, ub) = (Array2::from_elem((200, 300), 0.4), Array2::from_elem((200, 300), 0.3));
    let compared = Compare::default().apply(&a, Some(&ua), &b, Some(&ub)).unwrap();
    // 95.45 % lie within two standard deviations.
    assert!((compared.within.unwrap() - 0.9545).abs() < 0.006, "{:?}", compared.within);
    assert!((compared.rms_nm - 0.5).abs() < 0.01);
    let e_n = compared.e_n.unwrap();
    let (at, d) = ([17, 40], compared.difference.heights_nm()[[17, 40]]);
    assert!((e_n[at] - d.abs() / (2.0 * 0.5)).abs() < 1e-12 && e_n[[0, 0]] == 0.0);
    let wide = Compare { coverage_factor: 3.0, ..Compare::default() };
    assert!(wide.apply(&a, Some(&ua), &b, Some(&ub)).unwrap().within.unwrap() > 0.995);
    for (ua, ub) in [(Some(&ua), None), (None, Some(&ub))] {
        let alone = Compare::default().apply(&a, ua, &b, ub).unwrap();
        assert!(alone.e_n.is_none() && alone.within.is_none(), "one uncertainty alone says nothing of both");
    }
}

#[test]
fn maps_that_cannot_be_compared_are_refused() {
    let a = map((20, 30), 0.5, (0.0, 0.0), 0.1, 8);
    let compare = Compare::default();
    let short = Array2::from_elem((20, 29), 1.0);
    assert!(matches!(compare.apply(&a, Some(&short), &a, None), Err(StepError::Shapes { .. })));
    let zero = Array2::zeros((20, 30));
    assert!(compare.apply(&a, Some(&zero), &a, None).unwrap_err().to_string().contains("uncertainty"));
    let unknown = map((20, 29), 0.5, (0.0, 0.0), 0.1, 8).with_pixel(None);
    assert!(matches!(compare.apply(&a, None, &unknown, None), Err(StepError::Shapes { .. })));
    let empty = HeightMap::from_heights_nm(Array2::from_elem((20, 30), f64::NAN), a.pixel());
    for register in [Register::None, Register::Whole, Register::SubPixel] {
        let compare = Compare { register, ..Compare::default() };
        assert!(compare.apply(&a, None, &empty, None).is_err());
    }
    assert!(Compare { coverage_factor: 0.0, ..Compare::default() }.apply(&a, None, &a, None).is_err());
    // Nothing to hold on to: a plane looks alike wherever it lies.
    let flat = HeightMap::from_heights_nm(Array2::zeros((20, 30)), a.pixel());
    let register = Compare { register: Register::SubPixel, ..Compare::default() };
    assert!(matches!(register.apply(&flat, None, &flat, None), Err(StepError::NotDetermined { .. })));
}
