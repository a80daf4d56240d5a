//! The two pixel grids of a series: the camera frame, in which the reference stands still, and the mirror grid of the
//! stitched map, with the place of every sub-aperture in both.

use std::borrow::Cow;

use ndarray::Array2;
use rayon::prelude::*;
use stitchbox_surface::{HeightMap, PixelSize};

use crate::runs::{Runs, common};
use crate::{Placed, StitchError, resample};

/// A position this close to a whole pixel counts as whole, px.
const WHOLE_PX: f64 = 0.02;
/// Pixel sizes of one series agree to this fraction.
const PIXEL_AGREEMENT: f64 = 1e-4;
/// Two sub-apertures overlap if they share this many valid pixels: a plane has three numbers.
const LEAST_COMMON: usize = 3;
/// No camera has more pixels.
const MOST_CAMERA_PIXELS: u64 = 1 << 26;
/// No stitched map has more pixels (fifty times the largest series known).
const MOST_MAP_PIXELS: u64 = 1 << 28;
/// No position is farther from the others, px.
const FARTHEST_PX: f64 = 1e9;

/// One sub-aperture on both grids.
#[derive(Debug)]
pub(crate) struct Plate<'a> {
    /// Place of its row 0, column 0 in the camera frame (row, column).
    pub camera: (usize, usize),
    /// Place of its row 0, column 0 in the map (row, column).
    pub map: (usize, usize),
    /// Whole-pixel position along x and y, relative to the first sub-aperture.
    pub step: (i64, i64),
    /// Rows and columns.
    pub shape: (usize, usize),
    /// Heights, nm, row-major.
    pub heights: Cow<'a, [f64]>,
    /// Valid pixels as measured.
    pub runs: Runs,
    /// Part of a pixel along x and y by which it was resampled; zero where it was not.
    pub fraction: (f64, f64),
}

impl Plate<'_> {
    /// Row of this sub-aperture that lies on map row `row`, if any.
    pub fn row_at_map(&self, row: usize) -> Option<usize> {
        row.checked_sub(self.map.0).filter(|r| *r < self.shape.0)
    }

    /// Row of this sub-aperture that lies on camera row `row`, if any.
    pub fn row_at_camera(&self, row: usize) -> Option<usize> {
        row.checked_sub(self.camera.0).filter(|r| *r < self.shape.0)
    }

    /// Heights of one row, nm.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.heights[row * self.shape.1..(row + 1) * self.shape.1]
    }
}

/// Camera frame, map grid, and every sub-aperture on them.
#[derive(Debug)]
pub(crate) struct Grid<'a> {
    pub pixel: PixelSize,
    /// Rows and columns of the rectangle that all detector windows span.
    pub camera: (usize, usize),
    /// Camera row and column of that rectangle's row 0, column 0.
    pub camera_origin: (i64, i64),
    /// Rows and columns of the stitched map.
    pub map: (usize, usize),
    /// Mirror coordinates of the map's column 0 and row 0, mm.
    pub origin_mm: (f64, f64),
    /// Camera columns and rows scaled to -1..1.
    pub u: Vec<f64>,
    pub v: Vec<f64>,
    /// Pixels per unit of `u` and `v`.
    pub scale: (f64, f64),
    pub plates: Vec<Plate<'a>>,
}

impl<'a> Grid<'a> {
    /// Places the series. Sub-apertures between whole pixels wait for [`Grid::resample`].
    pub fn new(series: &'a [Placed]) -> Result<Self, StitchError> {
        if series.len() < 2 {
            return Err(StitchError::TooFew { count: series.len() });
        }
        if let Some(empty) = series.iter().find(|p| p.sub_aperture.map.valid_count() == 0) {
            return Err(StitchError::NoValidPixels { file: empty.sub_aperture.name.clone() });
        }
        let pixel = pixel_size(series)?;
        let x = whole_and_fraction(series, |p| p.x_mm / pixel.x_mm)?;
        let y = whole_and_fraction(series, |p| p.y_mm / pixel.y_mm)?;
        let (rows, row0) = span(series.iter().map(|p| (p.sub_aperture.window.row, p.sub_aperture.map.shape().0)));
        let (columns, column0) =
            span(series.iter().map(|p| (p.sub_aperture.window.column, p.sub_aperture.map.shape().1)));
        let camera = sized("camera frame", rows, columns, MOST_CAMERA_PIXELS)?;

        let placed = |axis: &Axis, k: usize, window: i64| axis.whole[k].saturating_add(window);
        let (map_rows, map_row0) = span(
            series
                .iter()
                .enumerate()
                .map(|(k, p)| (placed(&y, k, p.sub_aperture.window.row), p.sub_aperture.map.shape().0)),
        );
        let (map_columns, map_column0) = span(
            series
                .iter()
                .enumerate()
                .map(|(k, p)| (placed(&x, k, p.sub_aperture.window.column), p.sub_aperture.map.shape().1)),
        );
        let place = |k: usize, p: &Placed| Footprint {
            row: placed(&y, k, p.sub_aperture.window.row),
            column: placed(&x, k, p.sub_aperture.window.column),
            shape: p.sub_aperture.map.shape(),
        };
        let footprints: Vec<Footprint> = series.iter().enumerate().map(|(k, p)| place(k, p)).collect();
        // Before anything of the map's size is allocated: far groups make a huge map.
        let overlaps = |i: usize, j: usize| footprints[i].touches(&footprints[j]);
        connected(series, overlaps)?;
        let map = sized("stitched map", map_rows, map_columns, MOST_MAP_PIXELS)?;

        let plates = series
            .iter()
            .enumerate()
            .map(|(k, p)| {
                let (heights, runs) = heights_and_runs(&p.sub_aperture.map);
                Plate {
                    camera: (
                        (p.sub_aperture.window.row - row0) as usize,
                        (p.sub_aperture.window.column - column0) as usize,
                    ),
                    map: ((footprints[k].row - map_row0) as usize, (footprints[k].column - map_column0) as usize),
                    step: (x.whole[k] - x.whole[0], y.whole[k] - y.whole[0]),
                    shape: footprints[k].shape,
                    heights,
                    runs,
                    fraction: (x.fraction[k], y.fraction[k]),
                }
            })
            .collect();
        let origin_mm = (
            x.origin * pixel.x_mm + map_column0 as f64 * pixel.x_mm,
            y.origin * pixel.y_mm + map_row0 as f64 * pixel.y_mm,
        );
        let (u, su) = scaled(camera.1);
        let (v, sv) = scaled(camera.0);
        Ok(Self { pixel, camera, camera_origin: (row0, column0), map, origin_mm, u, v, scale: (su, sv), plates })
    }

