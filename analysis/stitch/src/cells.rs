//! The map cut into cells of a few pixels, with the share that every sub-aperture has in each: fine enough for everything that
//! varies over tens of pixels, a hundred times fewer than pixels.

use rayon::prelude::*;

use crate::StitchError;
use crate::normal::Normal;
use crate::plane::Plane;
use crate::shapes::Frame;

/// Stretches along x of which the covariance of the mean heights is told.
const BINS: usize = 40;
/// Side of a cell, px, as far as the limit on their number allows.
const SIDE_PX: usize = 8;
/// So many rows of cells at least, if the map has as many: y^2 needs them.
const LEAST_ROWS: usize = 6;
/// About so many cells at most.
const MOST_CELLS: usize = 40_000;

/// Cells in rows and columns; every stretch along x consists of whole columns of cells.
#[derive(Debug)]
pub(crate) struct Cells {
    /// First map row of each row of cells, and the end.
    pub rows: Vec<usize>,
    /// First map column of each column of cells, and the end.
    pub columns: Vec<usize>,
    /// Columns of cells in one stretch.
    pub per_bin: usize,
    shares: Vec<Share>,
    /// Valid pixels of each cell.
    pub pixels: Vec<f64>,
}

/// Used pixels of one sub-aperture in the cells that it touches.
#[derive(Debug)]
struct Share {
    row: usize,
    column: usize,
    columns: usize,
    pixels: Vec<u32>,
}

impl Cells {
    pub fn new(normal: &Normal) -> Self {
        let (rows, columns) = normal.grid.map;
        let side = SIDE_PX.max((rows as f64 * columns as f64 / MOST_CELLS as f64).sqrt().ceil() as usize);
        let bins = BINS.min(columns);
        let per_bin = (columns / (bins * side)).max(1);
        let edges = |length: usize, parts: usize| (0..=parts).map(|i| length * i / parts).collect::<Vec<_>>();
        let (rows, columns) = (edges(rows, (rows / side).max(LEAST_ROWS.min(rows))), edges(columns, bins * per_bin));
        let plates = 0..normal.grid.plates.len();
        let shares: Vec<Share> = plates.into_par_iter().map(|k| Share::new(normal, k, &rows, &columns)).collect();
        let width = columns.len() - 1;
        let mut pixels = vec![0.0; (rows.len() - 1) * width];
        let of_map = normal.grid.map.1;
        pixels.par_chunks_mut(width).enumerate().for_each(|(at, pixels)| {
            for row in rows[at]..rows[at + 1] {
                let counts = &normal.count[row * of_map..(row + 1) * of_map];
                for (pixels, edges) in pixels.iter_mut().zip(columns.windows(2)) {
                    *pixels += counts[edges[0]..edges[1]].iter().filter(|n| **n > 0).count() as f64;
                }
            }
        });
        Self { rows, columns, per_bin, shares, pixels }
    }

    /// Number of cells in a row of them.
    pub fn width(&self) -> usize {
        self.columns.len() - 1
    }

    /// Number of stretches along x.
    pub fn bins(&self) -> usize {
        self.width() / self.per_bin
    }

    /// Map coordinates of a cell's centre.
    pub fn centre(&self, frame: &Frame, cell: usize) -> (f64, f64) {
        let (row, column) = (cell / self.width(), cell % self.width());
        let middle = |edges: &[usize], i: usize| (edges[i] + edges[i + 1]) as f64 / 2.0 - 0.5;
        frame.at(middle(&self.columns, column), middle(&self.rows, row))
    }

    /// The cell that holds a pixel.
    pub fn holding(&self, row: usize, column: usize) -> usize {
        let (row, column) = (self.rows.partition_point(|r| *r <= row), self.columns.partition_point(|c| *c <= column));
        (row - 1) * self.width() + column - 1
    }

    /// Sub-apertures that a cell's heights are the mean of, with their weights (which add up to 1).
    pub fn weights(&self, cell: usize, weights: &mut Vec<(usize, f64)>) {
        let (row, column) = (cell / self.width(), cell % self.width());
        weights.clear();
        let mut total = 0.0;
        for (k, share) in self.shares.iter().enumerate() {
            let pixels = share.at(row, column);
            if pixels > 0 {
                weights.push((k, f64::from(pixels)));
                total += f64::from(pixels);
            }
        }
        for (_, weight) in weights.iter_mut() {
            *weight /= total;
        }
    }

    /// Sum over the valid pixels of each cell of `value(1 / sum of the weights, what the plane holds there)`.
    pub fn sums(
        &self,
        normal: &Normal,
        plane: &Plane,
        value: impl Fn(f64, f64) -> f64 + Sync,
    ) -> Result<Vec<f64>, StitchError> {
        let width = self.width();
        let of_map = normal.grid.map.1;
        let mut sums = vec![0.0; self.pixels.len()];
        sums.par_chunks_mut(width).enumerate().try_for_each_init(Vec::new, |buffer, (at, sums)| {
            let rows = self.rows[at]..self.rows[at + 1];
            let values = plane.rows(rows.clone())?;
            for (row, values) in rows.zip(values.chunks_exact(of_map)) {
                let inverses = normal.inverse_row(row, buffer);
                for (sum, edges) in sums.iter_mut().zip(self.columns.windows(2)) {
                    for column in edges[0]..edges[1] {
                        if inverses[column] > 0.0 {
                            *sum += value(inverses[column], values[column]);
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(sums)
    }
}

impl Share {
    fn new(normal: &Normal, k: usize, rows: &[usize], columns: &[usize]) -> Self {
        let plate = &normal.grid.plates[k];
        let holding = |edges: &[usize], at: usize| edges.partition_point(|e| *e <= at) - 1;
        let (row, column) = (holding(rows, plate.map.0), holding(columns, plate.map.1));
        let last = (holding(rows, plate.map.0 + plate.shape.0 - 1), holding(columns, plate.map.1 + plate.shape.1 - 1));
        let width = last.1 - column + 1;
        let mut pixels = vec![0; (last.0 - row + 1) * width];
        for own in 0..plate.shape.0 {
            let line = &mut pixels[(holding(rows, plate.map.0 + own) - row) * width..][..width];
            for &(start, end) in normal.used[k].row(own) {
                let (start, end) = (plate.map.1 + start as usize, plate.map.1 + end as usize);
                let mut at = holding(columns, start);
                let mut from = start;
                while from < end {
                    let to = columns[at + 1].min(end);
                    line[at - column] += (to - from) as u32;
                    (from, at) = (to, at + 1);
                }
            }
        }
        Self { row, column, columns: width, pixels }
    }

    fn at(&self, row: usize, column: usize) -> u32 {
        let inside = row.checked_sub(self.row).zip(column.checked_sub(self.column)).filter(|(_, c)| *c < self.columns);
        inside.and_then(|(r, c)| self.pixels.get(r * self.columns + c)).copied().unwrap_or(0)
    }
}
