//! One map on the grid of another, separably: each column and row of the new grid is a weighted sum of a few old ones.
//!
//! Where the new pixels are as large as the old ones, cubic convolution (Keys 1981) interpolates; where they are larger,
//! the old pixels they cover are averaged by area, as a larger pixel would have measured them.

use ndarray::Array2;
use rayon::prelude::*;
use stitchbox_surface::HeightMap;

use crate::extent::Extent;
use crate::geometry::cubic_weights;

/// Weights of neighbouring old pixels for one new one.
#[derive(Debug, Clone, PartialEq)]
struct Taps {
    /// Index of the first.
    first: usize,
    /// As many as there are old pixels, however wide the new one is.
    weights: Vec<f64>,
    /// Sum of the absolute weights that fall beside the old pixels.
    outside: f64,
}

/// Where an old grid lies on a new one, along one axis.
#[derive(Debug, Clone)]
struct Line {
    taps: Vec<Taps>,
    old: usize,
    area: bool,
}

/// A fraction of a pixel that counts as none.
const WHOLE: f64 = 1e-9;

impl Line {
    /// For `new` pixels of `new_size` around 0, whose value is taken from places moved by `shift`, out of `old` pixels of
    /// `old_size` around 0.
    fn new(new: usize, new_size: f64, old: usize, old_size: f64, shift: f64) -> Self {
        let area = new_size > old_size * (1.0 + 1e-6);
        let middle = (old as f64 - 1.0) / 2.0;
        let taps = (0..new)
            .map(|k| {
                let place = ((k as f64 - (new as f64 - 1.0) / 2.0) * new_size + shift) / old_size + middle;
                if area { covered(place, new_size / old_size, old) } else { around(place, old) }
            })
            .collect();
        Self { taps, old, area }
    }
}

fn around(place: f64, old: usize) -> Taps {
    let (whole, fraction) = (place.floor(), place - place.floor());
    let (first, weights) = if fraction < WHOLE {
        (whole, vec![1.0])
    } else if fraction > 1.0 - WHOLE {
        (whole + 1.0, vec![1.0])
    } else {
        (whole - 1.0, cubic_weights(fraction).to_vec())
    };
    let (mut inside, mut outside, mut from) = (Vec::with_capacity(weights.len()), 0.0, 0);
    for (k, weight) in weights.into_iter().enumerate() {
        let pixel = first + k as f64;
        if pixel >= 0.0 && pixel < old as f64 {
            if inside.is_empty() {
                from = pixel as usize;
            }
            inside.push(weight);
        } else {
            outside += weight.abs();
        }
    }
    Taps { first: from, weights: inside, outside }
}

fn covered(place: f64, width: f64, old: usize) -> Taps {
    let (low, high) = (place - width / 2.0, place + width / 2.0);
    // Old pixel i reaches from i - 1/2 to i + 1/2.
    let first = (low + 0.5 + WHOLE).floor().clamp(0.0, old as f64) as usize;
    let end = ((high + 0.5 - WHOLE).floor() + 1.0).clamp(first as f64, old as f64) as usize;
    let part = |k: usize| ((high.min(k as f64 + 0.5) - low.max(k as f64 - 0.5)) / width).max(0.0);
    let weights: Vec<f64> = (first..end).map(part).collect();
    // What of the new pixel lies beside the outermost edges.
    let (left, right) = ((-0.5 - low).clamp(0.0, width), (high - (old as f64 - 0.5)).clamp(0.0, width));
    Taps { first, weights, outside: ((left + right) / width).min(1.0) }
}

/// How a map is brought onto another grid.
#[derive(Debug, Clone)]
pub(crate) struct Resampling {
    columns: Line,
    rows: Line,
}

/// Sums along the new columns, for one old row.
struct RowSums {
    value: Vec<f64>,
    missing: Vec<f64>,
}

impl Resampling {
    /// From the grid of `old` to that of `new`, both about their centres: the new pixel at (x, y) takes its value from
    /// (x, y) + `shift` in the old map.
    pub fn new(new: Extent, old: Extent, shift: (f64, f64)) -> Self {
        Self {
            columns: Line::new(new.columns, new.pixel_x, old.columns, old.pixel_x, shift.0),
            rows: Line::new(new.rows, new.pixel_y, old.rows, old.pixel_y, shift.1),
        }
    }

