//! Small series of a planted mirror.
#![allow(dead_code, reason = "each test file uses a part of it")]

use ndarray::Array2;
use stitchbox_stitch::Placed;
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

pub const PIXEL_MM: f64 = 0.5;

pub fn placed(name: &str, heights: Array2<f64>, column: f64, row: f64) -> Placed {
    let map = HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: PIXEL_MM, y_mm: PIXEL_MM }));
    let sub_aperture = SubAperture {
        name: name.into(),
        map,
        window: DetectorWindow { column: 0, row: 0 },
        position_mm: None,
        intensity: None,
        instrument: Instrument::default(),
    };
    Placed { sub_aperture, x_mm: column * PIXEL_MM, y_mm: row * PIXEL_MM }
}

/// A mirror that no plane and no parabola describes.
pub fn mirror(row: usize, column: usize) -> f64 {
    let (x, y) = (column as f64, row as f64);
    libm::sin(0.31 * x + 0.2 * y) * 5.0 + 0.001 * x * x * x - 0.4 * x * y + 0.02 * y * y * x
}

/// Sub-apertures of 8 x 12 pixels with a plane each, at the given (row, column), plus an error fixed in the camera.
pub fn measured(places: &[(usize, usize)], reference: impl Fn(usize, usize) -> f64) -> Vec<Placed> {
    let of = |(k, &(row, column)): (usize, &(usize, usize))| {
        let lean = k as f64;
        let mut heights = Array2::from_shape_fn((8, 12), |(v, u)| {
            let plane = 100.0 * libm::sin(lean) + (3.0 - lean) * u as f64 + 0.7 * lean * v as f64;
            mirror(row + v, column + u) + plane + reference(v, u)
        });
        heights[[k % 8, (5 * k) % 12]] = f64::NAN;
        placed(&format!("sub_{k}"), heights, column as f64, row as f64)
    };
    places.iter().enumerate().map(of).collect()
}

/// Rms of (map - mirror) without its least-squares combination of `basis`.
pub fn error(height: &HeightMap, shapes: &[fn(f64, f64) -> f64]) -> f64 {
    let mut left: Vec<(Vec<f64>, f64)> = Vec::new();
    for (((row, column), h), valid) in height.heights_nm().indexed_iter().zip(height.valid()) {
        if *valid {
            let (x, y) = (column as f64 / 20.0 - 1.0, row as f64 / 5.0 - 1.0);
            left.push((shapes.iter().map(|f| f(x, y)).collect(), h - mirror(row, column)));
        }
    }
    // Gram-Schmidt over the pixels: slow and independent of what is tested.
    let mut done: Vec<Vec<f64>> = Vec::new();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut d: Vec<f64> = left.iter().map(|l| l.1).collect();
    for i in 0..shapes.len() {
        let mut column: Vec<f64> = left.iter().map(|l| l.0[i]).collect();
        for other in done.iter().chain(done.iter()) {
            let part = dot(&column, other);
            column.iter_mut().zip(other).for_each(|(c, o)| *c -= part * o);
        }
        let length = dot(&column, &column).sqrt();
        column.iter_mut().for_each(|c| *c /= length);
        let part = dot(&d, &column);
        d.iter_mut().zip(&column).for_each(|(d, c)| *d -= part * c);
        done.push(column);
    }
    (dot(&d, &d) / d.len() as f64).sqrt()
}

pub const PLANE: [fn(f64, f64) -> f64; 3] = [|_, _| 1.0, |x, _| x, |_, y| y];
pub const SCAN: [(usize, usize); 5] = [(0, 0), (1, 3), (0, 7), (2, 10), (1, 14)];

pub fn none(_: usize, _: usize) -> f64 {
    0.0
}

/// Steps that differ, in x and y, so that the camera pixels are all tied together.
pub const GRID: [(usize, usize); 9] = [(0, 0), (0, 3), (1, 7), (2, 1), (3, 5), (3, 8), (5, 0), (5, 4), (6, 9)];
