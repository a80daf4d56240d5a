//! The pass over the map: spreads a quantity over a map row and gathers `weight (quantity - mean)` back onto camera pixels and
//! correctors while the row is still in the cache.
//!
//! Every sum runs in an order that the data alone determine: tasks are bands of map rows that depend on the problem
//! only, and are joined in ascending order. The bits do not depend on the number of threads.

use rayon::prelude::*;

use crate::StitchError;
use crate::bands::Band;
use crate::cholesky::dot;
use crate::conjugate::State;
use crate::grid::Plate;
use crate::line::{BLOCK, Line, Quantity, blocks};
use crate::normal::{Correctors, Normal, POLL_ROWS, TERMS};
use crate::watch::Watch;

/// Gradient with respect to the additive maps and the correctors.
#[derive(Debug, Clone)]
pub(crate) struct Gradient {
    pub reference: Vec<f64>,
    pub correctors: Correctors,
    /// Sum of `w (quantity - mean)^2`, of a pass over data alone.
    pub squares: f64,
    /// Of one band: camera rows (unless the bands are disjoint), sums of the correctors.
    bands: Vec<(Vec<f64>, Correctors, f64)>,
}

impl Gradient {
    pub fn zeros(normal: &Normal) -> Self {
        let n = normal.grid.plates.len();
        let maps = normal.additive.maps();
        let width = normal.grid.camera.1;
        let of = |band: &Band| {
            let rows = if normal.is_direct() { 0 } else { band.height() };
            (vec![0.0; maps * rows * width], vec![[0.0; TERMS]; n], 0.0)
        };
        Self {
            reference: vec![0.0; maps * normal.grid.camera_pixels()],
            correctors: vec![[0.0; TERMS]; n],
            squares: 0.0,
            bands: normal.bands.list.iter().map(of).collect(),
        }
    }
}

/// What a pass is applied to.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub quantity: Quantity,
    /// Additive maps, nm, laid out like those of a state.
    pub reference: &'a [f64],
    pub correctors: &'a [[f64; TERMS]],
    /// The sums onto the camera pixels are wanted too.
    pub with_reference: bool,
}

/// Heights of the rows that meet one map row, read once where they are not in memory.
#[derive(Default)]
pub(crate) struct HeightRows {
    kept: Vec<Vec<f64>>,
    filled: usize,
}

impl HeightRows {
    /// Another map row begins.
    fn begin(&mut self) {
        self.filled = 0;
    }

    /// Row `own` of the sub-aperture that meets the map row as number `at`. Of a new map row they are asked for in ascending order.
    pub fn get<'b>(&'b mut self, at: usize, plate: &'b Plate, own: usize) -> &'b [f64] {
        if self.kept.len() <= at {
            self.kept.resize_with(at + 1, Vec::new);
        }
        if at < self.filled && plate.is_on_disk() {
            return &self.kept[at];
        }
        self.filled = at + 1;
        plate.row(own, &mut self.kept[at])
    }
}

/// Working rows of one task.
#[derive(Default)]
pub(crate) struct Work {
    mean: Vec<f64>,
    rows: HeightRows,
}