    /// Heights and mask on the new grid.
    pub fn heights(&self, map: &HeightMap) -> (Array2<f64>, Array2<bool>) {
        self.sum(map.heights_nm(), map.valid(), false)
    }

    /// Uncertainties on the new grid: the mean of those used, because neighbours may err together.
    pub fn uncertainties(&self, u: &Array2<f64>, valid: &Array2<bool>) -> Array2<f64> {
        self.sum(u, valid, true).0
    }

    fn sum(&self, values: &Array2<f64>, valid: &Array2<bool>, absolute: bool) -> (Array2<f64>, Array2<bool>) {
        let weight_of = |w: f64| if absolute { w.abs() } else { w };
        let (rows, columns) = (self.rows.taps.len(), self.columns.taps.len());
        let across: Vec<RowSums> = (0..self.rows.old)
            .into_par_iter()
            .map(|row| {
                let (line, mask) = (values.row(row), valid.row(row));
                let mut sums = RowSums { value: vec![0.0; columns], missing: vec![0.0; columns] };
                for (column, taps) in self.columns.taps.iter().enumerate() {
                    let mut norm = taps.outside;
                    let mut missing = taps.outside;
                    let mut sum = 0.0;
                    for (weight, (value, valid)) in taps.weights.iter().zip(line.iter().zip(mask).skip(taps.first)) {
                        norm += weight.abs();
                        if *valid {
                            sum += weight_of(*weight) * value;
                        } else {
                            missing += weight.abs();
                        }
                    }
                    let scale = if absolute && norm > 0.0 { 1.0 / norm } else { 1.0 };
                    (sums.value[column], sums.missing[column]) = (sum * scale, missing * scale);
                    // Weights of an interpolation have either sign, those of an average have not: only where both
                    // directions average do their missing parts go together.
                    if !(self.columns.area && self.rows.area) {
                        sums.conclude(column, self.columns.tolerance());
                    }
                }
                sums
            })
            .collect();
        let mut result = Array2::zeros((rows, columns));
        let mut kept = Array2::from_elem((rows, columns), false);
        let tolerance = self.rows.tolerance();
        result.outer_iter_mut().into_par_iter().zip(kept.outer_iter_mut()).enumerate().for_each(
            |(row, (mut line, mut mask))| {
                let taps = &self.rows.taps[row];
                let mut missing = vec![taps.outside; columns];
                let mut norm = taps.outside;
                for (weight, sums) in taps.weights.iter().zip(across.iter().skip(taps.first)) {
                    norm += weight.abs();
                    for (column, value) in line.iter_mut().enumerate() {
                        *value += weight_of(*weight) * sums.value[column];
                        missing[column] += weight.abs() * sums.missing[column];
                    }
                }
                for ((value, kept), mut missing) in line.iter_mut().zip(mask.iter_mut()).zip(missing) {
                    if absolute && norm > 0.0 {
                        *value /= norm;
                        missing /= norm;
                    }
                    *kept = missing <= tolerance;
                    *value = if *kept { *value / (1.0 - missing) } else { 0.0 };
                }
            },
        );
        (result, kept)
    }
}

impl Line {
    /// How much weight may be missing: nothing for an interpolation, a quarter for an average.
    fn tolerance(&self) -> f64 {
        if self.area { 0.25 } else { 1e-9 }
    }
}

