//! Sub-apertures between whole pixels, without resampling the data.
//!
//! Plates sit on whole pixels; what plate k reads at map pixel p is `(H_k map)(p)`, H_k being the interpolation to
//! p + fraction. With the map of the last solve, the data become `m - (H_k map - map) + correction`, where the correction
//! (one for each map pixel) is the mean over the overlaps of `(H_k^T - 1) e`, e being what is left of the data:
//! a step of the exact least-squares problem that has the interpolation in its model. H keeps white noise white, so the
//! map neither loses nor gains noise; masks stay as measured, since e is zero where nothing was.

use rayon::prelude::*;

use crate::conjugate::State;
use crate::grid::{Grid, Plate};
use crate::interpolation::{REACH, TAPS, add_filtered, reversed, taps};
use crate::line::{BLOCK, Quantity, blocks};
use crate::normal::Normal;
use crate::sheet::Sheet;
use crate::slopes::Slopes;

/// So many plates are worked on before they are joined to the map.
const GROUP: usize = 8;

/// Taps along x and y of one plate; none where it lies on whole pixels.
pub(crate) struct Move {
    x: Option<[f64; TAPS]>,
    y: Option<[f64; TAPS]>,
    /// Rotation, rad, x towards y.
    turn: f64,
}

impl Move {
    /// The one that takes the map to the pixels of this plate.
    pub fn of(plate: &Plate) -> Self {
        let along = |fraction: f64| (fraction != 0.0).then(|| taps(fraction));
        Self { x: along(plate.fraction.0), y: along(plate.fraction.1), turn: plate.rotation }
    }

    /// The interpolated map along map row `row` from column `column` on, as many as `out` holds. `work` is working space.
    pub fn fill(&self, sheet: &Sheet, (row, column): (i64, i64), work: &mut Vec<f64>, out: &mut [f64]) {
        let (reach, wide) = (REACH as i64, out.len() + 2 * REACH);
        let source = match &self.y {
            None => sheet.part(row, column - reach, wide),
            Some(taps) => {
                work.clear();
                work.resize(wide, 0.0);
                for (j, tap) in (-reach..).zip(taps) {
                    for (w, value) in work.iter_mut().zip(sheet.part(row + j, column - reach, wide)) {
                        *w += tap * value;
                    }
                }
                work
            }
        };
        match &self.x {
            None => out.copy_from_slice(&source[REACH..REACH + out.len()]),
            Some(taps) => {
                out.fill(0.0);
                add_filtered(taps, source, out);
            }
        }
    }
}

/// The map of a solve, row-major; zero where nothing counts.
pub(crate) fn map_of(normal: &Normal, state: &State) -> Vec<f64> {
    let columns = normal.grid.map.1;
    let mut map = vec![0.0; normal.grid.map.0 * columns];
    map.par_chunks_mut(columns).enumerate().for_each(|(row, mean)| {
        normal.mean_row(row, Quantity::Corrected, state, mean);
    });
    map
}

/// The map of these heights, reference and correctors being those of `state`.
pub(crate) fn map_with(normal: &Normal, heights: &[Vec<f64>], state: &State) -> Vec<f64> {
    let grid = normal.grid;
    let columns = grid.map.1;
    let mut map = vec![0.0; grid.map.0 * columns];
    map.par_chunks_mut(columns).enumerate().for_each_init(
        || (Vec::new(), Vec::new(), vec![0.0; BLOCK]),
        |(inverses, buffer, values), (row, mean)| {
            for (k, plate) in grid.plates.iter().enumerate() {
                let Some(own) = plate.row_at_map(row) else { continue };
                let line = normal.line(Quantity::Model, (k, own), &state.reference, &state.correctors[k], buffer);
                let heights = &heights[k][own * plate.shape.1..];
                for (from, to) in normal.used[k].row(own).iter().flat_map(|(start, end)| blocks(*start, *end)) {
                    let values = &mut values[..to - from];
                    line.fill(from, values);
                    for (value, height) in values.iter_mut().zip(&heights[from..to]) {
                        *value = height - *value;
                    }
                    plate.weigh(own, from, values);
                    for (m, value) in mean[plate.map.1 + from..].iter_mut().zip(values.iter()) {
                        *m += value;
                    }
                }
            }
            for (m, inverse) in mean.iter_mut().zip(normal.inverse_row(row, inverses)) {
                *m *= inverse;
            }
        },
    );
    map
}

