//! What the map should read at one pixel, told from its surroundings: the arbiter where overlapping values contradict each
//! other and no majority decides.

use crate::cholesky::PivotedCholesky;
use crate::conjugate::State;
use crate::normal::Normal;
use crate::robust::values_at;

/// Farthest neighbour asked, px: across the largest blemish that is expected.
const FARTHEST: usize = 24;
/// So many neighbours are enough.
const ENOUGH: usize = 16;
/// And so many are needed.
const LEAST: usize = 6;
/// The eight directions (down, right).
const DIRECTIONS: [(i64, i64); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)];

/// Height of the plane through the nearest map pixels at which at least two values agree within `limit`.
pub(crate) fn predicted(normal: &Normal, state: &State, row: usize, column: usize, limit: f64) -> Option<f64> {
    let (rows, columns) = normal.grid.map;
    let inside = |at: i64, length: usize| usize::try_from(at).ok().filter(|at| *at < length);
    let mut values = Vec::new();
    let mut found: Vec<(f64, f64, f64)> = Vec::new();
    for far in 1..=FARTHEST as i64 {
        for (down, right) in DIRECTIONS.map(|(down, right)| (down * far, right * far)) {
            let place = (inside(row as i64 + down, rows), inside(column as i64 + right, columns));
            let (Some(r), Some(c)) = place else { continue };
            if normal.count[r * columns + c] < 2 {
                continue;
            }
            values_at(normal, state, r, c, &mut values);
            let low = values.iter().fold(f64::INFINITY, |low, v| low.min(v.0));
            let high = values.iter().fold(f64::NEG_INFINITY, |high, v| high.max(v.0));
            if high - low <= limit {
                let mean = values.iter().map(|v| v.0).sum::<f64>() / values.len().max(1) as f64;
                found.push((down as f64, right as f64, mean));
            }
        }
        if found.len() >= ENOUGH {
            break;
        }
    }
    (found.len() >= LEAST).then(|| plane_at_zero(&found))
}

/// The least-squares plane through (y, x, height), at (0, 0).
fn plane_at_zero(points: &[(f64, f64, f64)]) -> f64 {
    let mut matrix = [0.0; 9];
    let mut right = [0.0; 3];
    // About the mean height, so that no digits are lost.
    let middle = points.iter().map(|p| p.2).sum::<f64>() / points.len() as f64;
    for (y, x, height) in points {
        let basis = [1.0, *x, *y];
        for i in 0..3 {
            right[i] += basis[i] * (height - middle);
            for j in 0..3 {
                matrix[i * 3 + j] += basis[i] * basis[j];
            }
        }
    }
    let mut plane = [0.0; 3];
    PivotedCholesky::new(&matrix, 3).solve(&right, &mut plane);
    middle + plane[0]
}

/// Which of some contradicting values belong, given what the surroundings predict: those within `limit` of the one nearest to
/// the prediction, if all others are at least twice as far from it.
pub(crate) fn believed(values: &[f64], predicted: f64, limit: f64) -> Option<Vec<bool>> {
    let off = |value: f64| (value - predicted).abs();
    let nearest = values.iter().copied().min_by(|a, b| off(*a).total_cmp(&off(*b)))?;
    let belongs: Vec<bool> = values.iter().map(|value| (value - nearest).abs() <= limit).collect();
    let rest = values.iter().zip(&belongs).filter(|(_, belongs)| !**belongs);
    let decisive = rest.fold(true, |all, (value, _)| all && off(*value) >= 2.0 * off(nearest));
    decisive.then_some(belongs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_cluster_is_believed_if_nothing_else_is_near() {
        assert_eq!(believed(&[0.2, 40.1, 39.8], 0.5, 3.0), Some(vec![true, false, false]));
        assert_eq!(believed(&[0.2, 40.1, 39.8, 1.0], 38.0, 3.0), Some(vec![false, true, true, false]));
        assert_eq!(believed(&[0.0, 40.0], 19.0, 3.0), None);
    }

    #[test]
    fn a_plane_is_read_at_its_centre() {
        let points: Vec<(f64, f64, f64)> = (0..9)
            .map(|i| {
                (
                    f64::from(i % 3),
                    f64::from(i / 3) + 1.0,
                    1e6 + 2.0 * f64::from(i % 3) - 5.0 * (f64::from(i / 3) + 1.0),
                )
            })
            .collect();
        assert!((plane_at_zero(&points) - 1e6).abs() < 1e-6);
    }
}
