//! The normal equations of the joint least-squares problem, without ever forming them.
//!
//! Model of sub-aperture k at camera pixel (u, v): `height = map + reference(u, v) + p_k + a_k u + b_k v + noise`.
//! The map is eliminated in closed form (weighted mean at every map pixel); what is left is one pass that spreads
//! a quantity over the map and one that gathers `quantity - mean` back onto camera pixels and correctors.
//!
//! Every sum runs in an order that the data alone determine: tasks are whole rows, a row is summed by one thread,
//! and rows are joined in ascending order. The bits do not depend on the number of threads.

use rayon::prelude::*;

use crate::grid::{Grid, Plate};
use crate::runs::Runs;

/// Piston, pitch and roll of every sub-aperture, nm per unit of 1, u, v.
pub(crate) type Correctors = Vec<[f64; 3]>;

/// What a pass works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// `height - reference - corrector`: gives the map and the negative gradient.
    Corrected,
    /// `reference + corrector`: gives the normal operator applied to the two.
    Model,
}

/// The problem with the pixels that count at present.
#[derive(Debug)]
pub(crate) struct Normal<'g> {
    pub grid: &'g Grid<'g>,
    /// Pixels that count, one set for each sub-aperture.
    pub used: Vec<Runs>,
    /// Number of sub-apertures at each map pixel.
    pub count: Vec<u16>,
    /// 1 / count, zero where there is none.
    inverse: Vec<f64>,
    /// Sum over sub-apertures of (1 - 1 / count) at each camera pixel: the diagonal for the reference.
    pub diagonal: Vec<f64>,
}

/// Gradient with respect to the reference and the correctors.
#[derive(Debug, Clone)]
pub(crate) struct Gradient {
    pub reference: Vec<f64>,
    pub correctors: Correctors,
    /// Sums of one camera row and sub-aperture: of `e` and of `e u`.
    partial: Vec<[f64; 2]>,
}

impl Gradient {
    pub fn zeros(grid: &Grid) -> Self {
        Self {
            reference: vec![0.0; grid.camera.0 * grid.camera.1],
            correctors: vec![[0.0; 3]; grid.plates.len()],
            partial: vec![[0.0; 2]; grid.camera.0 * grid.plates.len()],
        }
    }
}

/// Pixels handled at a time; the buffer stays in the first-level cache.
const BLOCK: usize = 512;

impl<'g> Normal<'g> {
    /// The problem restricted to the pixels in `used`.
    pub fn new(grid: &'g Grid<'g>, used: Vec<Runs>) -> Self {
        let columns = grid.map.1;
        let mut count = vec![0u16; grid.map.0 * columns];
        count.par_chunks_mut(columns).enumerate().for_each(|(row, line)| {
            for (plate, runs) in grid.plates.iter().zip(&used) {
                let Some(own) = plate.row_at_map(row) else { continue };
                for &(start, end) in runs.row(own) {
                    for n in &mut line[plate.map.1 + start as usize..plate.map.1 + end as usize] {
                        *n = n.saturating_add(1);
                    }
                }
            }
        });
        let inverse: Vec<f64> = count.iter().map(|n| if *n == 0 { 0.0 } else { 1.0 / f64::from(*n) }).collect();
        let mut normal = Self { grid, used, count, inverse, diagonal: Vec::new() };
        normal.diagonal = normal.camera_sum(|inverse| 1.0 - inverse);
        normal
    }

    /// Sum over the sub-apertures of `f(1 / count)` at each camera pixel.
    fn camera_sum(&self, f: impl Fn(f64) -> f64 + Sync) -> Vec<f64> {
        let mut sum = vec![0.0; self.grid.camera.0 * self.grid.camera.1];
        sum.par_chunks_mut(self.grid.camera.1).enumerate().for_each(|(row, line)| {
            for (plate, runs) in self.grid.plates.iter().zip(&self.used) {
                let Some(own) = plate.row_at_camera(row) else { continue };
                let inverse = self.inverse_row(plate.map.0 + own);
                for &(start, end) in runs.row(own) {
                    let (start, end) = (start as usize, end as usize);
                    let target = &mut line[plate.camera.1 + start..plate.camera.1 + end];
                    for (t, i) in target.iter_mut().zip(&inverse[plate.map.1 + start..plate.map.1 + end]) {
                        *t += f(*i);
                    }
                }
            }
        });
        sum
    }

