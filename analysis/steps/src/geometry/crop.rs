//! Cuts a rectangle out of a map.

use ndarray::Axis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;
use stitchbox_surface::quantity::Length;

use crate::StepError;
use crate::frame::pixel_size;

/// Cuts a rectangle out of a map. Each direction is given in lengths or in pixels, or not at all (all of it is kept).
/// Lengths count from the centre of the map, like those of a mask; a pixel is kept where its centre lies inside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Crop {
    /// From and to along x, for instance `["-20 mm", "40 mm"]`, both ends included. Default: all.
    pub x: Option<[Length; 2]>,
    /// From and to along y, both ends included. Default: all.
    pub y: Option<[Length; 2]>,
    /// First column kept and first column no longer kept, counted from 0. Default: all.
    pub columns: Option<[usize; 2]>,
    /// First row kept and first row no longer kept, counted from 0. Default: all.
    pub rows: Option<[usize; 2]>,
}

/// A length this many pixels beside a pixel's centre still hits it (rounding of decimal numbers).
const TOUCH: f64 = 1e-6;

impl Crop {
    /// The rectangle, with the pixel size of the map.
    ///
    /// # Errors
    /// [`StepError::NoPixelSize`] where lengths are given; [`StepError::Exclusive`] where a direction is given
    /// twice; [`StepError::TooFew`] where nothing of the map is left.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let (rows, columns) = map.shape();
        let [left, right] = match (self.x, self.columns) {
            (Some(_), Some(_)) => return Err(StepError::Exclusive { step: "crop", one: "x", other: "columns" }),
            (Some(x), None) => pixels(x, pixel_size(map, "crop")?.x_mm, columns),
            (None, pixels) => pixels.unwrap_or([0, columns]),
        };
        let [top, bottom] = match (self.y, self.rows) {
            (Some(_), Some(_)) => return Err(StepError::Exclusive { step: "crop", one: "y", other: "rows" }),
            (Some(y), None) => pixels(y, pixel_size(map, "crop")?.y_mm, rows),
            (None, pixels) => pixels.unwrap_or([0, rows]),
        };
        let (right, bottom) = (right.min(columns), bottom.min(rows));
        if left >= right || top >= bottom {
            return Err(StepError::TooFew { step: "crop", what: "pixels inside of the map", found: 0, needed: 1 });
        }
        let (mut heights, mut valid) = (map.heights_nm().view(), map.valid().view());
        heights.slice_axis_inplace(Axis(0), (top..bottom).into());
        heights.slice_axis_inplace(Axis(1), (left..right).into());
        valid.slice_axis_inplace(Axis(0), (top..bottom).into());
        valid.slice_axis_inplace(Axis(1), (left..right).into());
        Ok(HeightMap::new(heights.to_owned(), valid.to_owned(), map.pixel())?)
    }
}

/// Pixels whose centres lie between two lengths, as a half-open range.
fn pixels(between: [Length; 2], pixel_mm: f64, count: usize) -> [usize; 2] {
    let clamp = |position: f64| position.clamp(0.0, count as f64) as usize;
    let centre = (count as f64 - 1.0) / 2.0;
    let first = clamp((between[0].mm() / pixel_mm + centre - TOUCH).ceil());
    let end = clamp((between[1].mm() / pixel_mm + centre + TOUCH).floor() + 1.0);
    [first, end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use stitchbox_surface::PixelSize;

    #[test]
    fn lengths_and_pixels_cut_the_same() {
        let heights = Array2::from_shape_fn((6, 10), |(r, c)| (10 * r + c) as f64);
        let map = HeightMap::from_heights_nm(heights, Some(PixelSize { x_mm: 0.1, y_mm: 0.2 }));
        let mm = |a: f64, b: f64| Some([Length::new(a), Length::new(b)]);
        let lengths = Crop { x: mm(-0.15, 0.25), y: mm(-5.0, 0.09), ..Crop::default() }.apply(&map).unwrap();
        let pixels = Crop { columns: Some([3, 8]), rows: Some([0, 3]), ..Crop::default() }.apply(&map).unwrap();
        assert_eq!(lengths, pixels);
        assert_eq!((lengths.shape(), lengths.heights_nm()[[2, 0]]), ((3, 5), 23.0));
        assert_eq!(Crop::default().apply(&map).unwrap(), map);
    }

    #[test]
    fn nothing_left_and_contradictions_are_refused() {
        let map = HeightMap::from_heights_nm(Array2::zeros((4, 4)), None);
        assert!(matches!(Crop { columns: Some([4, 9]), ..Crop::default() }.apply(&map), Err(StepError::TooFew { .. })));
        let x = Some([Length::new(0.0), Length::new(1.0)]);
        let twice = Crop { x, columns: Some([0, 2]), ..Crop::default() };
        assert!(matches!(twice.apply(&map), Err(StepError::Exclusive { .. })));
        assert!(matches!(Crop { x, ..Crop::default() }.apply(&map), Err(StepError::NoPixelSize { .. })));
    }
}
