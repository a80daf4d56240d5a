//! Bands of map rows: what one task of a pass works on. They depend on the problem alone, never on the number of threads.

use std::ops::Range;

use crate::grid::Grid;

/// Bands if all rows coincide: no camera row belongs to two of them.
const MANY: usize = 64;
/// Bands otherwise: each has camera rows of its own, which are joined afterwards.
const FEW: usize = 8;

/// One sub-aperture in one band.
#[derive(Debug)]
pub(crate) struct Part {
    /// Number of the sub-aperture.
    pub k: usize,
    /// Its own rows that lie in the band.
    pub own: Range<usize>,
    /// Row of the band's buffer on which the first of them falls.
    pub to: usize,
}

/// Some map rows, the sub-apertures that meet them, and the camera rows that those see there.
#[derive(Debug)]
pub(crate) struct Band {
    /// Map rows.
    pub rows: Range<usize>,
    /// In the order of the series.
    pub parts: Vec<Part>,
    /// Camera rows that are touched and the row of the buffer where each range begins.
    touched: Vec<(Range<usize>, usize)>,
}

impl Band {
    fn new(grid: &Grid, rows: Range<usize>) -> Self {
        let mut parts: Vec<(Part, Range<usize>)> = Vec::new();
        for (k, plate) in grid.plates.iter().enumerate() {
            let own = rows.start.max(plate.map.0)..rows.end.min(plate.map.0 + plate.shape.0);
            if own.start < own.end {
                let own = own.start - plate.map.0..own.end - plate.map.0;
                let camera = plate.camera.0 + own.start..plate.camera.0 + own.end;
                parts.push((Part { k, own, to: 0 }, camera));
            }
        }
        let mut ranges: Vec<Range<usize>> = parts.iter().map(|p| p.1.clone()).collect();
        ranges.sort_unstable_by_key(|r| (r.start, r.end));
        let mut touched: Vec<(Range<usize>, usize)> = Vec::new();
        for range in ranges {
            match touched.last_mut() {
                Some((last, _)) if range.start <= last.end => last.end = last.end.max(range.end),
                Some((last, at)) => {
                    let next = *at + last.len();
                    touched.push((range, next));
                }
                None => touched.push((range, 0)),
            }
        }
        let mut band = Self { rows, parts: Vec::new(), touched };
        for (mut part, camera) in parts {
            part.to = band.buffer_row(camera.start).unwrap_or(0);
            band.parts.push(part);
        }
        band
    }

    /// Rows of the buffer that holds all camera rows touched.
    pub fn height(&self) -> usize {
        self.touched.last().map_or(0, |(range, at)| at + range.len())
    }

    /// Row of the buffer that belongs to a camera row.
    pub fn buffer_row(&self, camera_row: usize) -> Option<usize> {
        let before = self.touched.partition_point(|(range, _)| range.start <= camera_row);
        let (range, at) = self.touched.get(before.checked_sub(1)?)?;
        (camera_row < range.end).then(|| at + camera_row - range.start)
    }
}

/// All bands of one problem.
#[derive(Debug)]
pub(crate) struct Bands {
    pub list: Vec<Band>,
    /// No camera row belongs to two bands, and their rows together are the camera's in order.
    pub disjoint: bool,
}

impl Bands {
    pub fn new(grid: &Grid) -> Self {
        let disjoint = grid.rows_coincide() && grid.camera.0 == grid.map.0;
        let rows = grid.map.0;
        // About equal work: rows of all sub-apertures, counted along the map.
        let mut work = vec![0usize; rows + 1];
        for plate in &grid.plates {
            work[plate.map.0] = work[plate.map.0].wrapping_add(1);
            work[plate.map.0 + plate.shape.0] = work[plate.map.0 + plate.shape.0].wrapping_sub(1);
        }
        let (mut depth, mut total) = (0usize, 0usize);
        for w in &mut work {
            depth = depth.wrapping_add(*w);
            total += depth;
            *w = total;
        }
        let wanted = if disjoint { MANY } else { FEW }.min(rows).max(1);
        let mut list = Vec::with_capacity(wanted);
        let mut start = 0;
        for band in 1..=wanted {
            let share = total / wanted * band + total % wanted * band / wanted;
            let end = if band == wanted { rows } else { work[..rows].partition_point(|w| *w < share) + 1 };
            let end = end.min(rows);
            if end > start {
                list.push(Band::new(grid, start..end));
                start = end;
            }
        }
        Self { list, disjoint }
    }
}