    /// Some sub-apertures lie between whole pixels.
    pub fn between_pixels(&self) -> bool {
        self.plates.iter().any(|p| p.fraction != (0.0, 0.0))
    }

    /// Moves the sub-apertures that lie between whole pixels onto the grid. The reference (camera frame, nm) stands
    /// still while the mirror moves: it is taken off before and put back after. Where `reference_valid` does not hold,
    /// nothing is known and the mask grows as from any invalid pixel.
    pub fn resample(&mut self, series: &[Placed], reference: &[f64], reference_valid: Option<&[bool]>) {
        let columns = self.camera.1;
        self.plates.par_iter_mut().zip(series).filter(|(plate, _)| plate.fraction != (0.0, 0.0)).for_each(
            |(plate, p)| {
                let map = &p.sub_aperture.map;
                let at = |row: usize, column: usize| (plate.camera.0 + row) * columns + plate.camera.1 + column;
                let mut valid = map.valid().clone();
                if let Some(known) = reference_valid {
                    for ((row, column), valid) in valid.indexed_iter_mut() {
                        *valid &= known[at(row, column)];
                    }
                }
                let mut heights = map.heights_nm().clone();
                for ((row, column), height) in heights.indexed_iter_mut() {
                    *height -= reference[at(row, column)];
                }
                resample::shift(&mut heights, &mut valid, plate.fraction);
                for ((row, column), height) in heights.indexed_iter_mut() {
                    *height += reference[at(row, column)];
                }
                plate.runs = runs_of(&valid);
                plate.heights = Cow::Owned(heights.into_iter().collect());
            },
        );
    }

    /// Refuses a series whose valid pixels do not tie all sub-apertures together.
    pub fn check_overlap(&self, series: &[Placed]) -> Result<(), StitchError> {
        connected(series, |i, j| common_pixels(&self.plates[i], &self.plates[j]) >= LEAST_COMMON)
    }

    /// The same rows of all sub-apertures meet on the same map rows: nothing moves along y.
    pub fn rows_coincide(&self) -> bool {
        self.plates.iter().all(|p| p.step.1 == 0)
    }

    /// Position of sub-aperture `k` in units of `u` and `v`.
    pub fn scaled_step(&self, k: usize) -> (f64, f64) {
        let (x, y) = self.plates[k].step;
        (x as f64 / self.scale.0, y as f64 / self.scale.1)
    }
}

struct Footprint {
    row: i64,
    column: i64,
    shape: (usize, usize),
}

impl Footprint {
    fn touches(&self, other: &Footprint) -> bool {
        let meet = |a: i64, a_len: usize, b: i64, b_len: usize| {
            a < b.saturating_add(b_len as i64) && b < a.saturating_add(a_len as i64)
        };
        meet(self.row, self.shape.0, other.row, other.shape.0)
            && meet(self.column, self.shape.1, other.column, other.shape.1)
    }
}

fn common_pixels(a: &Plate, b: &Plate) -> usize {
    let mut found = 0;
    for row in a.map.0.max(b.map.0)..(a.map.0 + a.shape.0).min(b.map.0 + b.shape.0) {
        let (in_a, in_b) = (a.runs.row(row - a.map.0), b.runs.row(row - b.map.0));
        common(in_a, a.map.1, in_b, b.map.1, |start, end| found += end - start);
        if found >= LEAST_COMMON {
            break;
        }
    }
    found
}

