//! Puts a map onto a grid of another pixel size.

use ndarray::{Array2, ArrayView1, Axis, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::Length;
use stitchbox_surface::{HeightMap, PixelSize, fit_plane};

use super::cubic::on_line;
use crate::StepError;
use crate::frame::{pixel_size, within};

/// Puts a map onto a grid of another pixel size; the centre of the map stays where it is.
///
/// Finer along a direction: cubic convolution between the pixel centres. Coarser: the same kernel widened to the new
/// pixel, so that what the new grid cannot hold is averaged away instead of aliased; a new pixel is valid where valid
/// pixels carry at least `min_valid` of the kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resample {
    /// New distance of the columns.
    pub x: Length,
    /// New distance of the rows. Default: that of `x`.
    #[serde(default)]
    pub y: Option<Length>,
    /// Part of the widened kernel that must lie on valid pixels, 0.1 to 1. Default 0.75.
    #[serde(default = "three_quarters")]
    pub min_valid: f64,
}

fn three_quarters() -> f64 {
    0.75
}

/// No finer grid has more pixels (0.9 GB of heights and mask).
const MOST_PIXELS: f64 = 1e8;

impl Resample {
    /// The map on its new grid.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`], [`StepError::PixelSizeNotPositive`], [`StepError::Parameter`],
    /// [`StepError::TooManyPixels`], [`StepError::TooFew`] where the new pixel is larger than the map.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let pixel = pixel_size(map, "resample")?;
        within("resample", "min_valid", self.min_valid, 0.1..=1.0, "it must be from 0.1 to 1")?;
        let (new_x, new_y) = (self.x.mm(), self.y.unwrap_or(self.x).mm());
        for (parameter, value) in [("x", new_x), ("y", new_y)] {
            within("resample", parameter, value, f64::MIN_POSITIVE..=f64::MAX, "it must be a positive length")?;
        }
        let (rows, columns) = map.shape();
        let (to_x, to_y) = (Grid::new(columns, new_x / pixel.x_mm), Grid::new(rows, new_y / pixel.y_mm));
        let pixels = to_x.count * to_y.count;
        let most = MOST_PIXELS.max((rows * columns) as f64);
        // Nothing times infinity is not a number.
        if pixels.is_nan() || pixels > most {
            return Err(StepError::TooManyPixels { step: "resample", pixels, most });
        }
        if pixels < 1.0 {
            return Err(StepError::TooFew { step: "resample", what: "pixels in the new grid", found: 0, needed: 1 });
        }
        // Without its plane a map loses nothing where part of a widened kernel is missing.
        let plane = fit_plane(map).unwrap_or([0.0; 3]);
        let plane_at = |u: f64, v: f64| {
            plane[0] + plane[1] * (u - (columns as f64 - 1.0) / 2.0) + plane[2] * (v - (rows as f64 - 1.0) / 2.0)
        };
        let mut heights = map.heights_nm().clone();
        Zip::indexed(&mut heights).par_for_each(|(row, column), h| *h -= plane_at(column as f64, row as f64));
        let mut directions = [(&to_x, Axis(1)), (&to_y, Axis(0))];
        if to_x.ratio <= 1.0 && to_y.ratio > 1.0 {
            // What shrinks goes first: in between nothing is larger than the old map or the new.
            directions.reverse();
        }
        let mut valid = map.valid().clone();
        for (grid, axis) in directions {
            (heights, valid) = grid.along(&heights, &valid, axis, self.min_valid);
        }
        Zip::indexed(&mut heights)
            .par_for_each(|(row, column), h| *h += plane_at(to_x.position(column), to_y.position(row)));
        Ok(HeightMap::new(heights, valid, Some(PixelSize { x_mm: new_x, y_mm: new_y }))?)
    }
}

/// The new pixels along one direction, in pixels of the old grid.
struct Grid {
    /// New pixel over old pixel.
    ratio: f64,
    /// Number of new pixels; not an integer type because it may be beyond all bounds.
    count: f64,
    /// Position of the first.
    first: f64,
}

impl Grid {
    fn new(old: usize, ratio: f64) -> Self {
        let old = old as f64;
        // Coarser: as many as fit into the area. Finer: as many as lie between the outermost centres.
        let count = if ratio > 1.0 {
            (old / ratio + 1e-9).floor()
        } else {
            ((old - 1.0).max(0.0) / ratio + 1e-9).floor() + 1.0
        };
        Self { ratio, count, first: (old - 1.0) / 2.0 - (count - 1.0) / 2.0 * ratio }
    }

    fn position(&self, index: usize) -> f64 {
        self.first + index as f64 * self.ratio
    }

    fn along(
        &self,
        heights: &Array2<f64>,
        valid: &Array2<bool>,
        axis: Axis,
        min_valid: f64,
    ) -> (Array2<f64>, Array2<bool>) {
        let count = self.count as usize;
        if count == heights.len_of(axis) && (self.ratio - 1.0).abs() < 1e-12 {
            return (heights.clone(), valid.clone());
        }
        let shape = if axis.index() == 0 { (count, heights.ncols()) } else { (heights.nrows(), count) };
        let (mut to, mut to_valid) = (Array2::zeros(shape), Array2::from_elem(shape, false));
        let kernels: Vec<Kernel> = if self.ratio > 1.0 {
            (0..count).map(|i| Kernel::new(self.position(i), self.ratio)).collect()
        } else {
            Vec::new()
        };
        let at = |from: ArrayView1<'_, f64>, from_valid: ArrayView1<'_, bool>, i: usize| match kernels.get(i) {
            Some(kernel) => kernel.on(from, from_valid, min_valid),
            // The ends may lie beside the outermost centre by rounding.
            None => on_line(from, from_valid, self.position(i).clamp(0.0, from.len() as f64 - 1.0)),
        };
        // Row by row in both directions, so that memory is read in order.
        Zip::indexed(&mut to).and(&mut to_valid).par_for_each(|(row, column), height, ok| {
            let value = if axis == Axis(1) {
                at(heights.row(row), valid.row(row), column)
            } else {
                at(heights.column(column), valid.column(column), row)
            };
            if let Some(value) = value {
                (*height, *ok) = (value, true);
            }
        });
        (to, to_valid)
    }
}

