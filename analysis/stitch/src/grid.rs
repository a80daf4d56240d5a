//! The two pixel grids of a series: the camera frame, in which the reference stands still, and the mirror grid of the
//! stitched map, with the place of every sub-aperture in both.

use std::borrow::Cow;

use ndarray::Array2;
use rayon::prelude::*;
use stitchbox_surface::{HeightMap, PixelSize};

use crate::fringes::fringe_nm;
use crate::layout::{Layout, connected, groups};
use crate::pose::Pose;
use crate::runs::Runs;
use crate::scratch::ScratchRows;
use crate::source::described;
use crate::tie::tied;
use crate::weights::{self, PlateWeights};
use crate::{Described, Options, Placed, StitchError, Terms, Weights};

/// No mirror has heights beyond a metre, nm.
const HIGHEST_NM: f64 = 1e9;

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
    /// Where the heights are if not in memory.
    scratch: Option<ScratchRows>,
    /// Valid pixels as measured.
    pub runs: Runs,
    /// Part of a pixel along x and y by which it lies off `step`; zero on whole pixels.
    pub fraction: (f64, f64),
    /// Rotation about the centre of the camera frame, rad, x towards y.
    pub rotation: f64,
    /// Height of one fringe, nm, if the file tells.
    pub fringe_nm: Option<f64>,
    /// Weights of the pixels, if they differ.
    weights: Option<PlateWeights>,
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

    /// Heights of one row, nm. `buffer` is working space for heights that are not in memory.
    pub fn row<'b>(&'b self, row: usize, buffer: &'b mut Vec<f64>) -> &'b [f64] {
        if let Some(scratch) = &self.scratch {
            return scratch.row(row, buffer);
        }
        &self.heights[row * self.shape.1..(row + 1) * self.shape.1]
    }

    /// Its heights are in a scratch file.
    pub fn is_on_disk(&self) -> bool {
        self.scratch.is_some()
    }

    /// Weight of one pixel.
    pub fn weight(&self, row: usize, column: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w.at(row * self.shape.1 + column))
    }

    /// Multiplies values of one row from column `from` on with the weights.
    pub fn weigh(&self, row: usize, from: usize, values: &mut [f64]) {
        if let Some(weights) = &self.weights {
            let at = row * self.shape.1 + from;
            for (value, i) in values.iter_mut().zip(at..) {
                *value *= weights.at(i);
            }
        }
    }

    /// Sum of weight times square of values of one row from column `from` on.
    pub fn weighted_square(&self, row: usize, from: usize, values: &[f64]) -> f64 {
        let at = row * self.shape.1 + from;
        values.iter().zip(at..).map(|(value, i)| value * value * self.weights.as_ref().map_or(1.0, |w| w.at(i))).sum()
    }
}

/// Pixels of one sub-aperture.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    /// Heights, nm, row-major; empty if they are in a scratch file.
    pub heights: Cow<'a, [f64]>,
    pub scratch: Option<ScratchRows>,
    pub runs: Runs,
    pub weights: Option<PlateWeights>,
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
    /// Power is `power.0 u^2 + power.1 v^2`: the distance from the centre squared, in units of `power_mm2`.
    pub power: (f64, f64),
    pub power_mm2: f64,
    /// Every sub-aperture may carry power.
    pub curvature: bool,
    weighted: bool,
    /// The series, without its pixels.
    pub series: Vec<Described>,
    pub plates: Vec<Plate<'a>>,
}

impl<'a> Grid<'a> {
    /// Places the series as its positions say.
    #[cfg(test)]
    pub fn new(series: &'a [Placed], options: &Options) -> Result<Self, StitchError> {
        Self::placed(series, options, &Pose::given(series))
    }

    /// Places the series. Sub-apertures between whole pixels lie on the nearest one, see `between`.
    pub fn placed(series: &'a [Placed], options: &Options, poses: &[Pose]) -> Result<Self, StitchError> {
        let mut described: Vec<Described> = series.iter().map(described).collect();
        let layout = if poses == Pose::given(series) {
            Layout::new(&described)?
        } else {
            for (own, pose) in described.iter_mut().zip(poses) {
                (own.x_mm, own.y_mm) = (pose.x_mm, pose.y_mm);
            }
            Layout::found(&described)?
        };
        let mut weights = match options.weights {
            Weights::Equal => Vec::new(),
            Weights::Intensity => weights::of_series(series),
        };
        weights.resize_with(series.len(), || None);
        let contents: Result<Vec<Contents>, StitchError> = series
            .par_iter()
            .zip(weights)
            .map(|(p, weights)| {
                let (heights, runs) = heights_and_runs(&p.sub_aperture.name, &p.sub_aperture.map)?;
                Ok(Contents { heights, scratch: None, runs, weights })
            })
            .collect();
        let mut grid = Self::laid_out(layout, described, contents?, options);
        for ((plate, pose), p) in grid.plates.iter_mut().zip(poses).zip(series) {
            plate.rotation = pose.rotation;
            plate.fringe_nm = fringe_nm(&p.sub_aperture.instrument);
        }
        Ok(grid)
    }