fn pixel_size(series: &[Placed]) -> Result<PixelSize, StitchError> {
    let of = |p: &Placed| {
        let usable = |s: &PixelSize| [s.x_mm, s.y_mm].iter().all(|v| v.is_finite() && *v > 0.0);
        p.sub_aperture
            .map
            .pixel()
            .filter(usable)
            .ok_or_else(|| StitchError::NoLateralCalibration { file: p.sub_aperture.name.clone() })
    };
    let first = of(&series[0])?;
    for p in series {
        let second = of(p)?;
        let agree = |a: f64, b: f64| (a - b).abs() <= PIXEL_AGREEMENT * a;
        if !agree(first.x_mm, second.x_mm) || !agree(first.y_mm, second.y_mm) {
            return Err(StitchError::PixelSizesDiffer {
                first: series[0].sub_aperture.name.clone(),
                first_size: first,
                second: p.sub_aperture.name.clone(),
                second_size: second,
            });
        }
    }
    Ok(first)
}

/// Positions along one axis, relative to `origin` (px): whole pixels, and what is left.
struct Axis {
    origin: f64,
    whole: Vec<i64>,
    fraction: Vec<f64>,
}

/// Splits positions. The origin is the sub-aperture that leaves most of the others on whole pixels (the first of them).
fn whole_and_fraction(series: &[Placed], px: impl Fn(&Placed) -> f64) -> Result<Axis, StitchError> {
    let positions: Vec<f64> = series.iter().map(&px).collect();
    let first = positions[0];
    for (position, p) in positions.iter().zip(series) {
        if !position.is_finite() || !p.x_mm.is_finite() || !p.y_mm.is_finite() || (position - first).abs() > FARTHEST_PX
        {
            return Err(StitchError::AbsurdPosition { file: p.sub_aperture.name.clone(), x_mm: p.x_mm, y_mm: p.y_mm });
        }
    }
    let off_whole = |distance: f64| (distance - distance.round()).abs();
    let on_whole = |origin: f64| positions.iter().filter(|p| off_whole(**p - origin) <= WHOLE_PX).count();
    let mut origin = (first, on_whole(first));
    for &candidate in &positions[1..] {
        let count = on_whole(candidate);
        if count > origin.1 {
            origin = (candidate, count);
        }
    }
    let origin = origin.0;
    let whole: Vec<i64> = positions.iter().map(|p| (p - origin).round() as i64).collect();
    let fraction = positions
        .iter()
        .zip(&whole)
        .map(|(p, w)| {
            let left = (p - origin) - *w as f64;
            if left.abs() <= WHOLE_PX { 0.0 } else { left }
        })
        .collect();
    Ok(Axis { origin, whole, fraction })
}

/// Length and start of the range that all (start, length) span.
fn span(parts: impl Iterator<Item = (i64, usize)>) -> (u64, i64) {
    let (mut low, mut high) = (i64::MAX, i64::MIN);
    for (start, length) in parts {
        low = low.min(start);
        high = high.max(start.saturating_add(length as i64));
    }
    (high.abs_diff(low), low)
}

fn sized(what: &'static str, rows: u64, columns: u64, most: u64) -> Result<(usize, usize), StitchError> {
    match rows.checked_mul(columns) {
        Some(pixels) if pixels <= most => Ok((rows as usize, columns as usize)),
        _ => Err(StitchError::TooLarge { what, rows, columns }),
    }
}

/// Coordinates -1..1 of the pixels of one camera axis, and the pixels per unit.
fn scaled(length: usize) -> (Vec<f64>, f64) {
    let half = (length as f64 - 1.0) / 2.0;
    let unit = half.max(1.0);
    ((0..length).map(|i| (i as f64 - half) / unit).collect(), unit)
}

fn heights_and_runs(map: &HeightMap) -> (Cow<'_, [f64]>, Runs) {
    let heights = match map.heights_nm().as_slice() {
        Some(heights) => Cow::Borrowed(heights),
        None => Cow::Owned(map.heights_nm().iter().copied().collect()),
    };
    (heights, runs_of(map.valid()))
}

fn runs_of(valid: &Array2<bool>) -> Runs {
    Runs::collect(valid.nrows(), valid.ncols(), |row, column| valid[[row, column]])
}

/// `NoOverlap` unless `overlap(i, j)` ties all together.
fn connected(series: &[Placed], overlap: impl Fn(usize, usize) -> bool) -> Result<(), StitchError> {
    let n = series.len();
    let mut group: Vec<Option<usize>> = vec![None; n];
    let mut groups = 0;
    for seed in 0..n {
        if group[seed].is_some() {
            continue;
        }
        group[seed] = Some(groups);
        let mut open = vec![seed];
        while let Some(i) = open.pop() {
            for (j, of_j) in group.iter_mut().enumerate() {
                if of_j.is_none() && overlap(i, j) {
                    *of_j = Some(groups);
                    open.push(j);
                }
            }
        }
        groups += 1;
    }
    if groups <= 1 {
        return Ok(());
    }
    let mut names = vec![Vec::new(); groups];
    for (p, g) in series.iter().zip(group) {
        names[g.unwrap_or(0)].push(p.sub_aperture.name.clone());
    }
    Err(StitchError::NoOverlap { groups: names })
}