    /// 1 / count along one map row.
    pub fn inverse_row(&self, row: usize) -> &[f64] {
        &self.inverse[row * self.grid.map.1..(row + 1) * self.grid.map.1]
    }

    /// Camera pixels that any used pixel falls on.
    pub fn seen(&self) -> Vec<bool> {
        self.camera_sum(|_| 1.0).iter().map(|n| *n > 0.0).collect()
    }

    /// Mean over the overlaps of the quantity along one map row.
    pub fn mean_row(&self, row: usize, quantity: Quantity, reference: &[f64], c: &[[f64; 3]], mean: &mut [f64]) {
        let mut buffer = [0.0; BLOCK];
        mean.fill(0.0);
        for (k, (plate, runs)) in self.grid.plates.iter().zip(&self.used).enumerate() {
            let Some(own) = plate.row_at_map(row) else { continue };
            let line = Line::new(self.grid, plate, own, reference, c[k]);
            for &(start, end) in runs.row(own) {
                for (from, to) in blocks(start, end) {
                    let values = &mut buffer[..to - from];
                    line.fill(quantity, from, values);
                    for (m, value) in mean[plate.map.1 + from..plate.map.1 + to].iter_mut().zip(values) {
                        *m += *value;
                    }
                }
            }
        }
        for (m, i) in mean.iter_mut().zip(self.inverse_row(row)) {
            *m *= i;
        }
    }

    /// Applies the pass: `mask (quantity - mean of quantity)` summed onto the camera pixels (only if
    /// `with_reference`) and the correctors. `map` is working space of the map's size (unused if rows coincide).
    pub fn gather(
        &self,
        quantity: Quantity,
        reference: &[f64],
        c: &[[f64; 3]],
        with_reference: bool,
        map: &mut Vec<f64>,
        gradient: &mut Gradient,
    ) {
        let columns = self.grid.map.1;
        let coincide = self.grid.rows_coincide();
        if !coincide {
            map.resize(self.grid.map.0 * columns, 0.0);
            map.par_chunks_mut(columns)
                .enumerate()
                .for_each(|(row, mean)| self.mean_row(row, quantity, reference, c, mean));
        }
        let means: &[f64] = map;
        let width = self.grid.camera.1;
        let n = self.grid.plates.len();
        gradient.reference.par_chunks_mut(width).zip(gradient.partial.par_chunks_mut(n)).enumerate().for_each_init(
            || if coincide { vec![0.0; columns] } else { Vec::new() },
            |own_mean, (row, (target, partial))| {
                if coincide {
                    // Camera rows and map rows are the same rows.
                    self.mean_row(row, quantity, reference, c, own_mean);
                }
                target.fill(0.0);
                for (k, plate) in self.grid.plates.iter().enumerate() {
                    partial[k] = [0.0; 2];
                    let Some(own) = plate.row_at_camera(row) else { continue };
                    let mean = if coincide {
                        &own_mean[..]
                    } else {
                        &means[(plate.map.0 + own) * columns..(plate.map.0 + own + 1) * columns]
                    };
                    let line = Line::new(self.grid, plate, own, reference, c[k]);
                    let target = if with_reference { Some(&mut target[..]) } else { None };
                    partial[k] = self.gather_line(&line, quantity, k, own, mean, target);
                }
            },
        );
        for (k, sums) in gradient.correctors.iter_mut().enumerate() {
            *sums = [0.0; 3];
            for (row, v) in self.grid.v.iter().enumerate() {
                let [e, eu] = gradient.partial[row * n + k];
                sums[0] += e;
                sums[1] += eu;
                sums[2] += e * v;
            }
        }
    }

