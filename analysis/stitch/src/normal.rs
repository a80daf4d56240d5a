//! The normal equations of the joint least-squares problem, without ever forming them.
//!
//! Model of sub-aperture k at camera pixel (u, v): `height = map + sum_j f_kj additive_j(u, v) + p_k + a_k u + b_k v + q_k
//! (su u^2 + sv v^2) + noise`. The map is eliminated in closed form (weighted mean at every map pixel); what is left is applied by
//! the `pass`.

use std::sync::Arc;

use rayon::prelude::*;

use crate::StitchError;
use crate::additive::{Additive, Shift};
use crate::bands::Bands;
use crate::grid::Grid;
use crate::line::{Line, Quantity, Slide};
use crate::runs::Runs;
use crate::watch::Watch;

/// Terms of a sub-aperture: 1, u, v, and power.
pub(crate) const TERMS: usize = 4;

/// Piston, pitch, roll and power of every sub-aperture, nm per unit of 1, u, v and `su u^2 + sv v^2`.
pub(crate) type Correctors = Vec<[f64; TERMS]>;

/// Map rows between two questions whether to go on.
pub(crate) const POLL_ROWS: usize = 16;

/// The problem with the pixels that count at present.
#[derive(Debug)]
pub(crate) struct Normal<'g> {
    pub grid: &'g Grid<'g>,
    /// Pixels that count, one set for each sub-aperture.
    pub used: Vec<Runs>,
    /// Number of sub-apertures at each map pixel.
    pub count: Vec<u16>,
    /// 1 / number, for each number that occurs; zero for none.
    pub reciprocal: Vec<f64>,
    /// 1 / sum of the weights at each map pixel, if pixels have weights.
    pub weighted: Option<Vec<f64>>,
    /// Sum over sub-apertures of `f_i f_j w (1 - w / sum of w)` at each camera pixel, for the pairs j <= i of additive maps
    /// in the order (0, 0), (1, 0), (1, 1), ...: the first map's length is the diagonal for the reference.
    pub diagonal: Vec<f64>,
    pub additive: Additive,
    /// Correction of the data for places between whole pixels.
    pub shift: Option<Arc<Shift>>,
    pub bands: Bands,
}

impl<'g> Normal<'g> {
    /// The problem restricted to the pixels in `used`; `watch` may end it.
    pub fn new(grid: &'g Grid<'g>, used: Vec<Runs>, additive: Additive, watch: &Watch) -> Result<Self, StitchError> {
        let columns = grid.map.1;
        let mut count = vec![0u16; grid.map.0 * columns];
        count.par_chunks_mut(columns).enumerate().for_each(|(row, line)| {
            if row.is_multiple_of(POLL_ROWS) && watch.stopped() {
                return;
            }
            for (plate, runs) in grid.plates.iter().zip(&used) {
                let Some(own) = plate.row_at_map(row) else { continue };
                for &(start, end) in runs.row(own) {
                    for n in &mut line[plate.map.1 + start as usize..plate.map.1 + end as usize] {
                        *n = n.saturating_add(1);
                    }
                }
            }
        });
        let most = grid.plates.len().min(usize::from(u16::MAX));
        let reciprocal = (0..=most).map(|n| if n == 0 { 0.0 } else { 1.0 / n as f64 }).collect();
        let bands = Bands::new(grid);
        let mut normal =
            Self { grid, used, count, reciprocal, weighted: None, diagonal: Vec::new(), additive, shift: None, bands };
        watch.still()?;
        if grid.is_weighted() {
            normal.weighted = Some(normal.reciprocal_weights());
        }
        normal.diagonal = normal.diagonal(watch);
        watch.still()?;
        Ok(normal)
    }

    fn reciprocal_weights(&self) -> Vec<f64> {
        let columns = self.grid.map.1;
        let mut sums = vec![0.0; self.count.len()];
        sums.par_chunks_mut(columns).enumerate().for_each(|(row, line)| {
            for (plate, runs) in self.grid.plates.iter().zip(&self.used) {
                let Some(own) = plate.row_at_map(row) else { continue };
                for &(start, end) in runs.row(own) {
                    let target = &mut line[plate.map.1 + start as usize..plate.map.1 + end as usize];
                    for (t, column) in target.iter_mut().zip(start as usize..) {
                        *t += plate.weight(own, column);
                    }
                }
            }
            for value in line {
                *value = if *value > 0.0 { 1.0 / *value } else { 0.0 };
            }
        });
        sums
    }

