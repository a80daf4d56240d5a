//! The correctors that fit the planes of all pairs best, every pair counting the same.

use stitchbox_stitch::Placed;

use crate::CrossCheckError;
use crate::pair::Pair;
use crate::plane::Plane;

/// Solves `-C_first + C_second = plane` over all pairs, with the sum of each term zero, by least squares. Piston, pitch
/// and roll are three systems with one matrix: the Laplacian of the graph of pairs plus ones.
pub(crate) fn correctors(series: &[Placed], pairs: &[Pair], min_overlap: f64) -> Result<Vec<Plane>, CrossCheckError> {
    let n = series.len();
    check_tied(series, pairs, min_overlap)?;
    let mut matrix = vec![1.0; n * n];
    let mut right = vec![[0.0f64; 3]; n];
    for pair in pairs {
        let (i, j) = (pair.first, pair.second);
        matrix[i * n + i] += 1.0;
        matrix[j * n + j] += 1.0;
        matrix[i * n + j] -= 1.0;
        matrix[j * n + i] -= 1.0;
        for (term, value) in [pair.plane.piston, pair.plane.pitch, pair.plane.roll].into_iter().enumerate() {
            right[i][term] -= value;
            right[j][term] += value;
        }
    }
    solve_in_place(&mut matrix, &mut right);
    Ok(right
        .iter()
        .map(|[piston, pitch, roll]| Plane { piston: *piston, pitch: *pitch, roll: *roll, rms: 0.0 })
        .collect())
}

/// Cholesky without pivots: the matrix is positive definite when the pairs tie everything together.
fn solve_in_place(matrix: &mut [f64], right: &mut [[f64; 3]]) {
    let n = right.len();
    for k in 0..n {
        let (above, below) = matrix.split_at_mut(k * n);
        let row = &mut below[..n];
        for j in 0..k {
            let other = &above[j * n..j * n + j];
            let known: f64 = row[..j].iter().zip(other).map(|(a, b)| a * b).sum();
            row[j] = (row[j] - known) / above[j * n + j];
        }
        let known: f64 = row[..k].iter().map(|v| v * v).sum();
        row[k] = (row[k] - known).max(f64::MIN_POSITIVE).sqrt();
    }
    // All three terms at once.
    let less = |value: &mut [f64; 3], known: &[f64; 3], factor: f64| {
        for (value, known) in value.iter_mut().zip(known) {
            *value -= factor * known;
        }
    };
    for k in 0..n {
        let (known, rest) = right.split_at_mut(k);
        for (j, known) in known.iter().enumerate() {
            less(&mut rest[0], known, matrix[k * n + j]);
        }
        rest[0] = rest[0].map(|v| v / matrix[k * n + k]);
    }
    for k in (0..n).rev() {
        let (rest, known) = right.split_at_mut(k + 1);
        for (j, known) in known.iter().enumerate() {
            less(&mut rest[k], known, matrix[(k + 1 + j) * n + k]);
        }
        rest[k] = rest[k].map(|v| v / matrix[k * n + k]);
    }
}

/// Refuses a graph of pairs that falls apart.
fn check_tied(series: &[Placed], pairs: &[Pair], min_overlap: f64) -> Result<(), CrossCheckError> {
    let mut neighbours = vec![Vec::new(); series.len()];
    for pair in pairs {
        neighbours[pair.first].push(pair.second);
        neighbours[pair.second].push(pair.first);
    }
    let mut tied = vec![false; series.len()];
    let mut open = vec![0];
    tied[0] = true;
    while let Some(k) = open.pop() {
        for &next in &neighbours[k] {
            if !std::mem::replace(&mut tied[next], true) {
                open.push(next);
            }
        }
    }
    match tied.iter().position(|t| !t) {
        None => Ok(()),
        Some(loose) => Err(CrossCheckError::NotTied {
            min_overlap,
            tied: tied.iter().filter(|t| **t).count(),
            count: series.len(),
            first: series[0].sub_aperture.name.clone(),
            loose: series[loose].sub_aperture.name.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triangle_of_pairs_spreads_its_contradiction_evenly() {
        // 0->1: 1, 1->2: 1, 0->2: 5. Least squares: each side gives a third of the misfit 3.
        let mut matrix = vec![1.0; 9];
        let mut right = vec![[0.0; 3]; 3];
        for (i, j, value) in [(0, 1, 1.0), (1, 2, 1.0), (0, 2, 5.0)] {
            for (a, b, sign) in [(i, i, 1.0), (j, j, 1.0), (i, j, -1.0), (j, i, -1.0)] {
                matrix[a * 3 + b] += sign;
            }
            right[i][0] -= value;
            right[j][0] += value;
        }
        solve_in_place(&mut matrix, &mut right);
        for (found, expected) in right.iter().zip([-2.0, 0.0, 2.0]) {
            assert!((found[0] - expected).abs() < 1e-12, "{right:?}");
        }
    }
}