/// Rms of the difference of two maps where anything counts, nm.
pub(crate) fn rms_change(normal: &Normal, before: &[f64], after: &[f64]) -> f64 {
    let columns = normal.grid.map.1;
    let of_row = |row: usize| {
        let at = row * columns..(row + 1) * columns;
        let pairs = before[at.clone()].iter().zip(&after[at.clone()]).zip(&normal.count[at]);
        pairs.filter(|(_, n)| **n > 0).fold((0.0, 0.0), |(sum, n), ((a, b), _)| (sum + (a - b) * (a - b), n + 1.0))
    };
    let rows: Vec<(f64, f64)> = (0..normal.grid.map.0).into_par_iter().map(of_row).collect();
    let (sum, n) = rows.iter().fold((0.0, 0.0), |(sum, n), row| (sum + row.0, n + row.1));
    if n > 0.0 { (sum / n).sqrt() } else { 0.0 }
}

/// Heights of all plates as they would be on whole pixels. `measured` are the heights as given, `map` is the map that was
/// found last (with `state`), from the pixels that `normal` uses.
pub(crate) fn carried(normal: &Normal, measured: &[&[f64]], state: &State, map: &[f64]) -> Vec<Vec<f64>> {
    let grid = normal.grid;
    let columns = grid.map.1;
    let moves: Vec<Move> = grid.plates.iter().map(Move::of).collect();
    let sheet = Sheet::new(map, columns, |i| normal.count[i] > 0);
    let mut heights: Vec<Vec<f64>> = grid
        .plates
        .par_iter()
        .zip(measured)
        .zip(&moves)
        .map(|((plate, measured), by)| without_shift(plate, measured, by, &sheet, map, columns))
        .collect();
    if moves.iter().any(|by| by.turn != 0.0) {
        let slopes = Slopes::smoothed(&sheet, grid.map);
        heights
            .par_iter_mut()
            .zip(&grid.plates)
            .zip(&moves)
            .filter(|(_, by)| by.turn != 0.0)
            .for_each(|((heights, plate), by)| take_off_turn(grid, plate, heights, by.turn, &slopes));
    }
    drop(sheet);
    let correction = correction(normal, &heights, &moves, state, map);
    heights.par_iter_mut().zip(&grid.plates).for_each(|(heights, plate)| {
        for (row, line) in heights.chunks_exact_mut(plate.shape.1).enumerate() {
            let correction = &correction[(plate.map.0 + row) * columns + plate.map.1..];
            for (height, correction) in line.iter_mut().zip(correction) {
                *height += correction;
            }
        }
    });
    heights
}

/// `m - (H map - map)`.
fn without_shift(plate: &Plate, measured: &[f64], by: &Move, sheet: &Sheet, map: &[f64], columns: usize) -> Vec<f64> {
    let width = plate.shape.1;
    if by.x.is_none() && by.y.is_none() {
        return measured.to_vec();
    }
    let mut work = Vec::new();
    let mut moved = vec![0.0; width];
    let mut heights = Vec::with_capacity(measured.len());
    for (row, measured) in measured.chunks_exact(width).enumerate() {
        by.fill(sheet, ((plate.map.0 + row) as i64, plate.map.1 as i64), &mut work, &mut moved);
        let here = &map[(plate.map.0 + row) * columns + plate.map.1..];
        heights.extend(measured.iter().zip(&moved).zip(here).map(|((m, moved), here)| m - (moved - here)));
    }
    heights
}

/// Takes off what a small rotation about the centre of the camera frame adds, by the slopes of the map.
fn take_off_turn(grid: &Grid, plate: &Plate, heights: &mut [f64], turn: f64, slopes: &Slopes) {
    for (row, line) in heights.chunks_exact_mut(plate.shape.1).enumerate() {
        let y = grid.v[plate.camera.0 + row] * grid.scale.1;
        let at = (plate.map.0 + row) * grid.map.1 + plate.map.1;
        let of_map = slopes.x[at..].iter().zip(&slopes.y[at..]).zip(&grid.u[plate.camera.1..]);
        for (height, ((along_x, along_y), u)) in line.iter_mut().zip(of_map) {
            *height -= turn * (u * grid.scale.0 * f64::from(*along_y) - y * f64::from(*along_x));
        }
    }
}

