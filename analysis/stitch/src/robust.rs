//! Finds values that do not belong: outliers that no mask marks.
//!
//! Where at least three sub-apertures overlap, a value is compared with the median over the overlaps of the corrected
//! data (the mean would let one bad value condemn the good ones). Where one or two overlap there is no majority: a value is
//! then compared with its neighbours in its own sub-aperture (see `lonely`), and with two overlaps it
//! must also contradict the other; if nothing tells which of two is wrong, both go. All thresholds are 6 sigma, sigma from medians of absolute differences.

use rayon::prelude::*;

use crate::StitchError;
use crate::conjugate::State;
use crate::fringes::Jumps;
use crate::line::Quantity;
use crate::lonely;
use crate::neighbours::{believed, predicted};
use crate::normal::Normal;
use crate::watch::Watch;

/// Sigmas from the median at which a value is rejected.
pub(crate) const THRESHOLD: f64 = 6.0;
/// From the median of absolute values to the standard deviation of a normal distribution.
pub(crate) const MEDIAN_TO_SIGMA: f64 = 1.482_602_218_505_602;
/// Sigma is never taken smaller, nm: far below any instrument, above rounding.
const LEAST_SIGMA: f64 = 1e-3;
/// About so many values are looked at for a sigma.
pub(crate) const SAMPLES: usize = 50_000;
/// Rejected pixels (row, column) of every sub-aperture, in ascending order.
pub(crate) type Rejected = Vec<Vec<(u32, u32)>>;

/// What the search found.
pub(crate) struct Outliers {
    pub rejected: Rejected,
    /// Map pixels whose values contradict each other without anything that tells which is wrong: all are rejected.
    pub contradicted: usize,
    /// Of each sub-aperture: rejected values that are off by a multiple of the height of a fringe.
    pub jumps: Vec<Jumps>,
}

/// Looks at all measured pixels, whether used in `state` or not, and says which do not belong.
/// `measured` is the problem with all measured pixels.
pub(crate) fn outliers(measured: &Normal, state: &State, watch: &Watch) -> Result<Outliers, StitchError> {
    let grid = measured.grid;
    let limit = THRESHOLD * overlap_sigma(measured, state);
    watch.still()?;
    let suspects = lonely::suspects(measured, state, watch);
    watch.still()?;
    let rows: Vec<Found> = (0..grid.map.0)
        .into_par_iter()
        .map_init(
            || Screen::new(grid.map.1),
            |screen, row| {
                if watch.stopped() {
                    return Found::default();
                }
                screen.fill(measured, state, row);
                screen.outliers(measured, state, row, limit, &suspects)
            },
        )
        .collect();
    watch.still()?;
    grid.readable()?;
    let mut rejected: Rejected = vec![Vec::new(); grid.plates.len()];
    let mut contradicted = 0;
    let mut jumps = vec![Jumps::default(); grid.plates.len()];
    for row in rows {
        for ((k, row, column), off) in row.outliers {
            rejected[k].push((row, column));
            if let (Some(off), Some(fringe)) = (off, grid.plates[k].fringe_nm) {
                jumps[k].add(off, fringe);
            }
        }
        contradicted += row.contradicted;
    }
    for own in &mut rejected {
        own.sort_unstable();
    }
    Ok(Outliers { rejected, contradicted, jumps })
}

/// What one map row has: (sub-aperture, row, column) of each outlier, how far it is off (nm) if that is known, and the number of
/// contradictions.
#[derive(Default)]
struct Found {
    outliers: Vec<((usize, u32, u32), Option<f64>)>,
    contradicted: usize,
}

/// Smallest and largest corrected value at each column of one map row: most columns need no more to be cleared.
struct Screen {
    low: Vec<f64>,
    high: Vec<f64>,
    line: Vec<f64>,
}

impl Screen {
    fn new(columns: usize) -> Self {
        Self { low: vec![0.0; columns], high: vec![0.0; columns], line: Vec::new() }
    }

    fn fill(&mut self, normal: &Normal, state: &State, row: usize) {
        let grid = normal.grid;
        self.low.fill(f64::INFINITY);
        self.high.fill(f64::NEG_INFINITY);
        let mut buffer = Vec::new();
        for (k, plate) in grid.plates.iter().enumerate() {
            let Some(own) = plate.row_at_map(row) else { continue };
            self.line.resize(plate.shape.1, 0.0);
            let c = &state.correctors[k];
            normal.line(Quantity::Corrected, (k, own), &state.reference, c, &mut buffer).fill(0, &mut self.line);
            for &(start, end) in normal.used[k].row(own) {
                let (start, end) = (start as usize, end as usize);
                let columns = plate.map.1 + start..plate.map.1 + end;
                let ranges = self.low[columns.clone()].iter_mut().zip(&mut self.high[columns]);
                for ((low, high), value) in ranges.zip(&self.line[start..end]) {
                    *low = if *value < *low { *value } else { *low };
                    *high = if *value > *high { *value } else { *high };
                }
            }
        }
    }

