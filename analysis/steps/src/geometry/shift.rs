//! Moves the heights of a map under its grid by any part of a pixel.

use ndarray::{Array2, Axis, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Length;

use super::cubic::on_line;
use crate::StepError;
use crate::frame::pixel_size;

/// Moves the surface by (x, y): what lay at a point lies `x` further right and `y` further down afterwards. Shape and
/// pixel size stay; what comes from outside of the map is invalid. Cubic convolution between pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shift {
    /// Along the rows, towards larger column. Default 0 mm.
    pub x: Length,
    /// Down the rows. Default 0 mm.
    pub y: Length,
}

impl Default for Shift {
    fn default() -> Self {
        Self { x: Length::new(0.0), y: Length::new(0.0) }
    }
}

impl Shift {
    /// The moved map.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`], [`StepError::PixelSizeNotPositive`].
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let pixel = pixel_size(map, "shift")?;
        let (mut heights, mut valid) = (map.heights_nm().clone(), map.valid().clone());
        for (axis, pixels) in [(Axis(1), self.x.mm() / pixel.x_mm), (Axis(0), self.y.mm() / pixel.y_mm)] {
            if pixels != 0.0 {
                (heights, valid) = along(&heights, &valid, axis, pixels);
            }
        }
        Ok(HeightMap::new(heights, valid, Some(pixel))?)
    }
}

fn along(heights: &Array2<f64>, valid: &Array2<bool>, axis: Axis, pixels: f64) -> (Array2<f64>, Array2<bool>) {
    let mut moved = Array2::zeros(heights.dim());
    let mut moved_valid = Array2::from_elem(heights.dim(), false);
    // Row by row in both directions, so that memory is read in order.
    Zip::indexed(&mut moved).and(&mut moved_valid).par_for_each(|(row, column), height, ok| {
        let value = if axis == Axis(1) {
            on_line(heights.row(row), valid.row(row), column as f64 - pixels)
        } else {
            on_line(heights.column(column), valid.column(column), row as f64 - pixels)
        };
        if let Some(value) = value {
            (*height, *ok) = (value, true);
        }
    });
    (moved, moved_valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stitchbox_surface::PixelSize;

    #[test]
    fn a_quadratic_surface_moves_exactly_and_a_hole_moves_along() {
        let pixel = PixelSize { x_mm: 0.5, y_mm: 0.2 };
        let surface = |x: f64, y: f64| 100.0 + 3.0 * x - 2.0 * y + 0.7 * x * x - 0.3 * x * y + 0.1 * y * y;
        let mut heights = Array2::from_shape_fn((9, 12), |(r, c)| surface(c as f64, r as f64));
        heights[[4, 6]] = f64::NAN;
        let map = HeightMap::from_heights_nm(heights, Some(pixel));
        // 1.3 px right, 0.5 px up.
        let moved = Shift { x: Length::new(0.65), y: Length::new(-0.1) }.apply(&map).unwrap();
        let mut expected = 0;
        for ((r, c), ok) in moved.valid().indexed_iter() {
            let (u, v) = (c as f64 - 1.3, r as f64 + 0.5);
            let beside_hole = (u - 6.0).abs() < 1.0 && (v - 4.0).abs() < 1.0;
            let inside = u >= 0.0 && v <= 8.0 && !beside_hole;
            assert_eq!(*ok, inside, "{r} {c}");
            if inside {
                expected += 1;
                assert!((moved.heights_nm()[[r, c]] - surface(u, v)).abs() < 1e-9, "{r} {c}");
            }
        }
        assert_eq!(expected, 10 * 8 - 4);
        // Whole pixels are moved without a change.
        let whole = Shift { x: Length::new(1.0), y: Length::new(0.0) }.apply(&map).unwrap();
        assert_eq!(whole.heights_nm()[[3, 5]], map.heights_nm()[[3, 3]]);
        assert!(!whole.valid()[[4, 8]] && whole.valid()[[4, 7]]);
    }
}
