//! Where everything lies: camera frame, map and sub-apertures in whole pixels, from positions and detector windows
//! alone. Here is refused what cannot be placed, before anything of the map's size is allocated.

use stitchbox_surface::PixelSize;

use crate::{Described, StitchError};

/// A position this close to a whole pixel counts as whole, px.
const WHOLE_PX: f64 = 0.02;
/// The same for positions that were found from the data.
const WHOLE_FOUND_PX: f64 = 1e-3;
/// Pixel sizes of one series agree to this fraction.
pub(crate) const PIXEL_AGREEMENT: f64 = 1e-4;
/// No camera has more pixels.
const MOST_CAMERA_PIXELS: u64 = 1 << 26;
/// No stitched map has more pixels (fifty times the largest series known).
const MOST_MAP_PIXELS: u64 = 1 << 28;
/// No position is farther from the others, px.
const FARTHEST_PX: f64 = 1e9;
/// No detector window begins farther from the camera's corner, px: sums of windows and positions stay far from overflow.
const FARTHEST_WINDOW: u64 = 1 << 31;

/// Places in whole pixels.
#[derive(Debug)]
pub(crate) struct Layout {
    pub pixel: PixelSize,
    pub x: Axis,
    pub y: Axis,
    /// Rows and columns of the rectangle that all detector windows span.
    pub camera: (usize, usize),
    /// Camera row and column of that rectangle's row 0, column 0.
    pub camera_origin: (i64, i64),
    /// Rows and columns of the stitched map.
    pub map: (usize, usize),
    /// Row and column of the map's row 0, column 0, counted like those of the footprints.
    pub map_origin: (i64, i64),
    pub footprints: Vec<Footprint>,
}

impl Layout {
    /// Lays out a series of at least two sub-apertures.
    pub fn new(series: &[Described]) -> Result<Self, StitchError> {
        Self::with_positions(series, WHOLE_PX)
    }

    /// As `new`, for positions found from the data: only those on whole pixels count as such.
    pub fn found(series: &[Described]) -> Result<Self, StitchError> {
        Self::with_positions(series, WHOLE_FOUND_PX)
    }

    fn with_positions(series: &[Described], whole_px: f64) -> Result<Self, StitchError> {
        if series.len() < 2 {
            return Err(StitchError::TooFew { count: series.len() });
        }
        let pixel = pixel_size(series)?;
        let x = Axis::new(series, whole_px, |p| p.x_mm / pixel.x_mm)?;
        let y = Axis::new(series, whole_px, |p| p.y_mm / pixel.y_mm)?;
        for p in series {
            let window = p.window;
            if [window.row, window.column].iter().any(|at| at.unsigned_abs() > FARTHEST_WINDOW) {
                let file = p.name.clone();
                return Err(StitchError::AbsurdWindow { file, row: window.row, column: window.column });
            }
        }
        let windows = || series.iter().map(|p| (p.window, p.shape));
        let (rows, row0) = span(windows().map(|(window, shape)| (window.row, shape.0)));
        let (columns, column0) = span(windows().map(|(window, shape)| (window.column, shape.1)));
        let camera = sized("camera frame", rows, columns, MOST_CAMERA_PIXELS)?;
        let place = |(k, (window, shape)): (usize, (stitchbox_surface::DetectorWindow, (usize, usize)))| Footprint {
            row: y.whole[k] + window.row,
            column: x.whole[k] + window.column,
            shape,
        };
        let footprints: Vec<Footprint> = windows().enumerate().map(place).collect();
        let (map_rows, map_row0) = span(footprints.iter().map(|f| (f.row, f.shape.0)));
        let (map_columns, map_column0) = span(footprints.iter().map(|f| (f.column, f.shape.1)));
        // Far groups make a huge map: what is wrong is that they do not overlap.
        connected(series, |i, j| footprints[i].touches(&footprints[j]))?;
        let map = sized("stitched map", map_rows, map_columns, MOST_MAP_PIXELS)?;
        let (camera_origin, map_origin) = ((row0, column0), (map_row0, map_column0));
        Ok(Self { pixel, x, y, camera, camera_origin, map, map_origin, footprints })
    }

