//! A stitched map continued into its holes and a little beyond its edges, so that a filter can run over it.
//!
//! A missing value is taken from whichever is nearer, its row or its column: on the least-squares parabola through the nearest known
//! values (beyond the last not farther than the reach of a filter; from there on it stays the same).

use rayon::prelude::*;

use crate::cholesky::PivotedCholesky;
use crate::interpolation::REACH;

/// Rows and columns added on each side: what a filter needs, and one more for slopes.
const PAD: usize = REACH + 1;

/// Values that the parabola beyond an edge goes through, and on either side of a hole.
const FITTED: usize = 24;
const BESIDE: usize = 4;

/// The continued map.
pub(crate) struct Sheet {
    columns: usize,
    heights: Vec<f64>,
}

impl Sheet {
    /// Continues `map` (row-major, `columns` wide), known where `known(index)` holds.
    pub fn new(map: &[f64], columns: usize, known: impl Fn(usize) -> bool + Sync) -> Self {
        let (rows, wide) = (map.len() / columns.max(1), columns + 2 * PAD);
        let mut heights = vec![0.0; (rows + 2 * PAD) * wide];
        // Distance to the known value that a height was taken from; zero where it is known itself.
        let mut distance = vec![u32::MAX; heights.len()];
        heights.par_chunks_mut(wide).zip(distance.par_chunks_mut(wide)).skip(PAD).take(rows).enumerate().for_each(
            |(row, (heights, distance))| {
                let at = row * columns;
                heights[PAD..PAD + columns].copy_from_slice(&map[at..at + columns]);
                for (column, distance) in distance[PAD..PAD + columns].iter_mut().enumerate() {
                    *distance = if known(at + column) { 0 } else { u32::MAX };
                }
                continue_lane(heights, distance);
            },
        );
        // A column that no row could help better.
        let better: Vec<(usize, Vec<(usize, f64)>)> = (0..wide)
            .into_par_iter()
            .map(|column| {
                let lane = |row: usize| row * wide + column;
                let mut of: Vec<f64> = (0..rows + 2 * PAD).map(|row| heights[lane(row)]).collect();
                let known = |row: usize| if distance[lane(row)] == 0 { 0 } else { u32::MAX };
                let mut own: Vec<u32> = (0..rows + 2 * PAD).map(known).collect();
                continue_lane(&mut of, &mut own);
                let nearer = |row: &usize| own[*row] < distance[lane(*row)];
                (column, (0..rows + 2 * PAD).filter(nearer).map(|row| (row, of[row])).collect())
            })
            .collect();
        for (column, values) in better {
            for (row, value) in values {
                heights[row * wide + column] = value;
            }
        }
        // Corners that neither row nor column reaches: as the row next to them.
        for row in (0..PAD).rev() {
            for (from, to) in [(row + 1, row), (rows + 2 * PAD - 2 - row, rows + 2 * PAD - 1 - row)] {
                for column in (0..wide).filter(|c| *c < PAD || *c >= wide - PAD) {
                    heights[to * wide + column] = heights[from * wide + column];
                }
            }
        }
        Self { columns: wide, heights }
    }

    /// `length` heights of map row `row` from map column `column` on; both may be up to the reach of a filter, and one,
    /// outside of the map.
    pub fn part(&self, row: i64, column: i64, length: usize) -> &[f64] {
        let (row, column) = ((row + PAD as i64) as usize, (column + PAD as i64) as usize);
        &self.heights[row * self.columns + column..][..length]
    }
}

