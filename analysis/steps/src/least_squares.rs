//! Small dense least squares in a fixed order of operations: the triangle of a QR factorisation, built block by block
//! and merged in a fixed order, so that millions of rows cost the memory of a few and give the same bits everywhere.
//!
//! Householder reflections on the rows themselves, not on normal equations: the fit of a conic has columns that are
//! nearly alike, and squaring them would lose half of the digits.

/// The upper triangle of `[J | r]` after reflection: all that least squares needs to know of any number of rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Triangle {
    unknowns: usize,
    /// Row-major `(unknowns + 1)^2`; zero below the diagonal.
    entries: Vec<f64>,
    rows: usize,
}

/// What least squares finds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Solution {
    /// The unknowns.
    pub values: Vec<f64>,
    /// `(JᵀJ)⁻¹`, row-major: times the variance of one row it is the covariance of the unknowns.
    pub inverse: Vec<f64>,
    /// Sum of the squared residuals.
    pub residual_square: f64,
}

/// The rows do not determine this unknown beside those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependent(pub usize);

/// A column counts as dependent on those before it when less than this part of its norm is its own.
const DEPENDENT: f64 = 1e-13;

/// Four running sums, added in a fixed order: as exact as needed and the same whatever the processor.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 4];
    let (chunks_a, chunks_b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = chunks_a.remainder().iter().zip(chunks_b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in chunks_a.zip(chunks_b) {
        for lane in 0..4 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + rest
}

impl Triangle {
    /// No rows yet, for this number of unknowns.
    #[must_use]
    pub(crate) fn new(unknowns: usize) -> Self {
        let width = unknowns + 1;
        Self { unknowns, entries: vec![0.0; width * width], rows: 0 }
    }

    /// Number of rows taken in.
    #[must_use]
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes in a block of rows, given by columns: one for each unknown, then the right-hand side, all equally long.
    /// The block is overwritten.
    pub(crate) fn absorb(&mut self, columns: &mut [Vec<f64>]) {
        debug_assert_eq!(columns.len(), self.unknowns + 1);
        self.rows += columns.first().map_or(0, Vec::len);
        self.reflect(columns);
    }

    /// Takes in the rows of another triangle.
    pub(crate) fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.unknowns, other.unknowns);
        let width = self.unknowns + 1;
        let mut columns: Vec<Vec<f64>> =
            (0..width).map(|k| (0..width).map(|i| other.entries[i * width + k]).collect()).collect();
        self.reflect(&mut columns);
        self.rows += other.rows;
    }

    fn reflect(&mut self, columns: &mut [Vec<f64>]) {
        let width = self.unknowns + 1;
        for k in 0..width {
            let (before, after) = columns.split_at_mut(k + 1);
            let Some(column) = before.last_mut() else { return };
            let square = dot(column, column);
            if square == 0.0 {
                continue;
            }
            let head = self.entries[k * width + k];
            let norm = (head * head + square).sqrt();
            let beta = if head > 0.0 { -norm } else { norm };
            let v0 = head - beta;
            // v = (v0, column); H = 1 - 2 v vᵀ / vᵀv, with vᵀv = v0² + square.
            let factor = 2.0 / (v0 * v0 + square);
            self.entries[k * width + k] = beta;
            for (j, other) in after.iter_mut().enumerate() {
                let at = k * width + k + 1 + j;
                let t = factor * (v0 * self.entries[at] + dot(column, other));
                self.entries[at] -= t * v0;
                for (o, c) in other.iter_mut().zip(column.iter()) {
                    *o -= t * c;
                }
            }
        }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.entries[row * (self.unknowns + 1) + column]
    }

    /// Euclidean norm of the column of an unknown.
    #[must_use]
    pub(crate) fn column_norm(&self, unknown: usize) -> f64 {
        (0..=unknown).map(|i| self.at(i, unknown) * self.at(i, unknown)).sum::<f64>().sqrt()
    }

    /// Sum of the squares of the right-hand side: the cost if nothing is changed.
    #[must_use]
    pub(crate) fn right_square(&self) -> f64 {
        (0..=self.unknowns).map(|i| self.at(i, self.unknowns) * self.at(i, self.unknowns)).sum()
    }

    /// The unknowns that make the sum of squares of `J x - r` smallest.
    ///
    /// # Errors
    /// [`Dependent`] with the first unknown that the rows do not determine beside those before it.
    pub(crate) fn solve(&self) -> Result<Solution, Dependent> {
        let n = self.unknowns;
        for k in 0..n {
            let own = self.at(k, k).abs();
            if own.is_nan() || own <= DEPENDENT * self.column_norm(k) || own == 0.0 {
                return Err(Dependent(k));
            }
        }
        let mut values = vec![0.0; n];
        for k in (0..n).rev() {
            let known: f64 = (k + 1..n).map(|j| self.at(k, j) * values[j]).sum();
            values[k] = (self.at(k, n) - known) / self.at(k, k);
        }
        // Columns of the inverse triangle, then its product with its transpose.
        let mut inverse_triangle = vec![0.0; n * n];
        for j in 0..n {
            inverse_triangle[j * n + j] = 1.0 / self.at(j, j);
            for i in (0..j).rev() {
                let sum: f64 = (i + 1..=j).map(|k| self.at(i, k) * inverse_triangle[k * n + j]).sum();
                inverse_triangle[i * n + j] = -sum / self.at(i, i);
            }
        }
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            for j in i..n {
                let sum: f64 = (j..n).map(|k| inverse_triangle[i * n + k] * inverse_triangle[j * n + k]).sum();
                inverse[i * n + j] = sum;
                inverse[j * n + i] = sum;
            }
        }
        let last = self.at(n, n);
        Ok(Solution { values, inverse, residual_square: last * last })
    }

    /// The same rows with one more for each unknown that draws it to zero with this weight (Levenberg and Marquardt).
    #[must_use]
    pub(crate) fn damped(&self, weights: &[f64]) -> Self {
        let n = self.unknowns;
        let mut columns = vec![vec![0.0; n]; n + 1];
        for (k, weight) in weights.iter().enumerate().take(n) {
            columns[k][k] = *weight;
        }
        let mut damped = self.clone();
        damped.reflect(&mut columns);
        damped
    }
}

