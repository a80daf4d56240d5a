//! Symmetric semi-definite equations: a Cholesky factor with diagonal pivots, always in the same order of operations.
//!
//! What the equations leave open shows as pivots that vanish; those unknowns are set to zero. That is one solution of
//! a consistent system, and its covariance is right for everything that the data do determine.

use rayon::prelude::*;

/// Pivots of the matrix scaled to a unit diagonal below this are taken as zero.
const NEGLIGIBLE: f64 = 1e-11;
/// Multiplications of one pivot from which threads are worth their while.
const PARALLEL: usize = 1 << 16;

/// The factor.
#[derive(Debug)]
pub(crate) struct Semidefinite {
    size: usize,
    rank: usize,
    order: Vec<usize>,
    /// Row-major lower triangle in pivot order.
    lower: Vec<f64>,
    /// One over the root of each diagonal element, 0 where that is 0.
    scale: Vec<f64>,
}

impl Semidefinite {
    /// Factors a row-major matrix of `size` rows.
    pub fn new(matrix: &[f64], size: usize) -> Self {
        let of = |i: usize| {
            let d = matrix[i * size + i];
            if d > 0.0 { 1.0 / d.sqrt() } else { 0.0 }
        };
        let scale: Vec<f64> = (0..size).map(of).collect();
        let mut order: Vec<usize> = (0..size).collect();
        let mut left: Vec<f64> = scale.iter().map(|s| if *s > 0.0 { 1.0 } else { 0.0 }).collect();
        let mut lower = vec![0.0; size * size];
        let mut rank = 0;
        while rank < size {
            let mut best = rank;
            for candidate in rank + 1..size {
                if left[order[candidate]] > left[order[best]] {
                    best = candidate;
                }
            }
            let pivot = left[order[best]];
            if pivot.is_nan() || pivot <= NEGLIGIBLE {
                break;
            }
            if best != rank {
                order.swap(best, rank);
                let (head, tail) = lower.split_at_mut(best * size);
                head[rank * size..rank * size + rank].swap_with_slice(&mut tail[..rank]);
            }
            let diagonal = pivot.sqrt();
            lower[rank * size + rank] = diagonal;
            let (head, tail) = lower.split_at_mut((rank + 1) * size);
            let pivot_row = &head[rank * size..rank * size + rank];
            let column = order[rank];
            let eliminate = |(row, index): (&mut [f64], &usize)| {
                let entry = matrix[index * size + column] * scale[*index] * scale[column];
                row[rank] = (entry - dot(&row[..rank], pivot_row)) / diagonal;
            };
            let below = &order[rank + 1..];
            if rank * below.len() < PARALLEL {
                tail.chunks_exact_mut(size).zip(below).for_each(eliminate);
            } else {
                tail.par_chunks_exact_mut(size).zip(below).with_min_len(16).for_each(eliminate);
            }
            for (row, index) in tail.chunks_exact(size).zip(below) {
                left[*index] -= row[rank] * row[rank];
            }
            rank += 1;
        }
        Self { size, rank, order, lower, scale }
    }

    /// Unknowns that the equations determine.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// One solution of the consistent equations with this right side.
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut y = self.half(right);
        for k in (0..self.rank).rev() {
            let known: f64 = (k + 1..self.rank).map(|i| self.lower[i * self.size + k] * y[i]).sum();
            y[k] = (y[k] - known) / self.lower[k * self.size + k];
        }
        let mut x = vec![0.0; self.size];
        for (value, index) in y.iter().zip(&self.order) {
            x[*index] = value * self.scale[*index];
        }
        x
    }

    /// `right^T N^- right`: the variance, in units of that of one datum, of a determined combination of the unknowns.
    pub fn variance(&self, right: &[f64]) -> f64 {
        self.half(right).iter().map(|v| v * v).sum()
    }

    /// Forward substitution.
    fn half(&self, right: &[f64]) -> Vec<f64> {
        let mut y: Vec<f64> = Vec::with_capacity(self.rank);
        for (k, index) in self.order.iter().enumerate().take(self.rank) {
            let row = &self.lower[k * self.size..k * self.size + k];
            let value = (right[*index] * self.scale[*index] - dot(row, &y)) / self.lower[k * self.size + k];
            y.push(value);
        }
        y
    }
}

/// Four partial sums, in a fixed order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 4];
    let (mut of_a, mut of_b) = (a.chunks_exact(4), b.chunks_exact(4));
    for (a, b) in of_a.by_ref().zip(of_b.by_ref()) {
        for i in 0..4 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = of_a.remainder().iter().zip(of_b.remainder()).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// The least-squares coefficients of `values` in a basis given row by row (all rows of one length), and nothing for
/// what the rows do not determine. The rows of a large map need not be there all at once.
pub(crate) fn fit<'v>(
    rows: impl IntoIterator<Item = impl AsRef<[f64]>>,
    values: impl IntoIterator<Item = &'v f64>,
) -> Vec<f64> {
    let (mut n, mut matrix, mut right) = (0, Vec::new(), Vec::new());
    for (row, value) in rows.into_iter().zip(values) {
        let row = row.as_ref();
        if right.is_empty() {
            n = row.len();
            (matrix, right) = (vec![0.0; n * n], vec![0.0; n]);
        }
        for (i, a) in row.iter().enumerate() {
            right[i] += a * value;
            for (entry, b) in matrix[i * n..(i + 1) * n].iter_mut().zip(row) {
                *entry += a * b;
            }
        }
    }
    Semidefinite::new(&matrix, n).solve(&right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_system_is_solved_and_its_inverse_known() {
        // [[4, 2], [2, 3]]: inverse [[3, -2], [-2, 4]] / 8.
        let factor = Semidefinite::new(&[4.0, 2.0, 2.0, 3.0], 2);
        assert_eq!(factor.rank(), 2);
        let x = factor.solve(&[2.0, 5.0]);
        assert!((x[0] + 0.5).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14, "{x:?}");
        assert!((factor.variance(&[1.0, 0.0]) - 0.375).abs() < 1e-14);
        assert!((factor.variance(&[1.0, 1.0]) - 0.375).abs() < 1e-14);
    }

    #[test]
    fn a_chain_of_differences_leaves_its_constant_open() {
        let matrix = [1.0, -1.0, 0.0, -1.0, 2.0, -1.0, 0.0, -1.0, 1.0];
        let factor = Semidefinite::new(&matrix, 3);
        assert_eq!(factor.rank(), 2);
        let x = factor.solve(&[-1.0, -1.0, 2.0]);
        assert!((x[1] - x[0] - 1.0).abs() < 1e-14 && (x[2] - x[1] - 2.0).abs() < 1e-14, "{x:?}");
        // The difference over two steps in series has the variance 2.
        assert!((factor.variance(&[-1.0, 0.0, 1.0]) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_fit_finds_a_line() {
        let rows: Vec<Vec<f64>> = (0..5).map(|i| vec![1.0, f64::from(i)]).collect();
        let values: Vec<f64> = (0..5).map(|i| 3.0 - 0.5 * f64::from(i)).collect();
        let c = fit(&rows, &values);
        assert!((c[0] - 3.0).abs() < 1e-13 && (c[1] + 0.5).abs() < 1e-13);
    }
}