impl RowSums {
    /// A value is whole, or it is missing.
    fn conclude(&mut self, column: usize, tolerance: f64) {
        let missing = self.missing[column];
        (self.value[column], self.missing[column]) =
            if missing <= tolerance { (self.value[column] / (1.0 - missing), 0.0) } else { (0.0, 1.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(rows: usize, columns: usize, pixel: f64) -> Extent {
        Extent { rows, columns, pixel_x: pixel, pixel_y: pixel, unit: "mm" }
    }

    fn sampled(extent: Extent, f: impl Fn(f64, f64) -> f64) -> HeightMap {
        let heights = Array2::from_shape_fn((extent.rows, extent.columns), |(r, c)| f(extent.x(c), extent.y(r)));
        HeightMap::from_heights_nm(heights, None)
    }

    #[test]
    fn a_quadratic_is_moved_exactly_and_edges_are_lost() {
        let grid = extent(12, 15, 0.5);
        let f = |x: f64, y: f64| 3.0 + x - 2.0 * y + 0.4 * x * x - 0.3 * x * y;
        let (moved, kept) = Resampling::new(grid, grid, (0.3, -0.15)).heights(&sampled(grid, f));
        let mut count = 0;
        for ((row, column), value) in moved.indexed_iter().filter(|(at, _)| kept[*at]) {
            assert!((value - f(grid.x(column) + 0.3, grid.y(row) - 0.15)).abs() < 1e-12);
            count += 1;
        }
        assert_eq!(count, 9 * 12);
        let map = sampled(grid, f);
        let (same, all) = Resampling::new(grid, grid, (0.5, 0.0)).heights(&map);
        assert_eq!(same[[3, 4]], map.heights_nm()[[3, 5]], "whole pixels are copied");
        assert_eq!(all.iter().filter(|v| **v).count(), 12 * 14);
    }

    #[test]
    fn larger_pixels_average_what_they_cover() {
        let (fine, coarse) = (extent(12, 30, 0.5), extent(4, 6, 1.5));
        let tilt = sampled(fine, |x, y| 10.0 + x - 3.0 * y);
        let resampling = Resampling::new(coarse, fine, (0.2, 0.0));
        let (mean, kept) = resampling.heights(&tilt);
        assert!(kept.iter().all(|v| *v));
        assert!((mean[[1, 2]] - (10.0 + coarse.x(2) + 0.2 - 3.0 * coarse.y(1))).abs() < 1e-12);
        let mut holes = tilt.heights_nm().clone();
        holes[[4, 12]] = f64::NAN;
        let holes = HeightMap::from_heights_nm(holes, None);
        let u = Array2::from_elem((12, 30), 0.7);
        assert!((resampling.uncertainties(&u, holes.valid())[[1, 2]] - 0.7).abs() < 1e-12);
    }

    #[test]
    fn a_hole_spreads_over_what_would_use_it() {
        let grid = extent(9, 9, 1.0);
        let mut heights = Array2::zeros((9, 9));
        heights[[4, 4]] = f64::NAN;
        let map = HeightMap::from_heights_nm(heights, None);
        let (_, kept) = Resampling::new(grid, grid, (0.5, 0.0)).heights(&map);
        let lost: Vec<usize> = (0..9).filter(|c| !kept[[4, *c]]).collect();
        assert_eq!(lost, vec![0, 2, 3, 4, 5, 7, 8]);
        assert!(kept[[3, 4]]);
    }

    #[test]
    fn a_constant_stays_where_one_direction_averages_and_the_other_interpolates() {
        // Columns twice as wide; rows as large but half a pixel beside, so that the outer rows lack one neighbour of four.
        let fine = Extent { rows: 12, columns: 30, pixel_x: 0.5, pixel_y: 0.5, unit: "mm" };
        let coarse = Extent { rows: 11, columns: 15, pixel_x: 1.0, pixel_y: 0.5, unit: "mm" };
        let mut heights = sampled(fine, |_, _| 1000.0).heights_nm().clone();
        heights[[6, 12]] = f64::NAN;
        let map = HeightMap::from_heights_nm(heights, None);
        let turned = |e: Extent| Extent {
            rows: e.columns,
            columns: e.rows,
            pixel_x: e.pixel_y,
            pixel_y: e.pixel_x,
            unit: e.unit,
        };
        let other = HeightMap::new(map.heights_nm().t().to_owned(), map.valid().t().to_owned(), None).unwrap();
        for (new, old, map) in [(coarse, fine, &map), (turned(coarse), turned(fine), &other)] {
            let (moved, kept) = Resampling::new(new, old, (0.0, 0.0)).heights(map);
            // Both outer rows are lost, and the four that would use the hole, which is half of its wide pixel.
            assert_eq!(kept.iter().filter(|v| **v).count(), 9 * 15 - 4);
            for (value, kept) in moved.iter().zip(&kept) {
                assert!(!kept || (value - 1000.0).abs() < 1e-9, "{value}");
            }
        }
    }

    #[test]
    fn a_pixel_may_be_wider_than_memory() {
        let (fine, huge) = (extent(6, 8, 1e-12), extent(3, 3, 1e3));
        let (moved, kept) = Resampling::new(huge, fine, (0.0, 0.0)).heights(&sampled(fine, |_, _| 1.0));
        assert!(kept.iter().all(|v| !v) && moved.iter().all(|v| *v == 0.0));
        let far = Resampling::new(fine, fine, (1e300, -1e300)).heights(&sampled(fine, |_, _| 1.0));
        assert!(far.1.iter().all(|v| !v));
    }
}
