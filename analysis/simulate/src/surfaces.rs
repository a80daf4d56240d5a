//! The mirror and the reference of the interferometer: closed forms plus roughness.

use ndarray::Array2;
use rand::Rng;

use crate::{
    fractal::{Fractal, RowSpectra},
    random::Normal,
};

/// Tangential radius of the mirror, mm.
const RADIUS_MM: f64 = 500e3;
const NM_PER_MM: f64 = 1e6;

/// The smooth form of the mirror, known at any place.
struct Form {
    pixel_mm: f64,
    /// Position of the centre in pixels: column, row.
    centre: (f64, f64),
    /// Half the length and half the width, mm; the latter at least one pixel.
    half: (f64, f64),
    /// Legendre coefficients of the figure error from degree 3 up, nm.
    legendre: Vec<f64>,
}

impl Form {
    fn new(rows: usize, columns: usize, pixel_mm: f64, rng: &mut impl Rng) -> Self {
        let mut normal = Normal::new(rng);
        let coefficient = |degree: i32| normal.next() * 30.0 / libm::pow(f64::from(degree), 1.5);
        let legendre = (3..13).map(coefficient).collect();
        let centre = ((columns as f64 - 1.0) / 2.0, (rows as f64 - 1.0) / 2.0);
        let half = (centre.0 * pixel_mm, (centre.1 * pixel_mm).max(pixel_mm));
        Self { pixel_mm, centre, half, legendre }
    }

    /// Height at a column and row of the map, nm.
    fn at(&self, column: f64, row: f64) -> f64 {
        let (x, y) = ((column - self.centre.0) * self.pixel_mm, (row - self.centre.1) * self.pixel_mm);
        let (t, v) = (x / self.half.0, y / self.half.1);
        let tangential = x * x / (2.0 * RADIUS_MM) * NM_PER_MM;
        let sagittal = 0.5 * y * y / (2.0 * 20.0 * RADIUS_MM) * NM_PER_MM;
        let twist = 8.0 * t * v;
        tangential + self.figure(t) + sagittal + twist
    }

    /// Figure error at -1 <= t <= 1, nm.
    fn figure(&self, t: f64) -> f64 {
        let (mut before, mut legendre) = (1.0, t);
        let mut sum = 0.0;
        for degree in 2..3 + self.legendre.len() {
            let n = degree as f64;
            (before, legendre) = (legendre, ((2.0 * n - 1.0) * t * legendre - (n - 1.0) * before) / n);
            sum += degree.checked_sub(3).and_then(|i| self.legendre.get(i)).map_or(0.0, |c| c * legendre);
        }
        sum
    }
}

/// The mirror.
pub(crate) struct Mirror {
    form: Form,
    rough: Fractal,
    spectra: Option<RowSpectra>,
}

impl Mirror {
    /// A mirror of `rows` x `columns` pixels. With `between_pixels` it can be looked at from any place along x.
    pub(crate) fn new(rows: usize, columns: usize, pixel_mm: f64, between_pixels: bool, rng: &mut impl Rng) -> Self {
        let form = Form::new(rows, columns, pixel_mm, rng);
        let rough = Fractal::new(rows, columns, 2.2, 2.0, rng);
        let spectra = between_pixels.then(|| rough.row_spectra());
        Self { form, rough, spectra }
    }

    /// The whole surface, nm.
    pub(crate) fn map(&self) -> Array2<f64> {
        let mut map = self.rough.window();
        for ((row, column), height) in map.indexed_iter_mut() {
            *height += self.form.at(column as f64, row as f64);
        }
        map
    }

    /// The surface from column `x` on, between pixels, nm; `None` unless the mirror was made for it.
    pub(crate) fn between(&self, x: f64, columns: usize) -> Option<Array2<f64>> {
        let mut map = self.spectra.as_ref()?.shifted(x, columns);
        for ((row, column), height) in map.indexed_iter_mut() {
            *height += self.form.at(x + column as f64, row as f64);
        }
        Some(map)
    }
}

/// The reference of the interferometer, mean 0, some 20 nm peak to valley: power, coma, rings and roughness, nm.
pub(crate) fn reference(rows: usize, columns: usize, rng: &mut impl Rng) -> Array2<f64> {
    let mut reference = Fractal::new(rows, columns, 1.5, 0.5, rng).window();
    let unit = |i: usize, n: usize| 2.0 * i as f64 / (n.max(2) as f64 - 1.0) - 1.0;
    for ((row, column), height) in reference.indexed_iter_mut() {
        let (u, v) = (unit(column, columns), unit(row, rows));
        let smooth = 6.0 * u * u + 3.0 * u * u * u - 4.0 * u * u * u * u
            + 2.0 * v * v
            + 3.0 * u * v
            + 2.0 * u * u * v
            + 1.5 * v * v * v;
        let (ring_u, ring_v) = (u - 0.2, 0.2 * v + 0.1);
        let distance = (ring_u * ring_u + ring_v * ring_v).sqrt();
        *height += smooth + 0.8 * libm::cos(9.0 * std::f64::consts::PI * distance);
    }
    let mean = reference.sum() / reference.len().max(1) as f64;
    reference.mapv_inplace(|height| height - mean);
    reference
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn the_figure_error_is_the_legendre_series() {
        let form = Form { pixel_mm: 1.0, centre: (0.0, 0.0), half: (1.0, 1.0), legendre: vec![2.0, -1.0] };
        let t = 0.3f64;
        let p3 = (5.0 * t.powi(3) - 3.0 * t) / 2.0;
        let p4 = (35.0 * t.powi(4) - 30.0 * t * t + 3.0) / 8.0;
        assert!((form.figure(t) - (2.0 * p3 - p4)).abs() < 1e-14);
        assert!((form.figure(1.0) - 1.0).abs() < 1e-14);
    }

    #[test]
    fn the_mirror_between_pixels_meets_the_mirror_at_pixels() {
        let mirror = Mirror::new(6, 90, 0.1, true, &mut stream(2, Purpose::Truth));
        let map = mirror.map();
        let seen = mirror.between(11.0, 50).unwrap();
        let largest = (&seen - &crate::part::part(&map, 0..6, 11..61)).iter().fold(0.0f64, |m, d| d.abs().max(m));
        assert!(largest < 1e-9, "{largest}");
    }

    #[test]
    fn the_reference_has_mean_zero_and_some_twenty_nanometres() {
        let reference = reference(40, 200, &mut stream(2, Purpose::Reference));
        let (low, high) = reference.iter().fold((f64::MAX, f64::MIN), |(l, h), z| (l.min(*z), h.max(*z)));
        assert!(reference.sum().abs() < 1e-9);
        assert!((12.0..30.0).contains(&(high - low)), "{}", high - low);
    }
}