    fn outliers(&self, normal: &Normal, state: &State, row: usize, limit: f64, suspects: &[Vec<(u32, u32)>]) -> Found {
        let grid = normal.grid;
        let counts = &normal.count[row * grid.map.1..(row + 1) * grid.map.1];
        // Columns of this row that any sub-aperture suspects.
        let mut suspected = vec![false; grid.map.1];
        for (plate, suspects) in grid.plates.iter().zip(suspects) {
            let Some(own) = plate.row_at_map(row) else { continue };
            let from = suspects.partition_point(|s| (s.0 as usize) < own);
            for (_, column) in suspects[from..].iter().take_while(|s| s.0 as usize == own) {
                suspected[plate.map.1 + *column as usize] = true;
            }
        }
        let mut found = Found::default();
        let mut values = Vec::new();
        for column in (0..grid.map.1).filter(|c| counts[*c] >= 1) {
            let alone = counts[column] == 1;
            let allowed = if counts[column] == 2 { limit * std::f64::consts::SQRT_2 } else { limit };
            // No value can be farther from the median than the whole range.
            if !alone && self.high[column] - self.low[column] <= allowed {
                continue;
            }
            let own = |k: usize| {
                let plate = &grid.plates[k];
                (k, (row - plate.map.0) as u32, (column - plate.map.1) as u32)
            };
            let suspect = |k: usize| {
                let (_, row, column) = own(k);
                suspects[k].binary_search(&(row, column)).is_ok()
            };
            if alone && !suspected[column] {
                continue;
            }
            values_at(normal, state, row, column, &mut values);
            let heights: Vec<f64> = values.iter().map(|v| v.0).collect();
            let belongs = if counts[column] >= 3 {
                let middle = median(&mut heights.clone());
                let belongs: Vec<bool> = heights.iter().map(|v| (v - middle).abs() <= limit).collect();
                let number = belongs.iter().filter(|b| **b).count();
                // A narrow majority may be two that are wrong alike.
                if 2 * number <= heights.len() + 1 {
                    let told =
                        predicted(normal, state, row, column, allowed).and_then(|p| believed(&heights, p, limit));
                    told.or((2 * number > heights.len()).then_some(belongs))
                } else {
                    Some(belongs)
                }
            } else if values.iter().any(|v| suspect(v.1)) {
                Some(values.iter().map(|v| !suspect(v.1)).collect())
            } else {
                predicted(normal, state, row, column, allowed).and_then(|p| believed(&heights, p, limit))
            };
            let Some(belongs) = belongs else {
                found.outliers.extend(values.iter().map(|v| (own(v.1), None)));
                found.contradicted += 1;
                continue;
            };
            let good = || values.iter().zip(&belongs).filter(|(_, belongs)| **belongs).map(|(v, _)| v.0);
            let middle = (good().count() > 0).then(|| good().sum::<f64>() / good().count() as f64);
            let bad = values.iter().zip(&belongs).filter(|(_, belongs)| !**belongs);
            found.outliers.extend(bad.map(|(v, _)| (own(v.1), middle.map(|middle| v.0 - middle))));
        }
        found
    }
}

/// Corrected values at one map pixel, with the number of the sub-aperture, in the order of the series.
pub(crate) fn values_at(normal: &Normal, state: &State, row: usize, column: usize, values: &mut Vec<(f64, usize)>) {
    let grid = normal.grid;
    values.clear();
    for (k, plate) in grid.plates.iter().enumerate() {
        let Some(own) = plate.row_at_map(row) else { continue };
        let Some(own_column) = column.checked_sub(plate.map.1).filter(|c| *c < plate.shape.1) else { continue };
        let runs = normal.used[k].row(own);
        let before = runs.partition_point(|run| run.0 as usize <= own_column);
        if before == 0 || own_column >= runs[before - 1].1 as usize {
            continue;
        }
        let mut value = [0.0];
        let c = &state.correctors[k];
        let mut buffer = Vec::new();
        normal.line(Quantity::Corrected, (k, own), &state.reference, c, &mut buffer).fill(own_column, &mut value);
        values.push((value[0], k));
    }
}

/// Median; the mean of the middle two for an even number, zero of nothing.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[half],
        _ => 0.5 * (values[half - 1] + values[half]),
    }
}

/// Sigma of one value, from differences between neighbouring overlaps at a sample of the map pixels.
pub(crate) fn overlap_sigma(normal: &Normal, state: &State) -> f64 {
    let (rows, columns) = normal.grid.map;
    let overlapping = normal.count.iter().filter(|n| **n >= 2).count();
    let stride = (overlapping / SAMPLES).max(1);
    let sampled: Vec<Vec<f64>> = (0..rows)
        .into_par_iter()
        .map_init(Vec::new, |values, row| {
            let counts = &normal.count[row * columns..(row + 1) * columns];
            let mut differences = Vec::new();
            for column in (row % stride..columns).step_by(stride).filter(|c| counts[*c] >= 2) {
                values_at(normal, state, row, column, values);
                if let [a, b, ..] = values[..] {
                    differences.push((a.0 - b.0).abs());
                }
            }
            differences
        })
        .collect();
    let mut differences: Vec<f64> = sampled.into_iter().flatten().collect();
    sigma_of(&mut differences) / std::f64::consts::SQRT_2
}

/// Sigma from absolute deviations; infinite if there are none.
pub(crate) fn sigma_of(absolute: &mut [f64]) -> f64 {
    if absolute.is_empty() {
        return f64::INFINITY;
    }
    let half = absolute.len() / 2;
    let (_, middle, _) = absolute.select_nth_unstable_by(half, f64::total_cmp);
    (*middle * MEDIAN_TO_SIGMA).max(LEAST_SIGMA)
}
