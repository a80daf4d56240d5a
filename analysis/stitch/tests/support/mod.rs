//! Small simulated series with known truth, and the scoring of a map against it.
#![allow(dead_code, reason = "each test file uses a part")]

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stitchbox_stitch::Placed;
use stitchbox_surface::{DetectorWindow, HeightMap, Instrument, PixelSize, SubAperture};

/// Pixel size of all simulated series, mm.
pub const PIXEL_MM: f64 = 0.1;

/// What to simulate.
#[derive(Clone)]
pub struct Plan {
    pub shape: (usize, usize),
    pub x_px: Vec<f64>,
    pub y_px: Vec<f64>,
    pub noise_nm: f64,
    pub reference_nm: f64,
    /// Part of the pixels that drop out.
    pub dropouts: f64,
    pub seed: u64,
}

impl Plan {
    pub fn x_scan(shape: (usize, usize), x_px: &[usize]) -> Self {
        Self {
            shape,
            x_px: x_px.iter().map(|x| *x as f64).collect(),
            y_px: vec![0.0; x_px.len()],
            noise_nm: 0.5,
            reference_nm: 1.0,
            dropouts: 0.01,
            seed: 1,
        }
    }

    /// Case S of the oracle: 12 x 40x200, steps of 40..=60 px.
    pub fn small(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut x = vec![0];
        for k in 0..11 {
            x.push(x[k] + rng.random_range(40..=60));
        }
        Self { seed, ..Self::x_scan((40, 200), &x) }
    }

    pub fn truth(&self, x: f64, y: f64) -> f64 {
        let (a, b) = (x / 100.0, y / 20.0);
        30.0 * a * a - 4.0 * a * a * a
            + 8.0 * b * a
            + 3.0 * b * b
            + 5.0 * libm::sin(3.1 * a + 0.4)
            + 2.0 * libm::sin(17.0 * a + 2.0 * b)
            + 1.5 * libm::cos(9.0 * b - 5.0 * a)
    }

    pub fn reference(&self, row: usize, column: usize) -> f64 {
        let u = 2.0 * column as f64 / (self.shape.1 as f64 - 1.0) - 1.0;
        let v = 2.0 * row as f64 / (self.shape.0 as f64 - 1.0).max(1.0) - 1.0;
        let pixel = libm::sin(12.9898 * row as f64 + 78.233 * column as f64 + 3.0) * 43.5;
        let rough = pixel - libm::floor(pixel) - 0.5;
        self.reference_nm
            * (6.0 * u * u + 3.0 * u * u * u - 4.0 * u * u * u * u
                + 2.0 * v * v
                + 3.0 * u * v
                + 2.0 * u * u * v
                + 0.8 * libm::cos(20.0 * (u - 0.2) + 4.0 * v)
                + 1.5 * rough)
    }

    pub fn series(&self) -> Vec<Placed> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(77));
        let pairs = self.x_px.iter().zip(&self.y_px);
        pairs.enumerate().map(|(k, (x, y))| self.placed(k, *x, *y, &mut rng)).collect()
    }

    fn placed(&self, k: usize, x: f64, y: f64, rng: &mut ChaCha8Rng) -> Placed {
        let (piston, pitch, roll) = (300.0 * normal(rng), 1.0 * normal(rng), 1.0 * normal(rng));
        let heights = Array2::from_shape_fn(self.shape, |(row, column)| {
            let height = self.truth(x + column as f64, y + row as f64)
                + self.reference(row, column)
                + piston
                + pitch * (column as f64 - (self.shape.1 as f64 - 1.0) / 2.0)
                + roll * (row as f64 - (self.shape.0 as f64 - 1.0) / 2.0)
                + self.noise_nm * normal(rng);
            if rng.random::<f64>() < self.dropouts { f64::NAN } else { height }
        });
        placed(&format!("sub_{:02}.dat", k + 1), heights, x * PIXEL_MM, y * PIXEL_MM)
    }
}

