//! Suspects where no majority can be asked: pixels that one or two sub-apertures see are compared with their
//! neighbours in their own sub-aperture (Hampel filter).
//!
//! What is compared with is the median over pairs of opposite neighbours of the mean of the pair: a slope of the mirror, far
//! larger than the noise at the ends of a curved one, cancels in each pair. The outermost pixels of a sub-aperture have
//! too few opposite neighbours and are left alone.

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::conjugate::State;
use crate::line::Quantity;
use crate::normal::Normal;
use crate::robust::{MEDIAN_TO_SIGMA, SAMPLES, THRESHOLD, median, sigma_of};
use crate::watch::Watch;

/// Half width of the neighbourhood, px.
const REACH: usize = 2;
/// Least number of valid pairs in it.
const LEAST_PAIRS: usize = 4;

/// For every sub-aperture, the pixels (row, column; ascending) with at most two overlaps that stick out of their
/// neighbourhood by 6 sigma, sigma being the larger of that of the series and that of the pairs.
pub(crate) fn suspects(normal: &Normal, state: &State, watch: &Watch) -> Vec<Vec<(u32, u32)>> {
    let plates = 0..normal.grid.plates.len();
    let candidates = normal.count.iter().filter(|n| matches!(n, 1 | 2)).count();
    let stride = (candidates / SAMPLES).max(1);
    let samples: Vec<Vec<f64>> = plates
        .clone()
        .into_par_iter()
        .map(|k| {
            let mut deviations = Vec::new();
            let mut seen = 0usize;
            for_each_candidate(normal, state, (k, watch), |_, value, around| {
                if seen.is_multiple_of(stride) {
                    deviations.push((value - median(around)).abs());
                }
                seen += 1;
            });
            deviations
        })
        .collect();
    let mut deviations: Vec<f64> = samples.into_iter().flatten().collect();
    let sigma = sigma_of(&mut deviations);
    plates
        .into_par_iter()
        .map(|k| {
            let mut found = Vec::new();
            for_each_candidate(normal, state, (k, watch), |pixel, value, around| {
                // The median lies between the extremes: most pixels need no more to be cleared.
                let farthest = around.iter().fold(0.0f64, |far, a| far.max((a - value).abs()));
                if farthest > THRESHOLD * sigma && sticks_out(value, around, sigma) {
                    found.push(pixel);
                }
            });
            found
        })
        .collect()
}

fn sticks_out(value: f64, around: &mut [f64], sigma: f64) -> bool {
    let middle = median(around);
    for a in around.iter_mut() {
        *a = (*a - middle).abs();
    }
    let local = median(around) * MEDIAN_TO_SIGMA;
    (value - middle).abs() > THRESHOLD * sigma.max(local)
}

/// Calls `look(pixel, value, neighbourhood)` for each valid pixel with at most two overlaps, row by row.
fn for_each_candidate(
    normal: &Normal,
    state: &State,
    (k, watch): (usize, &Watch),
    mut look: impl FnMut((u32, u32), f64, &mut Vec<f64>),
) {
    let grid = normal.grid;
    let plate = &grid.plates[k];
    let (rows, columns) = plate.shape;
    let runs = &normal.used[k];
    let counts_of = |row: usize| &normal.count[(plate.map.0 + row) * grid.map.1 + plate.map.1..][..columns];
    let read = |row: usize| {
        let mut values = vec![0.0; columns];
        let mut valid = vec![false; columns];
        let c = &state.correctors[k];
        normal.line(Quantity::Corrected, (k, row), &state.reference, c, &mut Vec::new()).fill(0, &mut values);
        for &(start, end) in runs.row(row) {
            valid[start as usize..end as usize].fill(true);
        }
        (values, valid)
    };
    if !(0..rows).any(|row| counts_of(row).iter().any(|n| matches!(n, 1 | 2))) {
        return;
    }
    let mut window: VecDeque<(Vec<f64>, Vec<bool>)> = (0..REACH.min(rows)).map(read).collect();
    let mut around = Vec::new();
    for row in 0..rows {
        if watch.stopped() {
            return;
        }
        if row + REACH < rows {
            window.push_back(read(row + REACH));
        }
        if row > REACH {
            window.pop_front();
        }
        let counts = counts_of(row);
        let pixels = runs.row(row).iter().flat_map(|(start, end)| *start as usize..*end as usize);
        for column in pixels.filter(|c| counts[*c] <= 2) {
            pair_means(&window, row.min(REACH), column, &mut around);
            if around.len() >= LEAST_PAIRS {
                look((row as u32, column as u32), window[row.min(REACH)].0[column], &mut around);
            }
        }
    }
}

/// Means of the pairs of valid pixels that lie opposite each other about `column` of row `centre` of the window.
fn pair_means(window: &VecDeque<(Vec<f64>, Vec<bool>)>, centre: usize, column: usize, means: &mut Vec<f64>) {
    means.clear();
    let columns = window[centre].0.len();
    let across = REACH.min(column).min(columns - 1 - column);
    let down = REACH.min(centre).min(window.len() - 1 - centre);
    for below in 0..=down {
        let (upper, upper_valid) = &window[centre - below];
        let (lower, lower_valid) = &window[centre + below];
        // Half of the neighbourhood: the other half are the partners.
        let first = if below == 0 { column + 1 } else { column - across };
        for right in first..=column + across {
            let left = 2 * column - right;
            if lower_valid[right] && upper_valid[left] {
                means.push(0.5 * (lower[right] + upper[left]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(slope: (f64, f64)) -> VecDeque<(Vec<f64>, Vec<bool>)> {
        let line = |row: usize| (0..7).map(|c| slope.0 * c as f64 + slope.1 * row as f64).collect();
        (0..5).map(|row| (line(row), vec![true; 7])).collect()
    }

    #[test]
    fn a_slope_cancels_in_every_pair() {
        let window = window((8.0, -3.0));
        let mut means = Vec::new();
        pair_means(&window, 2, 3, &mut means);
        assert_eq!(means.len(), 12);
        assert!(means.iter().all(|m| *m == window[2].0[3]));
        pair_means(&window, 2, 1, &mut means);
        assert_eq!(means.len(), 7);
    }

    #[test]
    fn one_bad_neighbour_does_not_condemn_a_good_pixel() {
        let mut window = window((8.0, -3.0));
        window[1].0[2] += 1000.0;
        let mut means = Vec::new();
        pair_means(&window, 2, 3, &mut means);
        assert!(!sticks_out(window[2].0[3], &mut means, 0.1));
        pair_means(&window, 1, 2, &mut means);
        assert!(sticks_out(window[1].0[2], &mut means, 0.1));
    }
}
