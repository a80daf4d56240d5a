//! A map of 20 million pixels through the costly steps, with the times printed. Run it with
//! `cargo test --release -p stitchbox-steps --test large_maps -- --ignored --nocapture`.

use std::time::Instant;

use ndarray::Array2;
use stitchbox_steps::Differentiate;
use stitchbox_steps::filter::{EndEffect, Gaussian, Hampel, Median};
use stitchbox_steps::geometry::{Bin, Fill, Resample, Rotate, Shift};
use stitchbox_steps::integrate::IntegrateSlopes;
use stitchbox_steps::psd::{ArealPsd, Psd};
use stitchbox_surface::quantity::Length;
use stitchbox_surface::{HeightMap, PixelSize};

fn timed<T>(name: &str, step: impl FnOnce() -> T) -> T {
    let (start, processor) = (Instant::now(), processor_seconds());
    let found = step();
    let processor = processor_seconds() - processor;
    println!("{name:32} {:6.2} s, {processor:6.2} s of processor time", start.elapsed().as_secs_f64());
    found
}

/// Time that all threads of this process have computed, on Linux; the clock tells little on a shared machine.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    ticks / 100.0
}

#[test]
#[ignore = "takes a minute; for its printed times"]
fn twenty_million_pixels_take_seconds() {
    let (rows, columns) = (1000, 20_000);
    let pixel = PixelSize { x_mm: 0.05, y_mm: 0.05 };
    let surface = |r: usize, c: usize| {
        let (x, y) = (c as f64 * 0.05, r as f64 * 0.05);
        8.0 * (0.02 * x).sin() + 2.0 * (0.7 * x + 0.3 * y).sin() + ((r * 7919 + c * 104_729) as f64 * 0.618).fract()
    };
    let whole = HeightMap::from_heights_nm(Array2::from_shape_fn((rows, columns), |(r, c)| surface(r, c)), Some(pixel));
    let mut heights = whole.heights_nm().clone();
    for k in 0..20_000usize {
        heights[[k * 7919 % rows, k * 104_729 % columns]] = f64::NAN;
    }
    for ((r, c), h) in heights.indexed_iter_mut() {
        let (u, v) = (c as f64 / 10_000.0 - 1.0, r as f64 / 500.0 - 1.0);
        if u * u + v * v > 1.6 {
            *h = f64::NAN;
        }
    }
    let holed = HeightMap::from_heights_nm(heights, Some(pixel));
    println!("{} of {} pixels valid", holed.valid_count(), rows * columns);
    let low = |mm: f64| Gaussian { keep_longer_than: Some(Length::new(mm)), ..Gaussian::default() };
    timed("Gaussian 1 mm (20 px)", || low(1.0).apply(&holed).unwrap());
    timed("Gaussian 20 mm (400 px)", || low(20.0).apply(&holed).unwrap());
    let first = Gaussian { end_effect: EndEffect::FirstOrder, ..low(5.0) };
    timed("Gaussian 5 mm, first order", || first.apply(&holed).unwrap());
    timed("median 3 x 3", || Median::default().apply(&holed).unwrap());
    timed("Hampel 5 x 5", || Hampel::default().apply(&holed).unwrap());
    timed("bin 4 x 4", || Bin { x: 4, y: 4, ..Bin::default() }.apply(&holed).unwrap());
    timed("fill", || Fill::default().apply(&holed).unwrap());
    timed("shift", || Shift { x: Length::new(0.012), y: Length::new(0.033) }.apply(&holed).unwrap());
    timed("rotate 0.5 deg", || Rotate { angle: "0.5 deg".parse().unwrap() }.apply(&holed).unwrap());
    let coarser = Resample { x: Length::new(0.13), y: None, min_valid: 0.75 };
    timed("resample 2.6 x coarser", || coarser.apply(&holed).unwrap());
    timed("psd of lines", || Psd::default().apply(&whole).unwrap());
    timed("areal psd", || ArealPsd::default().apply(&whole).unwrap());
    let slopes = timed("differentiate", || Differentiate::default().apply(&whole).unwrap());
    let found = timed("integrate, no mask", || IntegrateSlopes::default().apply(&slopes).unwrap());
    println!("    {} iterations", found.iterations);
    let slopes = Differentiate::default().apply(&holed).unwrap();
    let found = timed("integrate, mask and 20000 holes", || IntegrateSlopes::default().apply(&slopes).unwrap());
    println!("    {} iterations", found.iterations);
}