/// A sub-aperture at a place, NaN = invalid.
pub fn placed(name: &str, heights: Array2<f64>, x_mm: f64, y_mm: f64) -> Placed {
    Placed {
        sub_aperture: SubAperture {
            name: name.to_owned(),
            map: HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: PIXEL_MM, y_mm: PIXEL_MM })),
            window: DetectorWindow { column: 0, row: 0 },
            position_mm: None,
            intensity: None,
            instrument: Instrument::default(),
        },
        x_mm,
        y_mm,
    }
}

/// A number from the standard normal distribution (Box and Muller).
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    libm::sqrt(-2.0 * libm::log(a)) * libm::cos(2.0 * std::f64::consts::PI * b)
}

/// Which functions to take off a difference before its rms counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// 1, x, y.
    Plane,
    /// And x^2, xy, y^2.
    Quadratic,
    /// And any function of y.
    XScan,
}

/// Rms of the difference (valid pixels only) after the least-squares removal of `null`.
pub fn error_nm(map: &HeightMap, null: Null, truth: impl Fn(usize, usize) -> f64) -> f64 {
    rms(&residual(map, null, truth))
}

pub fn rms(values: &[(usize, usize, f64)]) -> f64 {
    (values.iter().map(|(_, _, d)| d * d).sum::<f64>() / values.len() as f64).sqrt()
}

/// The difference itself: (row, column, nm).
pub fn residual(map: &HeightMap, null: Null, truth: impl Fn(usize, usize) -> f64) -> Vec<(usize, usize, f64)> {
    let (rows, columns) = map.shape();
    let mut left: Vec<(usize, usize, f64)> = map
        .heights_nm()
        .indexed_iter()
        .zip(map.valid())
        .filter(|(_, valid)| **valid)
        .map(|(((row, column), height), _)| (row, column, height - truth(row, column)))
        .collect();
    let scaled = |i: usize, n: usize| 2.0 * i as f64 / (n as f64 - 1.0).max(1.0) - 1.0;
    for _ in 0..if null == Null::XScan { 4 } else { 1 } {
        let basis = |row: usize, column: usize| {
            let (x, y) = (scaled(column, columns), scaled(row, rows));
            let all = vec![1.0, x, y, x * x, x * y, y * y];
            if null == Null::Plane { all[..3].to_vec() } else { all }
        };
        let size = basis(0, 0).len();
        let (mut normal, mut right) = (vec![vec![0.0; size]; size], vec![0.0; size]);
        for (row, column, d) in &left {
            let b = basis(*row, *column);
            for i in 0..size {
                right[i] += b[i] * d;
                for j in 0..size {
                    normal[i][j] += b[i] * b[j];
                }
            }
        }
        let fitted = solve(normal, right);
        for (row, column, d) in &mut left {
            *d -= basis(*row, *column).iter().zip(&fitted).map(|(b, f)| b * f).sum::<f64>();
        }
        if null == Null::XScan {
            let mut sums = vec![(0.0, 0.0); rows];
            for (row, _, d) in &left {
                sums[*row] = (sums[*row].0 + d, sums[*row].1 + 1.0);
            }
            for (row, _, d) in &mut left {
                *d -= sums[*row].0 / sums[*row].1;
            }
        }
    }
    left
}

/// Gaussian elimination with full row pivoting; unknowns without a pivot come out as zero.
pub fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    let scale = a.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
    let mut pivots = Vec::new();
    let mut used = vec![false; n];
    for column in 0..n {
        let free = (0..n).filter(|r| !used[*r]);
        let Some(best) = free.max_by(|i, j| a[*i][column].abs().total_cmp(&a[*j][column].abs())) else { break };
        if a[best][column].abs() < 1e-10 * scale {
            continue;
        }
        used[best] = true;
        pivots.push((best, column));
        for row in (0..n).filter(|r| *r != best) {
            let factor = a[row][column] / a[best][column];
            if factor != 0.0 {
                let pivot_row = a[best].clone();
                for (value, p) in a[row].iter_mut().zip(pivot_row) {
                    *value -= factor * p;
                }
                b[row] -= factor * b[best];
            }
        }
    }
    let mut x = vec![0.0; n];
    for (row, column) in pivots {
        x[column] = b[row] / a[row][column];
    }
    x
}
