//! The series and other measurements together: correctors, shapes that the series leaves open, and the unknown offsets of
//! the other instruments, in one small dense least-squares problem.
//!
//! The series enters as it was solved: its solution, and the normal matrix of the correctors with the reference held, which
//! holds nothing against a shape that the data leave open. Every other reading is one more row. For what the series leaves
//! open this is exact; for what it determines itself (far better, as a rule) the reference answers only through the shapes.

use crate::certainty::{Sparse, Unknowns};
use crate::cholesky::PivotedCholesky;

/// An amplitude is determined if the equations give it back to this part.
const GIVEN_BACK: f64 = 1e-6;
/// The series is never trusted beyond this noise, nm: far below any instrument, above rounding.
const LEAST_NOISE_NM: f64 = 1e-4;

/// One reading of another instrument.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Factors on the unknowns, then on the instruments' offsets.
    pub factors: Sparse,
    /// What was read, less what the solution of the series gives.
    pub left: f64,
    /// Standard uncertainty of the reading.
    pub sigma: f64,
    /// Number of the instrument.
    pub source: usize,
}

/// Change of the unknowns, and how sure they are.
#[derive(Debug, Clone)]
pub(crate) struct Joint {
    /// Change of each of the [`Unknowns`].
    pub change: Vec<f64>,
    /// Their covariance, nm^2, row-major.
    pub covariance: Vec<f64>,
    /// Which of the shapes are determined, in the order of [`Unknowns::shapes`]; the others did not change.
    pub determined: Vec<bool>,
    /// What is left of each row.
    pub left: Vec<f64>,
}

/// The problem without its rows.
pub(crate) struct Series<'a> {
    pub unknowns: &'a Unknowns,
    /// Normal matrix of the correctors, row-major.
    pub matrix: &'a [f64],
    pub noise_nm: f64,
    /// Number of offsets of all instruments.
    pub offsets: usize,
}

impl Series<'_> {
    /// Solves with these rows.
    pub fn with(&self, rows: &[&Row]) -> Joint {
        let shapes = self.unknowns.shapes.len();
        let mut free = vec![true; shapes];
        loop {
            let (joint, given_back) = self.solve(rows, &free);
            if given_back == free {
                return joint;
            }
            // One at a time: without it the others may be determined.
            let lost = (0..shapes).rev().find(|j| free[*j] && !given_back[*j]);
            match lost {
                Some(j) => free[j] = false,
                None => return joint,
            }
        }
    }

    fn solve(&self, rows: &[&Row], free: &[bool]) -> (Joint, Vec<bool>) {
        let (correctors, unknowns) = (self.unknowns.correctors, self.unknowns.len());
        let size = unknowns + self.offsets;
        let counts = |i: usize| i < correctors || i >= unknowns || free[i - correctors];
        let mut matrix = vec![0.0; size * size];
        let mut right = vec![0.0; size];
        let weight = 1.0 / self.noise_nm.max(LEAST_NOISE_NM).powi(2);
        for (row, own) in matrix.chunks_exact_mut(size).zip(self.matrix.chunks_exact(correctors.max(1))) {
            row.iter_mut().zip(own).for_each(|(m, o)| *m = o * weight);
        }
        for row in rows {
            let weight = 1.0 / (row.sigma * row.sigma);
            for (i, a) in row.factors.iter().filter(|(i, _)| counts(*i)) {
                right[*i] += weight * a * row.left;
                for (j, b) in row.factors.iter().filter(|(j, _)| counts(*j)) {
                    matrix[i * size + j] += weight * a * b;
                }
            }
        }
        // To a diagonal of ones: the units of the unknowns differ.
        let scale: Vec<f64> =
            (0..size).map(|i| matrix[i * size + i]).map(|d: f64| if d > 0.0 { 1.0 / d.sqrt() } else { 0.0 }).collect();
        for (row, own) in matrix.chunks_exact_mut(size.max(1)).zip(&scale) {
            row.iter_mut().zip(&scale).for_each(|(m, s)| *m *= own * s);
        }
        let factor = PivotedCholesky::new(&matrix, size);
        let scaled: Vec<f64> = right.iter().zip(&scale).map(|(r, s)| r * s).collect();
        let mut solved = vec![0.0; size];
        factor.solve(&scaled, &mut solved);
        solved.iter_mut().zip(&scale).for_each(|(x, s)| *x *= s);

        let given_back =
            (0..free.len()).map(|j| free[j] && gives_back(&factor, &matrix, size, correctors + j)).collect();
        let inverse = crate::certainty::inverted(&factor, size, 1.0);
        let mut covariance = vec![0.0; unknowns * unknowns];
        for (i, row) in covariance.chunks_exact_mut(unknowns.max(1)).enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = inverse[i * size + j] * scale[i] * scale[j];
            }
        }
        let fitted = |row: &&Row| row.factors.iter().map(|(i, a)| a * solved[*i]).sum::<f64>();
        let left = rows.iter().map(|row| row.left - fitted(row)).collect();
        solved.truncate(unknowns);
        (Joint { change: solved, covariance, determined: free.to_vec(), left }, given_back)
    }
}

/// The equations determine unknown `i`.
fn gives_back(factor: &PivotedCholesky, matrix: &[f64], size: usize, i: usize) -> bool {
    let mut unit = vec![0.0; size];
    unit[i] = 1.0;
    let mut solved = vec![0.0; size];
    factor.solve(&unit, &mut solved);
    let back = matrix.chunks_exact(size).map(|row| crate::cholesky::dot(row, &solved));
    back.zip(unit).all(|(b, u)| (b - u).abs() < GIVEN_BACK)
}