/// Weighted mean over the overlaps of `(H^T - 1) e` at each map pixel.
fn correction(normal: &Normal, heights: &[Vec<f64>], moves: &[Move], state: &State, map: &[f64]) -> Vec<f64> {
    let grid = normal.grid;
    let columns = grid.map.1;
    let mut sum = vec![0.0; map.len()];
    let plates: Vec<usize> = (0..grid.plates.len()).collect();
    for group in plates.chunks(GROUP) {
        let spread: Vec<Vec<f64>> =
            group.par_iter().map(|k| spread(normal, *k, &heights[*k], &moves[*k], state, map)).collect();
        sum.par_chunks_mut(columns).enumerate().for_each(|(row, line)| {
            for (k, spread) in group.iter().zip(&spread) {
                let plate = &grid.plates[*k];
                let wide = plate.shape.1 + 2 * REACH;
                let Some(own) = (row + REACH).checked_sub(plate.map.0) else { continue };
                let Some(values) = spread.chunks_exact(wide).nth(own) else { continue };
                // Column 0 of `values` is map column `plate.map.1 - REACH`.
                let cut = REACH.saturating_sub(plate.map.1);
                let from = plate.map.1.saturating_sub(REACH);
                for (s, value) in line[from..].iter_mut().zip(&values[cut..]) {
                    *s += value;
                }
            }
        });
    }
    sum.par_chunks_mut(columns).enumerate().for_each(|(row, line)| {
        let mut buffer = Vec::new();
        for (value, inverse) in line.iter_mut().zip(normal.inverse_row(row, &mut buffer)) {
            *value *= inverse;
        }
    });
    sum
}

/// `(H^T - 1) w e` of one plate, REACH pixels wider than it on each side; nothing for a plate on whole pixels.
fn spread(normal: &Normal, k: usize, heights: &[f64], by: &Move, state: &State, map: &[f64]) -> Vec<f64> {
    if by.x.is_none() && by.y.is_none() {
        return Vec::new();
    }
    let grid = normal.grid;
    let plate = &grid.plates[k];
    let (rows, width) = plate.shape;
    let wide = width + 2 * REACH;
    let mut out = vec![0.0; (rows + 2 * REACH) * wide];
    let mut left = vec![0.0; width + 4 * REACH];
    let mut along = vec![0.0; wide];
    let mut buffer = Vec::new();
    let x = by.x.map(reversed);
    for row in 0..rows {
        left.fill(0.0);
        let c = &state.correctors[k];
        let line = normal.line(Quantity::Model, (k, row), &state.reference, c, &mut buffer);
        let here = &map[(plate.map.0 + row) * grid.map.1 + plate.map.1..][..width];
        for &(start, end) in normal.used[k].row(row) {
            for (from, to) in blocks(start, end) {
                let values = &mut left[2 * REACH + from..2 * REACH + to];
                line.fill(from, values);
                let heights = &heights[row * width..][from..to];
                for ((value, height), here) in values.iter_mut().zip(heights).zip(&here[from..to]) {
                    *value = height - *value - here;
                }
                plate.weigh(row, from, values);
            }
        }
        along.fill(0.0);
        match &x {
            None => along.copy_from_slice(&left[REACH..REACH + wide]),
            Some(taps) => add_filtered(taps, &left, &mut along),
        }
        match &by.y {
            None => {
                for (o, a) in out[(row + REACH) * wide..][..wide].iter_mut().zip(&along) {
                    *o += a;
                }
            }
            Some(taps) => {
                // The value of this row is wanted by the rows from `row - REACH` on.
                for (j, tap) in taps.iter().enumerate() {
                    for (o, a) in out[(row + j) * wide..][..wide].iter_mut().zip(&along) {
                        *o += tap * a;
                    }
                }
            }
        }
        for (o, e) in out[(row + REACH) * wide..][..wide].iter_mut().zip(&left[REACH..]) {
            *o -= e;
        }
    }
    out
}
