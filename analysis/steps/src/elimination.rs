//! Small dense linear systems of a size known in advance, solved in a fixed order.

/// Gaussian elimination with partial pivoting; `None` where the matrix is numerically singular.
pub(crate) fn solve<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> Option<[f64; N]> {
    let scale = a.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
    for k in 0..N {
        let pivot = (k..N).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        if a[pivot][k].abs().partial_cmp(&(scale * 1e-13)) != Some(std::cmp::Ordering::Greater) {
            return None;
        }
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..N {
            let factor = a[i][k] / a[k][k];
            let pivot_row = a[k];
            for (entry, above) in a[i].iter_mut().zip(pivot_row).skip(k) {
                *entry -= factor * above;
            }
            b[i] -= factor * b[k];
        }
    }
    let mut x = [0.0; N];
    for k in (0..N).rev() {
        let known: f64 = (k + 1..N).map(|j| a[k][j] * x[j]).sum();
        x[k] = (b[k] - known) / a[k][k];
    }
    Some(x)
}

/// Sums up the normal equations of a least-squares fit of `N` terms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NormalEquations<const N: usize> {
    pub(crate) matrix: [[f64; N]; N],
    pub(crate) right: [f64; N],
    pub(crate) count: usize,
}

impl<const N: usize> NormalEquations<N> {
    pub(crate) fn new() -> Self {
        Self { matrix: [[0.0; N]; N], right: [0.0; N], count: 0 }
    }

    /// One observation with the terms' values at its place.
    pub(crate) fn add(&mut self, terms: [f64; N], value: f64, weight: f64) {
        self.count += 1;
        for i in 0..N {
            let weighted = terms[i] * weight;
            self.right[i] += weighted * value;
            for (entry, term) in self.matrix[i].iter_mut().zip(terms) {
                *entry += weighted * term;
            }
        }
    }

    /// The coefficients, `None` where the observations do not determine them.
    pub(crate) fn solve(&self) -> Option<[f64; N]> {
        if self.count < N { None } else { solve(self.matrix, self.right) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quadratic_is_found_and_too_little_is_not_enough() {
        let mut fit = NormalEquations::<3>::new();
        for x in [-1.0, 0.5, 2.0, 3.0] {
            fit.add([1.0, x, x * x], 2.0 - 3.0 * x + 0.5 * x * x, 1.0 + x * x);
        }
        let found = fit.solve().unwrap();
        for (a, b) in found.iter().zip([2.0, -3.0, 0.5]) {
            assert!((a - b).abs() < 1e-12, "{found:?}");
        }
        let mut twice = NormalEquations::<3>::new();
        for x in [1.0, 1.0, 2.0] {
            twice.add([1.0, x, x * x], x, 1.0);
        }
        assert_eq!(twice.solve(), None);
    }
}