/// Symmetric positive definite `a` (row-major, n x n) solved for `b`, with the inverse of `a`; unknowns are scaled to a
/// unit diagonal first.
///
/// # Errors
/// [`Dependent`] with the first unknown that is not determined beside those before it.
pub fn solve_normal(a: &[f64], b: &[f64]) -> Result<(Vec<f64>, Vec<f64>), Dependent> {
    let n = b.len();
    let scale: Vec<f64> = (0..n).map(|i| 1.0 / a[i * n + i].max(f64::MIN_POSITIVE).sqrt()).collect();
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        if a[i * n + i] <= 0.0 || !a[i * n + i].is_finite() {
            return Err(Dependent(i));
        }
        for j in 0..=i {
            let known = dot(&l[i * n..i * n + j], &l[j * n..j * n + j]);
            let rest = a[i * n + j] * scale[i] * scale[j] - known;
            if i == j {
                // NaN counts as dependent too.
                if rest.is_nan() || rest <= 1e-13 {
                    return Err(Dependent(i));
                }
                l[i * n + i] = rest.sqrt();
            } else {
                l[i * n + j] = rest / l[j * n + j];
            }
        }
    }
    let solve = |right: &mut [f64]| {
        for i in 0..n {
            let known = dot(&l[i * n..i * n + i], &right[..i]);
            right[i] = (right[i] - known) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|k| l[k * n + i] * right[k]).sum();
            right[i] = (right[i] - known) / l[i * n + i];
        }
    };
    let mut values: Vec<f64> = b.iter().zip(&scale).map(|(v, s)| v * s).collect();
    solve(&mut values);
    for (v, s) in values.iter_mut().zip(&scale) {
        *v *= s;
    }
    let mut inverse = vec![0.0; n * n];
    for k in 0..n {
        let mut unit = vec![0.0; n];
        unit[k] = scale[k];
        solve(&mut unit);
        for i in 0..n {
            inverse[i * n + k] = unit[i] * scale[i];
        }
    }
    Ok((values, inverse))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(range: std::ops::Range<usize>) -> Vec<Vec<f64>> {
        let x = |i: usize| i as f64 / 10.0;
        vec![
            range.clone().map(|_| 1.0).collect(),
            range.clone().map(x).collect(),
            range.clone().map(|i| x(i) * x(i)).collect(),
            range.map(|i| 2.0 - 3.0 * x(i) + 0.5 * x(i) * x(i) + if i % 2 == 0 { 0.1 } else { -0.1 }).collect(),
        ]
    }

    #[test]
    fn blocks_and_merged_triangles_solve_like_normal_equations() {
        let mut whole = Triangle::new(3);
        whole.absorb(&mut rows(0..40));
        let mut first = Triangle::new(3);
        first.absorb(&mut rows(0..13));
        let mut second = Triangle::new(3);
        second.absorb(&mut rows(13..40));
        first.merge(&second);
        assert_eq!((whole.rows(), first.rows()), (40, 40));
        let columns = rows(0..40);
        let gram = |i: usize, j: usize| columns[i].iter().zip(&columns[j]).map(|(a, b)| a * b).sum::<f64>();
        let a: Vec<f64> = (0..9).map(|k| gram(k / 3, k % 3)).collect();
        let b: Vec<f64> = (0..3).map(|k| gram(k, 3)).collect();
        let (normal, inverse) = solve_normal(&a, &b).unwrap();
        for triangle in [whole, first] {
            let solution = triangle.solve().unwrap();
            for (found, expected) in solution.values.iter().zip(&normal) {
                assert!((found - expected).abs() < 1e-10);
            }
            for (found, expected) in solution.inverse.iter().zip(&inverse) {
                assert!((found - expected).abs() < 1e-10 * inverse[0].abs());
            }
            let residual: f64 = (0..40)
                .map(|i| {
                    let model: f64 = (0..3).map(|k| columns[k][i] * normal[k]).sum();
                    (columns[3][i] - model) * (columns[3][i] - model)
                })
                .sum();
            assert!((solution.residual_square - residual).abs() < 1e-12);
        }
    }

    #[test]
    fn a_column_that_repeats_another_is_named() {
        let mut triangle = Triangle::new(3);
        let mut columns = rows(0..20);
        columns[2] = columns[0].iter().zip(&columns[1]).map(|(a, b)| 2.0 * a - b).collect();
        triangle.absorb(&mut columns);
        assert_eq!(triangle.solve().unwrap_err(), Dependent(2));
        assert_eq!(solve_normal(&[1.0, 1.0, 1.0, 1.0], &[1.0, 1.0]).unwrap_err(), Dependent(1));
    }

    #[test]
    fn damping_shortens_the_step() {
        let mut triangle = Triangle::new(3);
        triangle.absorb(&mut rows(0..20));
        let length = |t: &Triangle| t.solve().unwrap().values.iter().map(|v| v * v).sum::<f64>();
        assert!(length(&triangle.damped(&[10.0; 3])) < length(&triangle));
    }
}