    fn diagonal(&self, watch: &Watch) -> Vec<f64> {
        let (grid, maps) = (self.grid, self.additive.maps());
        let width = grid.camera.1;
        let mut sum = vec![0.0; maps * (maps + 1) / 2 * grid.camera_pixels()];
        sum.par_chunks_mut(width).enumerate().for_each(|(at, line)| {
            let (pair, row) = (at / grid.camera.0, at % grid.camera.0);
            let (i, j) = pair_of(pair);
            if row.is_multiple_of(POLL_ROWS) && watch.stopped() {
                return;
            }
            for (k, (plate, runs)) in grid.plates.iter().zip(&self.used).enumerate() {
                let Some(own) = plate.row_at_camera(row) else { continue };
                let factor = self.additive.of(k)[i] * self.additive.of(k)[j];
                let map_row = plate.map.0 + own;
                for &(start, end) in runs.row(own) {
                    let (start, end) = (start as usize, end as usize);
                    let target = &mut line[plate.camera.1 + start..plate.camera.1 + end];
                    let from = map_row * grid.map.1 + plate.map.1;
                    if let Some(inverse) = &self.weighted {
                        for ((t, inverse), column) in target.iter_mut().zip(&inverse[from + start..]).zip(start..) {
                            let w = plate.weight(own, column);
                            *t += factor * w * (1.0 - w * inverse);
                        }
                    } else {
                        for (t, n) in target.iter_mut().zip(&self.count[from + start..]) {
                            *t += factor * (1.0 - self.reciprocal[usize::from(*n)]);
                        }
                    }
                }
            }
        });
        sum
    }

    /// 1 / sum of the weights (1 / count without weights) along one map row, zero where nothing counts.
    pub fn inverse_row<'b>(&'b self, row: usize, buffer: &'b mut Vec<f64>) -> &'b [f64] {
        let pixels = row * self.grid.map.1..(row + 1) * self.grid.map.1;
        if let Some(inverse) = &self.weighted {
            return &inverse[pixels];
        }
        buffer.clear();
        buffer.extend(self.count[pixels].iter().map(|n| self.reciprocal[usize::from(*n)]));
        buffer
    }

    /// Camera pixels that any used pixel falls on.
    pub fn seen(&self) -> Vec<bool> {
        let mut seen = vec![false; self.grid.camera_pixels()];
        seen.par_chunks_mut(self.grid.camera.1).enumerate().for_each(|(row, line)| {
            for (plate, runs) in self.grid.plates.iter().zip(&self.used) {
                let Some(own) = plate.row_at_camera(row) else { continue };
                for &(start, end) in runs.row(own) {
                    line[plate.camera.1 + start as usize..plate.camera.1 + end as usize].fill(true);
                }
            }
        });
        seen
    }

    /// Row `own` of sub-aperture `k`, ready to be filled. `buffer` is working space for heights that are not in memory.
    pub fn line<'b>(
        &'b self,
        quantity: Quantity,
        (k, own): (usize, usize),
        reference: &'b [f64],
        c: &[f64; TERMS],
        buffer: &'b mut Vec<f64>,
    ) -> Line<'b> {
        let heights = (quantity == Quantity::Corrected).then(|| self.grid.plates[k].row(own, buffer));
        self.line_of(heights, (k, own), reference, c)
    }

    /// The same with the heights of the row, or nothing for the model alone.
    pub fn line_of<'b>(
        &'b self,
        heights: Option<&'b [f64]>,
        (k, own): (usize, usize),
        reference: &'b [f64],
        c: &[f64; TERMS],
    ) -> Line<'b> {
        let grid = self.grid;
        let plate = &grid.plates[k];
        let camera_row = plate.camera.0 + own;
        let columns = plate.camera.1..plate.camera.1 + plate.shape.1;
        let of_map =
            |map: usize| &reference[map * grid.camera_pixels() + camera_row * grid.camera.1..][columns.clone()];
        let factors = self.additive.of(k);
        let v = grid.v[camera_row];
        let (su, sv) = grid.power;
        let shift = self.shift.as_ref().filter(|_| heights.is_some()).map(|shift| {
            let at = (plate.map.0 + own) * grid.map.1 + plate.map.1;
            let from_centre = (v * grid.scale.1, grid.u[plate.camera.1] * grid.scale.0);
            Slide::new(shift, k, at, plate.shape.1, from_centre)
        });
        Line {
            heights,
            reference: of_map(0),
            more: (1..self.additive.maps()).map(|map| (factors[map], of_map(map))).collect(),
            u: &grid.u[columns.clone()],
            base: c[0] + c[2] * v + c[3] * (sv * v * v),
            pitch: c[1],
            bend: c[3] * su,
            shift,
        }
    }
}

/// Number of a pair of additive maps to the pair (i, j), j <= i.
pub(crate) fn pair_of(pair: usize) -> (usize, usize) {
    let mut i = 0;
    while (i + 1) * (i + 2) / 2 <= pair {
        i += 1;
    }
    (i, pair - i * (i + 1) / 2)
}
