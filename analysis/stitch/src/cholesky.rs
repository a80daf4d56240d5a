//! Cholesky factor of a symmetric semi-definite matrix, with diagonal pivoting, always in the same order of operations.
//!
//! Where the matrix is singular the pivots left over at the end are dropped: solving sets those unknowns to zero,
//! which gives one solution of every consistent system (which one does not matter here: the gauge is fixed afterwards).

use std::convert::Infallible;

use rayon::prelude::*;

/// Pivots below this fraction of the largest diagonal element count as zero.
const NEGLIGIBLE: f64 = 1e-12;

/// Pivots between two questions whether to go on.
const POLL: usize = 64;
/// Multiplications of one pivot above which threads are worth their while, and rows that each takes at a time.
const PARALLEL: usize = 1 << 16;
const ROWS_AT_ONCE: usize = 32;

/// `P^T M P = L L^T` for the first `rank` pivots.
#[derive(Debug, Clone)]
pub(crate) struct PivotedCholesky {
    size: usize,
    rank: usize,
    order: Vec<usize>,
    /// Row-major lower triangle in pivot order, `size` columns wide.
    lower: Vec<f64>,
}

impl PivotedCholesky {
    /// Factors the row-major symmetric `matrix` of `size` rows.
    pub fn new(matrix: &[f64], size: usize) -> Self {
        let always = Self::polled(matrix, size, &mut || Ok::<(), Infallible>(()));
        match always {
            Ok(factor) => factor,
            Err(never) => match never {},
        }
    }

    /// As `new`; `poll` is asked every few pivots and may end it. Rows are worked on in parallel, each in the same
    /// order of operations whatever the number of threads.
    pub fn polled<E>(matrix: &[f64], size: usize, poll: &mut impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        let mut order: Vec<usize> = (0..size).collect();
        let mut lower = vec![0.0; size * size];
        let mut left: Vec<f64> = (0..size).map(|i| matrix[i * size + i]).collect();
        let largest = left.iter().copied().fold(0.0f64, f64::max);
        let mut rank = 0;
        while rank < size {
            if rank.is_multiple_of(POLL) {
                poll()?;
            }
            // The first of equal pivots wins, so that the order is reproducible.
            let mut best = rank;
            for candidate in rank + 1..size {
                if left[order[candidate]] > left[order[best]] {
                    best = candidate;
                }
            }
            let pivot = left[order[best]];
            if !(pivot > largest * NEGLIGIBLE && pivot > 0.0) {
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
                let known = dot(&row[..rank], pivot_row);
                row[rank] = (matrix[index * size + column] - known) / diagonal;
            };
            let below = &order[rank + 1..];
            if rank * below.len() < PARALLEL {
                tail.chunks_exact_mut(size).zip(below).for_each(eliminate);
            } else {
                tail.par_chunks_exact_mut(size).zip(below).with_min_len(ROWS_AT_ONCE).for_each(eliminate);
            }
            for (row, index) in tail.chunks_exact(size).zip(below) {
                left[*index] -= row[rank] * row[rank];
            }
            rank += 1;
        }
        Ok(Self { size, rank, order, lower })
    }

    /// Unknowns whose pivots were dropped, ascending.
    pub fn dropped(&self) -> Vec<usize> {
        let mut dropped = self.order[self.rank..].to_vec();
        dropped.sort_unstable();
        dropped
    }

    /// Number of pivots that count.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Solves `M x = right` for a consistent `right`; unknowns beyond the rank come out as zero.
    pub fn solve(&self, right: &[f64], x: &mut [f64]) {
        let row = |i: usize| &self.lower[i * self.size..i * self.size + self.size];
        let mut y = vec![0.0; self.rank];
        for i in 0..self.rank {
            y[i] = (right[self.order[i]] - dot(&row(i)[..i], &y[..i])) / row(i)[i];
        }
        for i in (0..self.rank).rev() {
            y[i] /= row(i)[i];
            let value = y[i];
            for (below, factor) in y[..i].iter_mut().zip(row(i)) {
                *below -= factor * value;
            }
        }
        x.fill(0.0);
        for (i, value) in y.iter().enumerate() {
            x[self.order[i]] = *value;
        }
    }
}

/// Scalar product in a fixed order: four partial sums, then what is left over.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 4];
    let (a_blocks, b_blocks) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(p, q)| p * q).sum();
    for (p, q) in a_blocks.zip(b_blocks) {
        for lane in 0..4 {
            lanes[lane] += p[lane] * q[lane];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multiply(matrix: &[f64], x: &[f64]) -> Vec<f64> {
        matrix.chunks(x.len()).map(|row| dot(row, x)).collect()
    }

    #[test]
    fn a_definite_system_is_solved() {
        let matrix = [4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let factor = PivotedCholesky::new(&matrix, 3);
        let mut x = [0.0; 3];
        factor.solve(&[1.0, -2.0, 3.0], &mut x);
        let back = multiply(&matrix, &x);
        assert!(back.iter().zip([1.0, -2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-14), "{back:?}");
    }

    #[test]
    fn the_factor_does_not_depend_on_the_number_of_threads() {
        let size = 700usize;
        let matrix: Vec<f64> = (0..size * size)
            .map(|at: usize| {
                let apart = (at / size).abs_diff(at % size) as f64;
                1.0 / (1.0 + 0.1 * apart * apart) + if apart == 0.0 { 0.01 } else { 0.0 }
            })
            .collect();
        let factor = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| PivotedCholesky::new(&matrix, size))
        };
        let (one, four) = (factor(1), factor(4));
        assert_eq!((one.rank, &one.order), (four.rank, &four.order));
        assert!(one.lower.iter().zip(&four.lower).all(|(a, b)| a.to_bits() == b.to_bits()));
        let mut asked = 0;
        let ended = PivotedCholesky::polled(&matrix, size, &mut || {
            asked += 1;
            if asked < 4 { Ok(()) } else { Err(()) }
        });
        assert!(ended.is_err());
    }

    #[test]
    fn a_singular_consistent_system_is_solved_and_the_rank_told() {
        // Differences of neighbours in a chain of four: the constant is not determined.
        let matrix = [1.0, -1.0, 0.0, 0.0, -1.0, 2.0, -1.0, 0.0, 0.0, -1.0, 2.0, -1.0, 0.0, 0.0, -1.0, 1.0];
        let factor = PivotedCholesky::new(&matrix, 4);
        assert_eq!(factor.rank(), 3);
        let right = [1.0, -3.0, 4.0, -2.0];
        let mut x = [0.0; 4];
        factor.solve(&right, &mut x);
        let back = multiply(&matrix, &x);
        assert!(back.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-14), "{back:?}");
    }
}