    /// Sub-aperture `k` lies between whole pixels.
    pub fn is_between_pixels(&self, k: usize) -> bool {
        (self.x.fraction[k], self.y.fraction[k]) != (0.0, 0.0)
    }
}

/// Rectangle that one sub-aperture covers.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub row: i64,
    pub column: i64,
    pub shape: (usize, usize),
}

impl Footprint {
    pub fn touches(&self, other: &Footprint) -> bool {
        let meet = |a: i64, a_len: usize, b: i64, b_len: usize| {
            a < b.saturating_add(b_len as i64) && b < a.saturating_add(a_len as i64)
        };
        meet(self.row, self.shape.0, other.row, other.shape.0)
            && meet(self.column, self.shape.1, other.column, other.shape.1)
    }
}

fn pixel_size(series: &[Described]) -> Result<PixelSize, StitchError> {
    let of = |p: &Described| {
        let usable = |s: &PixelSize| [s.x_mm, s.y_mm].iter().all(|v| v.is_finite() && *v > 0.0);
        p.pixel.filter(usable).ok_or_else(|| StitchError::NoLateralCalibration { file: p.name.clone() })
    };
    let first = of(&series[0])?;
    for p in series {
        let second = of(p)?;
        if !agree(first, second) {
            return Err(StitchError::PixelSizesDiffer {
                first: series[0].name.clone(),
                first_size: first,
                second: p.name.clone(),
                second_size: second,
            });
        }
    }
    Ok(first)
}

/// Two pixel sizes are the same to 1e-4.
pub(crate) fn agree(a: PixelSize, b: PixelSize) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() <= PIXEL_AGREEMENT * a;
    close(a.x_mm, b.x_mm) && close(a.y_mm, b.y_mm)
}

/// Positions along one axis, relative to `origin` (px): whole pixels, and what is left.
#[derive(Debug)]
pub(crate) struct Axis {
    pub origin: f64,
    pub whole: Vec<i64>,
    pub fraction: Vec<f64>,
}

impl Axis {
    /// Splits positions. The origin is the first sub-aperture, unless another leaves more of them, and at least half, on
    /// whole pixels.
    fn new(series: &[Described], whole_px: f64, px: impl Fn(&Described) -> f64) -> Result<Self, StitchError> {
        let positions: Vec<f64> = series.iter().map(&px).collect();
        let first = positions[0];
        for (position, p) in positions.iter().zip(series) {
            let finite = position.is_finite() && p.x_mm.is_finite() && p.y_mm.is_finite();
            if !finite || (position - first).abs() > FARTHEST_PX {
                let file = p.name.clone();
                return Err(StitchError::AbsurdPosition { file, x_mm: p.x_mm, y_mm: p.y_mm });
            }
        }
        let off_whole = |distance: f64| (distance - distance.round()).abs();
        let on_whole = |origin: f64| positions.iter().filter(|p| off_whole(**p - origin) <= whole_px).count();
        let mut origin = (first, on_whole(first));
        for &candidate in &positions[1..] {
            let count = on_whole(candidate);
            if count > origin.1 && 2 * count >= positions.len() {
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
                if left.abs() <= whole_px { 0.0 } else { left }
            })
            .collect();
        Ok(Self { origin, whole, fraction })
    }
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

/// `NoOverlap` unless `overlap(i, j)` ties all together.
pub(crate) fn connected(series: &[Described], overlap: impl Fn(usize, usize) -> bool) -> Result<(), StitchError> {
    let (group, groups) = groups(series.len(), overlap);
    if groups <= 1 {
        return Ok(());
    }
    let mut names = vec![Vec::new(); groups];
    for (p, g) in series.iter().zip(group) {
        names[g].push(p.name.clone());
    }
    Err(StitchError::NoOverlap { groups: names })
}

/// The group of each of `n` that `tied(i, j)` makes, and the number of groups.
pub(crate) fn groups(n: usize, tied: impl Fn(usize, usize) -> bool) -> (Vec<usize>, usize) {
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
                if of_j.is_none() && tied(i, j) {
                    *of_j = Some(groups);
                    open.push(j);
                }
            }
        }
        groups += 1;
    }
    (group.into_iter().map(|g| g.unwrap_or(0)).collect(), groups)
}