    /// Joins places and pixels.
    pub fn laid_out(layout: Layout, series: Vec<Described>, contents: Vec<Contents<'a>>, options: &Options) -> Self {
        let Layout { pixel, x, y, camera, camera_origin, map, map_origin, footprints } = layout;
        let plates: Vec<Plate> = series
            .iter()
            .zip(contents)
            .enumerate()
            .map(|(k, (of, Contents { heights, scratch, runs, weights }))| Plate {
                camera: ((of.window.row - camera_origin.0) as usize, (of.window.column - camera_origin.1) as usize),
                map: ((footprints[k].row - map_origin.0) as usize, (footprints[k].column - map_origin.1) as usize),
                step: (x.whole[k] - x.whole[0], y.whole[k] - y.whole[0]),
                shape: footprints[k].shape,
                heights,
                scratch,
                runs,
                fraction: (x.fraction[k], y.fraction[k]),
                rotation: 0.0,
                fringe_nm: None,
                weights,
            })
            .collect();
        let weighted = plates.iter().any(|p| p.weights.is_some());
        let origin_mm = (
            x.origin * pixel.x_mm + map_origin.1 as f64 * pixel.x_mm,
            y.origin * pixel.y_mm + map_origin.0 as f64 * pixel.y_mm,
        );
        let (u, su) = scaled(camera.1);
        let (v, sv) = scaled(camera.0);
        let (half_x, half_y) = (su * pixel.x_mm, sv * pixel.y_mm);
        let power_mm2 = (half_x * half_x).max(half_y * half_y);
        let power = (half_x * half_x / power_mm2, half_y * half_y / power_mm2);
        let curvature = options.terms.curvature;
        let scale = (su, sv);
        Self {
            pixel,
            camera,
            camera_origin,
            map,
            origin_mm,
            u,
            v,
            scale,
            power,
            power_mm2,
            curvature,
            weighted,
            series,
            plates,
        }
    }

    /// Number of pixels of the camera frame.
    pub fn camera_pixels(&self) -> usize {
        self.camera.0 * self.camera.1
    }

    /// Pixels have weights that differ.
    pub fn is_weighted(&self) -> bool {
        self.weighted
    }

    /// Heights that are not in memory could be read so far.
    pub fn readable(&self) -> Result<(), StitchError> {
        self.plates.first().and_then(|p| p.scratch.as_ref()).map_or(Ok(()), |scratch| scratch.file.readable())
    }

    /// Some sub-apertures lie between whole pixels, or turned.
    pub fn between_pixels(&self) -> bool {
        self.plates.iter().any(|p| p.fraction != (0.0, 0.0) || p.rotation != 0.0)
    }

    /// Takes these heights in place of those of the files, one set for each sub-aperture.
    pub fn replace_heights(&mut self, heights: Vec<Vec<f64>>) {
        for (plate, heights) in self.plates.iter_mut().zip(heights) {
            plate.heights = Cow::Owned(heights);
        }
    }

    /// Refuses a series whose valid pixels do not tie all sub-apertures together.
    pub fn check_overlap(&self, terms: Terms) -> Result<(), StitchError> {
        connected(&self.series, |i, j| {
            tied((&self.plates[i], &self.plates[i].runs), (&self.plates[j], &self.plates[j].runs), terms)
        })
    }

    /// The pixels in `used` tie all sub-apertures together.
    pub fn is_tied(&self, used: &[Runs], terms: Terms) -> bool {
        let tied = |i: usize, j: usize| tied((&self.plates[i], &used[i]), (&self.plates[j], &used[j]), terms);
        groups(self.plates.len(), tied).1 == 1
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

/// Coordinates -1..1 of the pixels of one camera axis, and the pixels per unit.
fn scaled(length: usize) -> (Vec<f64>, f64) {
    let half = (length as f64 - 1.0) / 2.0;
    let unit = half.max(1.0);
    ((0..length).map(|i| (i as f64 - half) / unit).collect(), unit)
}

/// Heights and valid pixels. Refuses a map without a valid pixel, and one whose heights cannot be those of a mirror.
pub(crate) fn heights_and_runs<'a>(name: &str, map: &'a HeightMap) -> Result<(Cow<'a, [f64]>, Runs), StitchError> {
    let heights = match map.heights_nm().as_slice() {
        Some(heights) => Cow::Borrowed(heights),
        None => Cow::Owned(map.heights_nm().iter().copied().collect()),
    };
    let runs = runs_of(map.valid());
    if runs.count() == 0 {
        return Err(StitchError::NoValidPixels { file: name.to_owned() });
    }
    // Heights of invalid pixels are zero, so all may be looked at.
    if let Some(height_nm) = heights.iter().find(|height| height.abs() > HIGHEST_NM) {
        let of_valid = map.heights_nm().iter().zip(map.valid()).filter(|(_, valid)| **valid).map(|(h, _)| *h);
        let farthest = of_valid.fold(*height_nm, |far, h| if h.abs() > far.abs() { h } else { far });
        return Err(StitchError::AbsurdHeight { file: name.to_owned(), height_nm: farthest });
    }
    Ok((heights, runs))
}

/// Runs of a mask.
fn runs_of(valid: &Array2<bool>) -> Runs {
    match valid.as_slice() {
        Some(mask) => Runs::of_mask(mask, valid.ncols()),
        None => Runs::collect(valid.nrows(), valid.ncols(), |row, column| valid[[row, column]]),
    }
}