/// The widened kernel at one place: weights of the old pixels from `first` on; their sum is 1.
struct Kernel {
    first: isize,
    weights: Vec<f64>,
}

impl Kernel {
    fn new(position: f64, ratio: f64) -> Self {
        let first = (position - 2.0 * ratio).ceil();
        let last = (position + 2.0 * ratio).floor();
        let count = (last - first) as usize + 1;
        let weights: Vec<f64> = (0..count).map(|k| keys((first + k as f64 - position) / ratio)).collect();
        let sum: f64 = weights.iter().sum();
        Self { first: first as isize, weights: weights.into_iter().map(|w| w / sum).collect() }
    }

    fn on(&self, heights: ArrayView1<'_, f64>, valid: ArrayView1<'_, bool>, min_valid: f64) -> Option<f64> {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (k, w) in self.weights.iter().enumerate() {
            let Ok(index) = usize::try_from(self.first + k as isize) else { continue };
            if valid.get(index).copied().unwrap_or(false) {
                sum += w * heights[index];
                weight += w;
            }
        }
        (weight >= min_valid).then(|| sum / weight)
    }
}

/// Keys' kernel at a distance in new pixels.
fn keys(distance: f64) -> f64 {
    let d = distance.abs();
    if d < 1.0 {
        (1.5 * d - 2.5) * d * d + 1.0
    } else if d < 2.0 {
        ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXEL: PixelSize = PixelSize { x_mm: 0.1, y_mm: 0.2 };

    fn map(surface: impl Fn(f64, f64) -> f64) -> HeightMap {
        // Coordinates from the centre of the map, mm.
        let heights =
            Array2::from_shape_fn((31, 80), |(r, c)| surface((c as f64 - 39.5) * 0.1, (r as f64 - 15.0) * 0.2));
        HeightMap::from_heights_nm(heights, Some(PIXEL))
    }

    fn to(x: f64, y: f64) -> Resample {
        Resample { x: Length::new(x), y: Some(Length::new(y)), min_valid: 0.75 }
    }

    #[test]
    fn finer_grids_reproduce_quadratics_and_keep_the_centre() {
        let surface = |x: f64, y: f64| 50.0 + 3.0 * x - 2.0 * y + 4.0 * x * x - x * y + 0.5 * y * y;
        let fine = to(0.03, 0.07).apply(&map(surface)).unwrap();
        assert_eq!(fine.shape(), (86, 264));
        assert_eq!(fine.valid_count(), 86 * 264);
        for ((r, c), h) in fine.heights_nm().indexed_iter() {
            let (x, y) = ((c as f64 - 131.5) * 0.03, (r as f64 - 42.5) * 0.07);
            assert!((h - surface(x, y)).abs() < 1e-10, "{r} {c}");
        }
    }

    #[test]
    fn coarser_grids_keep_planes_beside_holes_and_do_not_alias() {
        let mut holed = map(|x, y| 1000.0 + 300.0 * x - 200.0 * y).into_parts().0;
        holed[[15, 40]] = f64::NAN;
        let coarse = to(0.25, 0.4).apply(&HeightMap::from_heights_nm(holed, Some(PIXEL))).unwrap();
        assert_eq!(coarse.shape(), (15, 32));
        for ((r, c), h) in coarse.heights_nm().indexed_iter() {
            let (x, y) = ((c as f64 - 15.5) * 0.25, (r as f64 - 7.0) * 0.4);
            if coarse.valid()[[r, c]] {
                assert!((h - (1000.0 + 300.0 * x - 200.0 * y)).abs() < 1e-9, "{r} {c}");
            }
        }
        assert!(coarse.valid_count() >= 15 * 32 - 1);
        // A ripple of 2.5 px cannot live on a grid 4 times coarser: without averaging it would come back as a long wave.
        let ripple = map(|x, _| libm::cos(std::f64::consts::TAU * x / 0.25));
        let averaged = to(0.4, 0.2).apply(&ripple).unwrap();
        let inner = averaged.heights_nm().row(5).iter().skip(2).take(16).fold(0.0f64, |m, h| m.max(h.abs()));
        assert!(inner < 0.06, "{inner}");
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let map = map(|_, _| 0.0);
        assert!(matches!(to(1e-9, 1e-9).apply(&map), Err(StepError::TooManyPixels { .. })));
        assert!(matches!(to(100.0, 0.2).apply(&map), Err(StepError::TooFew { .. })));
        assert!(to(-1.0, 0.2).apply(&map).is_err() && to(f64::NAN, 0.2).apply(&map).is_err());
        assert!(to(f64::INFINITY, 0.2).apply(&map).is_err());
    }
}
