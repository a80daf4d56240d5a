//! The correctors that fit the planes of all pairs best, every pair counting the same.

use stitchbox_stitch::Placed;

use crate::CrossCheckError;
use crate::pair::Pair;
use crate::plane::Plane;

/// Pivots below this part of their diagonal element count as zero: a term that no pair determines.
const NEGLIGIBLE: f64 = 1e-13;

/// Solves `-C_first + C_second = plane` over all pairs, with the sum of each term zero, by least squares, each pair
/// counting the same. Piston, pitch and roll are three systems with one matrix: the Laplacian of the graph of pairs plus
/// ones.
pub(crate) fn by_pairs(n: usize, pairs: &[Pair]) -> Vec<Plane> {
    let mut matrix = vec![1.0; n * n];
    let mut right = vec![[0.0f64; 3]; n];
    for pair in pairs {
        let (i, j) = (pair.first, pair.second);
        matrix[i * n + i] += 1.0;
        matrix[j * n + j] += 1.0;
        matrix[i * n + j] -= 1.0;
        matrix[j * n + i] -= 1.0;
        for (term, value) in terms(pair).into_iter().enumerate() {
            right[i][term] -= value;
            right[j][term] += value;
        }
    }
    solve_in_place(&mut matrix, &mut right);
    right.iter().map(|[piston, pitch, roll]| Plane { piston: *piston, pitch: *pitch, roll: *roll, rms: 0.0 }).collect()
}

/// The same with one equation for every common pixel: what a pair's pixels say is its plane, weighted by their normal
/// matrix. One system in three unknowns for each sub-aperture.
pub(crate) fn by_pixels(n: usize, pairs: &[Pair]) -> Vec<Plane> {
    let size = 3 * n;
    let mut matrix = vec![0.0; size * size];
    let mut right = vec![[0.0f64; 1]; size];
    for pair in pairs {
        let (i, j) = (3 * pair.first, 3 * pair.second);
        let plane = terms(pair);
        for (a, row) in pair.normal.iter().enumerate() {
            let value: f64 = row.iter().zip(plane).map(|(m, p)| m * p).sum();
            right[i + a][0] -= value;
            right[j + a][0] += value;
            for (b, m) in row.iter().enumerate() {
                matrix[(i + a) * size + i + b] += m;
                matrix[(j + a) * size + j + b] += m;
                matrix[(i + a) * size + j + b] -= m;
                matrix[(j + a) * size + i + b] -= m;
            }
        }
    }
    // The sums are zero: no pixel contradicts that, so its weight is free. As heavy as the data, for good conditioning.
    for term in 0..3 {
        let places = || (term..size).step_by(3);
        let heavy = places().map(|k| matrix[k * size + k]).sum::<f64>() / (n * n) as f64;
        for i in places() {
            for j in places() {
                matrix[i * size + j] += heavy;
            }
        }
    }
    solve_in_place(&mut matrix, &mut right);
    right.chunks_exact(3).map(|c| Plane { piston: c[0][0], pitch: c[1][0], roll: c[2][0], rms: 0.0 }).collect()
}

fn terms(pair: &Pair) -> [f64; 3] {
    [pair.plane.piston, pair.plane.pitch, pair.plane.roll]
}

/// Cholesky without pivots, for several right sides at once. What no equation determines becomes zero.
fn solve_in_place<const SIDES: usize>(matrix: &mut [f64], right: &mut [[f64; SIDES]]) {
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
        let left = row[k] - known;
        row[k] = if left > NEGLIGIBLE * row[k] { left.sqrt() } else { f64::INFINITY };
    }
    let less = |value: &mut [f64; SIDES], known: &[f64; SIDES], factor: f64| {
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
pub(crate) fn check_tied(series: &[Placed], pairs: &[Pair], min_overlap: f64) -> Result<(), CrossCheckError> {
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
