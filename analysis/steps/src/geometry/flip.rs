//! Mirror images of a map.

use ndarray::Axis as ArrayAxis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::HeightMap;

use crate::StepError;
use crate::frame::Axis;

/// Reverses the order of the columns (x) or of the rows (y).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// The direction that is reversed: `x` exchanges left and right, `y` exchanges top and bottom.
    pub axis: Axis,
}

impl Flip {
    /// The mirror image, of the same shape and pixel size.
    ///
    /// # Errors
    /// None in practice; the signature is that of every step.
    pub fn apply(&self, map: &HeightMap) -> Result<HeightMap, StepError> {
        let axis = match self.axis {
            Axis::X => ArrayAxis(1),
            Axis::Y => ArrayAxis(0),
        };
        let (mut heights, mut valid) = (map.heights_nm().view(), map.valid().view());
        heights.invert_axis(axis);
        valid.invert_axis(axis);
        Ok(HeightMap::new(heights.to_owned(), valid.to_owned(), map.pixel())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn columns_or_rows_are_reversed_with_their_mask() {
        let map = HeightMap::from_heights_nm(array![[1.0, 2.0, f64::NAN], [4.0, 5.0, 6.0]], None);
        let x = Flip { axis: Axis::X }.apply(&map).unwrap();
        assert_eq!(x.heights_nm(), array![[0.0, 2.0, 1.0], [6.0, 5.0, 4.0]]);
        assert_eq!(x.valid(), array![[false, true, true], [true, true, true]]);
        let y = Flip { axis: Axis::Y }.apply(&map).unwrap();
        assert_eq!(y.heights_nm(), array![[4.0, 5.0, 6.0], [1.0, 2.0, 0.0]]);
    }
}
