//! Suspects where no majority can be asked: pixels that one or two sub-apertures see are compared with the median of
//! their neighbours in their own sub-aperture (Hampel filter).

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::conjugate::State;
use crate::normal::{Line, Normal, Quantity};
use crate::robust::{MEDIAN_TO_SIGMA, SAMPLES, THRESHOLD, median, sigma_of};

/// Half width of the neighbourhood, px.
const REACH: usize = 2;
/// Least number of valid pixels in it.
const NEIGHBOURS: usize = 13;

/// For every sub-aperture, the pixels (row, column; ascending) with at most two overlaps that stick out of their
/// neighbourhood by 6 sigma, sigma being the larger of that of the series and that of the neighbourhood.
pub(crate) fn suspects(normal: &Normal, state: &State) -> Vec<Vec<(u32, u32)>> {
    let plates = 0..normal.grid.plates.len();
    let candidates = normal.count.iter().filter(|n| matches!(n, 1 | 2)).count();
    let stride = (candidates / SAMPLES).max(1);
    let samples: Vec<Vec<f64>> = plates
        .clone()
        .into_par_iter()
        .map(|k| {
            let mut deviations = Vec::new();
            let mut seen = 0usize;
            for_each_candidate(normal, state, k, |_, value, around| {
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
            for_each_candidate(normal, state, k, |pixel, value, around| {
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
fn for_each_candidate(normal: &Normal, state: &State, k: usize, mut look: impl FnMut((u32, u32), f64, &mut Vec<f64>)) {
    let grid = normal.grid;
    let plate = &grid.plates[k];
    let (rows, columns) = plate.shape;
    let runs = &normal.used[k];
    let counts_of = |row: usize| &normal.count[(plate.map.0 + row) * grid.map.1 + plate.map.1..][..columns];
    let read = |row: usize| {
        let mut values = vec![0.0; columns];
        let mut valid = vec![false; columns];
        Line::new(grid, plate, row, &state.reference, state.correctors[k]).fill(Quantity::Corrected, 0, &mut values);
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
        if row + REACH < rows {
            window.push_back(read(row + REACH));
        }
        if row > REACH {
            window.pop_front();
        }
        let (values, _) = &window[row.min(REACH)];
        let counts = counts_of(row);
        for &(start, end) in runs.row(row) {
            for column in (start as usize..end as usize).filter(|c| counts[*c] <= 2) {
                around.clear();
                let reach = column.saturating_sub(REACH)..(column + REACH + 1).min(columns);
                for (other, valid) in &window {
                    around.extend(reach.clone().filter(|c| valid[*c]).map(|c| other[c]));
                }
                if around.len() >= NEIGHBOURS {
                    look((row as u32, column as u32), values[column], &mut around);
                }
            }
        }
    }
}
