//! The two pixel grids of a series: the camera frame, in which the reference stands still, and the mirror grid of the
//! stitched map, with the place of every sub-aperture in both.

use std::borrow::Cow;

use ndarray::Array2;
use stitchbox_surface::{HeightMap, PixelSize, SubAperture};

use crate::cholesky::dot;
use crate::layout::{Layout, connected, groups};
use crate::runs::Runs;
use crate::tie::tied;
use crate::{Placed, StitchError, Terms};

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
    /// Valid pixels as measured.
    pub runs: Runs,
    /// Part of a pixel along x and y by which it lies off `step`; zero on whole pixels.
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

    /// Sum of the squared heights of the valid pixels, nm^2.
    pub fn square_sum(&self) -> f64 {
        let of_row = |row: usize| -> f64 {
            let heights = self.row(row);
            let runs = self.runs.row(row).iter().map(|(start, end)| &heights[*start as usize..*end as usize]);
            runs.map(|run| dot(run, run)).sum()
        };
        (0..self.shape.0).map(of_row).sum()
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
    /// Places the series. Sub-apertures between whole pixels lie on the nearest one, see `between`.
    pub fn new(series: &'a [Placed]) -> Result<Self, StitchError> {
        let Layout { pixel, x, y, camera, camera_origin, map, map_origin, footprints } = Layout::new(series)?;
        for p in series {
            check_heights(&p.sub_aperture)?;
        }
        let plates = series
            .iter()
            .enumerate()
            .map(|(k, p)| {
                let (heights, runs) = heights_and_runs(&p.sub_aperture.map);
                Plate {
                    camera: (
                        (p.sub_aperture.window.row - camera_origin.0) as usize,
                        (p.sub_aperture.window.column - camera_origin.1) as usize,
                    ),
                    map: ((footprints[k].row - map_origin.0) as usize, (footprints[k].column - map_origin.1) as usize),
                    step: (x.whole[k] - x.whole[0], y.whole[k] - y.whole[0]),
                    shape: footprints[k].shape,
                    heights,
                    runs,
                    fraction: (x.fraction[k], y.fraction[k]),
                }
            })
            .collect();
        let origin_mm = (
            x.origin * pixel.x_mm + map_origin.1 as f64 * pixel.x_mm,
            y.origin * pixel.y_mm + map_origin.0 as f64 * pixel.y_mm,
        );
        let (u, su) = scaled(camera.1);
        let (v, sv) = scaled(camera.0);
        Ok(Self { pixel, camera, camera_origin, map, origin_mm, u, v, scale: (su, sv), plates })
    }

    /// Some sub-apertures lie between whole pixels.
    pub fn between_pixels(&self) -> bool {
        self.plates.iter().any(|p| p.fraction != (0.0, 0.0))
    }

    /// Takes these heights in place of those of the files, one set for each sub-aperture.
    pub fn replace_heights(&mut self, heights: Vec<Vec<f64>>) {
        for (plate, heights) in self.plates.iter_mut().zip(heights) {
            plate.heights = Cow::Owned(heights);
        }
    }

    /// Refuses a series whose valid pixels do not tie all sub-apertures together.
    pub fn check_overlap(&self, series: &[Placed], terms: Terms) -> Result<(), StitchError> {
        connected(series, |i, j| {
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

/// Refuses a map without a valid pixel, and one whose heights cannot be those of a mirror.
fn check_heights(sub_aperture: &SubAperture) -> Result<(), StitchError> {
    let map = &sub_aperture.map;
    let mut farthest: Option<f64> = None;
    for (height, _) in map.heights_nm().iter().zip(map.valid()).filter(|(_, valid)| **valid) {
        if farthest.is_none_or(|far| height.abs() > far.abs()) {
            farthest = Some(*height);
        }
    }
    match farthest {
        None => Err(StitchError::NoValidPixels { file: sub_aperture.name.clone() }),
        Some(height) if height.abs() > HIGHEST_NM => {
            Err(StitchError::AbsurdHeight { file: sub_aperture.name.clone(), height_nm: height })
        }
        Some(_) => Ok(()),
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
