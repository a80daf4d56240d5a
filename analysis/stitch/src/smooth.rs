//! A smooth reference: products of Legendre polynomials of the camera coordinates.

use crate::cholesky::{PivotedCholesky, dot};
use crate::grid::Grid;

/// Highest degree along x and along y.
const DEGREE: (usize, usize) = (9, 3);
/// Lower total degrees are plane, power and twist, which no series can determine.
const LEAST_TOTAL: usize = 3;

/// The basis on the pixels of one camera frame.
#[derive(Debug)]
pub(crate) struct Smooth {
    /// Degrees of each basis function along x and y.
    degrees: Vec<(usize, usize)>,
    along_u: Vec<Vec<f64>>,
    along_v: Vec<Vec<f64>>,
}

impl Smooth {
    /// All terms but those that a scan along one axis alone cannot determine.
    pub fn new(grid: &Grid, moves: (bool, bool)) -> Self {
        // No more degrees than pixels can carry.
        let (most_u, most_v) = (DEGREE.0.min(grid.u.len() / 2), DEGREE.1.min(grid.v.len() / 2));
        let degrees = (0..=most_u)
            .flat_map(|i| (0..=most_v).map(move |j| (i, j)))
            .filter(|(i, j)| i + j >= LEAST_TOTAL && (*i > 0 || moves.1) && (*j > 0 || moves.0))
            .collect();
        Self { degrees, along_u: legendre(&grid.u, most_u), along_v: legendre(&grid.v, most_v) }
    }

    /// Number of basis functions.
    pub fn len(&self) -> usize {
        self.degrees.len()
    }

    /// Writes the surface with these coefficients into `surface` (row-major).
    pub fn expand(&self, coefficients: &[f64], surface: &mut [f64]) {
        let width = self.along_u[0].len();
        for (row, line) in surface.chunks_exact_mut(width).enumerate() {
            line.fill(0.0);
            for (i, along_u) in self.along_u.iter().enumerate() {
                let of_degree = self.degrees.iter().zip(coefficients).filter(|((du, _), _)| *du == i);
                let factor: f64 = of_degree.map(|((_, dv), c)| c * self.along_v[*dv][row]).sum();
                if factor != 0.0 {
                    for (value, u) in line.iter_mut().zip(along_u) {
                        *value += factor * u;
                    }
                }
            }
        }
    }

    /// Scalar products of `field` (row-major) with the basis functions.
    pub fn restrict(&self, field: &[f64], products: &mut [f64]) {
        let width = self.along_u[0].len();
        products.fill(0.0);
        for (row, line) in field.chunks_exact(width).enumerate() {
            let with_u: Vec<f64> = self.along_u.iter().map(|u| dot(line, u)).collect();
            for (product, (du, dv)) in products.iter_mut().zip(&self.degrees) {
                *product += with_u[*du] * self.along_v[*dv][row];
            }
        }
    }

    /// Factor of the Gram matrix with a weight for each pixel.
    pub fn gram(&self, weight: &[f64]) -> PivotedCholesky {
        let width = self.along_u[0].len();
        let (nu, size) = (self.along_u.len(), self.len());
        let mut matrix = vec![0.0; size * size];
        let mut with_u = vec![0.0; nu * nu];
        for (row, line) in weight.chunks_exact(width).enumerate() {
            for i in 0..nu {
                let weighted: Vec<f64> = line.iter().zip(&self.along_u[i]).map(|(w, u)| w * u).collect();
                for j in 0..=i {
                    with_u[i * nu + j] = dot(&weighted, &self.along_u[j]);
                    with_u[j * nu + i] = with_u[i * nu + j];
                }
            }
            for (a, (ua, va)) in self.degrees.iter().enumerate() {
                for (b, (ub, vb)) in self.degrees.iter().enumerate() {
                    matrix[a * size + b] += with_u[ua * nu + ub] * self.along_v[*va][row] * self.along_v[*vb][row];
                }
            }
        }
        PivotedCholesky::new(&matrix, size)
    }
}

/// Legendre polynomials of degree 0 to `most` at the points, by their recurrence.
fn legendre(points: &[f64], most: usize) -> Vec<Vec<f64>> {
    let mut all = vec![vec![1.0; points.len()], points.to_vec()];
    for degree in 2..=most {
        let n = degree as f64;
        let next = (0..points.len())
            .map(|i| ((2.0 * n - 1.0) * points[i] * all[degree - 1][i] - (n - 1.0) * all[degree - 2][i]) / n)
            .collect();
        all.push(next);
    }
    all.truncate(most + 1);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recurrence_gives_the_known_polynomials() {
        let points = [-1.0, -0.3, 0.0, 0.5, 1.0];
        let all = legendre(&points, 4);
        for (i, x) in points.iter().enumerate() {
            let p4 = (35.0 * x * x * x * x - 30.0 * x * x + 3.0) / 8.0;
            assert!((all[4][i] - p4).abs() < 1e-14);
            assert!((all[2][i] - (3.0 * x * x - 1.0) / 2.0).abs() < 1e-14);
        }
    }
}