    fn gather_line(
        &self,
        line: &Line,
        quantity: Quantity,
        k: usize,
        own: usize,
        mean: &[f64],
        mut target: Option<&mut [f64]>,
    ) -> [f64; 2] {
        let plate = &self.grid.plates[k];
        let mut buffer = [0.0; BLOCK];
        let mut sums = [0.0; 2];
        for &(start, end) in self.used[k].row(own) {
            for (from, to) in blocks(start, end) {
                let values = &mut buffer[..to - from];
                line.fill(quantity, from, values);
                for (value, m) in values.iter_mut().zip(&mean[plate.map.1 + from..plate.map.1 + to]) {
                    *value -= *m;
                }
                if let Some(target) = &mut target {
                    for (t, value) in target[plate.camera.1 + from..plate.camera.1 + to].iter_mut().zip(&*values) {
                        *t += *value;
                    }
                }
                let [e, eu] = moments(values, &self.grid.u[plate.camera.1 + from..plate.camera.1 + to]);
                sums[0] += e;
                sums[1] += eu;
            }
        }
        sums
    }
}

/// One row of one sub-aperture, with the reference and the corrector along it.
pub(crate) struct Line<'a> {
    heights: &'a [f64],
    reference: &'a [f64],
    u: &'a [f64],
    base: f64,
    pitch: f64,
}

impl<'a> Line<'a> {
    /// Row `own` of a plate.
    pub fn new(grid: &'a Grid, plate: &'a Plate, own: usize, reference: &'a [f64], c: [f64; 3]) -> Self {
        let camera_row = plate.camera.0 + own;
        let columns = plate.camera.1..plate.camera.1 + plate.shape.1;
        Self {
            heights: plate.row(own),
            reference: &reference[camera_row * grid.camera.1..][columns.clone()],
            u: &grid.u[columns],
            base: c[0] + c[2] * grid.v[camera_row],
            pitch: c[1],
        }
    }

    /// The quantity from column `from` on, as many as `values` holds.
    pub fn fill(&self, quantity: Quantity, from: usize, values: &mut [f64]) {
        let columns = from..from + values.len();
        let reference = &self.reference[columns.clone()];
        let u = &self.u[columns.clone()];
        match quantity {
            Quantity::Model => {
                for ((value, r), u) in values.iter_mut().zip(reference).zip(u) {
                    *value = r + (self.base + self.pitch * u);
                }
            }
            Quantity::Corrected => {
                for (((value, h), r), u) in values.iter_mut().zip(&self.heights[columns]).zip(reference).zip(u) {
                    *value = h - r - (self.base + self.pitch * u);
                }
            }
        }
    }
}

/// Cuts a run into blocks that fit the buffer.
pub(crate) fn blocks(start: u32, end: u32) -> impl Iterator<Item = (usize, usize)> {
    let (start, end) = (start as usize, end as usize);
    (start..end).step_by(BLOCK).map(move |from| (from, (from + BLOCK).min(end)))
}

/// Sums of `e` and `e u`, four lanes each and then the rest: a fixed order that still fills vector registers.
fn moments(e: &[f64], u: &[f64]) -> [f64; 2] {
    let mut zeroth = [0.0f64; 4];
    let mut first = [0.0f64; 4];
    let (e_blocks, u_blocks) = (e.chunks_exact(4), u.chunks_exact(4));
    let mut rest = [0.0f64; 2];
    for (e, u) in e_blocks.remainder().iter().zip(u_blocks.remainder()) {
        rest[0] += e;
        rest[1] += e * u;
    }
    for (e, u) in e_blocks.zip(u_blocks) {
        for lane in 0..4 {
            zeroth[lane] += e[lane];
            first[lane] += e[lane] * u[lane];
        }
    }
    let join = |s: [f64; 4]| (s[0] + s[1]) + (s[2] + s[3]);
    [join(zeroth) + rest[0], join(first) + rest[1]]
}