impl Normal<'_> {
    /// Mean over the overlaps of the quantity along one map row.
    #[allow(dead_code, reason = "positions between pixels ask for it")]
    pub fn mean_row(&self, row: usize, quantity: Quantity, state: &State, mean: &mut [f64]) {
        self.mean_row_keeping(row, quantity, state, mean, &mut HeightRows::default());
    }

    /// The same, keeping the heights that were read.
    pub fn mean_row_keeping(
        &self,
        row: usize,
        quantity: Quantity,
        state: &State,
        mean: &mut [f64],
        rows: &mut HeightRows,
    ) {
        let plates = (0..self.grid.plates.len()).filter_map(|k| Some((k, self.grid.plates[k].row_at_map(row)?)));
        self.spread_row(row, quantity, (&state.reference, &state.correctors), plates, mean, rows);
    }

    fn spread_row(
        &self,
        row: usize,
        quantity: Quantity,
        (reference, c): (&[f64], &[[f64; TERMS]]),
        plates: impl Iterator<Item = (usize, usize)>,
        mean: &mut [f64],
        rows: &mut HeightRows,
    ) {
        let mut buffer = [0.0; BLOCK];
        mean.fill(0.0);
        rows.begin();
        for (at, (k, own)) in plates.enumerate() {
            let plate = &self.grid.plates[k];
            let heights = (quantity == Quantity::Corrected).then(|| rows.get(at, plate, own));
            let line = self.line_of(heights, (k, own), reference, &c[k]);
            let plain = quantity == Quantity::Model && line.is_plain() && self.weighted.is_none();
            for &(start, end) in self.used[k].row(own) {
                if plain {
                    let (start, end) = (start as usize, end as usize);
                    line.spread_plain(start, &mut mean[plate.map.1 + start..plate.map.1 + end]);
                    continue;
                }
                for (from, to) in blocks(start, end) {
                    let values = &mut buffer[..to - from];
                    line.fill(from, values);
                    if self.weighted.is_some() {
                        plate.weigh(own, from, values);
                    }
                    for (m, value) in mean[plate.map.1 + from..plate.map.1 + to].iter_mut().zip(values) {
                        *m += *value;
                    }
                }
            }
        }
        let pixels = row * self.grid.map.1..(row + 1) * self.grid.map.1;
        match &self.weighted {
            Some(inverse) => {
                for (m, i) in mean.iter_mut().zip(&inverse[pixels]) {
                    *m *= i;
                }
            }
            None => {
                for (m, n) in mean.iter_mut().zip(&self.count[pixels]) {
                    *m *= self.reciprocal[usize::from(*n)];
                }
            }
        }
    }

    /// The bands need no buffers: they are pieces of the one camera map.
    fn is_direct(&self) -> bool {
        self.bands.disjoint && self.additive.maps() == 1
    }

    /// Applies the pass: `weight (quantity - mean of quantity)` summed onto the camera pixels and the correctors.
    /// `watch` may end it.
    pub fn gather(&self, pass: Pass, gradient: &mut Gradient, watch: &Watch) -> Result<(), StitchError> {
        let width = self.grid.camera.1;
        let mut pieces: Vec<&mut [f64]> = Vec::with_capacity(self.bands.list.len());
        let direct = self.is_direct();
        if direct {
            let mut rest = &mut gradient.reference[..];
            for band in &self.bands.list {
                let (piece, after) = rest.split_at_mut(band.height() * width);
                pieces.push(piece);
                rest = after;
            }
        }
        let bands = self.bands.list.par_iter().zip(&mut gradient.bands);
        let one = |work: &mut Work, band: &Band, target: &mut [f64], sums: &mut Correctors, squares: &mut f64| {
            target.fill(0.0);
            sums.fill([0.0; TERMS]);
            *squares = 0.0;
            let target = if pass.with_reference { Some(target) } else { None };
            self.band(band, pass, target, (sums, squares), work, watch);
        };
        if direct {
            bands.zip(pieces).for_each_init(Work::default, |work, ((band, (_, sums, squares)), piece)| {
                one(work, band, piece, sums, squares);
            });
        } else {
            bands.for_each_init(Work::default, |work, (band, (target, sums, squares))| {
                one(work, band, target, sums, squares);
            });
            if pass.with_reference {
                self.join(gradient);
            }
        }
        watch.still()?;
        gradient.correctors.fill([0.0; TERMS]);
        gradient.squares = 0.0;
        for (_, sums, squares) in &gradient.bands {
            for (total, part) in gradient.correctors.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *total += part;
            }
            gradient.squares += squares;
        }
        self.grid.readable()
    }

    /// Adds the bands' camera rows, in the order of the bands.
    fn join(&self, gradient: &mut Gradient) {
        let (rows, width) = self.grid.camera;
        let parts = &gradient.bands;
        gradient.reference.par_chunks_mut(width).enumerate().for_each(|(at, line)| {
            let (map, row) = (at / rows, at % rows);
            line.fill(0.0);
            for (band, (part, _, _)) in self.bands.list.iter().zip(parts) {
                let Some(buffer_row) = band.buffer_row(row) else { continue };
                let from = (map * band.height() + buffer_row) * width;
                for (total, value) in line.iter_mut().zip(&part[from..from + width]) {
                    *total += value;
                }
            }
        });
    }

    fn band(
        &self,
        band: &Band,
        pass: Pass,
        mut target: Option<&mut [f64]>,
        (sums, squares): (&mut Correctors, &mut f64),
        work: &mut Work,
        watch: &Watch,
    ) {
        let Pass { quantity, reference, correctors: c, .. } = pass;
        let grid = self.grid;
        let (su, sv) = grid.power;
        let Work { mean, rows } = work;
        mean.resize(grid.map.1, 0.0);
        for row in band.rows.clone() {
            if (row - band.rows.start).is_multiple_of(POLL_ROWS) && watch.stopped() {
                return;
            }
            let here = band.parts.iter().filter_map(|part| {
                let own = row.checked_sub(grid.plates[part.k].map.0)?;
                part.own.contains(&own).then_some((part, own))
            });
            self.spread_row(row, quantity, (reference, c), here.clone().map(|(p, own)| (p.k, own)), mean, rows);
            for (at, (part, own)) in here.enumerate() {
                let k = part.k;
                let heights = (quantity == Quantity::Corrected).then(|| rows.get(at, &grid.plates[k], own));
                let line = self.line_of(heights, (k, own), reference, &c[k]);
                let to = part.to + own - part.own.start;
                let onto = target.as_deref_mut().map(|target| (target, to, band.height()));
                let (m, s) = self.gather_line(&line, (k, own), mean, onto);
                *squares += s;
                let v = grid.v[grid.plates[k].camera.0 + own];
                let add = [m[0], m[1], m[0] * v, su * m[2] + sv * v * v * m[0]];
                for (sum, value) in sums[k].iter_mut().zip(add) {
                    *sum += value;
                }
            }
        }
    }

    /// Moments of `w (quantity - mean)` with 1, u, u^2 (the last with curvature only) and, of data, the sum of squares.
    fn gather_line(
        &self,
        line: &Line,
        (k, own): (usize, usize),
        mean: &[f64],
        mut onto: Option<(&mut [f64], usize, usize)>,
    ) -> ([f64; 3], f64) {
        let plate = &self.grid.plates[k];
        let width = self.grid.camera.1;
        let curved = self.grid.curvature;
        let mut buffer = [0.0; BLOCK];
        let mut moments = [0.0; 3];
        let mut squares = 0.0;
        if let (Some((target, to, _)), true) =
            (&mut onto, line.heights.is_none() && line.is_plain() && self.weighted.is_none() && !curved)
        {
            let target = &mut target[*to * width + plate.camera.1..][..plate.shape.1];
            let mean = &mean[plate.map.1..][..plate.shape.1];
            for &(start, end) in self.used[k].row(own) {
                let (start, end) = (start as usize, end as usize);
                let [e, eu] = line.gather_plain(start, &mean[start..end], &mut target[start..end]);
                moments[0] += e;
                moments[1] += eu;
            }
            return (moments, squares);
        }
        for &(start, end) in self.used[k].row(own) {
            for (from, to) in blocks(start, end) {
                let values = &mut buffer[..to - from];
                line.fill(from, values);
                for (value, m) in values.iter_mut().zip(&mean[plate.map.1 + from..plate.map.1 + to]) {
                    *value -= *m;
                }
                let weighted = self.weighted.is_some();
                if line.heights.is_some() {
                    squares += if weighted { plate.weighted_square(own, from, values) } else { dot(values, values) };
                }
                if weighted {
                    plate.weigh(own, from, values);
                }
                if let Some((target, row, height)) = &mut onto {
                    let factors = std::iter::once(1.0).chain(line.more.iter().map(|(factor, _)| *factor));
                    for (map, factor) in factors.enumerate() {
                        let at = (map * *height + *row) * width + plate.camera.1;
                        for (t, value) in target[at + from..at + to].iter_mut().zip(&*values) {
                            *t += factor * *value;
                        }
                    }
                }
                let u = &line.u[from..to];
                moments[1] += dot(values, u);
                moments[0] += sum(values);
                if curved {
                    for (value, u) in values.iter_mut().zip(u) {
                        *value *= u;
                    }
                    moments[2] += dot(values, u);
                }
            }
        }
        (moments, squares)
    }
}

/// Sum in a fixed order: four lanes, then the rest.
fn sum(values: &[f64]) -> f64 {
    let mut lanes = [0.0f64; 4];
    let blocks = values.chunks_exact(4);
    let rest: f64 = blocks.remainder().iter().sum();
    for block in blocks {
        for lane in 0..4 {
            lanes[lane] += block[lane];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

#[cfg(test)]
mod tests;