/// Continues one row or column; `distance` is zero at known values and largest elsewhere.
fn continue_lane(heights: &mut [f64], distance: &mut [u32]) {
    let known: Vec<usize> = (0..heights.len()).filter(|i| distance[*i] == 0).collect();
    let (Some(&first), Some(&last)) = (known.first(), known.last()) else { return };
    for (at, pair) in known.windows(2).enumerate().filter(|(_, pair)| pair[1] > pair[0] + 1) {
        let (from, to) = (pair[0], pair[1]);
        let near = &known[(at + 1).saturating_sub(BESIDE)..(at + 1 + BESIDE).min(known.len())];
        let parabola = Parabola::through(near, heights, from);
        for i in from + 1..to {
            heights[i] = parabola.at(i);
            distance[i] = (i - from).min(to - i) as u32;
        }
    }
    let left: Vec<usize> = known.iter().copied().take(FITTED).filter(|i| i - first < 2 * FITTED).collect();
    let right: Vec<usize> = known.iter().rev().copied().take(FITTED).filter(|i| last - i < 2 * FITTED).collect();
    let (at_left, at_right) = (Parabola::through(&left, heights, first), Parabola::through(&right, heights, last));
    for i in 0..first {
        heights[i] = at_left.at(i.max(first.saturating_sub(PAD)));
        distance[i] = (first - i) as u32;
    }
    for i in last + 1..heights.len() {
        heights[i] = at_right.at(i.min(last + PAD));
        distance[i] = (i - last) as u32;
    }
}

/// A least-squares parabola; of fewer than three points what they can tell.
struct Parabola {
    origin: f64,
    coefficients: [f64; 3],
    middle: f64,
}

impl Parabola {
    /// Through the heights at these places.
    fn through(places: &[usize], heights: &[f64], origin: usize) -> Self {
        let origin = origin as f64;
        let middle = places.iter().map(|i| heights[*i]).sum::<f64>() / places.len().max(1) as f64;
        let (mut matrix, mut right) = ([0.0; 9], [0.0; 3]);
        for i in places {
            let basis = basis(*i as f64 - origin);
            for (j, b) in basis.iter().enumerate() {
                right[j] += b * (heights[*i] - middle);
                for (k, other) in basis.iter().enumerate() {
                    matrix[3 * j + k] += b * other;
                }
            }
        }
        let mut coefficients = [0.0; 3];
        PivotedCholesky::new(&matrix, 3).solve(&right, &mut coefficients);
        Self { origin, coefficients, middle }
    }

    fn at(&self, i: usize) -> f64 {
        let values = basis(i as f64 - self.origin);
        self.middle + values.iter().zip(self.coefficients).map(|(b, c)| b * c).sum::<f64>()
    }
}

fn basis(x: f64) -> [f64; 3] {
    let x = x / FITTED as f64;
    [1.0, x, x * x]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_continued_as_a_plane() {
        let plane = |row: f64, column: f64| 5.0 + 3.0 * column - 2.0 * row;
        let (rows, columns) = (14, 20);
        // A hole, and a corner cut off.
        let known = |i: usize| {
            let (row, column) = (i / columns, i % columns);
            !(row == 6 && (7..10).contains(&column)) && row + column > 3
        };
        let map: Vec<f64> = (0..rows * columns)
            .map(|i| if known(i) { plane((i / columns) as f64, (i % columns) as f64) } else { 0.0 })
            .collect();
        let sheet = Sheet::new(&map, columns, known);
        for row in 0..rows {
            let line = sheet.part(row as i64, -(PAD as i64), columns + 2 * PAD);
            for (i, height) in line.iter().enumerate() {
                let expected = plane(row as f64, i as f64 - PAD as f64);
                // Beyond the corner the row's line ends after the reach.
                if i + row > 3 {
                    assert!((height - expected).abs() < 1e-9, "{row} {i}: {height} {expected}");
                }
            }
        }
        for row in [-1, -(PAD as i64), rows as i64, (rows + PAD) as i64 - 1] {
            for (column, height) in sheet.part(row, 4, columns - 4).iter().enumerate() {
                let expected = plane(row as f64, column as f64 + 4.0);
                assert!((height - expected).abs() < 1e-9, "{row} {column}: {height} {expected}");
            }
        }
    }
}
